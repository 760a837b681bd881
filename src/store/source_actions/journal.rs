//! The journal of what was done to files: every move and deletion, before it is done and after.

use crate::store::Reader;
use std::{os::unix::ffi::OsStrExt as _, path::PathBuf};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Act, Blockers, Intended, Source, clearance, columns, source, stays, waits};
use crate::{
    model::ids::{ActId, FileId, ItemId},
    store::{Result, Store, items, row},
};

impl Store {
    /// Whether an act of an earlier run has no outcome yet.
    pub async fn any_act_is_open(&self) -> Result<bool> {
        Ok(!self.open_acts().await?.is_empty())
    }

    /// Journals what is about to be done, written through to the disk. Gives those that may be done:
    /// what changed since it was looked at is left out.
    pub async fn intend(&self, acts: Vec<(Source, Act)>, now: Timestamp) -> Result<Vec<Intended>> {
        self.write_durably(move |db| {
            let mut intended = Vec::with_capacity(acts.len());
            for (source, act) in acts {
                if !still_free(db, &source)? || clearance(db, source.item)? != Blockers::Free {
                    continue;
                }
                let (word, to) = match &act {
                    Act::Move(to) => ("move", Some(to.as_os_str().as_bytes())),
                    Act::Delete => ("delete", None),
                };
                db.prepare_cached(
                    "INSERT INTO source_acts (file_id, item_id, action, from_path, to_path, intended_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    source.file.0,
                    source.item.0,
                    word,
                    source.path().as_os_str().as_bytes(),
                    to,
                    now.as_millisecond()
                ])?;
                let id = ActId(db.last_insert_rowid());
                intended.push(Intended { id, source, act });
            }
            Ok(intended)
        })
        .await
    }

    /// The file is where it was to go, or deleted: it is gone, by Albumen's own hand.
    pub async fn acted(&self, id: ActId, file: FileId, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            let item: Option<i64> = db
                .prepare_cached("SELECT item_id FROM source_acts WHERE id = ?1")?
                .query_row([id.0], |row| row.get(0))
                .optional()?;
            db.prepare_cached("UPDATE source_acts SET done_at = ?2 WHERE id = ?1 AND error IS NULL")?
                .execute(params![id.0, now.as_millisecond()])?;
            // Something else may have taken the name meanwhile, and a scan may have seen that.
            let detach_file = db
                .prepare_cached(
                    "UPDATE files SET state = 'gone', missed = 0, changed_at = ?3
                     WHERE id = ?1 AND item_id = ?2 AND state IN ('held', 'gone')",
                )?
                .execute(params![file.0, item, now.as_millisecond()])?;
            if let (1, Some(item)) = (detach_file, item) {
                db.prepare_cached(
                    "UPDATE files SET afterwards = 'done', act_at = NULL, stays = NULL WHERE id = ?1",
                )?
                .execute([file.0])?;
                items::detach_file(db, ItemId(item), file, now)?;
            }
            Ok(())
        })
        .await
    }

    /// Nothing was done, and why: the file stays, or is looked at anew at the time of `again`.
    pub async fn not_acted(
        &self,
        id: ActId,
        file: FileId,
        reason: String,
        again: Option<Timestamp>,
    ) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE source_acts SET error = ?2 WHERE id = ?1 AND done_at IS NULL",
            )?
            .execute(params![id.0, reason])?;
            match again {
                Some(act_at) => waits(db, file, act_at),
                None => stays(db, file, &reason),
            }
        })
        .await
    }

    /// Where the disk is mounted that this folder was on when files were moved to it last; none if none
    /// ever were.
    pub async fn target_mount(&self, target: PathBuf) -> Result<Option<PathBuf>> {
        self.write(move |db| {
            let mount = db
                .prepare_cached("SELECT mount FROM targets WHERE path = ?1")?
                .query_row([target.as_os_str().as_bytes()], |row| row.get(0))
                .optional()?;
            Ok(mount.map(row::path_from))
        })
        .await
    }

    /// Files are about to be moved to this folder, whose disk is mounted there.
    pub async fn target_is(&self, target: PathBuf, mount: PathBuf) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached("INSERT OR REPLACE INTO targets (path, mount) VALUES (?1, ?2)")?
                .execute([target.as_os_str().as_bytes(), mount.as_os_str().as_bytes()])?;
            Ok(())
        })
        .await
    }

    /// What was intended and has no outcome: a crash came between.
    pub async fn open_acts(&self) -> Result<Vec<Intended>> {
        self.write(|db| {
            let rows = db
                .prepare_cached(OPEN)?
                .query_map([], |row| {
                    let to: Option<Vec<u8>> = row.get(12)?;
                    let act = to.map_or(Act::Delete, |to| Act::Move(row::path_from(to)));
                    Ok(Intended {
                        id: ActId(row.get(11)?),
                        source: source(row)?,
                        act,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
        .await
    }
}

/// Whether the rows still say what they said when the file was looked at.
fn still_free(db: &Reader, source: &Source) -> Result<bool> {
    Ok(db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM files JOIN items ON items.id = files.item_id
                            WHERE files.id = ?1 AND items.id = ?2 AND files.state = 'held'
                                  AND files.afterwards = 'ready' AND files.size = ?3 AND files.mtime_ns = ?4
                                  AND items.state = 'verified' AND items.read_back = 'sound'
                                  AND items.hash = ?5)",
        )?
        .query_row(
            params![
                source.file.0,
                source.item.0,
                source.stat.size as i64,
                source.stat.mtime_ns,
                source.hash.0.as_slice()
            ],
            |row| row.get(0),
        )?)
}

/// Acts that a crash cut short.
pub(in crate::store) const OPEN: &str = concat!(
    "SELECT ",
    columns!(),
    ", source_acts.id, source_acts.to_path
      FROM source_acts CROSS JOIN files ON files.id = source_acts.file_id
      CROSS JOIN roots ON roots.id = files.root_id
      CROSS JOIN dirs ON dirs.id = files.dir_id CROSS JOIN items ON items.id = source_acts.item_id
      WHERE source_acts.done_at IS NULL AND source_acts.error IS NULL ORDER BY source_acts.id"
);
