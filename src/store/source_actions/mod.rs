//! What becomes of files whose pictures are safely in the library: which of them are due, and the
//! journal of what was done to them.
//!
//! The state of each file (`files.afterwards`) is kept by triggers of the schema, from the state of
//! its item; the verbs here only move it on. Nothing is done to a file that was not journalled by
//! [`Store::intend`], and a file that Albumen let go is marked `gone` by [`Store::acted`] and by
//! nothing else: it is not a file that somebody deleted.

mod journal;
mod report;
mod verification;

use crate::store::Reader;
use crate::store::Tx;
use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::PathBuf,
};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{FileStat, Result, Store, row};
use crate::{
    clock,
    model::ids::{ActId, ContentHash, FileId, ItemId},
};

#[cfg(test)]
pub(super) use journal::OPEN;
pub use report::AfterView;
#[cfg(test)]
pub(super) use verification::{ARRANGED, UNARRANGED};
pub(super) use verification::{asked_again, is_waited_for};

use verification::{ASK_ANEW, is_recent};

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
pub enum Blockers {
    /// Nothing holds it.
    Free,
    /// Its picture is still to be put into an album.
    Wanted,
    /// An album refused its picture; its title.
    Refused(String),
}

impl Store {
    /// At each start: these roots act, and no others. What stayed or rested is looked at anew: the
    /// trouble may be over.
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
            db.execute(WAKE, [])?;
            Ok(())
        })
        .await
    }

    /// Up to `n` files that may be looked at now, of roots that are present, each with what holds it;
    /// none if there is none. Those whose items were read back too long ago are left out: they wait
    /// for another answer.
    pub async fn sources(
        &self,
        n: usize,
        now: Timestamp,
    ) -> Result<Option<Vec<(Source, Blockers)>>> {
        self.write(move |db| {
            let found: Vec<Source> = db
                .prepare_cached(READY)?
                .query_map(params![now.as_millisecond(), n as i64], source)?
                .collect::<rusqlite::Result<_>>()?;
            if found.is_empty() {
                return Ok(None);
            }
            let mut due = Vec::with_capacity(found.len());
            for source in found {
                if is_recent(db, source.item, now)? {
                    due.push((clearance(db, source.item)?, source));
                } else {
                    db.prepare_cached(ASK_ANEW)?.execute([source.item.0])?;
                }
            }
            let due = due.into_iter();
            Ok(Some(
                due.map(|(clearance, source)| (source, clearance)).collect(),
            ))
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

    /// What stays is looked at anew: a trouble is over that many had in common.
    pub async fn sources_reconsidered(&self) -> Result<()> {
        self.write(|db| {
            db.execute(RECONSIDER, [])?;
            Ok(())
        })
        .await
    }

    /// The file is looked at again at `act_at`.
    pub async fn source_waits(&self, file: FileId, act_at: Timestamp) -> Result<()> {
        self.write(move |db| waits(db, file, act_at)).await
    }

    /// Nothing is done about these files in this run, and nothing is waited for.
    pub async fn sources_rest(&self, files: Vec<FileId>) -> Result<()> {
        self.write(move |db| {
            for file in files {
                db.prepare_cached(
                    "UPDATE files SET act_at = NULL WHERE id = ?1 AND afterwards IN ('waits', 'ready')",
                )?
                .execute([file.0])?;
            }
            Ok(())
        })
        .await
    }

    /// The file stays where it is, and why.
    pub async fn source_stays(&self, file: FileId, reason: String) -> Result<()> {
        self.write(move |db| stays(db, file, &reason)).await
    }
}

/// The root acts from now on; what it holds already is considered, too, and asked for anew: what the
/// service said before is of a time when nothing hung on it.
fn root_acts(db: &Tx, path: &std::path::Path) -> Result<()> {
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
            "UPDATE items SET question = question + 1
             WHERE id IN (SELECT files.item_id FROM roots JOIN dirs ON dirs.root_id = roots.id
                                 JOIN files ON files.dir_id = dirs.id
                          WHERE roots.path = ?1 AND files.state = 'held')",
            [path],
        )?;
        db.execute(
            "UPDATE files SET (afterwards, act_at, stays) =
                 (SELECT iif(afterwards = 'ready', 'waits', afterwards), act_at, stays
                  FROM afterwards_of_items WHERE item_id = files.item_id)
             WHERE dir_id IN (SELECT dirs.id FROM dirs JOIN roots ON roots.id = dirs.root_id
                              WHERE roots.path = ?1)
                   AND state = 'held'",
            [path],
        )?;
    }
    Ok(())
}

