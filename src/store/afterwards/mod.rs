//! What becomes of files whose pictures are safely in the library: which of them are due, and the
//! journal of what was done to them.
//!
//! The state of each file (`files.afterwards`) is kept by triggers of the schema, from the state of
//! its item; the verbs here only move it on. Nothing is done to a file that was not journalled by
//! [`Store::intend`], and a file that Albumen let go is marked `gone` by [`Store::acted`] and by
//! nothing else: it is not a file that somebody deleted.

mod journal;
mod view;

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::PathBuf,
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Error, FileStat, Result, Store, changes};
use crate::{
    clock,
    ids::{ActId, ContentHash, FileId, ItemId},
};

#[cfg(test)]
pub(super) use journal::OPEN;
pub use view::AfterView;

/// What every statement about sources reads first; see [`source`].
macro_rules! columns {
    () => {
        "files.id, items.id, roots.path, dirs.path, files.name, files.size, files.mtime_ns,
         files.ctime_ns, files.dev, files.inode, items.hash"
    };
}
use columns;

/// A file whose item was read back.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its row.
    pub file: FileId,
    /// What it holds.
    pub item: ItemId,
    /// Where its root is.
    pub root: PathBuf,
    /// Its directory, relative to the root.
    pub dir: PathBuf,
    /// Its name there.
    pub name: OsString,
    /// What it looked like when it was hashed or last looked at.
    pub stat: FileStat,
    /// The hash of what was sent.
    pub hash: ContentHash,
}

impl Source {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.dir).join(&self.name)
    }
}

/// What is to be done to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It moves to this path.
    Move(PathBuf),
    /// It is deleted.
    Delete,
}

/// An act that was journalled.
#[derive(Debug, Clone)]
pub struct Intended {
    /// Its row.
    pub id: ActId,
    /// The file.
    pub source: Source,
    /// What is to be done to it.
    pub act: Act,
}

/// Whether a file may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clearance {
    /// Nothing holds it.
    Free,
    /// Its picture is still to be put into an album.
    Wanted,
    /// An album refused its picture; its title.
    Refused(String),
}

impl Store {
    /// At each start: these roots act, and no others. What stayed is looked at anew: the trouble may
    /// be over.
    pub async fn roots_act(&self, acting: Vec<PathBuf>) -> Result<()> {
        self.write(move |db| {
            let before: Vec<(i64, Vec<u8>)> = db
                .prepare("SELECT id, path FROM roots WHERE acts = 1")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            for (root, path) in before {
                if !acting
                    .iter()
                    .any(|kept| kept.as_os_str().as_bytes() == path)
                {
                    db.execute("UPDATE roots SET acts = 0 WHERE id = ?1", [root])?;
                    db.execute(
                        "UPDATE files SET afterwards = NULL, act_at = NULL, stays = NULL
                         WHERE afterwards IN ('waits', 'ready', 'stays') AND root_id = ?1",
                        [root],
                    )?;
                }
            }
            for path in &acting {
                root_acts(db, path)?;
            }
            db.execute(RECONSIDER, [])?;
            Ok(())
        })
        .await
    }

