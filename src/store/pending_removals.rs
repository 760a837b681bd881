//! Deleted files whose items are to be removed from albums.
//!
//! A deleted file and a renamed one look alike until the other half of the rename is seen, and a disk
//! that lost a folder looks like a user who deleted it. So the removal of a deleted file only becomes
//! *pending*: its row waits until nothing more disappears and no file of its size is waiting to be hashed.
//! Too many deletions at once are held until the user confirms them. Only then does the placement leave.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use jiff::Timestamp;

use super::{
    Reader, Result, Tx, albums,
    attach::{self, HELD_ELSEWHERE},
    backup, explain,
    row::{from_row, joined, params},
    writer::store_methods,
};
use crate::{
    clock,
    model::ids::{AlbumRow, FileId, ItemId, RootId},
};

/// If more files of a folder than this, and more than a tenth of it, are deleted, the removals are held.
const MANY: u64 = 100;

/// For how long files of a folder that left the configuration still count: it may have been left out by
/// mistake, which its owner sees within a week.
const MISTAKE: Duration = Duration::from_hours(7 * 24);

/// How many removals are decided in one transaction: the writer thread serves others too.
const STEP: u32 = 500;

/// Removals wait until nothing has disappeared for the quiet time, but at most for this many quiet times.
const LONGEST: u32 = 10;

/// The file is gone: if its folder is configured so, the removal of its item from the album becomes
/// pending. Not if Albumen itself moved or deleted the file after its upload: an open action says so, and
/// a restored database may have forgotten it.
pub(super) fn schedule_removal(db: &Tx, file: FileId, now: Timestamp) -> Result<()> {
    db.execute(
        "INSERT OR REPLACE INTO pending_removals (file_id, root_id, item_id, album_id, gone_at)
         SELECT files.id, files.root_id, files.item_id, files.album_id, ?2
         FROM files JOIN roots ON roots.id = files.root_id
         WHERE files.id = ?1 AND roots.removes_from_albums = 1 AND files.item_id IS NOT NULL AND files.album_id <> 0
               AND NOT EXISTS (SELECT 1 FROM source_actions
                               WHERE file_id = files.id AND done_at IS NULL AND error IS NULL)
               AND NOT (roots.has_action = 1 AND EXISTS (SELECT 1 FROM meta WHERE key = ?3))",
        params![file, now, backup::RESTORED_AT],
    )?;
    Ok(())
}

/// A pending removal.
struct PendingRemoval {
    file: FileId,
    item: ItemId,
    album: AlbumRow,
    /// The size of the item, bytes.
    size: i64,
}

from_row!(PendingRemoval {
    file,
    item,
    album,
    size
});

/// Removes from albums what has been missing for `quiet`; lowers `wake` to when the next becomes due.
pub(super) fn settle(
    db: &Tx,
    quiet: Duration,
    now: Timestamp,
    wake: &mut Option<Timestamp>,
) -> Result<()> {
    let roots: Vec<(RootId, Timestamp, Timestamp, u64)> = db.all(WAITING, [])?;
    for (root, first, last, n) in roots {
        let due = clock::after(last, quiet).min(clock::after(first, quiet * LONGEST));
        // A time in the future means that the clock was set back: then the removal is due.
        if due > now && last <= now {
            clock::sooner(wake, due);
            continue;
        }
        if n > MANY && is_much(db, root)? {
            db.execute(
                "UPDATE pending_removals SET needs_confirmation = 1 WHERE root_id = ?1 AND needs_confirmation = 0 AND confirmed = 0",
                params![root],
            )?;
        }
        match step(db, root, now)? {
            Left::Nothing => {}
            Left::More => clock::sooner(wake, now),
            Left::MaybeRenamed => clock::sooner(wake, clock::after(now, quiet)),
        }
    }
    Ok(())
}

/// What is left to do after a step.
enum Left {
    Nothing,
    /// More removals are due.
    More,
    /// Only files that may have been renamed.
    MaybeRenamed,
}

/// Whether too many unconfirmed removals of the root are pending.
fn is_much(db: &Tx, root: RootId) -> Result<bool> {
    let pending: u64 = db.one(
        "SELECT count(*) FROM pending_removals WHERE root_id = ?1 AND needs_confirmation = 0 AND confirmed = 0",
        params![root],
    )?;
    if pending <= MANY {
        return Ok(false);
    }
    let there: u64 = db.one(
        "SELECT count(*) FROM dirs CROSS JOIN files ON files.dir_id = dirs.id
             WHERE dirs.root_id = ?1 AND files.state <> 'gone'",
        params![root],
    )?;
    Ok(pending * 10 > there + pending)
}

