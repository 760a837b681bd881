//! One file, from the claim to its outcome.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Ended, History, Since, file_name::file_name, reading, session};
use crate::{
    api::{self, Bandwidth, FileBody, Kind},
    clock,
    ids::{ContentHash, ItemId, UploadToken},
    pipeline::{
        Mode, Result, Stage, asked, backoff,
        description::{self, dirs::Dirs},
        gate,
        opening::Links,
    },
    progress::Transfer,
    shown::Shown,
    store::{Claimed, Content, FileStat, Hashed, Sending},
};

/// How long a file that could not be read is left alone, times the number of failures.
const UNREADABLE: Duration = Duration::from_mins(1);

/// Bytes that are sent to see whether the service takes any: fewer than any photo has.
const FEW_BYTES: u64 = 16;

/// The longest that a file which keeps changing must stand still (the design, "Upload").
const LONGEST_SETTLE: Duration = Duration::from_hours(1);

/// One slot at work.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) stage: Stage,
    pub(super) bandwidth: Bandwidth,
    pub(super) history: History,
    pub(super) dirs: Dirs,
    pub(super) claim: Claimed,
}

/// How sending ended.
#[derive(Debug)]
pub(super) enum Sent {
    /// The service gave a token for these bytes.
    Token(UploadToken, ContentHash),
    /// It failed.
    Failed(api::Error),
    /// The stop came.
    Stopped,
}

impl Slot {
    /// Takes the file as far as it gets.
    pub(super) async fn run(&self) -> Result<Ended> {
        let claim = self.claim.clone();
        let wants_words = description::is_wanted(&self.stage.config, &claim.root_path);
        let dirs = wants_words.then(|| self.dirs.clone());
        let links = Links::of(&self.stage.config, &claim.root_path);
        let read = tokio::task::spawn_blocking(move || reading::read(&claim, links, dirs.as_ref()));
        let Ok(read) = read.await else {
            return Ok(Ended::Stopped);
        };

        let now = self.stage.clock.now();
        let file = self.claim.file;
        match read {
            reading::Read::Source(source) => self.hashed(source).await,
            reading::Read::Changed(stat) => {
                self.settle_anew(None, stat, self.stage.config.watch.settle, now)
                    .await
            }
            reading::Read::Refused(kind, reason) => {
                tracing::info!(path = %Shown::path(&self.claim.path), "does not go up: {reason}");
                self.stage.store.refused(file, kind, reason, now).await?;
                Ok(Ended::Recorded)
            }
            reading::Read::Vanished => {
                self.stage.store.vanished(file, None, now).await?;
                Ok(Ended::Recorded)
            }
            reading::Read::RootAway => {
                self.stage.store.root_away(self.claim.root).await?;
                self.stage
                    .store
                    .unclaim(file, clock::from_millis(0), now)
                    .await?;
                self.stage.bells.intake.ring();
                Ok(Ended::Recorded)
            }
            reading::Read::Unreadable(error) => self.unreadable(&error, now).await,
        }
    }

    async fn unreadable(&self, error: &std::io::Error, now: Timestamp) -> Result<Ended> {
        let wait = UNREADABLE.saturating_mul(self.claim.attempts + 1);
        let reason = format!("it cannot be read: {error}");
        tracing::warn!(path = %Shown::path(&self.claim.path), "{reason}");
        let not_before = clock::after(now, wait);
        let most = self.stage.config.retry.max_attempts;
        // What permissions refuse, time does not mend; the next change of the file does.
        let most = if error.kind() == std::io::ErrorKind::PermissionDenied {
            1
        } else {
            most
        };
        self.stage
            .store
            .unreadable(self.claim.file, reason, not_before, most, now)
            .await?;
        Ok(Ended::Recorded)
    }

    async fn settle_anew(
        &self,
        item: Option<ItemId>,
        stat: FileStat,
        settle: Duration,
        now: Timestamp,
    ) -> Result<Ended> {
        let settle_ms = u64::try_from(settle.as_millis()).unwrap_or(u64::MAX);
        let due_at = clock::after(now, settle);
        self.stage
            .store
            .changed_while_sent(self.claim.file, item, stat, due_at, settle_ms, now)
            .await?;
        self.stage.bells.intake.ring();
        Ok(Ended::Recorded)
    }

