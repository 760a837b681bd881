//! When all will be done, and what it hangs on: a sum over what is known, and nothing where it is not.

use serde::Serialize;

/// The most items of one call of `mediaItems.batchCreate` (fact sheet, section 3).
pub const ITEMS_PER_CALL: u64 = 50;

/// The share of the allowed writes that the lane takes (the design, section 5).
const PACE: f64 = 0.9;

/// Seconds of a day; how long a service day is on the two days of the year that have another length
/// does not matter here.
const DAY: u64 = 86_400;

/// What the end hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The bytes and the line.
    Bytes,
    /// The pace of writes.
    Writes,
    /// The requests of the day.
    Quota,
    /// Requests that only the order of albums asks for.
    Order,
}

/// When it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Eta {
    /// In how many seconds; none where nothing is left, or nobody knows.
    pub seconds: Option<u64>,
    /// What takes longest.
    pub bound_by: Option<Bound>,
}

/// What is left, and how fast it can go.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Left {
    /// Bytes that are not there yet.
    pub bytes: u64,
    /// Uploads that are not there yet.
    pub uploads: u64,
    /// Mutating calls that their items need in full batches.
    pub calls: u64,
    /// Bytes a second of late; none where nothing moved yet.
    pub rate: Option<f64>,
    /// Writes that the service allows in a minute.
    pub writes_per_minute: u32,
    /// Requests that the day allows.
    pub requests_per_day: u64,
    /// Requests that the day has used.
    pub requests_today: u64,
    /// Whether uploads count toward the day.
    pub count_uploads: bool,
    /// Seconds until the service's day ends.
    pub day_ends_in: u64,
    /// Seconds of a wait that must be sat out before anything goes on.
    pub waits: u64,
    /// Seconds before the next mutating call.
    pub lane_waits: u64,
    /// Seconds before the day whose calls late arrivals wait for, for the sake of order.
    pub order_waits: u64,
}

impl Left {
    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        self.uploads == 0 && self.calls == 0
    }

    /// When it is done: bytes and calls go side by side, so the slowest of them decides.
    pub fn eta(&self) -> Eta {
        if self.is_nothing() {
            return Eta::default();
        }
        let waits = self.waits.max(self.lane_waits);
        let by_writes = waits.saturating_add(self.by_writes(self.calls));
        // Of equals the first counts: what is plainest to understand.
        let mut slowest = match self.by_bytes() {
            Some(by_bytes) => longer((by_bytes, Bound::Bytes), (by_writes, Bound::Writes)),
            // Nobody knows how fast the line is, but a wait for another day is longer than any line.
            None if self.by_order() == 0 && self.by_quota() == 0 => return Eta::default(),
            None => (0, Bound::Bytes),
        };
        slowest = longer(slowest, (self.by_order(), Bound::Order));
        slowest = longer(slowest, (self.by_quota(), Bound::Quota));
        Eta {
            seconds: Some(slowest.0),
            bound_by: Some(slowest.1),
        }
    }

    fn by_bytes(&self) -> Option<u64> {
        if self.bytes == 0 {
            return Some(self.waits);
        }
        let rate = self.rate.filter(|rate| rate.is_finite() && *rate > 0.0)?;
        Some(self.waits.saturating_add(ceil(self.bytes as f64 / rate)))
    }

    /// Seconds until the late ones have had their calls; 0 if none waits for those of another day.
    fn by_order(&self) -> u64 {
        match self.order_waits {
            0 => 0,
            waits => waits.saturating_add(self.by_writes(self.calls)),
        }
    }

    fn by_writes(&self, calls: u64) -> u64 {
        let a_second = PACE * f64::from(self.writes_per_minute.max(1)) / 60.0;
        ceil(calls as f64 / a_second)
    }

    /// Seconds until the day whose requests suffice begins; 0 if it is today.
    fn by_quota(&self) -> u64 {
        let uploads = if self.count_uploads { self.uploads } else { 0 };
        let needed = self.calls.saturating_add(uploads);
        let left_today = self.requests_per_day.saturating_sub(self.requests_today);
        match needed.checked_sub(left_today) {
            None | Some(0) => 0,
            Some(later) => {
                let full_days = (later - 1) / self.requests_per_day.max(1);
                self.day_ends_in
                    .saturating_add(full_days.saturating_mul(DAY))
            }
        }
    }
}

