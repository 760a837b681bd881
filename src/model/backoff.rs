//! How long to wait before the next try. Pure: `chance` is a random number from 0 to 1.
//!
//! Every wait for the service is a multiple of one of the two bases of `[retry]`: the service asks
//! for at least 1 s after its own errors and at least 30 s after a 429 (fact sheet, section 7.4).

use std::time::Duration;

/// The section `[retry]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The first wait after a 5xx (Google's page "best practices": from 1 s).
    pub server_error_base: Duration,
    /// The first wait after a 429 (the same page: at least 30 s).
    pub rate_limit_base: Duration,
    /// An item has failed after so many attempts that were its own fault.
    pub max_attempts: u32,
}

/// The longest wait between two tries where no longer one is known: 10 × `rate_limit_base`, five
/// minutes by default (the design, "The states").
const MAX_WAIT: u32 = 10;

/// Waits after concurrent-write refusals, as multiples of `rate_limit_base`: 30 s once, then 5, 10, 15,
/// 30, 60 minutes. Shorter waits were measured to be useless (fact sheet, section 7.4).
const CONCURRENT_WRITE: [u32; 6] = [1, 10, 20, 30, 60, 120];

/// The wait before a full storage is probed again, as a multiple of `rate_limit_base`: an hour by
/// default.
const STORAGE_PROBE: u32 = 120;

impl Default for Retry {
    fn default() -> Self {
        Self {
            server_error_base: Duration::from_secs(1),
            rate_limit_base: Duration::from_secs(30),
            max_attempts: 8,
        }
    }
}

impl Retry {
    /// The wait after a failure of the service or the network that followed `failures` others: doubled
    /// each time, and between half and all of that, so that many clients do not return at once.
    pub fn after_server_error(&self, failures: u32, chance: f64) -> Duration {
        let full = doubled(self.server_error_base, failures).min(self.max_wait());
        full.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// The wait after a 429 that followed `failures` others. Never less than the base.
    pub fn after_rate_limit(&self, failures: u32, chance: f64) -> Duration {
        let base = self.rate_limit_base;
        doubled(base, failures).min(self.max_wait()).max(base) + self.jitter(chance)
    }

    /// The wait after the `n`th refusal (from 1) for a concurrent write.
    pub fn after_concurrent_write(&self, n: u32, chance: f64) -> Duration {
        let index = (n.max(1) as usize - 1).min(CONCURRENT_WRITE.len() - 1);
        let multiple = CONCURRENT_WRITE.get(index).copied().unwrap_or(1);
        self.rate_limit_base.saturating_mul(multiple) + self.jitter(chance)
    }

    /// The wait before a call that got no answer is repeated, after it was sent `sends` times. At least
    /// the base, so that the service has given up the first one by then.
    pub fn before_replay(&self, sends: u32) -> Duration {
        doubled(self.rate_limit_base, sends.saturating_sub(1)).min(self.max_wait())
    }

    /// The wait before a full storage is probed again.
    pub fn before_storage_probe(&self) -> Duration {
        self.rate_limit_base.saturating_mul(STORAGE_PROBE)
    }

    /// The longest wait between two tries where no longer one is known.
    pub fn max_wait(&self) -> Duration {
        self.rate_limit_base.saturating_mul(MAX_WAIT)
    }

    fn jitter(&self, chance: f64) -> Duration {
        self.rate_limit_base.mul_f64(chance.clamp(0.0, 1.0) * 0.2)
    }
}

fn doubled(base: Duration, times: u32) -> Duration {
    base.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_after_server_errors_double_up_to_five_minutes() {
        let retry = Retry::default();
        let waits = [0, 1, 4, 30, 99].map(|n| retry.after_server_error(n, 1.0).as_secs());
        assert_eq!(waits, [1, 2, 16, 300, 300]);
        assert_eq!(retry.after_server_error(4, 0.0).as_secs(), 8);
    }

    #[test]
    fn a_rate_limit_waits_at_least_its_base() {
        let retry = Retry::default();
        let waits = [0, 99].map(|n| retry.after_rate_limit(n, 0.0).as_secs());
        assert_eq!(waits, [30, 300]);
    }

    #[test]
    fn the_wait_before_a_replay_doubles_up_to_five_minutes() {
        let retry = Retry::default();
        let waits = [1, 2, 3, 4, 5, 99].map(|sends| retry.before_replay(sends).as_secs());
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn waits_after_concurrent_writes_grow_to_an_hour() {
        let retry = Retry::default();
        let waits =
            [1, 2, 3, 4, 5, 6, 7, 8].map(|n| retry.after_concurrent_write(n, 0.0).as_secs());
        assert_eq!(waits, [30, 300, 600, 900, 1800, 3600, 3600, 3600]);
    }
}
