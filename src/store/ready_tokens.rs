//! Items that are ready for a call: those with an upload token that has not expired, by album.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Reader, Result, Tx, items,
    row::{from_row, params},
};
use crate::{
    clock,
    model::{
        ids::{AlbumId, AlbumRow, ItemId, UploadToken},
        item::Event,
    },
};

/// How long a token is used. It is valid for a day; other clients use it for 23 hours (fact sheet, section
/// 2.6).
pub(super) const TOKEN_LIFE: Duration = Duration::from_hours(23);

/// One item of a planned batch.
#[derive(Debug, Clone)]
pub struct BatchItem {
    /// The item.
    pub item: ItemId,
    /// The token of its bytes.
    pub upload_token: UploadToken,
    /// Its file name in Google Photos.
    pub file_name: String,
    /// Its description.
    pub description: Option<String>,
}

from_row!(BatchItem {
    item,
    upload_token,
    file_name,
    description
});

/// An album that has ready items.
pub(super) struct Group {
    pub(super) album: AlbumRow,
    /// Whether the album exists at the service; the library always does.
    pub(super) exists: bool,
    pub(super) not_before: Timestamp,
    pub(super) placed: u64,
    /// Its id, if it has to be listed before more is placed in it.
    pub(super) to_read: Option<AlbumId>,
}

from_row!(Group {
    album,
    exists,
    not_before,
    placed,
    to_read
});

/// An item with a usable token that is wanted in an album.
pub(super) struct Ready {
    pub(super) item: BatchItem,
    pub(super) key: Vec<u8>,
    pub(super) since: Timestamp,
    pub(super) new_arrival: bool,
    pub(super) alone: bool,
    pub(super) append_only: bool,
}

from_row!(Ready {
    item,
    key,
    since,
    new_arrival,
    alone,
    append_only
});

/// Usable tokens were received after the first time and not after the second. One from the future was received
/// before the clock was set back, so its age is not known.
pub(super) fn living(now: Timestamp) -> (Timestamp, Timestamp) {
    let after = now.saturating_sub(TOKEN_LIFE).unwrap_or(Timestamp::MIN);
    (after, clock::after(now, clock::LOOK_AGAIN))
}

/// How many tokens wait for the writer.
pub(super) fn tokens_ready(db: &Reader) -> Result<u64> {
    let sql = "SELECT n FROM counters WHERE name = 'item.uploaded'";
    db.one(sql, params![])
}

/// Items with an expired token. The condition is repeated for the index.
pub(super) const EXPIRED: &str = "SELECT id FROM items
     WHERE state IN ('uploading', 'uploaded', 'creating') AND state = 'uploaded'
           AND (token_at <= ?1 OR token_at > ?2)";

/// All items with a token that wait for a call.
pub(super) const WITH_TOKEN: &str = "SELECT id FROM items
     WHERE state IN ('uploading', 'uploaded', 'creating') AND state = 'uploaded'";

/// Drops tokens that no call can use any more; the bytes are uploaded again.
pub(super) fn drop_expired(db: &Tx, now: Timestamp) -> Result<()> {
    let (after, until) = living(now);
    for item in db.all(EXPIRED, params![after, until])? {
        let why = items::Reason::new(
            "its upload token was a day old before a batch could take it; the bytes go up again",
        );
        items::apply(db, item, Event::TokenDied, &why, now)?;
        items::queue_source(db, item, None, Timestamp::UNIX_EPOCH, now)?;
    }
    Ok(())
}

/// Conditions of a wanted placement whose item is to be created: ?1 is now, ?2 and ?3 are [`living`]. An item
/// that also goes to an album is not sent to the library alone.
const READY: &str =
    "items.state IN ('uploading', 'uploaded', 'creating') AND items.state = 'uploaded'
    AND items.not_before <= ?1 AND placements.state = 'wanted'
    AND (placements.album_id <> 0 OR NOT EXISTS (
         SELECT 1 FROM placements AS other WHERE other.item_id = items.id AND other.state = 'wanted'
                                              AND other.album_id <> 0))";
