//! The order key: (instant, natural name, path bytes) as bytes that sort in that order.
//!
//! It is computed once, before the upload, and stored. SQLite compares bytes, so an index on the key is the
//! order of the album. The layout:
//!
//! ```text
//! 8 bytes  seconds since 1970, sign bit flipped, big endian   (zero time for orders without one)
//! 4 bytes  nanoseconds, big endian
//! n bytes  the file name, lower case; a run of digits as '0', its length (2 bytes), its digits
//! 1 byte   0
//! n bytes  the path as it is: no two files have the same key
//! ```

use std::{fmt, path::Path};

use jiff::Timestamp;

/// The place of a file in its album. Greater is later.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey(Vec<u8>);

impl OrderKey {
    /// The key of the file `name` at `path`; `instant` is none where the order is by name.
    pub fn new(instant: Option<Timestamp>, name: &[u8], path: &Path) -> Self {
        let path = path.as_os_str().as_encoded_bytes();
        let mut key = Vec::with_capacity(12 + name.len() + 8 + path.len());
        let instant = instant.unwrap_or(Timestamp::UNIX_EPOCH);
        // Jiff gives seconds and fraction the same sign; the key needs a fraction that is not negative.
        let nanos = instant.as_nanosecond();
        // Jiff's years fit: the seconds of year 9999 need 38 bits.
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX);
        let fraction = u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0);
        key.extend((seconds as u64 ^ (1 << 63)).to_be_bytes());
        key.extend(fraction.to_be_bytes());
        push_natural(&mut key, name);
        key.push(0);
        key.extend(path);
        Self(key)
    }

    /// A key that the store kept.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The key as the store keeps it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderKey(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, ")")
    }
}

/// Appends `name` so that IMG_9 sorts before IMG_10 and case does not matter.
fn push_natural(key: &mut Vec<u8>, name: &[u8]) {
    let lower = String::from_utf8_lossy(name).to_lowercase();
    let mut rest = lower.as_bytes();
    while let Some(&first) = rest.first() {
        if first.is_ascii_digit() {
            let end = rest
                .iter()
                .position(|b| !b.is_ascii_digit())
                .unwrap_or(rest.len());
            let (digits, after) = rest.split_at(end);
            let significant = digits
                .iter()
                .position(|b| *b != b'0')
                .unwrap_or(digits.len());
            let digits = digits.get(significant..).unwrap_or_default();
            key.push(b'0');
            key.extend(
                u16::try_from(digits.len())
                    .unwrap_or(u16::MAX)
                    .to_be_bytes(),
            );
            key.extend(digits);
            rest = after;
        } else {
            // A zero would end the name early; names cannot hold one, text from elsewhere might.
            key.push(first.max(1));
            rest = rest.get(1..).unwrap_or_default();
        }
    }
}

/// Which of `keys`, given in the order of the album, are in sequence: a longest rising subsequence, so that as
/// few as possible count as out of order.
pub fn in_sequence(keys: &[&[u8]]) -> Vec<bool> {
    // The index of the smallest last key of a run of each length, and the index before each key in its run.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        let length = ends.partition_point(|end| keys.get(*end).is_some_and(|last| last < key));
        before.push(
            length
                .checked_sub(1)
                .and_then(|last| ends.get(last))
                .copied(),
        );
        if length == ends.len() {
            ends.push(index);
        } else if let Some(end) = ends.get_mut(length) {
            *end = index;
        }
    }
    let mut found = vec![false; keys.len()];
    let mut next = ends.last().copied();
    while let Some(index) = next {
        if let Some(found) = found.get_mut(index) {
            *found = true;
        }
        next = before.get(index).copied().flatten();
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_name(name: &str) -> OrderKey {
        OrderKey::new(None, name.as_bytes(), Path::new(name))
    }

    fn at(nanos: i128) -> OrderKey {
        OrderKey::new(
            Some(Timestamp::from_nanosecond(nanos).unwrap()),
            b"a",
            Path::new("a"),
        )
    }

    #[test]
    fn names_sort_as_people_count() {
        let sorted = [
            "a.jpg",
            "IMG_9.jpg",
            "img_10.jpg",
            "IMG_10b.jpg",
            "IMG_011.jpg",
            "z1",
            "Z2",
        ];
        for pair in sorted.windows(2) {
            assert!(
                by_name(pair[0]) < by_name(pair[1]),
                "{} before {}",
                pair[0],
                pair[1]
            );
        }
    }

    #[test]
    fn names_that_differ_only_in_case_or_zeros_still_have_an_order() {
        assert_ne!(by_name("IMG_1.jpg"), by_name("img_1.jpg"));
        assert_ne!(by_name("IMG_1.jpg"), by_name("IMG_01.jpg"));
    }

    proptest! {
        #[test]
        fn instants_sort_by_time_before_and_after_1970(a in -10_i128.pow(18)..10_i128.pow(18), b in -10_i128.pow(18)..10_i128.pow(18)) {
            prop_assert_eq!(a.cmp(&b), at(a).cmp(&at(b)));
        }

        #[test]
        fn numbers_in_names_sort_by_value(a in 0_u64..1_000_000, b in 0_u64..1_000_000) {
            let key = |n: u64| OrderKey::new(None, format!("IMG_{n}.jpg").as_bytes(), Path::new("x"));
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }

        #[test]
        fn any_bytes_make_a_key(name in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = OrderKey::new(None, &name, Path::new("x"));
        }
    }

    #[test]
    fn as_little_as_possible_counts_as_out_of_order() {
        let of = |text: &str| {
            let keys: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            let found = in_sequence(&keys);
            let kept = text.bytes().zip(found).filter(|(_, kept)| *kept);
            String::from_utf8(kept.map(|(byte, _)| byte).collect()).unwrap()
        };
        assert_eq!(of("abcdef"), "abcdef");
        assert_eq!(of("abdce").len(), 4);
        assert_eq!(of("eabcd"), "abcd");
        assert_eq!(of("bcdea"), "bcde");
        assert_eq!(of("").len(), 0);
        assert_eq!(of("fedcba").len(), 1);
    }
}
