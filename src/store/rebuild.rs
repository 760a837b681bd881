//! Writes what the service has into a database that does not know it; for `rebuild`.
//!
//! `rebuild` holds the state folder, and no task runs beside it. Only unknown facts are filled in: an album
//! without an id, a file without an item, an item without a row. Nothing that is under way is changed, and
//! no two items get the same media item.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use jiff::Timestamp;

use super::{
    Change, Content, FileDecision, FileStat, Reader, Result, Tx, albums, apply_scan::Recording,
    placements, remote_albums, row::params, writer::store_methods,
};
use crate::{
    clock,
    model::{
        ids::{AlbumId, AlbumRow, FileId, ItemId, MediaItemId, RootId},
        order_key::OrderKey,
    },
};

/// An album of the service that may have no row yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAlbum {
    /// Its title, without the number of the part.
    pub title: String,
    /// Which part of the title it is.
    pub part: u32,
    /// Its id.
    pub album_id: AlbumId,
    /// Where a browser finds it.
    pub product_url: Option<String>,
}

/// The row of an album of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptedAlbum {
    /// The row.
    pub row: AlbumRow,
    /// Its title, without the number of the part; a different one if the user renamed the album.
    pub title: String,
    /// Whether it had no id before.
    pub is_new: bool,
}

/// A file whose bytes are a media item already.
#[derive(Debug, Clone)]
pub struct RecoveredItem {
    /// Its root.
    pub root: RootId,
    /// Its directory, relative to the root.
    pub dir: PathBuf,
    /// Its name there.
    pub name: OsString,
    /// Its row, if it has one.
    pub file: Option<FileId>,
    /// What the file system says of it.
    pub stat: FileStat,
    /// The title of its album; none is the library alone.
    pub title: Option<String>,
    /// The album of that title, or the part of it, in which the service has the item.
    pub listed_in: Option<AlbumRow>,
    /// Its order key there.
    pub key: OrderKey,
    /// Whether its upload would have taken long.
    pub large: bool,
    /// Its bytes. The name is the one that the service shows.
    pub content: Content,
    /// The media item.
    pub media_item_id: MediaItemId,
    /// Where a browser finds it.
    pub product_url: Option<String>,
    /// The description that the service has of it, so that it is not sent again.
    pub described: Option<String>,
    /// Whether an item of ours was this media item before.
    pub is_known: bool,
}

store_methods! {
    write_durably fn albums_taken_over(list: Vec<ListedAlbum>, is_dry: bool, now: Timestamp) -> Vec<Option<AdoptedAlbum>>;
    write fn found_again(found: Vec<RecoveredItem>, verify_after: Option<i64>, now: Timestamp) -> Vec<Option<ItemId>>;
    write fn keys_in(album: AlbumRow, items: Vec<ItemId>) -> Vec<Option<Vec<u8>>>;
    write fn stand_in(album: AlbumRow, items: Vec<(ItemId, bool)>) -> ();
}

impl Tx {
    /// Assigns the albums of the service's list to the rows of their titles, which are created if needed.
    /// None for an album whose title and part already belong to another album. A dry run rolls back.
    pub fn albums_taken_over(
        &self,
        list: Vec<ListedAlbum>,
        is_dry: bool,
        now: Timestamp,
    ) -> Result<Vec<Option<AdoptedAlbum>>> {
        self.execute_batch("SAVEPOINT albums")?;
        remote_albums::set_listed(self, now)?;
        let taken = list
            .into_iter()
            .map(|album| adopt_album(self, album, now))
            .collect();
        if is_dry {
            self.execute_batch("ROLLBACK TO albums")?;
        }
        self.execute_batch("RELEASE albums")?;
        taken
    }

    /// Attaches files to media items that exist already, and returns the item of each, or none if the
    /// database contradicts: then the file is uploaded as usual. The items are verified after
    /// `verify_after` milliseconds; none is never.
    pub fn found_again(
        &self,
        found: Vec<RecoveredItem>,
        verify_after: Option<i64>,
        now: Timestamp,
    ) -> Result<Vec<Option<ItemId>>> {
        let mut recording = Recording::new(self, now);
        found
            .iter()
            .map(|one| attach_recovered(self, one, verify_after, &mut recording, now))
            .collect()
    }

    /// The order keys of items in an album; none for those that are not wanted there.
    pub fn keys_in(&self, album: AlbumRow, items: Vec<ItemId>) -> Result<Vec<Option<Vec<u8>>>> {
        let sql = "SELECT order_key FROM placements
             WHERE item_id = ?1 AND album_id = ?2 AND state IN ('wanted', 'placed')";
        items
            .iter()
            .map(|item| self.opt(sql, params![item, album]))
            .collect()
    }

    /// The album contains these items; each with whether it is at its place in the order.
    pub fn stand_in(&self, album: AlbumRow, items: Vec<(ItemId, bool)>) -> Result<()> {
        for (item, in_sequence) in items {
            self.execute(
                "UPDATE placements SET state = 'placed', in_sequence = ?3, reason = NULL
                 WHERE item_id = ?1 AND album_id = ?2 AND state IN ('wanted', 'placed')
                   AND (state <> 'placed' OR in_sequence <> ?3)",
                params![item, album, in_sequence],
            )?;
        }
        Ok(())
    }
}

