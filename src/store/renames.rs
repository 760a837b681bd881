//! Detection of renames: which item a new or changed file holds, judged by inode, size and time, and in
//! which album that item stays. `dry-run` asks the same questions as the scanner.

use std::ffi::OsString;

use super::{
    FileStat, FileStatus, Reader, Result, items,
    row::{FromRow, params},
};
use crate::model::ids::{AlbumRow, FileId, ItemId};

/// The item of a file that was renamed: the row of another file has the same inode, size and time. Only
/// times with a fraction of a second are trusted: many files share whole ones, because the cards of
/// cameras and some copies have no others.
pub(super) fn item_of(db: &Reader, file: FileId, stat: &FileStat) -> Result<Option<ItemId>> {
    by_inode(db, BY_INODE, file, stat)
}

/// Why a renamed file is not uploaded, if another program has uploaded it under its old name. Such a
/// file has no item.
pub(super) fn imported_as(db: &Reader, file: FileId, stat: &FileStat) -> Result<Option<String>> {
    by_inode(db, IMPORTED_BY_INODE, file, stat)
}

fn by_inode<T: FromRow>(
    db: &Reader,
    sql: &str,
    file: FileId,
    stat: &FileStat,
) -> Result<Option<T>> {
    const SECOND_NS: i64 = 1_000_000_000;
    if stat.inode == 0 || stat.mtime_ns % SECOND_NS == 0 {
        return Ok(None);
    }
    db.opt(
        sql,
        params![stat.inode, stat.dev, stat.size, stat.mtime_ns, file],
    )
}

impl Reader {
    /// The status of the known file that a file with this `stat` was renamed from, if it was renamed.
    pub fn moved(&self, stat: &FileStat) -> Result<Option<FileStatus>> {
        let status = |file_state: &str, file_reason, item_state| FileStatus {
            name: OsString::new(),
            size: stat.size,
            mtime_ns: stat.mtime_ns,
            file_state: file_state.to_owned(),
            file_reason,
            item_state,
            stays: false,
        };
        if let Some(item) = item_of(self, UNKNOWN, stat)? {
            let state = items::state_of(self, item)?.as_str();
            return Ok(Some(status("attached", None, Some(state.to_owned()))));
        }
        let reason = imported_as(self, UNKNOWN, stat)?;
        Ok(reason.map(|reason| status("refused", Some(reason), None)))
    }

    /// How many held files are only other names of others: a backfill never treats a file as gone, so
    /// the row of a renamed file stays under its old name.
    pub fn other_names(&self) -> Result<u64> {
        self.one(OTHER_NAMES, [])
    }
}

/// The row of a file that has none.
const UNKNOWN: FileId = FileId(0);

/// Whether there is any known file that a new one may turn out to be.
pub(super) fn possible(db: &Reader) -> Result<bool> {
    db.one(POSSIBLE, [])
}

/// Each of the two indexes holds just such files.
pub(super) const POSSIBLE: &str = "SELECT EXISTS (SELECT 1 FROM files INDEXED BY files_by_inode
     WHERE state IN ('attached', 'gone') AND item_id IS NOT NULL)
     OR EXISTS (SELECT 1 FROM files INDEXED BY files_imported
     WHERE state = 'refused' AND reason_kind = 'imported')";

/// The reason of a refused file of this inode that another program has uploaded.
pub(super) const IMPORTED_BY_INODE: &str = "SELECT reason FROM files
     WHERE state = 'refused' AND reason_kind = 'imported' AND inode = ?1 AND dev = ?2 AND size = ?3
           AND mtime_ns = ?4 AND id <> ?5 LIMIT 1";

/// Inodes with several rows are found in the index alone; only the rows of those are read.
pub(super) const OTHER_NAMES: &str = "SELECT coalesce(sum(n - 1), 0) FROM (
     SELECT count(*) AS n FROM (
         SELECT inode FROM files INDEXED BY files_by_inode
         WHERE state IN ('attached', 'gone') AND item_id IS NOT NULL AND inode <> 0
         GROUP BY inode HAVING count(*) > 1) AS shared
     CROSS JOIN files ON files.inode = shared.inode AND files.state IN ('attached', 'gone')
                     AND files.item_id IS NOT NULL AND files.state = 'attached'
     GROUP BY files.inode, files.dev, files.item_id HAVING count(*) > 1)";

/// The item of a file with this inode.
pub(super) const BY_INODE: &str = "SELECT item_id FROM files
     WHERE state IN ('attached', 'gone') AND item_id IS NOT NULL AND inode = ?1 AND dev = ?2 AND size = ?3
           AND mtime_ns = ?4 AND edit_ignored = 0 AND id <> ?5
     ORDER BY changed_at DESC LIMIT 1";

/// The album that the file has added its item to: the only album that the item is in, if no other file
/// added it there.
pub(super) fn only_album(db: &Reader, file: FileId, item: ItemId) -> Result<Option<AlbumRow>> {
    let all: Vec<AlbumRow> = db.all(
        "SELECT album_id FROM placements
             WHERE item_id = ?1 AND state IN ('wanted', 'placed') AND album_id <> 0 LIMIT 2",
        params![item],
    )?;
    let [album] = all[..] else { return Ok(None) };
    let is_anothers: bool = db.one(BROUGHT_BY_ANOTHER, params![item, album, file])?;
    Ok((!is_anothers).then_some(album))
}

/// Whether another file adds, or has added, the item to this album.
pub(super) const BROUGHT_BY_ANOTHER: &str = "SELECT EXISTS (
     SELECT 1 FROM files WHERE item_id = ?1 AND album_id = ?2 AND id <> ?3)";

/// The part of this album that the item is in already, or else the album itself: a file that was only
/// touched must not be added to "Title (2)" as well.
pub(super) fn known_part(db: &Reader, item: ItemId, album: AlbumRow) -> Result<AlbumRow> {
    Ok(db.opt(KNOWN_PART, params![item, album])?.unwrap_or(album))
}

/// The part of an album that the item is in.
pub(super) const KNOWN_PART: &str = "SELECT placements.album_id FROM placements
     CROSS JOIN albums ON albums.id = placements.album_id
     WHERE placements.item_id = ?1 AND placements.state IN ('placed', 'leaving') AND albums.id <> 0
           AND albums.title = (SELECT title FROM albums WHERE id = ?2) LIMIT 1";
