//! What the configuration, the day and the folders say about the next batch.

use std::{sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;

use super::Writer;
use crate::{
    clock,
    context::{Mode, Result},
    model::batch_plan::FlushPolicy,
    store::PlanRules,
};

/// Of so many batches, one stays with the backfill while there are fresh files.
const BACKFILL_TURN: u64 = 4;

/// Files that are gone leave their albums once nothing more has gone for so many times
/// `watch.settle`: a minute by default. By then the other half of a move has settled and was hashed,
/// and a folder that is being deleted is gone as a whole.
const QUIET: u32 = 12;

/// How long after a file may have settled is looked again: by then it is queued, refused, or settles
/// anew.
const SETTLED_BY: Duration = Duration::from_millis(250);

/// What of a day that is not used up is used.
#[derive(Debug)]
pub(super) struct Spent {
    /// Requests that are left.
    left: u64,
    /// Calls that only order asked for.
    order_calls: u64,
}

impl Writer {
    /// What of the day's requests is used; none if that is all of them, which closes the gate. Asked
    /// before whatever the lane sends, repetitions and questions as well.
    pub(super) async fn spent(&self, now: Timestamp) -> Result<Option<Spent>> {
        let config = &self.context.config;
        let ledger = self.context.store.ledger(now).await?;
        let used = ledger.requests
            + if config.quota.count_uploads {
                ledger.uploads
            } else {
                0
            };
        let limit = config.quota.requests_per_day;
        if used >= limit {
            self.context.account.day_is_used_up(limit).await?;
            return Ok(None);
        }
        Ok(Some(Spent {
            left: limit - used,
            order_calls: ledger.order_calls,
        }))
    }

    /// What planning may spend.
    pub(super) fn rules(&self, spent: &Spent, settling: bool) -> PlanRules {
        let config = &self.context.config;
        let patience = match self.context.mode {
            Mode::Daemon => FlushPolicy {
                max_wait: config.batch.max_wait,
                final_flush: false,
                backpressure: false,
            },
            Mode::Backfill => FlushPolicy {
                max_wait: config.batch.max_wait_backfill,
                final_flush: true,
                backpressure: false,
            },
        };
        PlanRules {
            patience,
            ready_tokens: config.upload.ready_tokens,
            resumable_above: config.upload.resumable_above,
            order_calls_left: (config.batch.order_calls > 0)
                .then(|| config.batch.order_calls.saturating_sub(spent.order_calls)),
            scanning: settling || self.context.scanning.load(Ordering::SeqCst) > 0,
            backfill_turn: self.batches % BACKFILL_TURN == BACKFILL_TURN - 1,
            fresh_only: spent.left <= config.quota.reserve,
            // Only a daemon looks often enough to know what is gone.
            quiet: (self.context.mode == Mode::Daemon).then(|| config.watch.settle * QUIET),
        }
    }

    /// When to look again because a file that stands still only just may join what a backfill sends;
    /// none if there is no such file. One that keeps changing is not waited for.
    pub(super) async fn settling(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        if self.context.mode == Mode::Daemon {
            return Ok(None);
        }
        let due = self.context.store.next_settled().await?;
        let soon = clock::after(now, self.context.config.watch.settle);
        Ok(due
            .filter(|due| *due <= soon)
            .map(|due| clock::after(due.max(now), SETTLED_BY)))
    }
}
