//! Requests of the service's day, counted before they are sent.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Reader, Result, Store, Tx, row};
use crate::clock;

/// What is about to be sent, as the ledger counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// A request of the JSON methods.
    Request,
    /// The same, and one that only the order of an album asks for.
    OrderCall,
    /// A request that carries bytes, or asks about them.
    Upload,
}

/// What one day has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Requests of the JSON methods.
    pub requests: u64,
    /// Requests of the upload endpoint.
    pub uploads: u64,
    /// Requests that only order asked for; they are part of `requests`.
    pub order_calls: u64,
}

/// The ledger of the service's day that holds `now`.
pub(super) fn of_day(db: &Reader, now: Timestamp) -> Result<Ledger> {
    let found = db
        .prepare_cached("SELECT requests, uploads, order_calls FROM ledger WHERE day = ?1")?
        .query_row([clock::service_day(now).to_string()], |row| {
            Ok(Ledger {
                requests: row::amount(row.get(0)?),
                uploads: row::amount(row.get(1)?),
                order_calls: row::amount(row.get(2)?),
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// Counts one that is about to be sent.
pub(super) fn count(db: &Tx, sending: Sending, now: Timestamp) -> Result<()> {
    let (requests, uploads, order_calls) = match sending {
        Sending::Request => (1, 0, 0),
        Sending::OrderCall => (1, 0, 1),
        Sending::Upload => (0, 1, 0),
    };
    db.prepare_cached(
        "INSERT INTO ledger (day, requests, uploads, order_calls) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (day) DO UPDATE SET requests = requests + ?2, uploads = uploads + ?3,
                                         order_calls = order_calls + ?4",
    )?
    .execute(params![
        clock::service_day(now).to_string(),
        requests,
        uploads,
        order_calls
    ])?;
    Ok(())
}

impl Store {
    /// Counts a request that is about to be sent, and gives what the day has used with it.
    pub async fn about_to_send(&self, sending: Sending, now: Timestamp) -> Result<Ledger> {
        self.write(move |db| {
            count(db, sending, now)?;
            of_day(db, now)
        })
        .await
    }

    /// What the service's day that holds `now` has used.
    pub async fn ledger(&self, now: Timestamp) -> Result<Ledger> {
        self.write(move |db| of_day(db, now)).await
    }
}
