//! Builds the status from one read of the store.

use jiff::Timestamp;

use super::{
    DatabaseState, Process, Quota, Status, StatusInputs,
    eta::{Eta, ITEMS_PER_CALL, Remaining},
    sign_in,
    types::Bytes,
    unavailable_files,
};
use crate::{
    clock,
    escape::Escaped,
    store::{
        AccountState, FileActionCounts, ItemCounts, Overview, Pause, PlacementCounts, UploadsState,
        WriterState,
    },
};

impl Status {
    /// The status from one read of the store; without a store, an empty one.
    pub fn new(overview: Option<&Overview>, inputs: StatusInputs) -> Self {
        let mut status = Self::empty(inputs);
        if let Some(overview) = overview {
            status.fill(overview, inputs);
        }
        status
    }

    fn empty(inputs: StatusInputs) -> Self {
        let warning = inputs
            .signed_in_at
            .and_then(|since| sign_in::warning(since, false, inputs.now));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            // Only the running process knows; the caller asks it.
            database: DatabaseState::default(),
            process: Process {
                running: inputs.running,
                ..Process::default()
            },
            account: Pause::plain(AccountState::Ready),
            hint: None,
            warnings: warning.into_iter().collect(),
            items: ItemCounts::default(),
            placements: PlacementCounts::default(),
            after_upload: FileActionCounts::default(),
            bytes: Bytes::default(),
            quota: Quota {
                day: clock::service_day(inputs.now).to_string(),
                requests: 0,
                limit: inputs.requests_per_day,
                uploads: 0,
                resumes_at: None,
            },
            lane: Pause::plain(WriterState::Idle),
            uploads: Pause::plain(UploadsState::Open),
            transfers: Vec::new(),
            albums: Vec::new(),
            failures: Vec::new(),
            eta: Eta::default(),
            away: Vec::new(),
        }
    }

    fn fill(&mut self, overview: &Overview, inputs: StatusInputs) {
        if let (true, Some((mode, pid, since))) = (inputs.running, &overview.process) {
            self.process.mode = Some(escaped(mode));
            self.process.pid = Some(*pid);
            self.process.since = Some(*since);
        }
        self.account = account(overview, inputs);
        self.hint = overview
            .account_hint
            .as_deref()
            .map(escaped)
            .filter(|_| self.account.state != AccountState::Ready);
        if overview.is_published || self.account.state == AccountState::LoginNeeded {
            self.warnings.clear();
        }
        let unwatched = overview.unwatched.iter();
        self.warnings
            .extend(unwatched.map(unavailable_files::warning));
        self.lane = lane(overview, inputs);
        self.uploads = uploads(overview, inputs);
        self.items = overview.items();
        self.placements = overview.placements();
        self.after_upload = overview.file_actions();
        if inputs.running {
            self.transfers.clone_from(&overview.transfers);
        }
        self.bytes = Bytes {
            queued: overview.bytes_queued(),
            sent: overview.bytes_sent + self.bytes_in_progress(),
        };
        self.quota.requests = overview.ledger.requests;
        self.quota.uploads = overview.ledger.uploads;
        self.quota.resumes_at = quota_resumes_at(&self.account, &self.quota, inputs);
        self.albums.clone_from(&overview.albums);
        self.failures.clone_from(&overview.failures);
        let away = overview.away.iter();
        self.away = away.map(|path| Escaped::path(path).to_string()).collect();
        // Without a running process, or while the user must act first, there is no end to estimate.
        if inputs.running && !self.needs_user() {
            self.eta = self.remaining(overview, inputs).eta();
        }
    }

    fn bytes_in_progress(&self) -> u64 {
        self.transfers.iter().map(|transfer| transfer.sent).sum()
    }

    /// Whether the writer waits for the next day because late arrivals used up `batch.order_calls`.
    fn waits_for_order_calls(&self, overview: &Overview, inputs: StatusInputs) -> bool {
        overview.ledger.order_calls >= inputs.order_calls
            && self.account.state == AccountState::Ready
            && self.lane.state == WriterState::Waiting
            && self.lane.until == Some(clock::service_day_ends(inputs.now))
    }

    fn remaining(&self, overview: &Overview, inputs: StatusInputs) -> Remaining {
        let items = self.items;
        let uploading = overview.bytes("item", "uploading");
        let mut without_album = items.pending();
        let mut calls = 0;
        for album in &overview.albums {
            calls += album.wanted.div_ceil(ITEMS_PER_CALL);
            without_album = without_album.saturating_sub(album.wanted);
        }
        let counted_uploads = if inputs.count_uploads {
            self.quota.uploads
        } else {
            0
        };
        let writer_waits = seconds_until(self.lane.until, inputs);
        let is_for_order = self.waits_for_order_calls(overview, inputs);
        Remaining {
            bytes: (self.bytes.queued + uploading).saturating_sub(self.bytes_in_progress()),
            uploads: items.settling + items.queued + items.uploading,
            calls: calls + without_album.div_ceil(ITEMS_PER_CALL) + overview.to_describe,
            rate: inputs.rate.or(overview.rate),
            writes_per_minute: inputs.writes_per_minute,
            requests_per_day: inputs.requests_per_day,
            requests_today: self.quota.requests + counted_uploads,
            count_uploads: inputs.count_uploads,
            day_ends_in: clock::until(inputs.now, clock::service_day_ends(inputs.now)).as_secs(),
            waits: seconds_until(self.account.until.max(self.uploads.until), inputs),
            writer_waits: if is_for_order { 0 } else { writer_waits },
            order_waits: if is_for_order { writer_waits } else { 0 },
        }
    }
}

