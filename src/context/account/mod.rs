//! Whether the account can be used, as far as anybody knows.
//!
//! Trouble that concerns the account or the project as a whole stops all stages, is kept in the
//! store (so that `status` is true when nothing runs), and is left by the first request that
//! succeeds. A stage asks [`AccountStatus::check`] before it begins something and tells [`AccountStatus::record_failure`] of every
//! failure; what is not the account's affair is the stage's own.

mod account_error;
mod quota_reset;
mod state;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use super::{Result, backoff};
use crate::context::wake::Wakes;
use crate::{
    clock::{self, Clock},
    config::Retry,
    photos_api::{self, Auth, Kind},
    store::{AccountState, Pause, Store},
};

pub use account_error::error_chain;

use account_error::ails;
use state::{State, is_set_up_badly};

/// A sign-in of a consent screen in Testing dies after 7 days (fact sheet, section 1.2), and its last
/// access token at most an hour later.
const OUTLIVES_TESTING: Duration = Duration::from_hours(7 * 24 + 2);

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permit {
    /// Go on.
    Open,
    /// Go on with one small thing, to see whether the storage still is full.
    Probe,
    /// Not before `until`; none where nobody knows.
    Closed {
        /// The end of it.
        until: Option<Timestamp>,
    },
}

/// The gate; cheap to clone.
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
    client_kept: AtomicBool,
    published_kept: AtomicBool,
}

