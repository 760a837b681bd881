//! Albums: a title, and the service's id once it is known.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{
    Reader, Result, Store, Tx, call_journal,
    remote_albums::{self, Before},
};
use crate::{
    clock,
    model::ids::{AlbumId, AlbumRow, CallId},
};

/// The row of the library itself: no album.
pub(super) const LIBRARY: AlbumRow = AlbumRow(0);

/// An album that needs an id before a batch can go to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlbumTask {
    /// Its row.
    pub row: AlbumRow,
    /// Its title as the service shall have it.
    pub title: String,
    /// When its creation was last asked for without an answer being recorded.
    pub asked_at: Option<Timestamp>,
    /// How often the service's own list was asked since.
    pub looked: u32,
    /// What stood at the service under this title before this database knew of it.
    pub before: Before,
}

/// The title of a part as the service shall have it.
pub(super) fn part_title(title: &str, part: i64) -> String {
    if part == 1 {
        title.to_owned()
    } else {
        format!("{title} ({part})")
    }
}

/// The row of the album with this title, made if need be; without a title, the library.
pub(super) fn row_of(db: &Tx, title: Option<&str>) -> Result<AlbumRow> {
    let Some(title) = title else {
        return Ok(LIBRARY);
    };
    let known = db
        .prepare_cached("SELECT id FROM albums WHERE title = ?1 ORDER BY part DESC LIMIT 1")?
        .query_row([title], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(AlbumRow(id));
    }
    db.prepare_cached("INSERT INTO albums (title) VALUES (?1)")?
        .execute([title])?;
    Ok(AlbumRow(db.last_insert_rowid()))
}

