//! `after_upload`: which files are to be moved or deleted, and the journal of those actions.
//!
//! Triggers set `files.action_state` from the state of the item; the methods here move it on. Nothing is done to a
//! file without a row that [`Tx::intend`] wrote, and only [`Tx::acted`] marks a file as `gone` that Albumen itself
//! moved or deleted: the user did not delete it.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use jiff::Timestamp;

use super::{
    FileStat, Reader, Result, Tx, items, oauth_client,
    row::{from_row, params},
    writer::store_methods,
};
use crate::{
    clock,
    model::ids::{ActId, ContentHash, FileId, ItemId},
};

/// The columns of a [`Source`].
macro_rules! columns {
    () => {
        "files.id, items.id, roots.path, dirs.path, files.name, files.size, files.mtime_ns,
         files.ctime_ns, files.dev, files.inode, items.hash"
    };
}

/// The tables that those columns are read from, and that the root is present.
macro_rules! present {
    () => {
        " FROM files CROSS JOIN roots ON roots.id = files.root_id AND roots.claimable = 1 AND roots.away = 0 "
    };
}

/// A file that `after_upload` is about.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its row.
    pub file: FileId,
    /// Its content.
    pub item: ItemId,
    /// The path of its root.
    pub root: PathBuf,
    /// Its directory, relative to the root.
    pub dir: PathBuf,
    /// Its name there.
    pub name: OsString,
    /// What the file system said when it was hashed or last looked at.
    pub stat: FileStat,
    /// The hash of the bytes that were uploaded.
    pub hash: ContentHash,
}

from_row!(Source {
    file,
    item,
    root,
    dir,
    name,
    stat,
    hash
});

impl Source {
    /// Its path.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.dir).join(&self.name)
    }
}

/// What is to be done to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Move it to this path.
    Move(PathBuf),
    /// Delete it.
    Delete,
}

/// An action in the journal.
#[derive(Debug, Clone)]
pub struct Intended {
    /// Its row.
    pub id: ActId,
    /// The file.
    pub source: Source,
    /// The action.
    pub act: Act,
}

/// Whether a placement forbids an action on the item's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blockers {
    /// None does.
    Free,
    /// The item is still to be put into an album.
    Wanted,
    /// An album refused the item; its title.
    Refused(String),
}

/// What `after_upload` does with a file, for `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterView {
    /// It waits for the verification of its item, at this time if one is set.
    Waits(Option<Timestamp>),
    /// Its item is verified: it is moved or deleted now, or at this time.
    Ready(Option<Timestamp>),
    /// It stays where it is, and why.
    Stays(String),
    /// It was moved to this path or deleted, and when.
    Done(Option<PathBuf>, Timestamp),
}

store_methods! {
    write fn roots_act(acting: Vec<PathBuf>) -> ();
    write fn sources(n: usize, now: Timestamp) -> Option<Vec<(Source, Blockers)>>;
    write fn next_source() -> Option<Timestamp>;
    write fn sources_reconsidered() -> ();
    write fn source_waits(file: FileId, until: Timestamp) -> ();
    write fn sources_rest(files: Vec<FileId>) -> ();
    write fn source_stays(file: FileId, reason: String) -> ();
    write fn reset_verification() -> ();
    write fn unrequested(n: usize) -> Vec<Source>;
    write fn arrange_read_back(files: Vec<FileId>, grace: Duration, now: Timestamp) -> ();
    write_durably fn intend(acts: Vec<(Source, Act)>, now: Timestamp) -> Vec<Intended>;
    write fn acted(id: ActId, file: FileId, now: Timestamp) -> ();
    write fn not_acted(id: ActId, file: FileId, reason: String, again: Option<Timestamp>) -> ();
    write fn open_acts() -> Vec<Intended>;
    write fn target_mount(target: PathBuf) -> Option<PathBuf>;
    write fn target_is(target: PathBuf, mount: PathBuf) -> ();
}

