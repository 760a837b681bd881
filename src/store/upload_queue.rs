//! From a queued file to an upload slot, and from its hash to an item.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{
    DescriptionSource, FileStat, Reader, Result, Session, Store, Tx, attach, descriptions, items,
    row,
};
use crate::{
    clock,
    model::{
        ids::{AlbumRow, ContentHash, FileId, ItemId, RootId},
        item::{Event, State},
    },
};

/// A file that an upload slot reads now.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its row.
    pub file: FileId,
    /// Its root.
    pub root: RootId,
    /// Where its root is.
    pub root_path: PathBuf,
    /// Where it is.
    pub path: PathBuf,
    /// Its name.
    pub name: OsString,
    /// What it looked like when it was queued.
    pub stat: FileStat,
    /// How often it could not be read or sent.
    pub attempts: u32,
    /// How long it had to stand still, milliseconds.
    pub settle_ms: u64,
    /// Its album.
    pub album: AlbumRow,
}

/// What a claimed file holds.
#[derive(Debug, Clone)]
pub struct Content {
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// How many.
    pub size: u64,
    /// What kind, as the service names it.
    pub mime: &'static str,
    /// The name under which the media item appears.
    pub file_name: String,
    /// What a person wrote about it; none where the folder sends no descriptions.
    pub words: Option<DescriptionSource>,
}

/// What the hash of a claimed file led to.
#[derive(Debug, Clone)]
pub enum Hashed {
    /// The bytes are to be sent, or to be sent on where the session stopped.
    Send(ItemId, Option<Session>),
    /// The content is known: not a byte is sent, and perhaps a placement is made.
    Known(ItemId, State),
}

/// A root whose files may be claimed and are waited for.
pub(super) struct OpenRoot {
    pub(super) id: i64,
    path: PathBuf,
}

