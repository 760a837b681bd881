//! How long a wait that is kept may be, by its kind. This is the one place that says so. Pure.
//!
//! A kept wait is an instant. Where the clock was set back, the instant lies further ahead than its
//! kind of wait ever lasts; nobody knows then how much of it is over, and it is due.

use std::time::Duration;

use crate::{
    config::{Config, Retry},
    photos_api::RETRY_AFTER_MAX,
    store::AccountState,
};

use super::backoff;

/// A day of the service has at most 25 hours, and after its end some minutes are waited.
pub(crate) const SERVICE_DAY: Duration = Duration::from_mins(25 * 60 + 15);

/// A file that keeps changing while it is sent stands still for an hour (the design, "Upload"), and no
/// other wait of a file or an album that is not a multiple of `[retry]` is longer.
const STANDS_STILL: Duration = Duration::from_mins(65);

/// The longest wait before an item is asked for once more (the design, "Verify").
const ASKED_AFTER: Duration = Duration::from_hours(24);

/// A wait that the service asked for, or our own where it only said that there is to be one.
pub(crate) fn asked_for(retry: &Retry) -> Duration {
    RETRY_AFTER_MAX.max(backoff::on_ladder(retry, u32::MAX, 1.0))
}

/// A pause of the account.
pub(crate) fn account(state: AccountState, retry: &Retry) -> Duration {
    match state {
        AccountState::Ready => Duration::ZERO,
        AccountState::LoginNeeded | AccountState::ApiDisabled | AccountState::Unreachable => {
            backoff::longest(retry)
        }
        AccountState::StorageFull | AccountState::PhotosDisabled => backoff::until_probe(retry),
        AccountState::QuotaExhausted => SERVICE_DAY,
    }
}

/// The wait of a single file, item, placement or album.
pub fn row(config: &Config) -> Duration {
    backoff::on_ladder(&config.retry, u32::MAX, 1.0)
        .max(STANDS_STILL)
        .max(config.watch.settle.saturating_mul(2))
}

/// The wait before an item is asked for, and before what hangs on the answer.
pub fn until_asked(config: &Config) -> Duration {
    ASKED_AFTER.max(config.verify.after.unwrap_or_default())
}
