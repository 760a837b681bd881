//! When a sign-in ends by itself: one of a consent screen in Testing lives for a week (fact sheet,
//! section 1.2). Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{Warning, format};
use crate::clock;

/// How long a sign-in lasts while the consent screen is in the state Testing.
pub const TESTING: Duration = Duration::from_hours(7 * 24);

/// From which age on its end is warned of.
const WARNED_FROM: Duration = Duration::from_hours(5 * 24);

/// The warning that the sign-in of `since` may end soon. There is none if it is known that sign-ins of
/// this client outlive a week.
pub fn warning(since: Timestamp, is_published: bool, now: Timestamp) -> Option<Warning> {
    let age = clock::until(since, now);
    if is_published || age < WARNED_FROM || age >= TESTING {
        return None;
    }
    let left = format::span(TESTING.saturating_sub(age).as_secs());
    Some(Warning {
        message: format!(
            "the sign-in ends in {left} if the consent screen of the Cloud project is in Testing"
        ),
        hint: "publish the consent screen in the Cloud console, then `albumen login`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_warned_of_from_its_fifth_to_its_seventh_day_unless_it_is_known_to_live_longer()
    {
        let since: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        let after = |days: u64, published| {
            let now = clock::after(since, Duration::from_hours(days * 24));
            warning(since, published, now).map(|warning| warning.message)
        };
        assert_eq!(after(4, false), None);
        let words =
            "the sign-in ends in 2 d if the consent screen of the Cloud project is in Testing";
        assert_eq!(after(5, false).as_deref(), Some(words));
        assert_eq!(after(5, true), None);
        assert_eq!(after(7, false), None);
    }
}
