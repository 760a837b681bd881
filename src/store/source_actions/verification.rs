//! Which items the service is asked for because a file waits for that, and how long its answer counts.

use crate::store::Reader;
use crate::store::Tx;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Source, columns, source, stays};
use crate::{
    clock,
    model::ids::{FileId, ItemId},
    store::{Error, Result, Store, oauth_client},
};

/// How long a read-back counts: by then the picture may have gone from the library again. A day is
/// long enough for all that a file waits for in the ordinary course of things.
const COUNTS_FOR: Duration = Duration::from_hours(24);

/// What stays, because the service does not answer for what another client made.
const OF_ANOTHER: &str =
    "another OAuth client sent its picture, and only that one can ask whether it is there";

impl Store {
    /// Everything that waits is arranged for anew, by [`Store::unrequested`]: this run is about some
    /// paths alone.
    pub async fn reset_verification(&self) -> Result<()> {
        self.write(|db| {
            db.execute(ARRANGED, [])?;
            Ok(())
        })
        .await
    }

    /// Up to `n` files that wait for their items to be read back, which nobody has been told to ask for.
    pub async fn unrequested(&self, n: usize) -> Result<Vec<Source>> {
        self.write(move |db| {
            Ok(db
                .prepare_cached(UNARRANGED)?
                .query_map([n as i64], source)?
                .collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Sees to it that the service is asked for the item of each of these files, `grace` after the item
    /// was made.
    pub async fn arrange_read_back(
        &self,
        files: Vec<FileId>,
        grace: Duration,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            for file in files {
                request_verification(db, file, grace, now)?;
            }
            Ok(())
        })
        .await
    }
}

fn request_verification(db: &Tx, file: FileId, grace: Duration, now: Timestamp) -> Result<()> {
    let waiting: Option<(i64, Option<i64>, Option<i64>, bool)> = db
        .prepare_cached(TO_ARRANGE)?
        .query_row(params![file.0, oauth_client::CLIENT_SINCE], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((item, verify_at, made_at, is_of_another)) = waiting else {
        return Ok(());
    };
    if is_of_another {
        return stays(db, file, OF_ANOTHER);
    }
    let due = verify_at.unwrap_or_else(|| {
        let made_at = made_at.map_or(now, clock::from_millis);
        clock::after(made_at, grace).max(now).as_millisecond()
    });
    // What was said before was no answer to this question.
    db.prepare_cached(
        "UPDATE items SET verify_at = ?2, read_back = NULL WHERE id = ?1 AND verify_at IS NULL",
    )?
    .execute([item, due])?;
    db.prepare_cached("UPDATE files SET act_at = ?2 WHERE id = ?1")?
        .execute([file.0, due.max(1)])?;
    Ok(())
}

/// Whether the item was read back lately. A time ahead of the clock is of no use.
pub(super) fn is_recent(db: &Reader, item: ItemId, now: Timestamp) -> Result<bool> {
    let at: Option<i64> = db
        .prepare_cached("SELECT read_back_at FROM items WHERE id = ?1")?
        .query_row([item.0], |row| row.get(0))?;
    Ok(at
        .map(clock::from_millis)
        .is_some_and(|at| at <= now && now < clock::after(at, COUNTS_FOR)))
}

/// Files whose item nobody has been told to ask for.
pub(in crate::store) const UNARRANGED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM files CROSS JOIN roots ON roots.id = files.root_id
      CROSS JOIN dirs ON dirs.id = files.dir_id CROSS JOIN items ON items.id = files.item_id
      WHERE files.afterwards = 'waits' AND files.act_at = 0 LIMIT ?1"
);

/// The item of one of those, when it is asked for, when it was made, and whether another client made it.
const TO_ARRANGE: &str = "SELECT items.id, items.verify_at, items.made_at,
            coalesce(items.made_at < (SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?2), 0)
     FROM files JOIN items ON items.id = files.item_id
     WHERE files.id = ?1 AND files.afterwards = 'waits' AND files.act_at = 0";

/// What the service said of an item counts no more.
pub(super) const ASK_ANEW: &str = "UPDATE items SET read_back = NULL, question = question + 1
     WHERE id = ?1 AND read_back = 'sound'";

/// What an earlier run arranged for.
pub(in crate::store) const ARRANGED: &str =
    "UPDATE files SET act_at = 0 WHERE afterwards = 'waits' AND act_at > 0";

/// A row of `verify_at` that nobody fills would be waited for for ever.
pub(in crate::store) fn asked_again(db: &Tx, item: ItemId, verify_at: i64) -> Result<()> {
    db.prepare_cached("UPDATE files SET act_at = ?2 WHERE item_id = ?1 AND afterwards = 'waits'")?
        .execute(params![item.0, verify_at.max(1)])?;
    Ok(())
}

/// Whether any file waits for this item to be read back.
pub(in crate::store) fn is_waited_for(db: &Reader, item: ItemId) -> Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM files WHERE item_id = ?1 AND afterwards = 'waits')",
    )?
    .query_row([item.0], |row| row.get(0))
    .map_err(Error::from)
}
