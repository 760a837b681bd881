//! A moved file, told by what the file system says of it.

use rusqlite::{Connection, params};

use super::{FileStat, Result};
use crate::ids::{FileId, ItemId};

/// The item of a file that was moved: the same inode with the same content as far as the file system
/// tells. Sure only where times have fractions of a second: whole ones are those of cameras' cards
/// and of copies, which many files share.
pub(super) fn item_of(db: &Connection, file: FileId, stat: &FileStat) -> Result<Option<ItemId>> {
    const SECOND_NS: i64 = 1_000_000_000;
    if stat.inode == 0 || stat.mtime_ns % SECOND_NS == 0 {
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

/// What a file of this inode held.
pub(super) const BY_INODE: &str = "SELECT item_id FROM files
     WHERE state IN ('held', 'gone') AND item_id IS NOT NULL AND inode = ?1 AND dev = ?2 AND size = ?3
           AND mtime_ns = ?4 AND edited = 0 AND id <> ?5
     ORDER BY changed_at DESC LIMIT 1";
