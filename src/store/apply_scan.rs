//! The result of a scan, and how it is written to the tables.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    DescriptionSource, FileStat, FileState, IMPORTED, Result, Tx, albums, attach, descriptions,
    items, pending_removals, renames, row::params, writer::store_methods,
};
use crate::model::{
    ids::{AlbumRow, DirId, FileId, ItemId, RootId},
    order_key::OrderKey,
};

/// What becomes of a file that is new or has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileDecision {
    /// It may still be written to.
    Settle {
        /// When to look again.
        due_at: Timestamp,
        /// How long it must stand still, milliseconds.
        settle_ms: u64,
    },
    /// It is to be claimed.
    Queue {
        /// The title of its album; none is the library alone.
        album: Option<String>,
        /// Its place there.
        key: OrderKey,
        /// Whether its upload takes so long that no batch waits for it.
        large: bool,
        /// Whether it appeared after its folder's first full scan.
        fresh: bool,
    },
    /// It does not go up.
    Refuse {
        /// A word for the rule, `other_kind` among them.
        kind: &'static str,
        /// The rule in words.
        reason: String,
    },
    /// It was changed, and the folder says that edits do not go up: only its size and time are kept.
    KeepAsIs,
}

/// One thing that a scan found out.
#[derive(Debug, Clone)]
pub enum Change {
    /// A file that no row knows.
    Found {
        /// Its root.
        root: RootId,
        /// Its directory, relative to the root.
        dir: PathBuf,
        /// Its name there.
        name: OsString,
        /// What it looks like.
        stat: FileStat,
        /// What becomes of it.
        decision: FileDecision,
    },
    /// A known file that looks different now, or whose time to settle is over.
    Modified {
        /// Which.
        file: FileId,
        /// What it looks like.
        stat: FileStat,
        /// What becomes of it.
        decision: FileDecision,
    },
    /// A known file that was not there.
    Missing {
        /// Which.
        file: FileId,
        /// Whether an earlier scan missed it too, so that it is gone.
        confirmed: bool,
    },
    /// A known file that does not belong to its folder any more, whether it is there or not: nobody
    /// deleted it.
    Excluded(FileId),
    /// A file that was missed is there again, unchanged.
    Reappeared(FileId),
    /// A directory is, or is not, the top of another file system than the one above it.
    Mount {
        /// Its root.
        root: RootId,
        /// The directory, relative to the root.
        dir: PathBuf,
        /// Whether it is.
        is_mount: bool,
    },
    /// The sidecars of a known file are others than before.
    Described {
        /// Which.
        file: FileId,
        /// What was found of a person's words.
        words: DescriptionSource,
    },
}

store_methods! {
    write fn record(changes: Vec<Change>, now: Timestamp) -> ();
}

impl Tx {
    /// Records the changes that a scan found.
    pub fn record(&self, changes: Vec<Change>, now: Timestamp) -> Result<()> {
        let mut recording = Recording::of_scan(self, now)?;
        changes
            .into_iter()
            .try_for_each(|change| recording.apply(change))
    }

    /// A scan did not see the file; `confirmed` if an earlier one did not either.
    fn set_missing(&self, file: FileId, confirmed: bool, now: Timestamp) -> Result<()> {
        if !confirmed {
            self.execute(
                "UPDATE files SET missed_scans = missed_scans + 1 WHERE id = ?1",
                params![file],
            )?;
            return Ok(());
        }
        // Queued files too: their item may be created from the bytes of another file.
        let sql = "SELECT 1 FROM files WHERE id = ?1 AND state IN ('attached', 'queued')";
        let was_held = self.exists(sql, params![file])?;
        self.set_gone(file, now)?;
        if was_held {
            pending_removals::schedule_removal(self, file, now)?;
        }
        Ok(())
    }

    /// The file is gone; its item looks for another file with the same bytes. A claimed file is left to
    /// its upload worker.
    pub(super) fn set_gone(&self, file: FileId, now: Timestamp) -> Result<()> {
        let sql = "SELECT item_id FROM files WHERE id = ?1 AND state <> 'claimed'";
        let item: Option<Option<ItemId>> = self.opt(sql, params![file])?;
        self.execute(
            "UPDATE files SET state = 'gone', due_at = NULL, reason_kind = NULL, reason = NULL, missed_scans = 0,
                    changed_at = ?2
             WHERE id = ?1 AND state <> 'claimed'",
            params![file, now],
        )?;
        match item.flatten() {
            Some(item) => items::detach_file(self, item, file, now),
            None => Ok(()),
        }
    }
}

/// Records changes in one transaction. Neighbours mostly share directory and album, so the last ones
/// are kept at hand.
pub(super) struct Recording<'a> {
    db: &'a Tx,
    now: Timestamp,
    dir: Option<(RootId, PathBuf, DirId)>,
    album: Option<(String, AlbumRow)>,
    /// Whether there may be a file that a new one turns out to be, moved.
    may_have_moved: bool,
}

