//! Where ready items can stand together in their album, and what is still to come between them.
//!
//! Windows of the album are asked for by index, so an album of 20,000 costs no more than one of 20.

use crate::store::Reader;
use crate::store::Tx;
use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{BatchItem, PlanRules, ready_tokens::Ready};
use crate::{
    model::{
        batch_plan::InsertionRun,
        ids::{AlbumRow, ItemId, MediaItemId, UploadToken},
    },
    store::{Result, albums, upload_queue::OpenRoot},
};

/// Stretches of one album looked at in one planning, beside its tail: a bound on work, far above
/// what occurs.
const STRETCHES: usize = 64;

/// The stretches of an album that have ready items, each with the index of its first.
pub(super) fn stretches(
    db: &Tx,
    album: AlbumRow,
    ready: &[Ready],
    rules: PlanRules,
    roots: &[OpenRoot],
    now: Timestamp,
) -> Result<Vec<(usize, InsertionRun)>> {
    let mut found = Vec::new();
    let mut from = 0;
    while from < ready.len() {
        if found.len() == STRETCHES {
            // Late ones without end must not keep the tail from being looked at.
            from = from.max(tail_of(db, album, ready)?);
            if from >= ready.len() {
                break;
            }
        } else if found.len() > STRETCHES {
            break;
        }
        let Some(first) = ready.get(from) else { break };
        let rest = ready.get(from..).unwrap_or_default();
        // What the service would not take at its place goes behind everything, in order.
        let around = if first.append {
            Neighbours::end()
        } else {
            neighbours(db, album, &first.key)?
        };
        let until_neighbour = match &around.successor {
            Some(successor) => rest.partition_point(|ready| ready.key < *successor),
            None => rest.len(),
        }
        .max(1);
        // One that must go alone ends the company before it.
        let n = if first.alone {
            1
        } else {
            rest.iter()
                .take(until_neighbour)
                .position(|ready| ready.alone || ready.append != first.append)
                .unwrap_or(until_neighbour)
        };
        let here = rest.get(..n).unwrap_or_default();
        let gap = awaited(db, album, &around, rules.resumable_above, roots, now)?;
        let ordered = album != albums::LIBRARY;
        let contiguous = match &gap {
            Some(gap) if ordered => here.partition_point(|ready| ready.key < *gap),
            _ => n,
        };
        let oldest = here.iter().map(|ready| ready.since).min().unwrap_or(now);
        let stretch = InsertionRun {
            ready: n,
            contiguous,
            pending: gap.is_some() || rules.scanning,
            oldest,
            predecessor: around.predecessor.map(|(_, id)| id),
            has_successor: around.successor.is_some(),
        };
        found.push((from, stretch));
        from += n;
    }
    Ok(found)
}

/// A stretch and the index of its first from its first fresh item on; none if it has none. What stands
/// before is passed over while only fresh files may spend requests.
pub(super) fn from_fresh(
    ready: &[Ready],
    from: usize,
    stretch: InsertionRun,
) -> Option<(usize, InsertionRun)> {
    let here = ready.get(from..from + stretch.ready)?;
    let n = here.iter().position(|ready| ready.fresh)?;
    let oldest = here.iter().skip(n).filter(|ready| ready.fresh);
    let oldest = oldest.map(|ready| ready.since).min()?;
    Some((from + n, stretch.behind(n, oldest)))
}

/// The index of the first ready item that stands behind all that is in sequence.
fn tail_of(db: &Reader, album: AlbumRow, ready: &[Ready]) -> Result<usize> {
    let last: Option<Vec<u8>> = db
        .prepare_cached(TAIL)?
        .query_row([album.0], |row| row.get(0))?;
    Ok(last.map_or(0, |last| ready.partition_point(|ready| ready.key <= last)))
}

/// What stands in sequence around a place.
pub(super) struct Neighbours {
    pub(super) predecessor: Option<(Vec<u8>, MediaItemId)>,
    pub(super) successor: Option<Vec<u8>>,
}

impl Neighbours {
    /// The place behind everything.
    pub(super) fn end() -> Self {
        Self {
            predecessor: None,
            successor: None,
        }
    }
}

pub(super) fn neighbours(db: &Reader, album: AlbumRow, key: &[u8]) -> Result<Neighbours> {
    let predecessor = db
        .prepare_cached(PREDECESSOR)?
        .query_row(params![album.0, key], |row| {
            Ok((row.get(0)?, MediaItemId::new(row.get::<_, String>(1)?)))
        })
        .optional()?;
    let successor = db
        .prepare_cached(SUCCESSOR)?
        .query_row(params![album.0, key], |row| row.get(0))
        .optional()?;
    Ok(Neighbours {
        predecessor,
        successor,
    })
}

/// The lowest order key of one root that is still to come and is waited for.
pub(in crate::store) const AWAITED: &str = "SELECT order_key FROM files
     WHERE state IN ('queued', 'claimed') AND large = 0 AND root_id = ?1 AND album_id = ?2
           AND order_key > ?3 AND order_key < ?4 AND not_before <= ?5
     ORDER BY order_key LIMIT 1";
