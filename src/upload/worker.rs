//! One file, from the claim to its recorded outcome: a token, another try, or the end of it.

use std::{io, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::task::JoinError;

use super::{
    failures::Since,
    read_source::{self, Read, Source, file_name, follows_links},
    send::{Sender, Sent},
};
use crate::{
    clock,
    context::{
        Context, Mode, Result,
        account::error_chain,
        pause::{self, Scope},
    },
    escape::Escaped,
    media::description::{self, sidecar_cache::Dirs},
    model::ids::ItemId,
    photos_api::{Error, Kind},
    progress::Transfer,
    store::{Claimed, Content, FileStat, Hashed, Store},
};

/// How long a file that could not be read waits, times the number of failures.
const UNREADABLE: Duration = Duration::from_mins(1);

/// How often an upload fails, with no other one in between, before the item may be at fault.
const MAX_UNEXPLAINED: u32 = 5;

/// The longest that a file which keeps changing must be unchanged (the design, "Upload").
const MAX_SETTLE: Duration = Duration::from_hours(1);

/// A worker at its file.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) sender: Sender,
    pub(super) sidecars: Dirs,
    pub(super) claim: Claimed,
}

/// How a worker ended, as far as the task needs to know.
#[derive(Debug)]
pub(super) enum Ended {
    /// The outcome is recorded and says nothing about the service.
    Recorded,
    /// The service took the bytes.
    Sent,
    /// The service or the network failed; the file waits in the queue.
    Failed {
        words: String,
        /// The wait that the service asked for.
        wait: Option<Duration>,
    },
    /// The stop came; the next start puts the file back into the queue.
    Stopped,
}

impl Worker {
    fn context(&self) -> &Context {
        &self.sender.context
    }

    fn store(&self) -> &Store {
        &self.sender.context.store
    }

    fn now(&self) -> Timestamp {
        self.sender.context.clock.now()
    }