    async fn hashed(&self, mut source: reading::Source) -> Result<Ended> {
        let content = Content {
            hash: source.hash,
            size: source.stat.size,
            mime: source.kind.mime,
            file_name: file_name(&self.claim.name),
            words: source.words.take(),
        };
        let now = self.stage.clock.now();
        match self
            .stage
            .store
            .hashed(self.claim.file, content, now)
            .await?
        {
            Hashed::Known(item, state) => {
                tracing::debug!(item.id = item.0, path = %Shown::path(&self.claim.path), "known already: {state}");
                self.stage.bells.lane.ring();
                Ok(Ended::Recorded)
            }
            Hashed::Send(item, kept) => {
                let size = source.stat.size;
                let transfer =
                    self.stage
                        .progress
                        .begin(self.claim.file, self.claim.path.clone(), size);
                let sent = if size > self.stage.config.upload.resumable_above || kept.is_some() {
                    session::send(self, item, &source, kept, &transfer).await?
                } else {
                    self.send_raw(&source, &transfer).await?
                };
                self.outcome(item, &source, sent, transfer).await
            }
        }
    }

    async fn send_raw(&self, source: &reading::Source, transfer: &Transfer) -> Result<Sent> {
        let mut retried = false;
        loop {
            let body = self.body(source, 0, source.stat.size, blake3::Hasher::new(), transfer);
            let sent = body.sent();
            self.count().await?;
            match self.stage.client.upload_raw(source.kind.mime, body).await {
                Ok(token) => {
                    let hash = sent.hash().unwrap_or(ContentHash([0; 32]));
                    return Ok(Sent::Token(token, hash));
                }
                // A new access token comes with the next request: once more, without a wait.
                Err(error) if error.kind() == Kind::AccessTokenRefused && !retried => {
                    retried = true;
                }
                Err(error) => return Ok(Sent::Failed(error)),
            }
        }
    }

    /// Whether the service takes bytes at all: a few of this file, which become nothing.
    async fn takes_bytes(&self, source: &reading::Source) -> Result<bool> {
        self.count().await?;
        let few = FileBody::new(
            Arc::clone(&source.file),
            0,
            source.stat.size.min(FEW_BYTES),
            blake3::Hasher::new(),
            Arc::default(),
            self.bandwidth.clone(),
        );
        let sent = self
            .stage
            .client
            .upload_raw("application/octet-stream", few);
        Ok(sent.await.is_ok())
    }

    /// A stretch of the file on its way.
    pub(super) fn body(
        &self,
        source: &reading::Source,
        offset: u64,
        size: u64,
        hasher: blake3::Hasher,
        transfer: &Transfer,
    ) -> FileBody {
        let file = Arc::clone(&source.file);
        FileBody::new(
            file,
            offset,
            size,
            hasher,
            transfer.position(),
            self.bandwidth.clone(),
        )
    }

    /// Counts a request of the upload endpoint that is about to be sent.
    pub(super) async fn count(&self) -> Result<()> {
        self.stage
            .store
            .about_to_send(Sending::Upload, self.stage.clock.now())
            .await?;
        Ok(())
    }

    async fn outcome(
        &self,
        item: ItemId,
        source: &reading::Source,
        sent: Sent,
        transfer: Transfer,
    ) -> Result<Ended> {
        let now = self.stage.clock.now();
        match sent {
            Sent::Stopped => Ok(Ended::Stopped),
            Sent::Failed(error) => self.failed(item, source, &error, now).await,
            Sent::Token(upload_token, hash) => {
                self.stage.gate.bytes_passed().await?;
                // A network disk may hang here as anywhere: not on a thread of the runtime.
                let file = Arc::clone(&source.file);
                let looked = tokio::task::spawn_blocking(move || reading::stat_of(&file)).await;
                let stood_still = matches!(looked, Ok(Ok((after, links)))
                    if links > 0 && reading::same_content(source.stat, after));
                if hash != source.hash || !stood_still {
                    return self.changed(item, now).await;
                }
                self.history.succeeded(item);
                let size = source.stat.size;
                self.stage
                    .store
                    .token_received(item, upload_token, size, now)
                    .await?;
                transfer.arrived(size);
                tracing::debug!(item.id = item.0, path = %Shown::path(&self.claim.path), size_bytes = size, "uploaded");
                self.stage.bells.lane.ring();
                Ok(Ended::Sent)
            }
        }
    }