/// Decides some pending removals of a root.
fn step(db: &Tx, root: RootId, now: Timestamp) -> Result<Left> {
    let due: Vec<PendingRemoval> = db.all(DUE, params![root, STEP])?;
    if due.is_empty() {
        return Ok(Left::Nothing);
    }
    let mut left = if due.len() < STEP as usize {
        Left::Nothing
    } else {
        Left::More
    };
    let unhashed = unhashed_sizes(db)?;
    for departure in due {
        if unhashed.contains(&departure.size) {
            // That file may be this one under a new name: decided again after another quiet time.
            db.execute(
                "UPDATE pending_removals SET gone_at = ?2 WHERE file_id = ?1",
                params![departure.file, now],
            )?;
            if matches!(left, Left::Nothing) {
                left = Left::MaybeRenamed;
            }
            continue;
        }
        if !is_held_elsewhere(db, &departure, now)? {
            leave(db, departure.item, departure.album)?;
        }
        forget(db, departure.file)?;
    }
    Ok(left)
}

/// The sizes of all files that are not hashed yet.
fn unhashed_sizes(db: &Reader) -> Result<HashSet<i64>> {
    let mut sizes = HashSet::new();
    for sql in UNHASHED_SIZES {
        db.each(sql, [], |size| {
            sizes.insert(size);
            Ok(true)
        })?;
    }
    Ok(sizes)
}

/// Whether another file wants the item in this album, in any of its parts.
fn is_held_elsewhere(db: &Reader, departure: &PendingRemoval, now: Timestamp) -> Result<bool> {
    let PendingRemoval {
        file, item, album, ..
    } = departure;
    let dropped = now.saturating_sub(MISTAKE).unwrap_or(Timestamp::MIN);
    db.one(HELD_ELSEWHERE, params![item, album, file, dropped])
}

/// Removes the item from all parts of the album; returns whether it was wanted or placed there.
pub(super) fn leave(db: &Tx, item: ItemId, album: AlbumRow) -> Result<bool> {
    let n = db.execute("UPDATE placements SET state = iif(state = 'placed' AND item_exists = 1, 'leaving', 'gone'), in_sequence = 0,
                    attempts = 0, not_before = 0, reason = NULL
             WHERE item_id = ?1 AND state IN ('wanted', 'placed') AND album_id IN (
                 SELECT id FROM albums WHERE id <> 0 AND title = (SELECT title FROM albums WHERE id = ?2))", params![item, album])?;
    if n > 0 {
        attach::ensure_library_placement(db, item)?;
    }
    Ok(n > 0)
}

/// An item in an album, with a file that holds it or held it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlbumMembership {
    /// The file.
    pub path: PathBuf,
    /// Its item.
    pub item: ItemId,
    /// The album, or the part of it.
    pub album: AlbumRow,
    /// The title of that part.
    pub title: String,
    /// The state of the placement, a word of the schema.
    pub state: String,
    /// The reason of that state.
    pub reason: Option<String>,
}

impl Reader {
    /// The placements of files at these paths, or below them, in the album with this title or id. None if
    /// no such album is known.
    pub fn memberships_named(
        &self,
        album: &str,
        paths: &[Vec<u8>],
    ) -> Result<Option<Vec<AlbumMembership>>> {
        let parts = albums::named(self, album)?;
        if parts.is_empty() {
            return Ok(None);
        }
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for path in paths {
            for below in explain::files_below(self, path)? {
                for part in &parts {
                    let Some(item) = below.item else { continue };
                    if seen.insert((item, *part)) {
                        found.extend(self.membership(below.file, item, *part)?);
                    }
                }
            }
        }
        Ok(Some(found))
    }

    /// The removals that are held because too many files were deleted at once.
    pub fn held_back(&self) -> Result<Vec<AlbumMembership>> {
        let sql = "SELECT file_id, item_id, album_id FROM pending_removals WHERE needs_confirmation = 1 ORDER BY file_id";
        let mut found = Vec::new();
        for (file, item, album) in self.all(sql, [])? {
            found.extend(self.membership(file, item, album)?);
        }
        Ok(found)
    }

    /// The placements of these items in these albums.
    pub fn placements_of(&self, places: &[(ItemId, AlbumRow)]) -> Result<Vec<AlbumMembership>> {
        let sql = "SELECT id FROM files WHERE item_id = ?1 LIMIT 1";
        let mut found = Vec::new();
        for (item, album) in places {
            if let Some(file) = self.opt(sql, params![item])? {
                found.extend(self.membership(file, *item, *album)?);
            }
        }
        Ok(found)
    }

