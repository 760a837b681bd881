//! What came of calls that change who is in an album, and how an album was found to stand.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Reader, Result, Store, Tx, call_journal, items, next_call::positions, placements};
use crate::{
    clock,
    model::{
        ids::{AlbumId, AlbumRow, CallId, ItemId, MediaItemId},
        order_key,
    },
};

/// A `mediaItems.batchCreate` whose outcome is recorded, and what it leaves open about its album. Both
/// are one transaction: a crash in between would make a wrong order look right.
#[derive(Debug, Clone, Copy)]
pub struct RecordedCall {
    /// The call.
    pub call: CallId,
    /// What is not known of the album now.
    pub doubt: Uncertain,
}

/// What a call leaves open about the order of its album.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncertain {
    /// Everything stands where it was put.
    Nothing,
    /// The album is read before more is placed in it, if it holds no more than so many items.
    Order(Option<u64>),
    /// The call may have been done, and cannot be repeated word for word: where its items stand is read
    /// in the album, once they are known.
    Items,
}

impl From<CallId> for RecordedCall {
    fn from(call: CallId) -> Self {
        Self {
            call,
            doubt: Uncertain::Nothing,
        }
    }
}

impl Store {
    /// `albums.batchAddMediaItems` was answered: all of it stands in the album, or (with an error)
    /// none of it does and is tried again. Where one of it is to blame each goes by itself from then
    /// on, at most `blamed` times.
    pub async fn additions_answered(
        &self,
        call: CallId,
        album: AlbumRow,
        error: Option<(String, Timestamp)>,
        blamed: Option<u32>,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            for item in call_journal::items_of(db, call)? {
                match &error {
                    None if !items::is_made(db, item)? => placements::mark_position_unknown(db, item, album)?,
                    None => {
                        let at_its_place = is_last(db, item, album)?;
                        placements::placed(db, item, album, at_its_place)?;
                    }
                    Some((reason, not_before)) => {
                        db.prepare_cached(
                            "UPDATE placements SET attempts = attempts + (?5 IS NOT NULL), not_before = ?3,
                                    reason = ?4, state = iif(attempts + 1 >= ?5, 'refused', state)
                             WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
                        )?
                        .execute(params![item.0, album.0, not_before.as_millisecond(), reason, blamed])?;
                    }
                }
            }
            let error = error.as_ref().map(|(reason, _)| reason.as_str());
            call_journal::answered(db, call, None, error, now)
        })
        .await
    }

    /// The service refused to put what the call carried behind this neighbour. A person may have taken
    /// that one out: it is nobody's neighbour any more, unless the album, which is read if it holds no
    /// more than `most` items, still has it. What the call carried is planned anew; and what was refused
    /// so before is appended, once and for all.
    pub async fn place_refused(
        &self,
        call: CallId,
        album: AlbumRow,
        neighbour: MediaItemId,
        most: u64,
    ) -> Result<()> {
        self.write(move |db| {
            let (mut again, mut is_first) = (Vec::new(), true);
            for item in call_journal::items_of(db, call)? {
                let before: bool = db
                    .prepare_cached(REFUSED_BEFORE)?
                    .query_row(params![item.0, album.0, call.0], |row| row.get(0))?;
                is_first &= !before;
                again.push(item);
            }
            if !is_first {
                positions::append(db, album, again)?;
            }
            db.prepare_cached(NO_NEIGHBOUR)?
                .execute(params![album.0, neighbour.as_str()])?;
            let settled = RecordedCall {
                call,
                doubt: Uncertain::Order(Some(most)),
            };
            doubt(db, settled, album)
        })
        .await
    }

    /// `albums.batchRemoveMediaItems` was answered: all of it has left the album, or (with an error)
    /// none of it has. What came back meanwhile is wanted there again.
    pub async fn removals_answered(
        &self,
        call: CallId,
        album: AlbumRow,
        error: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            if error.is_none() {
                for item in call_journal::items_of(db, call)? {
                    left(db, item, album)?;
                }
            }
            call_journal::answered(db, call, None, error.as_deref(), now)
        })
        .await
    }

    /// These have left the album without a call: a person took them out before.
    pub async fn left_already(&self, album: AlbumRow, items: Vec<ItemId>) -> Result<()> {
        self.write(move |db| {
            for item in items {
                left(db, item, album)?;
            }
            Ok(())
        })
        .await
    }

    /// The service would not take these out of the album, each asked for by itself: they stay, and
    /// the reason stands beside.
    pub async fn cannot_leave(
        &self,
        album: AlbumRow,
        items: Vec<ItemId>,
        reason: String,
    ) -> Result<()> {
        self.write(move |db| {
            for item in items {
                db.prepare_cached(
                    "UPDATE placements SET state = 'refused', reason = ?3
                     WHERE item_id = ?1 AND album_id = ?2 AND state = 'leaving'",
                )?
                .execute(params![item.0, album.0, reason])?;
            }
            Ok(())
        })
        .await
    }

    /// The call may have been done, and what it carried is tried again otherwise: where its items stand in
    /// the album is read there, once they are known.
    pub async fn call_in_doubt(&self, call: CallId, album: AlbumRow) -> Result<()> {
        let settled = RecordedCall {
            call,
            doubt: Uncertain::Items,
        };
        self.write(move |db| doubt(db, settled, album)).await
    }

    /// The id of an album whose order is in doubt, and when it can be read.
    pub async fn to_read(&self, album: AlbumRow) -> Result<Option<(AlbumId, Timestamp)>> {
        self.write(move |db| {
            Ok(db
                .prepare_cached(
                    "SELECT album_id, not_before FROM albums
                     WHERE id = ?1 AND unread = 1 AND album_id IS NOT NULL",
                )?
                .query_row([album.0], |row| {
                    let album_id = AlbumId::new(row.get::<_, String>(0)?);
                    Ok((album_id, clock::from_millis(row.get(1)?)))
                })
                .optional()?)
        })
        .await
    }

    /// The album was read: `standing` is all that is in it, in its order. What stands in order is in
    /// sequence from now on, and nothing else of what was seen. What was not seen is left as it is:
    /// the service's lists are late.
    pub async fn album_read(&self, album: AlbumRow, standing: Vec<MediaItemId>) -> Result<()> {
        self.write(move |db| read(db, album, &standing)).await
    }
}

