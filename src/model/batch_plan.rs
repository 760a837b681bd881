//! Which ready items are sent in one call, when, and at which position. Pure: the store finds the runs, the
//! writer sends what is decided here.
//!
//! An *insertion run* is a place in the album where new items can be inserted together: between two
//! neighbours that are in sequence, before the first, or behind the last (the *tail*). All items of one call
//! get consecutive places, so a call never spans two runs. Within a run the ready items are taken from the
//! lowest order key on, without a gap: an item that is still being uploaded is waited for, because a call
//! for it alone would cost as much as a call for fifty.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::ids::MediaItemId;

/// The most items in one call (fact sheet, section 3.1).
pub const MAX_BATCH: usize = 50;

/// A ready time that lies further ahead means that the clock was set back.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(1);

/// A place in an album, and the items that are ready for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertionRun {
    /// How many items are ready, in order; more than [`MAX_BATCH`] may be.
    pub ready: usize,
    /// How many of them come before the first one that is waited for.
    pub contiguous: usize,
    /// Whether any item that is not ready yet belongs here.
    pub pending: bool,
    /// Since when the oldest ready item is ready.
    pub oldest: Timestamp,
    /// The item in sequence just before.
    pub predecessor: Option<MediaItemId>,
    /// Whether an item in sequence follows; none follows the tail.
    pub has_successor: bool,
}

/// When a batch is sent that is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushPolicy {
    /// The longest that a ready item waits for others to fill its batch.
    pub max_wait: Duration,
    /// Whether a batch is sent as soon as nothing can join it: in a backfill no new files appear.
    pub final_flush: bool,
    /// Whether uploads are stopped until some batch is sent.
    pub backpressure: bool,
}

/// Where a call puts its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Behind everything.
    Last,
    /// Before everything.
    First,
    /// Behind this item.
    After(MediaItemId),
}

/// What is done with a run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The first so many ready items are sent in one call.
    Leave(usize),
    /// Nothing is sent before this instant, unless something changes.
    Wait(Timestamp),
}

impl InsertionRun {
    /// What is done with this run at `now`.
    pub fn decide(&self, policy: FlushPolicy, now: Timestamp) -> Decision {
        let full = self.contiguous >= MAX_BATCH;
        let alone = policy.final_flush && !self.pending;
        if full || alone {
            return Decision::Leave(self.contiguous.min(MAX_BATCH));
        }
        let due = self
            .oldest
            .saturating_add(policy.max_wait)
            .unwrap_or(Timestamp::MAX);
        // A stored time from the future means that the clock was set back: it is due. A little ahead means
        // only that the item became ready after the caller read the clock.
        let was_set_back = self.oldest.duration_since(now) > CLOCK_SLACK;
        if due <= now || was_set_back || policy.backpressure {
            // Items that are not ready are inserted later, behind their predecessor.
            return Decision::Leave(self.ready.min(MAX_BATCH));
        }
        Decision::Wait(due)
    }

    /// The same place without its first `n` ready items, which are inserted later. `oldest` is since when the
    /// oldest of the others is ready.
    #[must_use]
    pub fn behind(self, n: usize, oldest: Timestamp) -> Self {
        Self {
            ready: self.ready.saturating_sub(n),
            contiguous: self.contiguous.saturating_sub(n),
            oldest,
            ..self
        }
    }

    /// The position of the items of this run.
    pub fn position(&self) -> Position {
        match (&self.predecessor, self.has_successor) {
            (_, false) => Position::Last,
            (Some(predecessor), true) => Position::After(predecessor.clone()),
            (None, true) => Position::First,
        }
    }

    /// Whether a call of `n` items here is needed only for the order: full batches at the tail would cost less.
    /// `batch.order_calls` limits the number of such calls a day.
    pub fn is_order_only(&self, n: usize) -> bool {
        self.has_successor && n < MAX_BATCH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAEMON: FlushPolicy = FlushPolicy {
        max_wait: Duration::from_secs(30),
        final_flush: false,
        backpressure: false,
    };
    const BACKFILL: FlushPolicy = FlushPolicy {
        max_wait: Duration::from_mins(10),
        final_flush: true,
        backpressure: false,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tail(ready: usize, contiguous: usize, pending: bool) -> InsertionRun {
        InsertionRun {
            ready,
            contiguous,
            pending,
            oldest: at(1000),
            predecessor: None,
            has_successor: false,
        }
    }

    #[test]
    fn a_full_batch_leaves_at_once() {
        assert_eq!(
            tail(70, 60, true).decide(DAEMON, at(1000)),
            Decision::Leave(50)
        );
        assert_eq!(
            tail(70, 50, true).decide(BACKFILL, at(1000)),
            Decision::Leave(50)
        );
    }

    #[test]
    fn one_that_is_still_to_come_is_waited_for_but_not_for_ever() {
        assert_eq!(
            tail(70, 3, true).decide(DAEMON, at(1029)),
            Decision::Wait(at(1030))
        );
        assert_eq!(
            tail(70, 3, true).decide(DAEMON, at(1030)),
            Decision::Leave(50)
        );
        assert_eq!(
            tail(7, 3, true).decide(BACKFILL, at(1030)),
            Decision::Wait(at(1600))
        );
        assert_eq!(
            tail(7, 3, true).decide(BACKFILL, at(1600)),
            Decision::Leave(7)
        );
    }

    #[test]
    fn a_backfill_sends_the_rest_when_nothing_can_join() {
        assert_eq!(
            tail(7, 7, false).decide(BACKFILL, at(1000)),
            Decision::Leave(7)
        );
        assert_eq!(
            tail(7, 7, false).decide(DAEMON, at(1000)),
            Decision::Wait(at(1030))
        );
    }

    #[test]
    fn a_batch_leaves_when_uploads_stand_still() {
        let backpressure = FlushPolicy {
            backpressure: true,
            ..BACKFILL
        };
        assert_eq!(
            tail(7, 0, true).decide(backpressure, at(1000)),
            Decision::Leave(7)
        );
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nothing_up() {
        assert_eq!(tail(7, 7, true).decide(DAEMON, at(10)), Decision::Leave(7));
        let only_just = tail(7, 3, true).decide(BACKFILL, at(999));
        assert_eq!(
            only_just,
            Decision::Wait(at(1600)),
            "ready since a second ago is no such clock"
        );
    }

    #[test]
    fn items_go_behind_their_predecessor_or_to_an_end() {
        let mut stretch = tail(1, 1, false);
        stretch.predecessor = Some(MediaItemId::new("p"));
        assert_eq!(stretch.position(), Position::Last);
        stretch.has_successor = true;
        assert_eq!(stretch.position(), Position::After(MediaItemId::new("p")));
        assert!(stretch.is_order_only(49) && !stretch.is_order_only(50));
        stretch.predecessor = None;
        assert_eq!(stretch.position(), Position::First);
    }
}