// Which files are due.
impl Tx {
    /// At each start: exactly these roots have an action. Files that were kept or passed over are looked at again:
    /// the reason may be gone.
    pub fn roots_act(&self, acting: Vec<PathBuf>) -> Result<()> {
        let sql = "SELECT id, path FROM roots WHERE has_action = 1";
        for (root, path) in self.all::<(i64, PathBuf)>(sql, params![])? {
            if !acting.contains(&path) {
                let sql = "UPDATE roots SET has_action = 0 WHERE id = ?1";
                self.execute(sql, params![root])?;
                self.execute(
                    "UPDATE files SET action_state = NULL, next_action_at = NULL, kept_reason = NULL
                     WHERE action_state IN ('waiting', 'ready', 'kept') AND root_id = ?1",
                    params![root],
                )?;
            }
        }
        for path in acting {
            enable_action(self, path)?;
        }
        self.execute(RECONSIDER, params![])?;
        self.execute(WAKE, params![])?;
        Ok(())
    }

    /// Up to `n` files of present roots that may be looked at now, each with what forbids an action; none if
    /// there is no such file. A file whose item was verified too long ago is left out and waits for another
    /// verification.
    pub fn sources(&self, n: usize, now: Timestamp) -> Result<Option<Vec<(Source, Blockers)>>> {
        let ready: Vec<Source> = self.all(READY, params![now, n])?;
        if ready.is_empty() {
            return Ok(None);
        }
        let mut due = Vec::with_capacity(ready.len());
        for source in ready {
            if is_recent(self, source.item, now)? {
                let blockers = blockers(self, source.item)?;
                due.push((source, blockers));
            } else {
                self.execute(VERIFY_AGAIN, params![source.item])?;
            }
        }
        Ok(Some(due))
    }

    /// When the next file of a present root may be looked at, or its item is verified.
    pub fn next_source(&self) -> Result<Option<Timestamp>> {
        self.one(NEXT_SOURCE, params![])
    }

    /// Looks at all kept files again: a problem is over that many had in common.
    pub fn sources_reconsidered(&self) -> Result<()> {
        self.execute(RECONSIDER, params![])?;
        Ok(())
    }

    /// The file is looked at again at `until`.
    pub fn source_waits(&self, file: FileId, until: Timestamp) -> Result<()> {
        let sql = "UPDATE files SET next_action_at = ?2 WHERE id = ?1 AND action_state = 'ready'";
        self.execute(sql, params![file, until])?;
        Ok(())
    }

    /// Passes over these files in this run.
    pub fn sources_rest(&self, files: Vec<FileId>) -> Result<()> {
        for file in files {
            self.execute(
                "UPDATE files SET next_action_at = NULL
                 WHERE id = ?1 AND action_state IN ('waiting', 'ready')",
                params![file],
            )?;
        }
        Ok(())
    }

    /// The file stays where it is.
    pub fn source_stays(&self, file: FileId, reason: String) -> Result<()> {
        self.execute(
            "UPDATE files SET action_state = 'kept', kept_reason = ?2,
                    next_action_at = iif(action_state = 'waiting', 0, NULL)
             WHERE id = ?1 AND action_state IN ('waiting', 'ready')",
            params![file, reason],
        )?;
        Ok(())
    }
}

/// The root has an action from now on; this includes the files it holds already. Their items are verified again:
/// earlier answers date from a time when no file depended on them.
fn enable_action(db: &Tx, path: PathBuf) -> Result<()> {
    db.execute(
        "INSERT INTO roots (path, configured) VALUES (?1, 1) ON CONFLICT (path) DO NOTHING",
        params![path],
    )?;
    let sql = "UPDATE roots SET has_action = 1 WHERE path = ?1 AND has_action = 0";
    if db.execute(sql, params![path])? == 0 {
        return Ok(());
    }
    db.execute(
        "UPDATE items SET verify_generation = verify_generation + 1
         WHERE id IN (SELECT files.item_id FROM roots JOIN dirs ON dirs.root_id = roots.id
                             JOIN files ON files.dir_id = dirs.id
                      WHERE roots.path = ?1 AND files.state = 'attached')",
        params![path],
    )?;
    db.execute(
        "UPDATE files SET (action_state, next_action_at, kept_reason) =
             (SELECT iif(action_state = 'ready', 'waiting', action_state), next_action_at, kept_reason
              FROM action_states WHERE item_id = files.item_id)
         WHERE dir_id IN (SELECT dirs.id FROM dirs JOIN roots ON roots.id = dirs.root_id
                          WHERE roots.path = ?1)
               AND state = 'attached'",
        params![path],
    )?;
    Ok(())
}