/// Notes what the call leaves open.
pub(super) fn doubt(db: &Tx, settled: RecordedCall, album: AlbumRow) -> Result<()> {
    let most = match settled.doubt {
        Uncertain::Nothing => return Ok(()),
        Uncertain::Order(most) => most,
        Uncertain::Items => {
            for item in call_journal::items_of(db, settled.call)? {
                placements::mark_position_unknown(db, item, album)?;
            }
            None
        }
    };
    db.prepare_cached(
        "UPDATE albums SET unread = 1 WHERE id = ?1 AND id <> 0 AND (?2 IS NULL OR placed <= ?2)",
    )?
    .execute(params![album.0, most.map(|most| most as i64)])?;
    Ok(())
}

/// Whether the item is later than all that stands in sequence: then the end is its place.
fn is_last(db: &Reader, item: ItemId, album: AlbumRow) -> Result<bool> {
    let is_last = db
        .prepare_cached(
            "SELECT order_key > coalesce((SELECT max(order_key) FROM placements
                                          WHERE album_id = ?2 AND in_sequence = 1), x'')
             FROM placements WHERE item_id = ?1 AND album_id = ?2",
        )?
        .query_row(params![item.0, album.0], |row| row.get(0))
        .optional()?;
    Ok(is_last.unwrap_or(false))
}

fn left(db: &Tx, item: ItemId, album: AlbumRow) -> Result<()> {
    db.prepare_cached(
        "UPDATE placements SET state = iif(state = 'leaving', 'gone', 'wanted'), in_sequence = 0, append = 0,
                attempts = 0, not_before = 0
         WHERE item_id = ?1 AND album_id = ?2 AND state IN ('leaving', 'placed')",
    )?
    .execute(params![item.0, album.0])?;
    Ok(())
}