/// Conditions of a wanted placement whose item exists already and joins a further album by its token.
const READY_AGAIN: &str =
    "placements.state = 'wanted' AND placements.item_exists = 1 AND placements.not_before <= ?1
    AND items.token_at > ?2 AND items.token_at <= ?3";

/// The statement behind [`groups`].
pub(super) fn groups_sql() -> String {
    format!(
        "SELECT albums.id, albums.album_id IS NOT NULL OR albums.id = 0, albums.not_before, albums.placed,
                iif(albums.order_unknown AND NOT albums.pre_existing, albums.album_id, NULL)
         FROM albums WHERE albums.id IN (
             SELECT placements.album_id FROM items
             CROSS JOIN placements ON placements.item_id = items.id WHERE {READY}
             UNION
             SELECT placements.album_id FROM placements
             CROSS JOIN items ON items.id = placements.item_id WHERE {READY_AGAIN})
         ORDER BY albums.id"
    )
}

/// Albums that have ready items.
pub(super) fn groups(db: &Reader, now: Timestamp) -> Result<Vec<Group>> {
    let (after, until) = living(now);
    db.all(&groups_sql(), params![now, after, until])
}

/// The statement behind [`ready_in`].
pub(super) fn ready_sql() -> String {
    const COLUMNS: &str = "items.id, items.upload_token, items.file_name, items.description,
                           placements.order_key AS order_key, items.token_at, items.new_arrival,
                           items.retry_alone, placements.append_only";
    format!(
        "SELECT {COLUMNS} FROM items CROSS JOIN placements ON placements.item_id = items.id
         WHERE {READY} AND placements.album_id = ?4
         UNION ALL
         SELECT {COLUMNS} FROM placements CROSS JOIN items ON items.id = placements.item_id
         WHERE {READY_AGAIN} AND placements.album_id = ?4
         ORDER BY order_key"
    )
}

/// The ready items of one album, in order.
pub(super) fn ready_in(db: &Reader, album: AlbumRow, now: Timestamp) -> Result<Vec<Ready>> {
    let (after, until) = living(now);
    db.all(&ready_sql(), params![now, after, until, album])
}

/// The smallest item with a token, and an album that it can go to now. An album that waits or has to be
/// listed first is none.
pub(super) const SMALLEST: &str = "SELECT placements.album_id, items.id FROM items
     CROSS JOIN placements ON placements.item_id = items.id AND placements.state = 'wanted'
     CROSS JOIN albums ON albums.id = placements.album_id
                       AND (albums.id = 0 OR albums.album_id IS NOT NULL)
                       AND albums.not_before <= ?1 AND albums.order_unknown = 0
     WHERE items.state IN ('uploading', 'uploaded', 'creating') AND items.state = 'uploaded'
           AND items.not_before <= ?1
     ORDER BY items.size, placements.album_id DESC LIMIT 1";

/// When the next delayed item or placement may go, or the next album be listed.
pub(super) fn next_delayed(db: &Reader, now: Timestamp) -> Result<Option<Timestamp>> {
    let mut next: Option<Timestamp> = None;
    for sql in DELAYED {
        let due = db.one(sql, params![now])?;
        next = [next, due].into_iter().flatten().min();
    }
    Ok(next)
}

/// The statements behind [`next_delayed`].
pub(super) const DELAYED: [&str; 3] = [
    "SELECT min(not_before) FROM items
     WHERE state IN ('uploading', 'uploaded', 'creating') AND state = 'uploaded' AND not_before > ?1",
    "SELECT min(not_before) FROM placements WHERE state = 'wanted' AND item_exists = 1 AND not_before > ?1",
    "SELECT min(not_before) FROM albums WHERE order_unknown = 1 AND album_id IS NOT NULL AND not_before > ?1
     AND EXISTS (SELECT 1 FROM placements WHERE placements.album_id = albums.id AND position_unknown = 1
                                                AND placements.state = 'placed')",
];