fn escaped(text: &str) -> String {
    Escaped::text(text).to_string()
}

/// The reason may hold text from the service.
fn escaped_pause<S: Copy>(pause: &Pause<S>) -> Pause<S> {
    Pause {
        reason: pause.reason.as_deref().map(escaped),
        ..*pause
    }
}

fn seconds_until(then: Option<Timestamp>, inputs: StatusInputs) -> u64 {
    then.map_or(0, |then| clock::until(inputs.now, then).as_secs())
}

/// The stored account state; without a running process it is `Ready` where the cause is known to be over:
/// the quota day has ended, the user has signed in since, or (if the state has an end, which means that
/// local setup was at fault) the client secret file has changed since.
fn account(overview: &Overview, inputs: StatusInputs) -> Pause<AccountState> {
    let account = &overview.account;
    let is_over = match account.state {
        AccountState::QuotaExhausted => account.until.is_some_and(|until| until <= inputs.now),
        AccountState::LoginNeeded => {
            let secret = inputs.client_secret_changed_at;
            let fixed_at = inputs
                .signed_in_at
                .max(secret.filter(|_| account.until.is_some()));
            fixed_at.is_some_and(|then| then > overview.account_since)
        }
        _ => false,
    };
    if is_over && !inputs.running {
        Pause::plain(AccountState::Ready)
    } else {
        escaped_pause(account)
    }
}

/// Without a running process the writer is idle, except for a wait that the service still demands.
fn lane(overview: &Overview, inputs: StatusInputs) -> Pause<WriterState> {
    let lane = &overview.lane;
    let is_due_later =
        lane.state == WriterState::Waiting && lane.until.is_some_and(|until| until > inputs.now);
    if inputs.running || is_due_later {
        escaped_pause(lane)
    } else {
        Pause::plain(WriterState::Idle)
    }
}

/// The same for uploads; a wait that has ended is over even if no upload was tried since.
fn uploads(overview: &Overview, inputs: StatusInputs) -> Pause<UploadsState> {
    let uploads = &overview.uploads;
    let lasts = uploads.until.is_some_and(|until| until > inputs.now);
    if lasts && (inputs.running || overview.uploads_asked) {
        escaped_pause(uploads)
    } else {
        Pause::plain(UploadsState::Open)
    }
}

fn quota_resumes_at(
    account: &Pause<AccountState>,
    quota: &Quota,
    inputs: StatusInputs,
) -> Option<Timestamp> {
    let day_ends = clock::service_day_ends(inputs.now);
    if account.state == AccountState::QuotaExhausted {
        return account.until.or(Some(day_ends));
    }
    let uploads = if inputs.count_uploads {
        quota.uploads
    } else {
        0
    };
    (quota.requests + uploads >= quota.limit).then_some(day_ends)
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
        let inputs = StatusInputs {
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
        let status = Status::new(Some(&reader.overview(now).unwrap()), inputs);
        let local = LocalTime {
            now,
            zone: TimeZone::UTC,
        };
        let said = text(&status, &local);
        assert!(
            said.starts_with("stopped: no\\u{1b}[2J\nhint: ask\\u{7}\\u{202e}\n"),
            "{said}"
        );
        store.close().await;
    }
}
