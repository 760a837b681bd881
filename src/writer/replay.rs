//! A call of the journal without an answer: it was cut, or this process is not the one that sent it.
//!
//! It is repeated word for word before anything else is sent, because equal bytes make the same media
//! item, and adding twice is adding once. An album is looked for in the service's list instead.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Turn, Writer, batch_add,
    create::{Cause, PART_SENDS, STUMBLES},
    item_results, waiting,
};
use crate::{
    clock,
    context::{Result, backoff},
    photos_api::{self, Kind},
    store::{CallKind, Journalled, Outcome, RecordedCall, Uncertain},
};

/// How long the service takes a token (fact sheet, section 2.6).
const TOKEN_LIFE: Duration = Duration::from_hours(24);

impl Writer {
    /// How often a call is sent that gets no answer, before it is taken apart or put off: nothing else
    /// is sent meanwhile. Parts are given up sooner. A dead network is no such case: there a call
    /// cannot even be sent.
    fn most_sends(&self, call: &Journalled) -> u32 {
        match call.kind {
            CallKind::CreateItems if self.suspects.is_under_way() => PART_SENDS,
            CallKind::CreateItems | CallKind::CreateAlbum => STUMBLES,
            CallKind::AddItems => batch_add::most_sends(call),
            CallKind::RemoveItems => self.most_removal_sends(),
            CallKind::DescribeItem => PART_SENDS,
        }
    }

    /// A call that the service never answers keeps nobody waiting any longer.
    async fn given_up(&mut self, call: Journalled) -> Result<Turn> {
        let error = photos_api::Error::new(Kind::Unanswered, "the service never answers this call");
        match call.kind {
            CallKind::CreateItems => self.never_answered(&call).await,
            CallKind::AddItems => self.not_added(call, &error).await,
            CallKind::RemoveItems => self.not_removed(call, &error).await,
            CallKind::DescribeItem => self.not_described(call, &error).await,
            CallKind::CreateAlbum => Ok(Turn::Again),
        }
    }

    /// A call of the journal has no answer: it was cut, or this process is not the one that sent it.
    pub(super) async fn left_open(&mut self, call: Journalled) -> Result<Turn> {
        let now = self.context.clock.now();
        if call.kind == CallKind::CreateAlbum {
            return self.album_outcome_open(&call, "no answer came").await;
        }
        // Its answer may have come just before the end of the process that sent it, and may have asked
        // for a wait: nobody knows, so the wait is counted from the start of this one.
        let since = if self.began <= now {
            call.sent_at.max(self.began)
        } else {
            call.sent_at
        };
        let wait = backoff::until_repeat(&self.context.config.retry, call.sends);
        let due = clock::after(since, wait);
        // Sent in the future is a clock that was set back: nobody knows when, so it is due.
        if due > now && call.sent_at <= now {
            let reason = "a call got no answer; it is repeated word for word";
            return Ok(Turn::Rest(Some(due), waiting(reason, Some(due))));
        }
        if call.kind == CallKind::CreateItems && self.has_died(&call, now).await? {
            return self.died(&call).await;
        }
        if call.sends >= self.most_sends(&call) {
            return self.given_up(call).await;
        }
        if self.pace().await? {
            return Ok(Turn::Again);
        }
        self.context
            .store
            .repeated(call.id, self.context.clock.now())
            .await?;
        let call = Journalled {
            sends: call.sends + 1,
            ..call
        };
        let answered = self.send(&call).await?;
        match call.kind {
            CallKind::CreateItems => self.created(call, answered).await,
            CallKind::AddItems => self.added(call, answered).await,
            CallKind::RemoveItems => self.removed(call, answered).await,
            CallKind::DescribeItem => self.described(call, answered).await,
            CallKind::CreateAlbum => Ok(Turn::Again),
        }
    }

    /// A call that the service never answers: one of its items may be what it chokes on. What it made,
    /// if anything, the same bytes make again, so its items go into smaller calls.
    async fn never_answered(&mut self, call: &Journalled) -> Result<Turn> {
        let now = self.context.clock.now();
        let words = "the service never answers the call that makes it";
        tracing::warn!(
            batch.id = call.id.0,
            n_items = call.items.len(),
            n_sends = call.sends,
            "{words}; it is sent again in parts"
        );
        let again = Outcome::Again {
            not_before: now,
            blamed: None,
        };
        let outcomes = item_results::all(call, &again, words);
        let settled = RecordedCall {
            call: call.id,
            doubt: Uncertain::Order(None),
        };
        self.context
            .store
            .items_refused(settled, call.album, None, words.to_owned(), outcomes, now)
            .await?;
        self.suspect(call, words, Cause::Stumble).await?;
        self.wake_others();
        Ok(Turn::Again)
    }

    /// Whether a token of the call is too old for the service: then it would refuse all of it.
    async fn has_died(&self, call: &Journalled, now: Timestamp) -> Result<bool> {
        let born = now.saturating_sub(TOKEN_LIFE).unwrap_or(Timestamp::MIN);
        Ok(self
            .context
            .store
            .has_token_older_than(call.id, born)
            .await?)
    }

    /// An unanswered call that cannot be repeated any more. Its items go into other calls, with fresh
    /// bytes where their tokens have died: the same bytes are the same media item, made or not.
    async fn died(&mut self, call: &Journalled) -> Result<Turn> {
        let now = self.context.clock.now();
        let again = Outcome::Again {
            not_before: now,
            blamed: None,
        };
        let words = "no answer came, and its tokens have died since";
        tracing::warn!(batch.id = call.id.0, n_items = call.items.len(), "{words}");
        let outcomes = item_results::all(call, &again, words);
        // Some of it may stand in the album, at a place that nobody planned for what comes now.
        let settled = RecordedCall {
            call: call.id,
            doubt: Uncertain::Items,
        };
        self.context
            .store
            .items_refused(settled, call.album, None, words.to_owned(), outcomes, now)
            .await?;
        self.wake_others();
        Ok(Turn::Again)
    }
}
