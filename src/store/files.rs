//! The files that the store knows, as the scanner reads them.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    FileStat, Reader, Result,
    row::{from_row, params, word_column},
};
use crate::model::ids::{DirId, FileId, RootId};

/// A file as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// Its row.
    pub id: FileId,
    /// Its name in its directory.
    pub name: OsString,
    /// What the file system said of it.
    pub stat: FileStat,
    /// Its state.
    pub state: FileState,
    /// How many scans in a row did not see it.
    pub missed: u32,
    /// How long it must not change before it is queued, milliseconds.
    pub settle_ms: u64,
    /// Whether it was first seen after its root's first full scan.
    pub fresh: bool,
    /// A fingerprint of its sidecars when its description was last read; none if it never was.
    pub sidecars: Option<i64>,
    /// Whether it is refused because another program has uploaded these bytes.
    pub imported: bool,
}

from_row!(KnownFile {
    id,
    name,
    stat,
    state,
    missed,
    settle_ms,
    fresh,
    sidecars,
    imported
});

/// The columns of a [`KnownFile`].
const KNOWN: &str = "files.id, files.name, files.size, files.mtime_ns, files.ctime_ns, files.dev, files.inode, \
                     files.state, files.missed_scans, files.settle_ms, files.new_arrival, files.sidecars_hash, \
                     files.reason_kind IS 'imported'";

/// The state of a file; see the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum FileState {
    /// It may still be written to.
    Settling,
    /// To be claimed.
    Queued,
    /// An upload worker reads it.
    Claimed,
    /// Its bytes are an item.
    Attached,
    /// It is not uploaded.
    Refused,
    /// Two scans did not find it.
    Gone,
}

word_column!(FileState);

/// A file whose time to settle is over.
#[derive(Debug, Clone)]
pub struct Settling {
    /// Its root.
    pub root: RootId,
    /// Its directory, relative to the root.
    pub dir: PathBuf,
    /// The file as it was last seen.
    pub file: KnownFile,
}

from_row!(Settling { file, root, dir });

/// The bytes of `dir`, and the bounds between which the paths of all directories below it sort:
/// everything below "a" sorts from "a/" on and before "a0", because '0' follows '/'.
fn subtree(dir: &Path) -> (&[u8], Vec<u8>, Vec<u8>) {
    let path = dir.as_os_str().as_bytes();
    (path, [path, b"/"].concat(), [path, b"0"].concat())
}

impl Reader {
    /// The row of a directory, if it is known.
    pub fn dir(&self, root: RootId, dir: &Path) -> Result<Option<DirId>> {
        let sql = "SELECT id FROM dirs WHERE root_id = ?1 AND path = ?2";
        self.opt(sql, params![root, dir])
    }

    /// The known files of one directory, gone ones included, sorted by the bytes of their names.
    pub fn known_in(&self, dir: DirId) -> Result<Vec<KnownFile>> {
        let sql = format!("SELECT {KNOWN} FROM files WHERE dir_id = ?1 ORDER BY name");
        self.all(&sql, params![dir])
    }

    /// The known file with this name, also if it is gone.
    pub fn known_named(&self, dir: DirId, name: &OsStr) -> Result<Option<KnownFile>> {
        let sql = format!("SELECT {KNOWN} FROM files WHERE dir_id = ?1 AND name = ?2");
        self.opt(&sql, params![dir, name])
    }

    /// Calls `seen` with every known directory of a root that is `top` or below it (empty: all of them),
    /// in the order of the bytes of their paths. They may be too many to collect.
    pub fn each_dir(
        &self,
        root: RootId,
        top: &Path,
        mut seen: impl FnMut(DirId, PathBuf) -> Result<()>,
    ) -> Result<()> {
        let (path, from, to) = subtree(top);
        let each = |(id, path)| seen(id, path).map(|()| true);
        if path.is_empty() {
            let sql = "SELECT id, path FROM dirs WHERE root_id = ?1 AND path >= ?2";
            return self.each(sql, params![root, path], each);
        }
        let sql = "SELECT id, path FROM dirs WHERE root_id = ?1 AND path = ?2
             UNION ALL
             SELECT id, path FROM dirs WHERE root_id = ?1 AND path > ?3 AND path < ?4";
        self.each(sql, params![root, path, from, to], each)
    }

    /// Up to `n` files of the root that are not gone, in `top` or below it; relative to the root.
    pub fn some_below(&self, root: RootId, top: &Path, n: usize) -> Result<Vec<PathBuf>> {
        let (path, from, to) = subtree(top);
        let files: Vec<(PathBuf, OsString)> = if path.is_empty() {
            self.all(SOME_OF_ROOT, params![root, n])?
        } else {
            self.all(SOME_BELOW, params![root, path, from, to, n])?
        };
        Ok(files
            .into_iter()
            .map(|(dir, name)| dir.join(name))
            .collect())
    }

    /// Up to `n` files of `roots` whose time to settle is over, the longest waiting first. Files of other
    /// roots wait until a run includes those.
    pub fn settled(&self, roots: &[RootId], until: Timestamp, n: usize) -> Result<Vec<Settling>> {
        let sql = format!(
            "SELECT {KNOWN}, files.root_id, dirs.path FROM files JOIN dirs ON dirs.id = files.dir_id
             WHERE files.state = 'settling' AND files.due_at <= ?1 ORDER BY files.due_at"
        );
        let mut found = Vec::new();
        self.each(&sql, params![until], |one: Settling| {
            if roots.contains(&one.root) {
                found.push(one);
            }
            Ok(found.len() < n)
        })?;
        Ok(found)
    }

    /// When the next file of `roots` may have settled; none if nothing settles there.
    pub fn next_settled(&self, roots: &[RootId]) -> Result<Option<Timestamp>> {
        let sql = "SELECT due_at, root_id FROM files WHERE state = 'settling' ORDER BY due_at";
        let mut next = None;
        self.each(sql, [], |(due_at, root)| {
            next = roots.contains(&root).then_some(due_at);
            Ok(next.is_none())
        })?;
        Ok(next)
    }

    /// Whether the store knows any file of this root that is not gone.
    pub fn knows_files_of(&self, root: RootId) -> Result<bool> {
        self.exists(
            "SELECT 1 FROM dirs JOIN files ON files.dir_id = dirs.id
             WHERE dirs.root_id = ?1 AND files.state <> 'gone' LIMIT 1",
            params![root],
        )
    }
}

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
