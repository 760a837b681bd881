//! What came of a call: the result of each item, in the transaction that closes the journal's row.

use jiff::Timestamp;
use rusqlite::params;

use super::{
    Reader, RecordedCall, Result, Store, Tx, albums, call_journal, descriptions, items, membership,
    placements,
};
use crate::{
    clock,
    model::{
        ids::{AlbumRow, CallId, ItemId, MediaItemId},
        item::{self, Event, State},
    },
};

/// What became of one item of a call.
#[derive(Debug, Clone)]
pub struct ItemOutcome {
    /// Which.
    pub item: ItemId,
    /// What became of it.
    pub outcome: Outcome,
    /// The service's code for it; none for success or for no result.
    pub code: Option<i32>,
    /// The service's words.
    pub message: Option<String>,
    /// Our words.
    pub reason: Option<String>,
}

/// What follows from a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A media item, made now or known before.
    Made {
        /// Its id.
        media_item_id: MediaItemId,
        /// Where a browser finds it.
        product_url: Option<String>,
        /// The description that the call carried for it.
        description: Option<String>,
    },
    /// The same token goes into another call at `not_before`.
    Again {
        /// Not before this instant.
        not_before: Timestamp,
        /// Whether the item is to blame; after so many it has failed.
        blamed: Option<u32>,
    },
    /// The bytes are sent once more at `not_before`.
    Reupload {
        /// Not before this instant.
        not_before: Timestamp,
        /// Whether the item is to blame; after so many it has failed.
        blamed: Option<u32>,
    },
    /// It goes into a call of its own, which tells its id: an equal content was in this one.
    Alone,
    /// The answer does not tell: it may be made, and stand at its place. It goes at once, before
    /// anything else can come between, into a call of its own, which tells.
    MissingResult {
        /// Not before this instant, where that call did not tell either.
        not_before: Option<Timestamp>,
        /// After so many blames it has failed.
        blamed: u32,
    },
}

impl Store {
    /// Records the results of a `mediaItems.batchCreate`. `verify_after` says when the service is to
    /// be asked for what was made, milliseconds from now; none is never.
    pub async fn items_answered(
        &self,
        settled: impl Into<RecordedCall>,
        album: AlbumRow,
        http_status: u16,
        outcomes: Vec<ItemOutcome>,
        verify_after: Option<i64>,
        now: Timestamp,
    ) -> Result<()> {
        let settled = settled.into();
        self.write(move |db| {
            let call = settled.call;
            for outcome in &outcomes {
                note_result(db, call, outcome)?;
                settle_outcome(db, album, outcome, verify_after, now)?;
            }
            left_out(db, call, now)?;
            membership::doubt(db, settled, album)?;
            call_journal::answered(db, call, Some(http_status), None, now)
        })
        .await
    }

    /// The whole call was refused; each item gets what follows for it.
    pub async fn items_refused(
        &self,
        settled: impl Into<RecordedCall>,
        album: AlbumRow,
        http_status: Option<u16>,
        error: String,
        outcomes: Vec<ItemOutcome>,
        now: Timestamp,
    ) -> Result<()> {
        let settled = settled.into();
        self.write(move |db| {
            let call = settled.call;
            for outcome in &outcomes {
                settle_outcome(db, album, outcome, None, now)?;
            }
            left_out(db, call, now)?;
            membership::doubt(db, settled, album)?;
            call_journal::answered(db, call, http_status, Some(&error), now)
        })
        .await
    }

    /// What follows for an item that made a whole call fail, found by taking the call apart.
    pub async fn culprit(
        &self,
        item: ItemId,
        album: AlbumRow,
        outcome: Outcome,
        reason: String,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            if items::state_of(db, item)?
                .after(Event::AddedToCall)
                .is_err()
            {
                // It went its own way since, and goes into no call now.
                return placements::mark_position_unknown(db, item, album);
            }
            // It stands as `uploaded` again; the outcome is that of one more, imagined call.
            items::apply(db, item, Event::AddedToCall, &items::Reason::default(), now)?;
            let outcome = ItemOutcome {
                item,
                outcome,
                code: None,
                message: None,
                reason: Some(reason),
            };
            settle_outcome(db, album, &outcome, None, now)
        })
        .await
    }
}

fn note_result(db: &Tx, call: CallId, outcome: &ItemOutcome) -> Result<()> {
    db.prepare_cached(
        "UPDATE call_items SET code = ?3, message = ?4 WHERE call_id = ?1 AND item_id = ?2",
    )?
    .execute(params![
        call.0,
        outcome.item.0,
        outcome.code,
        outcome.message
    ])?;
    Ok(())
}

