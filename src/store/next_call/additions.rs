//! What joins a further album without a token: `albums.batchAddMediaItems`, which can only append.
//!
//! What is later than all that stands in sequence is in sequence at the end, too. So an album that is
//! filled this way (its folder was moved, or it was deleted by hand and made again) stands in
//! order, if what is earlier goes first.

use crate::store::Reader;
use crate::store::Tx;
use jiff::Timestamp;
use rusqlite::params;

use super::{
    Members, Planned, Search,
    album_overflow::{roll_over, room},
    earliest_retry,
    positions::{self, Neighbours},
    ready_tokens::{self, Ready},
    sooner,
};
use crate::{
    clock,
    model::{
        batch_plan::{Decision, FlushPolicy, InsertionRun, MAX_BATCH},
        ids::{AlbumId, AlbumRow, ItemId, MediaItemId},
    },
    store::{Result, albums},
};

/// Albums that a media item wants to join without a token, those that wait least first. One that
/// still has a token is planned as a batch: that can give it its place. ?1 is now, ?2 and ?3 are
/// when tokens that live were create_item.
pub(in crate::store) const JOINED: &str = "SELECT id, album_id, not_before, placed FROM albums
     WHERE id <> 0 AND wanted > 0 AND EXISTS (
         SELECT 1 FROM placements CROSS JOIN items ON items.id = placements.item_id
         WHERE placements.album_id = albums.id AND placements.state = 'wanted' AND placements.made = 1
               AND placements.not_before <= ?1
               AND (items.token_at IS NULL OR items.token_at <= ?2 OR items.token_at > ?3))
     ORDER BY not_before, id";

/// What joins one of them. One that was refused before goes by itself: the call is all or nothing.
pub(in crate::store) const JOINING: &str =
    "SELECT items.id, items.media_item_id, placements.attempts, placements.wanted_at,
            EXISTS (SELECT 1 FROM files WHERE files.item_id = items.id AND files.fresh = 1)
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?4 AND placements.state = 'wanted' AND placements.made = 1
           AND placements.not_before <= ?1
           AND (items.token_at IS NULL OR items.token_at <= ?2 OR items.token_at > ?3)
     ORDER BY placements.attempts, placements.order_key LIMIT ?5";