fn longer(one: (u64, Bound), other: (u64, Bound)) -> (u64, Bound) {
    if other.0 > one.0 { other } else { one }
}

/// Whole seconds; what is too large for a number is the largest.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from float to integer saturates, which is what is wanted"
)]
fn ceil(seconds: f64) -> u64 {
    seconds.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left() -> Left {
        Left {
            writes_per_minute: 30,
            requests_per_day: 10_000,
            day_ends_in: 3_600,
            ..Left::default()
        }
    }

    fn eta(left: Left) -> (Option<u64>, Option<Bound>) {
        let eta = left.eta();
        (eta.seconds, eta.bound_by)
    }

    #[test]
    fn nothing_left_takes_no_time_and_hangs_on_nothing() {
        let rate = Some(1.0);
        assert_eq!(eta(Left { rate, ..left() }), (None, None));
    }

    #[test]
    fn a_slow_line_is_what_it_hangs_on() {
        let left = Left {
            bytes: 7_200_000_000,
            uploads: 1_000,
            calls: 20,
            rate: Some(1_000_000.0),
            ..left()
        };
        assert_eq!(eta(left), (Some(7_200), Some(Bound::Bytes)));
        let waits = 60;
        assert_eq!(
            eta(Left { waits, ..left }),
            (Some(7_260), Some(Bound::Bytes))
        );
        let lane_waits = 60;
        assert_eq!(
            eta(Left { lane_waits, ..left }),
            (Some(7_200), Some(Bound::Bytes)),
            "bytes do not wait for the lane"
        );
    }

    #[test]
    fn small_files_on_a_fast_line_hang_on_the_pace_of_writes() {
        // Nine tenths of 30 a minute: 27 calls take a minute.
        let left = Left {
            bytes: 1_000,
            uploads: 1_350,
            calls: 27,
            rate: Some(1e9),
            ..left()
        };
        assert_eq!(eta(left), (Some(60), Some(Bound::Writes)));
    }

    #[test]
    fn late_ones_that_wait_for_the_calls_of_another_day_are_named() {
        let left = Left {
            calls: 27,
            order_waits: 3_600,
            ..left()
        };
        assert_eq!(eta(left), (Some(3_660), Some(Bound::Order)));
        let (bytes, uploads) = (1, 1);
        let unknown = Left {
            bytes,
            uploads,
            ..left
        };
        assert_eq!(eta(unknown), (Some(3_660), Some(Bound::Order)));
    }

    #[test]
    fn more_than_the_day_allows_hangs_on_the_days_to_come() {
        let calls = |calls, requests_today| {
            eta(Left {
                calls,
                requests_today,
                writes_per_minute: 1_000_000,
                ..left()
            })
        };
        assert_eq!(calls(1, 9_999).1, Some(Bound::Writes), "it is enough");
        assert_eq!(calls(2, 9_999), (Some(3_600), Some(Bound::Quota)));
        assert_eq!(calls(10_001, 9_999), (Some(3_600), Some(Bound::Quota)));
        assert_eq!(
            calls(10_002, 9_999),
            (Some(3_600 + DAY), Some(Bound::Quota))
        );
        let uploads = Left {
            uploads: 20_000,
            calls: 400,
            count_uploads: true,
            ..left()
        };
        assert_eq!(eta(uploads), (Some(3_600 + DAY), Some(Bound::Quota)));
    }

    #[test]
    fn with_no_known_speed_there_is_no_guess_but_a_later_day_is_known() {
        let unknown = Left {
            bytes: 1,
            uploads: 1,
            calls: 1,
            ..left()
        };
        assert_eq!(eta(unknown), (None, None));
        for rate in [Some(0.0), Some(f64::NAN)] {
            assert_eq!(eta(Left { rate, ..unknown }), (None, None));
        }
        let requests_today = 10_000;
        let exhausted = Left {
            requests_today,
            ..unknown
        };
        assert_eq!(eta(exhausted), (Some(3_600), Some(Bound::Quota)));
    }
}
