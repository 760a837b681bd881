//! Roots: the folders of the configuration and the PATHs given to `backfill`; and directories in them
//! that are mount points.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{
    Reader, Result, Tx, byte_sources,
    row::{from_row, joined, params},
    upload_results,
    writer::store_methods,
};
use crate::model::ids::{DirId, RootId};

/// A folder of the configuration, or a PATH given to `backfill`.
#[derive(Debug, Clone)]
pub struct RootSpec {
    /// Absolute path.
    pub path: PathBuf,
    /// Whether it is a folder of the configuration. Others are never watched, and their files are never
    /// reported as deleted.
    pub configured: bool,
    /// The album rule and order in one line. When it changes, the albums of queued files are determined
    /// again.
    pub rule: String,
    /// Whether files deleted from it are removed from their albums.
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

from_row!(RootRow {
    id,
    scanned_at,
    rule_changed
});

store_methods! {
    write fn roots(specs: Vec<RootSpec>) -> Vec<RootRow>;
    write fn configured(folders: Vec<PathBuf>, now: Timestamp) -> ();
    write fn another_root(spec: RootSpec) -> RootRow;
    write fn rule_applied(root: RootId, rule: String) -> ();
    write fn root_opened(root: RootId, scanned: bool, now: Timestamp) -> ();
    write fn root_away(root: RootId) -> ();
    write fn recover(now: Timestamp) -> ();
    write fn mounts_away(root: RootId, away: Vec<PathBuf>) -> ();
}

impl Tx {
    /// Inserts or updates the rows of `specs` and returns them in this order. All roots are closed until
    /// a scan opens them.
    pub fn roots(&self, specs: Vec<RootSpec>) -> Result<Vec<RootRow>> {
        let sql = "UPDATE roots SET claimable = 0, away = 0 WHERE claimable <> 0 OR away <> 0";
        self.execute(sql, [])?;
        self.execute(NONE_AWAY, [])?;
        specs
            .into_iter()
            .map(|spec| self.another_root(spec))
            .collect()
    }

    /// At each start, before [`Tx::roots`]: these are the folders of the configuration, whether or not
    /// they take part in this run.
    pub fn configured(&self, folders: Vec<PathBuf>, now: Timestamp) -> Result<()> {
        let sql = "SELECT id, path FROM roots WHERE configured = 1";
        for (root, path) in self.all::<(RootId, PathBuf)>(sql, [])? {
            if !folders.contains(&path) {
                let sql = "UPDATE roots SET configured = 0, unconfigured_at = ?2 WHERE id = ?1";
                self.execute(sql, params![root, now])?;
            }
        }
        Ok(())
    }

    /// Inserts or updates the row of one root. The rule of an existing row stays until
    /// [`Tx::rule_applied`], so that after a crash in between the queued files are still recognized as
    /// belonging to the old rule.
    pub fn another_root(&self, spec: RootSpec) -> Result<RootRow> {
        let RootSpec {
            path,
            configured,
            rule,
            removes,
        } = spec;
        self.execute(
            "INSERT INTO roots (path, configured, rule, removes_from_albums) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (path) DO UPDATE SET configured = ?2, removes_from_albums = ?4,
                                              unconfigured_at = iif(?2, NULL, unconfigured_at)
             WHERE configured <> ?2 OR removes_from_albums <> ?4",
            params![path, configured, rule, removes],
        )?;
        // Pending removals are dropped once the configuration says that deleted files keep their place.
        self.execute(
            "DELETE FROM pending_removals
             WHERE root_id IN (SELECT id FROM roots WHERE path = ?1 AND removes_from_albums = 0)",
            params![path],
        )?;
        self.one(
            "SELECT id, scanned_at, rule <> ?2 FROM roots WHERE path = ?1",
            params![path, rule],
        )
    }

    /// The albums of all queued files of the root are determined by this rule now.
    pub fn rule_applied(&self, root: RootId, rule: String) -> Result<()> {
        let sql = "UPDATE roots SET rule = ?2 WHERE id = ?1";
        self.execute(sql, params![root, rule])?;
        Ok(())
    }

