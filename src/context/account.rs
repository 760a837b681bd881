//! Whether the account can be used: a circuit breaker for all tasks.
//!
//! A failure that concerns the whole account or project pauses all tasks. The pause is kept in the
//! store, so that `status` knows it when nothing runs; the first request that succeeds ends it. A task
//! calls [`AccountStatus::check`] before it begins something, and [`AccountStatus::record_failure`] after
//! every failure; a failure that is not the account's is for the task to handle.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use super::{
    pause::{SERVICE_DAY, Timer, max_account_pause},
    wake::Wakes,
};
use crate::{
    clock::{self, Clock},
    model::backoff::Retry,
    photos_api::{self, Auth, Kind, Limit},
    store::{AccountState, Pause, Result, Store},
};

/// A sign-in of a consent screen in Testing dies after 7 days (fact sheet, section 1.2), and its last
/// access token at most an hour later.
const OUTLIVES_TESTING: Duration = Duration::from_hours(7 * 24 + 2);

/// The first request after midnight Pacific waits for a random time between these, so that not all clients
/// come at once.
const AFTER_MIDNIGHT: (Duration, Duration) = (Duration::from_mins(2), Duration::from_mins(10));

/// A daily refusal this soon after midnight Pacific means that the reset of the quota is late.
const RESET_LATE: Duration = Duration::from_hours(1);

/// How often a late reset is tried again, hourly, before the next midnight is waited for.
const RESET_TRIES: u32 = 8;

/// Whether a task may send requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Open,
    /// One small thing, to see whether the storage is still full.
    Probe,
    /// Not before `until`.
    Closed {
        /// The end; none where it is not known.
        until: Option<Timestamp>,
    },
}

/// The circuit breaker; cheap to clone.
#[derive(Debug, Clone)]
pub struct AccountStatus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    retry: Retry,
    auth: Auth,
    wakes: Wakes,
    state: Mutex<State>,
    is_client_saved: AtomicBool,
    is_published_saved: AtomicBool,
}

#[derive(Debug)]
struct State {
    pause: Pause<AccountState>,
    timer: Option<Timer>,
    failures: u32,
    /// The pause is for something on this machine: a file that cannot be read, or one of another client.
    is_local: bool,
    /// The files of the account have changed since the pause began.
    has_new_files: bool,
}

impl State {
    /// A pause that begins now.
    fn new(pause: Pause<AccountState>, now: Timestamp) -> Self {
        Self {
            timer: pause.until.map(|until| Timer::new(now, until)),
            is_local: is_local(&pause),
            has_new_files: false,
            failures: 0,
            pause,
        }
    }

    /// Whether there is a sign-in, or a client secret, that was not tried yet. It stays true until it is
    /// found to be bad, because the first task that reads the new file may fail for another reason. A new
    /// client secret does not revive a dead sign-in.
    fn look_for_new_files(&mut self, auth: &Auth) -> bool {
        let needs_login = self.pause.state == AccountState::LoginNeeded;
        let changed = || auth.changed() || self.is_local && auth.client_secret_changed();
        self.has_new_files = needs_login && (self.has_new_files || changed());
        self.has_new_files
    }

    /// Whether the pause is over by one of the two clocks, or longer than it can be. The service's day
    /// ends by the wall clock alone.
    fn is_due(&self, retry: &Retry, now: Timestamp) -> bool {
        let Some(until) = self.pause.until else {
            return false;
        };
        let state = self.pause.state;
        let timer = self.timer.filter(|_| state != AccountState::QuotaExhausted);
        until <= now
            || until > clock::after(now, max_account_pause(state, retry))
            || timer.is_some_and(|timer| !timer.is_running(now))
    }
}

