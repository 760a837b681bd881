//! Files that the bytes of waiting items are read from.
//!
//! An item in state `queued` waits for a file in the queue with its bytes. Only a file of a root that is
//! open and not away is *at hand*: a PATH of an earlier `backfill`, a folder that left the
//! configuration and a disk that is not mounted are claimed from by nobody. So as long as any root
//! that is at hand holds the bytes, one of its files is in the queue; [`look_again`] keeps it so when
//! roots are opened or go away. What is in no root at hand is told by [`Reader::unavailable_files`].

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::params;

use super::{Reader, Result, Tx, row};
use crate::model::ids::{FileId, ItemId};

/// Files out of reach are counted up to this: a disk that is away may have a million in the queue, and
/// `status` must not walk past them all.
const COUNTED: u32 = 1_000;

/// Whose files are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of roots that take part, and are away.
    Asked,
    /// Also those of roots that take no part.
    Everything,
    /// Those of roots that take no part, because they are none of the configuration.
    Unwatched,
}

/// Files in the queue that nobody can read now, in one root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnavailableFiles {
    /// The root.
    pub root: PathBuf,
    /// Whether it takes part and is missing, or suddenly empty.
    pub is_away: bool,
    /// The files, those that would be claimed first before the others; no more than a thousand.
    pub files: Vec<PathBuf>,
    /// Whether there are more.
    pub and_more: bool,
}

impl Reader {
    /// Files in the queue that nobody can read now, and that are not up by way of another file.
    pub fn unavailable_files(&self, reach: Reach) -> Result<Vec<UnavailableFiles>> {
        unavailable_files(self, reach)
    }
}

/// See [`Reader::unavailable_files`].
pub(super) fn unavailable_files(db: &Reader, reach: Reach) -> Result<Vec<UnavailableFiles>> {
    let which = match reach {
        Reach::Asked => "away = 1",
        Reach::Everything => "away = 1 OR open = 0",
        Reach::Unwatched => "away = 0 AND open = 0 AND configured = 0",
    };
    let roots: Vec<(i64, Vec<u8>, bool)> = db
        .prepare_cached(&format!(
            "SELECT id, path, away FROM roots WHERE {which} ORDER BY path"
        ))?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut found = Vec::new();
    for (id, path, is_away) in roots {
        let mut files: Vec<PathBuf> = Vec::new();
        for sql in WAITING {
            let left = i64::from(COUNTED) + 1 - files.len() as i64;
            let more = db
                .prepare_cached(sql)?
                .query_map(params![id, left], |row| {
                    let root = Some(path.clone());
                    Ok(row::joined(root, row.get(0)?, row.get(1)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            files.extend(more);
        }
        let and_more = files.len() > COUNTED as usize;
        files.truncate(COUNTED as usize);
        if !files.is_empty() {
            found.push(UnavailableFiles {
                root: row::path_from(path),
                is_away,
                files,
                and_more,
            });
        }
    }
    Ok(found)
}

/// The file is in the queue, not to be claimed before `not_before`.
pub(super) fn queue(db: &Tx, file: FileId, not_before: Timestamp, now: Timestamp) -> Result<()> {
    db.prepare_cached(
        "UPDATE files SET state = 'queued', not_before = ?2, changed_at = ?3 WHERE id = ?1",
    )?
    .execute(params![
        file.0,
        not_before.as_millisecond(),
        now.as_millisecond()
    ])?;
    Ok(())
}

/// Whether the file's root is open and not away.
pub(super) fn is_at_hand(db: &Reader, file: FileId) -> Result<bool> {
    Ok(db
        .prepare_cached(
            "SELECT roots.open = 1 AND roots.away = 0 FROM files
             JOIN roots ON roots.id = files.root_id WHERE files.id = ?1",
        )?
        .query_row([file.0], |row| row.get(0))?)
}

/// Other roots are at hand than before: what waits for bytes that are only there now, or no longer
/// where they were expected, gets another source.
pub(super) fn look_again(db: &Tx) -> Result<()> {
    db.prepare_cached(LOOK_AGAIN)?.execute([])?;
    Ok(())
}

/// Nobody needs the item's bytes any more. Its files that were in the queue for them hold it as they
/// did before, and are not read once more.
pub(super) fn reattach(db: &Tx, item: ItemId, now: Timestamp) -> Result<()> {
    db.prepare_cached(HOLD_AGAIN)?
        .execute(params![item.0, now.as_millisecond()])?;
    Ok(())
}

/// Whether a file that can be read now waits in the queue with the item's bytes.
pub(super) const HAS_SOURCE_AT_HAND: &str = "SELECT EXISTS (
     SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 AND files.state IN ('queued', 'claimed') AND files.id IS NOT ?2
           AND roots.open = 1 AND roots.away = 0)";

/// A file that holds the item's bytes and can be read now.
pub(super) const HOLDER_AT_HAND: &str =
    "SELECT files.id FROM files CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 AND files.state = 'held' AND files.id IS NOT ?2
           AND roots.open = 1 AND roots.away = 0
     ORDER BY files.id LIMIT 1";

/// Whether any file waits in the queue with the item's bytes.
pub(super) const HAS_SOURCE: &str =
    "SELECT EXISTS (SELECT 1 FROM files WHERE item_id = ?1 AND state IN ('queued', 'claimed')
                                            AND id IS NOT ?2)";

/// A file that holds the item's bytes, in a folder of the configuration if there is one: those are
/// opened again by themselves.
pub(super) const HOLDER: &str =
    "SELECT files.id FROM files CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 AND files.state = 'held' AND files.id IS NOT ?2
     ORDER BY roots.configured DESC, files.id LIMIT 1";

/// One file at hand for each waiting item that has none in the queue.
pub(super) const LOOK_AGAIN: &str = "UPDATE files SET state = 'queued', not_before = (
            SELECT items.not_before FROM items WHERE items.id = files.item_id)
     WHERE id IN (
         SELECT (SELECT files.id FROM files CROSS JOIN roots ON roots.id = files.root_id
                 WHERE files.item_id = items.id AND files.state = 'held'
                       AND roots.open = 1 AND roots.away = 0
                 ORDER BY files.id LIMIT 1)
         FROM items WHERE items.state = 'queued' AND NOT EXISTS (
             SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id
             WHERE files.item_id = items.id AND files.state IN ('queued', 'claimed')
                   AND roots.open = 1 AND roots.away = 0))";

/// A queued file that names an item held it when it was queued, and no scan has seen it otherwise since.
pub(super) const HOLD_AGAIN: &str =
    "UPDATE files SET state = 'held', changed_at = ?2 WHERE item_id = ?1 AND state = 'queued'";

/// Files of one root that are still to be sent, but for those whose bytes are on their way or up.
pub(super) const WAITING: [&str; 2] = [
    "SELECT dirs.path, files.name FROM files CROSS JOIN dirs ON dirs.id = files.dir_id
     WHERE files.root_id = ?1 AND files.state = 'queued' AND (files.item_id IS NULL OR EXISTS (
           SELECT 1 FROM items WHERE items.id = files.item_id AND items.state = 'queued'
           AND NOT EXISTS (SELECT 1 FROM files AS other CROSS JOIN roots ON roots.id = other.root_id
                           WHERE other.item_id = items.id AND other.state IN ('queued', 'claimed')
                                 AND roots.open = 1 AND roots.away = 0)))
     ORDER BY files.album_id, files.order_key LIMIT ?2",
    "SELECT dirs.path, files.name FROM files CROSS JOIN dirs ON dirs.id = files.dir_id
     WHERE files.state = 'settling' AND files.root_id = ?1 LIMIT ?2",
];