/// Media items that want a further album and have no token for it: up to 50 of one album, which
/// leave as a batch would, so that the rest of a folder that is being moved can join them.
pub(super) fn next(db: &Tx, album_limit: u64, search: &mut Search) -> Result<Option<Planned>> {
    let (born_after, born_until) = ready_tokens::living(search.now);
    let joined: Vec<Joined> = db
        .prepare_cached(JOINED)?
        .query_map(
            params![search.now.as_millisecond(), born_after, born_until],
            |row| {
                Ok(Joined {
                    album: AlbumRow(row.get(0)?),
                    album_id: row.get(1)?,
                    not_before: clock::from_millis(row.get(2)?),
                    placed: row.get::<_, i64>(3)? as u64,
                })
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    for joined in joined {
        if joined.not_before > search.now {
            earliest_retry::hold_album(db, &mut search.held, joined.album, joined.not_before)?;
            continue;
        }
        let Some(album_id) = &joined.album_id else {
            return Ok(albums::task(db, joined.album)?.map(Planned::Album));
        };
        let room = room(joined.album, joined.placed, album_limit);
        if room == 0 {
            roll_over(db, joined.album)?;
            return next(db, album_limit, search);
        }
        let items = joining(db, joined.album, MAX_BATCH.min(room), search)?;
        if !items.is_empty() {
            return Ok(Some(Planned::Add(Members {
                album: joined.album,
                album_id: AlbumId::new(album_id),
                items,
            })));
        }
    }
    Ok(None)
}

/// What can take its place at the end of an album only if it goes before the batch whose last item
/// this is: up to 50. What was refused once does not hold others up.
pub(super) fn ahead_of(
    db: &Reader,
    album: AlbumRow,
    item: &Ready,
    room: usize,
    now: Timestamp,
) -> Result<Option<Members>> {
    if album == albums::LIBRARY || item.append {
        return Ok(None);
    }
    let (born_after, born_until) = ready_tokens::living(now);
    let items: Vec<(ItemId, MediaItemId)> = db
        .prepare_cached(AHEAD)?
        .query_map(
            params![
                now.as_millisecond(),
                born_after,
                born_until,
                album.0,
                item.key,
                MAX_BATCH.min(room) as i64
            ],
            |row| {
                let media_item_id = MediaItemId::new(row.get::<_, String>(1)?);
                Ok((ItemId(row.get(0)?), media_item_id))
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    let album_id: Option<String> = db
        .prepare_cached("SELECT album_id FROM albums WHERE id = ?1")?
        .query_row([album.0], |row| row.get(0))?;
    let album_id = album_id.filter(|_| !items.is_empty()).map(AlbumId::new);
    Ok(album_id.map(|album_id| Members {
        album,
        album_id,
        items,
    }))
}

/// The statement behind [`ahead_of`]: ?5 is the key of the item, ?6 how many there can be.
pub(in crate::store) const AHEAD: &str = "SELECT items.id, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?4 AND placements.state = 'wanted' AND placements.made = 1
           AND placements.not_before <= ?1 AND placements.attempts = 0 AND placements.append = 0
           AND (items.token_at IS NULL OR items.token_at <= ?2 OR items.token_at > ?3)
           AND placements.order_key < ?5
           AND placements.order_key > coalesce((SELECT max(order_key) FROM placements
                                                WHERE album_id = ?4 AND in_sequence = 1), x'')
     ORDER BY placements.order_key LIMIT ?6";

/// An album that media items want to join.
struct Joined {
    album: AlbumRow,
    album_id: Option<String>,
    not_before: Timestamp,
    placed: u64,
}

/// What joins an album now; nothing if it still waits for company.
fn joining(
    db: &Tx,
    album: AlbumRow,
    most: usize,
    search: &mut Search,
) -> Result<Vec<(ItemId, MediaItemId)>> {
    let (born_after, born_until) = ready_tokens::living(search.now);
    let rows: Vec<(ItemId, MediaItemId, u32, i64, bool)> = db
        .prepare_cached(JOINING)?
        .query_map(
            params![
                search.now.as_millisecond(),
                born_after,
                born_until,
                album.0,
                most as i64
            ],
            |row| {
                let media_item_id = MediaItemId::new(row.get::<_, String>(1)?);
                Ok((
                    ItemId(row.get(0)?),
                    media_item_id,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    let is_fresh = rows.iter().any(|(.., fresh)| *fresh);
    if search.rules.fresh_only && !rows.is_empty() && !is_fresh {
        search.waits_for_the_reserve();
        return Ok(Vec::new());
    }
    let untried = rows
        .iter()
        .take_while(|(_, _, attempts, ..)| *attempts == 0)
        .count();
    let rules = search.rules;
    let to_come = Neighbours::end();
    let awaited = positions::awaited(
        db,
        album,
        &to_come,
        rules.resumable_above,
        &search.roots,
        search.now,
    )?;
    let since = rows.iter().map(|(.., wanted_at, _)| *wanted_at).min();
    let stretch = InsertionRun {
        ready: untried,
        contiguous: untried,
        pending: awaited.is_some() || rules.scanning,
        oldest: since.map_or(search.now, clock::from_millis),
        predecessor: None,
        has_successor: false,
    };
    let patience = FlushPolicy {
        backpressure: false,
        ..rules.patience
    };
    // One that was refused before has waited enough.
    if untried > 0
        && untried < most
        && let Decision::Wait(due) = stretch.decide(patience, search.now)
    {
        sooner(&mut search.wake, due);
        return Ok(Vec::new());
    }
    Ok(rows
        .into_iter()
        .take(untried.max(1))
        .map(|(item, media_item_id, ..)| (item, media_item_id))
        .collect())
}
