//! Looks at the store that only commands take: none of them changes anything.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

use rusqlite::{OptionalExtension as _, params};

use super::{Reader, Result};
use crate::model::ids::OrderId;

/// How far an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// Somebody began with it.
    pub begun: bool,
    /// It is done, or was given up with the process that had begun it.
    pub done: bool,
    /// The exit code of the command; none if it was given up.
    pub exit_code: Option<i32>,
    /// What the command prints.
    pub report: Option<String>,
}

/// What the store knows of a file, as far as `backfill --dry-run` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStatus {
    /// Its name in its directory.
    pub name: OsString,
    /// Its size when it was last looked at, in bytes.
    pub size: u64,
    /// When its content had changed last then, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// A word of the schema.
    pub file_state: String,
    /// Why it was refused.
    pub file_reason: Option<String>,
    /// The state of its item, a word of the schema, if its bytes are known.
    pub item_state: Option<String>,
    /// Whether it stays where it is although its folder's files are moved or deleted.
    pub stays: bool,
}

impl Reader {
    /// How far an order is; none if it is not known, or was forgotten.
    pub fn order(&self, id: OrderId) -> Result<Option<OrderView>> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT started_at IS NOT NULL, done_at IS NOT NULL, exit_code, report FROM commands WHERE id = ?1",
            )?
            .query_row([id.0], |row| {
                Ok(OrderView {
                    begun: row.get(0)?,
                    done: row.get(1)?,
                    exit_code: row.get(2)?,
                    report: row.get(3)?,
                })
            })
            .optional()?;
        Ok(row)
    }

    /// What SQLite finds wrong with the database file; nothing if all is well. It reads all of it.
    pub fn check(&self) -> Result<Vec<String>> {
        let lines: Vec<String> = self
            .connection
            .prepare("PRAGMA quick_check(20)")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// The refused files by the word for the rule, the most frequent first, each with the reason of
    /// one of them. Those of another kind than photo and video are counted as well.
    pub fn refusals(&self) -> Result<Vec<(String, u64, String)>> {
        let rows = self
            .connection
            .prepare(
                "SELECT reason_kind, count(*), coalesce(max(reason), '') FROM files
                 WHERE state = 'refused' GROUP BY reason_kind ORDER BY count(*) DESC, reason_kind",
            )?
            .query_map([], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)? as u64, row.get(2)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// The order keys of what stands in sequence in the album of this title, or in its last part,
    /// ascending.
    pub fn sequence_of(&self, title: &str) -> Result<Vec<Vec<u8>>> {
        let rows = self
            .connection
            .prepare_cached(SEQUENCE)?
            .query_map([title], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// What is known of the files of the directory `dir`, relative to the root at `root`, without
    /// those that are gone.
    pub fn standing_in(&self, root: &Path, dir: &Path) -> Result<Vec<FileStatus>> {
        let rows = self
            .connection
            .prepare_cached(
                "SELECT files.name, files.size, files.mtime_ns, files.state, files.reason, items.state,
                        files.action_state IS 'kept'
                 FROM roots JOIN dirs ON dirs.root_id = roots.id JOIN files ON files.dir_id = dirs.id
                 LEFT JOIN items ON items.id = files.item_id
                 WHERE roots.path = ?1 AND dirs.path = ?2 AND files.state <> 'gone'",
            )?
            .query_map(
                params![root.as_os_str().as_bytes(), dir.as_os_str().as_bytes()],
                |row| {
                    Ok(FileStatus {
                        name: OsString::from_vec(row.get(0)?),
                        size: row.get::<_, i64>(1)? as u64,
                        mtime_ns: row.get(2)?,
                        file_state: row.get(3)?,
                        file_reason: row.get(4)?,
                        item_state: row.get(5)?,
                        stays: row.get(6)?,
                    })
                },
            )?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }
}

/// The statement behind [`Reader::sequence_of`].
pub(super) const SEQUENCE: &str = "SELECT order_key FROM placements
     WHERE in_sequence = 1
           AND album_id = (SELECT id FROM albums WHERE title = ?1 ORDER BY part DESC LIMIT 1)
     ORDER BY order_key";
