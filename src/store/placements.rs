//! Placements: which item is in which album, or is to be. What the calls that change albums say about
//! them, and what a listing of an album shows.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{
    Reader, Result, Tx, call_journal, items, positions, row::params, writer::store_methods,
};
use crate::model::{
    ids::{AlbumId, AlbumRow, CallId, ItemId, MediaItemId},
    order_key,
};

/// A `mediaItems.batchCreate` whose result is recorded, and what it leaves uncertain about its album. Both
/// are recorded in one transaction: a crash in between would make a wrong order look right.
#[derive(Debug, Clone, Copy)]
pub struct RecordedCall {
    /// The call.
    pub call: CallId,
    /// What is uncertain about the album.
    pub doubt: Uncertain,
}

/// What a call leaves uncertain about the order of its album.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncertain {
    /// Nothing.
    Nothing,
    /// The order: the album is listed before more is placed in it, unless it holds more items than this.
    Order(Option<u64>),
    /// Whether its items are in the album. The call may have taken effect and cannot be repeated verbatim;
    /// once the items have ids, the album is listed.
    Items,
}

impl From<CallId> for RecordedCall {
    fn from(call: CallId) -> Self {
        let doubt = Uncertain::Nothing;
        Self { call, doubt }
    }
}

/// A call may have put the media item into the album, at any position. Once the item is known to be there,
/// the album is listed.
pub(super) fn mark_position_unknown(db: &Tx, item: ItemId, album: AlbumRow) -> Result<()> {
    db.execute(
        "UPDATE placements SET position_unknown = 1
         WHERE item_id = ?1 AND album_id = ?2 AND album_id <> 0 AND state = 'wanted'",
        params![item, album],
    )?;
    Ok(())
}

/// The same for an item that is retried alone: the call before it gave no result for it, so the item may be
/// in the album already, and other items may get next to it now.
pub(super) fn mark_position_unknown_if_alone(db: &Tx, item: ItemId, album: AlbumRow) -> Result<()> {
    db.execute(
        "UPDATE placements SET position_unknown = 1
         WHERE item_id = ?1 AND album_id = ?2 AND album_id <> 0 AND state = 'wanted'
               AND EXISTS (SELECT 1 FROM items WHERE id = ?1 AND retry_alone = 1)",
        params![item, album],
    )?;
    Ok(())
}

/// The placement waits until `not_before`; the item's own `not_before` is for its creation.
pub(super) fn delay_until(
    db: &Tx,
    item: ItemId,
    album: AlbumRow,
    not_before: Timestamp,
) -> Result<()> {
    db.execute(
        "UPDATE placements SET not_before = ?3 WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
        params![item, album, not_before],
    )?;
    Ok(())
}

/// The service does not put the item into the album.
pub(super) fn refuse(db: &Tx, item: ItemId, album: AlbumRow, reason: &str) -> Result<()> {
    db.execute(
        "UPDATE placements SET state = 'refused', in_sequence = 0, reason = ?3
         WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
        params![item, album, reason],
    )?;
    Ok(())
}

/// The item is in the album. In an album that existed before this database it may have been there already,
/// at any position.
pub(super) fn placed(db: &Tx, item: ItemId, album: AlbumRow, at_its_place: bool) -> Result<()> {
    db.execute(
        "UPDATE placements SET position_unknown = 1
         WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'
               AND EXISTS (SELECT 1 FROM albums WHERE id = ?2 AND pre_existing = 1)",
        params![item, album],
    )?;
    db.execute(
        "UPDATE placements SET state = 'placed', reason = NULL,
                in_sequence = ?3 AND append_only = 0 AND album_id <> 0 AND position_unknown = 0
         WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
        params![item, album, at_its_place],
    )?;
    db.execute(
        "UPDATE albums SET order_unknown = 1 WHERE id = ?2 AND order_unknown = 0
         AND EXISTS (SELECT 1 FROM placements
                     WHERE item_id = ?1 AND album_id = ?2 AND position_unknown = 1)",
        params![item, album],
    )?;
    // It was withdrawn while the call was under way, and is in the album now.
    db.execute(
        "UPDATE placements SET state = 'leaving'
         WHERE item_id = ?1 AND album_id = ?2 AND album_id <> 0 AND state = 'gone'",
        params![item, album],
    )?;
    Ok(())
}