impl AccountStatus {
    /// The status as the store remembers it.
    pub async fn load(
        store: Store,
        auth: Auth,
        retry: Retry,
        clock: Clock,
        wakes: Wakes,
    ) -> Result<Self> {
        let mut pause = store.account().await?;
        auth.library_client_id(store.client_id().await?);
        auth.look();
        let now = clock.now();
        let is_local = is_local(&pause);
        if pause.state == AccountState::LoginNeeded
            && was_mended(&auth, is_local, store.account_since().await?).await
        {
            pause = Pause::plain(AccountState::Ready);
            store.account_is(pause.clone(), now).await?;
        }
        // Whether the others still hold shows at the first request.
        let outlives_restart = matches!(
            pause.state,
            AccountState::QuotaExhausted | AccountState::StorageFull
        );
        let is_paused = outlives_restart
            && pause.until.is_some()
            && !State::new(pause.clone(), now).is_due(&retry, now);
        if !is_paused && pause.state != AccountState::Ready {
            pause.until = Some(now);
        }
        let state = State {
            is_local,
            ..State::new(pause, now)
        };
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            retry,
            auth,
            wakes,
            state: Mutex::new(state),
            is_client_saved: AtomicBool::new(false),
            is_published_saved: AtomicBool::new(false),
        })))
    }

    /// The state as it is known now.
    pub fn pause(&self) -> Pause<AccountState> {
        self.state().pause.clone()
    }

    /// Whether work may begin.
    pub fn check(&self) -> Permit {
        let mut state = self.state();
        let has_new_files = state.look_for_new_files(&self.0.auth);
        let now = self.0.clock.now();
        let due = state.is_due(&self.0.retry, now);
        let until = state.pause.until;
        match state.pause.state {
            AccountState::Ready => Permit::Open,
            AccountState::LoginNeeded if due || has_new_files => Permit::Open,
            AccountState::StorageFull if due => Permit::Probe,
            AccountState::StorageFull => Permit::Closed {
                until: until.filter(|until| *until > now),
            },
            _ if due => Permit::Open,
            _ => Permit::Closed { until },
        }
    }

    /// A request succeeded: this ends every pause.
    pub async fn record_success(&self) -> Result<()> {
        self.learn().await?;
        {
            let state = self.state();
            let until = state.pause.until;
            let is_paused = until.is_some_and(|until| until > self.0.clock.now());
            match state.pause.state {
                AccountState::Ready => return Ok(()),
                // The request was sent before the day's requests were used up.
                AccountState::QuotaExhausted if is_paused => return Ok(()),
                _ => {}
            }
        }
        self.end_pause("the account can be used again").await
    }

    /// An upload or a read succeeded. That proves nothing about a full storage, which shows at creation only.
    pub async fn record_upload_success(&self) -> Result<()> {
        if self.state().pause.state == AccountState::StorageFull {
            return Ok(());
        }
        self.record_success().await
    }

    async fn end_pause(&self, message: &str) -> Result<()> {
        let now = self.0.clock.now();
        let ready = Pause::plain(AccountState::Ready);
        *self.state() = State::new(ready.clone(), now);
        tracing::info!("{message}");
        self.0.store.account_is(ready, now).await?;
        self.wake_all();
        Ok(())
    }

    /// What a success proves: that this client makes the media items from now on, and that a sign-in older
    /// than a week is not one of a consent screen in Testing.
    async fn learn(&self) -> Result<()> {
        let inner = &self.0;
        let is_client_saved = inner.is_client_saved.load(Ordering::Relaxed);
        let is_published_saved = inner.is_published_saved.load(Ordering::Relaxed);
        if is_client_saved && is_published_saved {
            return Ok(());
        }
        let Some((client_id, since)) = inner.auth.in_use() else {
            return Ok(());
        };
        if !is_client_saved {
            inner.store.set_client_id(client_id.clone()).await?;
            inner.auth.library_client_id(Some(client_id));
            inner.is_client_saved.store(true, Ordering::Relaxed);
        }
        if clock::until(since, inner.clock.now()) > OUTLIVES_TESTING && !is_published_saved {
            inner.store.set_published().await?;
            inner.is_published_saved.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Changes to another OAuth client, if the user has signed in with one. Only the writer may call this: it
    /// knows that no call of the old client is under way.
    pub async fn take_new_client(&self) -> Result<()> {
        let inner = &self.0;
        let Some(client_id) = inner.auth.wants_new_client() else {
            return Ok(());
        };
        tracing::warn!(
            client_id,
            "going on with another OAuth client: albums are made anew"
        );
        let now = inner.clock.now();
        inner.store.client_replaced(client_id.clone(), now).await?;
        inner.is_published_saved.store(false, Ordering::Relaxed);
        inner.auth.library_client_id(Some(client_id));
        self.wake_all();
        Ok(())
    }

    /// Pauses all tasks if the failure is the account's or the project's; gives whether it is.
    pub async fn record_failure(&self, error: &photos_api::Error) -> Result<bool> {
        let Some(state) = account_state_for(error) else {
            return Ok(false);
        };
        let now = self.0.clock.now();
        let is_local = error.kind() == Kind::Setup;
        let failures = {
            let known = self.state();
            let same = known.pause.state == state && known.is_local == is_local;
            if same && !known.has_new_files && known.pause.until.is_some_and(|until| until > now) {
                // The request was already under way when the pause began.
                return Ok(true);
            }
            if same { known.failures } else { 0 }
        };
        let retry = &self.0.retry;
        let wait = match state {
            AccountState::LoginNeeded | AccountState::Ready if !is_local => None,
            AccountState::QuotaExhausted => Some(clock::until(now, quota_reset(now, failures))),
            AccountState::StorageFull | AccountState::PhotosDisabled => {
                Some(retry.before_storage_probe())
            }
            AccountState::Unreachable => Some(retry.after_server_error(failures, fastrand::f64())),
            // Looking at a local file costs no request. A switch in the console takes minutes to be seen.
            AccountState::LoginNeeded | AccountState::Ready | AccountState::ApiDisabled => {
                Some(retry.max_wait())
            }
        };
        let pause = Pause {
            state,
            reason: Some(error_chain(error)),
            until: wait.map(|wait| clock::after(now, wait)),
        };
        self.begin_pause(pause, error.hint(), now).await?;
        Ok(true)
    }

    /// By our own count the day's requests are used up, so that none is spent to be refused.
    pub async fn day_is_used_up(&self, limit: u64) -> Result<()> {
        let now = self.0.clock.now();
        let reason = format!("the {limit} requests of the day (`quota.requests_per_day`) are used");
        let pause = Pause {
            state: AccountState::QuotaExhausted,
            reason: Some(reason),
            until: Some(next_day(now)),
        };
        self.begin_pause(pause, None, now).await
    }

    async fn begin_pause(
        &self,
        pause: Pause<AccountState>,
        hint: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        let changed = {
            let mut state = self.state();
            let day_is_over = state.is_due(&self.0.retry, now);
            if state.pause.state == AccountState::QuotaExhausted
                && !day_is_over
                && pause.state != AccountState::QuotaExhausted
            {
                // Nothing may be sent before the day is over anyway; the other failure shows again then.
                return Ok(());
            }
            let changed = state.pause.state != pause.state || state.is_local != is_local(&pause);
            let failures = if changed { 0 } else { state.failures };
            *state = State {
                failures: failures.saturating_add(1),
                ..State::new(pause.clone(), now)
            };
            changed
        };
        if changed {
            let reason = pause.reason.as_deref().unwrap_or_default();
            let hint = hint.map_or(String::new(), |hint| format!("\nhint: {hint}"));
            let until = pause.until.map(tracing::field::display);
            tracing::warn!(until, "paused: {reason}{hint}");
        }
        let hint = hint.map(str::to_owned);
        self.0.store.account_needs(pause, hint, now).await?;
        self.0.wakes.changed.notify();
        Ok(())
    }

    /// Ends a pause for a missing sign-in, or for a file of this machine, once the file has changed.
    pub async fn look_for_sign_in(&self) -> Result<()> {
        if !self.state().look_for_new_files(&self.0.auth) {
            return Ok(());
        }
        self.end_pause("somebody has signed in, or changed the client secret file; going on")
            .await
    }

    /// Wakes all tasks that the pause held up.
    pub fn wake_all(&self) {
        let wakes = &self.0.wakes;
        wakes.uploads.notify();
        wakes.writer.notify();
        wakes.verify.notify();
        wakes.changed.notify();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the pause is for something on this machine: of all missing sign-ins only that has an end, because
/// Albumen looks at the file again by itself.
fn is_local(pause: &Pause<AccountState>) -> bool {
    pause.state == AccountState::LoginNeeded && pause.until.is_some()
}

/// Whether somebody has signed in, or changed the client secret, while Albumen did not run.
async fn was_mended(auth: &Auth, is_local: bool, paused_at: Timestamp) -> bool {
    let signed_in = auth.signed_in().await.ok().map(|it| it.since);
    let secret = auth.client_secret_changed_at().filter(|_| is_local);
    signed_in.max(secret).is_some_and(|at| at > paused_at)
}

/// The state of the account after a failure; none if the failure is not the account's. Problems of this
/// machine (an unreadable secret or token file) are `login_needed` too, but are tried again by themselves.
fn account_state_for(error: &photos_api::Error) -> Option<AccountState> {
    match error.kind() {
        Kind::LoginNeeded | Kind::ScopeMissing | Kind::Setup => Some(AccountState::LoginNeeded),
        Kind::StorageFull => Some(AccountState::StorageFull),
        Kind::RateLimited(Limit::Day) => Some(AccountState::QuotaExhausted),
        Kind::ApiDisabled => Some(AccountState::ApiDisabled),
        Kind::PhotosDisabled => Some(AccountState::PhotosDisabled),
        Kind::Unreachable => Some(AccountState::Unreachable),
        _ => None,
    }
}

/// The error and its sources in one line.
pub fn error_chain(error: &photos_api::Error) -> String {
    use std::error::Error as _;
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        let text = next.to_string();
        // An error whose source is of the same kind names the kind once.
        let new = match text.split_once(": ") {
            Some((kind, rest)) if chain.starts_with(kind) => rest,
            _ => &text,
        };
        chain = format!("{chain}: {new}");
        source = next.source();
    }
    chain
}

/// Some minutes after the service's day of `now` has ended, at midnight Pacific.
fn next_day(now: Timestamp) -> Timestamp {
    let (from, to) = AFTER_MIDNIGHT;
    let wait = from + to.saturating_sub(from).mul_f64(fastrand::f64());
    clock::after(clock::service_day_ends(now), wait)
}

/// When a project whose requests of the day are used up is tried again.
fn quota_reset(now: Timestamp, failures: u32) -> Timestamp {
    let day_ends = clock::service_day_ends(now);
    let day_began = clock::service_day_ends(day_ends.saturating_sub(SERVICE_DAY).unwrap_or(now));
    let is_late = now < clock::after(day_began, RESET_LATE) || failures > 0;
    if is_late && failures < RESET_TRIES && now > day_began {
        return clock::after(now, RESET_LATE).min(next_day(now));
    }
    next_day(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paused(state: AccountState, now: Timestamp, wait: Duration) -> State {
        let until = Some(clock::after(now, wait));
        let pause = Pause {
            until,
            ..Pause::plain(state)
        };
        State::new(pause, now)
    }

    #[test]
    fn a_pause_that_ends_further_ahead_than_its_kind_lasts_is_due() {
        let retry = Retry::default();
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let back = now - jiff::SignedDuration::from_mins(50);
        let hour = Duration::from_hours(1);
        for (state, wait, due_after_rollback) in [
            (AccountState::Unreachable, Duration::from_mins(4), true),
            (AccountState::ApiDisabled, Duration::from_mins(5), true),
            (AccountState::StorageFull, hour, true),
            (AccountState::QuotaExhausted, 20 * hour, false),
        ] {
            let state = paused(state, now, wait);
            assert!(!state.is_due(&retry, now), "{state:?}");
            assert_eq!(state.is_due(&retry, back), due_after_rollback, "{state:?}");
            assert!(state.is_due(&retry, clock::after(now, wait)), "{state:?}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_lengthens_only_the_pause_of_the_day() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let back = now - jiff::SignedDuration::from_secs(60);
        for (state, is_due) in [
            (AccountState::Unreachable, true),
            (AccountState::QuotaExhausted, false),
        ] {
            let state = paused(state, now, Duration::ZERO);
            assert_eq!(state.is_due(&Retry::default(), back), is_due, "{state:?}");
        }
    }
}
