//! How long to wait before the next try. Pure: chance comes in as a number from 0 to 1.
//!
//! Every wait for the service is a multiple of one of the two bases of `[retry]`: the service asks
//! for at least 1 s after its own errors and at least 30 s after a 429 (fact sheet, section 7.4).

use std::time::Duration;

use crate::{config::Retry, photos_api};

/// The longest wait between two tries while nothing is known to last longer: 10 × `rate_limit_base`,
/// five minutes by default (the design, "The states").
const LONGEST: u32 = 10;

/// What concurrent-write refusals cost, as multiples of `rate_limit_base`: 30 s once, then 5, 10, 15,
/// 30, 60 minutes. Shorter waits were measured to be useless (fact sheet, section 7.4).
const LADDER: [u32; 6] = [1, 10, 20, 30, 60, 120];

/// The wait before a call that got no answer is repeated, after it was sent `sends` times: the first
/// must surely be dead by then, and a service that never answers is not asked all the time.
pub fn until_repeat(retry: &Retry, sends: u32) -> Duration {
    let doubled = 1_u32
        .checked_shl(sends.saturating_sub(1))
        .unwrap_or(u32::MAX);
    retry
        .rate_limit_base
        .saturating_mul(doubled)
        .min(longest(retry))
}

/// How long a full storage is left alone, as a multiple of `rate_limit_base`: an hour by default.
const STORAGE: u32 = 120;

/// The wait after the `n`th failure in a row (from 0) that the service or the network is to blame for.
pub fn after_trouble(retry: &Retry, n: u32, chance: f64) -> Duration {
    doubled(retry.server_error_base, n, longest(retry), chance)
}

/// The wait after the `n`th 429 in a row (from 0).
pub fn after_rate_limit(retry: &Retry, n: u32, chance: f64) -> Duration {
    // At least the base: jitter only adds.
    let base = retry.rate_limit_base;
    base.saturating_mul(1_u32.checked_shl(n).unwrap_or(u32::MAX))
        .min(longest(retry))
        .max(base)
        + base.mul_f64(chance.clamp(0.0, 1.0) * 0.2)
}

/// The wait on the `rung`th rung (from 1) of the ladder for concurrent-write refusals.
pub fn on_ladder(retry: &Retry, rung: u32, chance: f64) -> Duration {
    let index = (rung.max(1) as usize - 1).min(LADDER.len() - 1);
    let multiple = LADDER.get(index).copied().unwrap_or(LADDER[0]);
    let wait = retry.rate_limit_base.saturating_mul(multiple);
    wait + retry.rate_limit_base.mul_f64(chance.clamp(0.0, 1.0) * 0.2)
}

/// The wait before a full storage is probed again.
pub fn until_probe(retry: &Retry) -> Duration {
    retry.rate_limit_base.saturating_mul(STORAGE)
}

/// The longest wait while nothing is known to last longer.
pub fn longest(retry: &Retry) -> Duration {
    retry.rate_limit_base.saturating_mul(LONGEST)
}

/// The longer of our own wait and the one that the service named.
pub fn at_least(wait: Duration, error: &photos_api::Error) -> Duration {
    error.retry_after().map_or(wait, |named| named.max(wait))
}

fn doubled(base: Duration, n: u32, most: Duration, chance: f64) -> Duration {
    let full = base
        .saturating_mul(1_u32.checked_shl(n).unwrap_or(u32::MAX))
        .min(most);
    // Between half and all of it, so that many do not come back at once.
    full.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        server_error_base: Duration::from_secs(1),
        rate_limit_base: Duration::from_secs(30),
        max_attempts: 8,
    };

    #[test]
    fn trouble_waits_double_and_end_at_five_minutes() {
        let waits: Vec<_> = [0, 1, 4, 30, 99]
            .map(|n| after_trouble(&RETRY, n, 1.0).as_secs())
            .into();
        assert_eq!(waits, [1, 2, 16, 300, 300]);
        assert_eq!(after_trouble(&RETRY, 4, 0.0).as_secs(), 8);
    }

    #[test]
    fn a_rate_limit_waits_at_least_its_base() {
        assert_eq!(after_rate_limit(&RETRY, 0, 0.0).as_secs(), 30);
        assert_eq!(after_rate_limit(&RETRY, 99, 0.0).as_secs(), 300);
    }

    #[test]
    fn a_call_without_an_answer_is_repeated_less_and_less_often() {
        let waits: Vec<_> = [1, 2, 3, 4, 5, 99]
            .map(|sends| until_repeat(&RETRY, sends).as_secs())
            .into();
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn the_ladder_climbs_to_an_hour_and_stays_there() {
        let rungs: Vec<_> = (1..=8)
            .map(|rung| on_ladder(&RETRY, rung, 0.0).as_secs())
            .collect();
        assert_eq!(rungs, [30, 300, 600, 900, 1800, 3600, 3600, 3600]);
    }
}
