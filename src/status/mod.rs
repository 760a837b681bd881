//! What Albumen is doing, as `albumen status` tells it: one value, made from one look at the store.
//!
//! The fields and their names are fixed: programs read them as JSON. [`text`] says the same in
//! words, [`eta`] guesses the end, [`summary`] tells what a piece of work has done, [`words`] holds the
//! ways to write numbers and times. Called by `commands`, for `status` itself and for the progress of
//! commands that take their time.

pub mod eta;
pub mod summary;
pub mod text;
pub mod words;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    clock,
    shown::Shown,
    store::{AccountState, LaneState, Overview, Pause},
};

use eta::{Eta, ITEMS_PER_CALL, Left};

/// Everything that `status` tells.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Of the Albumen that says so.
    pub version: &'static str,
    /// Who works in the state folder.
    pub process: Process,
    /// Whether the account can be used.
    pub account: Pause<AccountState>,
    /// Files and items by state.
    pub items: Items,
    /// Places in albums by state.
    pub placements: Placements,
    /// Bytes.
    pub bytes: Bytes,
    /// The requests of the service's day.
    pub quota: Quota,
    /// What the write lane does.
    pub lane: Pause<LaneState>,
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
}

/// What the store does not know.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// Now.
    pub now: Timestamp,
    /// Whether somebody works in the state folder.
    pub running: bool,
    /// Bytes a second of late, where that was measured; else the mean since the process began.
    pub rate: Option<f64>,
    /// The requests that the project has in a day.
    pub requests_per_day: u64,
    /// Whether uploads count as such.
    pub count_uploads: bool,
    /// Writes that the service allows in a minute.
    pub writes_per_minute: u32,
}

impl Status {
    /// What one look at the store says; without a store, that there is nothing.
    pub fn new(overview: Option<&Overview>, around: Around) -> Self {
        let mut status = Self::empty(around);
        if let Some(overview) = overview {
            status.fill(overview, around);
        }
        status
    }

    fn empty(around: Around) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            process: Process {
                running: around.running,
                ..Process::default()
            },
            account: Pause::plain(AccountState::Ready),
            items: Items::default(),
            placements: Placements::default(),
            bytes: Bytes::default(),
            quota: Quota {
                day: clock::service_day(around.now).to_string(),
                requests: 0,
                limit: around.requests_per_day,
                uploads: 0,
                resumes_at: None,
            },
            lane: Pause::plain(LaneState::Idle),
            transfers: Vec::new(),
            albums: Vec::new(),
            failures: Vec::new(),
            eta: Eta::default(),
            away: Vec::new(),
        }
    }

    fn fill(&mut self, overview: &Overview, around: Around) {
        if let (true, Some((mode, pid, since))) = (around.running, &overview.process) {
            self.process.mode = Some(mode.clone());
            self.process.pid = Some(*pid);
            self.process.since = Some(*since);
        }
        self.account = account(overview, around);
        self.lane = lane(overview, around);
        self.items = items(overview);
        self.placements = placements(overview);
        if around.running {
            self.transfers = overview.transfers.iter().map(Transfer::from).collect();
        }
        self.bytes = Bytes {
            queued: queued_bytes(overview),
            sent: overview.bytes_sent + self.bytes_moving(),
        };
        self.quota.requests = overview.ledger.requests;
        self.quota.uploads = overview.ledger.uploads;
        self.quota.resumes_at = resumes_at(&self.account, &self.quota, around);
        self.albums = overview.albums.iter().map(Album::from).collect();
        self.failures = overview.failures.iter().map(Failure::from).collect();
        self.away = overview
            .away
            .iter()
            .map(|path| Shown::path(path).to_string())
            .collect();
        self.guess(overview, around);
    }

    fn bytes_moving(&self) -> u64 {
        self.transfers.iter().map(|transfer| transfer.sent).sum()
    }

    /// The end is guessed only while somebody works towards it and nobody else is waited for.
    fn guess(&mut self, overview: &Overview, around: Around) {
        if !around.running || self.waits_for_a_person() {
            return;
        }
        self.eta = self.still_to_do(overview, around).eta();
    }

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

    fn still_to_do(&self, overview: &Overview, around: Around) -> Left {
        let items = self.items;
        let uploading = overview.bytes("item", "uploading");
        let mut unplaced = items.left();
        let mut calls = 0;
        for album in &overview.albums {
            calls += album.wanted.div_ceil(ITEMS_PER_CALL);
            unplaced = unplaced.saturating_sub(album.wanted);
        }
        Left {
            bytes: (self.bytes.queued + uploading).saturating_sub(self.bytes_moving()),
            uploads: items.settling + items.queued + items.uploading,
            calls: calls + unplaced.div_ceil(ITEMS_PER_CALL),
            order_calls: 0,
            rate: around.rate.or_else(|| self.mean_rate(around)),
            writes_per_minute: around.writes_per_minute,
            requests_per_day: around.requests_per_day,
            requests_today: self.quota.requests
                + if around.count_uploads {
                    self.quota.uploads
                } else {
                    0
                },
            count_uploads: around.count_uploads,
            day_ends_in: clock::until(around.now, clock::service_day_ends(around.now)).as_secs(),
            waits: [self.account.until, self.lane.until]
                .into_iter()
                .flatten()
                .map(|until| clock::until(around.now, until).as_secs())
                .max()
                .unwrap_or(0),
        }
    }

    /// Bytes a second since the process began: too little for one that has rested a while, but
    /// nothing better is kept.
    fn mean_rate(&self, around: Around) -> Option<f64> {
        let seconds = clock::until(self.process.since?, around.now).as_secs_f64();
        (self.bytes.sent > 0 && seconds >= 1.0).then(|| self.bytes.sent as f64 / seconds)
    }
}

