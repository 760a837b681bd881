//! Roots, and what the store knows of the files below them.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{FileStat, Reader, Result, Store, Tx, attach, byte_sources, mounts, row};
use crate::{
    clock,
    model::ids::{DirId, FileId, ItemId, RootId},
};

/// A folder of the configuration, or a PATH given to `backfill`.
#[derive(Debug, Clone)]
pub struct RootSpec {
    /// Absolute path.
    pub path: PathBuf,
    /// Whether it is of the configuration; others are never watched, and nothing in them is gone.
    pub configured: bool,
    /// The album rule and order in one line: when it changes, what is still queued is decided anew.
    pub rule: String,
    /// Whether what is gone from it leaves its album.
    pub removes: bool,
}

/// A root as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootRow {
    /// Its row.
    pub id: RootId,
    /// When its first full scan ended; none before.
    pub scanned_at: Option<Timestamp>,
    /// Whether its album rule or order has changed since its files were queued.
    pub rule_changed: bool,
}

/// A file as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFile {
    /// Its row.
    pub id: FileId,
    /// Its name in its directory.
    pub name: OsString,
    /// What it looked like.
    pub stat: FileStat,
    /// `settling`, `queued`, `claimed`, `held`, `refused` or `gone`.
    pub state: FileState,
    /// How many scans in a row did not see it.
    pub missed: u32,
    /// How long it must stand still, milliseconds.
    pub settle_ms: u64,
    /// Whether it was first seen after its root's first full scan.
    pub fresh: bool,
    /// Its sidecars when its words were last looked for; none if nobody looked.
    pub sidecars: Option<i64>,
    /// Whether it is refused because another program has sent these bytes.
    pub imported: bool,
}

/// Where a file stands; see the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// It may still be written to.
    Settling,
    /// To be claimed.
    Queued,
    /// An upload slot reads it.
    Claimed,
    /// Its bytes are an item.
    Held,
    /// It does not go up.
    Refused,
    /// Two scans agree that it is gone.
    Gone,
}

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

impl Store {
    /// Makes the rows of `specs`, in their order, and closes all roots: a scan opens them.
    pub async fn roots(&self, specs: Vec<RootSpec>) -> Result<Vec<RootRow>> {
        self.write(move |db| {
            db.execute(
                "UPDATE roots SET open = 0, away = 0 WHERE open <> 0 OR away <> 0",
                [],
            )?;
            mounts::none_is_away(db)?;
            specs.iter().map(|spec| root_row(db, spec)).collect()
        })
        .await
    }

    /// At each start, before [`Store::roots`]: the folders of the configuration, and no others. It does
    /// not matter which of them take part in this run.
    pub async fn configured(&self, folders: Vec<PathBuf>, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            let known: Vec<(i64, Vec<u8>)> = db
                .prepare("SELECT id, path FROM roots WHERE configured = 1")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            for (root, path) in known {
                if !folders
                    .iter()
                    .any(|folder| folder.as_os_str().as_bytes() == path)
                {
                    db.prepare_cached(
                        "UPDATE roots SET configured = 0, dropped_at = ?2 WHERE id = ?1",
                    )?
                    .execute(params![root, now.as_millisecond()])?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Makes the row of one more root, and leaves the others as they are.
    pub async fn another_root(&self, spec: RootSpec) -> Result<RootRow> {
        self.write(move |db| root_row(db, &spec)).await
    }

    /// What is queued of the root was decided under this rule.
    pub async fn rule_applied(&self, root: RootId, rule: String) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached("UPDATE roots SET rule = ?2 WHERE id = ?1")?
                .execute(params![root.0, rule])?;
            Ok(())
        })
        .await
    }

