//! The status from one look at the store.

use jiff::Timestamp;

use crate::{
    clock,
    escape::Escaped,
    store::{AccountState, LaneState, Overview, Pause, UploadsState},
};

use super::{
    AfterUpload, Album, Bytes, Failure, Items, Placements, Process, Quota, Status, StatusInputs,
    Transfer,
    eta::{Eta, ITEMS_PER_CALL, Left},
    sign_in, unavailable_files,
};

impl Status {
    /// What one look at the store says; without a store, that there is nothing.
    pub fn new(overview: Option<&Overview>, around: StatusInputs) -> Self {
        let mut status = Self::empty(around);
        if let Some(overview) = overview {
            status.fill(overview, around);
        }
        status
    }

    fn empty(around: StatusInputs) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            // The store cannot say it: who asks the process fills it in.
            database: super::DatabaseState::default(),
            process: Process {
                running: around.running,
                ..Process::default()
            },
            account: Pause::plain(AccountState::Ready),
            hint: None,
            warnings: around
                .signed_in_at
                .and_then(|since| sign_in::warning(since, false, around.now))
                .into_iter()
                .collect(),
            items: Items::default(),
            placements: Placements::default(),
            after_upload: AfterUpload::default(),
            bytes: Bytes::default(),
            quota: Quota {
                day: clock::service_day(around.now).to_string(),
                requests: 0,
                limit: around.requests_per_day,
                uploads: 0,
                resumes_at: None,
            },
            lane: Pause::plain(LaneState::Idle),
            uploads: Pause::plain(UploadsState::Open),
            transfers: Vec::new(),
            albums: Vec::new(),
            failures: Vec::new(),
            eta: Eta::default(),
            away: Vec::new(),
        }
    }

    fn fill(&mut self, overview: &Overview, around: StatusInputs) {
        if let (true, Some((mode, pid, since))) = (around.running, &overview.process) {
            self.process.mode = Some(shown(mode));
            self.process.pid = Some(*pid);
            self.process.since = Some(*since);
        }
        self.account = account(overview, around);
        self.hint = overview
            .account_hint
            .as_deref()
            .map(shown)
            .filter(|_| self.account.state != AccountState::Ready);
        if overview.is_published || self.account.state == AccountState::LoginNeeded {
            self.warnings.clear();
        }
        let unwatched = overview.unwatched.iter();
        self.warnings
            .extend(unwatched.map(unavailable_files::warning));
        self.lane = lane(overview, around);
        self.uploads = uploads(overview, around);
        self.items = items(overview);
        self.placements = placements(overview);
        self.after_upload = after_upload(overview);
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
            .map(|path| Escaped::path(path).to_string())
            .collect();
        self.guess(overview, around);
    }

    fn bytes_moving(&self) -> u64 {
        self.transfers.iter().map(|transfer| transfer.sent).sum()
    }

    /// The end is guessed only while somebody works towards it and nobody else is waited for.
    fn guess(&mut self, overview: &Overview, around: StatusInputs) {
        if !around.running || self.waits_for_a_person() {
            return;
        }
        self.eta = self.still_to_do(overview, around).eta();
    }

    /// Whether the lane waits for the next day because late arrivals have used up what this one has
    /// for the sake of order.
    fn waits_for_order_calls(&self, overview: &Overview, around: StatusInputs) -> bool {
        overview.ledger.order_calls >= around.order_calls
            && self.account.state == AccountState::Ready
            && self.lane.state == LaneState::Waiting
            && self.lane.until == Some(clock::service_day_ends(around.now))
    }

    fn still_to_do(&self, overview: &Overview, around: StatusInputs) -> Left {
        let items = self.items;
        let uploading = overview.bytes("item", "uploading");
        let mut unplaced = items.left();
        let mut calls = 0;
        for album in &overview.albums {
            calls += album.wanted.div_ceil(ITEMS_PER_CALL);
            unplaced = unplaced.saturating_sub(album.wanted);
        }
        let lane_waits = seconds_until(self.lane.until, around);
        let is_for_order = self.waits_for_order_calls(overview, around);
        Left {
            bytes: (self.bytes.queued + uploading).saturating_sub(self.bytes_moving()),
            uploads: items.settling + items.queued + items.uploading,
            calls: calls + unplaced.div_ceil(ITEMS_PER_CALL) + overview.to_describe,
            rate: around.rate.or(overview.rate),
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
            waits: seconds_until(self.account.until.max(self.uploads.until), around),
            lane_waits: if is_for_order { 0 } else { lane_waits },
            order_waits: if is_for_order { lane_waits } else { 0 },
        }
    }
}

/// The service's own words may be in it, and so may anything that was put into the database.
fn told<S: Copy>(pause: &Pause<S>) -> Pause<S> {
    Pause {
        reason: pause.reason.as_deref().map(shown),
        ..*pause
    }
}

