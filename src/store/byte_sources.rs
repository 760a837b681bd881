//! Files that the bytes of waiting items are read from.
//!
//! An item in state `queued` waits for a file in the queue with its bytes. Only a file of a root that is
//! open and not away is *readable*: nothing is claimed from a PATH of an earlier `backfill`, from a folder
//! that left the configuration, or from a disk that is not mounted. So as long as any readable root holds
//! the bytes, one of its files is in the queue; [`look_again`] ensures this when roots are opened or go
//! away. Files in no readable root are reported by [`Reader::unavailable_files`].

use std::path::PathBuf;

use jiff::Timestamp;

use super::{
    Reader, Result, Tx,
    row::{joined, params, path_from},
};
use crate::model::ids::{FileId, ItemId, RootId};

/// The limit up to which unavailable files are counted: a disk that is away may have a million in the
/// queue, and `status` must not read them all.
const COUNTED: usize = 1_000;

/// Which roots are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootFilter {
    /// Roots that take part in this run and are away.
    Asked,
    /// Also roots that take no part.
    Everything,
    /// Roots that take no part because they are not in the configuration.
    Unwatched,
}

/// Queued files of one root that cannot be read now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnavailableFiles {
    /// The root.
    pub root: PathBuf,
    /// Whether it takes part in this run and is missing, or unexpectedly empty.
    pub is_away: bool,
    /// The files, in the order of the queue; at most a thousand.
    pub files: Vec<PathBuf>,
    /// Whether there are more.
    pub and_more: bool,
}

impl Reader {
    /// Queued files that cannot be read now, and whose bytes no other file has brought to the service.
    pub fn unavailable_files(&self, filter: RootFilter) -> Result<Vec<UnavailableFiles>> {
        let which = match filter {
            RootFilter::Asked => "away = 1",
            RootFilter::Everything => "away = 1 OR claimable = 0",
            RootFilter::Unwatched => "away = 0 AND claimable = 0 AND configured = 0",
        };
        let sql = format!("SELECT id, path, away FROM roots WHERE {which} ORDER BY path");
        let roots: Vec<(RootId, Vec<u8>, bool)> = self.all(&sql, [])?;
        let mut found = Vec::new();
        for (id, path, is_away) in roots {
            let mut files: Vec<PathBuf> = Vec::new();
            for sql in WAITING {
                let left = COUNTED + 1 - files.len();
                self.each(sql, params![id, left], |(dir, name)| {
                    files.push(joined(Some(path.clone()), dir, name));
                    Ok(true)
                })?;
            }
            let and_more = files.len() > COUNTED;
            files.truncate(COUNTED);
            if !files.is_empty() {
                found.push(UnavailableFiles {
                    root: path_from(path),
                    is_away,
                    files,
                    and_more,
                });
            }
        }
        Ok(found)
    }
}

/// Queues the file; it may be claimed from `not_before` on.
pub(super) fn queue(db: &Tx, file: FileId, not_before: Timestamp, now: Timestamp) -> Result<()> {
    db.execute(
        "UPDATE files SET state = 'queued', not_before = ?2, changed_at = ?3 WHERE id = ?1",
        params![file, not_before, now],
    )?;
    Ok(())
}

/// Whether the file's root is open and not away.
pub(super) fn is_readable(db: &Reader, file: FileId) -> Result<bool> {
    db.one(
        "SELECT roots.claimable = 1 AND roots.away = 0 FROM files
         JOIN roots ON roots.id = files.root_id WHERE files.id = ?1",
        params![file],
    )
}

/// Other roots are readable than before: queues a readable file for each item that waits for bytes and
/// has none in the queue.
pub(super) fn look_again(db: &Tx) -> Result<()> {
    db.execute(QUEUE_READABLE_SOURCES, [])?;
    Ok(())
}

/// The item's bytes are not needed any more: its files that were queued to read them again hold it as
/// before.
pub(super) fn reattach(db: &Tx, item: ItemId, now: Timestamp) -> Result<()> {
    db.execute(REATTACH, params![item, now])?;
    Ok(())
}

/// Whether a readable file with the item's bytes is queued or claimed.
pub(super) const HAS_READABLE_SOURCE: &str = "SELECT EXISTS (
     SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 AND files.state IN ('queued', 'claimed') AND files.id IS NOT ?2
           AND roots.claimable = 1 AND roots.away = 0)";

/// A readable file that holds the item's bytes.
pub(super) const READABLE_HOLDER: &str =
    "SELECT files.id FROM files CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 AND files.state = 'attached' AND files.id IS NOT ?2
           AND roots.claimable = 1 AND roots.away = 0
     ORDER BY files.id LIMIT 1";

/// Whether any file with the item's bytes is queued or claimed.
pub(super) const HAS_SOURCE: &str =
    "SELECT EXISTS (SELECT 1 FROM files WHERE item_id = ?1 AND state IN ('queued', 'claimed')
                                            AND id IS NOT ?2)";

/// A file that holds the item's bytes, preferably in a folder of the configuration, because those are
/// opened again without a command.
pub(super) const HOLDER: &str =
    "SELECT files.id FROM files CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 AND files.state = 'attached' AND files.id IS NOT ?2
     ORDER BY roots.configured DESC, files.id LIMIT 1";

/// Queues one readable file for each waiting item that has none in the queue.
pub(super) const QUEUE_READABLE_SOURCES: &str = "UPDATE files SET state = 'queued', not_before = (
            SELECT items.not_before FROM items WHERE items.id = files.item_id)
     WHERE id IN (
         SELECT (SELECT files.id FROM files CROSS JOIN roots ON roots.id = files.root_id
                 WHERE files.item_id = items.id AND files.state = 'attached'
                       AND roots.claimable = 1 AND roots.away = 0
                 ORDER BY files.id LIMIT 1)
         FROM items WHERE items.state = 'queued' AND NOT EXISTS (
             SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id
             WHERE files.item_id = items.id AND files.state IN ('queued', 'claimed')
                   AND roots.claimable = 1 AND roots.away = 0))";

/// A queued file with an item was queued only so that the bytes of an item that it already holds are read
/// again, and no scan has seen a change of it since.
pub(super) const REATTACH: &str =
    "UPDATE files SET state = 'attached', changed_at = ?2 WHERE item_id = ?1 AND state = 'queued'";

/// Files of one root that are still to be uploaded, without those whose bytes are being uploaded, or were,
/// from another file.
pub(super) const WAITING: [&str; 2] = [
    "SELECT dirs.path, files.name FROM files CROSS JOIN dirs ON dirs.id = files.dir_id
     WHERE files.root_id = ?1 AND files.state = 'queued' AND (files.item_id IS NULL OR EXISTS (
           SELECT 1 FROM items WHERE items.id = files.item_id AND items.state = 'queued'
           AND NOT EXISTS (SELECT 1 FROM files AS other CROSS JOIN roots ON roots.id = other.root_id
                           WHERE other.item_id = items.id AND other.state IN ('queued', 'claimed')
                                 AND roots.claimable = 1 AND roots.away = 0)))
     ORDER BY files.album_id, files.order_key LIMIT ?2",
    "SELECT dirs.path, files.name FROM files CROSS JOIN dirs ON dirs.id = files.dir_id
     WHERE files.state = 'settling' AND files.root_id = ?1 LIMIT ?2",
];