    fn membership(
        &self,
        file: FileId,
        item: ItemId,
        album: AlbumRow,
    ) -> Result<Option<AlbumMembership>> {
        let row: Option<(_, _, _, String, i64, String, _)> = self.opt(
            "SELECT roots.path, dirs.path, files.name, albums.title, albums.part, placements.state,
                    placements.reason
             FROM files JOIN dirs ON dirs.id = files.dir_id JOIN roots ON roots.id = files.root_id
             JOIN placements ON placements.item_id = ?2 AND placements.album_id = ?3
             JOIN albums ON albums.id = placements.album_id
             WHERE files.id = ?1",
            params![file, item, album],
        )?;
        Ok(row.map(
            |(root, dir, name, title, part, state, reason)| AlbumMembership {
                path: joined(root, dir, name),
                item,
                album,
                title: albums::part_title(&title, part),
                state,
                reason,
            },
        ))
    }

    /// Whether any item is still to be removed from an album.
    pub fn anything_leaving(&self) -> Result<bool> {
        self.exists(
            "SELECT 1 FROM placements WHERE state = 'leaving' LIMIT 1",
            [],
        )
    }
}

store_methods! {
    write_durably fn release_held(now: Timestamp) -> Vec<(ItemId, AlbumRow)>;
    write_durably fn remove_by_user(places: Vec<(ItemId, AlbumRow)>) -> ();
    write fn anything_leaving() -> bool;
}

impl Tx {
    /// The user confirmed the held removals: removes the items, except of files that reappeared under
    /// another name, and returns them. Removals of files that may have been renamed wait a little longer.
    pub fn release_held(&self, now: Timestamp) -> Result<Vec<(ItemId, AlbumRow)>> {
        self.execute(
            "UPDATE pending_removals SET needs_confirmation = 0, confirmed = 1, gone_at = ?1 WHERE needs_confirmation = 1",
            params![now],
        )?;
        let unhashed = unhashed_sizes(self)?;
        let mut leaving = Vec::new();
        for one in self.all::<PendingRemoval>(RELEASED, [])? {
            if unhashed.contains(&one.size) {
                continue;
            }
            if !is_held_elsewhere(self, &one, now)? && leave(self, one.item, one.album)? {
                leaving.push((one.item, one.album));
            }
            forget(self, one.file)?;
        }
        Ok(leaving)
    }

    /// The user removes these items from these albums, only from this part, and for good. An item that
    /// does not exist at the service yet is wanted in the library instead.
    pub fn remove_by_user(&self, places: Vec<(ItemId, AlbumRow)>) -> Result<()> {
        for (item, album) in places {
            self.execute(
                "UPDATE placements SET state = iif(state IN ('placed', 'refused') AND item_exists = 1, 'leaving', 'gone'),
                        in_sequence = 0, attempts = 0, not_before = 0,
                        reason = 'it was taken out with `albumen album remove`'
                 WHERE item_id = ?1 AND album_id = ?2 AND state IN ('wanted', 'placed', 'refused')",
                params![item, album],
            )?;
            attach::ensure_library_placement(self, item)?;
        }
        Ok(())
    }
}

/// The removal is decided.
fn forget(db: &Tx, file: FileId) -> Result<()> {
    db.execute(
        "DELETE FROM pending_removals WHERE file_id = ?1",
        params![file],
    )?;
    Ok(())
}

/// Removals that the user confirmed.
pub(super) const RELEASED: &str =
    "SELECT pending_removals.file_id, pending_removals.item_id, pending_removals.album_id, items.size
     FROM pending_removals CROSS JOIN items ON items.id = pending_removals.item_id WHERE pending_removals.confirmed = 1";

/// Roots with pending removals that are not held: the times of the first and the last, and the count.
pub(super) const WAITING: &str =
    "SELECT root_id, min(gone_at), max(gone_at), count(*) FROM pending_removals
     WHERE needs_confirmation = 0 GROUP BY root_id";

/// Pending removals of one root, the longest waiting first.
pub(super) const DUE: &str =
    "SELECT pending_removals.file_id, pending_removals.item_id, pending_removals.album_id, items.size
     FROM pending_removals CROSS JOIN items ON items.id = pending_removals.item_id
     WHERE pending_removals.root_id = ?1 AND pending_removals.needs_confirmation = 0 ORDER BY pending_removals.gone_at LIMIT ?2";

/// The sizes of files that are not hashed yet, each by an index with little else in it.
pub(super) const UNHASHED_SIZES: [&str; 3] = [
    "SELECT size FROM files WHERE state = 'settling'",
    "SELECT size FROM files WHERE state = 'claimed'",
    "SELECT files.size FROM roots CROSS JOIN files ON files.root_id = roots.id WHERE files.state = 'queued'",
];