    /// Files of the root may be claimed from now on; `scanned` means that a full scan has just ended.
    /// Items that wait for bytes which only this root has are queued.
    pub fn root_opened(&self, root: RootId, scanned: bool, now: Timestamp) -> Result<()> {
        let opened = self.execute(
            "UPDATE roots SET claimable = 1, away = 0 WHERE id = ?1 AND (claimable = 0 OR away = 1)",
            params![root],
        )?;
        if scanned {
            self.execute(
                "UPDATE roots SET scanned_at = ?2 WHERE id = ?1 AND scanned_at IS NULL",
                params![root, now],
            )?;
        }
        if opened > 0 {
            byte_sources::look_again(self)?;
        }
        Ok(())
    }

    /// The root is missing, or empty although files were known in it. Items that wait for its bytes are
    /// read from another root that has them.
    pub fn root_away(&self, root: RootId) -> Result<()> {
        let sql = "UPDATE roots SET away = 1 WHERE id = ?1 AND away = 0";
        if self.execute(sql, params![root])? > 0 {
            byte_sources::look_again(self)?;
        }
        Ok(())
    }

    /// At each start: claimed files and items whose upload was interrupted are queued again. Items of
    /// the unanswered call stay as they are.
    pub fn recover(&self, now: Timestamp) -> Result<()> {
        self.execute(UNCLAIM_ALL, [])?;
        for item in self.all(INTERRUPTED, [])? {
            upload_results::interrupted(self, item, now)?;
        }
        Ok(())
    }

    /// Records whether the directory is a mount point.
    pub(super) fn set_mount(&self, dir: DirId, is_mount: bool) -> Result<()> {
        let sql = "UPDATE dirs SET mount = iif(?2, 'there', NULL) WHERE id = ?1";
        self.execute(sql, params![dir, is_mount])?;
        Ok(())
    }

    /// Of the mount points in the root, these have nothing mounted on them now, and the others do.
    pub fn mounts_away(&self, root: RootId, away: Vec<PathBuf>) -> Result<()> {
        self.execute(
            "UPDATE dirs SET mount = 'there' WHERE root_id = ?1 AND mount IS NOT NULL",
            params![root],
        )?;
        for dir in away {
            self.execute(
                "UPDATE dirs SET mount = 'away' WHERE root_id = ?1 AND path = ?2 AND mount IS NOT NULL",
                params![root, dir],
            )?;
        }
        Ok(())
    }
}

impl Reader {
    /// The row of the root at `path`, if there is one.
    pub fn root_at(&self, path: &Path) -> Result<Option<RootId>> {
        self.opt("SELECT id FROM roots WHERE path = ?1", params![path])
    }

    /// The mount points in the root, relative to it, as of the last time that their directories were
    /// read. Empty is the root itself.
    pub fn mounts_of(&self, root: RootId) -> Result<Vec<PathBuf>> {
        let sql = "SELECT path FROM dirs WHERE root_id = ?1 AND mount IS NOT NULL";
        self.all(sql, params![root])
    }

    /// Roots that are away, and mount points in other roots with nothing mounted on them.
    pub(super) fn unavailable_roots(&self) -> Result<Vec<PathBuf>> {
        let mut away = self.all("SELECT path FROM roots WHERE away = 1", [])?;
        self.each(AWAY, [], |(root, dir)| {
            away.push(joined(root, dir, None));
            Ok(true)
        })?;
        Ok(away)
    }
}

/// At start nothing is known to be away.
pub(super) const NONE_AWAY: &str =
    "UPDATE dirs INDEXED BY dirs_mounted SET mount = 'there' WHERE mount = 'away'";

/// Mount points with nothing mounted on them.
pub(super) const AWAY: &str = "SELECT roots.path, dirs.path FROM dirs INDEXED BY dirs_mounted
     JOIN roots ON roots.id = dirs.root_id
     WHERE dirs.mount = 'away' AND dirs.path <> x'' AND roots.away = 0";

/// Queues all claimed files.
pub(super) const UNCLAIM_ALL: &str = "UPDATE files SET state = 'queued' WHERE state = 'claimed'";

/// Items whose upload was interrupted. The redundant `state IN (…)` repeats the condition of the partial
/// index, or SQLite does not use it.
pub(super) const INTERRUPTED: &str = "SELECT id FROM items
     WHERE state IN ('uploading', 'uploaded', 'creating') AND state = 'uploading'";
