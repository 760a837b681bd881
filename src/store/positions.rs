//! Insertion runs: which ready items can be placed together in their album, and what is still to come between
//! them. Windows of the album are read by index, so an album of 20,000 items costs no more than one of 20.

use jiff::Timestamp;

use super::{
    Reader, Result, Tx, albums,
    ready_tokens::{BatchItem, Ready},
    row::params,
};
use crate::model::{
    batch_plan::InsertionRun,
    ids::{AlbumRow, ItemId, MediaItemId},
};

/// The most runs of one album in one planning, not counting its end: a limit on work, far above what occurs.
const MAX_RUNS: usize = 64;

/// Which files are waited for.
pub(super) struct Awaiting {
    /// The roots that are open and not away.
    pub(super) roots: Vec<i64>,
    /// Larger files are not waited for, bytes.
    pub(super) resumable_above: u64,
    /// Whether a folder is still being scanned, so that any file may come.
    pub(super) scanning: bool,
    pub(super) now: Timestamp,
}

/// The runs of an album that have ready items, each with the index of its first item.
pub(super) fn runs(
    db: &Reader,
    album: AlbumRow,
    ready: &[Ready],
    awaiting: &Awaiting,
) -> Result<Vec<(usize, InsertionRun)>> {
    let mut found = Vec::new();
    let mut from = 0;
    while found.len() <= MAX_RUNS {
        if found.len() == MAX_RUNS {
            // However many late items there are, the end of the album is looked at as well.
            let last: Option<Vec<u8>> = db.one(TAIL, params![album])?;
            let tail = last.map_or(0, |last| ready.partition_point(|ready| ready.key <= last));
            from = from.max(tail);
        }
        let rest = ready.get(from..).unwrap_or_default();
        let Some(first) = rest.first() else { break };
        // Items whose position was refused go to the end, in order.
        let around = if first.append_only {
            Neighbours::default()
        } else {
            neighbours(db, album, &first.key)?
        };
        let before_successor = match &around.successor {
            Some(successor) => rest.partition_point(|ready| ready.key < *successor),
            None => rest.len(),
        }
        .max(1);
        // An item that must be in a call alone ends the run before it.
        let n = if first.alone {
            1
        } else {
            rest.iter()
                .take(before_successor)
                .position(|ready| ready.alone || ready.append_only != first.append_only)
                .unwrap_or(before_successor)
        };
        let run = rest.get(..n).unwrap_or_default();
        let gap = awaited(db, album, &around, awaiting)?;
        let contiguous = match &gap {
            Some(gap) if album != albums::LIBRARY => run.partition_point(|ready| ready.key < *gap),
            _ => n,
        };
        let oldest = run.iter().map(|ready| ready.since).min();
        let run = InsertionRun {
            ready: n,
            contiguous,
            pending: gap.is_some() || awaiting.scanning,
            oldest: oldest.unwrap_or(awaiting.now),
            predecessor: around.predecessor.map(|(_, id)| id),
            has_successor: around.successor.is_some(),
        };
        found.push((from, run));
        from += n;
    }
    Ok(found)
}

/// The part of a run from its first new arrival on; none if it has no new arrival. The items before it are
/// passed over while only new arrivals may use requests.
pub(super) fn from_new_arrival(
    ready: &[Ready],
    from: usize,
    run: InsertionRun,
) -> Option<(usize, InsertionRun)> {
    let here = ready.get(from..from + run.ready)?;
    let n = here.iter().position(|ready| ready.new_arrival)?;
    let oldest = here.iter().skip(n).filter(|ready| ready.new_arrival);
    let oldest = oldest.map(|ready| ready.since).min()?;
    Some((from + n, run.behind(n, oldest)))
}

/// The items in sequence around a position; the default is the end of the album.
#[derive(Default)]
pub(super) struct Neighbours {
    predecessor: Option<(Vec<u8>, MediaItemId)>,
    successor: Option<Vec<u8>>,
}

fn neighbours(db: &Reader, album: AlbumRow, key: &[u8]) -> Result<Neighbours> {
    Ok(Neighbours {
        predecessor: db.opt(PREDECESSOR, params![album, key])?,
        successor: db.opt(SUCCESSOR, params![album, key])?,
    })
}

/// The lowest order key of a file of one root that is still to come and is waited for.
pub(super) const AWAITED: &str = "SELECT order_key FROM files
     WHERE state IN ('queued', 'claimed') AND large = 0 AND root_id = ?1 AND album_id = ?2
           AND order_key > ?3 AND order_key < ?4 AND not_before <= ?5
     ORDER BY order_key LIMIT 1";