    /// Sees to it that the service is asked for each item that a file waits for, `grace` after the
    /// item was made. Up to `n` files at a time; gives how many there were.
    pub async fn arrange_read_back(
        &self,
        n: usize,
        grace: Duration,
        now: Timestamp,
    ) -> Result<usize> {
        self.write(move |db| {
            let unasked: Vec<(i64, i64, Option<i64>, Option<i64>)> = db
                .prepare_cached(UNARRANGED)?
                .query_map([n as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            for &(file, item, verify_at, made_at) in &unasked {
                let due = verify_at.unwrap_or_else(|| {
                    let made_at = made_at.map_or(now, clock::from_millis);
                    clock::after(made_at, grace).max(now).as_millisecond()
                });
                db.prepare_cached(
                    "UPDATE items SET verify_at = ?2 WHERE id = ?1 AND verify_at IS NULL",
                )?
                .execute([item, due])?;
                db.prepare_cached("UPDATE files SET act_at = ?2 WHERE id = ?1")?
                    .execute([file, due.max(1)])?;
            }
            Ok(unasked.len())
        })
        .await
    }

    /// Up to `n` files whose items were read back and that may be looked at now, of roots that are
    /// present, each with what holds it.
    pub async fn sources(&self, n: usize, now: Timestamp) -> Result<Vec<(Source, Clearance)>> {
        self.write(move |db| {
            let found: Vec<Source> = db
                .prepare_cached(READY)?
                .query_map(params![now.as_millisecond(), n as i64], source)?
                .collect::<rusqlite::Result<_>>()?;
            found
                .into_iter()
                .map(|source| Ok((clearance(db, source.item)?, source)))
                .map(|both: Result<_>| both.map(|(clearance, source)| (source, clearance)))
                .collect()
        })
        .await
    }

    /// When the next file of a root that is present may be looked at, or its item asked for; none if
    /// nothing is to come.
    pub async fn next_source(&self) -> Result<Option<Timestamp>> {
        self.write(|db| {
            let due: Option<i64> = db
                .prepare_cached(NEXT_SOURCE)?
                .query_row([], |row| row.get(0))?;
            Ok(due.map(clock::from_millis))
        })
        .await
    }

    /// The file is looked at again at `act_at`.
    pub async fn source_waits(&self, file: FileId, act_at: Timestamp) -> Result<()> {
        self.write(move |db| waits(db, file, act_at)).await
    }

    /// The file stays where it is, and why.
    pub async fn source_stays(&self, file: FileId, reason: String) -> Result<()> {
        self.write(move |db| stays(db, file, &reason)).await
    }
}

/// The root acts from now on; what it holds already is considered, too.
fn root_acts(db: &Connection, path: &std::path::Path) -> Result<()> {
    let path = path.as_os_str().as_bytes();
    db.execute(
        "INSERT INTO roots (path, configured) VALUES (?1, 1) ON CONFLICT (path) DO NOTHING",
        [path],
    )?;
    let changed = db.execute(
        "UPDATE roots SET acts = 1 WHERE path = ?1 AND acts = 0",
        [path],
    )?;
    if changed > 0 {
        db.execute(
            "UPDATE files SET (afterwards, act_at, stays) =
                 (SELECT afterwards, act_at, stays FROM afterwards_of_items WHERE item_id = files.item_id)
             WHERE dir_id IN (SELECT dirs.id FROM dirs JOIN roots ON roots.id = dirs.root_id
                              WHERE roots.path = ?1)
                   AND state = 'held'",
            [path],
        )?;
    }
    Ok(())
}

fn waits(db: &Connection, file: FileId, act_at: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE files SET act_at = ?2 WHERE id = ?1 AND afterwards = 'ready'")?
        .execute(params![file.0, act_at.as_millisecond()])?;
    Ok(())
}

fn stays(db: &Connection, file: FileId, reason: &str) -> Result<()> {
    db.prepare_cached(
        "UPDATE files SET afterwards = 'stays', act_at = NULL, stays = ?2
         WHERE id = ?1 AND afterwards = 'ready'",
    )?
    .execute(params![file.0, reason])?;
    Ok(())
}

/// What holds the files of an item.
fn clearance(db: &Connection, item: ItemId) -> Result<Clearance> {
    let held: Option<(String, Option<String>)> = db
        .prepare_cached(HELD_BY)?
        .query_row([item.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match held {
        None => Clearance::Free,
        Some((state, title)) if state == "refused" => Clearance::Refused(title.unwrap_or_default()),
        Some(_) => Clearance::Wanted,
    })
}

fn source(row: &Row<'_>) -> rusqlite::Result<Source> {
    let hash: Vec<u8> = row.get(10)?;
    Ok(Source {
        file: FileId(row.get(0)?),
        item: ItemId(row.get(1)?),
        root: changes::path_from(row.get(2)?),
        dir: changes::path_from(row.get(3)?),
        name: OsString::from_vec(row.get(4)?),
        stat: FileStat {
            size: row.get::<_, i64>(5)? as u64,
            mtime_ns: row.get(6)?,
            ctime_ns: row.get(7)?,
            dev: row.get::<_, i64>(8)? as u64,
            inode: row.get::<_, i64>(9)? as u64,
        },
        // The schema allows no other length.
        hash: ContentHash(hash.try_into().unwrap_or_default()),
    })
}

/// Files whose item was read back.
pub(super) const READY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
      CROSS JOIN dirs ON dirs.id = files.dir_id CROSS JOIN items ON items.id = files.item_id
      WHERE files.afterwards = 'ready' AND files.act_at <= ?1 ORDER BY files.act_at LIMIT ?2"
);

/// Files whose item nobody has been told to ask for.
pub(super) const UNARRANGED: &str = "SELECT files.id, items.id, items.verify_at, items.made_at
     FROM files CROSS JOIN items ON items.id = files.item_id
     WHERE files.afterwards = 'waits' AND files.act_at = 0 LIMIT ?1";

/// When something of all this is due in a root that is present.
pub(super) const NEXT_SOURCE: &str = "SELECT min(due) FROM (
     SELECT (SELECT act_at FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
             WHERE files.afterwards = 'ready' AND files.act_at IS NOT NULL ORDER BY files.act_at LIMIT 1) AS due
     UNION ALL
     SELECT (SELECT act_at FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
             WHERE files.afterwards = 'waits' AND files.act_at IS NOT NULL ORDER BY files.act_at LIMIT 1))";

/// What stayed is looked at anew.
pub(super) const RECONSIDER: &str = "UPDATE files SET (afterwards, act_at, stays) =
         (SELECT afterwards, act_at, stays FROM afterwards_of_items WHERE item_id = files.item_id)
     WHERE afterwards = 'stays'";

/// A placement that keeps the item's files where they are; a refused one counts after all others.
pub(super) const HELD_BY: &str =
    "SELECT placements.state, albums.title FROM placements CROSS JOIN albums ON albums.id = placements.album_id
     WHERE placements.item_id = ?1 AND placements.state IN ('wanted', 'refused')
     ORDER BY placements.state = 'refused' LIMIT 1";

/// Whether a file of a root that is present waits for its time.
pub(super) const SOURCES_MOVE: &str = "SELECT EXISTS (
         SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
         WHERE files.afterwards = 'waits')
     OR EXISTS (
         SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
         WHERE files.afterwards = 'ready')";

/// A row of `verify_at` that nobody fills would be waited for for ever.
pub(super) fn asked_again(db: &Connection, item: ItemId, verify_at: i64) -> Result<()> {
    db.prepare_cached("UPDATE files SET act_at = ?2 WHERE item_id = ?1 AND afterwards = 'waits'")?
        .execute(params![item.0, verify_at.max(1)])?;
    Ok(())
}

/// Whether any file waits for this item to be read back.
pub(super) fn is_waited_for(db: &Connection, item: ItemId) -> Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM files WHERE item_id = ?1 AND afterwards = 'waits')",
    )?
    .query_row([item.0], |row| row.get(0))
    .map_err(Error::from)
}