    fn path(&self) -> Escaped<'_> {
        Escaped::path(&self.claim.path)
    }

    /// Takes the file as far as possible.
    pub(super) async fn run(&self) -> Result<Ended> {
        let (claim, config) = (self.claim.clone(), &self.context().config);
        let wants_description = description::is_wanted(config, &claim.root_path);
        let sidecars = wants_description.then(|| self.sidecars.clone());
        let follow = follows_links(config, &claim.root_path);
        let read = tokio::task::spawn_blocking(move || {
            read_source::read(&claim, follow, sidecars.as_ref())
        });
        let Some(read) = joined(read.await) else {
            return Ok(Ended::Stopped);
        };
        let (now, file, store) = (self.now(), self.claim.file, self.store());
        match read {
            Read::Source(source) => return self.upload(source).await,
            Read::Changed(stat) => {
                self.settle_again(None, stat, config.watch.settle).await?;
            }
            Read::Refused(kind, reason) => {
                tracing::info!(path = %self.path(), "does not go up: {reason}");
                store.refused(file, kind, reason, now).await?;
            }
            Read::NotFound => store.vanished(file, None, now).await?,
            Read::RootAway => {
                store.root_away(self.claim.root).await?;
                store.unclaim(file, clock::from_millis(0), now).await?;
                self.context().wakes.scan.notify();
            }
            Read::Unreadable(error) => self.unreadable(&error, now).await?,
        }
        Ok(Ended::Recorded)
    }

    async fn unreadable(&self, error: &io::Error, now: Timestamp) -> Result<()> {
        let reason = format!("it cannot be read: {error}");
        tracing::warn!(path = %self.path(), "{reason}");
        let wait = UNREADABLE.saturating_mul(self.claim.attempts + 1);
        let until = clock::after(now, wait);
        // A missing permission does not pass by itself; the next change of the file is tried.
        let max_attempts = match error.kind() {
            io::ErrorKind::PermissionDenied => 1,
            _ => self.context().config.retry.max_attempts,
        };
        self.store()
            .unreadable(self.claim.file, reason, until, max_attempts, now)
            .await?;
        Ok(())
    }

    /// The file has changed: it is read again once it is unchanged for `settle`.
    async fn settle_again(
        &self,
        item: Option<ItemId>,
        stat: FileStat,
        settle: Duration,
    ) -> Result<()> {
        let (now, file) = (self.now(), self.claim.file);
        let settle_ms = u64::try_from(settle.as_millis()).unwrap_or(u64::MAX);
        let due_at = clock::after(now, settle);
        self.store()
            .changed_while_sent(file, item, stat, due_at, settle_ms, now)
            .await?;
        self.context().wakes.scan.notify();
        Ok(())
    }

    async fn upload(&self, mut source: Source) -> Result<Ended> {
        let (context, claim, size) = (self.context(), &self.claim, source.stat.size);
        let read = Content {
            hash: source.hash,
            size,
            mime: source.kind.mime,
            file_name: file_name(&claim.name),
            words: source.words.take(),
        };
        let hashed = self.store().hashed(claim.file, read, self.now()).await?;
        let (item, kept) = match hashed {
            Hashed::Duplicate(item, state) => {
                tracing::debug!(item.id = item.0, path = %self.path(), "known already: {state}");
                context.wakes.writer.notify();
                return Ok(Ended::Recorded);
            }
            Hashed::Upload(item, kept) => (item, kept),
        };
        let progress = &context.progress;
        let transfer = progress.begin(claim.file, claim.path.clone(), size);
        let sent = self.sender.send(item, &source, kept, &transfer).await?;
        let now = self.now();
        match sent {
            Sent::Stopped => Ok(Ended::Stopped),
            Sent::Paused => self.try_again(item, now, None).await,
            Sent::Failed(error) => self.failed(item, &source, &error, now).await,
            Sent::Token(upload_token, hash) => {
                context.account.record_upload_success().await?;
                // A network file system may hang here: not on a thread of the runtime.
                let file = Arc::clone(&source.file);
                let looked = tokio::task::spawn_blocking(move || read_source::stat_of(&file)).await;
                let is_unchanged = matches!(looked, Ok(Ok((after, links)))
                    if links > 0 && read_source::same_content(source.stat, after));
                if hash != source.hash || !is_unchanged {
                    return self.changed(item, now).await;
                }
                self.sender.failures.record_success(item);
                self.store()
                    .token_received(item, upload_token, size, now)
                    .await?;
                self.arrived(item, transfer, size);
                Ok(Ended::Sent)
            }
        }
    }

    fn arrived(&self, item: ItemId, transfer: Transfer, size: u64) {
        transfer.finish(size);
        tracing::debug!(item.id = item.0, path = %self.path(), size_bytes = size, "uploaded");
        self.context().wakes.writer.notify();
    }

    /// Puts the file back into the queue. `failed` is the reason, and the number of attempts after which the
    /// item has failed.
    async fn try_again(
        &self,
        item: ItemId,
        until: Timestamp,
        failed: Option<(String, u32)>,
    ) -> Result<Ended> {
        let (file, now) = (self.claim.file, self.now());
        self.store()
            .upload_again(file, item, until, failed, now)
            .await?;
        Ok(Ended::Recorded)
    }

    /// The file changed while it was sent: the token is not used.
    async fn changed(&self, item: ItemId, now: Timestamp) -> Result<Ended> {
        let (claim, config) = (self.claim.clone(), &self.context().config);
        let follow = follows_links(config, &claim.root_path);
        let looked = tokio::task::spawn_blocking(move || {
            let opened = read_source::open(&claim, follow);
            let looked = opened.and_then(|file| read_source::stat_of(&file));
            (looked, read_source::is_away(&claim.root_path))
        })
        .await;
        let stat = match looked {
            Ok((Ok((stat, _)), _)) => stat,
            Ok((Err(error), false)) if error.kind() == io::ErrorKind::NotFound => {
                let file = self.claim.file;
                self.store().vanished(file, Some(item), now).await?;
                return Ok(Ended::Recorded);
            }
            // The disk is away or does not answer: nothing is known of the file, so it waits.
            _ => {
                self.context().wakes.scan.notify();
                return self
                    .try_again(item, clock::after(now, UNREADABLE), None)
                    .await;
            }
        };
        let base = u64::try_from(config.watch.settle.as_millis()).unwrap_or(u64::MAX);
        let before = self.claim.settle_ms.max(base).max(1000);
        let settle = Duration::from_millis(before.saturating_mul(2)).min(MAX_SETTLE);
        tracing::info!(path = %self.path(), settle_s = settle.as_secs(),
            "changed while it was sent; it is sent again once it stands still");
        self.settle_again(Some(item), stat, settle).await?;
        Ok(Ended::Recorded)
    }

    async fn failed(
        &self,
        item: ItemId,
        source: &Source,
        error: &Error,
        now: Timestamp,
    ) -> Result<Ended> {
        if self.context().account.record_failure(error).await? {
            return self.try_again(item, now, None).await;
        }
        match error.kind() {
            Kind::Body => self.changed(item, now).await,
            Kind::TooLarge => {
                let words = error_chain(error);
                self.store().upload_given_up(item, words, now).await?;
                Ok(Ended::Recorded)
            }
            // The item's own fault.
            Kind::Checksum | Kind::EmptyPayload => self.refused(item, error, now).await,
            _ => self.find_fault(item, source, error, now).await,
        }
    }

    /// The item is at fault, and is tried again a few times.
    async fn refused(&self, item: ItemId, error: &Error, now: Timestamp) -> Result<Ended> {
        let words = error_chain(error);
        tracing::warn!(item.id = item.0, path = %self.path(), "upload refused: {words}");
        let until = clock::after(now, self.item_backoff(item).await?);
        let max_attempts = self.context().config.retry.max_attempts;
        self.try_again(item, until, Some((words, max_attempts)))
            .await
    }

    /// How long an item that is at fault waits: longer each time.
    async fn item_backoff(&self, item: ItemId) -> Result<Duration> {
        let failures = self.store().blamed(item).await?.saturating_add(1);
        let retry = &self.context().config.retry;
        Ok(retry.after_server_error(failures, fastrand::f64()))
    }

    /// The service fails at this file, or at everything; or something on the way to it does.
    async fn find_fault(
        &self,
        item: ItemId,
        source: &Source,
        error: &Error,
        now: Timestamp,
    ) -> Result<Ended> {
        let (context, words) = (self.context(), error_chain(error));
        let failures = &self.sender.failures;
        // The service said no rather than failed. That may be about the bytes or about everybody: a blocked
        // address gets the same answer.
        let is_refusal = matches!(
            error.kind(),
            Kind::EmptyToken | Kind::BadRequest | Kind::Forbidden | Kind::NotFound
        );
        let is_at_fault = match failures.record_item_failure(item) {
            Since::OthersSucceeded => true,
            // A backfill may have nothing else to send, ever, and after a refusal no other upload may come that
            // could tell: then a few bytes are sent to see whether the service takes any.
            Since::NoneSucceeded(times) => {
                times >= if is_refusal { 1 } else { MAX_UNEXPLAINED }
                    && (is_refusal || context.mode == Mode::Backfill)
                    && !pause::is_requested(error)
                    && self.sender.probe_upload_endpoint(source).await?
            }
        };
        if is_at_fault && is_refusal {
            return self.refused(item, error, now).await;
        }
        tracing::info!(item.id = item.0, path = %self.path(), "upload failed: {words}");
        let retry = &context.config.retry;
        let wait = pause::is_requested(error).then(|| match error.kind() {
            Kind::RateLimited(_) => pause::wait_after(retry, 0, error),
            _ => error.retry_after().unwrap_or_default(),
        });
        if let Some(wait) = wait {
            let until = clock::after(now, wait);
            failures.request_pause(now, until);
            // Saved before the row of the file, so that a crash does not forget the wait.
            pause::save(self.store(), Scope::Uploads, now, until).await?;
        }
        // If other uploads succeed, this item waits for itself. Otherwise only the pause of all applies.
        let (own_wait, failed) = if is_at_fault {
            let failed = Some((words.clone(), retry.max_attempts));
            (self.item_backoff(item).await?, failed)
        } else {
            (Duration::ZERO, None)
        };
        self.try_again(item, clock::after(now, own_wait), failed)
            .await?;
        Ok(Ended::Failed { words, wait })
    }
}

/// What the reading thread found; none at the stop. If it panicked, that is a defect of ours, and concerns only
/// this file.
fn joined(read: std::result::Result<Read, JoinError>) -> Option<Read> {
    match read {
        Ok(read) => Some(read),
        Err(error) if error.is_cancelled() => None,
        Err(_) => Some(Read::Unreadable(io::Error::other(
            "a defect of Albumen broke off the reading; please report it",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_whose_reader_panics_is_unreadable() {
        let reader = tokio::task::spawn_blocking(|| panic!("a defect"));
        assert!(matches!(joined(reader.await), Some(Read::Unreadable(_))));
    }

    #[tokio::test]
    async fn a_reader_that_the_stop_ends_has_found_nothing() {
        let reader = tokio::spawn(std::future::pending());
        reader.abort();
        assert!(joined(reader.await).is_none());
    }
}