fn waits(db: &Tx, file: FileId, act_at: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE files SET act_at = ?2 WHERE id = ?1 AND afterwards = 'ready'")?
        .execute(params![file.0, act_at.as_millisecond()])?;
    Ok(())
}

fn stays(db: &Tx, file: FileId, reason: &str) -> Result<()> {
    db.prepare_cached(
        "UPDATE files SET afterwards = 'stays', act_at = iif(afterwards = 'waits', 0, NULL), stays = ?2
         WHERE id = ?1 AND afterwards IN ('waits', 'ready')",
    )?
    .execute(params![file.0, reason])?;
    Ok(())
}

/// What holds the files of an item.
fn clearance(db: &Reader, item: ItemId) -> Result<Blockers> {
    let held: Option<(String, Option<String>)> = db
        .prepare_cached(HELD_BY)?
        .query_row([item.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match held {
        None => Blockers::Free,
        Some((state, title)) if state == "refused" => Blockers::Refused(title.unwrap_or_default()),
        Some(_) => Blockers::Wanted,
    })
}

fn source(row: &Row<'_>) -> rusqlite::Result<Source> {
    let hash: Vec<u8> = row.get(10)?;
    Ok(Source {
        file: FileId(row.get(0)?),
        item: ItemId(row.get(1)?),
        root: row::path_from(row.get(2)?),
        dir: row::path_from(row.get(3)?),
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

/// When something of all this is due in a root that is present.
pub(super) const NEXT_SOURCE: &str = "SELECT min(due) FROM (
     SELECT (SELECT act_at FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
             WHERE files.afterwards = 'ready' AND files.act_at >= 0 ORDER BY files.act_at LIMIT 1) AS due
     UNION ALL
     SELECT (SELECT act_at FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
             WHERE files.afterwards = 'waits' AND files.act_at >= 0 ORDER BY files.act_at LIMIT 1))";

/// What stayed is looked at anew. One that stayed before it was asked for (0) is to be asked for first.
pub(super) const RECONSIDER: &str = "UPDATE files SET (afterwards, act_at, stays) =
         (SELECT iif(after.afterwards = 'ready' AND files.act_at = 0, 'waits', after.afterwards),
                 after.act_at, after.stays
          FROM afterwards_of_items AS after WHERE after.item_id = files.item_id)
     WHERE afterwards = 'stays'";

/// What rested in an earlier run is considered.
pub(super) const WAKE: &str =
    "UPDATE files SET act_at = 0 WHERE afterwards IN ('waits', 'ready') AND act_at IS NULL";

/// A placement that keeps the item's files where they are; a refused one counts after all others.
pub(super) const HELD_BY: &str =
    "SELECT placements.state, albums.title FROM placements CROSS JOIN albums ON albums.id = placements.album_id
     WHERE placements.item_id = ?1 AND placements.state IN ('wanted', 'refused')
     ORDER BY placements.state = 'refused' LIMIT 1";

/// Whether a file of a root that is present waits for its time. What rests has none.
pub(super) const SOURCES_MOVE: &str = "SELECT EXISTS (
         SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
         WHERE files.afterwards = 'waits' AND files.act_at >= 0)
     OR EXISTS (
         SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
         WHERE files.afterwards = 'ready' AND files.act_at >= 0)";
