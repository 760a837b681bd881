//! When a project whose requests of the day are used up may ask again. The day is the service's: it ends
//! at midnight Pacific.

use std::time::Duration;

use jiff::Timestamp;

use crate::{clock, context::max_waits::SERVICE_DAY};

/// How long after midnight Pacific the first request waits, so that not all the world comes at once.
const AFTER_MIDNIGHT: (Duration, Duration) = (Duration::from_mins(2), Duration::from_mins(10));

/// A daily refusal within so long after midnight Pacific is the quota's reset being late.
const RESET_LATE: Duration = Duration::from_hours(1);

/// How often a late reset is tried again, hourly, before the next midnight is waited for.
const RESET_TRIES: u32 = 8;

/// Some minutes after the day of `now` has ended.
pub(super) fn next(now: Timestamp) -> Timestamp {
    clock::after(clock::service_day_ends(now), between(AFTER_MIDNIGHT))
}

/// When a project whose day is used up is tried again.
pub(super) fn after_refusal(now: Timestamp, strikes: u32) -> Timestamp {
    let ends = clock::service_day_ends(now);
    let day_began = clock::service_day_ends(ends.saturating_sub(SERVICE_DAY).unwrap_or(now));
    let late = now < clock::after(day_began, RESET_LATE) || strikes > 0;
    if late && strikes < RESET_TRIES && now > day_began {
        return clock::after(now, RESET_LATE).min(next(now));
    }
    next(now)
}

fn between((from, to): (Duration, Duration)) -> Duration {
    from + to.saturating_sub(from).mul_f64(fastrand::f64())
}