    /// The file changed while its bytes went up: they are not registered.
    async fn changed(&self, item: ItemId, now: Timestamp) -> Result<Ended> {
        let claim = self.claim.clone();
        let links = Links::of(&self.stage.config, &claim.root_path);
        let looked = tokio::task::spawn_blocking(move || {
            let looked = reading::open(&claim, links).and_then(|file| reading::stat_of(&file));
            (looked, reading::is_away(&claim.root_path))
        })
        .await;
        let stat = match looked {
            Ok((Ok((stat, _)), _)) => stat,
            Ok((Err(error), false)) if error.kind() == std::io::ErrorKind::NotFound => {
                let store = &self.stage.store;
                store.vanished(self.claim.file, Some(item), now).await?;
                return Ok(Ended::Recorded);
            }
            // A disk that went away, or will not say: nothing is known of the file, so it waits.
            _ => {
                let not_before = clock::after(now, UNREADABLE);
                let store = &self.stage.store;
                store
                    .upload_again(self.claim.file, item, not_before, None, now)
                    .await?;
                self.stage.bells.intake.ring();
                return Ok(Ended::Recorded);
            }
        };
        let base = u64::try_from(self.stage.config.watch.settle.as_millis())
            .unwrap_or(u64::MAX)
            .max(1000);
        let doubled = Duration::from_millis(self.claim.settle_ms.max(base).saturating_mul(2));
        let settle = doubled.min(LONGEST_SETTLE);
        tracing::info!(path = %Shown::path(&self.claim.path), settle_s = settle.as_secs(),
            "changed while it was sent; it is sent again once it stands still");
        self.settle_anew(Some(item), stat, settle, now).await
    }

    async fn failed(
        &self,
        item: ItemId,
        source: &reading::Source,
        error: &api::Error,
        now: Timestamp,
    ) -> Result<Ended> {
        let file = self.claim.file;
        let retry = &self.stage.config.retry;
        let words = gate::in_words(error);
        if self.stage.gate.met(error).await? {
            self.stage
                .store
                .upload_again(file, item, now, None, now)
                .await?;
            return Ok(Ended::Recorded);
        }
        match error.kind() {
            Kind::Body => self.changed(item, now).await,
            Kind::TooLarge => {
                self.stage.store.upload_given_up(item, words, now).await?;
                Ok(Ended::Recorded)
            }
            // The item's own: another try may be another story, but not for ever.
            Kind::Checksum
            | Kind::EmptyPayload
            | Kind::EmptyToken
            | Kind::BadRequest
            | Kind::Forbidden
            | Kind::NotFound => {
                tracing::warn!(item.id = item.0, path = %Shown::path(&self.claim.path), "upload refused: {words}");
                let wait = backoff::after_trouble(retry, self.claim.attempts + 2, fastrand::f64());
                let blamed = Some((words, retry.max_attempts));
                self.stage
                    .store
                    .upload_again(file, item, clock::after(now, wait), blamed, now)
                    .await?;
                Ok(Ended::Recorded)
            }
            kind => {
                tracing::info!(item.id = item.0, path = %Shown::path(&self.claim.path), "upload failed: {words}");
                let blamed = match self.history.failed(item) {
                    Since::TooEarly => false,
                    Since::OthersPassed => true,
                    // A backfill may have nothing else to send, now or ever.
                    Since::NonePassed => {
                        self.stage.mode == Mode::Backfill
                            && !asked::is_asked(error)
                            && self.takes_bytes(source).await?
                    }
                };
                let blamed = blamed.then_some((words, retry.max_attempts));
                let wait = match kind {
                    Kind::RateLimited(_) => {
                        Some(backoff::after_rate_limit(retry, 0, fastrand::f64()))
                    }
                    _ => None,
                };
                let wait = error.retry_after().into_iter().chain(wait).max();
                if let Some(wait) = wait {
                    // Before the row of the file: whoever finds that one has to know of the wait.
                    let until = clock::after(now, wait);
                    asked::keep(&self.stage.store, asked::UPLOADS, until).await?;
                }
                // One that fails while others get through steps back, and lets them.
                let own = if blamed.is_some() {
                    backoff::after_trouble(retry, self.claim.attempts + 1, fastrand::f64())
                } else {
                    Duration::ZERO
                };
                self.stage
                    .store
                    .upload_again(file, item, clock::after(now, own), blamed, now)
                    .await?;
                Ok(Ended::Trouble { wait })
            }
        }
    }
}
