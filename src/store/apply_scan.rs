//! Changes of files, put into rows: inside of one transaction, one after the other.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{
    Change, FileDecision, FileStat, IMPORTED, Result, Tx, albums, attach, descriptions, items,
    missing_files, mounts, renames,
};
use crate::model::ids::{AlbumRow, DirId, FileId, ItemId, RootId};

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
                missing_files::missed(self.db, file, confirmed, self.now)
            }
            Change::Excluded(file) => {
                self.may_have_moved = true;
                missing_files::gone(self.db, file, self.now)
            }
            Change::Mount {
                root,
                dir,
                is_mount,
            } => {
                let dir = self.dir(root, dir)?;
                mounts::seen(self.db, dir, is_mount)
            }
            Change::Described { file, words } => descriptions::changed(self.db, file, &words),
            Change::Reappeared(file) => {
                self.db
                    .prepare_cached("UPDATE files SET missed = 0 WHERE id = ?1")?
                    .execute([file.0])?;
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
        let inserted = self.db.prepare_cached(INSERT)?.execute(params![
            root.0,
            dir.0,
            name.as_bytes(),
            stat.size as i64,
            stat.mtime_ns,
            stat.ctime_ns,
            stat.dev as i64,
            stat.inode as i64,
            columns.state,
            columns.album.map(|album| album.0),
            columns.key,
            columns.large,
            columns.fresh,
            columns.due_at,
            columns.settle_ms,
            columns.reason_kind,
            columns.reason,
            self.now.as_millisecond(),
        ])?;
        if inserted > 0 {
            let file = FileId(self.db.last_insert_rowid());
            return self.moved_here(file, &columns, stat);
        }
        // The same name was recorded since the scan read its directory. If the file is what it was then,
        // there is nothing to tell; otherwise the row that is there keeps its history.
        let (known, is_same) = self
            .db
            .prepare_cached(
                "SELECT id, state <> 'gone' AND size = ?3 AND mtime_ns = ?4 AND inode = ?5
                 FROM files WHERE dir_id = ?1 AND name = ?2",
            )?
            .query_row(
                params![
                    dir.0,
                    name.as_bytes(),
                    stat.size as i64,
                    stat.mtime_ns,
                    stat.inode as i64
                ],
                |row| Ok((FileId(row.get(0)?), row.get(1)?)),
            )?;
        if is_same {
            return Ok(());
        }
        self.altered(known, stat, decision)
    }

    /// A claimed file is left to its upload slot, which looks at it after the last byte by itself.
    fn altered(&mut self, file: FileId, stat: FileStat, decision: &FileDecision) -> Result<()> {
        let (db, now) = (self.db, self.now);
        let row: Option<(String, Option<i64>)> = db
            .prepare_cached("SELECT state, item_id FROM files WHERE id = ?1")?
            .query_row([file.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((state, item)) = row else {
            return Ok(());
        };
        if state == "claimed" {
            return Ok(());
        }
        let Some(columns) = self.columns(decision)? else {
            return keep_as_is(db, file, stat);
        };
        if let Some(item) = item.filter(|_| state == "held") {
            db.prepare_cached(FORMER)?
                .execute(params![file.0, item, now.as_millisecond()])?;
        }
        db.prepare_cached(
            "UPDATE files SET size = ?2, mtime_ns = ?3, ctime_ns = ?4, dev = ?5, inode = ?6, state = ?7,
                    item_id = NULL, album_id = ?8, order_key = ?9, large = ?10, fresh = coalesce(?11, fresh),
                    due_at = ?12, settle_ms = max(settle_ms, ?13), reason_kind = ?14, reason = ?15, missed = 0,
                    not_before = 0, attempts = 0, changed_at = ?16
             WHERE id = ?1",
        )?
        .execute(params![
            file.0,
            stat.size as i64,
            stat.mtime_ns,
            stat.ctime_ns,
            stat.dev as i64,
            stat.inode as i64,
            columns.state,
            columns.album.map(|album| album.0),
            columns.key,
            columns.large,
            columns.fresh,
            columns.due_at,
            columns.settle_ms,
            columns.reason_kind,
            columns.reason,
            now.as_millisecond(),
        ])?;
        self.moved_here(file, &columns, stat)?;
        match item {
            Some(item) => items::detach_file(db, ItemId(item), file, now),
            None => Ok(()),
        }
    }

    /// What is sure to be a known file under another name is not read: a move is a row.
    fn moved_here(&self, file: FileId, columns: &Columns<'_>, stat: FileStat) -> Result<()> {
        if !self.may_have_moved || columns.state != "queued" {
            return Ok(());
        }
        if let Some(item) = renames::item_of(self.db, file, &stat)? {
            return attach::attach_known(self.db, file, item, self.now);
        }
        if let Some(reason) = renames::imported_as(self.db, file, &stat)? {
            self.db
                .prepare_cached(
                    "UPDATE files SET state = 'refused', reason_kind = ?2, reason = ?3 WHERE id = ?1",
                )?
                .execute(params![file.0, IMPORTED, reason])?;
        }
        Ok(())
    }

    /// What a decision makes of the row; none for one that leaves it where it is.
    fn columns<'f>(&mut self, decision: &'f FileDecision) -> Result<Option<Columns<'f>>> {
        let plain = Columns {
            state: "queued",
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
                state: "settling",
                due_at: Some(due_at.as_millisecond()),
                settle_ms: *settle_ms as i64,
                ..plain
            },
            FileDecision::Queue {
                album,
                key,
                large,
                fresh,
            } => Columns {
                album: Some(self.album(album.as_deref())?),
                key: Some(key.as_bytes()),
                large: *large,
                fresh: Some(*fresh),
                ..plain
            },
            FileDecision::Refuse { kind, reason } => Columns {
                state: "refused",
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
    state: &'static str,
    album: Option<AlbumRow>,
    key: Option<&'a [u8]>,
    large: bool,
    /// None: as it was, and for a new row as its root says.
    fresh: Option<bool>,
    due_at: Option<i64>,
    settle_ms: i64,
    reason_kind: Option<&'static str>,
    reason: Option<&'a str>,
}

fn ensure_dir(db: &Tx, root: RootId, dir: &Path) -> Result<DirId> {
    let path = dir.as_os_str().as_bytes();
    let known = db
        .prepare_cached("SELECT id FROM dirs WHERE root_id = ?1 AND path = ?2")?
        .query_row(params![root.0, path], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(DirId(id));
    }
    db.prepare_cached("INSERT INTO dirs (root_id, path) VALUES (?1, ?2)")?
        .execute(params![root.0, path])?;
    Ok(DirId(db.last_insert_rowid()))
}

fn keep_as_is(db: &Tx, file: FileId, stat: FileStat) -> Result<()> {
    db.prepare_cached(
        "UPDATE files SET size = ?2, mtime_ns = ?3, ctime_ns = ?4, dev = ?5, inode = ?6, missed = 0,
                edited = 1
         WHERE id = ?1",
    )?
    .execute(params![
        file.0,
        stat.size as i64,
        stat.mtime_ns,
        stat.ctime_ns,
        stat.dev as i64,
        stat.inode as i64
    ])?;
    Ok(())
}

/// A new file. A name that is known already keeps its row.
pub(super) const INSERT: &str =
    "INSERT INTO files (root_id, dir_id, name, size, mtime_ns, ctime_ns, dev, inode, state, album_id,
                        order_key, large, fresh, due_at, settle_ms, reason_kind, reason, changed_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
             coalesce(?13, (SELECT scanned_at IS NOT NULL FROM roots WHERE id = ?1)),
             ?14, ?15, ?16, ?17, ?18)
     ON CONFLICT (dir_id, name) DO NOTHING";

/// The file held a media item that it does not hold any more; the service still has it.
const FORMER: &str = "INSERT OR IGNORE INTO former_items (file_id, item_id, until)
     SELECT ?1, id, ?3 FROM items WHERE id = ?2 AND state IN ('created', 'verified')";
