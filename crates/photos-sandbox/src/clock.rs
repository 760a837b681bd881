//! Times of the simulated service, in milliseconds since 1970.
//!
//! The state holds a shift that scripts can set. Everything that the service measures in hours or days
//! (tokens, quotas, visibility) reads the shifted time, so that a test can skip a day.

use jiff::{Timestamp, tz::TimeZone};

/// The time zone of the service's quota day (fact sheet, section 7.1).
const QUOTA_ZONE: &str = "America/Los_Angeles";

/// A time in milliseconds since 1970.
pub(crate) type Millis = i64;

/// One second in [`Millis`].
pub(crate) const SECOND: Millis = 1000;

/// The time of the machine.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox has its own clock, which scripts can move"
)]
pub(crate) fn machine_time() -> Millis {
    Timestamp::now().as_millisecond()
}

/// `seconds` after `time`. Saturates: scripts and a stored state may hold any number.
pub(crate) fn later(time: Millis, seconds: i64) -> Millis {
    time.saturating_add(seconds.saturating_mul(SECOND))
}

/// `millis` as the service writes times: RFC 3339 in UTC, whole seconds.
pub(crate) fn rfc3339(millis: Millis) -> String {
    let second = Timestamp::from_second(millis.div_euclid(SECOND)).unwrap_or(Timestamp::UNIX_EPOCH);
    second.to_string()
}

/// Start and end of the quota day of `now`: midnights of Pacific time, so that a day may have 23 or 25
/// hours.
pub(crate) fn quota_day(now: Millis) -> (Millis, Millis) {
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
