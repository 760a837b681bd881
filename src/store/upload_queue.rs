//! The upload queue: claiming queued files, and finding or creating the item of a claimed file by its hash.

use std::{ffi::OsString, path::PathBuf};

use jiff::Timestamp;

use super::{
    DescriptionSource, FileStat, Reader, Result, Session, Store, Tx, attach, descriptions, items,
    row::{from_row, params},
    writer::store_methods,
};
use crate::model::{
    ids::{AlbumRow, ContentHash, FileId, ItemId, RootId},
    item::{Event, State},
};

/// A file that an upload worker reads now.
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
    /// What the file system said of it when it was queued.
    pub stat: FileStat,
    /// How often it could not be read or sent.
    pub attempts: u32,
    /// How long it had to be unchanged before it was queued, milliseconds.
    pub settle_ms: u64,
    /// Its album.
    pub album: AlbumRow,
}

/// The content of a claimed file.
#[derive(Debug, Clone)]
pub struct Content {
    /// The hash of its bytes.
    pub hash: ContentHash,
    /// Its length in bytes.
    pub size: u64,
    /// Its MIME type.
    pub mime: &'static str,
    /// The name under which the media item appears.
    pub file_name: String,
    /// The user's description of it; none if the folder sends no descriptions.
    pub words: Option<DescriptionSource>,
}

/// What is to be done with a claimed file once its hash is known.
#[derive(Debug, Clone)]
pub enum Hashed {
    /// Send the bytes, from where the resumable session stopped if there is one.
    Upload(ItemId, Option<Session>),
    /// The content is known: no byte is sent, but perhaps a placement is wanted.
    Duplicate(ItemId, State),
}

/// A root whose files may be claimed.
pub(super) struct OpenRoot {
    pub(super) id: i64,
    path: PathBuf,
}

from_row!(OpenRoot { id, path });

/// The roots whose files may be claimed. The queue is read separately for each of them, so that a closed
/// root with a million files in the queue costs nothing.
pub(super) fn open_roots(db: &Reader) -> Result<Vec<OpenRoot>> {
    let sql = "SELECT id, path FROM roots WHERE claimable = 1 AND away = 0 ORDER BY id";
    db.all(sql, [])
}

/// Files of a root that may be claimed.
pub(super) const CLAIMABLE: &str =
    "SELECT files.id, dirs.path, files.name, files.size, files.mtime_ns, files.ctime_ns, files.dev,
            files.inode, files.attempts, files.settle_ms, files.album_id, files.order_key
     FROM files CROSS JOIN dirs ON dirs.id = files.dir_id
     WHERE files.state = 'queued' AND files.root_id = ?1 AND files.not_before <= ?2";

/// New arrivals, the oldest first.
pub(super) const FRESH: &str = "AND files.new_arrival = 1 ORDER BY files.id LIMIT ?3";
/// Files of one album in its order.
pub(super) const IN_ALBUM: &str = "AND files.album_id = ?4 ORDER BY files.order_key LIMIT ?3";
/// All files, album by album.
pub(super) const IN_ORDER: &str = "ORDER BY files.album_id, files.order_key LIMIT ?3";

/// A row of [`CLAIMABLE`].
struct Candidate {
    file: FileId,
    dir: PathBuf,
    name: OsString,
    stat: FileStat,
    attempts: u32,
    settle_ms: u64,
    album: AlbumRow,
    key: Vec<u8>,
}

from_row!(Candidate {
    file,
    dir,
    name,
    stat,
    attempts,
    settle_ms,
    album,
    key
});

impl Candidate {
    fn into_claimed(self, root: &OpenRoot) -> Claimed {
        // Joining an empty directory would only add a slash to the path of the root.
        let dir = if self.dir.as_os_str().is_empty() {
            root.path.clone()
        } else {
            root.path.join(self.dir)
        };
        Claimed {
            file: self.file,
            root: RootId(root.id),
            root_path: root.path.clone(),
            path: dir.join(&self.name),
            name: self.name,
            stat: self.stat,
            attempts: self.attempts,
            settle_ms: self.settle_ms,
            album: self.album,
        }
    }
}

