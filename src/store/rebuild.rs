//! What the service is known to have, put into a database that has forgotten it.
//!
//! Called by `rebuild`, which holds the state folder and runs no pipeline beside. It only fills what
//! is unknown: an album without an id, a file without an item, an item that no row has. Nothing that
//! is on its way is touched, and no two items get one media item.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{
    Change, Content, FileDecision, FileStat, Reader, Result, Store, Tx, albums,
    apply_scan::Recording, placements, remote_albums,
};
use crate::{
    clock,
    model::{
        ids::{AlbumId, AlbumRow, FileId, ItemId, MediaItemId, RootId},
        order_key::OrderKey,
    },
};

/// An album of the service that no row may know yet.
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

/// The row that an album of the service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdoptedDescription {
    /// The row.
    pub row: AlbumRow,
    /// Its title, without the number of the part; another one if somebody renamed the album.
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
    /// What it looks like.
    pub stat: FileStat,
    /// The title of its album; none is the library alone.
    pub title: Option<String>,
    /// The album of that title, or the part of it, in which the service has the item.
    pub listed_in: Option<AlbumRow>,
    /// Its place there.
    pub key: OrderKey,
    /// Whether its upload would have taken long.
    pub large: bool,
    /// Its bytes. The name is the one that the service shows.
    pub content: Content,
    /// The media item.
    pub media_item_id: MediaItemId,
    /// Where a browser finds it.
    pub product_url: Option<String>,
    /// What the service was told about it: the same words are not sent once more.
    pub described: Option<String>,
    /// Whether an item of ours was this media item before.
    pub is_known: bool,
}

impl Store {
    /// Gives all albums of the service's list to the rows of their titles, which are made if need be; none where
    /// the row of this title and part is another album already. A dry run rolls everything back.
    pub async fn albums_taken_over(
        &self,
        list: Vec<ListedAlbum>,
        is_dry: bool,
        now: Timestamp,
    ) -> Result<Vec<Option<AdoptedDescription>>> {
        self.write_durably(move |db| {
            db.execute_batch("SAVEPOINT albums")?;
            remote_albums::are_listed(db, now)?;
            let taken = list.iter().map(|album| take_over(db, album, now)).collect();
            if is_dry {
                db.execute_batch("ROLLBACK TO albums")?;
            }
            db.execute_batch("RELEASE albums")?;
            taken
        })
        .await
    }

    /// Files are held by media items that are there already. The service is asked for those after
    /// `verify_after` milliseconds; none is never. Gives the item of each, or none where something of
    /// ours contradicts: such a file goes the usual way.
    pub async fn found_again(
        &self,
        found: Vec<RecoveredItem>,
        verify_after: Option<i64>,
        now: Timestamp,
    ) -> Result<Vec<Option<ItemId>>> {
        self.write(move |db| {
            let mut recording = Recording::new(db, now);
            found
                .iter()
                .map(|one| hold(db, one, verify_after, &mut recording, now))
                .collect()
        })
        .await
    }

    /// The order keys of items in an album; none for those that we do not want there.
    pub async fn keys_in(
        &self,
        album: AlbumRow,
        items: Vec<ItemId>,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        self.write(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT order_key FROM placements
                 WHERE item_id = ?1 AND album_id = ?2 AND state IN ('wanted', 'placed')",
            )?;
            let key = |item: &ItemId| {
                let row = statement.query_row([item.0, album.0], |row| row.get(0));
                Ok(row.optional()?)
            };
            items.iter().map(key).collect()
        })
        .await
    }

    /// The album was seen to hold these items; whether each stands where the order wants it.
    pub async fn stand_in(&self, album: AlbumRow, items: Vec<(ItemId, bool)>) -> Result<()> {
        self.write(move |db| {
            for (item, in_sequence) in items {
                db.prepare_cached(
                    "UPDATE placements SET state = 'placed', in_sequence = ?3, reason = NULL
                     WHERE item_id = ?1 AND album_id = ?2 AND state IN ('wanted', 'placed')
                       AND (state <> 'placed' OR in_sequence <> ?3)",
                )?
                .execute(params![item.0, album.0, in_sequence])?;
            }
            Ok(())
        })
        .await
    }
}