impl Reader {
    /// Calls `seen` with every media item that belongs to an item, or did until it went missing. Reads all
    /// items.
    pub fn each_media_item(&self, mut seen: impl FnMut(ItemId, &str)) -> Result<()> {
        let sql = "SELECT id, media_item_id FROM items WHERE media_item_id IS NOT NULL";
        self.each(sql, [], |(item, id): (_, String)| {
            seen(item, &id);
            Ok(true)
        })
    }
}

fn adopt_album(db: &Tx, album: ListedAlbum, now: Timestamp) -> Result<Option<AdoptedAlbum>> {
    let sql = "SELECT id, title FROM albums WHERE album_id = ?1";
    if let Some((row, title)) = db.opt(sql, params![album.album_id])? {
        let is_new = false;
        return Ok(Some(AdoptedAlbum { row, title, is_new }));
    }
    let of_title: Option<(AlbumRow, bool)> = db.opt(
        "SELECT id, album_id IS NOT NULL FROM albums WHERE title = ?1 AND part = ?2",
        params![album.title, album.part],
    )?;
    let row = match of_title {
        Some((_, true)) => return Ok(None),
        Some((row, false)) => row,
        None => {
            let sql = "INSERT INTO albums (title, part) VALUES (?1, ?2)";
            db.insert(sql, params![album.title, album.part])
                .map(AlbumRow)?
        }
    };
    albums::has_id(db, row, &album.album_id, album.product_url.as_deref(), now)?;
    Ok(Some(AdoptedAlbum {
        row,
        title: album.title,
        is_new: true,
    }))
}

fn attach_recovered(
    db: &Tx,
    found: &RecoveredItem,
    verify_after: Option<i64>,
    recording: &mut Recording<'_>,
    now: Timestamp,
) -> Result<Option<ItemId>> {
    let Some(item) = item_of(db, found, verify_after, now)? else {
        return Ok(None);
    };
    let album = match found.listed_in {
        Some(album) => album,
        None => albums::row_of(db, found.title.as_deref())?,
    };
    let file = queue(db, found, recording)?;
    db.execute(
        "UPDATE files SET state = 'attached', item_id = ?2, album_id = ?3, changed_at = ?4 WHERE id = ?1",
        params![file, item, album, now],
    )?;
    let is_there = found.listed_in.is_some() || album == albums::LIBRARY;
    let state = if is_there { "placed" } else { "wanted" };
    db.execute(
        "INSERT INTO placements (item_id, album_id, order_key, state, item_exists) VALUES (?1, ?2, ?3, ?4, 1)
         ON CONFLICT (item_id, album_id) DO UPDATE SET state = excluded.state
         WHERE state = 'wanted' AND excluded.state = 'placed'",
        params![item, album, found.key, state],
    )?;
    // Every media item is in the library.
    placements::placed(db, item, albums::LIBRARY, false)?;
    Ok(Some(item))
}

/// The item of these bytes, created if there is none. None if the item is about to become another media
/// item, or if the media item belongs to another item.
fn item_of(
    db: &Tx,
    found: &RecoveredItem,
    verify_after: Option<i64>,
    now: Timestamp,
) -> Result<Option<ItemId>> {
    let content = &found.content;
    let known: Option<(ItemId, Option<MediaItemId>, bool)> = db.opt(
        "SELECT id, media_item_id, state IN ('created', 'verified') FROM items WHERE hash = ?1",
        params![content.hash],
    )?;
    match known {
        Some((item, Some(id), true)) if id == found.media_item_id => return Ok(Some(item)),
        Some(_) => return Ok(None),
        None if found.is_known => return Ok(None),
        None => {}
    }
    let verify_at = verify_after.map(|wait| clock::after(now, Duration::from_millis(wait as u64)));
    // The item begins in the state that it is found in; no event of the state machine leads here.
    let item = db.insert(
        "INSERT INTO items (hash, size, mime, file_name, state, media_item_id, product_url, created_at,
                            verify_at, changed_at, description, sent_description, matched_by_name)
         VALUES (?1, ?2, ?3, ?4, 'created', ?5, ?6, ?7, ?8, ?7, ?9, ?9, 1)",
        params![
            content.hash,
            content.size,
            content.mime,
            content.file_name,
            found.media_item_id,
            found.product_url,
            now,
            verify_at,
            found.described
        ],
    )?;
    Ok(Some(ItemId(item)))
}

/// Queues the file as a scan would, and returns its row.
fn queue(db: &Tx, found: &RecoveredItem, recording: &mut Recording<'_>) -> Result<FileId> {
    let decision = FileDecision::Queue {
        album: found.title.clone(),
        key: found.key.clone(),
        large: found.large,
        fresh: false,
    };
    let stat = found.stat;
    if let Some(file) = found.file {
        recording.apply(Change::Modified {
            file,
            stat,
            decision,
        })?;
        return Ok(file);
    }
    recording.apply(Change::Found {
        root: found.root,
        dir: found.dir.clone(),
        name: found.name.clone(),
        stat,
        decision,
    })?;
    db.one(
        "SELECT files.id FROM dirs JOIN files ON files.dir_id = dirs.id AND files.name = ?3
         WHERE dirs.root_id = ?1 AND dirs.path = ?2",
        params![found.root, found.dir, found.name],
    )
}