/// The albums that a person means by a title or an id: every part by the bare title, one by its own.
pub(super) fn named(db: &Reader, title_or_id: &str) -> Result<Vec<AlbumRow>> {
    let rows: Vec<(AlbumRow, String, i64, Option<String>)> = db
        .prepare_cached("SELECT id, title, part, album_id FROM albums WHERE id <> 0 ORDER BY id")?
        .query_map([], |row| {
            Ok((AlbumRow(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows
        .into_iter()
        .filter(|(_, title, part, album_id)| {
            title == title_or_id
                || part_title(title, *part) == title_or_id
                || album_id.as_deref() == Some(title_or_id)
        })
        .map(|(row, ..)| row)
        .collect())
}

/// What is to be known before a batch may go to this album; none if it has its id.
pub(super) fn task(db: &Reader, album: AlbumRow) -> Result<Option<AlbumTask>> {
    let row: Option<(String, i64, Option<i64>, u32)> = db
        .prepare_cached(
            "SELECT title, part, asked_at, looked FROM albums WHERE id = ?1 AND id <> 0 AND album_id IS NULL",
        )?
        .query_row([album.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((title, part, asked_at, looked)) = row else {
        return Ok(None);
    };
    let title = part_title(&title, part);
    Ok(Some(AlbumTask {
        row: album,
        before: remote_albums::before(db, &title)?,
        title,
        asked_at: asked_at.map(clock::from_millis),
        looked,
    }))
}

impl Store {
    /// The album has this id now: it was created, or found in the service's list.
    pub async fn album_stands(
        &self,
        album: AlbumRow,
        album_id: AlbumId,
        product_url: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        self.write_durably(move |db| stands(db, album, &album_id, product_url.as_deref(), now))
            .await
    }

    /// The service's list was asked for the album and did not have it; it is asked again, or the
    /// album made, not before `not_before`.
    pub async fn album_not_listed(&self, album: AlbumRow, not_before: Timestamp) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE albums SET looked = looked + 1, not_before = ?2 WHERE id = ?1",
            )?
            .execute(params![album.0, not_before.as_millisecond()])?;
            Ok(())
        })
        .await
    }

    /// Nothing goes to this album before `not_before`, and why.
    pub async fn album_waits(
        &self,
        album: AlbumRow,
        not_before: Timestamp,
        reason: String,
    ) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached("UPDATE albums SET not_before = ?2, reason = ?3 WHERE id = ?1")?
                .execute(params![album.0, not_before.as_millisecond(), reason])?;
            Ok(())
        })
        .await
    }

    /// The id of an album and when it was made, for a question about it.
    pub async fn album_id(&self, album: AlbumRow) -> Result<Option<(AlbumId, Option<Timestamp>)>> {
        self.write(move |db| {
            let row: Option<(Option<String>, Option<i64>)> = db
                .prepare_cached("SELECT album_id, made_at FROM albums WHERE id = ?1")?
                .query_row([album.0], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(row.and_then(|(id, made_at)| {
                Some((AlbumId::new(id?), made_at.map(clock::from_millis)))
            }))
        })
        .await
    }

    /// The service's ids of all albums that have one.
    pub async fn album_ids(&self) -> Result<std::collections::HashSet<String>> {
        self.write(|db| {
            let ids = db
                .prepare_cached("SELECT album_id FROM albums WHERE album_id IS NOT NULL")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(ids)
        })
        .await
    }

    /// albums.get says that the album is not there. The first time only the instant is kept; gives
    /// when that was.
    pub async fn album_absent(&self, album: AlbumRow, now: Timestamp) -> Result<Timestamp> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE albums SET absent_at = coalesce(absent_at, ?2) WHERE id = ?1",
            )?
            .execute(params![album.0, now.as_millisecond()])?;
            let first: i64 = db
                .prepare_cached("SELECT absent_at FROM albums WHERE id = ?1")?
                .query_row([album.0], |row| row.get(0))?;
            Ok(clock::from_millis(first))
        })
        .await
    }

    /// albums.get says that the album is there after all.
    pub async fn album_present(&self, album: AlbumRow) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached("UPDATE albums SET absent_at = NULL, reason = NULL WHERE id = ?1")?
                .execute([album.0])?;
            Ok(())
        })
        .await
    }

    /// The album was deleted by hand: it is made anew, and what stood in it is wanted there again.
    pub async fn album_lost(&self, album: AlbumRow) -> Result<()> {
        self.write_durably(move |db| {
            db.prepare_cached(
                "UPDATE placements SET state = 'wanted', in_sequence = 0
                 WHERE album_id = ?1 AND state = 'placed'",
            )?
            .execute([album.0])?;
            db.prepare_cached(
                "UPDATE placements SET state = 'gone' WHERE album_id = ?1 AND state = 'leaving'",
            )?
            .execute([album.0])?;
            db.prepare_cached(
                "UPDATE albums SET album_id = NULL, unread = 0, found = 0, product_url = NULL, made_at = NULL, asked_at = NULL,
                        looked = 0, not_before = 0, absent_at = NULL,
                        reason = 'it was deleted in Google Photos and is made again'
                 WHERE id = ?1",
            )?
            .execute([album.0])?;
            Ok(())
        })
        .await
    }

    /// `albums.create` was answered: the album has its id.
    pub async fn album_created(
        &self,
        call: CallId,
        album: AlbumRow,
        album_id: AlbumId,
        product_url: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        self.write_durably(move |db| {
            stands(db, album, &album_id, product_url.as_deref(), now)?;
            call_journal::answered(db, call, Some(200), None, now)
        })
        .await
    }

    /// `albums.create` was refused for certain, or its outcome is open (`open`): then the service's
    /// own list decides, not before `not_before`.
    pub async fn album_not_created(
        &self,
        call: CallId,
        album: AlbumRow,
        open: bool,
        not_before: Timestamp,
        error: String,
        now: Timestamp,
    ) -> Result<()> {
        self.write_durably(move |db| {
            db.prepare_cached(
                "UPDATE albums SET asked_at = iif(?2, asked_at, NULL), looked = 0, not_before = ?3, reason = ?4
                 WHERE id = ?1",
            )?
            .execute(params![album.0, open, not_before.as_millisecond(), error])?;
            call_journal::answered(db, call, None, Some(&error), now)
        })
        .await
    }
}

/// The album has this id now.
pub(super) fn stands(
    db: &Tx,
    album: AlbumRow,
    album_id: &AlbumId,
    product_url: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    db.prepare_cached(
        "UPDATE albums SET album_id = ?2, product_url = ?3, made_at = ?4, asked_at = NULL, looked = 0,
                not_before = 0, reason = NULL, absent_at = NULL
         WHERE id = ?1",
    )?
    .execute(params![album.0, album_id.as_str(), product_url, now.as_millisecond()])?;
    Ok(())
}
