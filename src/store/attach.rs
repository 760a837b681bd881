//! Attaching a file to its item, and the placement that the file wants.

use jiff::Timestamp;

use super::{Reader, Result, Tx, items, renames, row::params};
use crate::model::{
    ids::{AlbumRow, FileId, ItemId},
    item::State,
};

/// Attaches a renamed file to the item that it is known to hold, without reading it. If the bytes of the
/// item are still to be sent, nothing is done: the file goes through the queue.
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
        | State::Missing => attach(db, file, item, state, now),
    }
}

/// Attaches the queued or claimed file to this item, and wants the item in the file's album.
pub(super) fn attach(
    db: &Tx,
    file: FileId,
    item: ItemId,
    state: State,
    now: Timestamp,
) -> Result<()> {
    let sql = "SELECT album_id, order_key FROM files WHERE id = ?1";
    let (album, key): (AlbumRow, Vec<u8>) = db.one(sql, params![file])?;
    // If the file has the bytes that it had before, it was only touched. Then its item stays in its album,
    // even if the title is made of the time of the last change.
    let sql = "DELETE FROM former_items WHERE file_id = ?1 AND item_id = ?2";
    let was_touched = db.execute(sql, params![file, item])? > 0;
    let stays = if was_touched {
        renames::only_album(db, file, item)?
    } else {
        None
    };
    let album = match stays {
        Some(album) => album,
        None => renames::known_part(db, item, album)?,
    };
    db.execute(
        "UPDATE files SET state = 'attached', item_id = ?2, album_id = ?3, edit_ignored = 0, attempts = 0, changed_at = ?4
         WHERE id = ?1",
        params![file, item, album, now],
    )?;
    want_placement(db, item, album, &key, state, now)?;
    ensure_library_placement(db, item)
}

/// An item that does not exist at the service yet and is wanted in no album is wanted in the library.
/// Otherwise it would never be created. To be called after a placement was withdrawn.
pub(super) fn ensure_library_placement(db: &Tx, item: ItemId) -> Result<()> {
    db.execute(WANTED_SOMEWHERE, params![item])?;
    Ok(())
}

/// Wants the item in the album. The first file that does so decides its position there. An item that is
/// being removed because its file was deleted stays, and counts as out of order from then on. One that
/// the user removed (then there is a reason) stays removed.
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
    let stays = db.execute(
        "UPDATE placements SET state = 'placed', reason = NULL
             WHERE item_id = ?1 AND album_id = ?2 AND state = 'leaving' AND reason IS NULL",
        params![item, album],
    )?;
    if stays > 0 {
        return Ok(());
    }
    let key = unique_key(db, item, album, key)?;
    db.execute("INSERT INTO placements (item_id, album_id, order_key, state, item_exists, wanted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (item_id, album_id) DO UPDATE SET state = 'wanted', order_key = ?3, wanted_at = ?6
         WHERE state = 'gone' AND reason IS NULL", params![item, album, key, if in_library { "placed" } else { "wanted" }, made, now])?;
    Ok(())
}

/// The key, made unique if another item of the album has the same one, as an edited file does that keeps
/// its name and time: the new picture comes right after the old one, and the next item has only one
/// possible neighbour.
fn unique_key(db: &Reader, item: ItemId, album: AlbumRow, key: &[u8]) -> Result<Vec<u8>> {
    let is_taken = album.0 != 0 && db.one(SAME_KEY, params![album, key, item])?;
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

/// Wants an item in the library. Its order key there has no meaning, so it takes one that it has in an album.
pub(super) const WANTED_SOMEWHERE: &str =
    "INSERT INTO placements (item_id, album_id, order_key, state, wanted_at)
     SELECT id, 0, coalesce((SELECT order_key FROM placements WHERE item_id = ?1 LIMIT 1), x''), 'wanted',
            changed_at
     FROM items WHERE id = ?1 AND state NOT IN ('created', 'verified')
                      AND NOT EXISTS (SELECT 1 FROM placements WHERE item_id = ?1 AND state = 'wanted')
     ON CONFLICT (item_id, album_id) DO UPDATE SET state = 'wanted', reason = NULL";

/// Whether another file wants the item in this album. These count:
/// - files in a folder of the configuration,
/// - files in a folder that left the configuration after ?4, unless one is the deleted file itself (the
///   same inode) under its path in that folder,
/// - files that `after_upload` deleted, or moved to where no folder of the configuration is: their items
///   are meant to stay.
pub(super) const HELD_ELSEWHERE: &str = "SELECT EXISTS (
     SELECT 1 FROM files CROSS JOIN albums ON albums.id = files.album_id
                         CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 AND files.id <> ?3
           AND albums.title = (SELECT title FROM albums WHERE id = ?2)
           AND CASE
               WHEN files.state <> 'gone' THEN roots.configured = 1
                    OR (roots.unconfigured_at > ?4
                        AND NOT EXISTS (SELECT 1 FROM files AS departing
                                        WHERE departing.id = ?3 AND departing.inode = files.inode
                                              AND departing.dev = files.dev))
               ELSE files.action_state IS 'done'
                    AND NOT EXISTS (SELECT 1 FROM source_actions CROSS JOIN roots AS target
                                    WHERE source_actions.file_id = files.id AND source_actions.done_at IS NOT NULL
                                          AND target.configured = 1
                                          AND substr(source_actions.to_path, 1, length(target.path) + 1)
                                              = CAST(target.path || '/' AS BLOB))
               END)";