/// The item has left the album. If it came back meanwhile, it is wanted there again.
fn left(db: &Tx, item: ItemId, album: AlbumRow) -> Result<()> {
    db.execute(
        "UPDATE placements SET state = iif(state = 'leaving', 'gone', 'wanted'), in_sequence = 0,
                append_only = 0, attempts = 0, not_before = 0
         WHERE item_id = ?1 AND album_id = ?2 AND state IN ('leaving', 'placed')",
        params![item, album],
    )?;
    Ok(())
}

/// Records what the call leaves uncertain.
pub(super) fn mark_uncertain(db: &Tx, call: RecordedCall, album: AlbumRow) -> Result<()> {
    let max_items = match call.doubt {
        Uncertain::Nothing => return Ok(()),
        Uncertain::Order(max_items) => max_items,
        Uncertain::Items => {
            for item in call_journal::items_of(db, call.call)? {
                mark_position_unknown(db, item, album)?;
            }
            None
        }
    };
    db.execute(
        "UPDATE albums SET order_unknown = 1 WHERE id = ?1 AND id <> 0 AND (?2 IS NULL OR placed <= ?2)",
        params![album, max_items],
    )?;
    Ok(())
}

store_methods! {
    write fn additions_answered(call: CallId, album: AlbumRow, error: Option<(String, Timestamp)>, blamed: Option<u32>, now: Timestamp) -> ();
    write fn place_refused(call: CallId, album: AlbumRow, neighbour: MediaItemId, most: u64) -> ();
    write fn removals_answered(call: CallId, album: AlbumRow, error: Option<String>, now: Timestamp) -> ();
    write fn left_already(album: AlbumRow, items: Vec<ItemId>) -> ();
    write fn cannot_leave(album: AlbumRow, items: Vec<ItemId>, reason: String) -> ();
    write fn call_in_doubt(call: CallId, album: AlbumRow) -> ();
    write fn to_read(album: AlbumRow) -> Option<(AlbumId, Timestamp)>;
    write fn album_read(album: AlbumRow, listed: Vec<MediaItemId>) -> ();
}