/// Which placement forbids an action on the files of an item.
fn blockers(db: &Reader, item: ItemId) -> Result<Blockers> {
    let blocker: Option<(String, String)> = db.opt(BLOCKED_BY, params![item])?;
    Ok(match blocker {
        None => Blockers::Free,
        Some((state, title)) if state == "refused" => Blockers::Refused(title),
        Some(_) => Blockers::Wanted,
    })
}

/// Files whose item is verified.
pub(super) const READY: &str = concat!(
    "SELECT ",
    columns!(),
    present!(),
    "CROSS JOIN dirs ON dirs.id = files.dir_id CROSS JOIN items ON items.id = files.item_id
     WHERE files.action_state = 'ready' AND files.next_action_at <= ?1 ORDER BY files.next_action_at LIMIT ?2"
);

/// When something of all this is due in a present root.
pub(super) const NEXT_SOURCE: &str = concat!(
    "SELECT min(due) FROM (SELECT (SELECT next_action_at",
    present!(),
    "WHERE files.action_state = 'ready' AND files.next_action_at >= 0 ORDER BY files.next_action_at LIMIT 1) AS due
     UNION ALL SELECT (SELECT next_action_at",
    present!(),
    "WHERE files.action_state = 'waiting' AND files.next_action_at >= 0 ORDER BY files.next_action_at LIMIT 1))"
);

/// Whether a file of a present root waits for its time. One that is passed over has none.
pub(super) const SOURCES_MOVE: &str = concat!(
    "SELECT EXISTS (SELECT 1",
    present!(),
    "WHERE files.action_state = 'waiting' AND files.next_action_at >= 0) OR EXISTS (SELECT 1",
    present!(),
    "WHERE files.action_state = 'ready' AND files.next_action_at >= 0)"
);

/// Kept files are looked at again. One that was kept before its item was requested (0) waits for that first.
pub(super) const RECONSIDER: &str = "UPDATE files SET (action_state, next_action_at, kept_reason) =
         (SELECT iif(after.action_state = 'ready' AND files.next_action_at = 0, 'waiting', after.action_state),
                 after.next_action_at, after.kept_reason
          FROM action_states AS after WHERE after.item_id = files.item_id)
     WHERE action_state = 'kept'";

/// Files that were passed over in an earlier run.
pub(super) const WAKE: &str = "UPDATE files SET next_action_at = 0
     WHERE action_state IN ('waiting', 'ready') AND next_action_at IS NULL";

/// A placement that forbids an action on the item's files; a wanted one before a refused one.
pub(super) const BLOCKED_BY: &str =
    "SELECT placements.state, albums.title FROM placements CROSS JOIN albums ON albums.id = placements.album_id
     WHERE placements.item_id = ?1 AND placements.state IN ('wanted', 'refused')
     ORDER BY placements.state = 'refused' LIMIT 1";

// Verifications that files wait for.

/// How long a verification counts: after that the item may have been deleted from the library again. A day is
/// long enough for everything that a file usually waits for.
const COUNTS_FOR: Duration = Duration::from_hours(24);

/// Why a file is kept whose item the service does not show to this OAuth client.
const OF_ANOTHER: &str =
    "another OAuth client sent its picture, and only that one can ask whether it is there";

impl Tx {
    /// All verifications are requested again by way of [`Tx::unrequested`]: this run is about some paths only.
    pub fn reset_verification(&self) -> Result<()> {
        self.execute(REQUESTED, params![])?;
        Ok(())
    }

    /// Up to `n` files that wait for a verification that was not requested yet.
    pub fn unrequested(&self, n: usize) -> Result<Vec<Source>> {
        self.all(UNREQUESTED, params![n])
    }

    /// Requests the verification of the item of each of these files, `grace` after its creation.
    pub fn arrange_read_back(
        &self,
        files: Vec<FileId>,
        grace: Duration,
        now: Timestamp,
    ) -> Result<()> {
        for file in files {
            let client_since = oauth_client::CLIENT_SINCE;
            let waiting: Option<(ItemId, Option<Timestamp>, Option<Timestamp>, bool)> =
                self.opt(TO_REQUEST, params![file, client_since])?;
            let Some((item, verify_at, created_at, is_of_another)) = waiting else {
                continue;
            };
            if is_of_another {
                self.source_stays(file, OF_ANOTHER.to_owned())?;
                continue;
            }
            let due = verify_at
                .unwrap_or_else(|| clock::after(created_at.unwrap_or(now), grace).max(now));
            // An earlier answer is none to this request.
            self.execute(
                "UPDATE items SET verify_at = ?2, verify_result = NULL WHERE id = ?1 AND verify_at IS NULL",
                params![item, due],
            )?;
            let sql = "UPDATE files SET next_action_at = max(?2, 1) WHERE id = ?1";
            self.execute(sql, params![file, due])?;
        }
        Ok(())
    }
}

/// Whether the item was verified lately. A time in the future does not count.
fn is_recent(db: &Reader, item: ItemId, now: Timestamp) -> Result<bool> {
    let sql = "SELECT verify_result_at FROM items WHERE id = ?1";
    let at: Option<Timestamp> = db.one(sql, params![item])?;
    Ok(at.is_some_and(|at| at <= now && now < clock::after(at, COUNTS_FOR)))
}

/// The item is verified at this time: files that wait for it wait until then.
pub(super) fn verification_due(db: &Tx, item: ItemId, verify_at: Timestamp) -> Result<()> {
    db.execute(
        "UPDATE files SET next_action_at = max(?2, 1) WHERE item_id = ?1 AND action_state = 'waiting'",
        params![item, verify_at],
    )?;
    Ok(())
}

/// Whether any file waits for the verification of this item.
pub(super) fn is_waited_for(db: &Reader, item: ItemId) -> Result<bool> {
    let sql = "SELECT 1 FROM files WHERE item_id = ?1 AND action_state = 'waiting'";
    db.exists(sql, params![item])
}

/// Files whose verification is not requested yet.
pub(super) const UNREQUESTED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM files CROSS JOIN roots ON roots.id = files.root_id
      CROSS JOIN dirs ON dirs.id = files.dir_id CROSS JOIN items ON items.id = files.item_id
      WHERE files.action_state = 'waiting' AND files.next_action_at = 0 LIMIT ?1"
);

