//! Which ready items leave in one call, when, and at which position. Pure: the store finds the
//! stretch, the lane sends what is decided here.
//!
//! A *stretch* is a place in the album where new items can stand together: between two neighbours
//! that are in sequence, before the first, or behind the last (the *tail*). All items of one call
//! go to one place, so a call never spans two stretches. Within a stretch the ready items are taken
//! from the lowest order key on, and without a gap: one that is still to come is waited for, because
//! a call for it alone would cost as much as a call for fifty.

use std::time::Duration;

use jiff::Timestamp;

use crate::{clock, model::ids::MediaItemId};

/// The most items in one call (fact sheet, section 3.1).
pub const MAX_BATCH: usize = 50;

/// A place in an album, and what is ready for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsertionRun {
    /// How many items are ready, in order; more than [`MAX_BATCH`] may be.
    pub ready: usize,
    /// How many of them stand before the first one that is waited for.
    pub contiguous: usize,
    /// Whether anything that is still to come belongs here.
    pub pending: bool,
    /// Since when the item that is ready longest is ready.
    pub oldest: Timestamp,
    /// The item in sequence just before.
    pub predecessor: Option<MediaItemId>,
    /// Whether an item in sequence follows. Nothing follows the tail.
    pub has_successor: bool,
}

/// When a batch leaves that is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushPolicy {
    /// The longest that a ready item waits for company.
    pub max_wait: Duration,
    /// Whether a batch leaves as soon as nothing can join it: in a backfill nothing new appears.
    pub final_flush: bool,
    /// Whether uploads stand still until some batch leaves.
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

/// What becomes of a stretch now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The first so many ready items leave in one call.
    Leave(usize),
    /// Nothing leaves before this instant, unless something changes.
    Wait(Timestamp),
}

impl InsertionRun {
    /// What becomes of this stretch at `now`.
    pub fn decide(&self, patience: FlushPolicy, now: Timestamp) -> Decision {
        let full = self.contiguous >= MAX_BATCH;
        let alone = patience.final_flush && !self.pending;
        if full || alone {
            return Decision::Leave(self.contiguous.min(MAX_BATCH));
        }
        let due = clock::after(self.oldest, patience.max_wait);
        // A stored time from the future is a clock that was set back: it is due. A little ahead is only
        // what became ready after the caller had looked at the clock.
        let was_set_back = self.oldest > clock::after(now, clock::LOOK_AGAIN);
        if due <= now || was_set_back || patience.backpressure {
            // What is still to come is passed over and put in later, behind its predecessor.
            return Decision::Leave(self.ready.min(MAX_BATCH));
        }
        Decision::Wait(due)
    }

    /// The same place for what comes behind the first `n` ready items, of which the one that is ready
    /// longest is so since `oldest`: the first are passed over and put in later.
    #[must_use]
    pub fn behind(self, n: usize, oldest: Timestamp) -> Self {
        Self {
            ready: self.ready.saturating_sub(n),
            contiguous: self.contiguous.saturating_sub(n),
            oldest,
            ..self
        }
    }

    /// Where the items of this stretch go.
    pub fn position(&self) -> Position {
        match (&self.predecessor, self.has_successor) {
            (_, false) => Position::Last,
            (Some(predecessor), true) => Position::After(predecessor.clone()),
            (None, true) => Position::First,
        }
    }

    /// Whether a call of `n` items here costs more than full batches at the tail would:
    /// that is what `batch.order_calls` bounds.
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
