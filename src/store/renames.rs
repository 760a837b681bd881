//! A known file that was moved or touched: which item it holds, told by what the file system says of
//! it, and in which album that stays. Intake asks this, and so does who says beforehand what it would
//! do.

use std::ffi::OsString;

use rusqlite::{OptionalExtension as _, params};

use super::{FileStat, FileStatus, Reader, Result, items, row};
use crate::model::ids::{AlbumRow, FileId, ItemId};

/// The item of a file that was moved: the same inode with the same content as far as the file system
/// tells. Sure only where times have fractions of a second: whole ones are those of cameras' cards
/// and of copies, which many files share.
pub(super) fn item_of(db: &Reader, file: FileId, stat: &FileStat) -> Result<Option<ItemId>> {
    if !is_sure(stat) {
        return Ok(None);
    }
    let mut statement = db.prepare_cached(BY_INODE)?;
    let mut rows = statement.query(params![
        stat.inode as i64,
        stat.dev as i64,
        stat.size as i64,
        stat.mtime_ns,
        file.0
    ])?;
    Ok(match rows.next()? {
        Some(row) => Some(ItemId(row.get(0)?)),
        None => None,
    })
}

fn is_sure(stat: &FileStat) -> bool {
    const SECOND_NS: i64 = 1_000_000_000;
    stat.inode != 0 && stat.mtime_ns % SECOND_NS != 0
}

/// Why a file that was moved does not go up: another program has sent it under its old name. Such a
/// file has no item that would tell it, and is known again as surely as others are.
pub(super) fn imported_as(db: &Reader, file: FileId, stat: &FileStat) -> Result<Option<String>> {
    if !is_sure(stat) {
        return Ok(None);
    }
    let mut statement = db.prepare_cached(IMPORTED_BY_INODE)?;
    let mut rows = statement.query(params![
        stat.inode as i64,
        stat.dev as i64,
        stat.size as i64,
        stat.mtime_ns,
        file.0
    ])?;
    Ok(match rows.next()? {
        Some(row) => Some(row.get(0)?),
        None => None,
    })
}

impl Reader {
    /// What a file that looks like this is known as, should it be one that was moved.
    pub fn moved(&self, stat: &FileStat) -> Result<Option<FileStatus>> {
        let db = self;
        let standing = |file_state: &str, file_reason, item_state| FileStatus {
            name: OsString::new(),
            size: stat.size,
            mtime_ns: stat.mtime_ns,
            file_state: file_state.to_owned(),
            file_reason,
            item_state,
            stays: false,
        };
        if let Some(item) = item_of(db, UNKNOWN, stat)? {
            let state = items::state_of(db, item)?.as_str();
            return Ok(Some(standing("held", None, Some(state.to_owned()))));
        }
        let reason = imported_as(db, UNKNOWN, stat)?;
        Ok(reason.map(|reason| standing("refused", Some(reason), None)))
    }

    /// How many held files are only other names of others: a backfill takes nothing for gone, so a
    /// renamed file keeps its row under the old name.
    pub fn other_names(&self) -> Result<u64> {
        let n: i64 = self
            .connection
            .query_row(OTHER_NAMES, [], |row| row.get(0))?;
        Ok(row::amount(n))
    }
}

/// The row of a file that has none.
const UNKNOWN: FileId = FileId(0);

/// Whether there is any file that another one may turn out to be, moved.
pub(super) fn possible(db: &Reader) -> Result<bool> {
    Ok(db
        .prepare_cached(POSSIBLE)?
        .query_row([], |row| row.get(0))?)
}

/// The indexes hold just those files.
pub(super) const POSSIBLE: &str = "SELECT EXISTS (SELECT 1 FROM files INDEXED BY files_by_inode
     WHERE state IN ('held', 'gone') AND item_id IS NOT NULL)
     OR EXISTS (SELECT 1 FROM files INDEXED BY files_imported
     WHERE state = 'refused' AND reason_kind = 'imported')";

/// Why a file of this inode does not go up, if another program has sent it.
pub(super) const IMPORTED_BY_INODE: &str = "SELECT reason FROM files
     WHERE state = 'refused' AND reason_kind = 'imported' AND inode = ?1 AND dev = ?2 AND size = ?3
           AND mtime_ns = ?4 AND id <> ?5 LIMIT 1";

/// Inodes that several rows have are found in the index alone; few are looked up.
pub(super) const OTHER_NAMES: &str = "SELECT coalesce(sum(n - 1), 0) FROM (
     SELECT count(*) AS n FROM (
         SELECT inode FROM files INDEXED BY files_by_inode
         WHERE state IN ('held', 'gone') AND item_id IS NOT NULL AND inode <> 0
         GROUP BY inode HAVING count(*) > 1) AS shared
     CROSS JOIN files ON files.inode = shared.inode AND files.state IN ('held', 'gone')
                     AND files.item_id IS NOT NULL AND files.state = 'held'
     GROUP BY files.inode, files.dev, files.item_id HAVING count(*) > 1)";

/// What a file of this inode held.
pub(super) const BY_INODE: &str = "SELECT item_id FROM files
     WHERE state IN ('held', 'gone') AND item_id IS NOT NULL AND inode = ?1 AND dev = ?2 AND size = ?3
           AND mtime_ns = ?4 AND edited = 0 AND id <> ?5
     ORDER BY changed_at DESC LIMIT 1";

/// The album that the file has brought its item to: the only one that the item is in, and no other
/// file's.
pub(super) fn only_album(db: &Reader, file: FileId, item: ItemId) -> Result<Option<AlbumRow>> {
    let all: Vec<AlbumRow> = db
        .prepare_cached(
            "SELECT album_id FROM placements
             WHERE item_id = ?1 AND state IN ('wanted', 'placed') AND album_id <> 0 LIMIT 2",
        )?
        .query_map([item.0], |row| row.get(0).map(AlbumRow))?
        .collect::<rusqlite::Result<_>>()?;
    let [album] = all[..] else { return Ok(None) };
    let is_anothers: bool = db
        .prepare_cached(BROUGHT_BY_ANOTHER)?
        .query_row(params![item.0, album.0, file.0], |row| row.get(0))?;
    Ok((!is_anothers).then_some(album))
}

/// Whether another file brings, or brought, the item to this album.
pub(super) const BROUGHT_BY_ANOTHER: &str = "SELECT EXISTS (
     SELECT 1 FROM files WHERE item_id = ?1 AND album_id = ?2 AND id <> ?3)";

/// The part of this album that the item is in already, or the album itself: a file that was touched
/// must not come into "Title (2)" as well.
pub(super) fn known_part(db: &Reader, item: ItemId, album: AlbumRow) -> Result<AlbumRow> {
    let known = db
        .prepare_cached(KNOWN_PART)?
        .query_row(params![item.0, album.0], |row| row.get(0).map(AlbumRow))
        .optional()?;
    Ok(known.unwrap_or(album))
}

/// Where the item stands among the parts of an album.
pub(super) const KNOWN_PART: &str = "SELECT placements.album_id FROM placements
     CROSS JOIN albums ON albums.id = placements.album_id
     WHERE placements.item_id = ?1 AND placements.state IN ('placed', 'leaving') AND albums.id <> 0
           AND albums.title = (SELECT title FROM albums WHERE id = ?2) LIMIT 1";
