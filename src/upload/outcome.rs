//! What came of sending one file: a token, another try, or the end of it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Ended,
    failures::Since,
    read_source::{self, follows_links},
    worker::{Sent, Slot, UNREADABLE},
};
use crate::{
    clock,
    context::{Mode, Result, account, backoff, retry_after},
    escape::Escaped,
    model::ids::ItemId,
    photos_api::{self, Kind},
    progress::Transfer,
};

/// How often an upload fails, with no other one in between, before anything is made of it.
const PATIENCE: u32 = 5;

/// The longest that a file which keeps changing must stand still (the design, "Upload").
const LONGEST_SETTLE: Duration = Duration::from_hours(1);

impl Slot {
    /// Records how sending ended.
    pub(super) async fn outcome(
        &self,
        item: ItemId,
        source: &read_source::Source,
        sent: Sent,
        transfer: Transfer,
    ) -> Result<Ended> {
        let now = self.context.clock.now();
        match sent {
            Sent::Stopped => Ok(Ended::Stopped),
            Sent::HeldUp => {
                self.context
                    .store
                    .upload_again(self.claim.file, item, now, None, now)
                    .await?;
                Ok(Ended::Recorded)
            }
            Sent::Failed(error) => self.failed(item, source, &error, now).await,
            Sent::Token(upload_token, hash) => {
                self.context.account.record_upload_success().await?;
                // A network disk may hang here as anywhere: not on a thread of the runtime.
                let file = Arc::clone(&source.file);
                let looked = tokio::task::spawn_blocking(move || read_source::stat_of(&file)).await;
                let stood_still = matches!(looked, Ok(Ok((after, links)))
                    if links > 0 && read_source::same_content(source.stat, after));
                if hash != source.hash || !stood_still {
                    return self.changed(item, now).await;
                }
                self.history.succeeded(item);
                let size = source.stat.size;
                self.context
                    .store
                    .token_received(item, upload_token, size, now)
                    .await?;
                transfer.finish(size);
                tracing::debug!(item.id = item.0, path = %Escaped::path(&self.claim.path), size_bytes = size, "uploaded");
                self.context.wakes.writer.notify();
                Ok(Ended::Sent)
            }
        }
    }

    /// The file changed while its bytes went up: they are not registered.
    async fn changed(&self, item: ItemId, now: Timestamp) -> Result<Ended> {
        let claim = self.claim.clone();
        let follow = follows_links(&self.context.config, &claim.root_path);
        let looked = tokio::task::spawn_blocking(move || {
            let looked =
                read_source::open(&claim, follow).and_then(|file| read_source::stat_of(&file));
            (looked, read_source::is_away(&claim.root_path))
        })
        .await;
        let stat = match looked {
            Ok((Ok((stat, _)), _)) => stat,
            Ok((Err(error), false)) if error.kind() == std::io::ErrorKind::NotFound => {
                let store = &self.context.store;
                store.vanished(self.claim.file, Some(item), now).await?;
                return Ok(Ended::Recorded);
            }
            // A disk that went away, or will not say: nothing is known of the file, so it waits.
            _ => {
                let not_before = clock::after(now, UNREADABLE);
                let store = &self.context.store;
                store
                    .upload_again(self.claim.file, item, not_before, None, now)
                    .await?;
                self.context.wakes.scan.notify();
                return Ok(Ended::Recorded);
            }
        };
        let base = u64::try_from(self.context.config.watch.settle.as_millis())
            .unwrap_or(u64::MAX)
            .max(1000);
        let doubled = Duration::from_millis(self.claim.settle_ms.max(base).saturating_mul(2));
        let settle = doubled.min(LONGEST_SETTLE);
        tracing::info!(path = %Escaped::path(&self.claim.path), settle_s = settle.as_secs(),
            "changed while it was sent; it is sent again once it stands still");
        self.settle_anew(Some(item), stat, settle, now).await
    }

