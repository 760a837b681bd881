//! When a sign-in expires: with a consent screen in Testing it lives for a week (fact sheet, section 1.2). Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::{Warning, format};
use crate::clock;

/// Lifetime of a sign-in while the consent screen is in Testing.
pub const TESTING: Duration = Duration::from_hours(7 * 24);

/// Age from which the user is warned.
const WARNED_FROM: Duration = Duration::from_hours(5 * 24);

/// The warning that the sign-in made at `since` may expire soon; none if sign-ins of this client are known
/// to live longer than a week (`is_published`).
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
    fn the_warning_comes_from_day_five_to_seven_unless_the_client_is_published() {
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