/// A day's end that has passed is known to have, also when nobody has looked since.
fn account(overview: &Overview, around: Around) -> Pause<AccountState> {
    let account = &overview.account;
    let over = account.until.is_some_and(|until| until <= around.now);
    if account.state == AccountState::QuotaExhausted && over && !around.running {
        Pause::plain(AccountState::Ready)
    } else {
        account.clone()
    }
}

/// What a process did when it ended it does no more; a wait for the service is still owed.
fn lane(overview: &Overview, around: Around) -> Pause<LaneState> {
    let lane = &overview.lane;
    let owed =
        lane.state == LaneState::Waiting && lane.until.is_some_and(|until| until > around.now);
    if around.running || owed {
        lane.clone()
    } else {
        Pause::plain(LaneState::Idle)
    }
}

fn items(overview: &Overview) -> Items {
    let file = |state| overview.count("file", state);
    let item = |state| overview.count("item", state);
    Items {
        settling: file("settling"),
        queued: file("queued") + file("claimed"),
        uploading: item("uploading"),
        uploaded: item("uploaded"),
        creating: item("creating"),
        created: item("created"),
        verified: item("verified"),
        failed: item("failed"),
        missing: item("missing"),
        skipped: file("refused") + item("skipped"),
    }
}

fn placements(overview: &Overview) -> Placements {
    let placement = |state| overview.count("placement", state);
    Placements {
        wanted: placement("wanted"),
        placed: placement("placed"),
        leaving: placement("leaving"),
        gone: placement("gone"),
        refused: placement("refused"),
    }
}

fn queued_bytes(overview: &Overview) -> u64 {
    ["settling", "queued", "claimed"]
        .into_iter()
        .map(|state| overview.bytes("file", state))
        .sum()
}

fn resumes_at(account: &Pause<AccountState>, quota: &Quota, around: Around) -> Option<Timestamp> {
    if account.state == AccountState::QuotaExhausted {
        return account
            .until
            .or_else(|| Some(clock::service_day_ends(around.now)));
    }
    let uploads = if around.count_uploads {
        quota.uploads
    } else {
        0
    };
    (quota.requests + uploads >= quota.limit).then(|| clock::service_day_ends(around.now))
}

impl From<&crate::store::Transfer> for Transfer {
    fn from(transfer: &crate::store::Transfer) -> Self {
        Self {
            path: Shown::path(&transfer.path).to_string(),
            sent: transfer.sent,
            size: transfer.size,
        }
    }
}

impl From<&crate::store::AlbumView> for Album {
    fn from(album: &crate::store::AlbumView) -> Self {
        Self {
            title: Shown::text(&album.title).to_string(),
            id: album.album_id.as_ref().map(ToString::to_string),
            items: album.placed,
        }
    }
}

impl From<&crate::store::Failure> for Failure {
    fn from(failure: &crate::store::Failure) -> Self {
        let shown = |text: &Option<String>| text.as_ref().map(|text| Shown::text(text).to_string());
        Self {
            path: Shown::path(&failure.path).to_string(),
            state: failure.state,
            reason: shown(&failure.reason),
            code: failure.code,
            message: shown(&failure.message),
            attempts: failure.attempts,
            next_try_at: failure.next_try_at,
        }
    }
}
