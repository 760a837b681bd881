//! The one place where an item changes state, and what a change drags along.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Error, Reader, Result, Tx, byte_sources};
use crate::model::{
    ids::{FileId, ItemId, UploadToken},
    item::{Event, State},
};

/// Why something stands where it stands, in words and as the service's code.
#[derive(Debug, Clone, Default)]
pub(super) struct Reason<'a> {
    pub(super) reason: Option<&'a str>,
    pub(super) code: Option<i32>,
    pub(super) message: Option<&'a str>,
}

/// The state of an item.
pub(super) fn state_of(db: &Reader, item: ItemId) -> Result<State> {
    let word: String = db
        .prepare_cached("SELECT state FROM items WHERE id = ?1")?
        .query_row([item.0], |row| row.get(0))?;
    parse_state(&word)
}

/// Whether the item is a media item now, as far as is known.
pub(super) fn is_made(db: &Reader, item: ItemId) -> Result<bool> {
    Ok(matches!(
        state_of(db, item)?,
        State::Created | State::Verified
    ))
}

pub(super) fn parse_state(word: &str) -> Result<State> {
    State::parse(word).ok_or_else(|| Error::Corrupt(format!("an item is in state `{word}`")))
}

/// Applies `event` and gives the state that follows.
///
/// What a state excludes is cleared here: a token beside `queued`, a media item id beside `failed`.
pub(super) fn apply(
    db: &Tx,
    item: ItemId,
    event: Event,
    because: &Reason<'_>,
    now: Timestamp,
) -> Result<State> {
    let before = state_of(db, item)?;
    let after = before.after(event)?;
    if event == Event::Retried && before == State::Missing {
        db.prepare_cached(
            "INSERT OR IGNORE INTO former_media_items (item_id, media_item_id, until)
             SELECT id, media_item_id, ?2 FROM items WHERE id = ?1",
        )?
        .execute(params![item.0, now.as_millisecond()])?;
    }
    if event == Event::NotFound {
        // Nothing can be put behind what is not there.
        db.prepare_cached(
            "UPDATE placements SET in_sequence = 0 WHERE item_id = ?1 AND in_sequence = 1",
        )?
        .execute([item.0])?;
        // And what is not there has left every album.
        db.prepare_cached(
            "UPDATE placements SET state = 'gone' WHERE item_id = ?1 AND state = 'leaving'",
        )?
        .execute([item.0])?;
    }
    if event == Event::UploadGivenUp {
        byte_sources::reattach(db, item, now)?;
    }
    if event == Event::SourceLost {
        // It is wanted nowhere any more; a file that brings it back wants it anew.
        db.prepare_cached(
            "UPDATE placements SET state = 'gone' WHERE item_id = ?1 AND state = 'wanted'",
        )?
        .execute([item.0])?;
    }
    let keeps_token = matches!(
        after,
        State::Uploaded | State::Creating | State::Created | State::Verified
    ) && event != Event::TokenDied;
    let keeps_media_item = matches!(after, State::Created | State::Verified | State::Missing);
    db.prepare_cached(
        "UPDATE items SET state = ?2, changed_at = ?3, reason = ?4, code = ?5, message = ?6,
                upload_token = iif(?7, upload_token, NULL), token_at = iif(?7, token_at, NULL),
                media_item_id = iif(?8, media_item_id, NULL), product_url = iif(?8, product_url, NULL),
                verify_at = iif(?8, verify_at, NULL), read_back = iif(?10, read_back, NULL),
                attempts = iif(?9, 0, attempts), not_before = iif(?9, 0, not_before)
         WHERE id = ?1",
    )?
    .execute(params![
        item.0,
        after.as_str(),
        now.as_millisecond(),
        because.reason,
        because.code,
        because.message,
        keeps_token,
        keeps_media_item,
        event == Event::Retried,
        matches!(after, State::Created | State::Verified),
    ])?;
    Ok(after)
}

/// The item's upload ended with a token. State and token change together, as the schema wants it.
pub(super) fn token_received(
    db: &Tx,
    item: ItemId,
    upload_token: &UploadToken,
    now: Timestamp,
) -> Result<()> {
    let after = state_of(db, item)?.after(Event::TokenReceived)?;
    db.prepare_cached(
        // What its bytes waited for is over, also by a clock that was set back since.
        "UPDATE items SET state = ?2, upload_token = ?3, token_at = ?4, changed_at = ?4, not_before = 0,
                reason = NULL, code = NULL, message = NULL
         WHERE id = ?1",
    )?
    .execute(params![
        item.0,
        after.as_str(),
        upload_token.reveal(),
        now.as_millisecond()
    ])?;
    byte_sources::reattach(db, item, now)
}

/// Counts an outcome that blames the item, and says how often it was blamed before.
pub(super) fn blame(db: &Tx, item: ItemId) -> Result<u32> {
    let before: u32 = db
        .prepare_cached("SELECT attempts FROM items WHERE id = ?1")?
        .query_row([item.0], |row| row.get(0))?;
    db.prepare_cached("UPDATE items SET attempts = attempts + 1 WHERE id = ?1")?
        .execute([item.0])?;
    Ok(before)
}

/// Nothing happens to the item before `not_before`.
pub(super) fn delay_until(db: &Tx, item: ItemId, not_before: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE items SET not_before = ?2 WHERE id = ?1")?
        .execute(params![item.0, not_before.as_millisecond()])?;
    Ok(())
}

/// Puts one of the item's files back into the queue, so that its bytes are read again: one that can be
/// read now, if there is any. Without any file the item has lost its source. `not` is a file that is
/// no holder any more.
pub(super) fn queue_source(
    db: &Tx,
    item: ItemId,
    not: Option<FileId>,
    not_before: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let not = not.map(|file| file.0);
    // What waits in a root that is closed or away may wait for ever, so it is the last resort.
    for (source, holder) in [
        (
            byte_sources::HAS_SOURCE_AT_HAND,
            byte_sources::HOLDER_AT_HAND,
        ),
        (byte_sources::HAS_SOURCE, byte_sources::HOLDER),
    ] {
        let is_queued: bool = db
            .prepare_cached(source)?
            .query_row(params![item.0, not], |row| row.get(0))?;
        if is_queued {
            return Ok(());
        }
        let holder = db
            .prepare_cached(holder)?
            .query_row(params![item.0, not], |row| row.get(0).map(FileId))
            .optional()?;
        if let Some(file) = holder {
            return byte_sources::queue(db, file, not_before, now);
        }
    }
    let because = Reason {
        reason: Some("no file holds these bytes any more"),
        ..Reason::default()
    };
    apply(db, item, Event::SourceLost, &because, now)?;
    Ok(())
}

/// A file no longer holds `item`. Whatever still needs its bytes looks for them elsewhere.
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
