//! Files that a scan did not see, and those that are gone for good.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Result, Tx, items, pending_removals};
use crate::model::ids::{FileId, ItemId};

/// A scan did not see the file; `confirmed` if an earlier one did not either.
pub(super) fn missed(db: &Tx, file: FileId, confirmed: bool, now: Timestamp) -> Result<()> {
    if !confirmed {
        db.prepare_cached("UPDATE files SET missed = missed + 1 WHERE id = ?1")?
            .execute([file.0])?;
        return Ok(());
    }
    // Also what had no token yet: its item may be made of the bytes of another file.
    let was_held: bool = db
        .prepare_cached("SELECT state IN ('held', 'queued') FROM files WHERE id = ?1")?
        .query_row([file.0], |row| row.get(0))
        .optional()?
        .unwrap_or(false);
    gone(db, file, now)?;
    if was_held {
        pending_removals::schedule_removal(db, file, now)?;
    }
    Ok(())
}

/// The file is gone for good; what it held looks for another holder.
pub(super) fn gone(db: &Tx, file: FileId, now: Timestamp) -> Result<()> {
    let item: Option<i64> = db
        .prepare_cached("SELECT item_id FROM files WHERE id = ?1 AND state <> 'claimed'")?
        .query_row([file.0], |row| row.get(0))
        .optional()?
        .flatten();
    db.prepare_cached(
        "UPDATE files SET state = 'gone', due_at = NULL, reason_kind = NULL, reason = NULL, missed = 0,
                changed_at = ?2
         WHERE id = ?1 AND state <> 'claimed'",
    )?
    .execute(params![file.0, now.as_millisecond()])?;
    match item {
        Some(item) => items::detach_file(db, ItemId(item), file, now),
        None => Ok(()),
    }
}
