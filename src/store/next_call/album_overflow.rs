//! Parts of an album: one that is full goes on as "Title (2)".
//!
//! What decides is the documented limit, or the service's own refusal: a person may have put more into
//! the album by hand than we know of.

use crate::store::Tx;
use rusqlite::OptionalExtension as _;

use crate::{
    model::ids::{AlbumRow, ItemId},
    store::{Result, Store, albums, attach},
};

/// The most items in one album (fact sheet, section 5.2).
pub const ALBUM_LIMIT: u64 = 20_000;

impl Store {
    /// The service says that the album is full: what is wanted in it goes to its next part. Gives
    /// whether it does: an album that nothing stands in is not believed to be full, for its next part
    /// would be so, too; one that was found may hold what we do not know of.
    pub async fn album_full(&self, album: AlbumRow) -> Result<bool> {
        self.write(move |db| {
            let holds_something: bool = db
                .prepare_cached(
                    "SELECT placed > 0 OR found = 1 FROM albums WHERE id = ?1 AND id <> 0",
                )?
                .query_row([album.0], |row| row.get(0))
                .optional()?
                .unwrap_or(false);
            if holds_something {
                roll_over(db, album)?;
            }
            Ok(holds_something)
        })
        .await
    }
}

/// How many more items the album takes.
pub(super) fn room(album: AlbumRow, placed: u64, album_limit: u64) -> usize {
    if album == albums::LIBRARY {
        return usize::MAX;
    }
    usize::try_from(album_limit.saturating_sub(placed)).unwrap_or(usize::MAX)
}

/// The album is full: what is still wanted in it goes to its last part, a new one if need be.
///
/// A file that holds such an item goes along: should its bytes have to be sent again, it must not
/// ask for a place in the full part once more.
pub(in crate::store) fn roll_over(db: &Tx, album: AlbumRow) -> Result<()> {
    const LAST: &str =
        "SELECT id FROM albums WHERE title = (SELECT title FROM albums WHERE id = ?1)
                        ORDER BY part DESC LIMIT 1";
    let mut last: i64 = db
        .prepare_cached(LAST)?
        .query_row([album.0], |row| row.get(0))?;
    if last == album.0 {
        db.prepare_cached(
            "INSERT INTO albums (title, part) SELECT title, part + 1 FROM albums WHERE id = ?1",
        )?
        .execute([album.0])?;
        last = db.last_insert_rowid();
    }
    let [holders, placements, left_over, queued, claimed] = ROLL_OVER;
    for sql in [holders, placements, claimed] {
        db.prepare_cached(sql)?.execute([album.0, last])?;
    }
    // What has a place in the last part already, or was taken out of it, needs none here.
    let left_over: Vec<ItemId> = db
        .prepare_cached(left_over)?
        .query_map([album.0], |row| row.get(0).map(ItemId))?
        .collect::<rusqlite::Result<_>>()?;
    left_over
        .into_iter()
        .try_for_each(|item| attach::ensure_library_placement(db, item))?;
    let roots: Vec<i64> = db
        .prepare_cached("SELECT id FROM roots")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for root in roots {
        db.prepare_cached(queued)?.execute([album.0, last, root])?;
    }
    Ok(())
}

/// The statements behind [`roll_over`]: ?1 is the full part, ?2 the last one, ?3 a root.
pub(in crate::store) const ROLL_OVER: [&str; 5] = [
    "UPDATE files SET album_id = ?2 WHERE album_id = ?1 AND state = 'held' AND item_id IN (
         SELECT item_id FROM placements WHERE album_id = ?1 AND state = 'wanted')",
    "UPDATE OR IGNORE placements SET album_id = ?2 WHERE album_id = ?1 AND state = 'wanted'",
    "UPDATE placements SET state = 'gone' WHERE album_id = ?1 AND state = 'wanted' RETURNING item_id",
    "UPDATE files SET album_id = ?2 WHERE root_id = ?3 AND album_id = ?1 AND state = 'queued'",
    "UPDATE files SET album_id = ?2 WHERE album_id = ?1 AND state = 'claimed'",
];
