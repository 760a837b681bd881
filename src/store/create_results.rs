//! Results of `mediaItems.batchCreate`: what follows for each item, in the transaction that closes the
//! call in the journal.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    RecordedCall, Result, Tx, albums, call_journal, descriptions, items, placements, row::params,
    writer::store_methods,
};
use crate::{
    clock,
    model::{
        ids::{AlbumRow, CallId, ItemId, MediaItemId},
        item::{self, Event, State},
    },
};

/// The result of one item of a call.
#[derive(Debug, Clone)]
pub struct ItemOutcome {
    /// The item.
    pub item: ItemId,
    /// What follows.
    pub outcome: Outcome,
    /// The service's code; none for success or for no result.
    pub code: Option<i32>,
    /// The service's message.
    pub message: Option<String>,
    /// Our words.
    pub reason: Option<String>,
}

/// What follows from a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is a media item, created now or before.
    Made {
        /// Its id.
        media_item_id: MediaItemId,
        /// Its page in Google Photos.
        product_url: Option<String>,
        /// The description that the call carried for it.
        description: Option<String>,
    },
    /// The same token goes into another call.
    Again {
        /// Not before this time.
        not_before: Timestamp,
        /// The most attempts, if this failure counts as one of the item's.
        blamed: Option<u32>,
    },
    /// The bytes are uploaded again.
    Reupload {
        /// Not before this time.
        not_before: Timestamp,
        /// The most attempts, if this failure counts as one of the item's.
        blamed: Option<u32>,
    },
    /// It goes into a call of its own, because this one held equal content: the answer will name its id.
    Alone,
    /// The answer has no result for it: it may exist, at its position. It goes into a call of its own at
    /// once, before anything can be placed next to it; that answer will name its id.
    MissingResult {
        /// Not before this time, if that call gave no result either.
        not_before: Option<Timestamp>,
        /// The most attempts.
        blamed: u32,
    },
}

store_methods! {
    write fn items_answered(call: RecordedCall, album: AlbumRow, http_status: u16, outcomes: Vec<ItemOutcome>, verify_after: Option<i64>, now: Timestamp) -> ();
    write fn items_refused(call: RecordedCall, album: AlbumRow, http_status: Option<u16>, error: String, outcomes: Vec<ItemOutcome>, now: Timestamp) -> ();
    write fn culprit(item: ItemId, album: AlbumRow, outcome: Outcome, reason: String, now: Timestamp) -> ();
}

impl Tx {
    /// Records the results of a `mediaItems.batchCreate`. Created items are verified after `verify_after`
    /// milliseconds; none is never.
    pub fn items_answered(
        &self,
        call: RecordedCall,
        album: AlbumRow,
        http_status: u16,
        outcomes: Vec<ItemOutcome>,
        verify_after: Option<i64>,
        now: Timestamp,
    ) -> Result<()> {
        for outcome in &outcomes {
            self.execute(
                "UPDATE call_items SET code = ?3, message = ?4 WHERE call_id = ?1 AND item_id = ?2",
                params![call.call, outcome.item, outcome.code, outcome.message],
            )?;
            record(self, album, outcome, verify_after, now)?;
        }
        release_rest(self, call.call, now)?;
        placements::mark_uncertain(self, call, album)?;
        call_journal::answered(self, call.call, Some(http_status), None, now)
    }

    /// The call as a whole was refused; each item gets what follows for it.
    pub fn items_refused(
        &self,
        call: RecordedCall,
        album: AlbumRow,
        http_status: Option<u16>,
        error: String,
        outcomes: Vec<ItemOutcome>,
        now: Timestamp,
    ) -> Result<()> {
        for outcome in &outcomes {
            record(self, album, outcome, None, now)?;
        }
        release_rest(self, call.call, now)?;
        placements::mark_uncertain(self, call, album)?;
        call_journal::answered(self, call.call, http_status, Some(&error), now)
    }

    /// What follows for an item that made whole calls fail, found by bisection.
    pub fn culprit(
        &self,
        item: ItemId,
        album: AlbumRow,
        outcome: Outcome,
        reason: String,
        now: Timestamp,
    ) -> Result<()> {
        let state = items::state_of(self, item)?;
        if state.after(Event::AddedToCall).is_err() {
            // Its state has changed meanwhile, so that no call can take it now.
            return placements::mark_position_unknown(self, item, album);
        }
        // It is `uploaded` again; the outcome is recorded as that of one more call.
        items::apply(
            self,
            item,
            Event::AddedToCall,
            &items::Reason::default(),
            now,
        )?;
        let outcome = ItemOutcome {
            item,
            outcome,
            code: None,
            message: None,
            reason: Some(reason),
        };
        record(self, album, &outcome, None, now)
    }
}