fn settle_outcome(
    db: &Tx,
    album: AlbumRow,
    outcome: &ItemOutcome,
    verify_after: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let item = outcome.item;
    if is_overtaken(db, item)? {
        return placements::mark_position_unknown(db, item, album);
    }
    let because = items::Reason {
        reason: outcome.reason.as_deref(),
        code: outcome.code,
        message: outcome.message.as_deref(),
    };
    match &outcome.outcome {
        Outcome::Made {
            media_item_id,
            product_url,
            description,
        } => {
            descriptions::library_client_id(db, item, description.as_deref())?;
            made(
                db,
                item,
                media_item_id,
                product_url.as_deref(),
                verify_after,
                now,
            )?;
            placements::placed(db, item, album, true)
        }
        Outcome::Again { not_before, blamed } => {
            if attempts_exhausted(db, item, *blamed)? {
                return give_up(db, item, album, &because, now);
            }
            items::apply(db, item, Event::CreateDeferred, &because, now)?;
            placements::mark_position_unknown_if_alone(db, item, album)?;
            wait(db, item, album, *not_before)
        }
        Outcome::Reupload { not_before, blamed } => {
            if attempts_exhausted(db, item, *blamed)? {
                return give_up(db, item, album, &because, now);
            }
            placements::mark_position_unknown_if_alone(db, item, album)?;
            let state = items::apply(db, item, Event::TokenDied, &because, now)?;
            if state == State::Queued {
                items::delay_until(db, item, *not_before)?;
                return items::queue_source(db, item, None, *not_before, now);
            }
            placements::delay_until(db, item, album, *not_before)
        }
        Outcome::Alone => alone(db, item, &because, now),
        Outcome::MissingResult { not_before, blamed } => {
            if attempts_exhausted(db, item, Some(*blamed))? {
                return give_up(db, item, album, &because, now);
            }
            alone(db, item, &because, now)?;
            let Some(not_before) = *not_before else {
                return Ok(());
            };
            placements::mark_position_unknown_if_alone(db, item, album)?;
            wait(db, item, album, not_before)
        }
    }
}

/// Whether the item went its own way while a call for a further album was under way: the media item
/// was found missing, and perhaps its bytes go up again. What the call says is not of what it is now.
fn is_overtaken(db: &Reader, item: ItemId) -> Result<bool> {
    Ok(items::state_of(db, item)?
        .after(Event::CreateDeferred)
        .is_err())
}

/// The next call that takes the item takes nothing else.
fn alone(db: &Tx, item: ItemId, because: &items::Reason<'_>, now: Timestamp) -> Result<()> {
    items::apply(db, item, Event::CreateDeferred, because, now)?;
    db.prepare_cached("UPDATE items SET alone = 1 WHERE id = ?1")?
        .execute([item.0])?;
    Ok(())
}

fn wait(db: &Tx, item: ItemId, album: AlbumRow, not_before: Timestamp) -> Result<()> {
    match items::state_of(db, item)? {
        State::Created | State::Verified => placements::delay_until(db, item, album, not_before),
        _ => items::delay_until(db, item, not_before),
    }
}

/// What the call carried and nobody gave an outcome for is ready again: once the call is answered,
/// nothing else would ever move it.
fn left_out(db: &Tx, call: CallId, now: Timestamp) -> Result<()> {
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

fn attempts_exhausted(db: &Tx, item: ItemId, blamed: Option<u32>) -> Result<bool> {
    match blamed {
        Some(max_attempts) => Ok(item::attempts_exhausted(
            items::blame(db, item)?,
            max_attempts,
        )),
        None => Ok(false),
    }
}

/// An item that is made already only loses this placement.
fn give_up(
    db: &Tx,
    item: ItemId,
    album: AlbumRow,
    because: &items::Reason<'_>,
    now: Timestamp,
) -> Result<()> {
    let state = items::apply(db, item, Event::CreateGivenUp, because, now)?;
    if matches!(state, State::Created | State::Verified) {
        placements::refuse(
            db,
            item,
            album,
            because.reason.unwrap_or("the service refused it"),
        )?;
    }
    Ok(())
}

fn made(
    db: &Tx,
    item: ItemId,
    media_item_id: &MediaItemId,
    product_url: Option<&str>,
    verify_after: Option<i64>,
    now: Timestamp,
) -> Result<()> {
    let before = items::state_of(db, item)?;
    let after = before.after(Event::Made)?;
    db.prepare_cached(
        "UPDATE items SET state = ?2, media_item_id = ?3, product_url = ?4, made_at = coalesce(made_at, ?5),
                verify_at = iif(?2 = 'verified', verify_at, ?6), alone = 0, matched = 0, attempts = 0, not_before = 0,
                reason = NULL, code = NULL, message = NULL, changed_at = ?5
         WHERE id = ?1",
    )?
    .execute(params![
        item.0,
        after.as_str(),
        media_item_id.as_str(),
        product_url,
        now.as_millisecond(),
        verify_after.map(|wait| clock::after(now, std::time::Duration::from_millis(wait as u64)).as_millisecond()),
    ])?;
    // Being in the library is being made, by whichever call.
    placements::placed(db, item, albums::LIBRARY, false)
}
