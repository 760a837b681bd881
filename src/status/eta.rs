//! Estimates when everything is uploaded and what limits the speed. Pure; no estimate where something is unknown.

use serde::Serialize;

/// The most items of one call of `mediaItems.batchCreate` (fact sheet, section 3).
pub const ITEMS_PER_CALL: u64 = 50;

/// The writer paces itself at this share of `quota.writes_per_minute` (the design, section 5).
const PACE: f64 = 0.9;

/// Seconds in a day; the two days of the year with a clock change are not treated apart.
const DAY: u64 = 86_400;

/// What limits the speed. The `eta.bound_by` of `status --json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Upload bandwidth.
    Bytes,
    /// `quota.writes_per_minute`.
    Writes,
    /// `quota.requests_per_day`.
    Quota,
    /// `batch.order_calls`: calls that are made only for the order in albums.
    Order,
}

/// The estimate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Eta {
    /// Seconds left; none if nothing is left or it cannot be estimated.
    pub seconds: Option<u64>,
    /// What takes the longest.
    pub bound_by: Option<Bound>,
}

/// What remains to be done, and how fast it can go.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Remaining {
    /// Bytes not uploaded yet.
    pub bytes: u64,
    /// Files not uploaded yet.
    pub uploads: u64,
    /// Mutating calls that the remaining items need, in full batches.
    pub calls: u64,
    /// Current bytes a second; none before the first upload.
    pub rate: Option<f64>,
    /// `quota.writes_per_minute`.
    pub writes_per_minute: u32,
    /// `quota.requests_per_day`.
    pub requests_per_day: u64,
    /// Requests used today.
    pub requests_today: u64,
    /// `quota.count_uploads`.
    pub count_uploads: bool,
    /// Seconds until the service's day ends.
    pub day_ends_in: u64,
    /// Seconds until anything may continue.
    pub waits: u64,
    /// Seconds until the next mutating call.
    pub writer_waits: u64,
    /// Seconds until the day for whose `order_calls` late arrivals wait; 0 if none waits.
    pub order_waits: u64,
}

impl Remaining {
    /// Whether nothing remains.
    pub fn is_nothing(&self) -> bool {
        self.uploads == 0 && self.calls == 0
    }

    /// The estimate: bytes and calls go in parallel, so the slowest of them decides.
    pub fn eta(&self) -> Eta {
        if self.is_nothing() {
            return Eta::default();
        }
        let waits = self.waits.max(self.writer_waits);
        let by_writes = waits.saturating_add(self.by_writes(self.calls));
        // Of equals the first counts: it is the easiest to understand.
        let mut slowest = match self.by_bytes() {
            Some(by_bytes) => longer((by_bytes, Bound::Bytes), (by_writes, Bound::Writes)),
            // The bandwidth is unknown, but a wait for another day takes longer anyway.
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

    /// Seconds until late arrivals have had their calls; 0 if none waits for another day.
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

    /// Seconds until the day on which the last request can be made; 0 if it is today.
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

/// Whole seconds, rounded up and saturating.
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

    fn left() -> Remaining {
        Remaining {
            writes_per_minute: 30,
            requests_per_day: 10_000,
            day_ends_in: 3_600,
            ..Remaining::default()
        }
    }

    fn eta(left: Remaining) -> (Option<u64>, Option<Bound>) {
        let eta = left.eta();
        (eta.seconds, eta.bound_by)
    }

    #[test]
    fn nothing_left_has_no_estimate() {
        let rate = Some(1.0);
        assert_eq!(eta(Remaining { rate, ..left() }), (None, None));
    }

    #[test]
    fn a_slow_connection_is_bound_by_bytes() {
        let left = Remaining {
            bytes: 7_200_000_000,
            uploads: 1_000,
            calls: 20,
            rate: Some(1_000_000.0),
            ..left()
        };
        assert_eq!(eta(left), (Some(7_200), Some(Bound::Bytes)));
        let waits = 60;
        assert_eq!(
            eta(Remaining { waits, ..left }),
            (Some(7_260), Some(Bound::Bytes))
        );
        let writer_waits = 60;
        assert_eq!(
            eta(Remaining {
                writer_waits,
                ..left
            }),
            (Some(7_200), Some(Bound::Bytes)),
            "bytes do not wait for the writer"
        );
    }

    #[test]
    fn small_files_on_a_fast_connection_are_bound_by_writes() {
        // Nine tenths of 30 a minute: 27 calls take a minute.
        let left = Remaining {
            bytes: 1_000,
            uploads: 1_350,
            calls: 27,
            rate: Some(1e9),
            ..left()
        };
        assert_eq!(eta(left), (Some(60), Some(Bound::Writes)));
    }

    #[test]
    fn late_arrivals_that_wait_for_another_day_are_bound_by_order() {
        let left = Remaining {
            calls: 27,
            order_waits: 3_600,
            ..left()
        };
        assert_eq!(eta(left), (Some(3_660), Some(Bound::Order)));
        let (bytes, uploads) = (1, 1);
        let unknown = Remaining {
            bytes,
            uploads,
            ..left
        };
        assert_eq!(eta(unknown), (Some(3_660), Some(Bound::Order)));
    }

    #[test]
    fn more_calls_than_the_day_allows_are_bound_by_quota() {
        let calls = |calls, requests_today| {
            eta(Remaining {
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
        let uploads = Remaining {
            uploads: 20_000,
            calls: 400,
            count_uploads: true,
            ..left()
        };
        assert_eq!(eta(uploads), (Some(3_600 + DAY), Some(Bound::Quota)));
    }

    #[test]
    fn an_unknown_speed_gives_no_estimate_unless_a_later_day_is_needed() {
        let unknown = Remaining {
            bytes: 1,
            uploads: 1,
            calls: 1,
            ..left()
        };
        assert_eq!(eta(unknown), (None, None));
        for rate in [Some(0.0), Some(f64::NAN)] {
            assert_eq!(eta(Remaining { rate, ..unknown }), (None, None));
        }
        let requests_today = 10_000;
        let exhausted = Remaining {
            requests_today,
            ..unknown
        };
        assert_eq!(eta(exhausted), (Some(3_600), Some(Bound::Quota)));
    }
}
