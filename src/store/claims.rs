//! From a queued file to an upload slot, and from its hash to an item.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{FileStat, Result, Session, Store, changes, items, sessions};
use crate::{
    clock,
    ids::{AlbumRow, ContentHash, FileId, ItemId, RootId},
    item::{Event, State},
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
}

/// What the hash of a claimed file led to.
#[derive(Debug, Clone)]
pub enum Hashed {
    /// The bytes are to be sent, or to be sent on where the session stopped.
    Send(ItemId, Option<Session>),
    /// The content is known: not a byte is sent, and perhaps a placement is made.
    Known(ItemId, State),
}

const COLUMNS: &str =
    "files.id, files.root_id, roots.path, dirs.path, files.name, files.size, files.mtime_ns,
    files.ctime_ns, files.dev, files.inode, files.attempts, files.settle_ms, files.album_id";

const CLAIMABLE: &str =
    "FROM files JOIN roots ON roots.id = files.root_id AND roots.open = 1 AND roots.away = 0
    JOIN dirs ON dirs.id = files.dir_id";

fn claimed(row: &Row<'_>) -> rusqlite::Result<Claimed> {
    let name = OsString::from_vec(row.get(4)?);
    let root = changes::path_from(row.get(2)?);
    let dir = changes::path_from(row.get(3)?);
    let path = if dir.as_os_str().is_empty() {
        root.join(&name)
    } else {
        root.join(dir).join(&name)
    };
    Ok(Claimed {
        file: FileId(row.get(0)?),
        root: RootId(row.get(1)?),
        root_path: root,
        path,
        name,
        stat: FileStat {
            size: row.get::<_, i64>(5)? as u64,
            mtime_ns: row.get(6)?,
            ctime_ns: row.get(7)?,
            dev: row.get::<_, i64>(8)? as u64,
            inode: row.get::<_, i64>(9)? as u64,
        },
        attempts: row.get(10)?,
        settle_ms: row.get::<_, i64>(11)? as u64,
        album: AlbumRow(row.get(12)?),
    })
}

impl Store {
    /// Claims up to `n` files: fresh ones first if `fresh_first`, then album by album in order, an
    /// album with ready tokens before the others.
    pub async fn claim(&self, n: usize, fresh_first: bool, now: Timestamp) -> Result<Vec<Claimed>> {
        self.write(move |db| {
            let mut found = Vec::with_capacity(n);
            if fresh_first {
                fresh(db, n, now, &mut found)?;
            }
            if found.len() < n {
                album_by_album(db, n, now, &mut found)?;
            }
            if found.is_empty() && !fresh_first {
                fresh(db, n, now, &mut found)?;
            }
            for claim in &found {
                db.prepare_cached(
                    "UPDATE files SET state = 'claimed', changed_at = ?2 WHERE id = ?1",
                )?
                .execute(params![claim.file.0, now.as_millisecond()])?;
            }
            Ok(found)
        })
        .await
    }

    /// When the next file that is held back may be claimed; none if no file is.
    pub async fn next_claim(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.write(move |db| {
            let due: Option<i64> = db
                .prepare_cached(
                    "SELECT min(not_before) FROM files WHERE state = 'queued' AND not_before > ?1",
                )?
                .query_row([now.as_millisecond()], |row| row.get(0))?;
            Ok(due.map(clock::from_millis))
        })
        .await
    }

    /// Whether any file could be claimed now.
    pub async fn has_claimable(&self, now: Timestamp) -> Result<bool> {
        self.write(move |db| {
            let mut found = Vec::new();
            album_by_album(db, 1, now, &mut found)?;
            Ok(!found.is_empty())
        })
        .await
    }

    /// The claimed file holds this content: its item is born or found here.
    pub async fn hashed(&self, file: FileId, content: Content, now: Timestamp) -> Result<Hashed> {
        self.write(move |db| hashed(db, file, &content, now)).await
    }
}