store_methods! {
    write fn claim_untried(n: usize, fresh_first: bool, tried: Vec<FileId>, now: Timestamp) -> Vec<Claimed>;
    write fn claim_tried(tried: Vec<FileId>, now: Timestamp) -> Option<Claimed>;
    write fn next_claim(now: Timestamp) -> Option<Timestamp>;
    write fn has_claimable(now: Timestamp) -> bool;
    write fn hashed(file: FileId, content: Content, now: Timestamp) -> Hashed;
}

impl Store {
    /// [`Tx::claim_untried`] with nothing tried before.
    pub async fn claim(&self, n: usize, fresh_first: bool, now: Timestamp) -> Result<Vec<Claimed>> {
        self.claim_untried(n, fresh_first, Vec::new(), now).await
    }
}

impl Tx {
    /// Claims up to `n` files that are not in `tried`: new arrivals first if `fresh_first`, then album by
    /// album in order, albums with items under way before the others.
    pub fn claim_untried(
        &self,
        n: usize,
        fresh_first: bool,
        tried: Vec<FileId>,
        now: Timestamp,
    ) -> Result<Vec<Claimed>> {
        let mut claim = ClaimBuilder::new(self, n, tried, now)?;
        if fresh_first {
            claim.take_new_arrivals(self)?;
        }
        claim.take_album_by_album(self)?;
        Ok(claim.claimed)
    }

    /// Claims one of the files in `tried`, the first of them that may be claimed: for when there is no
    /// other.
    pub fn claim_tried(&self, tried: Vec<FileId>, now: Timestamp) -> Result<Option<Claimed>> {
        let mut claim = ClaimBuilder::new(self, tried.len(), Vec::new(), now)?;
        let mut found = claim.find(self, IN_ORDER, None)?;
        found.sort_by_key(|(_, claimed)| tried.iter().position(|file| *file == claimed.file));
        claim.free = 1;
        claim.take(self, found)?;
        Ok(claim.claimed.pop())
    }

    /// When the next file that must wait may be claimed; none if no file waits.
    pub fn next_claim(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.one(NEXT_CLAIM, params![now])
    }

    /// Whether any file could be claimed now.
    pub fn has_claimable(&self, now: Timestamp) -> Result<bool> {
        let claim = ClaimBuilder::new(self, 1, Vec::new(), now)?;
        Ok(!claim.find(self, IN_ORDER, None)?.is_empty())
    }

    /// The claimed file has this content: finds or creates its item, and says what is to be done.
    pub fn hashed(&self, file: FileId, content: Content, now: Timestamp) -> Result<Hashed> {
        let sql = "SELECT item_id, new_arrival FROM files WHERE id = ?1";
        let (former, fresh): (Option<ItemId>, bool) = self.one(sql, params![file])?;
        let sql = "SELECT id, state FROM items WHERE hash = ?1";
        let (item, state) = match self.opt(sql, params![content.hash])? {
            Some(known) => known,
            None => (create_item(self, &content, fresh, now)?, State::Queued),
        };
        attach::attach(self, file, item, state, now)?;
        if let Some(former) = former.filter(|former| *former != item) {
            items::detach_file(self, former, file, now)?;
        }
        if let Some(words) = &content.words {
            descriptions::found(self, item, file, words)?;
        }
        let plain = items::Reason::default();
        match state {
            State::Queued => {}
            State::Skipped => {
                items::apply(self, item, Event::Retried, &plain, now)?;
            }
            State::Uploading
            | State::Uploaded
            | State::Creating
            | State::Created
            | State::Verified
            | State::Failed
            | State::Missing => return Ok(Hashed::Duplicate(item, state)),
        }
        items::apply(self, item, Event::UploadBegun, &plain, now)?;
        Ok(Hashed::Upload(item, self.upload_session(item)?))
    }
}

