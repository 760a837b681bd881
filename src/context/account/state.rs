//! What the gate keeps in memory: the pause, and what ends it.

use jiff::Timestamp;

use crate::{
    clock,
    config::Retry,
    context::{max_waits, retry_after::Wait},
    photos_api::Auth,
    store::{AccountState, Pause},
};

#[derive(Debug)]
pub(super) struct State {
    pub(super) pause: Pause<AccountState>,
    /// The same wait by both clocks.
    wait: Option<Wait>,
    /// Failures in a row, for the waits.
    pub(super) strikes: u32,
    /// What stops the account is on this machine: a file that cannot be read, or is another client's.
    pub(super) is_set_up_badly: bool,
    /// Somebody has changed the files of the account since it was stopped for them.
    pub(super) mended: bool,
}

impl State {
    /// A pause that begins now.
    pub(super) fn new(pause: Pause<AccountState>, now: Timestamp) -> Self {
        Self {
            wait: pause.until.map(|until| Wait::new(now, until)),
            is_set_up_badly: is_set_up_badly(&pause),
            mended: false,
            strikes: 0,
            pause,
        }
    }

    /// Whether there is a sign-in, or a client secret, that nobody has tried. Once seen it stays so until
    /// it is found bad as well: whoever reads the new file first may meet another trouble. A new client
    /// secret does not bring a dead sign-in back.
    pub(super) fn is_mended(&mut self, auth: &Auth) -> bool {
        let waits = self.pause.state == AccountState::LoginNeeded;
        let changed = || auth.changed() || self.is_set_up_badly && auth.client_secret_changed();
        self.mended = waits && (self.mended || changed());
        self.mended
    }

    /// Whether the wait is over by one of the two clocks, or longer than its kind ever is. The service's
    /// day ends by the wall clock alone.
    pub(super) fn is_due(&self, retry: &Retry, now: Timestamp) -> bool {
        let Some(until) = self.pause.until else {
            return false;
        };
        let state = self.pause.state;
        let steady = self.wait.filter(|_| state != AccountState::QuotaExhausted);
        until <= now
            || until > clock::after(now, max_waits::account(state, retry))
            || steady.is_some_and(|wait| !wait.lasts(now))
    }
}

/// Whether what stops the account is on this machine, which alone has an end of its kind.
pub(super) fn is_set_up_badly(pause: &Pause<AccountState>) -> bool {
    pause.state == AccountState::LoginNeeded && pause.until.is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RETRY: Retry = Retry {
        server_error_base: Duration::from_secs(1),
        rate_limit_base: Duration::from_secs(30),
        max_attempts: 8,
    };

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
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let back = now - jiff::SignedDuration::from_mins(50);
        for (state, wait, after_setback) in [
            (AccountState::Unreachable, Duration::from_mins(4), true),
            (AccountState::ApiDisabled, Duration::from_mins(5), true),
            (AccountState::StorageFull, Duration::from_hours(1), true),
            (
                AccountState::QuotaExhausted,
                Duration::from_hours(20),
                false,
            ),
        ] {
            let state = paused(state, now, wait);
            assert!(!state.is_due(&RETRY, now), "{state:?}");
            assert_eq!(state.is_due(&RETRY, back), after_setback, "{state:?}");
            assert!(state.is_due(&RETRY, clock::after(now, wait)), "{state:?}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_a_little_makes_no_pause_longer_but_the_days() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let back = now - jiff::SignedDuration::from_secs(60);
        for (state, is_due) in [
            (AccountState::Unreachable, true),
            (AccountState::QuotaExhausted, false),
        ] {
            let state = paused(state, now, Duration::ZERO);
            assert_eq!(state.is_due(&RETRY, back), is_due, "{state:?}");
        }
    }
}