/// The same without an upper limit: no index serves both in one statement.
pub(super) const AWAITED_AT_TAIL: &str = "SELECT order_key FROM files
     WHERE state IN ('queued', 'claimed') AND large = 0 AND root_id = ?1 AND album_id = ?2
           AND order_key > ?3 AND not_before <= ?4
     ORDER BY order_key LIMIT 1";
/// The lowest order key whose bytes are being uploaded.
pub(super) const UPLOADING: &str = "SELECT min(placements.order_key) FROM items
     CROSS JOIN placements ON placements.item_id = items.id
     WHERE items.state IN ('uploading', 'uploaded', 'creating') AND items.state = 'uploading'
           AND items.size <= ?1 AND placements.state = 'wanted' AND placements.album_id = ?2
           AND placements.order_key > ?3 AND (?4 IS NULL OR placements.order_key < ?4)";

/// The lowest order key between the neighbours that is still to come and is waited for.
pub(super) fn awaited(
    db: &Reader,
    album: AlbumRow,
    around: &Neighbours,
    awaiting: &Awaiting,
) -> Result<Option<Vec<u8>>> {
    let from = around.predecessor.as_ref().map_or(&[][..], |(key, _)| key);
    let to = around.successor.as_deref();
    let max_size = awaiting.resumable_above.min(i64::MAX as u64);
    let mut lowest: Option<Vec<u8>> = db.one(UPLOADING, params![max_size, album, from, to])?;
    for root in &awaiting.roots {
        let key = match to {
            Some(to) => db.opt(AWAITED, params![root, album, from, to, awaiting.now])?,
            None => db.opt(AWAITED_AT_TAIL, params![root, album, from, awaiting.now])?,
        };
        lowest = [lowest, key].into_iter().flatten().min();
    }
    Ok(lowest)
}

/// Those of these items that still want a placement in the album, with their position: for a batch that is
/// sent in parts.
pub(super) fn of_part(
    db: &Reader,
    album: AlbumRow,
    wanted: &[ItemId],
) -> Result<(InsertionRun, Vec<BatchItem>)> {
    let mut items = Vec::with_capacity(wanted.len());
    let mut first_key: Option<Vec<u8>> = None;
    let mut is_appended = false;
    for item in wanted {
        let row: Option<(BatchItem, Vec<u8>, bool)> = db.opt(
            "SELECT items.id, items.upload_token, items.file_name, items.description, placements.order_key,
                    placements.append_only
             FROM items JOIN placements ON placements.item_id = items.id AND placements.album_id = ?2
             WHERE items.id = ?1 AND items.upload_token IS NOT NULL AND placements.state = 'wanted'",
            params![item, album],
        )?;
        if let Some((item, key, append_only)) = row {
            first_key.get_or_insert(key);
            is_appended |= append_only;
            items.push(item);
        }
    }
    let around = if is_appended {
        Neighbours::default()
    } else {
        neighbours(db, album, &first_key.unwrap_or_default())?
    };
    let run = InsertionRun {
        ready: items.len(),
        contiguous: items.len(),
        pending: false,
        oldest: Timestamp::UNIX_EPOCH,
        predecessor: around.predecessor.map(|(_, id)| id),
        has_successor: around.successor.is_some(),
    };
    Ok((run, items))
}

/// These items go to the end of the album from now on.
pub(super) fn append(
    db: &Tx,
    album: AlbumRow,
    items: impl IntoIterator<Item = ItemId>,
) -> Result<()> {
    for item in items {
        db.execute(
            "UPDATE placements SET append_only = 1
             WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
            params![item, album],
        )?;
    }
    Ok(())
}

/// The last item in sequence before a key.
pub(super) const PREDECESSOR: &str =
    "SELECT placements.order_key, items.media_item_id FROM placements
     JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?1 AND placements.in_sequence = 1 AND placements.order_key < ?2
           AND items.media_item_id IS NOT NULL
     ORDER BY placements.order_key DESC LIMIT 1";

/// The key of the first item in sequence after a key.
pub(super) const SUCCESSOR: &str =
    "SELECT order_key FROM placements WHERE album_id = ?1 AND in_sequence = 1 AND order_key > ?2
     ORDER BY order_key LIMIT 1";

/// The last key in sequence.
pub(super) const TAIL: &str =
    "SELECT max(order_key) FROM placements WHERE album_id = ?1 AND in_sequence = 1";
