//! Is what we made really there? `mediaItems.batchGet`, in full groups, each item once.
//!
//! Reading is no write, so this runs beside the lane; it is of low priority and leaves the day's
//! reserve alone. An item that the service refuses to know is asked for twice, an hour apart, before
//! it counts as missing. Videos are asked for until they are processed. The daemon asks for
//! everything; a backfill only for what a file waits for, which is moved or deleted then.

mod batch_get;

use std::{sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;

use crate::context::{
    Context, Result,
    account::{self, Permit},
    pause::Backoff,
    wake,
};
use crate::{
    clock,
    model::ids::ItemId,
    photos_api,
    store::{ToVerify, Verdict},
};

pub use batch_get::{Answered, Seen, ask};

use batch_get::is_choking;

/// The most ids of one call (fact sheet, section 4.1).
pub const GROUP: usize = 50;

/// How long the oldest item that is due waits for a full group (the design, "Verify").
const COMPANY: Duration = Duration::from_hours(1);

/// How long after one refusal an item is asked for again.
const ONCE_MORE: Duration = Duration::from_hours(1);

/// When a video that is still being processed is asked for again, or an item that could not be asked
/// for; then it is left at that.
const PROCESSING: [Duration; 4] = [
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
];

/// Failures in a row after which a group makes room for the next one.
const STRIKES: u32 = 4;

/// The daemon's quiet verification, and that of a backfill.
#[derive(Debug)]
pub struct Verify {
    context: Context,
    backoff: Backoff,
    /// Only what a file waits for.
    for_files: bool,
}

impl Verify {
    /// The stage that asks for everything.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            backoff: Backoff::default(),
            for_files: false,
        }
    }

    /// The stage that asks only for what a file waits for.
    pub fn for_files(context: Context) -> Self {
        Self {
            for_files: true,
            ..Self::new(context)
        }
    }

    /// Runs until the stop.
    pub async fn run(mut self) -> Result<()> {
        while !self.context.stop.is_cancelled() {
            let until = match self.turn().await {
                Ok(until) => until,
                Err(crate::context::Error::Store(error)) if error.is_transient() => Some(
                    clock::after(self.context.clock.now(), Duration::from_secs(5)),
                ),
                Err(error) => return Err(error),
            };
            wake::wait(
                &self.context.wakes.verify,
                until,
                &self.context.clock,
                &self.context.stop,
            )
            .await;
        }
        Ok(())
    }

    /// Asks for what is due; gives when to look again.
    async fn turn(&mut self) -> Result<Option<Timestamp>> {
        loop {
            let now = self.context.clock.now();
            let Some(after) = self.context.config.verify.after else {
                return Ok(None);
            };
            if let Permit::Closed { until } = self.context.account.check() {
                return Ok(until);
            }
            if self.context.stop.is_cancelled() || day_is_used_up(&self.context).await? {
                return Ok(Some(clock::service_day_ends(now)));
            }
            if let Some(until) = self.context.reads_paused_until().await? {
                return Ok(Some(until));
            }
            let due = self.due(now).await?;
            let Some((_, oldest)) = due.first() else {
                return self.next().await;
            };
            // Who wants to know at once, or waits for the end of it all, does not wait for company.
            let backpressure = after.is_zero()
                || self.for_files
                || self.context.wakes.waiters.load(Ordering::SeqCst) > 0;
            let leaves = if backpressure {
                *oldest
            } else {
                clock::after(*oldest, COMPANY)
            };
            if due.len() < GROUP && leaves > now {
                return Ok(Some(leaves));
            }
            let due: Vec<ToVerify> = due.into_iter().map(|(asked, _)| asked).collect();
            match ask(&self.context, &due).await? {
                Ok(seen) => {
                    self.backoff.reset();
                    self.record(&due, seen).await?;
                }
                Err(error) => return self.failed(&due, &error).await,
            }
        }
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<(ToVerify, Timestamp)>> {
        let store = &self.context.store;
        Ok(if self.for_files {
            store.to_verify_for_files(GROUP, now).await?
        } else {
            store.to_verify(GROUP, now).await?
        })
    }

    async fn next(&self) -> Result<Option<Timestamp>> {
        let store = &self.context.store;
        Ok(if self.for_files {
            store.next_to_verify_for_files().await?
        } else {
            store.next_to_verify().await?
        })
    }

    async fn record(&self, due: &[ToVerify], seen: Vec<Seen>) -> Result<()> {
        let now = self.context.clock.now();
        let verdicts: Vec<_> = due
            .iter()
            .zip(seen)
            .map(|(asked, seen)| (asked.item, verdict(asked, seen, now)))
            .collect();
        self.tell(&verdicts).await?;
        self.context.store.verdicts(verdicts, now).await?;
        self.context.wakes.changed.notify();
        Ok(())
    }

    /// Names the files of what is not as it should be.
    async fn tell(&self, verdicts: &[(ItemId, Verdict)]) -> Result<()> {
        for (item, verdict) in verdicts {
            let words = match verdict {
                Verdict::There { .. } | Verdict::AskAgain(_) | Verdict::Doubted(_) => continue,
                Verdict::Unplayable(reason) | Verdict::Unaskable(reason) => reason,
                Verdict::Gone => "Google Photos no longer knows it",
            };
            let paths = self.context.store.paths_of(vec![*item]).await?;
            for path in paths {
                let path = crate::escape::Escaped::path(&path);
                tracing::warn!(item.id = item.0, "{path}: {words}");
            }
        }
        Ok(())
    }

    async fn failed(
        &mut self,
        due: &[ToVerify],
        error: &photos_api::Error,
    ) -> Result<Option<Timestamp>> {
        let now = self.context.clock.now();
        if self.context.account.record_failure(error).await? {
            return Ok(None);
        }
        if is_choking(error) && self.backoff.failures() >= STRIKES {
            // The service may answer for others.
            let unasked = Seen::Unasked(account::error_chain(error));
            self.record(due, vec![unasked; due.len()]).await?;
        }
        let wait = self.backoff.next_wait(&self.context.config.retry, error);
        tracing::info!("verification waits: {}", account::error_chain(error));
        let until = clock::after(now, wait);
        self.context.record_read_failure(error, until).await?;
        Ok(Some(until))
    }
}

/// Whether only the day's reserve is left, which is not for this.
pub async fn day_is_used_up(context: &Context) -> Result<bool> {
    let quota = &context.config.quota;
    let used = context.store.ledger(context.clock.now()).await?.requests;
    Ok(used + quota.reserve >= quota.requests_per_day)
}

fn verdict(asked: &ToVerify, seen: Seen, now: Timestamp) -> Verdict {
    match (seen, PROCESSING.get(asked.tries as usize)) {
        (Seen::There, _) => Verdict::There {
            question: asked.question,
        },
        (Seen::Unplayable(reason), _) => Verdict::Unplayable(reason),
        (Seen::Processing | Seen::Unasked(_), Some(wait)) => Verdict::AskAgain(*wait),
        (Seen::Processing, None) => Verdict::Unplayable(
            "Google Photos is still processing this video after a day".to_owned(),
        ),
        (Seen::Unasked(reason), None) => Verdict::Unaskable(format!(
            "Google Photos cannot say whether it is there: {reason}"
        )),
        (Seen::Unknown, _) => match asked.absent_at {
            Some(first) if now >= clock::after(first, ONCE_MORE) || first > now => Verdict::Gone,
            _ => Verdict::Doubted(ONCE_MORE),
        },
    }
}
