//! Requests used per day of the service (Pacific time), counted before they are sent.

use jiff::Timestamp;

use super::{
    Reader, Result, Tx,
    row::{from_row, params},
    writer::store_methods,
};
use crate::clock;

/// What is about to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// A request of a JSON method.
    Request,
    /// The same, needed only for the order of an album.
    OrderCall,
    /// A request of the upload endpoint.
    Upload,
}

/// What one day has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Requests of JSON methods.
    pub requests: u64,
    /// Requests of the upload endpoint.
    pub uploads: u64,
    /// Those of `requests` that were needed only for order.
    pub order_calls: u64,
}

from_row!(Ledger {
    requests,
    uploads,
    order_calls
});

/// What the service's day of `now` has used.
pub(super) fn of_day(db: &Reader, now: Timestamp) -> Result<Ledger> {
    let sql = "SELECT requests, uploads, order_calls FROM quota_usage WHERE day = ?1";
    let day = clock::service_day(now).to_string();
    Ok(db.opt(sql, params![day])?.unwrap_or_default())
}

/// Counts what is about to be sent.
pub(super) fn count(db: &Tx, sending: Sending, now: Timestamp) -> Result<()> {
    let (requests, uploads, order_calls) = match sending {
        Sending::Request => (1, 0, 0),
        Sending::OrderCall => (1, 0, 1),
        Sending::Upload => (0, 1, 0),
    };
    let day = clock::service_day(now).to_string();
    db.execute(
        "INSERT INTO quota_usage (day, requests, uploads, order_calls) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (day) DO UPDATE SET requests = requests + ?2, uploads = uploads + ?3,
                                         order_calls = order_calls + ?4",
        params![day, requests, uploads, order_calls],
    )?;
    Ok(())
}

store_methods! {
    write fn about_to_send(sending: Sending, now: Timestamp) -> Ledger;
    write fn ledger(now: Timestamp) -> Ledger;
}

impl Tx {
    /// Counts a request that is about to be sent; returns what the day has used, including it.
    pub fn about_to_send(&self, sending: Sending, now: Timestamp) -> Result<Ledger> {
        count(self, sending, now)?;
        of_day(self, now)
    }

    /// What the service's day of `now` has used.
    pub fn ledger(&self, now: Timestamp) -> Result<Ledger> {
        of_day(self, now)
    }
}
