//! One bandwidth limit for all uploads together.
//!
//! Each buffer books the next free time slot on a common schedule and waits for its start. So waiters
//! are served in order, whatever their size; a polled limiter would let small requests starve large ones.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The largest buffer read from a file at once.
const BUFFER_MAX: u64 = 256 << 10;

/// The smallest buffer, also under the tightest limit.
const BUFFER_MIN: u64 = 1 << 10;

/// A limit that all uploads share; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Bandwidth(Option<Arc<Schedule>>);

#[derive(Debug)]
struct Schedule {
    bytes_per_second: u64,
    free_from: Mutex<Option<Instant>>,
}

impl Bandwidth {
    /// At most so many bytes per second; 0 is no limit.
    pub fn new(bytes_per_second: u64) -> Self {
        Self((bytes_per_second > 0).then(|| {
            Arc::new(Schedule {
                bytes_per_second,
                free_from: Mutex::new(None),
            })
        }))
    }

    /// No limit.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// The buffer size in bytes: a quarter of a second under a limit, for a smooth rate.
    pub(super) fn buffer(&self) -> u64 {
        self.0.as_ref().map_or(BUFFER_MAX, |line| {
            (line.bytes_per_second / 4).clamp(BUFFER_MIN, BUFFER_MAX)
        })
    }

    /// Books `bytes` and tells when they may go; `None` is at once.
    pub(super) fn book(&self, bytes: u64, now: Instant) -> Option<Instant> {
        let line = self.0.as_ref()?;
        let takes = Duration::from_nanos(
            u64::try_from(u128::from(bytes) * 1_000_000_000 / u128::from(line.bytes_per_second))
                .unwrap_or(u64::MAX),
        );
        let mut free_from = line
            .free_from
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let start = free_from.map_or(now, |free| free.max(now));
        *free_from = start.checked_add(takes).or(Some(start));
        (start > now).then_some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_share_a_limit_wait_in_turn() {
        let limit = Bandwidth::new(1_000);
        let other = limit.clone();
        let now = Instant::now();
        assert_eq!(limit.book(500, now), None);
        assert_eq!(
            other.book(1_000, now),
            Some(now + Duration::from_millis(500))
        );
        assert_eq!(limit.book(1, now), Some(now + Duration::from_millis(1_500)));
        // What was not used is not saved up.
        assert_eq!(limit.book(1, now + Duration::from_mins(1)), None);
    }

    #[test]
    fn no_limit_never_waits_and_a_tight_one_sends_small_pieces() {
        let now = Instant::now();
        assert_eq!(Bandwidth::new(0).book(u64::MAX, now), None);
        assert_eq!(Bandwidth::unlimited().buffer(), BUFFER_MAX);
        assert_eq!(Bandwidth::new(10_000).buffer(), 2_500);
        assert_eq!(Bandwidth::new(1).buffer(), BUFFER_MIN);
    }
}
