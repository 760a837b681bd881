//! Albums that stood at the service before this database knew of any: its list, kept until their
//! titles are wanted.
//!
//! A new database may stand in for one that was lost, and one that was restored has forgotten some. The
//! lane reads the list before it makes the first album, and once: what comes later is ours. `rebuild`
//! reads it, too.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Reader, Result, Store, Tx, albums};
use crate::model::ids::{AlbumId, AlbumRow};

/// The key of `meta` that says when the list was read, milliseconds.
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

/// What stood at the service under a title before this database knew of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// Nobody has asked yet.
    Unknown,
    /// No album that is not known by now.
    Nothing,
    /// This one, and where a browser finds it.
    Album(AlbumId, Option<String>),
}

impl Store {
    /// The service's list of albums was read to its end; this is all of it.
    pub async fn albums_listed(&self, list: Vec<RemoteAlbum>, now: Timestamp) -> Result<()> {
        self.write_durably(move |db| {
            db.prepare_cached("DELETE FROM listed_albums")?.execute([])?;
            for album in list {
                db.prepare_cached(
                    "INSERT OR IGNORE INTO listed_albums (album_id, title, product_url, items)
                     SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM albums WHERE album_id = ?1)",
                )?
                .execute(params![
                    album.album_id.as_str(),
                    album.title,
                    album.product_url,
                    i64::try_from(album.items).unwrap_or(i64::MAX)
                ])?;
            }
            are_listed(db, now)
        })
        .await
    }

    /// The album is one that stood at the service before. What stands in it is not known yet.
    pub async fn album_found(
        &self,
        album: AlbumRow,
        album_id: AlbumId,
        product_url: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        self.write_durably(move |db| {
            albums::stands(db, album, &album_id, product_url.as_deref(), now)?;
            db.prepare_cached("UPDATE albums SET found = 1 WHERE id = ?1")?
                .execute([album.0])?;
            // Should it be deleted by hand, it must not be found once more.
            db.prepare_cached("DELETE FROM listed_albums WHERE album_id = ?1")?
                .execute([album_id.as_str()])?;
            Ok(())
        })
        .await
    }
}

impl Reader {
    /// Whether the service's list of albums was read since this database was made or brought back.
    pub fn albums_were_listed(&self) -> Result<bool> {
        is_read(self)
    }
}

/// What stood under this title.
pub(super) fn before(db: &Reader, title: &str) -> Result<Before> {
    if !is_read(db)? {
        return Ok(Before::Unknown);
    }
    let found = db
        .prepare_cached(
            "SELECT album_id, product_url FROM listed_albums
             WHERE title = ?1
                   AND NOT EXISTS (SELECT 1 FROM albums WHERE albums.album_id = listed_albums.album_id)
             ORDER BY items DESC, album_id LIMIT 1",
        )?
        .query_row([title], |row| {
            Ok(Before::Album(
                AlbumId::new(row.get::<_, String>(0)?),
                row.get(1)?,
            ))
        })
        .optional()?;
    Ok(found.unwrap_or(Before::Nothing))
}

/// The list was read just now, by whomever.
pub(super) fn are_listed(db: &Tx, now: Timestamp) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(params![LISTED_AT, now.as_millisecond().to_string()])?;
    Ok(())
}

/// Forgets the list of albums: it is read again before the next album is made.
pub(super) const FORGET: &str =
    "DELETE FROM meta WHERE key = 'albums_listed'; DELETE FROM listed_albums;";

/// Another client cannot change what was listed, and makes albums of its own.
pub(super) fn are_of_another(db: &Tx) -> Result<()> {
    db.execute("DELETE FROM listed_albums", [])?;
    Ok(())
}

/// Whether the list was read.
fn is_read(db: &Reader) -> Result<bool> {
    Ok(db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM meta WHERE key = ?1)")?
        .query_row([LISTED_AT], |row| row.get(0))?)
}