/// The same without an upper end: an index cannot serve both at once.
pub(in crate::store) const AWAITED_AT_TAIL: &str = "SELECT order_key FROM files
     WHERE state IN ('queued', 'claimed') AND large = 0 AND root_id = ?1 AND album_id = ?2
           AND order_key > ?3 AND not_before <= ?4
     ORDER BY order_key LIMIT 1";
/// The lowest order key whose bytes are on their way.
pub(in crate::store) const UPLOADING: &str = "SELECT min(placements.order_key) FROM items
     CROSS JOIN placements ON placements.item_id = items.id
     WHERE items.state IN ('uploading', 'uploaded', 'creating') AND items.state = 'uploading'
           AND items.size <= ?1 AND placements.state = 'wanted' AND placements.album_id = ?2
           AND placements.order_key > ?3 AND (?4 IS NULL OR placements.order_key < ?4)";

/// The lowest order key between the neighbours that is still to come and is waited for.
pub(super) fn awaited(
    db: &Reader,
    album: AlbumRow,
    around: &Neighbours,
    resumable_above: u64,
    roots: &[OpenRoot],
    now: Timestamp,
) -> Result<Option<Vec<u8>>> {
    let from = around.predecessor.as_ref().map_or(&[][..], |(key, _)| key);
    let to = around.successor.as_deref();
    let now = now.as_millisecond();
    let mut lowest: Option<Vec<u8>> = db.prepare_cached(UPLOADING)?.query_row(
        params![
            i64::try_from(resumable_above).unwrap_or(i64::MAX),
            album.0,
            from,
            to
        ],
        |row| row.get(0),
    )?;
    for root in roots {
        let key: Option<Vec<u8>> = match to {
            Some(to) => db
                .prepare_cached(AWAITED)?
                .query_row(params![root.id, album.0, from, to, now], |row| row.get(0)),
            None => db
                .prepare_cached(AWAITED_AT_TAIL)?
                .query_row(params![root.id, album.0, from, now], |row| row.get(0)),
        }
        .optional()?;
        lowest = [lowest, key].into_iter().flatten().min();
    }
    Ok(lowest)
}

/// The place of these items, for a batch that is sent in parts, and those of them that still want it.
pub(super) fn of_part(
    db: &Reader,
    album: AlbumRow,
    wanted: &[ItemId],
) -> Result<(InsertionRun, Vec<BatchItem>)> {
    let mut items = Vec::with_capacity(wanted.len());
    let mut first_key: Option<Vec<u8>> = None;
    let mut append = false;
    for item in wanted {
        let row = db
            .prepare_cached(
                "SELECT items.upload_token, items.file_name, placements.order_key, placements.append,
                        items.description
                 FROM items
                 JOIN placements ON placements.item_id = items.id AND placements.album_id = ?2
                 WHERE items.id = ?1 AND items.upload_token IS NOT NULL AND placements.state = 'wanted'",
            )?
            .query_row(params![item.0, album.0], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                    row.get::<_, bool>(3)?,
                    row.get(4)?,
                ))
            })
            .optional()?;
        let Some((upload_token, file_name, key, to_the_end, description)) = row else {
            continue;
        };
        first_key.get_or_insert(key);
        append |= to_the_end;
        items.push(BatchItem {
            item: *item,
            upload_token: UploadToken::new(upload_token),
            file_name,
            description,
        });
    }
    let around = if append {
        Neighbours::end()
    } else {
        neighbours(db, album, &first_key.unwrap_or_default())?
    };
    let stretch = InsertionRun {
        ready: items.len(),
        contiguous: items.len(),
        pending: false,
        oldest: Timestamp::UNIX_EPOCH,
        predecessor: around.predecessor.map(|(_, id)| id),
        has_successor: around.successor.is_some(),
    };
    Ok((stretch, items))
}

/// These go to the end of the album, once and for all.
pub(in crate::store) fn append(
    db: &Tx,
    album: AlbumRow,
    items: impl IntoIterator<Item = ItemId>,
) -> Result<()> {
    for item in items {
        db.prepare_cached(
            "UPDATE placements SET append = 1 WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
        )?
        .execute(params![item.0, album.0])?;
    }
    Ok(())
}

/// What stands in sequence before a key.
pub(in crate::store) const PREDECESSOR: &str = "SELECT placements.order_key, items.media_item_id FROM placements
             JOIN items ON items.id = placements.item_id
             WHERE placements.album_id = ?1 AND placements.in_sequence = 1 AND placements.order_key < ?2
                   AND items.media_item_id IS NOT NULL
             ORDER BY placements.order_key DESC LIMIT 1";

/// What stands in sequence behind a key.
pub(in crate::store) const SUCCESSOR: &str =
    "SELECT order_key FROM placements WHERE album_id = ?1 AND in_sequence = 1 AND order_key > ?2
             ORDER BY order_key LIMIT 1";

/// The last key in sequence.
pub(in crate::store) const TAIL: &str =
    "SELECT max(order_key) FROM placements WHERE album_id = ?1 AND in_sequence = 1";
