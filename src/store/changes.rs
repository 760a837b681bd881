//! What a scan found out about files, applied in batches.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Result, Store, Words, describing, going, holding, items, moves};
use crate::{
    album::order::OrderKey,
    ids::{AlbumRow, DirId, FileId, ItemId, RootId},
};

/// What the file system says of a file; times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// Bytes.
    pub size: u64,
    /// Last change of the content.
    pub mtime_ns: i64,
    /// Last change of content or inode.
    pub ctime_ns: i64,
    /// The file system it is on.
    pub dev: u64,
    /// Its number there.
    pub inode: u64,
}

/// What becomes of a file that is new or has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
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
        fate: Fate,
    },
    /// A known file that looks different now, or whose time to settle is over.
    Altered {
        /// Which.
        file: FileId,
        /// What it looks like.
        stat: FileStat,
        /// What becomes of it.
        fate: Fate,
    },
    /// A known file that was not there.
    Missed {
        /// Which.
        file: FileId,
        /// Whether an earlier scan missed it too, so that it is gone.
        finally: bool,
    },
    /// A file that was missed is there again, unchanged.
    Back(FileId),
    /// The sidecars of a known file are others than before.
    Described {
        /// Which.
        file: FileId,
        /// What was found of a person's words.
        words: Words,
    },
}

impl Store {
    /// Records what a scan found out, in one transaction.
    pub async fn record(&self, changes: Vec<Change>, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            let mut last_dir: Option<(RootId, PathBuf, DirId)> = None;
            for change in changes {
                apply(db, change, &mut last_dir, now)?;
            }
            Ok(())
        })
        .await
    }
}

pub(super) fn apply(
    db: &Connection,
    change: Change,
    last_dir: &mut Option<(RootId, PathBuf, DirId)>,
    now: Timestamp,
) -> Result<()> {
    match change {
        Change::Found {
            root,
            dir,
            name,
            stat,
            fate,
        } => {
            let dir_id = match last_dir {
                Some((known_root, known, id)) if *known_root == root && *known == dir => *id,
                _ => {
                    let id = ensure_dir(db, root, &dir)?;
                    *last_dir = Some((root, dir, id));
                    id
                }
            };
            found(db, root, dir_id, &name, stat, &fate, now)
        }
        Change::Altered { file, stat, fate } => altered(db, file, stat, &fate, now),
        Change::Missed { file, finally } => going::missed(db, file, finally, now),
        Change::Described { file, words } => describing::changed(db, file, &words),
        Change::Back(file) => {
            db.prepare_cached("UPDATE files SET missed = 0 WHERE id = ?1")?
                .execute([file.0])?;
            Ok(())
        }
    }
}

fn ensure_dir(db: &Connection, root: RootId, dir: &Path) -> Result<DirId> {
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

/// The columns that a fate decides.
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

impl<'a> Columns<'a> {
    /// None for a fate that leaves the row where it is.
    fn of(db: &Connection, fate: &'a Fate) -> Result<Option<Self>> {
        let plain = Self {
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
        Ok(Some(match fate {
            Fate::Settle { due_at, settle_ms } => Self {
                state: "settling",
                due_at: Some(due_at.as_millisecond()),
                settle_ms: *settle_ms as i64,
                ..plain
            },
            Fate::Queue {
                album,
                key,
                large,
                fresh,
            } => Self {
                album: Some(super::albums::row_of(db, album.as_deref())?),
                key: Some(key.as_bytes()),
                large: *large,
                fresh: Some(*fresh),
                ..plain
            },
            Fate::Refuse { kind, reason } => Self {
                state: "refused",
                reason_kind: Some(kind),
                reason: Some(reason),
                ..plain
            },
            Fate::KeepAsIs => return Ok(None),
        }))
    }
}

fn found(
    db: &Connection,
    root: RootId,
    dir: DirId,
    name: &OsString,
    stat: FileStat,
    fate: &Fate,
    now: Timestamp,
) -> Result<()> {
    let Some(columns) = Columns::of(db, fate)? else {
        return Ok(());
    };
    let inserted = db.prepare_cached(
        "INSERT INTO files (root_id, dir_id, name, size, mtime_ns, ctime_ns, dev, inode, state, album_id,
                            order_key, large, fresh, due_at, settle_ms, reason_kind, reason, changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                 coalesce(?13, (SELECT scanned_at IS NOT NULL FROM roots WHERE id = ?1)),
                 ?14, ?15, ?16, ?17, ?18)
         ON CONFLICT (dir_id, name) DO NOTHING",
    )?
    .execute(params![
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
        now.as_millisecond(),
    ])?;
    if inserted > 0 {
        let file = FileId(db.last_insert_rowid());
        return moved_here(db, file, &columns, stat, now);
    }
    // The same name was recorded since the scan read its directory. If the file is what it was then,
    // there is nothing to tell; otherwise the row that is there keeps its history.
    let (known, is_same) = db
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
    altered(db, known, stat, fate, now)
}

/// A claimed file is left to its upload slot, which looks at it after the last byte by itself.
fn altered(
    db: &Connection,
    file: FileId,
    stat: FileStat,
    fate: &Fate,
    now: Timestamp,
) -> Result<()> {
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
    let Some(columns) = Columns::of(db, fate)? else {
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
        return Ok(());
    };
    if let Some(item) = item.filter(|_| state == "held") {
        db.prepare_cached(FORMER)?
            .execute(params![file.0, item, now.as_millisecond()])?;
    }
    db.prepare_cached(
        "UPDATE files SET size = ?2, mtime_ns = ?3, ctime_ns = ?4, dev = ?5, inode = ?6, state = ?7,
                item_id = NULL, album_id = ?8, order_key = ?9, large = ?10, fresh = coalesce(?11, fresh), due_at = ?12,
                settle_ms = max(settle_ms, ?13), reason_kind = ?14, reason = ?15, missed = 0,
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
    moved_here(db, file, &columns, stat, now)?;
    match item {
        Some(item) => items::let_go(db, ItemId(item), file, now),
        None => Ok(()),
    }
}

/// What is sure to be a known file under another name is not read: a move is a row.
fn moved_here(
    db: &Connection,
    file: FileId,
    columns: &Columns<'_>,
    stat: FileStat,
    now: Timestamp,
) -> Result<()> {
    if columns.state == "queued"
        && let Some(item) = moves::item_of(db, file, &stat)?
    {
        holding::hold_known(db, file, item, now)?;
    }
    Ok(())
}

/// The file held a media item that it does not hold any more; the service still has it.
const FORMER: &str = "INSERT OR IGNORE INTO former_items (file_id, item_id, until)
     SELECT ?1, id, ?3 FROM items WHERE id = ?2 AND state IN ('created', 'verified')";

/// The bytes of a path, as the store keeps them.
pub(super) fn path_from(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}
