//! Directories that are, or were, the top of another file system than the folder around them.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use rusqlite::{Row, params};

use super::{Reader, Result, Store, Tx, row};
use crate::model::ids::{DirId, RootId};

/// The directory is, or is not, the top of a file system of its own.
pub(super) fn seen(db: &Tx, dir: DirId, is_mount: bool) -> Result<()> {
    db.prepare_cached("UPDATE dirs SET mount = iif(?2, 'there', NULL) WHERE id = ?1")?
        .execute(params![dir.0, is_mount])?;
    Ok(())
}

/// At each start nothing is known to be away; the first look finds out.
pub(super) fn none_is_away(db: &Tx) -> Result<()> {
    db.prepare_cached(NONE_AWAY)?.execute([])?;
    Ok(())
}

/// Roots that are away, and directories of others on which nothing is mounted any more.
pub(super) fn away(db: &Reader) -> Result<Vec<PathBuf>> {
    let mut away: Vec<PathBuf> = db
        .prepare("SELECT path FROM roots WHERE away = 1")?
        .query_map([], |row| row.get(0).map(row::path_from))?
        .collect::<rusqlite::Result<_>>()?;
    let mut dirs = db.prepare(AWAY)?;
    let mut rows = dirs.query([])?;
    while let Some(row) = rows.next()? {
        away.push(row::joined(row.get(0)?, row.get(1)?, None));
    }
    Ok(away)
}

impl Store {
    /// On these directories of the root, where something was mounted, nothing is now; on the others
    /// there is.
    pub async fn mounts_away(&self, root: RootId, away: Vec<PathBuf>) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE dirs SET mount = 'there' WHERE root_id = ?1 AND mount IS NOT NULL",
            )?
            .execute([root.0])?;
            for dir in &away {
                db.prepare_cached(
                    "UPDATE dirs SET mount = 'away'
                     WHERE root_id = ?1 AND path = ?2 AND mount IS NOT NULL",
                )?
                .execute(params![root.0, dir.as_os_str().as_bytes()])?;
            }
            Ok(())
        })
        .await
    }
}

impl Reader {
    /// The directories of the root, relative to it, on which something was mounted when they were
    /// last read; empty is the root itself.
    pub fn mounts_of(&self, root: RootId) -> Result<Vec<PathBuf>> {
        let dirs = self
            .connection
            .prepare_cached("SELECT path FROM dirs WHERE root_id = ?1 AND mount IS NOT NULL")?
            .query_map([root.0], |row| row.get(0).map(row::path_from))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(dirs)
    }

    /// Up to `n` files of the root that are not gone, in `top` or below it; relative to the root.
    pub fn some_below(&self, root: RootId, top: &Path, n: usize) -> Result<Vec<PathBuf>> {
        let path = top.as_os_str().as_bytes();
        let file = |row: &Row<'_>| {
            let name = OsString::from_vec(row.get(1)?);
            Ok(row::path_from(row.get(0)?).join(name))
        };
        let db = self;
        let files = if path.is_empty() {
            db.prepare_cached(SOME_OF_ROOT)?
                .query_map(params![root.0, n as i64], file)?
                .collect::<rusqlite::Result<_>>()?
        } else {
            // What is below "a" sorts from "a/" on and before "a0", for '0' follows '/'.
            let (from, to) = ([path, b"/"].concat(), [path, b"0"].concat());
            db.prepare_cached(SOME_BELOW)?
                .query_map(params![root.0, path, from, to, n as i64], file)?
                .collect::<rusqlite::Result<_>>()?
        };
        Ok(files)
    }
}

/// Where nothing was mounted any more.
pub(super) const NONE_AWAY: &str =
    "UPDATE dirs INDEXED BY dirs_mounted SET mount = 'there' WHERE mount = 'away'";

/// The same, as `status` tells it.
pub(super) const AWAY: &str = "SELECT roots.path, dirs.path FROM dirs INDEXED BY dirs_mounted
     JOIN roots ON roots.id = dirs.root_id
     WHERE dirs.mount = 'away' AND dirs.path <> x'' AND roots.away = 0";

/// Some files of a root.
pub(super) const SOME_OF_ROOT: &str = "SELECT dirs.path, files.name
     FROM dirs CROSS JOIN files ON files.dir_id = dirs.id
     WHERE dirs.root_id = ?1 AND files.state <> 'gone' LIMIT ?2";

/// Some files of a directory and of those below it.
pub(super) const SOME_BELOW: &str = "SELECT dirs.path, files.name
     FROM (SELECT id, path FROM dirs WHERE root_id = ?1 AND path = ?2
           UNION ALL
           SELECT id, path FROM dirs WHERE root_id = ?1 AND path > ?3 AND path < ?4) AS dirs
     CROSS JOIN files ON files.dir_id = dirs.id
     WHERE files.state <> 'gone' LIMIT ?5";
