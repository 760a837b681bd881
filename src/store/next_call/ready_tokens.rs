//! What is ready for a call: living tokens, by album.

use crate::store::Reader;
use crate::store::Tx;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::BatchItem;
use crate::{
    clock,
    model::{
        ids::{AlbumId, AlbumRow, ItemId, UploadToken},
        item::Event,
    },
    store::{Result, items},
};

/// How long a token is used. It lives a day; peers plan with 23 hours (fact sheet, section 2.6).
pub(in crate::store) const TOKEN_LIFE: Duration = Duration::from_hours(23);

/// An album that has ready items.
pub(super) struct Group {
    pub(super) album: AlbumRow,
    pub(super) title_ready: bool,
    pub(super) not_before: Timestamp,
    pub(super) placed: u64,
    /// Its id, if it has to be read before more is placed.
    pub(super) unread: Option<AlbumId>,
}

/// An item with a living token that is wanted in the album.
pub(super) struct Ready {
    pub(super) item: BatchItem,
    pub(super) key: Vec<u8>,
    pub(super) since: Timestamp,
    pub(super) fresh: bool,
    pub(super) alone: bool,
    pub(super) append: bool,
}

/// When tokens that live now were create_item, milliseconds. Older ones are dead; one from the future is a
/// clock that was set back, and nobody knows how old it is.
pub(super) fn living(now: Timestamp) -> (i64, i64) {
    let after = now.saturating_sub(TOKEN_LIFE).unwrap_or(Timestamp::MIN);
    let until = clock::after(now, clock::LOOK_AGAIN);
    (after.as_millisecond(), until.as_millisecond())
}

/// How many tokens wait for the lane.
pub(super) fn tokens_ready(db: &Reader) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT n FROM counters WHERE name = 'item.uploaded'")?
        .query_row([], |row| row.get::<_, i64>(0).map(|n| n as u64))
}

/// Tokens that were never used: an index holds what is on its way, and is told so.
pub(in crate::store) const DEAD: &str = "SELECT id FROM items
     WHERE state IN ('uploading', 'uploaded', 'creating') AND state = 'uploaded'
           AND (token_at <= ?1 OR token_at > ?2)";

/// Every token that waits for a call.
pub(in crate::store) const WITH_TOKEN: &str = "SELECT id FROM items
     WHERE state IN ('uploading', 'uploaded', 'creating') AND state = 'uploaded'";