impl<'a> Recording<'a> {
    /// Records what one transaction brings.
    pub(super) fn new(db: &'a Tx, now: Timestamp) -> Self {
        Self {
            db,
            now,
            dir: None,
            album: None,
            may_have_moved: true,
        }
    }

    /// The same for changes that only a scan found: where no file holds an item, and none is gone, no
    /// new one is looked for among them.
    pub(super) fn of_scan(db: &'a Tx, now: Timestamp) -> Result<Self> {
        Ok(Self {
            may_have_moved: renames::possible(db)?,
            ..Self::new(db, now)
        })
    }

    /// Records one change.
    pub(super) fn apply(&mut self, change: Change) -> Result<()> {
        match change {
            Change::Found {
                root,
                dir,
                name,
                stat,
                decision,
            } => {
                let dir = self.dir(root, dir)?;
                self.found(root, dir, &name, stat, &decision)
            }
            Change::Modified {
                file,
                stat,
                decision,
            } => self.altered(file, stat, &decision),
            Change::Missing { file, confirmed } => {
                self.may_have_moved = true;
                self.db.set_missing(file, confirmed, self.now)
            }
            Change::Excluded(file) => {
                self.may_have_moved = true;
                self.db.set_gone(file, self.now)
            }
            Change::Mount {
                root,
                dir,
                is_mount,
            } => {
                let dir = self.dir(root, dir)?;
                self.db.set_mount(dir, is_mount)
            }
            Change::Described { file, words } => descriptions::changed(self.db, file, &words),
            Change::Reappeared(file) => {
                self.db.execute(
                    "UPDATE files SET missed_scans = 0 WHERE id = ?1",
                    params![file],
                )?;
                Ok(())
            }
        }
    }

    fn dir(&mut self, root: RootId, dir: PathBuf) -> Result<DirId> {
        if let Some((known_root, known, id)) = &self.dir
            && *known_root == root
            && *known == dir
        {
            return Ok(*id);
        }
        let id = ensure_dir(self.db, root, &dir)?;
        self.dir = Some((root, dir, id));
        Ok(id)
    }

    fn album(&mut self, title: Option<&str>) -> Result<AlbumRow> {
        if let (Some(title), Some((known, row))) = (title, &self.album)
            && known == title
        {
            return Ok(*row);
        }
        let row = albums::row_of(self.db, title)?;
        if let Some(title) = title {
            self.album = Some((title.to_owned(), row));
        }
        Ok(row)
    }

    fn found(
        &mut self,
        root: RootId,
        dir: DirId,
        name: &OsStr,
        stat: FileStat,
        decision: &FileDecision,
    ) -> Result<()> {
        let Some(columns) = self.columns(decision)? else {
            return Ok(());
        };
        let inserted = self.db.execute(
            INSERT,
            params![
                root,
                dir,
                name,
                stat.size,
                stat.mtime_ns,
                stat.ctime_ns,
                stat.dev,
                stat.inode,
                columns.state,
                columns.album,
                columns.key,
                columns.large,
                columns.fresh,
                columns.due_at,
                columns.settle_ms,
                columns.reason_kind,
                columns.reason,
                self.now
            ],
        )?;
        if inserted > 0 {
            let file = FileId(self.db.connection.last_insert_rowid());
            return self.moved_here(file, &columns, stat);
        }
        // The same name was recorded since the scan read its directory. If the file is what it was then,
        // there is nothing to tell; otherwise the row that is there keeps its history.
        let (known, is_same) = self.db.one::<(FileId, bool)>(
            "SELECT id, state <> 'gone' AND size = ?3 AND mtime_ns = ?4 AND inode = ?5
                 FROM files WHERE dir_id = ?1 AND name = ?2",
            params![dir, name, stat.size, stat.mtime_ns, stat.inode],
        )?;
        if is_same {
            return Ok(());
        }
        self.altered(known, stat, decision)
    }

