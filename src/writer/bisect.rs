//! Finds the item at fault when a whole call is refused. Pure.
//!
//! The call is repeated once after a wait, because such refusals pass sometimes; then it is halved until the
//! culprit is alone. This is kept in memory only: after a crash the items are in the queue as before, and the
//! next refusal starts again.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::model::ids::{AlbumRow, ItemId};

/// A part of a refused call; at depth 0 the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) album: AlbumRow,
    pub(super) items: Vec<ItemId>,
    pub(super) not_before: Timestamp,
    depth: u32,
}

/// What a refusal means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// The call is sent again, whole or in halves.
    Split,
    /// This item is the cause.
    Culprit(ItemId),
    /// Both halves were refused: the cause is not a single item.
    NotItemSpecific(Vec<ItemId>),
}

/// The parts that are to be sent, in order.
#[derive(Debug, Default)]
pub(super) struct Bisection {
    parts: VecDeque<Part>,
    in_flight: Option<Part>,
    refused_half: Option<Vec<ItemId>>,
}

impl Bisection {
    /// The part to be sent next.
    pub(super) fn first(&self) -> Option<&Part> {
        self.parts.front()
    }

    /// Takes the next part, which is sent now.
    pub(super) fn take(&mut self) -> Option<Part> {
        self.in_flight = self.parts.pop_front();
        self.in_flight.clone()
    }

    /// Whether the call under way is a part.
    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// The call under way succeeded, or failed for another reason than its items.
    pub(super) fn passed(&mut self) {
        self.in_flight = None;
    }

    /// The part under way could not be sent now; it is sent later.
    pub(super) fn put_back(&mut self) {
        if let Some(part) = self.in_flight.take() {
            self.parts.push_front(part);
        }
    }

    /// A call with these items was refused; it, or its halves, may be sent again at `not_before`.
    pub(super) fn refused(
        &mut self,
        album: AlbumRow,
        items: Vec<ItemId>,
        not_before: Timestamp,
    ) -> Finding {
        let depth = self.in_flight.take().map_or(0, |part| part.depth + 1);
        let part = |items: &[ItemId]| Part {
            album,
            items: items.to_vec(),
            not_before,
            depth,
        };
        if depth == 0 {
            self.refused_half = None;
            self.parts.push_front(part(&items));
            return Finding::Split;
        }
        if let [culprit] = items[..] {
            return Finding::Culprit(culprit);
        }
        // Depth 1 is the whole once more, depth 2 are its halves.
        if depth == 2 {
            let Some(mut other) = self.refused_half.take() else {
                self.refused_half = Some(items.clone());
                return self.split(&items, part, true);
            };
            self.parts
                .retain(|part| !part.items.iter().any(|item| other.contains(item)));
            other.extend(items);
            return Finding::NotItemSpecific(other);
        }
        self.split(&items, part, false)
    }

    /// `at_end`: the other half is asked first, because if that is refused too, the cause is no single item.
    fn split(
        &mut self,
        items: &[ItemId],
        part: impl Fn(&[ItemId]) -> Part,
        at_end: bool,
    ) -> Finding {
        let (one, two) = items.split_at(items.len().div_ceil(2));
        if at_end {
            self.parts.extend([part(one), part(two)]);
        } else {
            self.parts.push_front(part(two));
            self.parts.push_front(part(one));
        }
        Finding::Split
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends everything until nothing is left; `refuses` says what the service does not take.
    fn bisect(n: i64, refuses: impl Fn(&[ItemId]) -> bool) -> (Vec<ItemId>, Vec<ItemId>, usize) {
        let mut bisection = Bisection::default();
        let (mut culprits, mut through, mut calls) = (Vec::new(), Vec::new(), 0);
        let mut items: Vec<_> = (0..n).map(ItemId).collect();
        loop {
            calls += 1;
            if refuses(&items) {
                match bisection.refused(AlbumRow(0), items, Timestamp::UNIX_EPOCH) {
                    Finding::Split => {}
                    Finding::Culprit(item) => culprits.push(item),
                    Finding::NotItemSpecific(items) => culprits.extend(items),
                }
            } else {
                bisection.passed();
                through.extend(items);
            }
            match bisection.take() {
                Some(part) => items = part.items,
                None => break,
            }
        }
        through.sort();
        culprits.sort();
        (culprits, through, calls)
    }

    #[test]
    fn one_culprit_of_fifty_is_found_and_the_others_go_through() {
        for culprit in 0..50 {
            let (culprits, through, calls) = bisect(50, |items| items.contains(&ItemId(culprit)));
            assert_eq!(culprits, [ItemId(culprit)]);
            assert_eq!(through.len(), 49);
            assert!(calls <= 14, "{calls} calls");
        }
    }

    #[test]
    fn when_both_halves_are_refused_it_is_all_of_them() {
        let (culprits, through, calls) = bisect(50, |_| true);
        assert_eq!((culprits.len(), through.len(), calls), (50, 0, 4));
    }

    #[test]
    fn a_refusal_that_passes_costs_one_more_call() {
        let tries = std::cell::Cell::new(0);
        let (culprits, through, calls) = bisect(50, |_| tries.replace(tries.get() + 1) == 0);
        assert_eq!((culprits.len(), through.len(), calls), (0, 50, 2));
    }

    #[test]
    fn a_single_item_is_its_own_culprit() {
        let (culprits, _, calls) = bisect(1, |_| true);
        assert_eq!((culprits, calls), (vec![ItemId(0)], 2));
    }

    #[test]
    fn a_part_that_is_put_back_is_the_next_one() {
        let mut bisection = Bisection::default();
        let items: Vec<_> = (0..4).map(ItemId).collect();
        for _ in 0..2 {
            bisection.refused(AlbumRow(0), items.clone(), Timestamp::UNIX_EPOCH);
            bisection.take();
        }
        bisection.put_back();
        assert_eq!(bisection.first().unwrap().items, items[..2]);
    }
}
