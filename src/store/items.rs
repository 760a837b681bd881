//! Items: the only place where an item changes its state, with everything that follows from the change.

use jiff::Timestamp;

use super::{Reader, Result, Tx, byte_sources, row::params};
use crate::model::{
    ids::{FileId, ItemId, UploadToken},
    item::{Event, State},
};

/// Why something is in its state: our words, and the service's code and message.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_field_names, reason = "named after the columns")]
pub(super) struct Reason<'a> {
    pub(super) reason: Option<&'a str>,
    pub(super) code: Option<i32>,
    pub(super) message: Option<&'a str>,
}

impl<'a> Reason<'a> {
    /// Only our words.
    pub(super) fn new(reason: &'a str) -> Self {
        Self {
            reason: Some(reason),
            ..Self::default()
        }
    }
}

/// The state of an item.
pub(super) fn state_of(db: &Reader, item: ItemId) -> Result<State> {
    db.one("SELECT state FROM items WHERE id = ?1", params![item])
}

/// Whether the item is a media item in the library, as far as is known.
pub(super) fn exists(db: &Reader, item: ItemId) -> Result<bool> {
    Ok(matches!(
        state_of(db, item)?,
        State::Created | State::Verified
    ))
}

/// Applies `event` and returns the new state. What the new state excludes is cleared: a token of a
/// `queued` item, the media item id of a `failed` one.
pub(super) fn apply(
    db: &Tx,
    item: ItemId,
    event: Event,
    why: &Reason<'_>,
    now: Timestamp,
) -> Result<State> {
    let before = state_of(db, item)?;
    let after = before.after(event)?;
    match event {
        Event::Retried if before == State::Missing => {
            db.execute(
                "INSERT OR IGNORE INTO former_media_items (item_id, media_item_id, until)
                 SELECT id, media_item_id, ?2 FROM items WHERE id = ?1",
                params![item, now],
            )?;
        }
        Event::NotFound => {
            // A missing media item is in no album, and nothing can be placed after it.
            db.execute(
                "UPDATE placements SET in_sequence = 0, state = iif(state = 'leaving', 'gone', state)
                 WHERE item_id = ?1 AND (in_sequence = 1 OR state = 'leaving')",
                params![item],
            )?;
        }
        Event::UploadGivenUp => byte_sources::reattach(db, item, now)?,
        Event::SourceLost => {
            // A file that brings the bytes back wants its placement again.
            db.execute(
                "UPDATE placements SET state = 'gone' WHERE item_id = ?1 AND state = 'wanted'",
                params![item],
            )?;
        }
        _ => {}
    }
    let is_there = matches!(after, State::Created | State::Verified);
    let keeps_token = (is_there || matches!(after, State::Uploaded | State::Creating))
        && event != Event::TokenDied;
    let keeps_media_item = is_there || after == State::Missing;
    db.execute(
        "UPDATE items SET state = ?2, changed_at = ?3, reason = ?4, code = ?5, message = ?6,
                upload_token = iif(?7, upload_token, NULL), token_at = iif(?7, token_at, NULL),
                media_item_id = iif(?8, media_item_id, NULL), product_url = iif(?8, product_url, NULL),
                verify_at = iif(?8, verify_at, NULL), verify_result = iif(?10, verify_result, NULL),
                attempts = iif(?9, 0, attempts), not_before = iif(?9, 0, not_before)
         WHERE id = ?1",
        params![
            item,
            after,
            now,
            why.reason,
            why.code,
            why.message,
            keeps_token,
            keeps_media_item,
            event == Event::Retried,
            is_there
        ],
    )?;
    Ok(after)
}

/// The upload ended with a token. State and token change in one statement, as the schema demands. The wait
/// of the bytes is over, even if the clock was set back meanwhile.
pub(super) fn token_received(
    db: &Tx,
    item: ItemId,
    upload_token: &UploadToken,
    now: Timestamp,
) -> Result<()> {
    let after = state_of(db, item)?.after(Event::TokenReceived)?;
    db.execute(
        "UPDATE items SET state = ?2, upload_token = ?3, token_at = ?4, changed_at = ?4, not_before = 0,
                reason = NULL, code = NULL, message = NULL
         WHERE id = ?1",
        params![item, after, upload_token, now],
    )?;
    byte_sources::reattach(db, item, now)
}

/// Counts a failed attempt of the item; returns how many there were before.
pub(super) fn blame(db: &Tx, item: ItemId) -> Result<u32> {
    db.one(
        "UPDATE items SET attempts = attempts + 1 WHERE id = ?1 RETURNING attempts - 1",
        params![item],
    )
}

/// The item rests until `not_before`.
pub(super) fn delay_until(db: &Tx, item: ItemId, not_before: Timestamp) -> Result<()> {
    let sql = "UPDATE items SET not_before = ?2 WHERE id = ?1";
    db.execute(sql, params![item, not_before])?;
    Ok(())
}

/// Puts one of the item's files back into the queue, so that its bytes are read again; preferably one that
/// can be read now. `not` is a file that no longer has the bytes. Without any file the item has lost its
/// source.
pub(super) fn queue_source(
    db: &Tx,
    item: ItemId,
    not: Option<FileId>,
    not_before: Timestamp,
    now: Timestamp,
) -> Result<()> {
    // A file of a root that is closed or away may wait for ever, so it is the last resort.
    for (is_queued, holder) in [
        (
            byte_sources::HAS_READABLE_SOURCE,
            byte_sources::READABLE_HOLDER,
        ),
        (byte_sources::HAS_SOURCE, byte_sources::HOLDER),
    ] {
        if db.one(is_queued, params![item, not])? {
            return Ok(());
        }
        if let Some(file) = db.opt(holder, params![item, not])? {
            return byte_sources::queue(db, file, not_before, now);
        }
    }
    let why = Reason::new("no file holds these bytes any more");
    apply(db, item, Event::SourceLost, &why, now)?;
    Ok(())
}

/// The file no longer holds the bytes of `item`. If they are still needed, another file is queued.
pub(super) fn detach_file(db: &Tx, item: ItemId, file: FileId, now: Timestamp) -> Result<()> {
    match state_of(db, item)? {
        State::Queued => queue_source(db, item, Some(file), now, now),
        State::Uploading
        | State::Uploaded
        | State::Creating
        | State::Created
        | State::Verified
        | State::Failed
        | State::Skipped
        | State::Missing => Ok(()),
    }
}