    /// A claimed file is left to its upload slot, which looks at it after the last byte by itself.
    fn altered(&mut self, file: FileId, stat: FileStat, decision: &FileDecision) -> Result<()> {
        let (db, now) = (self.db, self.now);
        let row: Option<(FileState, Option<ItemId>)> = db.opt(
            "SELECT state, item_id FROM files WHERE id = ?1",
            params![file],
        )?;
        let Some((state, item)) = row else {
            return Ok(());
        };
        if state == FileState::Claimed {
            return Ok(());
        }
        let Some(columns) = self.columns(decision)? else {
            return keep_as_is(db, file, stat);
        };
        if let Some(item) = item.filter(|_| state == FileState::Attached) {
            db.execute(FORMER, params![file, item, now])?;
        }
        db.execute("UPDATE files SET size = ?2, mtime_ns = ?3, ctime_ns = ?4, dev = ?5, inode = ?6, state = ?7,
                    item_id = NULL, album_id = ?8, order_key = ?9, large = ?10, new_arrival = coalesce(?11, new_arrival),
                    due_at = ?12, settle_ms = max(settle_ms, ?13), reason_kind = ?14, reason = ?15, missed_scans = 0,
                    not_before = 0, attempts = 0, changed_at = ?16
             WHERE id = ?1", params![file, stat.size, stat.mtime_ns, stat.ctime_ns, stat.dev, stat.inode, columns.state, columns.album, columns.key, columns.large, columns.fresh, columns.due_at, columns.settle_ms, columns.reason_kind, columns.reason, now])?;
        self.moved_here(file, &columns, stat)?;
        match item {
            Some(item) => items::detach_file(db, item, file, now),
            None => Ok(()),
        }
    }

    /// What is sure to be a known file under another name is not read: a move is a row.
    fn moved_here(&self, file: FileId, columns: &Columns<'_>, stat: FileStat) -> Result<()> {
        if !self.may_have_moved || columns.state != FileState::Queued {
            return Ok(());
        }
        if let Some(item) = renames::item_of(self.db, file, &stat)? {
            return attach::attach_known(self.db, file, item, self.now);
        }
        if let Some(reason) = renames::imported_as(self.db, file, &stat)? {
            self.db.execute(
                "UPDATE files SET state = 'refused', reason_kind = ?2, reason = ?3 WHERE id = ?1",
                params![file, IMPORTED, reason],
            )?;
        }
        Ok(())
    }

    /// What a decision makes of the row; none for one that leaves it where it is.
    fn columns<'f>(&mut self, decision: &'f FileDecision) -> Result<Option<Columns<'f>>> {
        let plain = Columns {
            state: FileState::Queued,
            album: None,
            key: None,
            large: false,
            fresh: None,
            due_at: None,
            settle_ms: 0,
            reason_kind: None,
            reason: None,
        };
        Ok(Some(match decision {
            FileDecision::Settle { due_at, settle_ms } => Columns {
                state: FileState::Settling,
                due_at: Some(*due_at),
                settle_ms: *settle_ms,
                ..plain
            },
            FileDecision::Queue {
                album,
                key,
                large,
                fresh,
            } => Columns {
                album: Some(self.album(album.as_deref())?),
                key: Some(key),
                large: *large,
                fresh: Some(*fresh),
                ..plain
            },
            FileDecision::Refuse { kind, reason } => Columns {
                state: FileState::Refused,
                reason_kind: Some(kind),
                reason: Some(reason),
                ..plain
            },
            FileDecision::KeepAsIs => return Ok(None),
        }))
    }
}

/// The columns that a decision decides.
struct Columns<'a> {
    state: FileState,
    album: Option<AlbumRow>,
    key: Option<&'a OrderKey>,
    large: bool,
    /// None: as it was, and for a new row as its root says.
    fresh: Option<bool>,
    due_at: Option<Timestamp>,
    settle_ms: u64,
    reason_kind: Option<&'static str>,
    reason: Option<&'a str>,
}

fn ensure_dir(db: &Tx, root: RootId, dir: &Path) -> Result<DirId> {
    if let Some(id) = db.dir(root, dir)? {
        return Ok(id);
    }
    let sql = "INSERT INTO dirs (root_id, path) VALUES (?1, ?2)";
    db.insert(sql, params![root, dir]).map(DirId)
}

fn keep_as_is(db: &Tx, file: FileId, stat: FileStat) -> Result<()> {
    db.execute("UPDATE files SET size = ?2, mtime_ns = ?3, ctime_ns = ?4, dev = ?5, inode = ?6, missed_scans = 0,
                edit_ignored = 1
         WHERE id = ?1", params![file, stat.size, stat.mtime_ns, stat.ctime_ns, stat.dev, stat.inode])?;
    Ok(())
}

/// A new file. A name that is known already keeps its row.
pub(super) const INSERT: &str =
    "INSERT INTO files (root_id, dir_id, name, size, mtime_ns, ctime_ns, dev, inode, state, album_id,
                        order_key, large, new_arrival, due_at, settle_ms, reason_kind, reason, changed_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
             coalesce(?13, (SELECT scanned_at IS NOT NULL FROM roots WHERE id = ?1)),
             ?14, ?15, ?16, ?17, ?18)
     ON CONFLICT (dir_id, name) DO NOTHING";

/// The file held a media item that it does not hold any more; the service still has it.
const FORMER: &str = "INSERT OR IGNORE INTO former_items (file_id, item_id, until)
     SELECT ?1, id, ?3 FROM items WHERE id = ?2 AND state IN ('created', 'verified')";