/// The item of one of those, when it is verified anyway, when it was created, and whether by another OAuth client.
const TO_REQUEST: &str = "SELECT items.id, items.verify_at, items.created_at,
            coalesce(items.created_at < (SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?2), 0)
     FROM files JOIN items ON items.id = files.item_id
     WHERE files.id = ?1 AND files.action_state = 'waiting' AND files.next_action_at = 0";

/// Earlier answers about the item do not count any more.
const VERIFY_AGAIN: &str =
    "UPDATE items SET verify_result = NULL, verify_generation = verify_generation + 1
     WHERE id = ?1 AND verify_result = 'sound'";

/// Verifications that an earlier run requested.
pub(super) const REQUESTED: &str =
    "UPDATE files SET next_action_at = 0 WHERE action_state = 'waiting' AND next_action_at > 0";

// The journal of actions.
impl Tx {
    /// Journals what is about to be done. Returns the actions that may be carried out: a file whose rows have
    /// changed since it was looked at is left out.
    pub fn intend(&self, acts: Vec<(Source, Act)>, now: Timestamp) -> Result<Vec<Intended>> {
        let mut intended = Vec::with_capacity(acts.len());
        for (source, act) in acts {
            let is_unchanged = self.exists(
                "SELECT 1 FROM files JOIN items ON items.id = files.item_id
                 WHERE files.id = ?1 AND items.id = ?2 AND files.state = 'attached'
                       AND files.action_state = 'ready' AND files.size = ?3 AND files.mtime_ns = ?4
                       AND items.state = 'verified' AND items.verify_result = 'sound' AND items.hash = ?5",
                params![
                    source.file,
                    source.item,
                    source.stat.size,
                    source.stat.mtime_ns,
                    source.hash
                ],
            )?;
            if !is_unchanged || blockers(self, source.item)? != Blockers::Free {
                continue;
            }
            let (action, to) = match &act {
                Act::Move(to) => ("move", Some(to)),
                Act::Delete => ("delete", None),
            };
            let id = ActId(self.insert(
                "INSERT INTO source_actions (file_id, item_id, action, from_path, to_path, intended_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![source.file, source.item, action, source.path(), to, now],
            )?);
            intended.push(Intended { id, source, act });
        }
        Ok(intended)
    }

