//! Waits for the service: how long they are, when they are over, and which of them outlive the process.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::{
    clock,
    config::Config,
    model::backoff::Retry,
    photos_api::{self, Kind, Limit, RETRY_AFTER_MAX},
    store::{self, AccountState, Store},
};

/// Counts failures in a row of one kind of request, and says how long to wait after each.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and gives the wait before the next try. Never less than the service asked for.
    pub fn next_wait(&mut self, retry: &Retry, error: &photos_api::Error) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        wait_after(retry, failures, error)
    }

    /// Failures in a row so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A request succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The wait after a failed request that followed `failures` others. Never less than the service asked for.
pub fn wait_after(retry: &Retry, failures: u32, error: &photos_api::Error) -> Duration {
    let chance = fastrand::f64();
    let own = match error.kind() {
        Kind::RateLimited(_) => retry.after_rate_limit(failures, chance),
        _ => retry.after_server_error(failures, chance),
    };
    at_least(own, error)
}

/// The longer of our own wait and the one that the service asked for.
pub fn at_least(wait: Duration, error: &photos_api::Error) -> Duration {
    error.retry_after().map_or(wait, |asked| asked.max(wait))
}

/// Whether the service asked for the wait, so that it has to outlive this process.
pub fn is_requested(error: &photos_api::Error) -> bool {
    matches!(error.kind(), Kind::RateLimited(_)) || error.retry_after().is_some()
}

/// Whether the same read may succeed later in this run.
pub fn is_worth_retrying(error: &photos_api::Error) -> bool {
    match error.kind() {
        Kind::RateLimited(limit) => limit != Limit::Day,
        Kind::Unreachable
        | Kind::Unanswered
        | Kind::Server
        | Kind::Garbled
        | Kind::AccessTokenRefused => true,
        _ => false,
    }
}

/// A wait of a whole task. It is over by the wall clock, which includes time asleep, or by the monotonic
/// one, which cannot be set back; whichever is first.
#[derive(Debug, Clone, Copy)]
pub struct Timer {
    /// The end by the wall clock.
    pub until: Timestamp,
    monotonic: Instant,
}

impl Timer {
    /// A wait that begins now.
    pub fn new(now: Timestamp, until: Timestamp) -> Self {
        let monotonic = Instant::now();
        Self {
            until,
            monotonic: monotonic
                .checked_add(clock::until(now, until))
                .unwrap_or(monotonic),
        }
    }

    /// Whether it is not over.
    pub fn is_running(self, now: Timestamp) -> bool {
        self.until > now && self.monotonic > Instant::now()
    }
}

/// What a wait that the service asked for applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Mutating calls.
    Writes,
    /// Uploads of bytes.
    Uploads,
    /// Calls that only read.
    Reads,
}

impl Scope {
    /// The key of `meta` under which the wait is kept.
    fn key(self) -> &'static str {
        match self {
            Self::Writes => "writes_not_before",
            Self::Uploads => "uploads_not_before",
            Self::Reads => "reads_not_before",
        }
    }
}

/// A clock that its time server sets right may go back so far.
const CLOCK_CORRECTION: Duration = Duration::from_mins(1);

/// Saves a wait that begins now: the service does not know when Albumen is restarted.
pub async fn save(
    store: &Store,
    scope: Scope,
    now: Timestamp,
    until: Timestamp,
) -> store::Result<()> {
    let (from, until) = (now.as_millisecond(), until.as_millisecond());
    store.meta_is(scope.key(), format!("{from} {until}")).await
}

/// The saved wait, if it is not over.
pub async fn load(
    store: &Store,
    scope: Scope,
    retry: &Retry,
    now: Timestamp,
) -> store::Result<Option<Timestamp>> {
    let text = store.meta(scope.key()).await?.unwrap_or_default();
    Ok(running(&text, max_requested_wait(retry), now))
}

/// A wait that has not begun yet, or is longer than the longest there is, is from before the clock was
/// set back: it is over.
fn running(text: &str, longest: Duration, now: Timestamp) -> Option<Timestamp> {
    let (from, until) = text.split_once(' ')?;
    let from = clock::from_millis(from.parse().ok()?);
    let until = clock::from_millis(until.parse().ok()?);
    let has_begun = from <= clock::after(now, CLOCK_CORRECTION);
    (has_begun && until > now && until <= clock::after(now, longest)).then_some(until)
}

/// The longest day of the service has 25 hours; some minutes are waited after its end.
pub(super) const SERVICE_DAY: Duration = Duration::from_mins(25 * 60 + 15);

/// A file that keeps changing while it is sent must be unchanged for an hour (the design, "Upload"). No
/// wait of a file or an album that is not a multiple of `[retry]` is longer.
const MAX_SETTLE: Duration = Duration::from_mins(65);

/// The longest wait before an item is verified again (the design, "Verify").
const MAX_VERIFY_WAIT: Duration = Duration::from_hours(24);

/// The longest wait that the service asks for, or that is ours where it named none.
fn max_requested_wait(retry: &Retry) -> Duration {
    RETRY_AFTER_MAX.max(retry.after_concurrent_write(u32::MAX, 1.0))
}

/// The longest pause of the account in this state.
pub(super) fn max_account_pause(state: AccountState, retry: &Retry) -> Duration {
    match state {
        AccountState::Ready => Duration::ZERO,
        AccountState::LoginNeeded | AccountState::ApiDisabled | AccountState::Unreachable => {
            retry.max_wait()
        }
        AccountState::StorageFull | AccountState::PhotosDisabled => retry.before_storage_probe(),
        AccountState::QuotaExhausted => SERVICE_DAY,
    }
}

/// The longest wait of a single file, item, placement or album.
pub fn max_row_wait(config: &Config) -> Duration {
    let retry = &config.retry;
    retry
        .after_concurrent_write(u32::MAX, 1.0)
        .max(MAX_SETTLE)
        .max(config.watch.settle.saturating_mul(2))
}

/// The longest wait before an item is verified, and before what depends on that.
pub fn max_verify_wait(config: &Config) -> Duration {
    MAX_VERIFY_WAIT.max(config.verify.after.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_saved_wait_of_hours_counts_and_one_from_the_future_does_not() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |seconds: i64| now + jiff::SignedDuration::from_secs(seconds);
        let text = |from: i64, until: i64| {
            format!(
                "{} {}",
                at(from).as_millisecond(),
                at(until).as_millisecond()
            )
        };
        let running = |text: &str| running(text, DAY, now);
        assert_eq!(running(&text(-5, 7_195)), Some(at(7_195)));
        assert_eq!(running(&text(0, 86_400)), Some(at(86_400)));
        assert_eq!(running(&text(1, 31)), Some(at(31)), "a clock is set right");
        assert_eq!(running(&text(-60, -1)), None, "it is over");
        assert_eq!(running(&text(3_600, 3_660)), None, "it has not begun");
        assert_eq!(running(&text(-10, 90_000)), None, "none is so long");
        assert_eq!(running(""), None);
    }
}
