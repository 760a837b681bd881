//! The loop of the writer: looks what is to be sent next, sends it, and waits when there is nothing.

use std::{collections::HashMap, sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;

use super::{bisect::Bisection, send::RateLimit};
use crate::{
    clock,
    context::{
        self, Context, Mode, Result,
        account::Permit,
        pause::{self, Backoff, Scope, Timer},
        wake,
    },
    model::{
        backoff::Retry,
        batch_plan::FlushPolicy,
        ids::{AlbumRow, ItemId},
    },
    store::{Budget, Pause, PlanRules, Planned, Store, WriterState},
};

/// While there are new arrivals, one batch of so many goes to the backfill.
const BACKFILL_TURN: u64 = 4;

/// Deleted files are removed from their albums once nothing more was deleted for so many times
/// `watch.settle`: a minute by default. By then the other half of a move has settled and was hashed, and a
/// folder that is being deleted is gone as a whole.
const DELETION_QUIET: u32 = 12;

/// How long after a file may have settled the queue is looked at again: by then the file is queued or refused,
/// or settles once more.
const SETTLED_BY: Duration = Duration::from_millis(250);

/// How long the writer waits for a store that cannot be written.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// What follows a turn.
#[derive(Debug)]
pub(super) enum Turn {
    /// Look again at once.
    Again,
    /// Nothing before `until`, unless a wake-up comes.
    Rest(Option<Timestamp>, Pause<WriterState>),
}

impl Turn {
    /// Nothing before then, for this reason.
    pub(super) fn wait(reason: &str, until: Timestamp) -> Self {
        Self::Rest(Some(until), waiting(reason, Some(until)))
    }
}

/// The writer.
#[derive(Debug)]
pub struct Writer {
    pub(super) context: Context,
    pub(super) rate_limit: RateLimit,
    /// Parts of refused batchCreate calls. While there are any, only these are sent.
    pub(super) create_bisection: Bisection,
    /// Parts of refused removals. Other calls are sent meanwhile.
    pub(super) remove_bisection: Bisection,
    /// Nothing is sent before its end; and why.
    pub(super) pause: Option<(Timer, String)>,
    /// A call without an answer that was sent before was sent by another process.
    pub(super) started_at: Timestamp,
    /// Failures in a row that are the service's.
    pub(super) backoff: Backoff,
    /// Refusals for concurrent writes since the last streak of successes.
    pub(super) concurrent_refusals: u32,
    /// Successes in a row.
    pub(super) success_streak: u32,
    pub(super) success_total: u64,
    pub(super) batches: u64,
    /// The value of `success_total` when this item's last call failed. If it has grown since, other calls
    /// work, and the item is at fault.
    pub(super) successes_at_last_failure: HashMap<ItemId, u64>,
    /// Failures in a row of the service at reading an album.
    pub(super) album_read_failures: HashMap<AlbumRow, u32>,
}

/// What the day's quota leaves.
struct DayBudget {
    requests: u64,
    /// Calls made today only for the order of an album.
    order_calls: u64,
}

impl Writer {
    /// The writer as the store remembers it: a wait that the service asked for outlives the process.
    pub async fn load(context: Context) -> Result<Self> {
        let (store, retry, now) = (&context.store, &context.config.retry, context.clock.now());
        let (saved, concurrent_refusals) = store.lane().await?;
        let saved_until = pause::load(store, Scope::Writes, retry, now).await?;
        // The last process may have been killed after a refusal, before it saved the wait.
        let refused_at = store.refused_for_rate_at().await?;
        let due = refused_at
            .filter(|at| *at <= now)
            .map(|at| clock::after(at, retry.rate_limit_base))
            .filter(|due| *due > now);
        let pause = saved_until
            .max(due)
            .map(|until| (Timer::new(now, until), saved.reason.unwrap_or_default()));
        Ok(Self {
            rate_limit: RateLimit::new(context.config.quota.writes_per_minute),
            create_bisection: Bisection::default(),
            remove_bisection: Bisection::default(),
            pause,
            started_at: now,
            backoff: Backoff::default(),
            concurrent_refusals,
            success_streak: 0,
            success_total: 0,
            batches: 0,
            successes_at_last_failure: HashMap::new(),
            album_read_failures: HashMap::new(),
            context,
        })
    }

    pub(super) fn store(&self) -> &Store {
        &self.context.store
    }

    pub(super) fn retry(&self) -> &Retry {
        &self.context.config.retry
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    /// Runs until the stop. A call under way is finished and recorded first.
    pub async fn run(mut self) -> Result<()> {
        while !self.context.stop.is_cancelled() {
            let (until, state) = match self.turn().await {
                Ok(Turn::Again) => continue,
                Ok(Turn::Rest(until, state)) => (until, state),
                Err(context::Error::Store(error)) if error.is_transient() => {
                    tracing::debug!(%error, "the store cannot be written; the writer waits");
                    let until = clock::after(self.now(), STORE_RETRY);
                    (Some(until), Pause::plain(WriterState::Waiting))
                }
                Err(error) => return Err(error),
            };
            // Only `status` needs this row: a failure to write it does not end the writer.
            if let Err(error) = self.store().lane_is(state, self.now()).await
                && !error.is_transient()
            {
                return Err(error.into());
            }
            let context = &self.context;
            context.wakes.changed.notify();
            wake::wait(&context.wakes.writer, until, &context.clock, &context.stop).await;
        }
        Ok(())
    }

    async fn turn(&mut self) -> Result<Turn> {
        let now = self.now();
        if let Some((timer, reason)) = &self.pause {
            if timer.is_running(now) {
                return Ok(Turn::wait(reason, timer.until));
            }
            self.pause = None;
        }
        self.context.account.take_new_client().await?;
        let probing = match self.context.account.check() {
            Permit::Open => false,
            Permit::Probe => true,
            Permit::Closed { until } => {
                let reason = self.context.account.pause().reason.unwrap_or_default();
                return Ok(Turn::Rest(until, waiting(&reason, until)));
            }
        };
        let Some(budget) = self.day_budget(now).await? else {
            return Ok(Turn::Again);
        };
        if let Some(call) = self.store().unanswered().await? {
            return self.replay(call).await;
        }
        if let Some(part) = self.create_bisection.first() {
            let (album, not_before) = (part.album, part.not_before);
            return self.send_next_part(album, not_before).await;
        }
        let settling = self.next_settled(now).await?;
        if probing && let Some(batch) = self.store().plan_probe(now).await? {
            self.create_items(batch).await?;
            return Ok(Turn::Again);
        }
        let rules = self.plan_rules(&budget, settling.is_some());
        match self.store().plan(rules, now).await? {
            Planned::Batch(batch) => self.create_items(batch).await?,
            Planned::Album(task) => return self.find_or_create_album(task).await,
            Planned::Add(members) => self.add_items(members).await?,
            Planned::Remove(members) => return self.remove_items(members).await,
            Planned::Read(album, album_id) => self.read_album_order(album, &album_id).await?,
            Planned::Describe(description) => self.describe(description).await?,
            Planned::Wait {
                until,
                bound_by,
                held,
            } => {
                let until = until.map(|until| settling.map_or(until, |due| due.min(until)));
                // A budget lasts until the day ends, whatever else is looked at before.
                let day_ends = Some(clock::service_day_ends(now));
                let state = match (until, bound_by) {
                    (None, _) => Pause::plain(WriterState::Idle),
                    (_, Some(Budget::Order)) => waiting(
                        "late photos wait for their places: today's `batch.order_calls` are used up",
                        day_ends,
                    ),
                    (_, Some(Budget::Reserve)) => waiting(
                        "the rest of today's requests is kept for new photos by `quota.reserve`",
                        day_ends,
                    ),
                    (Some(_), None) => match held.filter(|_| settling.is_none()) {
                        Some(held) => waiting(&held.reason, Some(held.until)),
                        None => Pause {
                            state: WriterState::Idle,
                            reason: Some("a batch is being filled".to_owned()),
                            until: None,
                        },
                    },
                };
                // Tokens may have expired, or a batch may have made room.
                self.context.wakes.uploads.notify();
                return Ok(Turn::Rest(until, state));
            }
        }
        Ok(Turn::Again)
    }

    /// What is left of the day's requests; none if nothing is, which pauses the account. Asked before
    /// whatever the writer sends, repetitions and reads too.
    async fn day_budget(&self, now: Timestamp) -> Result<Option<DayBudget>> {
        let quota = &self.context.config.quota;
        let ledger = self.store().ledger(now).await?;
        let uploads = if quota.count_uploads {
            ledger.uploads
        } else {
            0
        };
        let requests = quota
            .requests_per_day
            .saturating_sub(ledger.requests + uploads);
        if requests == 0 {
            self.context
                .account
                .day_is_used_up(quota.requests_per_day)
                .await?;
            return Ok(None);
        }
        Ok(Some(DayBudget {
            requests,
            order_calls: ledger.order_calls,
        }))
    }

    /// Whether the day's requests allow one more.
    pub(super) async fn may_send(&self) -> Result<bool> {
        Ok(self.day_budget(self.now()).await?.is_some())
    }

    /// What planning may spend.
    fn plan_rules(&self, budget: &DayBudget, is_settling: bool) -> PlanRules {
        let config = &self.context.config;
        let is_daemon = self.context.mode == Mode::Daemon;
        let batch = &config.batch;
        PlanRules {
            patience: FlushPolicy {
                max_wait: if is_daemon {
                    batch.max_wait
                } else {
                    batch.max_wait_backfill
                },
                final_flush: !is_daemon,
                backpressure: false,
            },
            ready_tokens: config.upload.ready_tokens,
            resumable_above: config.upload.resumable_above,
            order_calls_left: (batch.order_calls > 0)
                .then(|| batch.order_calls.saturating_sub(budget.order_calls)),
            scanning: is_settling || self.context.scanning.load(Ordering::SeqCst) > 0,
            backfill_turn: self.batches % BACKFILL_TURN == BACKFILL_TURN - 1,
            fresh_only: budget.requests <= config.quota.reserve,
            // Only a daemon looks often enough to know what was deleted.
            quiet: is_daemon.then(|| config.watch.settle * DELETION_QUIET),
        }
    }

    /// When to look again because a file that was unchanged only for a short time may join what a backfill
    /// sends; none if there is no such file. One that keeps changing is not waited for.
    async fn next_settled(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        if self.context.mode == Mode::Daemon {
            return Ok(None);
        }
        let due = self.store().next_settled().await?;
        let soon = clock::after(now, self.context.config.watch.settle);
        Ok(due
            .filter(|due| *due <= soon)
            .map(|due| clock::after(due.max(now), SETTLED_BY)))
    }
}

pub(super) fn waiting(reason: &str, until: Option<Timestamp>) -> Pause<WriterState> {
    Pause {
        state: WriterState::Waiting,
        reason: Some(reason.to_owned()),
        until,
    }
}
