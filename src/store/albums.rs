//! Albums: a title, and the service's id once it is known. An album that is full continues as "Title (2)".

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Reader, Result, Tx, attach, call_journal, row::params, writer::store_methods};
use crate::model::ids::{AlbumId, AlbumRow, CallId, ItemId};

/// The row of the library itself, which is no album.
pub(super) const LIBRARY: AlbumRow = AlbumRow(0);

/// The most items in one album (fact sheet, section 5.2).
pub const ALBUM_LIMIT: u64 = 20_000;

/// The title of a part at the service.
pub(super) fn part_title(title: &str, part: i64) -> String {
    if part == 1 {
        title.to_owned()
    } else {
        format!("{title} ({part})")
    }
}

/// The last part of the album with this title, inserted if there is none; without a title, the library.
pub(super) fn row_of(db: &Tx, title: Option<&str>) -> Result<AlbumRow> {
    let Some(title) = title else {
        return Ok(LIBRARY);
    };
    let sql = "SELECT id FROM albums WHERE title = ?1 ORDER BY part DESC LIMIT 1";
    if let Some(album) = db.opt(sql, params![title])? {
        return Ok(album);
    }
    let sql = "INSERT INTO albums (title) VALUES (?1)";
    db.insert(sql, params![title]).map(AlbumRow)
}

