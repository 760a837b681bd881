//! Waits that the service asked for: they outlive the process, because the service does not know
//! that it was restarted.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Result, Stage, backoff};
use crate::{
    api::{self, Kind},
    clock,
    store::Store,
};

/// Where the wait of the lane is kept.
pub(super) const WRITES: &str = "writes_not_before";

/// Where the wait of uploads is kept.
pub(super) const UPLOADS: &str = "uploads_not_before";

/// Where the wait of questions is kept.
const READS: &str = "reads_not_before";

/// Until when nobody may ask the service anything, because it said so; to this process or to the one
/// before it.
pub async fn no_question_before(stage: &Stage) -> Result<Option<Timestamp>> {
    let retry = &stage.config.retry;
    let longest = backoff::longest(retry).max(backoff::on_ladder(retry, u32::MAX, 1.0));
    kept(&stage.store, READS, longest, stage.clock.now()).await
}

/// A question was refused, and the next one waits: keeps that if it was asked for.
pub async fn question_refused(stage: &Stage, error: &api::Error, until: Timestamp) -> Result<()> {
    if is_asked(error) {
        keep(&stage.store, READS, until).await?;
    }
    Ok(())
}

/// Whether the service asked for the wait, and not our own caution.
pub(super) fn is_asked(error: &api::Error) -> bool {
    matches!(error.kind(), Kind::RateLimited(_)) || error.retry_after().is_some()
}

/// A wait of a whole stage. It is over by the wall clock, which knows of sleep, or by the steady one,
/// which nobody sets back; whichever is first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// The end by the wall clock.
    pub(super) until: Timestamp,
    steady: Instant,
}

impl Wait {
    /// A wait that begins now.
    pub(super) fn new(now: Timestamp, until: Timestamp) -> Self {
        let steady = Instant::now();
        let wait = clock::until(now, until);
        Self {
            until,
            steady: steady.checked_add(wait).unwrap_or(steady),
        }
    }

    /// Whether it is not over.
    pub(super) fn lasts(self, now: Timestamp) -> bool {
        self.until > now && self.steady > Instant::now()
    }
}

/// Keeps a wait.
pub(super) async fn keep(store: &Store, place: &'static str, until: Timestamp) -> Result<()> {
    let millis = until.as_millisecond().to_string();
    Ok(store.meta_is(place, millis).await?)
}

/// The wait that still lasts. One that ends further ahead than the longest there is comes from a clock
/// that was set back.
pub(super) async fn kept(
    store: &Store,
    place: &'static str,
    longest: Duration,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let until = store.meta(place).await?;
    let until = until.and_then(|millis| millis.parse().ok());
    Ok(until
        .map(clock::from_millis)
        .filter(|until| *until > now && *until <= clock::after(now, longest)))
}
