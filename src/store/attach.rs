//! Files that hold an item, and what they want of albums.

use jiff::Timestamp;
use rusqlite::params;

use super::{Reader, Result, Tx, items, renames};
use crate::model::{
    ids::{AlbumRow, FileId, ItemId},
    item::State,
};

/// The file holds what a media item was made of, or is being made of, and not a byte has to be read.
/// One that still waits for its bytes is left alone: the file goes through the queue.
pub(super) fn attach_known(db: &Tx, file: FileId, item: ItemId, now: Timestamp) -> Result<()> {
    let state = items::state_of(db, item)?;
    match state {
        State::Queued | State::Skipped => Ok(()),
        State::Uploading
        | State::Uploaded
        | State::Creating
        | State::Created
        | State::Verified
        | State::Failed
        | State::Missing => hold(db, file, item, state, now),
    }
}

/// The queued or claimed file holds this item now, and brings it to its album.
pub(super) fn hold(
    db: &Tx,
    file: FileId,
    item: ItemId,
    state: State,
    now: Timestamp,
) -> Result<()> {
    let (album, key): (i64, Vec<u8>) = db
        .prepare_cached("SELECT album_id, order_key FROM files WHERE id = ?1")?
        .query_row([file.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // Touched, and nothing else: no edit at all, and no reason to go to another album, even if the
    // title is made of the time of the last change.
    let was_touched = db
        .prepare_cached("DELETE FROM former_items WHERE file_id = ?1 AND item_id = ?2")?
        .execute(params![file.0, item.0])?
        > 0;
    let stays = if was_touched {
        renames::only_album(db, file, item)?
    } else {
        None
    };
    let album = match stays {
        Some(album) => album,
        None => renames::known_part(db, item, AlbumRow(album))?,
    };
    db.prepare_cached(
        "UPDATE files SET state = 'held', item_id = ?2, album_id = ?3, edited = 0, attempts = 0, changed_at = ?4
         WHERE id = ?1",
    )?
    .execute(params![file.0, item.0, album.0, now.as_millisecond()])?;
    want_placement(db, item, album, &key, state, now)?;
    ensure_library_placement(db, item)
}

/// What is not made yet and wanted in no album goes to the library alone. Its bytes are up, or shall go
/// up, and nothing else would ever make it: whoever takes a placement back calls this.
pub(super) fn ensure_library_placement(db: &Tx, item: ItemId) -> Result<()> {
    db.prepare_cached(WANTED_SOMEWHERE)?.execute([item.0])?;
    Ok(())
}

/// The same for all that is on its way, at each start: up to version 0.1.0 an item that was taken out of
/// its album before it was made was left without any.
pub(super) fn all_wanted_somewhere(db: &Tx) -> Result<()> {
    let nowhere: Vec<ItemId> = db
        .prepare_cached(WANTED_NOWHERE)?
        .query_map([], |row| row.get(0).map(ItemId))?
        .collect::<rusqlite::Result<_>>()?;
    nowhere
        .into_iter()
        .try_for_each(|item| ensure_library_placement(db, item))
}

/// The first file that brings an item to an album decides its place there. One that is about to leave
/// because its file had gone stays, and counts as out of order from then on; one that a person took
/// out, as the reason tells, stays out, be it on its way or gone.
fn want_placement(
    db: &Tx,
    item: ItemId,
    album: AlbumRow,
    key: &[u8],
    state: State,
    now: Timestamp,
) -> Result<()> {
    let made = matches!(state, State::Created | State::Verified);
    let in_library = album.0 == 0 && made;
    let stays = db
        .prepare_cached(
            "UPDATE placements SET state = 'placed', reason = NULL
             WHERE item_id = ?1 AND album_id = ?2 AND state = 'leaving' AND reason IS NULL",
        )?
        .execute(params![item.0, album.0])?;
    if stays > 0 {
        return Ok(());
    }
    let key = distinct(db, item, album, key)?;
    db.prepare_cached(
        "INSERT INTO placements (item_id, album_id, order_key, state, made, wanted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (item_id, album_id) DO UPDATE SET state = 'wanted', order_key = ?3, wanted_at = ?6
         WHERE state = 'gone' AND reason IS NULL",
    )?
    .execute(params![
        item.0,
        album.0,
        key,
        if in_library { "placed" } else { "wanted" },
        made,
        now.as_millisecond()
    ])?;
    Ok(())
}

/// The key, made different where another item of the album has the very same: a file that was edited
/// keeps its name and perhaps its time. The new picture stands behind the old one, and what comes
/// next knows which of the two is its neighbour.
fn distinct(db: &Reader, item: ItemId, album: AlbumRow, key: &[u8]) -> Result<Vec<u8>> {
    let is_taken: bool = album.0 != 0
        && db
            .prepare_cached(SAME_KEY)?
            .query_row(params![album.0, key, item.0], |row| row.get(0))?;
    let mut key = key.to_vec();
    if is_taken {
        key.extend(item.0.to_be_bytes());
    }
    Ok(key)
}

/// Another item with this key in the album; each half is an index of its own.
pub(super) const SAME_KEY: &str = "SELECT EXISTS (
         SELECT 1 FROM placements
         WHERE album_id = ?1 AND order_key = ?2 AND in_sequence = 1 AND item_id <> ?3)
     OR EXISTS (
         SELECT 1 FROM placements
         WHERE album_id = ?1 AND order_key = ?2 AND state = 'wanted' AND item_id <> ?3)";

/// The order key matters to nobody in the library; that of the album is as good as any.
pub(super) const WANTED_SOMEWHERE: &str =
    "INSERT INTO placements (item_id, album_id, order_key, state, wanted_at)
     SELECT id, 0, coalesce((SELECT order_key FROM placements WHERE item_id = ?1 LIMIT 1), x''), 'wanted',
            changed_at
     FROM items WHERE id = ?1 AND state NOT IN ('created', 'verified')
                      AND NOT EXISTS (SELECT 1 FROM placements WHERE item_id = ?1 AND state = 'wanted')
     ON CONFLICT (item_id, album_id) DO UPDATE SET state = 'wanted', reason = NULL";

/// What is on its way, as an index holds it, and wanted nowhere.
pub(super) const WANTED_NOWHERE: &str =
    "SELECT id FROM items WHERE state IN ('uploading', 'uploaded', 'creating')
         AND NOT EXISTS (SELECT 1 FROM placements WHERE item_id = items.id AND state = 'wanted')";

/// Whether a file besides the one that departs brings the item to this album.
///
/// Those of a folder that left the configuration do so only for a while (not before ?4), and not at all
/// if they are the very file that departs, under the path that it had in that folder. What Albumen itself
/// deleted or moved brings it for good: it was to stay in the album. Where it was moved into a folder of
/// the configuration, the file there says.
pub(super) const HELD_ELSEWHERE: &str = "SELECT EXISTS (
     SELECT 1 FROM files CROSS JOIN albums ON albums.id = files.album_id
                         CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 AND files.id <> ?3
           AND albums.title = (SELECT title FROM albums WHERE id = ?2)
           AND CASE
               WHEN files.state <> 'gone' THEN roots.configured = 1
                    OR (roots.dropped_at > ?4
                        AND NOT EXISTS (SELECT 1 FROM files AS departing
                                        WHERE departing.id = ?3 AND departing.inode = files.inode
                                              AND departing.dev = files.dev))
               ELSE files.afterwards IS 'done'
                    AND NOT EXISTS (SELECT 1 FROM source_acts CROSS JOIN roots AS target
                                    WHERE source_acts.file_id = files.id AND source_acts.done_at IS NOT NULL
                                          AND target.configured = 1
                                          AND substr(source_acts.to_path, 1, length(target.path) + 1)
                                              = CAST(target.path || '/' AS BLOB))
               END)";