    /// Files of the root may be claimed now; `scanned` tells that a full scan just ended. What waits for
    /// bytes that no open root had is read from here.
    pub async fn root_opened(&self, root: RootId, scanned: bool, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            let opened = db
                .prepare_cached(
                    "UPDATE roots SET open = 1, away = 0 WHERE id = ?1 AND (open = 0 OR away = 1)",
                )?
                .execute([root.0])?;
            if scanned {
                db.prepare_cached(
                    "UPDATE roots SET scanned_at = ?2 WHERE id = ?1 AND scanned_at IS NULL",
                )?
                .execute(params![root.0, now.as_millisecond()])?;
            }
            if opened > 0 {
                byte_sources::look_again(db)?;
            }
            Ok(())
        })
        .await
    }

    /// The root is missing, or empty where files were known. What waited for its bytes is read from
    /// another root that has them.
    pub async fn root_away(&self, root: RootId) -> Result<()> {
        self.write(move |db| {
            let left = db
                .prepare_cached("UPDATE roots SET away = 1 WHERE id = ?1 AND away = 0")?
                .execute([root.0])?;
            if left > 0 {
                byte_sources::look_again(db)?;
            }
            Ok(())
        })
        .await
    }

    /// At each start: what a slot had claimed is in the queue again, what was being sent is queued.
    /// What is in the unanswered call stays there.
    pub async fn recover(&self, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            db.execute(UNCLAIM_ALL, [])?;
            attach::all_wanted_somewhere(db)?;
            let interrupted: Vec<i64> = db
                .prepare(INTERRUPTED)?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            interrupted
                .into_iter()
                .try_for_each(|item| super::upload_results::interrupted(db, ItemId(item), now))
        })
        .await
    }
}

/// Makes or finds the row. The rule of a row that is there stays until [`Store::rule_applied`], so
/// that a crash in between does not leave files queued for the album of yesterday.
fn root_row(db: &Tx, spec: &RootSpec) -> Result<RootRow> {
    let path = spec.path.as_os_str().as_bytes();
    db.prepare_cached(
        "INSERT INTO roots (path, configured, rule, removes) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (path) DO UPDATE SET configured = ?2, removes = ?4,
                                          dropped_at = iif(?2, NULL, dropped_at)
         WHERE configured <> ?2 OR removes <> ?4",
    )?
    .execute(params![path, spec.configured, spec.rule, spec.removes])?;
    // What waits to leave its album waits in vain once the configuration says "keep".
    db.prepare_cached(
        "DELETE FROM departures WHERE root_id IN (SELECT id FROM roots WHERE path = ?1 AND removes = 0)",
    )?
    .execute([path])?;
    let row = db
        .prepare_cached("SELECT id, scanned_at, rule <> ?2 FROM roots WHERE path = ?1")?
        .query_row(params![path, spec.rule], |row| {
            Ok(RootRow {
                id: RootId(row.get(0)?),
                scanned_at: row.get::<_, Option<i64>>(1)?.map(clock::from_millis),
                rule_changed: row.get(2)?,
            })
        })?;
    Ok(row)
}

/// What slots had claimed is in the queue again.
pub(super) const UNCLAIM_ALL: &str = "UPDATE files SET state = 'queued' WHERE state = 'claimed'";

/// What was being sent; an index holds what is on its way, and is told so.
pub(super) const INTERRUPTED: &str = "SELECT id FROM items WHERE state IN ('uploading', 'uploaded', 'creating') AND state = 'uploading'";

const KNOWN: &str = "files.id, files.name, files.size, files.mtime_ns, files.ctime_ns, files.dev, files.inode, \
                     files.state, files.missed, files.settle_ms, files.fresh, files.sidecars, \
                     files.reason_kind IS 'imported'";

fn known(row: &Row<'_>) -> rusqlite::Result<KnownFile> {
    let state = match row.get_ref(7)?.as_str()? {
        "settling" => FileState::Settling,
        "queued" => FileState::Queued,
        "claimed" => FileState::Claimed,
        "held" => FileState::Held,
        "refused" => FileState::Refused,
        // The schema allows no other word.
        _ => FileState::Gone,
    };
    Ok(KnownFile {
        id: FileId(row.get(0)?),
        name: OsString::from_vec(row.get(1)?),
        stat: FileStat {
            size: row.get::<_, i64>(2)? as u64,
            mtime_ns: row.get(3)?,
            ctime_ns: row.get(4)?,
            dev: row.get::<_, i64>(5)? as u64,
            inode: row.get::<_, i64>(6)? as u64,
        },
        state,
        missed: row.get(8)?,
        settle_ms: row.get::<_, i64>(9)? as u64,
        fresh: row.get(10)?,
        sidecars: row.get(11)?,
        imported: row.get(12)?,
    })
}

