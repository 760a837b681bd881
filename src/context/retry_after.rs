//! Waits that the service asked for: they outlive the process, because the service does not know
//! that it was restarted.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Context, Result};
use crate::context::max_waits;
use crate::{
    clock,
    photos_api::{self, Kind, Limit},
    store::Store,
};

/// Where the wait of the lane is kept.
pub(crate) const WRITES: &str = "writes_not_before";

/// Where the wait of uploads is kept.
pub(crate) const UPLOADS: &str = "uploads_not_before";

/// Where the wait of questions is kept.
const READS: &str = "reads_not_before";

/// How far a clock may go back when its time server sets it right, and a wait still has begun.
const SET_RIGHT: Duration = Duration::from_mins(1);

/// Until when nobody may ask the service anything, because it said so; to this process or to the one
/// before it.
pub async fn reads_paused_until(context: &Context) -> Result<Option<Timestamp>> {
    let longest = max_waits::asked_for(&context.config.retry);
    load(&context.store, READS, longest, context.clock.now()).await
}

/// A question was refused, and the next one waits: keeps that if it was asked for.
pub async fn record_read_failure(
    context: &Context,
    error: &photos_api::Error,
    until: Timestamp,
) -> Result<()> {
    if is_requested(error) {
        save(&context.store, READS, context.clock.now(), until).await?;
    }
    Ok(())
}

/// Whether the same question may be answered later in this run: the one rule of all who ask.
pub fn is_worth_retrying(error: &photos_api::Error) -> bool {
    match error.kind() {
        Kind::RateLimited(limit) => limit != Limit::Day,
        Kind::Unreachable
        | Kind::Unanswered
        | Kind::Server
        | Kind::Garbled
        | Kind::AccessTokenRefused => true,
        _ => false,
    }
}

/// Whether the service asked for the wait, and not our own caution.
pub(crate) fn is_requested(error: &photos_api::Error) -> bool {
    matches!(error.kind(), Kind::RateLimited(_)) || error.retry_after().is_some()
}

/// A wait of a whole stage. It is over by the wall clock, which knows of sleep, or by the steady one,
/// which nobody sets back; whichever is first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    /// The end by the wall clock.
    pub(crate) until: Timestamp,
    steady: Instant,
}

impl Wait {
    /// A wait that begins now.
    pub(crate) fn new(now: Timestamp, until: Timestamp) -> Self {
        let steady = Instant::now();
        let wait = clock::until(now, until);
        Self {
            until,
            steady: steady.checked_add(wait).unwrap_or(steady),
        }
    }

    /// Whether it is not over.
    pub(crate) fn lasts(self, now: Timestamp) -> bool {
        self.until > now && self.steady > Instant::now()
    }
}

/// Keeps a wait that begins now.
pub(crate) async fn save(
    store: &Store,
    place: &'static str,
    now: Timestamp,
    until: Timestamp,
) -> Result<()> {
    let (from, until) = (now.as_millisecond(), until.as_millisecond());
    Ok(store.meta_is(place, format!("{from} {until}")).await?)
}

/// The wait that still lasts. One that has not begun yet, or that ends further ahead than the longest
/// there is, comes from a clock that was set back.
pub(crate) async fn load(
    store: &Store,
    place: &'static str,
    longest: Duration,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let text = store.meta(place).await?.unwrap_or_default();
    Ok(lasting(&text, longest, now))
}

fn lasting(text: &str, longest: Duration, now: Timestamp) -> Option<Timestamp> {
    // Earlier versions kept the end alone.
    let (from, until) = text.split_once(' ').unwrap_or(("", text));
    let until = clock::from_millis(until.parse().ok()?);
    let has_begun = from.parse().map_or(true, |from| {
        clock::from_millis(from) <= clock::after(now, SET_RIGHT)
    });
    let lasts = until > now && until <= clock::after(now, longest);
    (has_begun && lasts).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_wait_of_hours_is_kept_and_one_from_the_future_is_not() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |seconds: i64| now + jiff::SignedDuration::from_secs(seconds);
        let text = |from: i64, until: i64| {
            format!(
                "{} {}",
                at(from).as_millisecond(),
                at(until).as_millisecond()
            )
        };
        let lasting = |text: &str| lasting(text, DAY, now);
        assert_eq!(lasting(&text(-5, 7_195)), Some(at(7_195)));
        assert_eq!(lasting(&text(0, 86_400)), Some(at(86_400)));
        assert_eq!(lasting(&text(1, 31)), Some(at(31)), "a clock is set right");
        assert_eq!(lasting(&text(-60, -1)), None, "it is over");
        assert_eq!(lasting(&text(3_600, 3_660)), None, "it has not begun");
        assert_eq!(lasting(&text(-10, 90_000)), None, "none is so long");
        assert_eq!(lasting(&at(60).as_millisecond().to_string()), Some(at(60)));
        assert_eq!(lasting(""), None);
    }
}