    async fn failed(
        &self,
        item: ItemId,
        source: &read_source::Source,
        error: &photos_api::Error,
        now: Timestamp,
    ) -> Result<Ended> {
        let words = account::error_chain(error);
        if self.context.account.record_failure(error).await? {
            self.context
                .store
                .upload_again(self.claim.file, item, now, None, now)
                .await?;
            return Ok(Ended::Recorded);
        }
        match error.kind() {
            Kind::Body => self.changed(item, now).await,
            Kind::TooLarge => {
                self.context.store.upload_given_up(item, words, now).await?;
                Ok(Ended::Recorded)
            }
            // The item's own: another try may be another story, but not for ever.
            Kind::Checksum | Kind::EmptyPayload => self.blamed(item, words, now).await,
            _ => self.in_doubt(item, source, error, now).await,
        }
    }

    /// The item is to blame, and tried again for some time.
    async fn blamed(&self, item: ItemId, words: String, now: Timestamp) -> Result<Ended> {
        tracing::warn!(item.id = item.0, path = %Escaped::path(&self.claim.path), "upload refused: {words}");
        let until = clock::after(now, self.item_backoff(item).await?);
        let blamed = Some((words, self.context.config.retry.max_attempts));
        self.context
            .store
            .upload_again(self.claim.file, item, until, blamed, now)
            .await?;
        Ok(Ended::Recorded)
    }

    /// How long an item that is to blame is left alone: longer each time.
    async fn item_backoff(&self, item: ItemId) -> Result<Duration> {
        let before = self.context.store.blamed(item).await?;
        let retry = &self.context.config.retry;
        let n = before.saturating_add(1);
        Ok(backoff::after_trouble(retry, n, fastrand::f64()))
    }

    /// The service fails at this file, or at everything; or something between here and there does.
    async fn in_doubt(
        &self,
        item: ItemId,
        source: &read_source::Source,
        error: &photos_api::Error,
        now: Timestamp,
    ) -> Result<Ended> {
        let words = account::error_chain(error);
        let refused = is_refusal(error.kind());
        let patience = if refused { 1 } else { PATIENCE };
        let is_to_blame = match self.history.failed(item) {
            Since::OthersPassed => true,
            // A backfill may have nothing else to send, now or ever. Nor may there be anything else
            // that could tell whether a refusal is about these bytes, which cost a line each time.
            Since::NonePassed(times) => {
                times >= patience
                    && (refused || self.context.mode == Mode::Backfill)
                    && !retry_after::is_requested(error)
                    && self.probe_upload_endpoint(source).await?
            }
        };
        if is_to_blame && refused {
            return self.blamed(item, words, now).await;
        }
        tracing::info!(item.id = item.0, path = %Escaped::path(&self.claim.path), "upload failed: {words}");
        let retry = &self.context.config.retry;
        let wait = match error.kind() {
            Kind::RateLimited(_) => Some(backoff::after_rate_limit(retry, 0, fastrand::f64())),
            _ => None,
        };
        let wait = error.retry_after().into_iter().chain(wait).max();
        if let Some(wait) = wait {
            let until = clock::after(now, wait);
            self.history.asked_to_wait(now, until);
            // Before the row of the file: whoever finds that one has to know of the wait.
            retry_after::save(&self.context.store, retry_after::UPLOADS, now, until).await?;
        }
        // One that fails while others get through steps back, and lets them. Of any other nothing is
        // known: it waits as the stage says.
        let (own, blamed) = if is_to_blame {
            let blamed = Some((words.clone(), retry.max_attempts));
            (self.item_backoff(item).await?, blamed)
        } else {
            (Duration::ZERO, None)
        };
        self.context
            .store
            .upload_again(self.claim.file, item, clock::after(now, own), blamed, now)
            .await?;
        Ok(Ended::UploadFailures { words, wait })
    }
}

/// Whether the service has said no, rather than failed. That may be about the bytes, or about
/// everybody: an address that is blocked is told the same.
fn is_refusal(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::EmptyToken | Kind::BadRequest | Kind::Forbidden | Kind::NotFound
    )
}