fn record(
    db: &Tx,
    album: AlbumRow,
    outcome: &ItemOutcome,
    verify_after: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let item = outcome.item;
    // The state may have changed while a call for a further album was under way: the media item was found
    // missing, and perhaps its bytes are being uploaded again. Then the result is out of date.
    let state = items::state_of(db, item)?;
    if state.after(Event::CreateDeferred).is_err() {
        return placements::mark_position_unknown(db, item, album);
    }
    let why = items::Reason {
        reason: outcome.reason.as_deref(),
        code: outcome.code,
        message: outcome.message.as_deref(),
    };
    let max_attempts = match &outcome.outcome {
        Outcome::Again { blamed, .. } | Outcome::Reupload { blamed, .. } => *blamed,
        Outcome::MissingResult { blamed, .. } => Some(*blamed),
        Outcome::Made { .. } | Outcome::Alone => None,
    };
    if let Some(max) = max_attempts
        && item::attempts_exhausted(items::blame(db, item)?, max)
    {
        return give_up(db, item, album, &why, now);
    }
    match &outcome.outcome {
        Outcome::Made {
            media_item_id,
            product_url,
            description,
        } => {
            descriptions::sent_with_create(db, item, description.as_deref())?;
            let product_url = product_url.as_deref();
            created(db, item, media_item_id, product_url, verify_after, now)?;
            placements::placed(db, item, album, true)
        }
        Outcome::Again { not_before, .. } => {
            items::apply(db, item, Event::CreateDeferred, &why, now)?;
            placements::mark_position_unknown_if_alone(db, item, album)?;
            delay(db, item, album, *not_before)
        }
        Outcome::Reupload { not_before, .. } => {
            placements::mark_position_unknown_if_alone(db, item, album)?;
            if items::apply(db, item, Event::TokenDied, &why, now)? == State::Queued {
                items::delay_until(db, item, *not_before)?;
                return items::queue_source(db, item, None, *not_before, now);
            }
            placements::delay_until(db, item, album, *not_before)
        }
        Outcome::Alone => retry_alone(db, item, &why, now),
        Outcome::MissingResult { not_before, .. } => {
            retry_alone(db, item, &why, now)?;
            let Some(not_before) = *not_before else {
                return Ok(());
            };
            placements::mark_position_unknown_if_alone(db, item, album)?;
            delay(db, item, album, not_before)
        }
    }
}

/// The next call that carries the item carries nothing else.
fn retry_alone(db: &Tx, item: ItemId, why: &items::Reason<'_>, now: Timestamp) -> Result<()> {
    items::apply(db, item, Event::CreateDeferred, why, now)?;
    db.execute(
        "UPDATE items SET retry_alone = 1 WHERE id = ?1",
        params![item],
    )?;
    Ok(())
}

/// A media item that joins a further album waits for that album only.
fn delay(db: &Tx, item: ItemId, album: AlbumRow, not_before: Timestamp) -> Result<()> {
    if items::exists(db, item)? {
        placements::delay_until(db, item, album, not_before)
    } else {
        items::delay_until(db, item, not_before)
    }
}

/// Items of the call without an outcome are ready again: after the answer nothing else would move them.
fn release_rest(db: &Tx, call: CallId, now: Timestamp) -> Result<()> {
    for item in call_journal::items_of(db, call)? {
        if items::state_of(db, item)? == State::Creating {
            items::apply(
                db,
                item,
                Event::CreateDeferred,
                &items::Reason::default(),
                now,
            )?;
        }
    }
    Ok(())
}

/// An item that exists already loses only this placement.
fn give_up(
    db: &Tx,
    item: ItemId,
    album: AlbumRow,
    why: &items::Reason<'_>,
    now: Timestamp,
) -> Result<()> {
    let state = items::apply(db, item, Event::CreateGivenUp, why, now)?;
    if matches!(state, State::Created | State::Verified) {
        let reason = why.reason.unwrap_or("the service refused it");
        placements::refuse(db, item, album, reason)?;
    }
    Ok(())
}

fn created(
    db: &Tx,
    item: ItemId,
    media_item_id: &MediaItemId,
    product_url: Option<&str>,
    verify_after: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let after = items::state_of(db, item)?.after(Event::Made)?;
    let verify_at = verify_after.map(|wait| clock::after(now, Duration::from_millis(wait as u64)));
    db.execute(
        "UPDATE items SET state = ?2, media_item_id = ?3, product_url = ?4, created_at = coalesce(created_at, ?5),
                verify_at = iif(?2 = 'verified', verify_at, ?6), retry_alone = 0, matched_by_name = 0,
                attempts = 0, not_before = 0, reason = NULL, code = NULL, message = NULL, changed_at = ?5
         WHERE id = ?1",
        params![item, after, media_item_id, product_url, now, verify_at],
    )?;
    // Whatever the call, a created item is in the library.
    placements::placed(db, item, albums::LIBRARY, false)
}