/// When the next file that must wait may be claimed. `not_before > 0` repeats the condition of the
/// partial index `files_held_back`, or SQLite does not use it.
pub(super) const NEXT_CLAIM: &str = "SELECT min(not_before) FROM files WHERE state = 'queued' AND not_before > 0 AND not_before > ?1";

/// Albums with items under way and files in the queue.
pub(super) const BEGUN: &str = "SELECT DISTINCT placements.album_id FROM items
     CROSS JOIN placements ON placements.item_id = items.id AND placements.state = 'wanted'
     CROSS JOIN albums ON albums.id = placements.album_id AND albums.queued > 0
     WHERE items.state IN ('uploading', 'uploaded', 'creating') ORDER BY 1";

/// A claim in progress.
struct ClaimBuilder {
    roots: Vec<OpenRoot>,
    /// How many more files to claim.
    free: usize,
    now: Timestamp,
    /// Files that must not be claimed.
    tried: Vec<FileId>,
    claimed: Vec<Claimed>,
}

impl ClaimBuilder {
    fn new(db: &Reader, free: usize, tried: Vec<FileId>, now: Timestamp) -> Result<Self> {
        Ok(Self {
            roots: open_roots(db)?,
            free,
            now,
            tried,
            claimed: Vec::with_capacity(free),
        })
    }

    fn take_new_arrivals(&mut self, db: &Tx) -> Result<()> {
        let mut found = self.find(db, FRESH, None)?;
        found.sort_by_key(|(_, claimed)| claimed.file);
        self.take(db, found)
    }

    fn take_album_by_album(&mut self, db: &Tx) -> Result<()> {
        if self.free == 0 || self.roots.is_empty() {
            return Ok(());
        }
        // An album with upload tokens waiting is filled up before another is begun.
        for album in db.all(BEGUN, [])? {
            let mut found = self.find(db, IN_ALBUM, Some(album))?;
            found.sort_by(|(one, _), (other, _)| one.cmp(other));
            self.take(db, found)?;
        }
        let mut found = self.find(db, IN_ORDER, None)?;
        found.sort_by(|(one_key, one), (other_key, other)| {
            (one.album, one_key).cmp(&(other.album, other_key))
        });
        self.take(db, found)
    }

    /// The first claimable files of each root with their order keys, as many as may be needed of it.
    fn find(
        &self,
        db: &Reader,
        order: &str,
        album: Option<AlbumRow>,
    ) -> Result<Vec<(Vec<u8>, Claimed)>> {
        let mut found = Vec::new();
        if self.free == 0 {
            return Ok(found);
        }
        let sql = format!("{CLAIMABLE} {order}");
        for root in &self.roots {
            let n = self.free + self.tried.len();
            let rows: Vec<Candidate> = match album {
                Some(album) => db.all(&sql, params![root.id, self.now, n, album])?,
                None => db.all(&sql, params![root.id, self.now, n])?,
            };
            for mut row in rows {
                if !self.tried.contains(&row.file) {
                    found.push((std::mem::take(&mut row.key), row.into_claimed(root)));
                }
            }
        }
        Ok(found)
    }

    fn take(&mut self, db: &Tx, found: Vec<(Vec<u8>, Claimed)>) -> Result<()> {
        for (_, claimed) in found.into_iter().take(self.free) {
            db.execute(
                "UPDATE files SET state = 'claimed', changed_at = ?2 WHERE id = ?1",
                params![claimed.file, self.now],
            )?;
            self.claimed.push(claimed);
            self.free -= 1;
        }
        Ok(())
    }
}

fn create_item(db: &Tx, content: &Content, fresh: bool, now: Timestamp) -> Result<ItemId> {
    let id = db.insert(
        "INSERT INTO items (hash, size, mime, file_name, state, new_arrival, changed_at)
         VALUES (?1, ?2, ?3, ?4, 'queued', ?5, ?6)",
        params![
            content.hash,
            content.size,
            content.mime,
            content.file_name,
            fresh,
            now
        ],
    )?;
    Ok(ItemId(id))
}
