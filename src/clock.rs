//! The only source of the time, so that tests can shift it.
//!
//! Stored times are wall clock times, because they must outlive the process. A wait for a stored time is
//! interrupted at least every [`LOOK_AGAIN`] to read the wall clock again: the machine may have been
//! suspended, or the clock may have been set.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// The longest sleep without reading the wall clock.
pub const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// Where the service's day begins and ends (fact sheet, section 7.1).
const SERVICE_ZONE: &str = "America/Los_Angeles";

/// A clock; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    shift_file: Option<Arc<PathBuf>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// The machine's clock, shifted by the seconds in `file`, which is read each time. A missing or unreadable
    /// file shifts by nothing. For tests.
    pub fn shifted_by(file: PathBuf) -> Self {
        Self {
            shift_file: Some(Arc::new(file)),
        }
    }

    /// The present time in whole milliseconds, as the store keeps it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that the others must use"
    )]
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        let shift = self
            .shift_file
            .as_deref()
            .and_then(|file| std::fs::read_to_string(file).ok())
            .and_then(|text| text.trim().parse::<f64>().ok())
            .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok())
            .unwrap_or(SignedDuration::ZERO);
        from_millis(now.saturating_add(shift).unwrap_or(now).as_millisecond())
    }
}

/// The time of `millis` milliseconds since 1970; out of range, the nearest possible time.
pub fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// `time` plus `wait`, or the last possible time.
pub fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// The time from `now` until `then`; zero if it has passed.
pub fn until(now: Timestamp, then: Timestamp) -> Duration {
    then.duration_since(now)
        .try_into()
        .unwrap_or(Duration::ZERO)
}

/// The service's day that contains `now`.
pub fn service_day(now: Timestamp) -> Date {
    now.to_zoned(service_zone()).date()
}

/// The end of the service's day that contains `now`: the next midnight Pacific time, 23, 24 or 25 hours after
/// the last one.
pub fn service_day_ends(now: Timestamp) -> Timestamp {
    let today = now.to_zoned(service_zone());
    today
        .tomorrow()
        .and_then(|tomorrow| tomorrow.start_of_day())
        .map_or_else(
            |_| after(now, Duration::from_hours(24)),
            |midnight| midnight.timestamp(),
        )
}

/// The zone is compiled in. If it were missing, UTC would be wrong by hours, but not fatal.
fn service_zone() -> TimeZone {
    TimeZone::get(SERVICE_ZONE).unwrap_or(TimeZone::UTC)
}

/// Moves `wake` to `then` if that is earlier.
pub fn sooner(wake: &mut Option<Timestamp>, then: Timestamp) {
    *wake = Some(wake.map_or(then, |known| known.min(then)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_service_day_ends_at_midnight_pacific_also_when_summer_time_changes() {
        assert_eq!(
            service_day_ends(at("2026-11-21T12:00:00Z")),
            at("2026-11-22T08:00:00Z")
        );
        // Spring forward: 23 hours. Fall back: 25 hours.
        assert_eq!(
            service_day_ends(at("2026-03-08T08:00:00Z")),
            at("2026-03-09T07:00:00Z")
        );
        assert_eq!(
            service_day_ends(at("2026-11-01T07:00:00Z")),
            at("2026-11-02T08:00:00Z")
        );
        assert_eq!(
            service_day(at("2026-11-22T07:59:59Z")).to_string(),
            "2026-11-21"
        );
    }

    #[test]
    fn a_shift_file_moves_the_clock_and_is_read_at_each_look() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shift");
        let clock = Clock::shifted_by(file.clone());
        let before = clock.now();
        std::fs::write(&file, "86400\n").unwrap();
        let moved = until(before, clock.now()).as_secs();
        assert!((86_399..86_460).contains(&moved), "{moved}");
    }
}