fn fresh(db: &Connection, n: usize, now: Timestamp, found: &mut Vec<Claimed>) -> Result<()> {
    let sql = format!(
        "SELECT {COLUMNS} {CLAIMABLE}
         WHERE files.state = 'queued' AND files.fresh = 1 AND files.not_before <= ?1
         ORDER BY files.id LIMIT ?2"
    );
    let mut statement = db.prepare_cached(&sql)?;
    for row in statement.query_map(params![now.as_millisecond(), n as i64], claimed)? {
        found.push(row?);
    }
    Ok(())
}

fn album_by_album(
    db: &Connection,
    n: usize,
    now: Timestamp,
    found: &mut Vec<Claimed>,
) -> Result<()> {
    // An album that has tokens waiting is filled up before another is begun.
    let begun: Vec<i64> = db
        .prepare_cached(
            "SELECT DISTINCT placements.album_id FROM items
             JOIN placements ON placements.item_id = items.id AND placements.state = 'wanted'
             JOIN albums ON albums.id = placements.album_id AND albums.queued > 0
             WHERE items.state IN ('uploading', 'uploaded', 'creating') ORDER BY 1",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut others = db.prepare_cached("SELECT id FROM albums WHERE queued > 0 ORDER BY id")?;
    let others = others.query_map([], |row| row.get::<_, i64>(0))?;
    let sql = format!(
        "SELECT {COLUMNS} {CLAIMABLE}
         WHERE files.state = 'queued' AND files.album_id = ?1 AND files.not_before <= ?2
         ORDER BY files.order_key LIMIT ?3"
    );
    let mut statement = db.prepare_cached(&sql)?;
    for album in begun.iter().copied().map(Ok).chain(others) {
        let album = album?;
        let wanted = n.saturating_sub(found.len());
        if wanted == 0 {
            break;
        }
        for row in
            statement.query_map(params![album, now.as_millisecond(), wanted as i64], claimed)?
        {
            let claim = row?;
            if found.iter().all(|known| known.file != claim.file) {
                found.push(claim);
            }
        }
    }
    Ok(())
}

fn hashed(db: &Connection, file: FileId, content: &Content, now: Timestamp) -> Result<Hashed> {
    let (former, album, key, fresh): (Option<i64>, i64, Vec<u8>, bool) = db
        .prepare_cached("SELECT item_id, album_id, order_key, fresh FROM files WHERE id = ?1")?
        .query_row([file.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    let known: Option<(i64, String)> = db
        .prepare_cached("SELECT id, state FROM items WHERE hash = ?1")?
        .query_row([content.hash.0.as_slice()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (item, state) = match known {
        Some((id, word)) => (ItemId(id), items::parse_state(&word)?),
        None => (born(db, content, fresh, now)?, State::Queued),
    };
    db.prepare_cached(
        "UPDATE files SET state = 'held', item_id = ?2, attempts = 0, changed_at = ?3 WHERE id = ?1",
    )?
    .execute(params![file.0, item.0, now.as_millisecond()])?;
    if let Some(former) = former.map(ItemId).filter(|former| *former != item) {
        items::let_go(db, former, file, now)?;
    }
    want_placement(db, item, AlbumRow(album), &key, state)?;
    let plain = items::Because::default();
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
    Ok(Hashed::Send(item, sessions::of_item(db, item)?))
}

fn born(db: &Connection, content: &Content, fresh: bool, now: Timestamp) -> Result<ItemId> {
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

/// The first file that brings an item to an album decides its place there.
fn want_placement(
    db: &Connection,
    item: ItemId,
    album: AlbumRow,
    key: &[u8],
    state: State,
) -> Result<()> {
    let in_library = album.0 == 0 && matches!(state, State::Created | State::Verified);
    db.prepare_cached(
        "INSERT INTO placements (item_id, album_id, order_key, state) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (item_id, album_id) DO UPDATE SET state = 'wanted', reason = NULL, order_key = ?3
         WHERE state = 'gone'",
    )?
    .execute(params![item.0, album.0, key, if in_library { "placed" } else { "wanted" }])?;
    Ok(())
}
