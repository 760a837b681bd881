//! One file, from the claim to its outcome.

use std::{io, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::task::JoinError;

use super::{
    Ended,
    failures::History,
    file_name::file_name,
    read_source::{self, follows_links},
    resumable,
};
use crate::{
    clock,
    context::{Context, Result, account::Permit},
    escape::Escaped,
    media::description::{self, sidecar_cache::Dirs},
    model::ids::{ContentHash, ItemId, UploadToken},
    photos_api::{self, Bandwidth, FileBody, Kind},
    progress::Transfer,
    store::{AccountState, Claimed, Content, FileStat, Hashed, Sending},
};

/// How long a file that could not be read is left alone, times the number of failures.
pub(super) const UNREADABLE: Duration = Duration::from_mins(1);

/// Bytes that are sent to see whether the service takes any: fewer than any photo has.
const FEW_BYTES: u64 = 16;

/// One slot at work.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) context: Context,
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
    Failed(photos_api::Error),
    /// Nothing may be sent now: the account cannot be used, or the service asked for a pause. What the
    /// service has of the file stays in its session.
    HeldUp,
    /// The stop came.
    Stopped,
}

impl Slot {
    /// Takes the file as far as it gets.
    pub(super) async fn run(&self) -> Result<Ended> {
        let claim = self.claim.clone();
        let wants_words = description::is_wanted(&self.context.config, &claim.root_path);
        let dirs = wants_words.then(|| self.dirs.clone());
        let follow = follows_links(&self.context.config, &claim.root_path);
        let read =
            tokio::task::spawn_blocking(move || read_source::read(&claim, follow, dirs.as_ref()));
        let Some(read) = read_by(read.await) else {
            return Ok(Ended::Stopped);
        };

        let now = self.context.clock.now();
        let file = self.claim.file;
        match read {
            read_source::Read::Source(source) => self.hashed(source).await,
            read_source::Read::Changed(stat) => {
                self.settle_anew(None, stat, self.context.config.watch.settle, now)
                    .await
            }
            read_source::Read::Refused(kind, reason) => {
                tracing::info!(path = %Escaped::path(&self.claim.path), "does not go up: {reason}");
                self.context.store.refused(file, kind, reason, now).await?;
                Ok(Ended::Recorded)
            }
            read_source::Read::NotFound => {
                self.context.store.vanished(file, None, now).await?;
                Ok(Ended::Recorded)
            }
            read_source::Read::RootAway => {
                self.context.store.root_away(self.claim.root).await?;
                self.context
                    .store
                    .unclaim(file, clock::from_millis(0), now)
                    .await?;
                self.context.wakes.scan.notify();
                Ok(Ended::Recorded)
            }
            read_source::Read::Unreadable(error) => self.unreadable(&error, now).await,
        }
    }

    async fn unreadable(&self, error: &std::io::Error, now: Timestamp) -> Result<Ended> {
        let wait = UNREADABLE.saturating_mul(self.claim.attempts + 1);
        let reason = format!("it cannot be read: {error}");
        tracing::warn!(path = %Escaped::path(&self.claim.path), "{reason}");
        let not_before = clock::after(now, wait);
        let most = self.context.config.retry.max_attempts;
        // What permissions refuse, time does not mend; the next change of the file does.
        let most = if error.kind() == std::io::ErrorKind::PermissionDenied {
            1
        } else {
            most
        };
        self.context
            .store
            .unreadable(self.claim.file, reason, not_before, most, now)
            .await?;
        Ok(Ended::Recorded)
    }

    pub(super) async fn settle_anew(
        &self,
        item: Option<ItemId>,
        stat: FileStat,
        settle: Duration,
        now: Timestamp,
    ) -> Result<Ended> {
        let settle_ms = u64::try_from(settle.as_millis()).unwrap_or(u64::MAX);
        let due_at = clock::after(now, settle);
        self.context
            .store
            .changed_while_sent(self.claim.file, item, stat, due_at, settle_ms, now)
            .await?;
        self.context.wakes.scan.notify();
        Ok(Ended::Recorded)
    }