impl Reader {
    /// The row of a directory, if it is known.
    pub fn dir(&self, root: RootId, dir: &Path) -> Result<Option<DirId>> {
        Ok(self
            .connection
            .prepare_cached("SELECT id FROM dirs WHERE root_id = ?1 AND path = ?2")?
            .query_row(params![root.0, dir.as_os_str().as_bytes()], |row| {
                row.get(0).map(DirId)
            })
            .optional()?)
    }

    /// What is known of the files of one directory, sorted by name bytes; gone ones included.
    pub fn known_in(&self, dir: DirId) -> Result<Vec<KnownFile>> {
        let rows = self
            .connection
            .prepare_cached(&format!(
                "SELECT {KNOWN} FROM files WHERE dir_id = ?1 ORDER BY name"
            ))?
            .query_map([dir.0], known)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(rows)
    }

    /// What is known of one file; a gone one is known, too.
    pub fn known_named(&self, dir: DirId, name: &OsStr) -> Result<Option<KnownFile>> {
        Ok(self
            .connection
            .prepare_cached(&format!(
                "SELECT {KNOWN} FROM files WHERE dir_id = ?1 AND name = ?2"
            ))?
            .query_row(params![dir.0, name.as_bytes()], known)
            .optional()?)
    }

    /// Tells `seen` every known directory of a root that is `top` or below it (empty: all of them),
    /// in the order of their paths' bytes. Their number may be large, so they are not collected.
    pub fn each_dir(
        &self,
        root: RootId,
        top: &Path,
        mut seen: impl FnMut(DirId, PathBuf) -> Result<()>,
    ) -> Result<()> {
        let path = top.as_os_str().as_bytes();
        // What is below "a" sorts from "a/" on and before "a0", for '0' follows '/'.
        let (from, to) = ([path, b"/"].concat(), [path, b"0"].concat());
        let sql = if path.is_empty() {
            "SELECT id, path FROM dirs WHERE root_id = ?1 AND path >= ?2 AND ?3 IS NOT NULL AND ?4 IS NOT NULL"
        } else {
            "SELECT id, path FROM dirs WHERE root_id = ?1 AND path = ?2
             UNION ALL
             SELECT id, path FROM dirs WHERE root_id = ?1 AND path > ?3 AND path < ?4"
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![root.0, path, from, to])?;
        while let Some(row) = rows.next()? {
            seen(DirId(row.get(0)?), row::path_from(row.get(1)?))?;
        }
        Ok(())
    }

    /// Up to `n` files of `roots` whose time to settle is over, the longest waiting first.
    pub fn settled(&self, roots: &[RootId], until: Timestamp, n: usize) -> Result<Vec<Settling>> {
        let mut found = Vec::new();
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {KNOWN}, files.root_id, dirs.path FROM files JOIN dirs ON dirs.id = files.dir_id
             WHERE files.state = 'settling' AND files.due_at <= ?1 ORDER BY files.due_at"
        ))?;
        let mut rows = statement.query([until.as_millisecond()])?;
        while found.len() < n
            && let Some(row) = rows.next()?
        {
            let root = RootId(row.get(13)?);
            // Those of roots that nobody asked for wait until somebody does.
            if roots.contains(&root) {
                found.push(Settling {
                    root,
                    dir: row::path_from(row.get(14)?),
                    file: known(row)?,
                });
            }
        }
        Ok(found)
    }

    /// When the next file of `roots` may have settled; none if nothing settles there.
    pub fn next_settled(&self, roots: &[RootId]) -> Result<Option<Timestamp>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT due_at, root_id FROM files WHERE state = 'settling' ORDER BY due_at",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if roots.contains(&RootId(row.get(1)?)) {
                return Ok(Some(clock::from_millis(row.get(0)?)));
            }
        }
        Ok(None)
    }

    /// Whether the store knows any file of this root that is not gone.
    pub fn knows_files_of(&self, root: RootId) -> Result<bool> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM dirs JOIN files ON files.dir_id = dirs.id
                                WHERE dirs.root_id = ?1 AND files.state <> 'gone')",
            )?
            .query_row([root.0], |row| row.get(0))?)
    }
}