fn take_over(db: &Tx, album: &ListedAlbum, now: Timestamp) -> Result<Option<AdoptedDescription>> {
    let known: Option<(i64, String)> = db
        .prepare_cached("SELECT id, title FROM albums WHERE album_id = ?1")?
        .query_row([album.album_id.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((row, title)) = known {
        return Ok(Some(AdoptedDescription {
            row: AlbumRow(row),
            title,
            is_new: false,
        }));
    }
    let of_title: Option<(i64, bool)> = db
        .prepare_cached(
            "SELECT id, album_id IS NOT NULL FROM albums WHERE title = ?1 AND part = ?2",
        )?
        .query_row(params![album.title, album.part], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let row = match of_title {
        Some((_, true)) => return Ok(None),
        Some((row, false)) => AlbumRow(row),
        None => {
            db.prepare_cached("INSERT INTO albums (title, part) VALUES (?1, ?2)")?
                .execute(params![album.title, album.part])?;
            AlbumRow(db.last_insert_rowid())
        }
    };
    let url = album.product_url.as_deref();
    albums::stands(db, row, &album.album_id, url, now)?;
    Ok(Some(AdoptedDescription {
        row,
        title: album.title.clone(),
        is_new: true,
    }))
}

fn hold(
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
    let file = queued(db, found, recording)?;
    db.prepare_cached(
        "UPDATE files SET state = 'held', item_id = ?2, album_id = ?3, changed_at = ?4 WHERE id = ?1",
    )?
    .execute(params![file.0, item.0, album.0, now.as_millisecond()])?;
    let is_there = found.listed_in.is_some() || album == albums::LIBRARY;
    let state = if is_there { "placed" } else { "wanted" };
    db.prepare_cached(
        "INSERT INTO placements (item_id, album_id, order_key, state, made) VALUES (?1, ?2, ?3, ?4, 1)
         ON CONFLICT (item_id, album_id) DO UPDATE SET state = excluded.state
         WHERE state = 'wanted' AND excluded.state = 'placed'",
    )?
    .execute(params![item.0, album.0, found.key.as_bytes(), state])?;
    // Whatever wanted it in the library has it there.
    placements::placed(db, item, albums::LIBRARY, false)?;
    Ok(Some(item))
}

/// The item of these bytes, made if there is none. None if it is on its way to being a media item of
/// its own, or if the media item is another item's.
fn item_of(
    db: &Tx,
    found: &RecoveredItem,
    verify_after: Option<i64>,
    now: Timestamp,
) -> Result<Option<ItemId>> {
    let known: Option<(i64, Option<String>, bool)> = db
        .prepare_cached(
            "SELECT id, media_item_id, state IN ('created', 'verified') FROM items WHERE hash = ?1",
        )?
        .query_row([found.content.hash.0.as_slice()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match known {
        Some((item, Some(id), true)) if id == found.media_item_id.as_str() => {
            return Ok(Some(ItemId(item)));
        }
        Some(_) => return Ok(None),
        None if found.is_known => return Ok(None),
        None => {}
    }
    let verify_at = verify_after.map(|wait| {
        let wait = Duration::from_millis(wait as u64);
        clock::after(now, wait).as_millisecond()
    });
    // An item is create_item where its life is found to be: no event of the machine leads here.
    db.prepare_cached(
        "INSERT INTO items (hash, size, mime, file_name, state, media_item_id, product_url, made_at,
                            verify_at, changed_at, description, described, matched)
         VALUES (?1, ?2, ?3, ?4, 'created', ?5, ?6, ?7, ?8, ?7, ?9, ?9, 1)",
    )?
    .execute(params![
        found.content.hash.0.as_slice(),
        found.content.size as i64,
        found.content.mime,
        found.content.file_name,
        found.media_item_id.as_str(),
        found.product_url,
        now.as_millisecond(),
        verify_at,
        found.described,
    ])?;
    Ok(Some(ItemId(db.last_insert_rowid())))
}

/// The row of the file, as intake would have queued it.
fn queued(db: &Tx, found: &RecoveredItem, recording: &mut Recording<'_>) -> Result<FileId> {
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
    let change = Change::Found {
        root: found.root,
        dir: found.dir.clone(),
        name: found.name.clone(),
        stat,
        decision,
    };
    recording.apply(change)?;
    let row = db
        .prepare_cached(
            "SELECT files.id FROM dirs JOIN files ON files.dir_id = dirs.id AND files.name = ?3
             WHERE dirs.root_id = ?1 AND dirs.path = ?2",
        )?
        .query_row(
            params![
                found.root.0,
                found.dir.as_os_str().as_bytes(),
                found.name.as_bytes()
            ],
            |row| row.get(0),
        )?;
    Ok(FileId(row))
}

impl Reader {
    /// The row of the root at `path`, if there is one.
    pub fn root_at(&self, path: &Path) -> Result<Option<RootId>> {
        Ok(self
            .connection
            .prepare_cached("SELECT id FROM roots WHERE path = ?1")?
            .query_row([path.as_os_str().as_bytes()], |row| row.get(0).map(RootId))
            .optional()?)
    }

    /// Tells `seen` all media items that items of ours are, or were until they went missing. This
    /// walks over all items.
    pub fn each_media_item(&self, mut seen: impl FnMut(ItemId, &str)) -> Result<()> {
        let mut statement = self
            .connection
            .prepare("SELECT id, media_item_id FROM items WHERE media_item_id IS NOT NULL")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            seen(
                ItemId(row.get(0)?),
                row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?,
            );
        }
        Ok(())
    }
}
