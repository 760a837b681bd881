//! The sandbox's own clock: the machine's, plus a shift that a script may set.
//!
//! Times inside the sandbox are milliseconds since 1970. Everything that the service measures in
//! hours or days (tokens, quotas, visibility) reads this clock, so that a test can live a day.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{Timestamp, tz::TimeZone};

/// Where the service's quota day begins (fact sheet, section 7.1).
const QUOTA_ZONE: &str = "America/Los_Angeles";

/// A time in milliseconds since 1970.
pub(super) type Millis = i64;

/// One second in [`Millis`].
pub(super) const SECOND: Millis = 1000;

/// Tells the time of the simulated service.
#[derive(Debug, Default)]
pub(super) struct Clock {
    shift: AtomicI64,
}

impl Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the sandbox has a clock of its own, so that it shares none of the client's"
    )]
    pub(super) fn now(&self) -> Millis {
        Timestamp::now()
            .as_millisecond()
            .saturating_add(self.shift.load(Ordering::Relaxed))
    }

    pub(super) fn advance(&self, millis: Millis) {
        let further = |shift: Millis| Some(shift.saturating_add(millis));
        // It always has an answer.
        let _ = self
            .shift
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, further);
    }
}

/// So many seconds later. Scripts and the folder of an earlier sandbox may hold any number.
pub(super) fn later(time: Millis, seconds: i64) -> Millis {
    time.saturating_add(seconds.saturating_mul(SECOND))
}

/// `millis` as the service writes times: RFC 3339 in UTC, whole seconds.
pub(super) fn rfc3339(millis: Millis) -> String {
    let second = Timestamp::from_second(millis.div_euclid(SECOND)).unwrap_or(Timestamp::UNIX_EPOCH);
    second.to_string()
}

/// The start and the end of the quota day that holds `now`: midnights Pacific, so that a day may
/// have 23 or 25 hours.
pub(super) fn quota_day(now: Millis) -> (Millis, Millis) {
    let zone = TimeZone::get(QUOTA_ZONE).unwrap_or(TimeZone::UTC);
    let local = Timestamp::from_millisecond(now)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(zone);
    let start = local
        .start_of_day()
        .map_or(now, |midnight| midnight.timestamp().as_millisecond());
    let end = local
        .tomorrow()
        .and_then(|tomorrow| tomorrow.start_of_day())
        .map_or(start.saturating_add(86_400 * SECOND), |midnight| {
            midnight.timestamp().as_millisecond()
        });
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_day_follows_the_pacific_clock_through_summer_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(
            quota_day(at("2026-03-08T12:00:00Z")),
            (at("2026-03-08T08:00:00Z"), at("2026-03-09T07:00:00Z"))
        );
        assert_eq!(
            rfc3339(at("2026-03-08T12:00:00.75Z")),
            "2026-03-08T12:00:00Z"
        );
    }
}
