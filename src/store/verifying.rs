//! Media items that the service is to be asked for, and what it said.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::params;

use super::{Result, Store, items};
use crate::{
    clock,
    ids::{ItemId, MediaItemId},
    item::{Event, State},
};

/// A media item that the service is asked for.
#[derive(Debug, Clone)]
pub struct ToVerify {
    /// Its item.
    pub item: ItemId,
    /// Its id.
    pub media_item_id: MediaItemId,
    /// How often it was asked for already.
    pub tries: u32,
}

/// What the service said of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is there.
    There,
    /// It is there, but the service still works on it, or could not say: ask again after this long.
    AskAgain(Duration),
    /// It is there, but the service could not make a playable video of it.
    Unplayable(String),
    /// The service does not know it, for the second time.
    Gone,
}

impl Store {
    /// Up to `n` items that are due, the longest due first, and when the oldest of those became due.
    pub async fn to_verify(&self, n: usize, now: Timestamp) -> Result<Vec<(ToVerify, Timestamp)>> {
        self.write(move |db| {
            let rows = db
                .prepare_cached(DUE)?
                .query_map(params![now.as_millisecond(), n as i64], |row| {
                    Ok((
                        ToVerify {
                            item: ItemId(row.get(0)?),
                            media_item_id: MediaItemId::new(row.get::<_, String>(1)?),
                            tries: row.get(2)?,
                        },
                        clock::from_millis(row.get(3)?),
                    ))
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
        .await
    }

    /// When the next item becomes due; none if none will.
    pub async fn next_to_verify(&self) -> Result<Option<Timestamp>> {
        self.write(|db| {
            let due: Option<i64> = db
                .prepare_cached(NEXT_DUE)?
                .query_row([], |row| row.get(0))?;
            Ok(due.map(clock::from_millis))
        })
        .await
    }

    /// All created and verified items after `after`, up to `n`, for a `verify` of everything.
    pub async fn created_after(&self, after: ItemId, n: usize) -> Result<Vec<ToVerify>> {
        self.write(move |db| {
            let rows = db
                .prepare_cached(
                    "SELECT id, media_item_id, verify_tries FROM items
                     WHERE id > ?1 AND state IN ('created', 'verified') ORDER BY id LIMIT ?2",
                )?
                .query_map(params![after.0, n as i64], |row| {
                    Ok(ToVerify {
                        item: ItemId(row.get(0)?),
                        media_item_id: MediaItemId::new(row.get::<_, String>(1)?),
                        tries: row.get(2)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
        .await
    }

    /// Records what the service said.
    pub async fn verdicts(&self, verdicts: Vec<(ItemId, Verdict)>, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            for (item, verdict) in verdicts {
                // Another question may have been answered meanwhile; then there is nothing to add.
                if !matches!(items::state_of(db, item)?, State::Created | State::Verified) {
                    continue;
                }
                let plain = items::Because::default();
                let (verify_at, tries) = match &verdict {
                    Verdict::There => {
                        items::apply(db, item, Event::Confirmed, &plain, now)?;
                        (None, 0)
                    }
                    Verdict::AskAgain(wait) => (Some(clock::after(now, *wait).as_millisecond()), 1),
                    Verdict::Unplayable(reason) => {
                        let because = items::Because { reason: Some(reason), ..Default::default() };
                        items::apply(db, item, Event::Confirmed, &because, now)?;
                        (None, 0)
                    }
                    Verdict::Gone => {
                        let because = items::Because {
                            reason: Some("the service no longer knows this media item"),
                            ..Default::default()
                        };
                        items::apply(db, item, Event::Vanished, &because, now)?;
                        (None, 0)
                    }
                };
                db.prepare_cached(
                    "UPDATE items SET verify_at = ?2, verify_tries = iif(?3 = 0, 0, verify_tries + 1) WHERE id = ?1",
                )?
                .execute(params![item.0, verify_at, tries])?;
            }
            Ok(())
        })
        .await
    }
}

/// What is due, the longest first.
pub(super) const DUE: &str = "SELECT id, media_item_id, verify_tries, verify_at FROM items
                     WHERE verify_at <= ?1 AND media_item_id IS NOT NULL ORDER BY verify_at LIMIT ?2";

/// When the next is due.
pub(super) const NEXT_DUE: &str = "SELECT min(verify_at) FROM items WHERE verify_at IS NOT NULL";
