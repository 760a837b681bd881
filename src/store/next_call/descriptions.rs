//! What is to be told about media items that are there: `mediaItems.patch`, one by one.

use crate::store::Tx;
use rusqlite::OptionalExtension as _;

use super::{Planned, Search, earliest_retry};
use crate::{
    clock,
    model::ids::{ItemId, MediaItemId},
    store::Result,
};

/// A media item whose description is to be told anew.
#[derive(Debug, Clone)]
pub struct Description {
    /// Which.
    pub item: ItemId,
    /// Its id.
    pub media_item_id: MediaItemId,
    /// The whole text.
    pub text: String,
}

/// The one that is due longest.
pub(in crate::store) const NEXT: &str = "SELECT id, media_item_id, description, describe_at FROM items
     WHERE describe_at IS NOT NULL AND description IS NOT described AND state IN ('created', 'verified')
     ORDER BY describe_at LIMIT 1";

/// The next description that the service is to be told; only what is not kept for fresh files is
/// spent on it.
pub(super) fn next(db: &Tx, search: &mut Search) -> Result<Option<Planned>> {
    let found = db
        .prepare_cached(NEXT)?
        .query_row([], |row| {
            let description = Description {
                item: ItemId(row.get(0)?),
                media_item_id: MediaItemId::new(row.get::<_, String>(1)?),
                text: row.get(2)?,
            };
            Ok((description, clock::from_millis(row.get(3)?)))
        })
        .optional()?;
    let Some((description, due)) = found else {
        return Ok(None);
    };
    if due > search.now {
        let reason = "a description that the service refused is told again";
        earliest_retry::hold(&mut search.held, due, reason);
        return Ok(None);
    }
    if search.rules.fresh_only {
        search.waits_for_the_reserve();
        return Ok(None);
    }
    Ok(Some(Planned::Describe(description)))
}
