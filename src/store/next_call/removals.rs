//! What leaves an album: `albums.batchRemoveMediaItems`, all or nothing, up to 50 at once.

use crate::store::Reader;
use crate::store::Tx;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{
    Members, Planned,
    earliest_retry::{self, EarliestRetry},
};
use crate::{
    clock,
    model::{
        batch_plan::MAX_BATCH,
        ids::{AlbumId, AlbumRow, ItemId, MediaItemId},
    },
    store::Result,
};

/// An album that something leaves, the one that waits least first.
pub(in crate::store) const LEFT: &str = "SELECT id, album_id, not_before FROM albums
     WHERE album_id IS NOT NULL AND id IN (SELECT album_id FROM placements WHERE state = 'leaving')
     ORDER BY not_before, id LIMIT 1";

/// What leaves it.
pub(in crate::store) const LEAVING: &str = "SELECT items.id, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?1 AND placements.state = 'leaving' AND items.media_item_id IS NOT NULL
     ORDER BY placements.order_key LIMIT ?2";

/// The next items that leave an album.
pub(super) fn next(
    db: &Tx,
    now: Timestamp,
    held: &mut Option<EarliestRetry>,
) -> Result<Option<Planned>> {
    let found: Option<(AlbumRow, String, i64)> = db
        .prepare_cached(LEFT)?
        .query_row([], |row| {
            Ok((AlbumRow(row.get(0)?), row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((album, album_id, not_before)) = found else {
        return Ok(None);
    };
    let not_before = clock::from_millis(not_before);
    if not_before > now {
        earliest_retry::hold_album(db, held, album, not_before)?;
        return Ok(None);
    }
    let items: Vec<(ItemId, MediaItemId)> = db
        .prepare_cached(LEAVING)?
        .query_map(params![album.0, MAX_BATCH as i64], |row| {
            let media_item_id = MediaItemId::new(row.get::<_, String>(1)?);
            Ok((ItemId(row.get(0)?), media_item_id))
        })?
        .collect::<rusqlite::Result<_>>()?;
    if items.is_empty() {
        return Ok(None);
    }
    Ok(Some(Planned::Remove(Members {
        album,
        album_id: AlbumId::new(album_id),
        items,
    })))
}

/// A removal of just these, for a call that is sent in parts.
pub(super) fn part(db: &Reader, album: AlbumRow, items: &[ItemId]) -> Result<Option<Members>> {
    let album_id: Option<String> = db
        .prepare_cached("SELECT album_id FROM albums WHERE id = ?1")?
        .query_row([album.0], |row| row.get(0))?;
    let Some(album_id) = album_id else {
        return Ok(None);
    };
    let mut leaving = Vec::with_capacity(items.len());
    for item in items {
        let media_item_id: Option<String> = db
            .prepare_cached(
                "SELECT items.media_item_id FROM items
                 JOIN placements ON placements.item_id = items.id
                 WHERE items.id = ?1 AND placements.album_id = ?2 AND placements.state = 'leaving'",
            )?
            .query_row(params![item.0, album.0], |row| row.get(0))
            .optional()?
            .flatten();
        leaving.extend(media_item_id.map(|id| (*item, MediaItemId::new(id))));
    }
    Ok((!leaving.is_empty()).then(|| Members {
        album,
        album_id: AlbumId::new(album_id),
        items: leaving,
    }))
}
