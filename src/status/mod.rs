//! What Albumen is doing, as `albumen status` tells it: one value, made from one look at the store.
//!
//! The fields and their names are fixed: programs read them as JSON. [`text`] says the same in
//! format, [`sign_in`] knows when a sign-in is about to end, [`eta`] guesses the end, [`summary`] tells what a piece of work has done, [`words`] holds the
//! ways to write numbers and times. Called by `commands`, for `status` itself and for the progress of
//! commands that take their time.

mod build;
pub mod eta;
pub mod format;
pub mod sign_in;
pub mod summary;
pub mod text;
mod unavailable_files;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

use crate::store::{AccountState, LaneState, Pause, UploadsState};

use eta::Eta;

/// Everything that `status` tells.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Of the Albumen that says so.
    pub version: &'static str,
    /// Who works in the state folder.
    pub process: Process,
    /// Whether the database can be written.
    pub database: DatabaseState,
    /// Whether the account can be used.
    pub account: Pause<AccountState>,
    /// What a person can do about the account's state; null if time does it.
    pub hint: Option<String>,
    /// What will stop the work unless somebody does something before.
    pub warnings: Vec<Warning>,
    /// Files and items by state.
    pub items: Items,
    /// Places in albums by state.
    pub placements: Placements,
    /// Files that are moved or deleted once their pictures were read back.
    pub after_upload: AfterUpload,
    /// Bytes.
    pub bytes: Bytes,
    /// The requests of the service's day.
    pub quota: Quota,
    /// What the write lane does.
    pub lane: Pause<LaneState>,
    /// Whether bytes go up.
    pub uploads: Pause<UploadsState>,
    /// Files on their way.
    pub transfers: Vec<Transfer>,
    /// The busiest albums, at most 100.
    pub albums: Vec<Album>,
    /// What did not go up, newest first, at most 100.
    pub failures: Vec<Failure>,
    /// When all is done.
    pub eta: Eta,
    /// Folders that are missing or suddenly empty: nothing in them is taken for gone.
    pub away: Vec<String>,
}

/// What will stop the work unless somebody does something before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What.
    pub message: String,
    /// What a person can do about it.
    pub hint: String,
}

/// Who works in the state folder; without anybody all but `running` is null.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Process {
    /// Whether somebody does.
    pub running: bool,
    /// `daemon`, `backfill`.
    pub mode: Option<String>,
    /// Its number.
    pub pid: Option<u32>,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// Whether the database can be written, as the process that works with it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatabaseState {
    /// `ready`, `disk_full`, `read_only`, `disk_error`.
    pub state: String,
    /// What is wrong, in a sentence.
    pub reason: Option<String>,
    /// What a person can do about it.
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

/// Files that are not items yet, and items, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Items {
    /// Files that may still be written to.
    pub settling: u64,
    /// Files to be sent.
    pub queued: u64,
    /// Items whose bytes are being sent.
    pub uploading: u64,
    /// Items with an upload token.
    pub uploaded: u64,
    /// Items in a call without an answer.
    pub creating: u64,
    /// Items in the library.
    pub created: u64,
    /// Items in the library that were read back.
    pub verified: u64,
    /// Items that were blamed too often.
    pub failed: u64,
    /// Items that the service no longer knows.
    pub missing: u64,
    /// Files that are no photo or video, and items without a file.
    pub skipped: u64,
}

impl Items {
    /// What can still move.
    pub fn left(&self) -> u64 {
        self.settling + self.queued + self.uploading + self.uploaded + self.creating
    }

    /// What is in the library.
    pub fn done(&self) -> u64 {
        self.created + self.verified
    }

    /// What is not in the library and will not be without somebody's help.
    pub fn in_trouble(&self) -> u64 {
        self.failed + self.missing
    }
}

/// Places in albums by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Placements {
    /// To be filled.
    pub wanted: u64,
    /// Filled.
    pub placed: u64,
    /// To be left.
    pub leaving: u64,
    /// Left.
    pub gone: u64,
    /// Refused by the service.
    pub refused: u64,
    /// Of those to be filled: those whose items are in the library already.
    #[serde(skip)]
    pub joining: u64,
    /// Filled by files that are gone: so many at once that a person has to say whether they leave.
    pub held: u64,
}

/// Files of folders with `after_upload`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AfterUpload {
    /// To be moved or deleted.
    pub waiting: u64,
    /// Left where they are for a reason, which `explain` tells.
    pub staying: u64,
    /// Moved or deleted.
    pub done: u64,
}

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Of files that were not begun.
    pub queued: u64,
    /// Sent by the present process, or by the last one.
    pub sent: u64,
}

/// The requests of the service's day.
#[derive(Debug, Clone, Serialize)]
pub struct Quota {
    /// The day, as the service counts it.
    pub day: String,
    /// Requests of the JSON methods.
    pub requests: u64,
    /// How many the project has.
    pub limit: u64,
    /// Requests of the upload endpoint.
    pub uploads: u64,
    /// When there are new ones; null unless they are used up.
    pub resumes_at: Option<Timestamp>,
}

/// A file on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Where it is, with unsafe bytes escaped.
    pub path: String,
    /// Bytes that were sent.
    pub sent: u64,
    /// Of so many.
    pub size: u64,
}

/// An album.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Album {
    /// Its title.
    pub title: String,
    /// The service's id, once there is one.
    pub id: Option<String>,
    /// How many items stand in it.
    pub items: u64,
    /// Why nothing goes to it at the moment; null if nothing is wrong with it.
    pub reason: Option<String>,
}

/// Something that did not go up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Where it is, with unsafe bytes escaped.
    pub path: String,
    /// `failed`, `missing` or `skipped`.
    pub state: &'static str,
    /// Why, in Albumen's words.
    pub reason: Option<String>,
    /// The service's code.
    pub code: Option<i32>,
    /// The service's words.
    pub message: Option<String>,
    /// How often it was blamed.
    pub attempts: u32,
    /// When it is tried again; null if it is not.
    pub next_try_at: Option<Timestamp>,
    /// Whether the disk does not give it out: no rule left it out.
    #[serde(skip)]
    pub unreadable: bool,
}

/// What the store does not know.
#[derive(Debug, Clone, Copy)]
pub struct StatusInputs {
    /// Now.
    pub now: Timestamp,
    /// Whether somebody works in the state folder.
    pub running: bool,
    /// Bytes a second of late, where the caller measures that; else the store says it.
    pub rate: Option<f64>,
    /// The requests that the project has in a day.
    pub requests_per_day: u64,
    /// Whether uploads count as such.
    pub count_uploads: bool,
    /// When the user signed in, if somebody is signed in.
    pub signed_in_at: Option<Timestamp>,
    /// When the client secret file changed last, if there is one.
    pub client_secret_changed_at: Option<Timestamp>,
    /// Writes that the service allows in a minute.
    pub writes_per_minute: u32,
    /// Calls of a day that late arrivals may cost for the sake of order.
    pub order_calls: u64,
}

impl Status {
    /// Whether nothing goes on before a person has done something.
    pub fn waits_for_a_person(&self) -> bool {
        match self.account.state {
            AccountState::LoginNeeded
            | AccountState::StorageFull
            | AccountState::ApiDisabled
            | AccountState::PhotosDisabled => true,
            AccountState::Ready | AccountState::QuotaExhausted | AccountState::Unreachable => false,
        }
    }
}
