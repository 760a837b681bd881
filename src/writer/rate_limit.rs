//! The pace of writes: nine tenths of the limit per minute, two at once (the design, `[quota]`).

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock,
};

/// The share of the limit that is used, so that clocks which differ do not cause a refusal.
const SHARE: f64 = 0.9;

/// Calls that may follow one another at once after a rest.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// Lets calls through at an even pace.
#[derive(Debug)]
pub(super) struct Pace {
    limiter: DefaultDirectRateLimiter,
}

impl Pace {
    /// For a limit of so many writes a minute.
    pub(super) fn new(writes_per_minute: u32) -> Self {
        let period = Duration::from_mins(1).div_f64(SHARE * f64::from(writes_per_minute.max(1)));
        // A period of zero is no quota at all; the configuration allows none that short.
        let quota = Quota::with_period(period.max(Duration::from_nanos(1)))
            .unwrap_or_else(|| Quota::per_second(BURST))
            .allow_burst(BURST);
        Self {
            limiter: RateLimiter::direct(quota),
        }
    }

    /// Takes a turn now, or says how long to wait for it. Governor would wait by a timer of its own,
    /// which no stop can end.
    pub(super) fn turn(&self) -> Result<(), Duration> {
        self.limiter
            .check()
            .map_err(|early| early.wait_time_from(DefaultClock::default().now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_leave_at_once_and_the_third_waits_for_nine_tenths_of_the_limit() {
        let pace = Pace::new(30);
        assert!(pace.turn().is_ok() && pace.turn().is_ok());
        let wait = pace.turn().unwrap_err().as_secs_f64();
        assert!((2.0..2.3).contains(&wait), "{wait}");
    }
}