impl AccountStatus {
    /// The gate as the store remembers it.
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
        let is_set_up_badly = is_set_up_badly(&pause);
        if pause.state == AccountState::LoginNeeded
            && was_mended(&auth, is_set_up_badly, store.account_since().await?).await
        {
            pause = Pause::plain(AccountState::Ready);
            store.account_is(pause.clone(), now).await?;
        }
        let lasts = match pause.state {
            AccountState::QuotaExhausted | AccountState::StorageFull => {
                pause.until.is_some() && !State::new(pause.clone(), now).is_due(&retry, now)
            }
            // Whether these still hold is seen by the first request.
            AccountState::Ready
            | AccountState::LoginNeeded
            | AccountState::ApiDisabled
            | AccountState::PhotosDisabled
            | AccountState::Unreachable => false,
        };
        if !lasts && pause.state != AccountState::Ready {
            pause.until = Some(now);
        }
        let mut state = State::new(pause, now);
        state.is_set_up_badly = is_set_up_badly;
        let state = Mutex::new(state);
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            retry,
            auth,
            wakes,
            state,
            client_kept: AtomicBool::new(false),
            published_kept: AtomicBool::new(false),
        })))
    }

    /// The state as it is known now.
    pub fn pause(&self) -> Pause<AccountState> {
        self.state().pause.clone()
    }

    /// Whether work may begin.
    pub fn check(&self) -> Permit {
        let mut state = self.state();
        let mended = state.is_mended(&self.0.auth);
        let pause = &state.pause;
        let now = self.0.clock.now();
        let due = state.is_due(&self.0.retry, now);
        match pause.state {
            AccountState::Ready => Permit::Open,
            AccountState::LoginNeeded if due || mended => Permit::Open,
            AccountState::StorageFull if due => Permit::Probe,
            AccountState::StorageFull => Permit::Closed {
                until: pause.until.filter(|until| *until > now),
            },
            _ if due => Permit::Open,
            _ => Permit::Closed { until: pause.until },
        }
    }

    /// A request succeeded: whatever ailed the account is over.
    pub async fn record_success(&self) -> Result<()> {
        self.learn().await?;
        {
            let mut state = self.state();
            let now = self.0.clock.now();
            let stopped = state.pause.until.is_some_and(|until| until > now);
            match state.pause.state {
                AccountState::Ready => return Ok(()),
                // It was under way when the day's stop came, and takes nothing of that back.
                AccountState::QuotaExhausted if stopped => return Ok(()),
                _ => {}
            }
            *state = State::new(Pause::plain(AccountState::Ready), now);
        }
        tracing::info!("the account can be used again");
        self.0
            .store
            .account_is(Pause::plain(AccountState::Ready), self.0.clock.now())
            .await?;
        self.wake();
        Ok(())
    }

    /// What a success proves: which client makes what is in the library from now on, and that a
    /// sign-in which is older than a week is not one of a consent screen in Testing.
    async fn learn(&self) -> Result<()> {
        let inner = &self.0;
        let is_known = inner.client_kept.load(Ordering::Relaxed);
        if is_known && inner.published_kept.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some((client_id, since)) = inner.auth.in_use() else {
            return Ok(());
        };
        if !is_known {
            inner.store.set_client_id(client_id.clone()).await?;
            inner.auth.library_client_id(Some(client_id));
            inner.client_kept.store(true, Ordering::Relaxed);
        }
        if clock::until(since, inner.clock.now()) > OUTLIVES_TESTING
            && !inner.published_kept.load(Ordering::Relaxed)
        {
            inner.store.set_published().await?;
            inner.published_kept.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Goes on with another client, if the user has signed in so. Only the lane may ask for it, which
    /// knows that no call of the old one is under way.
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
        inner.published_kept.store(false, Ordering::Relaxed);
        inner.auth.library_client_id(Some(client_id));
        self.wake();
        Ok(())
    }

    /// Bytes arrived. That tells nothing about a full storage, which shows at creation only.
    pub async fn record_upload_success(&self) -> Result<()> {
        if self.state().pause.state == AccountState::StorageFull {
            return Ok(());
        }
        self.record_success().await
    }

    /// Closes the gate if the failure is the account's or the project's affair; gives whether it is.
    pub async fn record_failure(&self, error: &photos_api::Error) -> Result<bool> {
        let Some(state) = ails(error) else {
            return Ok(false);
        };
        let now = self.0.clock.now();
        let is_set_up_badly = error.kind() == Kind::Setup;
        let strikes = {
            let known = self.state();
            let pause = &known.pause;
            let same = pause.state == state && known.is_set_up_badly == is_set_up_badly;
            if same && !known.mended && pause.until.is_some_and(|until| until > now) {
                // One of several that were under way when the first one was refused.
                return Ok(true);
            }
            if same { known.strikes } else { 0 }
        };
        let retry = &self.0.retry;
        let until = match state {
            // Looking at a file again costs no request, and the sign-in server is asked as seldom.
            AccountState::LoginNeeded if is_set_up_badly => {
                Some(clock::after(now, backoff::longest(retry)))
            }
            AccountState::LoginNeeded | AccountState::Ready => None,
            AccountState::StorageFull | AccountState::PhotosDisabled => {
                Some(clock::after(now, backoff::until_probe(retry)))
            }
            AccountState::QuotaExhausted => Some(quota_reset::after_refusal(now, strikes)),
            // A switch in the console takes minutes to be seen; looking is cheap and rare.
            AccountState::ApiDisabled => Some(clock::after(now, backoff::longest(retry))),
            AccountState::Unreachable => {
                let wait = backoff::after_trouble(retry, strikes, fastrand::f64());
                Some(clock::after(now, wait))
            }
        };
        let pause = Pause {
            state,
            reason: Some(error_chain(error)),
            until,
        };
        self.close(pause, error.hint(), now).await?;
        Ok(true)
    }

    /// The ledger says that the day's requests are used up: no request is spent on hearing it.
    pub async fn day_is_used_up(&self, limit: u64) -> Result<()> {
        let now = self.0.clock.now();
        let reason = format!("the {limit} requests of the day (`quota.requests_per_day`) are used");
        let until = Some(quota_reset::next(now));
        let pause = Pause {
            state: AccountState::QuotaExhausted,
            reason: Some(reason),
            until,
        };
        self.close(pause, None, now).await
    }

    async fn close(
        &self,
        pause: Pause<AccountState>,
        hint: Option<&str>,
        now: Timestamp,
    ) -> Result<()> {
        let changed = {
            let mut state = self.state();
            let stopped = state.pause.state == AccountState::QuotaExhausted
                && !state.is_due(&self.0.retry, now);
            if stopped && pause.state != AccountState::QuotaExhausted {
                // Nothing may be sent before the day is over, whatever else ails the account; that is
                // met again then.
                return Ok(());
            }
            let changed = state.pause.state != pause.state
                || state.is_set_up_badly != is_set_up_badly(&pause);
            let strikes = if changed { 0 } else { state.strikes };
            *state = State::new(pause.clone(), now);
            state.strikes = strikes.saturating_add(1);
            changed
        };
        if changed {
            let mut reason = pause.reason.clone().unwrap_or_default();
            if let Some(hint) = hint {
                reason.push_str("\nhint: ");
                reason.push_str(hint);
            }
            let until = pause.until.map(tracing::field::display);
            tracing::warn!(until, "paused: {reason}");
        }
        let hint = hint.map(str::to_owned);
        self.0.store.account_needs(pause, hint, now).await?;
        self.0.wakes.changed.notify();
        Ok(())
    }

    /// While the user must sign in, or see to the files of this machine: looks whether somebody did, and
    /// goes on then.
    pub async fn look_for_sign_in(&self) -> Result<()> {
        let now = self.0.clock.now();
        {
            let mut state = self.state();
            if !state.is_mended(&self.0.auth) {
                return Ok(());
            }
            *state = State::new(Pause::plain(AccountState::Ready), now);
        }
        tracing::info!("somebody has signed in, or changed the client secret file; going on");
        let ready = Pause::plain(AccountState::Ready);
        self.0.store.account_is(ready, now).await?;
        self.wake();
        Ok(())
    }

    /// Wakes the stages that the gate held up.
    pub fn wake(&self) {
        self.0.wakes.uploads.notify();
        self.0.wakes.writer.notify();
        self.0.wakes.verify.notify();
        self.0.wakes.changed.notify();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody has seen to the account after it was stopped, while nothing ran.
async fn was_mended(auth: &Auth, is_set_up_badly: bool, stopped_at: Timestamp) -> bool {
    let signed_in = auth.signed_in().await.ok().map(|it| it.since);
    let secret = auth.client_secret_changed_at().filter(|_| is_set_up_badly);
    signed_in.max(secret).is_some_and(|at| at > stopped_at)
}
