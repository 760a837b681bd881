//! Orders: what a command asks of the process that holds the state folder.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::{Error, Reader, Result, Store, Tx, explain, items};
use crate::{
    clock,
    model::{
        ids::{ItemId, OrderId},
        item::{Event, State},
    },
};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum OrderKind {
    /// Scan these roots (none: all) and upload what they hold.
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
    /// Ask the service for every created item.
    Verify,
    /// Take items out of albums.
    Remove {
        /// Rows of items and albums.
        places: Vec<(i64, i64)>,
        /// What was held back because so many files were gone at once, too.
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

/// An order that is about to be left.
pub type NewOrder = OrderKind;

/// An order of the table.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its row.
    pub id: OrderId,
    /// What is asked.
    pub kind: OrderKind,
    /// When somebody began with it.
    pub begun_at: Option<Timestamp>,
    /// The exit code of the command, once it is done.
    pub exit_code: Option<i32>,
    /// What the command prints, once it is done.
    pub report: Option<String>,
}

const COLUMNS: &str = "id, args, begun_at, exit_code, report";

/// The columns of an order as they stand.
type Raw = (i64, String, Option<i64>, Option<i32>, Option<String>);

fn order(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
    ))
}

fn parsed(raw: Raw) -> Result<Order> {
    let (id, args, begun_at, exit_code, report) = raw;
    let kind = serde_json::from_str(&args)
        .map_err(|error| Error::Corrupt(format!("order {id}: {error}")))?;
    Ok(Order {
        id: OrderId(id),
        kind,
        begun_at: begun_at.map(clock::from_millis),
        exit_code,
        report,
    })
}

impl Store {
    /// Leaves an order.
    pub async fn leave_order(&self, order: NewOrder, now: Timestamp) -> Result<OrderId> {
        self.write_durably(move |db| {
            let args =
                serde_json::to_string(&order).map_err(|error| Error::Corrupt(error.to_string()))?;
            db.execute(
                "INSERT INTO orders (kind, args, asked_at) VALUES (?1, ?2, ?3)",
                params![order.word(), args, now.as_millisecond()],
            )?;
            Ok(OrderId(db.last_insert_rowid()))
        })
        .await
    }

    /// Begins with an order; none if somebody has, or there is no such order.
    pub async fn begin_order(&self, id: OrderId, now: Timestamp) -> Result<Option<Order>> {
        self.write(move |db| {
            let raw = db
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM orders WHERE id = ?1 AND begun_at IS NULL"
                ))?
                .query_row([id.0], order)
                .optional()?;
            let Some(raw) = raw else { return Ok(None) };
            db.execute(
                "UPDATE orders SET begun_at = ?2 WHERE id = ?1",
                params![id.0, now.as_millisecond()],
            )?;
            parsed(raw).map(Some)
        })
        .await
    }

    /// The order is done, and what its command says.
    pub async fn order_done(
        &self,
        id: OrderId,
        exit_code: i32,
        report: String,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            db.execute(
                "UPDATE orders SET done_at = ?2, exit_code = ?3, report = ?4 WHERE id = ?1",
                params![id.0, now.as_millisecond(), exit_code, report],
            )?;
            Ok(())
        })
        .await
    }

    /// Orders of an earlier process: nobody follows them any more.
    pub async fn forget_orders(&self, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            db.execute(
                "UPDATE orders SET done_at = ?1 WHERE done_at IS NULL AND begun_at IS NOT NULL",
                [now.as_millisecond()],
            )?;
            db.execute(
                "DELETE FROM orders WHERE done_at < ?1",
                [now.as_millisecond() - 7 * 24 * 3_600_000],
            )?;
            Ok(())
        })
        .await
    }

    /// Puts failed and missing items, and files that could not be read, back into the queue: those of
    /// `paths` (a file, or a folder and all below it), or all. Gives how many.
    pub async fn retry(&self, paths: Vec<Vec<u8>>, now: Timestamp) -> Result<u64> {
        self.write(move |db| {
            let (mut items, mut files) = (BTreeSet::new(), BTreeSet::new());
            if paths.is_empty() {
                items.extend(ids(db, IN_TROUBLE)?);
                files.extend(ids(db, UNREADABLE)?);
            }
            for path in &paths {
                for below in explain::files_below(db, path)? {
                    items.extend(below.item);
                    files.extend(below.unreadable.then_some(below.file.0));
                }
            }
            let mut n = 0;
            for item in items {
                n += u64::from(retry_item(db, ItemId(item), now)?);
            }
            for file in files {
                n += db
                    .prepare_cached(
                        "UPDATE files SET state = 'queued', reason_kind = NULL, reason = NULL, attempts = 0,
                                not_before = 0, changed_at = ?2
                         WHERE id = ?1 AND album_id IS NOT NULL AND order_key IS NOT NULL",
                    )?
                    .execute(params![file, now.as_millisecond()])? as u64;
            }
            Ok(n)
        })
        .await
    }
}

pub(super) const IN_TROUBLE: &str = "SELECT id FROM items WHERE state IN ('failed', 'missing')";
pub(super) const UNREADABLE: &str = "SELECT id FROM files
     WHERE state = 'refused' AND reason_kind NOT IN ('other_kind', 'imported')
       AND reason_kind = 'unreadable'";

fn ids(db: &Reader, sql: &str) -> Result<Vec<i64>> {
    let ids = db
        .prepare_cached(sql)?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ids)
}

/// Whether the item is in the queue now. One that no file holds any more cannot be sent again.
fn retry_item(db: &Tx, item: ItemId, now: Timestamp) -> Result<bool> {
    if !matches!(items::state_of(db, item)?, State::Failed | State::Missing) {
        return Ok(false);
    }
    items::apply(db, item, Event::Retried, &items::Reason::default(), now)?;
    db.prepare_cached(
        "UPDATE placements SET state = 'wanted', in_sequence = 0, append = 0, attempts = 0, not_before = 0,
                reason = NULL
         WHERE item_id = ?1 AND state IN ('wanted', 'placed', 'refused')",
    )?
    .execute([item.0])?;
    items::queue_source(db, item, None, clock::from_millis(0), now)?;
    Ok(items::state_of(db, item)? == State::Queued)
}