/// Drops tokens that no call can use any more; their bytes go up again.
pub(super) fn drop_dead_tokens(db: &Tx, now: Timestamp) -> Result<()> {
    let (born_after, born_until) = living(now);
    let dead: Vec<i64> = db
        .prepare_cached(DEAD)?
        .query_map(params![born_after, born_until], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for item in dead {
        let because = items::Reason {
            reason: Some(
                "its upload token was a day old before a batch could take it; the bytes go up again",
            ),
            ..Default::default()
        };
        items::apply(db, ItemId(item), Event::TokenDied, &because, now)?;
        items::queue_source(db, ItemId(item), None, clock::from_millis(0), now)?;
    }
    Ok(())
}

/// A wanted placement whose item has a token that lives: made by batchCreate. ?1 is now, ?2 and ?3
/// are when tokens that live were create_item. An item that also goes to an album does not go to the
/// library alone.
const READY: &str =
    "items.state IN ('uploading', 'uploaded', 'creating') AND items.state = 'uploaded'
    AND items.not_before <= ?1 AND placements.state = 'wanted'
    AND (placements.album_id <> 0 OR NOT EXISTS (
         SELECT 1 FROM placements AS other WHERE other.item_id = items.id AND other.state = 'wanted'
                                              AND other.album_id <> 0))";
/// A media item that joins a further album by the token it was made with.
const READY_TWICE: &str =
    "placements.state = 'wanted' AND placements.made = 1 AND placements.not_before <= ?1
    AND items.token_at > ?2 AND items.token_at <= ?3";

/// The statement behind [`groups`].
pub(in crate::store) fn groups_sql() -> String {
    format!(
        "SELECT albums.id, albums.album_id IS NOT NULL OR albums.id = 0, albums.not_before, albums.placed,
                iif(albums.unread AND NOT albums.found, albums.album_id, NULL)
         FROM albums WHERE albums.id IN (
             SELECT placements.album_id FROM items
             CROSS JOIN placements ON placements.item_id = items.id WHERE {READY}
             UNION
             SELECT placements.album_id FROM placements
             CROSS JOIN items ON items.id = placements.item_id WHERE {READY_TWICE})
         ORDER BY albums.id"
    )
}

/// Albums that have ready items.
pub(super) fn groups(db: &Reader, now: Timestamp) -> Result<Vec<Group>> {
    let (born_after, born_until) = living(now);
    let rows = db
        .prepare_cached(&groups_sql())?
        .query_map(
            params![now.as_millisecond(), born_after, born_until],
            |row| {
                Ok(Group {
                    album: AlbumRow(row.get(0)?),
                    title_ready: row.get(1)?,
                    not_before: clock::from_millis(row.get(2)?),
                    placed: row.get::<_, i64>(3)? as u64,
                    unread: row.get::<_, Option<String>>(4)?.map(AlbumId::new),
                })
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// The statement behind [`ready_in`].
pub(in crate::store) fn ready_sql() -> String {
    const COLUMNS: &str =
        "items.id, items.upload_token, items.file_name, placements.order_key AS order_key,
                           items.token_at, items.fresh, items.alone, placements.append AS append, items.description";
    format!(
        "SELECT {COLUMNS} FROM items CROSS JOIN placements ON placements.item_id = items.id
         WHERE {READY} AND placements.album_id = ?4
         UNION ALL
         SELECT {COLUMNS} FROM placements CROSS JOIN items ON items.id = placements.item_id
         WHERE {READY_TWICE} AND placements.album_id = ?4
         ORDER BY order_key"
    )
}

/// What is ready for one album, in order.
pub(super) fn ready_in(db: &Reader, album: AlbumRow, now: Timestamp) -> Result<Vec<Ready>> {
    let (born_after, born_until) = living(now);
    let rows = db
        .prepare_cached(&ready_sql())?
        .query_map(
            params![now.as_millisecond(), born_after, born_until, album.0],
            |row| {
                Ok(Ready {
                    item: BatchItem {
                        item: ItemId(row.get(0)?),
                        upload_token: UploadToken::new(row.get::<_, String>(1)?),
                        file_name: row.get(2)?,
                        description: row.get(8)?,
                    },
                    key: row.get(3)?,
                    since: clock::from_millis(row.get(4)?),
                    fresh: row.get(5)?,
                    alone: row.get(6)?,
                    append: row.get(7)?,
                })
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// The smallest item that has a token, with an album that it can go to now: one that waits, or must be
/// read first, would refuse it time and again.
pub(super) fn smallest(db: &Reader, now: Timestamp) -> Result<Option<(AlbumRow, ItemId)>> {
    let found = db
        .prepare_cached(SMALLEST)?
        .query_row([now.as_millisecond()], |row| {
            Ok((AlbumRow(row.get(0)?), ItemId(row.get(1)?)))
        })
        .optional()?;
    Ok(found)
}

/// The statement behind [`smallest`].
pub(in crate::store) const SMALLEST: &str = "SELECT placements.album_id, items.id FROM items
     CROSS JOIN placements ON placements.item_id = items.id AND placements.state = 'wanted'
     CROSS JOIN albums ON albums.id = placements.album_id
                       AND (albums.id = 0 OR albums.album_id IS NOT NULL)
                       AND albums.not_before <= ?1 AND albums.unread = 0
     WHERE items.state IN ('uploading', 'uploaded', 'creating') AND items.state = 'uploaded'
           AND items.not_before <= ?1
     ORDER BY items.size, placements.album_id DESC LIMIT 1";

/// When the next item or placement that is held back may move, or the next album be read.
pub(super) fn next_held_back(db: &Reader, now: Timestamp) -> Result<Option<Timestamp>> {
    let mut next: Option<i64> = None;
    for sql in HELD_BACK {
        let due: Option<i64> = db
            .prepare_cached(sql)?
            .query_row([now.as_millisecond()], |row| row.get(0))?;
        next = [next, due].into_iter().flatten().min();
    }
    Ok(next.map(clock::from_millis))
}

/// The statements behind [`next_held_back`].
pub(in crate::store) const HELD_BACK: [&str; 3] = [
    "SELECT min(not_before) FROM items
     WHERE state IN ('uploading', 'uploaded', 'creating') AND state = 'uploaded' AND not_before > ?1",
    "SELECT min(not_before) FROM placements WHERE state = 'wanted' AND made = 1 AND not_before > ?1",
    "SELECT min(not_before) FROM albums WHERE unread = 1 AND album_id IS NOT NULL AND not_before > ?1
     AND EXISTS (SELECT 1 FROM placements WHERE placements.album_id = albums.id AND doubtful = 1
                                                AND placements.state = 'placed')",
];
