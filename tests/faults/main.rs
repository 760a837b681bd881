//! The service in trouble, one trouble at a time. Whatever it is, in the end every photo is there
//! once, in its place, and no rule was broken.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod albums;
mod batches;
mod items;
mod tokens;
mod uploads;

use std::path::PathBuf;

use serde_json::{Value, json};

use support::{
    home::{Home, names},
    library::Library,
};

/// The album of these tests.
const ROME: &str = "Rome";

/// A home with photos that belong into an album.
struct Trip {
    home: Home,
    files: Vec<PathBuf>,
}

impl Trip {
    async fn of(n: u64) -> Self {
        let home = Home::with_folder("album = 'name:Rome'").await;
        let files = home.photos("photos", n);
        Self { home, files }
    }

    /// All is there, and the album is in order.
    async fn arrived(&self) -> Library {
        let library = self.home.all_there(&self.files).await;
        assert_eq!(library.titles(), [ROME]);
        assert_eq!(library.names_in(ROME), names(&self.files));
        library
    }

    /// One backfill, whatever happens on its way.
    async fn backfill(&self) -> Library {
        self.home.backfill().await;
        self.arrived().await
    }
}

/// A backfill of three photos while `method` meets this action so many times.
async fn three(method: &str, times: u64, action: impl Into<Value>) -> Library {
    let trip = Trip::of(3).await;
    trip.home.fault(method, Some(times), action.into()).await;
    trip.backfill().await
}

/// An answer that is written out.
fn answer(status: u16, body: &Value) -> Value {
    json!({"answer": {"status": status, "body": body}})
}

/// A 429 that does not say which limit it is about.
fn unknown_429() -> Value {
    let body =
        json!({"error": {"code": 429, "message": "Too much.", "status": "RESOURCE_EXHAUSTED"}});
    answer(429, &body)
}