fn read(db: &Tx, album: AlbumRow, standing: &[MediaItemId]) -> Result<()> {
    let places: HashMap<&str, usize> = standing
        .iter()
        .enumerate()
        .map(|(place, id)| (id.as_str(), place))
        .collect();
    let rows: Vec<(ItemId, Vec<u8>, String)> = db
        .prepare_cached(IN_ALBUM)?
        .query_map([album.0], |row| {
            Ok((ItemId(row.get(0)?), row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut seen: Vec<(usize, ItemId, Vec<u8>)> = rows
        .into_iter()
        .filter_map(|(item, key, id)| Some((*places.get(id.as_str())?, item, key)))
        .collect();
    seen.sort_unstable_by_key(|(place, ..)| *place);
    let keys: Vec<&[u8]> = seen.iter().map(|(.., key)| key.as_slice()).collect();
    for ((_, item, _), in_sequence) in seen.iter().zip(order_key::in_sequence(&keys)) {
        db.prepare_cached(
            "UPDATE placements SET in_sequence = ?3, state = 'placed', reason = NULL, doubtful = 0
             WHERE item_id = ?1 AND album_id = ?2 AND state IN ('placed', 'wanted')
                   AND (in_sequence <> ?3 OR state = 'wanted' OR doubtful = 1)",
        )?
        .execute(params![item.0, album.0, in_sequence])?;
    }
    // As long as more is to come, more of it may be there already.
    db.prepare_cached(
        "UPDATE albums SET unread = 0, found = found AND (queued > 0 OR wanted > 0) WHERE id = ?1",
    )?
    .execute([album.0])?;
    Ok(())
}

/// An album that holds what may stand elsewhere than planned, and can be read now.
pub(super) fn in_doubt(db: &Reader, now: Timestamp) -> Result<Option<(AlbumRow, AlbumId)>> {
    Ok(db
        .prepare_cached(IN_DOUBT)?
        .query_row([now.as_millisecond()], |row| {
            let album_id = AlbumId::new(row.get::<_, String>(1)?);
            Ok((AlbumRow(row.get(0)?), album_id))
        })
        .optional()?)
}

/// That a row of `albums` holds what may stand elsewhere than planned, and may be read: one that was
/// found only when nothing is on its way to it any more, because it may be large, and each of its
/// items in doubt.
macro_rules! may_be_read {
    () => {
        "unread = 1 AND album_id IS NOT NULL AND EXISTS (
             SELECT 1 FROM placements
             WHERE placements.album_id = albums.id AND doubtful = 1 AND placements.state = 'placed')
         AND (found = 0 OR (queued = 0
              AND NOT EXISTS (SELECT 1 FROM files WHERE state = 'claimed' AND files.album_id = albums.id)
              AND NOT EXISTS (
                  SELECT 1 FROM placements CROSS JOIN items ON items.id = placements.item_id
                  WHERE placements.album_id = albums.id AND placements.state = 'wanted'
                        AND items.state IN ('queued', 'uploading', 'uploaded', 'creating'))))"
    };
}

/// The statement behind [`in_doubt`].
pub(super) const IN_DOUBT: &str = concat!(
    "SELECT id, album_id FROM albums WHERE not_before <= ?1 AND ",
    may_be_read!(),
    " LIMIT 1"
);

/// Whether an album that was found is still to be read: a backfill is not done before.
pub(super) const TO_READ: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM albums WHERE found = 1 AND ",
    may_be_read!(),
    ")"
);

/// What is taken for in sequence in an album, what is there in doubt, and what is wanted there
/// although it is made.
pub(super) const IN_ALBUM: &str =
    "SELECT items.id, placements.order_key, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?1 AND placements.in_sequence = 1 AND items.media_item_id IS NOT NULL
     UNION ALL
     SELECT items.id, placements.order_key, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?1 AND placements.doubtful = 1 AND placements.state = 'placed'
           AND items.media_item_id IS NOT NULL
     UNION ALL
     SELECT items.id, placements.order_key, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?1 AND placements.state = 'wanted' AND placements.made = 1
           AND items.media_item_id IS NOT NULL";

/// Whether an earlier call with this item for this album (?1, ?2; the present call is ?3) was refused
/// for a reason of its own at a place behind a neighbour: 400, 403 and 404 are what is asked about here.
pub(super) const REFUSED_BEFORE: &str = "SELECT EXISTS (
     SELECT 1 FROM call_items CROSS JOIN calls ON calls.id = call_items.call_id
     WHERE call_items.item_id = ?1 AND calls.album_id = ?2 AND calls.id <> ?3
           AND calls.position LIKE 'after %' AND calls.http_status IN (400, 403, 404))";

/// What stands in sequence with this media item is not known to stand there any more.
pub(super) const NO_NEIGHBOUR: &str = "UPDATE placements SET in_sequence = 0, doubtful = 1
     WHERE album_id = ?1 AND in_sequence = 1
           AND (SELECT media_item_id FROM items WHERE items.id = placements.item_id) = ?2";