/// The albums that a user means by a title or an id: all parts by the plain title, one by its own title.
pub(super) fn named(db: &Reader, title_or_id: &str) -> Result<Vec<AlbumRow>> {
    let sql = "SELECT id, title, part, album_id FROM albums WHERE id <> 0 ORDER BY id";
    let rows: Vec<(AlbumRow, String, i64, Option<String>)> = db.all(sql, params![])?;
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

/// The service's id of an album, if it has one.
pub(super) fn id_of(db: &Reader, album: AlbumRow) -> Result<Option<AlbumId>> {
    db.one("SELECT album_id FROM albums WHERE id = ?1", params![album])
}

/// The album has this id now.
pub(super) fn has_id(
    db: &Tx,
    album: AlbumRow,
    album_id: &AlbumId,
    product_url: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    db.execute(
        "UPDATE albums SET album_id = ?2, product_url = ?3, created_at = ?4, create_sent_at = NULL, list_checks = 0,
                not_before = 0, reason = NULL, not_found_at = NULL
         WHERE id = ?1",
        params![album, album_id, product_url, now],
    )?;
    Ok(())
}

store_methods! {
    write_durably fn album_stands(album: AlbumRow, album_id: AlbumId, product_url: Option<String>, now: Timestamp) -> ();
    write_durably fn album_created(call: CallId, album: AlbumRow, album_id: AlbumId, product_url: Option<String>, now: Timestamp) -> ();
    write_durably fn album_not_created(call: CallId, album: AlbumRow, open: bool, not_before: Timestamp, error: String, now: Timestamp) -> ();
    write fn album_not_listed(album: AlbumRow, not_before: Timestamp) -> ();
    write fn album_waits(album: AlbumRow, not_before: Timestamp, reason: String) -> ();
    write fn album_id(album: AlbumRow) -> Option<(AlbumId, Option<Timestamp>)>;
    write fn album_ids() -> HashSet<String>;
    write fn album_absent(album: AlbumRow, now: Timestamp) -> Timestamp;
    write fn album_present(album: AlbumRow) -> ();
    write_durably fn album_lost(album: AlbumRow) -> ();
    write fn album_full(album: AlbumRow) -> bool;
}

impl Tx {
    /// The id of the album was found in the service's list.
    pub fn album_stands(
        &self,
        album: AlbumRow,
        album_id: AlbumId,
        product_url: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        has_id(self, album, &album_id, product_url.as_deref(), now)
    }

    /// `albums.create` was answered with the id of the album.
    pub fn album_created(
        &self,
        call: CallId,
        album: AlbumRow,
        album_id: AlbumId,
        product_url: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        has_id(self, album, &album_id, product_url.as_deref(), now)?;
        call_journal::answered(self, call, Some(200), None, now)
    }

    /// `albums.create` was refused or, if `open`, may have created the album: then the service's list is read
    /// to find out. Either happens at `not_before`.
    pub fn album_not_created(
        &self,
        call: CallId,
        album: AlbumRow,
        open: bool,
        not_before: Timestamp,
        error: String,
        now: Timestamp,
    ) -> Result<()> {
        self.execute(
            "UPDATE albums SET create_sent_at = iif(?2, create_sent_at, NULL), list_checks = 0, not_before = ?3,
                    reason = ?4
             WHERE id = ?1",
            params![album, open, not_before, error],
        )?;
        call_journal::answered(self, call, None, Some(&error), now)
    }

    /// The service's list does not have the album. At `not_before` the list is read again or the album
    /// created.
    pub fn album_not_listed(&self, album: AlbumRow, not_before: Timestamp) -> Result<()> {
        let sql = "UPDATE albums SET list_checks = list_checks + 1, not_before = ?2 WHERE id = ?1";
        self.execute(sql, params![album, not_before])?;
        Ok(())
    }

    /// No call is made for this album before `not_before`.
    pub fn album_waits(
        &self,
        album: AlbumRow,
        not_before: Timestamp,
        reason: String,
    ) -> Result<()> {
        let sql = "UPDATE albums SET not_before = ?2, reason = ?3 WHERE id = ?1";
        self.execute(sql, params![album, not_before, reason])?;
        Ok(())
    }

    /// The id of an album, if it has one, and when it was created.
    pub fn album_id(&self, album: AlbumRow) -> Result<Option<(AlbumId, Option<Timestamp>)>> {
        self.opt(
            "SELECT album_id, created_at FROM albums WHERE id = ?1 AND album_id IS NOT NULL",
            params![album],
        )
    }

    /// All ids of albums.
    pub fn album_ids(&self) -> Result<HashSet<String>> {
        let sql = "SELECT album_id FROM albums WHERE album_id IS NOT NULL";
        Ok(self.all(sql, params![])?.into_iter().collect())
    }

    /// albums.get does not know the album; returns when it did not for the first time.
    pub fn album_absent(&self, album: AlbumRow, now: Timestamp) -> Result<Timestamp> {
        self.one(
            "UPDATE albums SET not_found_at = coalesce(not_found_at, ?2) WHERE id = ?1 RETURNING not_found_at",
            params![album, now],
        )
    }

    /// albums.get knows the album after all.
    pub fn album_present(&self, album: AlbumRow) -> Result<()> {
        let sql = "UPDATE albums SET not_found_at = NULL, reason = NULL WHERE id = ?1";
        self.execute(sql, params![album])?;
        Ok(())
    }

    /// The user deleted the album: it is created again, and its items are wanted in it again.
    pub fn album_lost(&self, album: AlbumRow) -> Result<()> {
        self.execute(
            "UPDATE placements SET state = iif(state = 'placed', 'wanted', 'gone'), in_sequence = 0
             WHERE album_id = ?1 AND state IN ('placed', 'leaving')",
            params![album],
        )?;
        self.execute(
            "UPDATE albums SET album_id = NULL, order_unknown = 0, pre_existing = 0, product_url = NULL,
                    created_at = NULL, create_sent_at = NULL, list_checks = 0, not_before = 0, not_found_at = NULL,
                    reason = 'it was deleted in Google Photos and is made again'
             WHERE id = ?1",
            params![album],
        )?;
        Ok(())
    }

    /// The service says that the album is full: the rest goes to its next part. An album in which we placed
    /// nothing is not believed, because its next part would be refused as well; returns false then. A
    /// pre-existing one may hold items that we do not know.
    pub fn album_full(&self, album: AlbumRow) -> Result<bool> {
        let sql = "SELECT placed > 0 OR pre_existing = 1 FROM albums WHERE id = ?1 AND id <> 0";
        let has_items = self.opt(sql, params![album])?.unwrap_or(false);
        if has_items {
            roll_over(self, album)?;
        }
        Ok(has_items)
    }
}

/// How many more items fit into an album that holds `placed`.
pub(super) fn room(album: AlbumRow, placed: u64, album_limit: u64) -> usize {
    if album == LIBRARY {
        return usize::MAX;
    }
    usize::try_from(album_limit.saturating_sub(placed)).unwrap_or(usize::MAX)
}

/// The album is full: what is still wanted in it goes to its last part, a new one if need be. The files of
/// those items follow: if their bytes are uploaded again, they must not want the full part once more.
pub(super) fn roll_over(db: &Tx, album: AlbumRow) -> Result<()> {
    let mut last: AlbumRow = db.one(
        "SELECT id FROM albums WHERE title = (SELECT title FROM albums WHERE id = ?1)
         ORDER BY part DESC LIMIT 1",
        params![album],
    )?;
    if last == album {
        let sql =
            "INSERT INTO albums (title, part) SELECT title, part + 1 FROM albums WHERE id = ?1";
        last = AlbumRow(db.insert(sql, params![album])?);
    }
    let [holders, placements, left_over, queued, claimed] = ROLL_OVER;
    for sql in [holders, placements, claimed] {
        db.execute(sql, params![album, last])?;
    }
    // These are in the last part already, or were taken out of it.
    for item in db.all::<ItemId>(left_over, params![album])? {
        attach::ensure_library_placement(db, item)?;
    }
    for root in db.all::<i64>("SELECT id FROM roots", params![])? {
        db.execute(queued, params![album, last, root])?;
    }
    Ok(())
}

/// The statements behind [`roll_over`]: ?1 is the full part, ?2 the last one, ?3 a root.
pub(super) const ROLL_OVER: [&str; 5] = [
    "UPDATE files SET album_id = ?2 WHERE album_id = ?1 AND state = 'attached' AND item_id IN (
         SELECT item_id FROM placements WHERE album_id = ?1 AND state = 'wanted')",
    "UPDATE OR IGNORE placements SET album_id = ?2 WHERE album_id = ?1 AND state = 'wanted'",
    "UPDATE placements SET state = 'gone' WHERE album_id = ?1 AND state = 'wanted' RETURNING item_id",
    "UPDATE files SET album_id = ?2 WHERE root_id = ?3 AND album_id = ?1 AND state = 'queued'",
    "UPDATE files SET album_id = ?2 WHERE album_id = ?1 AND state = 'claimed'",
];
