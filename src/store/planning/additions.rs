//! What joins a further album without a token: `albums.batchAddMediaItems`, which can only append.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Addition, Planned, ready, roll_over, room, sooner};
use crate::{
    album::plan::MAX_BATCH,
    clock,
    ids::{AlbumId, AlbumRow, ItemId, MediaItemId},
    store::{Result, albums},
};

/// Albums that a media item wants to join without a token, the one that waits least first. One that
/// still has a token is planned as a batch: that can give it its place. ?1 is now, ?2 and ?3 are
/// when tokens that live were born.
pub(in crate::store) const JOINED: &str = "SELECT id, album_id, not_before, placed FROM albums
     WHERE id <> 0 AND wanted > 0 AND EXISTS (
         SELECT 1 FROM placements CROSS JOIN items ON items.id = placements.item_id
         WHERE placements.album_id = albums.id AND placements.state = 'wanted' AND placements.made = 1
               AND placements.not_before <= ?1
               AND (items.token_at IS NULL OR items.token_at <= ?2 OR items.token_at > ?3))
     ORDER BY not_before, id LIMIT 1";

/// What joins one of them. One that was refused before goes by itself: the call is all or nothing.
pub(in crate::store) const JOINING: &str =
    "SELECT items.id, items.media_item_id, placements.attempts
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?4 AND placements.state = 'wanted' AND placements.made = 1
           AND placements.not_before <= ?1
           AND (items.token_at IS NULL OR items.token_at <= ?2 OR items.token_at > ?3)
     ORDER BY placements.attempts, placements.order_key LIMIT ?5";

/// Media items that want a further album and have no token for it: up to 50 of one album.
pub(super) fn next(
    db: &Connection,
    album_limit: u64,
    now: Timestamp,
    wake: &mut Option<Timestamp>,
) -> Result<Option<Planned>> {
    let (born_after, born_until) = ready::living(now);
    let found: Option<(AlbumRow, Option<String>, i64, i64)> = db
        .prepare_cached(JOINED)?
        .query_row(
            params![now.as_millisecond(), born_after, born_until],
            |row| Ok((AlbumRow(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .optional()?;
    let Some((album, album_id, not_before, placed)) = found else {
        return Ok(None);
    };
    let not_before = clock::from_millis(not_before);
    if not_before > now {
        sooner(wake, not_before);
        return Ok(None);
    }
    let Some(album_id) = album_id else {
        return Ok(albums::task(db, album)?.map(Planned::Album));
    };
    let room = room(album, placed as u64, album_limit);
    if room == 0 {
        roll_over(db, album)?;
        return next(db, album_limit, now, wake);
    }
    let rows: Vec<(ItemId, MediaItemId, u32)> = db
        .prepare_cached(JOINING)?
        .query_map(
            params![
                now.as_millisecond(),
                born_after,
                born_until,
                album.0,
                MAX_BATCH.min(room) as i64
            ],
            |row| {
                let media_item_id = MediaItemId::new(row.get::<_, String>(1)?);
                Ok((ItemId(row.get(0)?), media_item_id, row.get(2)?))
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    let untried = rows
        .iter()
        .take_while(|(_, _, attempts)| *attempts == 0)
        .count();
    let items = rows
        .into_iter()
        .take(untried.max(1))
        .map(|(item, media_item_id, _)| (item, media_item_id))
        .collect();
    Ok(Some(Planned::Add(Addition {
        album,
        album_id: AlbumId::new(album_id),
        items,
    })))
}