fn shown(text: &str) -> String {
    Escaped::text(text).to_string()
}

fn seconds_until(then: Option<Timestamp>, around: StatusInputs) -> u64 {
    then.map_or(0, |then| clock::until(around.now, then).as_secs())
}

/// A day's end that has passed is known to have, also when nobody has looked since, and so is a sign-in
/// that was made after one was asked for. Where this machine was not set up (then there is an end to it:
/// Albumen looks again by itself), so is another client secret.
fn account(overview: &Overview, around: StatusInputs) -> Pause<AccountState> {
    let account = &overview.account;
    let over = match account.state {
        AccountState::QuotaExhausted => account.until.is_some_and(|until| until <= around.now),
        AccountState::LoginNeeded => {
            let secret = around.client_secret_changed_at;
            let mended = around
                .signed_in_at
                .max(secret.filter(|_| account.until.is_some()));
            mended.is_some_and(|then| then > overview.account_since)
        }
        _ => false,
    };
    if over && !around.running {
        Pause::plain(AccountState::Ready)
    } else {
        told(account)
    }
}

/// What a process did when it ended it does no more; a wait for the service is still owed.
fn lane(overview: &Overview, around: StatusInputs) -> Pause<LaneState> {
    let lane = &overview.lane;
    let owed =
        lane.state == LaneState::Waiting && lane.until.is_some_and(|until| until > around.now);
    if around.running || owed {
        told(lane)
    } else {
        Pause::plain(LaneState::Idle)
    }
}

/// The same for uploads. What is over is over, also when nobody has sent anything since.
fn uploads(overview: &Overview, around: StatusInputs) -> Pause<UploadsState> {
    let uploads = &overview.uploads;
    let lasts = uploads.until.is_some_and(|until| until > around.now);
    if lasts && (around.running || overview.uploads_asked) {
        told(uploads)
    } else {
        Pause::plain(UploadsState::Open)
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
        joining: overview.joining,
        held: overview.count("departure", "held"),
    }
}

fn after_upload(overview: &Overview) -> AfterUpload {
    let after = |state| overview.count("after", state);
    AfterUpload {
        waiting: after("waits") + after("ready"),
        staying: after("stays"),
        done: after("done"),
    }
}

fn queued_bytes(overview: &Overview) -> u64 {
    ["settling", "queued", "claimed"]
        .into_iter()
        .map(|state| overview.bytes("file", state))
        .sum()
}

fn resumes_at(
    account: &Pause<AccountState>,
    quota: &Quota,
    around: StatusInputs,
) -> Option<Timestamp> {
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
            path: Escaped::path(&transfer.path).to_string(),
            sent: transfer.sent,
            size: transfer.size,
        }
    }
}

impl From<&crate::store::AlbumView> for Album {
    fn from(album: &crate::store::AlbumView) -> Self {
        Self {
            title: Escaped::text(&album.title).to_string(),
            id: album.album_id.as_ref().map(ToString::to_string),
            items: album.placed,
            reason: album.reason.as_deref().map(shown),
        }
    }
}

impl From<&crate::store::Failure> for Failure {
    fn from(failure: &crate::store::Failure) -> Self {
        let shown =
            |text: &Option<String>| text.as_ref().map(|text| Escaped::text(text).to_string());
        Self {
            path: Escaped::path(&failure.path).to_string(),
            state: failure.state,
            reason: shown(&failure.reason),
            code: failure.code,
            message: shown(&failure.message),
            attempts: failure.attempts,
            next_try_at: failure.next_try_at,
            unreadable: failure.unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::{
        status::text::{LocalTime, text},
        store::{Reader, Store},
    };

    #[tokio::test]
    async fn what_the_service_said_is_shown_without_its_control_characters() {
        let dir = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let pause = |state| Pause {
            reason: Some("no\u{1b}[2J".to_owned()),
            ..Pause::plain(state)
        };
        let hint = Some("ask\u{7}\u{202e}".to_owned());
        let needs = store.account_needs(pause(AccountState::LoginNeeded), hint, now);
        needs.await.unwrap();
        let reader = Reader::open(dir.path()).unwrap().unwrap();
        let around = StatusInputs {
            signed_in_at: None,
            client_secret_changed_at: None,
            now,
            running: true,
            rate: None,
            requests_per_day: 10_000,
            count_uploads: false,
            writes_per_minute: 30,
            order_calls: 2_000,
        };
        let status = Status::new(Some(&reader.overview(now).unwrap()), around);
        let here = LocalTime {
            now,
            zone: TimeZone::UTC,
        };
        let said = text(&status, &here);
        assert!(
            said.starts_with("stopped: no\\u{1b}[2J\nhint: ask\\u{7}\\u{202e}\n"),
            "{said}"
        );
        store.close().await;
    }
}
