//! How much of an album stands in the order that we would give it. Pure.
//!
//! Whoever looks through an album of ours later, to put something between two others, must be able
//! to rely on those two. So the longest run of items whose keys rise in the album's own order is
//! taken as in sequence; what stands elsewhere was added by hand, or joined at the end.

/// For each item of an album, in the album's order, whether it belongs to the longest run of rising
/// keys. Items without a key are not ours and belong to none.
pub(super) fn longest_run(keys: &[Option<&[u8]>]) -> Vec<bool> {
    // The best run of each length so far ends at `ends`, with the lowest last key that it can have.
    let mut ends: Vec<(usize, &[u8])> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; keys.len()];
    for (place, key) in keys.iter().enumerate() {
        let Some(key) = *key else { continue };
        let length = ends.partition_point(|(_, end)| *end < key);
        let previous = length.checked_sub(1).and_then(|shorter| ends.get(shorter));
        if let Some(slot) = before.get_mut(place) {
            *slot = previous.map(|(end, _)| *end);
        }
        match ends.get_mut(length) {
            Some(end) => *end = (place, key),
            None => ends.push((place, key)),
        }
    }
    let mut belongs = vec![false; keys.len()];
    let mut at = ends.last().map(|(end, _)| *end);
    while let Some(place) = at {
        if let Some(slot) = belongs.get_mut(place) {
            *slot = true;
        }
        at = before.get(place).copied().flatten();
    }
    belongs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(keys: &[Option<u8>]) -> Vec<usize> {
        let bytes: Vec<Option<[u8; 1]>> = keys.iter().map(|key| key.map(|key| [key])).collect();
        let keys: Vec<Option<&[u8]>> = bytes
            .iter()
            .map(|key| key.as_ref().map(|key| &key[..]))
            .collect();
        let belongs = longest_run(&keys);
        (0..keys.len()).filter(|place| belongs[*place]).collect()
    }

    #[test]
    fn what_joined_at_the_end_is_out_of_sequence() {
        assert_eq!(run(&[Some(1), Some(3), Some(5), Some(2)]), [0, 1, 2]);
        assert_eq!(run(&[Some(1), None, Some(3)]), [0, 2]);
        assert_eq!(run(&[]), [0; 0]);
    }

    fn length_by_trial(keys: &[Option<u8>]) -> usize {
        let all = 0..1_u32 << keys.len();
        let rising = |set: u32| {
            let chosen: Vec<_> = (0..keys.len())
                .filter(|place| set & 1 << place != 0)
                .map(|place| keys[place])
                .collect();
            let is_run = chosen.iter().all(Option::is_some)
                && chosen.windows(2).all(|pair| pair[0] < pair[1]);
            is_run.then_some(chosen.len())
        };
        all.filter_map(rising).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn the_run_rises_and_no_longer_one_exists(
            keys in proptest::collection::vec(proptest::option::of(0_u8..12), 0..10),
        ) {
            let found = run(&keys);
            for pair in found.windows(2) {
                prop_assert!(keys[pair[0]] < keys[pair[1]]);
            }
            prop_assert!(found.iter().all(|place| keys[*place].is_some()));
            prop_assert_eq!(found.len(), length_by_trial(&keys));
        }
    }
}
