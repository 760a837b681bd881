//! The shape of `status --json`. What the store counts and lists by itself has its types there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::eta::Eta;
use crate::store::{
    AccountState, AlbumView, Failure, FileActionCounts, ItemCounts, Pause, PlacementCounts,
    TransferView, UploadsState, WriterState,
};

/// Everything that `status` shows.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Version of the program that answers.
    pub version: &'static str,
    /// The process that works in the state folder.
    pub process: Process,
    /// Whether the database can be written.
    pub database: DatabaseState,
    /// Whether the account can be used.
    pub account: Pause<AccountState>,
    /// What the user can do about the account's state; null if it ends by itself.
    pub hint: Option<String>,
    /// What will stop the uploads unless the user acts first.
    pub warnings: Vec<Warning>,
    /// Files and items by state.
    pub items: ItemCounts,
    /// Placements in albums by state.
    pub placements: PlacementCounts,
    /// Files that `after_upload` moves or deletes.
    pub after_upload: FileActionCounts,
    /// Bytes queued and sent.
    pub bytes: Bytes,
    /// Requests of the service's day.
    pub quota: Quota,
    /// What the writer does. `lane` is its fixed name in the JSON.
    pub lane: Pause<WriterState>,
    /// Whether uploads may begin.
    pub uploads: Pause<UploadsState>,
    /// Uploads in progress.
    pub transfers: Vec<TransferView>,
    /// The busiest albums, at most 100.
    pub albums: Vec<AlbumView>,
    /// What did not go up, newest first, at most 100.
    pub failures: Vec<Failure>,
    /// Estimated end.
    pub eta: Eta,
    /// Folders that are missing or suddenly empty; nothing in them is treated as deleted.
    pub away: Vec<String>,
}

/// What will stop the uploads unless the user acts first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The problem, in a sentence.
    pub message: String,
    /// The remedy.
    pub hint: String,
}

/// The process that works in the state folder; if there is none, everything but `running` is null.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Process {
    /// Whether there is one.
    pub running: bool,
    /// `daemon` or `backfill`.
    pub mode: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// When it started.
    pub since: Option<Timestamp>,
}

/// Whether the database can be written, as the running process reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseState {
    /// `ready`, `disk_full`, `read_only`, `disk_error`.
    pub state: String,
    /// The problem, in a sentence.
    pub reason: Option<String>,
    /// What the user can do about it.
    pub remedy: Option<String>,
}

impl Default for DatabaseState {
    fn default() -> Self {
        Self {
            state: "ready".to_owned(),
            reason: None,
            remedy: None,
        }
    }
}

/// Bytes queued and sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Size of the files whose upload has not begun.
    pub queued: u64,
    /// Sent by the running process, or by the last one.
    pub sent: u64,
}

/// Requests of the service's day (midnight to midnight, Pacific time).
#[derive(Debug, Clone, Serialize)]
pub struct Quota {
    /// The date of that day.
    pub day: String,
    /// Requests to the JSON methods.
    pub requests: u64,
    /// The project's limit.
    pub limit: u64,
    /// Requests to the upload endpoint.
    pub uploads: u64,
    /// When new requests are available; null unless the day's are used up.
    pub resumes_at: Option<Timestamp>,
}

/// What the status needs beside the store.
#[derive(Debug, Clone, Copy)]
pub struct StatusInputs {
    /// The current time.
    pub now: Timestamp,
    /// Whether a process works in the state folder.
    pub running: bool,
    /// Current bytes a second, if the caller measures it; otherwise the store's last value is used.
    pub rate: Option<f64>,
    /// `quota.requests_per_day`.
    pub requests_per_day: u64,
    /// `quota.count_uploads`.
    pub count_uploads: bool,
    /// When the user signed in; none if signed out.
    pub signed_in_at: Option<Timestamp>,
    /// Modification time of the client secret file, if there is one.
    pub client_secret_changed_at: Option<Timestamp>,
    /// `quota.writes_per_minute`.
    pub writes_per_minute: u32,
    /// `batch.order_calls`.
    pub order_calls: u64,
}

impl Status {
    /// Whether nothing continues until the user has acted.
    pub fn needs_user(&self) -> bool {
        match self.account.state {
            AccountState::LoginNeeded
            | AccountState::StorageFull
            | AccountState::ApiDisabled
            | AccountState::PhotosDisabled => true,
            AccountState::Ready | AccountState::QuotaExhausted | AccountState::Unreachable => false,
        }
    }
}