impl Tx {
    /// `albums.batchAddMediaItems` was answered: all items are in the album or, with an error and the time
    /// of the next attempt, none is. If one of them is at fault, each is retried by itself from now on, at
    /// most `blamed` times.
    pub fn additions_answered(
        &self,
        call: CallId,
        album: AlbumRow,
        error: Option<(String, Timestamp)>,
        blamed: Option<u32>,
        now: Timestamp,
    ) -> Result<()> {
        for item in call_journal::items_of(self, call)? {
            match &error {
                None if !items::exists(self, item)? => mark_position_unknown(self, item, album)?,
                None => {
                    // Later than all items in sequence: then the end is the right position.
                    let is_last = self.opt(
                        "SELECT order_key > coalesce((SELECT max(order_key) FROM placements
                                                      WHERE album_id = ?2 AND in_sequence = 1), x'')
                         FROM placements WHERE item_id = ?1 AND album_id = ?2",
                        params![item, album],
                    )?;
                    placed(self, item, album, is_last.unwrap_or(false))?;
                }
                Some((reason, not_before)) => {
                    self.execute(
                        "UPDATE placements SET attempts = attempts + (?5 IS NOT NULL), not_before = ?3,
                                reason = ?4, state = iif(attempts + 1 >= ?5, 'refused', state)
                         WHERE item_id = ?1 AND album_id = ?2 AND state = 'wanted'",
                        params![item, album, not_before, reason, blamed],
                    )?;
                }
            }
        }
        let error = error.as_ref().map(|(reason, _)| reason.as_str());
        call_journal::answered(self, call, None, error, now)
    }

    /// The service refused to put the items of the call after this neighbour, which the user may have taken
    /// out. Until a listing shows it in the album (if that holds at most `most` items), nothing is placed
    /// after it. The items are planned again; those that were refused so before are appended from now on.
    pub fn place_refused(
        &self,
        call: CallId,
        album: AlbumRow,
        neighbour: MediaItemId,
        most: u64,
    ) -> Result<()> {
        let refused = call_journal::items_of(self, call)?;
        let mut is_repeated = false;
        for item in &refused {
            is_repeated |= self.one::<bool>(REFUSED_BEFORE, params![item, album, call])?;
        }
        if is_repeated {
            positions::append(self, album, refused)?;
        }
        self.execute(NO_NEIGHBOUR, params![album, neighbour])?;
        let doubt = Uncertain::Order(Some(most));
        mark_uncertain(self, RecordedCall { call, doubt }, album)
    }

    /// `albums.batchRemoveMediaItems` was answered: all items have left the album or, with an error, none has.
    pub fn removals_answered(
        &self,
        call: CallId,
        album: AlbumRow,
        error: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        if error.is_none() {
            self.left_already(album, call_journal::items_of(self, call)?)?;
        }
        call_journal::answered(self, call, None, error.as_deref(), now)
    }

    /// These items are not in the album any more: the user took them out.
    pub fn left_already(&self, album: AlbumRow, items: Vec<ItemId>) -> Result<()> {
        items
            .into_iter()
            .try_for_each(|item| left(self, item, album))
    }

    /// The service does not take these items out of the album, not even each by itself: they stay.
    pub fn cannot_leave(&self, album: AlbumRow, items: Vec<ItemId>, reason: String) -> Result<()> {
        for item in items {
            self.execute(
                "UPDATE placements SET state = 'refused', reason = ?3
                 WHERE item_id = ?1 AND album_id = ?2 AND state = 'leaving'",
                params![item, album, reason],
            )?;
        }
        Ok(())
    }

    /// The call may have taken effect, and its items are retried in another way: see [`Uncertain::Items`].
    pub fn call_in_doubt(&self, call: CallId, album: AlbumRow) -> Result<()> {
        let doubt = Uncertain::Items;
        mark_uncertain(self, RecordedCall { call, doubt }, album)
    }

    /// The id of an album whose order is unknown, and when it may be listed.
    pub fn to_read(&self, album: AlbumRow) -> Result<Option<(AlbumId, Timestamp)>> {
        self.opt(
            "SELECT album_id, not_before FROM albums
             WHERE id = ?1 AND order_unknown = 1 AND album_id IS NOT NULL",
            params![album],
        )
    }

    /// The album was listed: `listed` is its whole content in its order. Of the items that are ours, those
    /// that are in ascending order are in sequence from now on. Items that are not in the list stay as they
    /// are: the service's lists lag behind.
    pub fn album_read(&self, album: AlbumRow, listed: Vec<MediaItemId>) -> Result<()> {
        let positions: HashMap<&str, usize> = listed
            .iter()
            .enumerate()
            .map(|(position, id)| (id.as_str(), position))
            .collect();
        let known: Vec<(ItemId, Vec<u8>, String)> = self.all(IN_ALBUM, params![album])?;
        let mut found: Vec<(usize, ItemId, Vec<u8>)> = known
            .into_iter()
            .filter_map(|(item, key, id)| Some((*positions.get(id.as_str())?, item, key)))
            .collect();
        found.sort_unstable_by_key(|(position, ..)| *position);
        let keys: Vec<&[u8]> = found.iter().map(|(.., key)| key.as_slice()).collect();
        for ((_, item, _), in_sequence) in found.iter().zip(order_key::in_sequence(&keys)) {
            self.execute(
                "UPDATE placements SET in_sequence = ?3, state = 'placed', reason = NULL, position_unknown = 0
                 WHERE item_id = ?1 AND album_id = ?2 AND state IN ('placed', 'wanted')
                       AND (in_sequence <> ?3 OR state = 'wanted' OR position_unknown = 1)",
                params![item, album, in_sequence],
            )?;
        }
        // Items that are still to come may be in a pre-existing album already.
        self.execute(
            "UPDATE albums SET order_unknown = 0, pre_existing = pre_existing AND (queued > 0 OR wanted > 0)
             WHERE id = ?1",
            params![album],
        )?;
        Ok(())
    }
}

