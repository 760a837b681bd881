//! Albums that existed at the service before this database: the service's list, kept until their titles
//! are wanted.
//!
//! A new database may replace one that was lost, and a restored one has forgotten some albums. So the writer
//! reads the list once, before it creates the first album. `rebuild` reads it, too.

use jiff::Timestamp;

use super::{Reader, Result, Tx, albums, row::params, writer::store_methods};
use crate::model::ids::{AlbumId, AlbumRow};

/// The key of `meta` with the time when the list was read, milliseconds.
const LISTED_AT: &str = "albums_listed";

/// An album as the service lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAlbum {
    /// Its id.
    pub album_id: AlbumId,
    /// Its title, as Albumen would write it.
    pub title: String,
    /// Where a browser finds it.
    pub product_url: Option<String>,
    /// How many items the service counts in it.
    pub items: u64,
}

/// The album that the service had under a title before this database knew of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// The list has not been read yet.
    Unknown,
    /// None, or one that has a row by now.
    Nothing,
    /// This one, and its address for a browser.
    Album(AlbumId, Option<String>),
}

store_methods! {
    write_durably fn albums_listed(list: Vec<RemoteAlbum>, now: Timestamp) -> ();
    write_durably fn album_found(album: AlbumRow, album_id: AlbumId, product_url: Option<String>, now: Timestamp) -> ();
}

impl Tx {
    /// The service's list of albums was read completely; this is all of it.
    pub fn albums_listed(&self, list: Vec<RemoteAlbum>, now: Timestamp) -> Result<()> {
        self.execute("DELETE FROM remote_albums", [])?;
        for album in list {
            self.execute(
                "INSERT OR IGNORE INTO remote_albums (album_id, title, product_url, item_count)
                 SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM albums WHERE album_id = ?1)",
                params![
                    album.album_id,
                    album.title,
                    album.product_url,
                    i64::try_from(album.items).unwrap_or(i64::MAX)
                ],
            )?;
        }
        set_listed(self, now)
    }

    /// The row gets this album, which existed at the service before. Its items are not known yet.
    pub fn album_found(
        &self,
        album: AlbumRow,
        album_id: AlbumId,
        product_url: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        albums::has_id(self, album, &album_id, product_url.as_deref(), now)?;
        self.execute(
            "UPDATE albums SET pre_existing = 1 WHERE id = ?1",
            params![album],
        )?;
        // If the user deletes it later, it must not be found again.
        let sql = "DELETE FROM remote_albums WHERE album_id = ?1";
        self.execute(sql, params![album_id])?;
        Ok(())
    }
}

impl Reader {
    /// Whether the service's list of albums was read since this database was created or restored.
    pub fn albums_were_listed(&self) -> Result<bool> {
        self.exists("SELECT 1 FROM meta WHERE key = ?1", params![LISTED_AT])
    }
}

/// The album that existed under this title.
pub(super) fn before(db: &Reader, title: &str) -> Result<Before> {
    if !db.albums_were_listed()? {
        return Ok(Before::Unknown);
    }
    let found = db.opt(
        "SELECT album_id, product_url FROM remote_albums
         WHERE title = ?1
               AND NOT EXISTS (SELECT 1 FROM albums WHERE albums.album_id = remote_albums.album_id)
         ORDER BY item_count DESC, album_id LIMIT 1",
        params![title],
    )?;
    Ok(found.map_or(Before::Nothing, |(id, url)| Before::Album(id, url)))
}

/// The list has just been read.
pub(super) fn set_listed(db: &Tx, now: Timestamp) -> Result<()> {
    db.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
        params![LISTED_AT, now.as_millisecond().to_string()],
    )?;
    Ok(())
}

/// Forgets the list of albums: it is read again before the next album is created.
pub(super) const FORGET: &str =
    "DELETE FROM meta WHERE key = 'albums_listed'; DELETE FROM remote_albums;";
