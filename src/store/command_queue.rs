//! Commands that another process leaves for the one that holds the state folder.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Error, Reader, Result, Tx, explain, items,
    row::{from_row, params},
    writer::store_methods,
};
use crate::model::{
    ids::{FileId, ItemId, OrderId},
    item::{Event, State},
};

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum OrderKind {
    /// Scan these roots (none: all) and upload their files.
    Backfill {
        /// Absolute paths, as bytes.
        paths: Vec<Vec<u8>>,
        /// Whether a long wait ends it.
        no_wait: bool,
    },
    /// Put failed or missing items back into the queue.
    Retry {
        /// Absolute paths, as bytes; none is everything.
        paths: Vec<Vec<u8>>,
    },
    /// Verify all created items.
    Verify,
    /// Remove items from albums.
    Remove {
        /// Rows of items and albums.
        places: Vec<(i64, i64)>,
        /// Also removals that wait for a confirmation because so many files disappeared at once.
        held: bool,
    },
}

impl OrderKind {
    fn word(&self) -> &'static str {
        match self {
            Self::Backfill { .. } => "backfill",
            Self::Retry { .. } => "retry",
            Self::Verify => "verify",
            Self::Remove { .. } => "remove",
        }
    }
}

/// A command that is about to be left.
pub type NewOrder = OrderKind;

/// A command of the table.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its row.
    pub id: OrderId,
    /// What it is.
    pub kind: OrderKind,
}

/// How far a command is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderView {
    /// It was started.
    pub begun: bool,
    /// It is done, or its process ended before that.
    pub done: bool,
    /// Its exit code; none if its process ended before it was done.
    pub exit_code: Option<i32>,
    /// What it prints.
    pub report: Option<String>,
}

from_row!(OrderView {
    begun,
    done,
    exit_code,
    report
});

impl Reader {
    /// How far a command is; none if it is not known any more.
    pub fn order(&self, id: OrderId) -> Result<Option<OrderView>> {
        self.opt(
            "SELECT started_at IS NOT NULL, done_at IS NOT NULL, exit_code, report FROM commands WHERE id = ?1",
            params![id],
        )
    }
}

store_methods! {
    write_durably fn leave_order(order: NewOrder, now: Timestamp) -> OrderId;
    write fn begin_order(id: OrderId, now: Timestamp) -> Option<Order>;
    write fn order_done(id: OrderId, exit_code: i32, report: String, now: Timestamp) -> ();
    write fn forget_orders(now: Timestamp) -> ();
    write fn retry(paths: Vec<Vec<u8>>, now: Timestamp) -> u64;
}

/// How long a finished command is kept, milliseconds: a week.
const KEPT: i64 = 7 * 24 * 3_600_000;

impl Tx {
    /// Leaves a command.
    pub fn leave_order(&self, order: NewOrder, now: Timestamp) -> Result<OrderId> {
        let args =
            serde_json::to_string(&order).map_err(|error| Error::Corrupt(error.to_string()))?;
        let sql = "INSERT INTO commands (kind, args, requested_at) VALUES (?1, ?2, ?3)";
        self.insert(sql, params![order.word(), args, now])
            .map(OrderId)
    }

    /// Starts a command; none if it was started before, or is not known.
    pub fn begin_order(&self, id: OrderId, now: Timestamp) -> Result<Option<Order>> {
        let args: Option<String> = self.opt(
            "UPDATE commands SET started_at = ?2 WHERE id = ?1 AND started_at IS NULL RETURNING args",
            params![id, now],
        )?;
        let Some(args) = args else { return Ok(None) };
        let kind = serde_json::from_str(&args)
            .map_err(|error| Error::Corrupt(format!("command {id}: {error}")))?;
        Ok(Some(Order { id, kind }))
    }

    /// The command is done.
    pub fn order_done(
        &self,
        id: OrderId,
        exit_code: i32,
        report: String,
        now: Timestamp,
    ) -> Result<()> {
        let sql = "UPDATE commands SET done_at = ?2, exit_code = ?3, report = ?4 WHERE id = ?1";
        self.execute(sql, params![id, now, exit_code, report])?;
        Ok(())
    }

    /// Ends the commands of an earlier process, and deletes old ones.
    pub fn forget_orders(&self, now: Timestamp) -> Result<()> {
        self.execute(
            "UPDATE commands SET done_at = ?1 WHERE done_at IS NULL AND started_at IS NOT NULL",
            params![now],
        )?;
        let sql = "DELETE FROM commands WHERE done_at < ?1";
        self.execute(sql, params![now.as_millisecond() - KEPT])?;
        Ok(())
    }

    /// Puts failed and missing items, and files that could not be read, back into the queue: those at or below
    /// `paths`, or all. Returns how many.
    pub fn retry(&self, paths: Vec<Vec<u8>>, now: Timestamp) -> Result<u64> {
        let (mut items, mut files) = (BTreeSet::new(), BTreeSet::new());
        if paths.is_empty() {
            items.extend(self.all::<ItemId>(IN_TROUBLE, params![])?);
            files.extend(self.all::<FileId>(UNREADABLE, params![])?);
        }
        for path in &paths {
            for below in explain::files_below(self, path)? {
                items.extend(below.item);
                files.extend(below.unreadable.then_some(below.file));
            }
        }
        let mut n = 0;
        for item in items {
            n += u64::from(retry_item(self, item, now)?);
        }
        for file in files {
            n += self.execute(
                "UPDATE files SET state = 'queued', reason_kind = NULL, reason = NULL, attempts = 0,
                        not_before = 0, changed_at = ?2
                 WHERE id = ?1 AND album_id IS NOT NULL AND order_key IS NOT NULL",
                params![file, now],
            )? as u64;
        }
        Ok(n)
    }
}

/// Failed and missing items.
pub(super) const IN_TROUBLE: &str = "SELECT id FROM items WHERE state IN ('failed', 'missing')";
/// Files that could not be read. The first condition is that of an index.
pub(super) const UNREADABLE: &str = "SELECT id FROM files
     WHERE state = 'refused' AND reason_kind NOT IN ('other_kind', 'imported')
       AND reason_kind = 'unreadable'";

/// Returns whether the item is in the queue now. One without any file cannot be uploaded again.
fn retry_item(db: &Tx, item: ItemId, now: Timestamp) -> Result<bool> {
    if !matches!(items::state_of(db, item)?, State::Failed | State::Missing) {
        return Ok(false);
    }
    items::apply(db, item, Event::Retried, &items::Reason::default(), now)?;
    db.execute(
        "UPDATE placements SET state = 'wanted', in_sequence = 0, append_only = 0, attempts = 0, not_before = 0,
                reason = NULL
         WHERE item_id = ?1 AND state IN ('wanted', 'placed', 'refused')",
        params![item],
    )?;
    items::queue_source(db, item, None, Timestamp::UNIX_EPOCH, now)?;
    Ok(items::state_of(db, item)? == State::Queued)
}