/// The roots whose files may be claimed and are waited for. The queue is asked for each of them by
/// itself: a closed root with a million files in the queue then costs nothing.
pub(super) fn open_roots(db: &Reader) -> Result<Vec<OpenRoot>> {
    let roots = db
        .prepare_cached("SELECT id, path FROM roots WHERE open = 1 AND away = 0 ORDER BY id")?
        .query_map([], |row| {
            Ok(OpenRoot {
                id: row.get(0)?,
                path: row::path_from(row.get(1)?),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(roots)
}

pub(super) const CLAIMABLE: &str =
    "SELECT files.id, dirs.path, files.name, files.size, files.mtime_ns, files.ctime_ns, files.dev,
            files.inode, files.attempts, files.settle_ms, files.album_id, files.order_key
     FROM files CROSS JOIN dirs ON dirs.id = files.dir_id
     WHERE files.state = 'queued' AND files.root_id = ?1 AND files.not_before <= ?2";

/// What stands first among fresh files: the oldest.
pub(super) const FRESH: &str = "AND files.fresh = 1 ORDER BY files.id LIMIT ?3";
/// What stands first in one album.
pub(super) const IN_ALBUM: &str = "AND files.album_id = ?4 ORDER BY files.order_key LIMIT ?3";
/// What stands first of all: album by album.
pub(super) const IN_ORDER: &str = "ORDER BY files.album_id, files.order_key LIMIT ?3";

/// A file that may be claimed, with its place in the queue.
struct Candidate {
    key: Vec<u8>,
    claim: Claimed,
}

fn candidate(root: &OpenRoot, row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let name = OsString::from_vec(row.get(2)?);
    let dir = row::path_from(row.get(1)?);
    let path = if dir.as_os_str().is_empty() {
        root.path.join(&name)
    } else {
        root.path.join(dir).join(&name)
    };
    Ok(Candidate {
        key: row.get(11)?,
        claim: Claimed {
            file: FileId(row.get(0)?),
            root: RootId(root.id),
            root_path: root.path.clone(),
            path,
            name,
            stat: FileStat {
                size: row.get::<_, i64>(3)? as u64,
                mtime_ns: row.get(4)?,
                ctime_ns: row.get(5)?,
                dev: row.get::<_, i64>(6)? as u64,
                inode: row.get::<_, i64>(7)? as u64,
            },
            attempts: row.get(8)?,
            settle_ms: row.get::<_, i64>(9)? as u64,
            album: AlbumRow(row.get(10)?),
        },
    })
}

impl Store {
    /// Claims up to `n` files: fresh ones first if `fresh_first`, then album by album in order, an
    /// album with ready tokens before the others.
    pub async fn claim(&self, n: usize, fresh_first: bool, now: Timestamp) -> Result<Vec<Claimed>> {
        self.claim_untried(n, fresh_first, Vec::new(), now).await
    }

    /// The same without those that were tried already.
    pub async fn claim_untried(
        &self,
        n: usize,
        fresh_first: bool,
        tried: Vec<FileId>,
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        self.write(move |db| {
            let mut slots = ClaimBuilder {
                roots: open_roots(db)?,
                free: n,
                now,
                tried,
                claimed: Vec::with_capacity(n),
            };
            if fresh_first {
                slots.fresh(db)?;
            }
            slots.album_by_album(db)?;
            Ok(slots.claimed)
        })
        .await
    }

    /// Claims one of those that were tried already: the one that stands first in `tried`, if there is
    /// nothing else.
    pub async fn claim_tried(&self, tried: Vec<FileId>, now: Timestamp) -> Result<Option<Claimed>> {
        self.write(move |db| {
            let mut slots = ClaimBuilder {
                roots: open_roots(db)?,
                free: tried.len(),
                now,
                tried: Vec::new(),
                claimed: Vec::new(),
            };
            let mut found = slots.look(db, IN_ORDER, None)?;
            let place = |file| tried.iter().position(|tried| *tried == file);
            found.sort_by_key(|candidate| place(candidate.claim.file));
            slots.free = 1;
            slots.take(db, found)?;
            Ok(slots.claimed.pop())
        })
        .await
    }

    /// When the next file that is held back may be claimed; none if no file is.
    pub async fn next_claim(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.write(move |db| {
            let due: Option<i64> = db
                .prepare_cached(NEXT_CLAIM)?
                .query_row([now.as_millisecond()], |row| row.get(0))?;
            Ok(due.map(clock::from_millis))
        })
        .await
    }

    /// Whether any file could be claimed now.
    pub async fn has_claimable(&self, now: Timestamp) -> Result<bool> {
        self.write(move |db| {
            let slots = ClaimBuilder {
                roots: open_roots(db)?,
                free: 1,
                now,
                tried: Vec::new(),
                claimed: Vec::new(),
            };
            Ok(!slots.look(db, IN_ORDER, None)?.is_empty())
        })
        .await
    }

    /// The claimed file holds this content: its item is create_item or found here.
    pub async fn hashed(&self, file: FileId, content: Content, now: Timestamp) -> Result<Hashed> {
        self.write(move |db| hashed(db, file, &content, now)).await
    }
}

/// `not_before > 0` is what the partial index is told by.
pub(super) const NEXT_CLAIM: &str = "SELECT min(not_before) FROM files WHERE state = 'queued' AND not_before > 0 AND not_before > ?1";

/// Albums that have items on their way and files in the queue.
pub(super) const BEGUN: &str = "SELECT DISTINCT placements.album_id FROM items
     CROSS JOIN placements ON placements.item_id = items.id AND placements.state = 'wanted'
     CROSS JOIN albums ON albums.id = placements.album_id AND albums.queued > 0
     WHERE items.state IN ('uploading', 'uploaded', 'creating') ORDER BY 1";

/// One claim under way.
struct ClaimBuilder {
    roots: Vec<OpenRoot>,
    free: usize,
    now: Timestamp,
    /// Not these.
    tried: Vec<FileId>,
    claimed: Vec<Claimed>,
}

impl ClaimBuilder {
    fn fresh(&mut self, db: &Tx) -> Result<()> {
        let mut found = self.look(db, FRESH, None)?;
        found.sort_by_key(|candidate| candidate.claim.file);
        self.take(db, found)
    }

    fn album_by_album(&mut self, db: &Tx) -> Result<()> {
        if self.free == 0 || self.roots.is_empty() {
            return Ok(());
        }
        // An album that has tokens waiting is filled up before another is begun.
        let begun: Vec<i64> = db
            .prepare_cached(BEGUN)?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for album in begun {
            let mut found = self.look(db, IN_ALBUM, Some(album))?;
            found.sort_by(|one, other| one.key.cmp(&other.key));
            self.take(db, found)?;
        }
        let mut found = self.look(db, IN_ORDER, None)?;
        found.sort_by(|one, other| {
            (one.claim.album, &one.key).cmp(&(other.claim.album, &other.key))
        });
        self.take(db, found)
    }

    /// As many of each root as there are free slots.
    fn look(&self, db: &Reader, order: &str, album: Option<i64>) -> Result<Vec<Candidate>> {
        let mut found = Vec::new();
        if self.free == 0 {
            return Ok(found);
        }
        let mut statement = db.prepare_cached(&format!("{CLAIMABLE} {order}"))?;
        for root in &self.roots {
            let n = (self.free + self.tried.len()) as i64;
            let now = self.now.as_millisecond();
            let read = |row: &Row<'_>| candidate(root, row);
            let rows = match album {
                Some(album) => statement.query_map(params![root.id, now, n, album], read)?,
                None => statement.query_map(params![root.id, now, n], read)?,
            };
            for row in rows {
                let candidate = row?;
                if !self.tried.contains(&candidate.claim.file) {
                    found.push(candidate);
                }
            }
        }
        Ok(found)
    }

    fn take(&mut self, db: &Tx, found: Vec<Candidate>) -> Result<()> {
        for Candidate { claim, .. } in found.into_iter().take(self.free) {
            db.prepare_cached("UPDATE files SET state = 'claimed', changed_at = ?2 WHERE id = ?1")?
                .execute(params![claim.file.0, self.now.as_millisecond()])?;
            self.claimed.push(claim);
            self.free -= 1;
        }
        Ok(())
    }
}

fn hashed(db: &Tx, file: FileId, content: &Content, now: Timestamp) -> Result<Hashed> {
    let (former, fresh): (Option<i64>, bool) = db
        .prepare_cached("SELECT item_id, fresh FROM files WHERE id = ?1")?
        .query_row([file.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let known: Option<(i64, String)> = db
        .prepare_cached("SELECT id, state FROM items WHERE hash = ?1")?
        .query_row([content.hash.0.as_slice()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (item, state) = match known {
        Some((id, word)) => (ItemId(id), items::parse_state(&word)?),
        None => (create_item(db, content, fresh, now)?, State::Queued),
    };
    attach::hold(db, file, item, state, now)?;
    if let Some(former) = former.map(ItemId).filter(|former| *former != item) {
        items::detach_file(db, former, file, now)?;
    }
    if let Some(words) = &content.words {
        descriptions::found(db, item, file, words)?;
    }
    let plain = items::Reason::default();
    match state {
        State::Queued => {}
        State::Skipped => {
            items::apply(db, item, Event::Retried, &plain, now)?;
        }
        State::Uploading
        | State::Uploaded
        | State::Creating
        | State::Created
        | State::Verified
        | State::Failed
        | State::Missing => return Ok(Hashed::Known(item, state)),
    }
    items::apply(db, item, Event::UploadBegun, &plain, now)?;
    Ok(Hashed::Send(item, db.upload_session(item)?))
}

fn create_item(db: &Tx, content: &Content, fresh: bool, now: Timestamp) -> Result<ItemId> {
    db.prepare_cached(
        "INSERT INTO items (hash, size, mime, file_name, state, fresh, changed_at)
         VALUES (?1, ?2, ?3, ?4, 'queued', ?5, ?6)",
    )?
    .execute(params![
        content.hash.0.as_slice(),
        content.size as i64,
        content.mime,
        content.file_name,
        fresh,
        now.as_millisecond()
    ])?;
    Ok(ItemId(db.last_insert_rowid()))
}