    /// The action is done: the file is gone, and Albumen did it.
    pub fn acted(&self, id: ActId, file: FileId, now: Timestamp) -> Result<()> {
        let sql = "SELECT item_id FROM source_actions WHERE id = ?1";
        let Some(item) = self.opt::<ItemId>(sql, params![id])? else {
            return Ok(());
        };
        let sql = "UPDATE source_actions SET done_at = ?2 WHERE id = ?1 AND error IS NULL";
        self.execute(sql, params![id, now])?;
        // Another file may have got the name meanwhile, and a scan may have seen that.
        let is_gone = self.execute(
            "UPDATE files SET state = 'gone', missed_scans = 0, changed_at = ?3
             WHERE id = ?1 AND item_id = ?2 AND state IN ('attached', 'gone')",
            params![file, item, now],
        )?;
        if is_gone == 1 {
            self.execute(
                "UPDATE files SET action_state = 'done', next_action_at = NULL, kept_reason = NULL WHERE id = ?1",
                params![file],
            )?;
            items::detach_file(self, item, file, now)?;
        }
        Ok(())
    }

    /// Nothing was done. The file stays, or is looked at again at the time `again`.
    pub fn not_acted(
        &self,
        id: ActId,
        file: FileId,
        reason: String,
        again: Option<Timestamp>,
    ) -> Result<()> {
        let sql = "UPDATE source_actions SET error = ?2 WHERE id = ?1 AND done_at IS NULL";
        self.execute(sql, params![id, reason])?;
        match again {
            Some(again) => self.source_waits(file, again),
            None => self.source_stays(file, reason),
        }
    }

    /// Actions without a recorded result: a crash interrupted them.
    pub fn open_acts(&self) -> Result<Vec<Intended>> {
        let rows: Vec<(Source, ActId, Option<PathBuf>)> = self.all(OPEN, params![])?;
        let intended = rows.into_iter().map(|(source, id, to)| Intended {
            id,
            source,
            act: to.map_or(Act::Delete, Act::Move),
        });
        Ok(intended.collect())
    }

    /// The mount point of the disk that this folder was on when files were last moved to it, if ever.
    pub fn target_mount(&self, target: PathBuf) -> Result<Option<PathBuf>> {
        let sql = "SELECT mount FROM move_targets WHERE path = ?1";
        self.opt(sql, params![target])
    }

    /// Files are about to be moved to this folder, whose disk has this mount point.
    pub fn target_is(&self, target: PathBuf, mount: PathBuf) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO move_targets (path, mount) VALUES (?1, ?2)";
        self.execute(sql, params![target, mount])?;
        Ok(())
    }
}

/// Actions that were interrupted.
pub(super) const OPEN: &str = concat!(
    "SELECT ",
    columns!(),
    ", source_actions.id, source_actions.to_path
      FROM source_actions CROSS JOIN files ON files.id = source_actions.file_id
      CROSS JOIN roots ON roots.id = files.root_id
      CROSS JOIN dirs ON dirs.id = files.dir_id CROSS JOIN items ON items.id = source_actions.item_id
      WHERE source_actions.done_at IS NULL AND source_actions.error IS NULL ORDER BY source_actions.id"
);

impl Reader {
    /// What `after_upload` does with the file, or has done; none if nothing.
    pub fn afterwards(&self, file: FileId) -> Result<Option<AfterView>> {
        type Row = (
            Option<String>,
            Option<Timestamp>,
            Option<String>,
            Option<PathBuf>,
            Option<Timestamp>,
        );
        let row: Option<Row> = self.opt(
            "SELECT files.action_state, files.next_action_at, files.kept_reason, source_actions.to_path,
                    source_actions.done_at
             FROM files LEFT JOIN source_actions ON source_actions.id = (
                 SELECT max(id) FROM source_actions WHERE file_id = files.id AND done_at IS NOT NULL)
             WHERE files.id = ?1",
            params![file],
        )?;
        let Some((state, at, reason, to, done_at)) = row else {
            return Ok(None);
        };
        // 0 and 1 are no times: not requested yet, and at once.
        let at = at.filter(|at| at.as_millisecond() > 1);
        Ok(match state.as_deref() {
            Some("waiting") => Some(AfterView::Waits(at)),
            Some("ready") => Some(AfterView::Ready(at)),
            Some("kept") => Some(AfterView::Stays(reason.unwrap_or_default())),
            Some("done") => done_at.map(|at| AfterView::Done(to, at)),
            _ => None,
        })
    }
}