/// An album with items at unknown positions that can be listed now.
pub(super) fn next_to_read(db: &Reader, now: Timestamp) -> Result<Option<(AlbumRow, AlbumId)>> {
    db.opt(TO_READ_NOW, params![now])
}

/// The condition that an album has items at unknown positions and may be listed. A pre-existing album may be
/// large, and each of its items is at an unknown position, so it is listed once nothing more goes into it.
macro_rules! may_be_read {
    () => {
        "order_unknown = 1 AND album_id IS NOT NULL AND EXISTS (
             SELECT 1 FROM placements
             WHERE placements.album_id = albums.id AND position_unknown = 1 AND placements.state = 'placed')
         AND (pre_existing = 0 OR (queued = 0
              AND NOT EXISTS (SELECT 1 FROM files WHERE state = 'claimed' AND files.album_id = albums.id)
              AND NOT EXISTS (
                  SELECT 1 FROM placements CROSS JOIN items ON items.id = placements.item_id
                  WHERE placements.album_id = albums.id AND placements.state = 'wanted'
                        AND items.state IN ('queued', 'uploading', 'uploaded', 'creating'))))"
    };
}

/// The statement behind [`next_to_read`].
pub(super) const TO_READ_NOW: &str = concat!(
    "SELECT id, album_id FROM albums WHERE not_before <= ?1 AND ",
    may_be_read!(),
    " LIMIT 1"
);

/// Whether a pre-existing album is still to be listed: a backfill is not complete before.
pub(super) const TO_READ: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM albums WHERE pre_existing = 1 AND ",
    may_be_read!(),
    ")"
);

/// The items of an album that a listing can tell something about: those in sequence, those at unknown
/// positions, and existing ones that are wanted there. Each part has an index.
pub(super) const IN_ALBUM: &str =
    "SELECT items.id, placements.order_key, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?1 AND placements.in_sequence = 1 AND items.media_item_id IS NOT NULL
     UNION ALL
     SELECT items.id, placements.order_key, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?1 AND placements.position_unknown = 1 AND placements.state = 'placed'
           AND items.media_item_id IS NOT NULL
     UNION ALL
     SELECT items.id, placements.order_key, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?1 AND placements.state = 'wanted' AND placements.item_exists = 1
           AND items.media_item_id IS NOT NULL";

/// Whether an earlier call (not ?3) that was to put the item (?1) after a neighbour in the album (?2) was
/// refused for its content: with 400, 403 or 404.
pub(super) const REFUSED_BEFORE: &str = "SELECT EXISTS (
     SELECT 1 FROM call_items CROSS JOIN calls ON calls.id = call_items.call_id
     WHERE call_items.item_id = ?1 AND calls.album_id = ?2 AND calls.id <> ?3
           AND calls.position LIKE 'after %' AND calls.http_status IN (400, 403, 404))";

/// The position of the item with this media item id is unknown from now on.
pub(super) const NO_NEIGHBOUR: &str = "UPDATE placements SET in_sequence = 0, position_unknown = 1
     WHERE album_id = ?1 AND in_sequence = 1
           AND (SELECT media_item_id FROM items WHERE items.id = placements.item_id) = ?2";