    async fn hashed(&self, mut source: read_source::Source) -> Result<Ended> {
        let content = Content {
            hash: source.hash,
            size: source.stat.size,
            mime: source.kind.mime,
            file_name: file_name(&self.claim.name),
            words: source.words.take(),
        };
        let now = self.context.clock.now();
        match self
            .context
            .store
            .hashed(self.claim.file, content, now)
            .await?
        {
            Hashed::Duplicate(item, state) => {
                tracing::debug!(item.id = item.0, path = %Escaped::path(&self.claim.path), "known already: {state}");
                self.context.wakes.writer.notify();
                Ok(Ended::Recorded)
            }
            Hashed::Upload(item, kept) => {
                let size = source.stat.size;
                let transfer =
                    self.context
                        .progress
                        .begin(self.claim.file, self.claim.path.clone(), size);
                let sent = if size > self.context.config.upload.resumable_above || kept.is_some() {
                    resumable::send(self, item, &source, kept, &transfer).await?
                } else {
                    self.send_raw(&source, &transfer).await?
                };
                self.outcome(item, &source, sent, transfer).await
            }
        }
    }

    async fn send_raw(&self, source: &read_source::Source, transfer: &Transfer) -> Result<Sent> {
        let mut retried = false;
        loop {
            let body = self.body(source, 0, source.stat.size, blake3::Hasher::new(), transfer);
            let sent = body.sent();
            if !self.acquire_request().await? {
                return Ok(Sent::HeldUp);
            }
            match self.context.client.upload_raw(source.kind.mime, body).await {
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
    pub(super) async fn probe_upload_endpoint(&self, source: &read_source::Source) -> Result<bool> {
        if !self.acquire_request().await? {
            return Ok(false);
        }
        let few = FileBody::new(
            Arc::clone(&source.file),
            0,
            source.stat.size.min(FEW_BYTES),
            blake3::Hasher::new(),
            Arc::default(),
            self.bandwidth.clone(),
        );
        let sent = self
            .context
            .client
            .upload_raw("application/octet-stream", few);
        Ok(sent.await.is_ok())
    }

    /// A stretch of the file on its way.
    pub(super) fn body(
        &self,
        source: &read_source::Source,
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

    /// Asked before each request of the upload endpoint: whether it may be sent. One that may is
    /// counted. A slot may be at its file for hours, and much may have happened since it began.
    pub(super) async fn acquire_request(&self) -> Result<bool> {
        if !self.is_open() {
            return Ok(false);
        }
        self.context
            .store
            .about_to_send(Sending::Upload, self.context.clock.now())
            .await?;
        // The store takes its time.
        Ok(self.is_open())
    }

    fn is_open(&self) -> bool {
        let account = &self.context.account;
        let closed = matches!(account.check(), Permit::Closed { .. })
            // Another slot could not reach the service. This one may: a file is not hashed anew for that.
            && account.pause().state != AccountState::Unreachable;
        !closed && !self.history.is_asked_to_wait(self.context.clock.now())
    }
}

/// What a reader on its own thread has found; none at the stop. One that broke off is a defect of
/// ours, and stands in the way of this file alone.
fn read_by(joined: std::result::Result<read_source::Read, JoinError>) -> Option<read_source::Read> {
    match joined {
        Ok(read) => Some(read),
        Err(error) if error.is_cancelled() => None,
        Err(_) => Some(read_source::Read::Unreadable(io::Error::other(
            "a defect of Albumen broke off the reading; please report it",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_panics_leaves_a_file_that_cannot_be_read() {
        let reader = tokio::task::spawn_blocking(|| panic!("a defect"));
        let read = read_by(reader.await);
        assert!(matches!(read, Some(read_source::Read::Unreadable(_))));
    }

    #[tokio::test]
    async fn a_reader_that_is_cut_short_by_the_stop_says_nothing() {
        let reader = tokio::spawn(std::future::pending());
        reader.abort();
        assert!(read_by(reader.await).is_none());
    }
}
