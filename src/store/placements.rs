//! What a call leaves of an item's place in an album: it stands there, may stand there, waits, or is
//! refused.

use crate::store::Tx;
use jiff::Timestamp;
use rusqlite::params;

use super::Result;
use crate::model::ids::{AlbumRow, ItemId};

/// A call may have put the media item into the album, wherever that was. Once it is known to be there,
/// the album tells.
pub(super) fn mark_position_unknown(db: &Tx, item: ItemId, album: AlbumRow) -> Result<()> {
    db.prepare_cached(
        "UPDATE placements SET doubtful = 1
         WHERE item_id = ?1 AND album_id = ?2 AND album_id <> 0 AND state = 'wanted'",
    )?
    .execute(params![item.0, album.0])?;
    Ok(())
}

/// Whatever the next call that takes the item says, an earlier one may have put it into the album: what
/// goes alone was not told of, and other items may come between now.
pub(super) fn mark_position_unknown_if_alone(db: &Tx, item: ItemId, album: AlbumRow) -> Result<()> {
    db.prepare_cached(
        "UPDATE placements SET doubtful = 1
         WHERE item_id = ?1 AND album_id = ?2 AND album_id <> 0 AND state = 'wanted'
               AND EXISTS (SELECT 1 FROM items WHERE id = ?1 AND alone = 1)",
    )?
    .execute(params![item.0, album.0])?;
    Ok(())
}

/// A media item that joins a further album: its own `not_before` is for its making.
pub(super) fn delay_until(
    db: &Tx,
    item: ItemId,
    album: AlbumRow,
    not_before: Timestamp,
) -> Result<()> {
    db.prepare_cached(
        "UPDATE placements SET not_before = ?3 WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
    )?
    .execute(params![item.0, album.0, not_before.as_millisecond()])?;
    Ok(())
}

/// The service will not put it there.
pub(super) fn refuse(db: &Tx, item: ItemId, album: AlbumRow, reason: &str) -> Result<()> {
    db.prepare_cached(
        "UPDATE placements SET state = 'refused', in_sequence = 0, reason = ?3
         WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
    )?
    .execute(params![item.0, album.0, reason])?;
    Ok(())
}

/// Where a doubtful item stands is for the album to tell.
const DOUBT: &str = "UPDATE albums SET unread = 1 WHERE id = ?2 AND unread = 0
     AND EXISTS (SELECT 1 FROM placements WHERE item_id = ?1 AND album_id = ?2 AND doubtful = 1)";

/// The item stands in the album. In one that was found it may have stood before, anywhere.
pub(super) fn placed(db: &Tx, item: ItemId, album: AlbumRow, at_its_place: bool) -> Result<()> {
    db.prepare_cached(
        "UPDATE placements SET doubtful = 1
         WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'
               AND EXISTS (SELECT 1 FROM albums WHERE id = ?2 AND found = 1)",
    )?
    .execute(params![item.0, album.0])?;
    db.prepare_cached(
        "UPDATE placements SET state = 'placed', reason = NULL,
                in_sequence = ?3 AND append = 0 AND album_id <> 0 AND doubtful = 0
         WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
    )?
    .execute(params![item.0, album.0, at_its_place])?;
    db.prepare_cached(DOUBT)?
        .execute(params![item.0, album.0])?;
    // It was taken back while the call was under way, and stands there all the same.
    db.prepare_cached(
        "UPDATE placements SET state = 'leaving'
         WHERE item_id = ?1 AND album_id = ?2 AND album_id <> 0 AND state = 'gone'",
    )?
    .execute(params![item.0, album.0])?;
    Ok(())
}
