//! Finds the culprit when a whole call is refused for something that one of its items did.
//!
//! The call is repeated once after a wait, because such refusals pass sometimes; then it is halved
//! until the culprit is alone. Nothing else leaves the lane meanwhile. This is kept in memory only:
//! after a crash the items are in the queue as ever, and the next refusal begins anew. Pure.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::model::ids::{AlbumRow, ItemId};

/// A group that was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) album: AlbumRow,
    pub(super) items: Vec<ItemId>,
    pub(super) not_before: Timestamp,
    depth: u32,
}

/// What follows from a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The group will be sent again, whole or in halves.
    Sent,
    /// This item did it.
    Culprit(ItemId),
    /// Both halves were refused: it is not one of them, it is all of them.
    All(Vec<ItemId>),
}

/// Groups that are to be sent by themselves, in order.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    groups: VecDeque<Group>,
    under_way: Option<Group>,
    refused_half: Option<Vec<ItemId>>,
}

impl Suspects {
    /// The group to be sent next.
    pub(super) fn first(&self) -> Option<&Group> {
        self.groups.front()
    }

    /// The first group is being sent, as this call.
    pub(super) fn take(&mut self) -> Option<Group> {
        self.under_way = self.groups.pop_front();
        self.under_way.clone()
    }

    /// Whether the call that is under way is one of the groups.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// The call that is under way went through, or failed for a reason of its own.
    pub(super) fn cleared(&mut self) {
        self.under_way = None;
    }

    /// The group under way could not be sent now; it comes again.
    pub(super) fn postponed(&mut self) {
        if let Some(group) = self.under_way.take() {
            self.groups.push_front(group);
        }
    }

    /// A call with these items was refused as a whole.
    pub(super) fn refused(
        &mut self,
        album: AlbumRow,
        items: Vec<ItemId>,
        not_before: Timestamp,
    ) -> Verdict {
        let group = self.under_way.take();
        let depth = group.map_or(0, |group| group.depth + 1);
        if depth == 0 {
            self.refused_half = None;
            self.groups.push_front(Group {
                album,
                items,
                not_before,
                depth,
            });
            return Verdict::Sent;
        }
        if let [culprit] = items[..] {
            return Verdict::Culprit(culprit);
        }
        // Depth 1 is the whole once more, depth 2 are its halves.
        if depth == 2 {
            match self.refused_half.take() {
                None => self.refused_half = Some(items.clone()),
                Some(mut other) => {
                    let known: Vec<_> = other.clone();
                    self.groups
                        .retain(|group| !group.items.iter().any(|item| known.contains(item)));
                    other.extend(items);
                    return Verdict::All(other);
                }
            }
        }
        let (one, two) = items.split_at(items.len().div_ceil(2));
        let half = |items: &[ItemId]| Group {
            album,
            items: items.to_vec(),
            not_before,
            depth,
        };
        if depth == 2 {
            // The other half is asked first: if it is refused too, it is all of them.
            self.groups.push_back(half(one));
            self.groups.push_back(half(two));
        } else {
            self.groups.push_front(half(two));
            self.groups.push_front(half(one));
        }
        Verdict::Sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends everything until nothing is left; `refuses` says what the service does not take.
    fn hunt(n: i64, refuses: impl Fn(&[ItemId]) -> bool) -> (Vec<ItemId>, Vec<ItemId>, usize) {
        let mut suspects = Suspects::default();
        let (mut culprits, mut through, mut calls) = (Vec::new(), Vec::new(), 0);
        let mut items: Vec<_> = (0..n).map(ItemId).collect();
        loop {
            calls += 1;
            if refuses(&items) {
                match suspects.refused(AlbumRow(0), items, Timestamp::UNIX_EPOCH) {
                    Verdict::Sent => {}
                    Verdict::Culprit(item) => culprits.push(item),
                    Verdict::All(items) => culprits.extend(items),
                }
            } else {
                suspects.cleared();
                through.extend(items);
            }
            match suspects.take() {
                Some(group) => items = group.items,
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
            let (culprits, through, calls) = hunt(50, |items| items.contains(&ItemId(culprit)));
            assert_eq!(culprits, [ItemId(culprit)]);
            assert_eq!(through.len(), 49);
            assert!(calls <= 14, "{calls} calls");
        }
    }

    #[test]
    fn when_both_halves_are_refused_it_is_all_of_them() {
        let (culprits, through, calls) = hunt(50, |_| true);
        assert_eq!((culprits.len(), through.len(), calls), (50, 0, 4));
    }

    #[test]
    fn a_refusal_that_passes_costs_one_more_call() {
        let tries = std::cell::Cell::new(0);
        let (culprits, through, calls) = hunt(50, |_| tries.replace(tries.get() + 1) == 0);
        assert_eq!((culprits.len(), through.len(), calls), (0, 50, 2));
    }

    #[test]
    fn a_single_item_is_its_own_culprit() {
        let (culprits, _, calls) = hunt(1, |_| true);
        assert_eq!((culprits, calls), (vec![ItemId(0)], 2));
    }
}
