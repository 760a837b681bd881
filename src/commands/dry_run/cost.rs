//! What a backfill would cost: requests, and days of them.
//!
//! The dearest are photos that come late for their place in an album that stands already. The lane puts
//! them between their neighbours, and all items of a call go to one place. So what belongs between
//! two others that stand there costs a call, however few it is.

use std::{collections::HashMap, fmt::Write as _, ops::AddAssign};

use crate::{
    config::Config,
    model::order_key::OrderKey,
    status::{eta::ITEMS_PER_CALL, format},
    store::{self, Reader},
};

/// The share of the allowed writes that the lane takes (the design, section 5).
const PACE: f64 = 0.9;

/// What would join albums that hold something already, with where it would stand there.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<String, Joining>);

#[derive(Debug, Default)]
struct Joining {
    /// The order keys of what stands there in sequence, ascending.
    stands: Vec<Vec<u8>>,
    /// Those of what would join it.
    joins: Vec<Vec<u8>>,
}

/// Calls that make items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// All of them.
    all: u64,
    /// Those of them that only the order of albums asks for.
    for_order: u64,
    /// The items of those.
    late: u64,
}

/// All that is to be paid.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// Calls that make albums.
    pub(super) albums: u64,
    /// Calls that list them before the first is made: one for fifty, and nobody knows how many there are.
    pub(super) lists: u64,
    /// Files whose bytes go up.
    pub(super) uploads: u64,
    /// Calls that make items.
    pub(super) items: Calls,
}

impl Places {
    /// Notes that a file with this key would join this album.
    pub(super) fn note(
        &mut self,
        title: &str,
        key: &OrderKey,
        reader: &Reader,
    ) -> store::Result<()> {
        if !self.0.contains_key(title) {
            let joining = Joining {
                stands: reader.sequence_of(title)?,
                joins: Vec::new(),
            };
            self.0.insert(title.to_owned(), joining);
        }
        if let Some(joining) = self.0.get_mut(title)
            && !joining.stands.is_empty()
        {
            joining.joins.push(key.as_bytes().to_vec());
        }
        Ok(())
    }

    /// The calls that so many files of an album need, or of none.
    pub(super) fn calls(&self, title: Option<&str>, files: u64) -> Calls {
        let joining = title.and_then(|title| self.0.get(title));
        match joining.filter(|joining| !joining.stands.is_empty()) {
            Some(joining) => joining.calls(),
            None => Calls {
                all: files.div_ceil(ITEMS_PER_CALL),
                ..Calls::default()
            },
        }
    }
}

impl Joining {
    fn calls(&self) -> Calls {
        // How many of those that stand there are before each gap that something joins.
        let mut gaps: HashMap<usize, u64> = HashMap::new();
        for key in &self.joins {
            *gaps
                .entry(self.stands.partition_point(|stands| stands < key))
                .or_default() += 1;
        }
        let mut calls = Calls::default();
        for (before, n) in gaps {
            calls.all += n.div_ceil(ITEMS_PER_CALL);
            let is_tail = before == self.stands.len();
            let late = n % ITEMS_PER_CALL;
            if !is_tail && late > 0 {
                calls.for_order += 1;
                calls.late += late;
            }
        }
        calls
    }
}

impl AddAssign for Calls {
    fn add_assign(&mut self, more: Self) {
        self.all += more.all;
        self.for_order += more.for_order;
        self.late += more.late;
    }
}

impl Cost {
    /// All of it in words.
    pub(super) fn text(self, config: &Config) -> String {
        let Calls {
            all,
            for_order,
            late,
        } = self.items;
        let a_day_of_late = config.batch.order_calls;
        // Without a budget the late ones stand at the end, and go along with others.
        let (all, for_order) = match a_day_of_late {
            0 => (all - for_order + late.div_ceil(ITEMS_PER_CALL), 0),
            _ => (all, for_order),
        };
        let writes = all + self.albums;
        let calls = writes + self.lists;
        let mut text = format!("It takes {}", format::count(calls, "request", "requests"));
        if self.albums > 0 {
            let _ = write!(
                text,
                ", {} of them to make albums",
                format::number(self.albums)
            );
        }
        if for_order > 0 {
            let n = format::number(for_order);
            let _ = write!(
                text,
                ", {n} of them for photos that are late for their place in an album"
            );
        }
        text.push_str("; a photo that fails or is slow to send may take one more.\n");
        let quota = &config.quota;
        let a_day = quota.requests_per_day.saturating_sub(quota.reserve);
        let uploads = if quota.count_uploads { self.uploads } else { 0 };
        let days = (calls + uploads).div_ceil(a_day.max(1));
        let _ = writeln!(
            text,
            "A day has {} of them for this: {}, at the pace of writes at least {}.",
            format::number(a_day),
            format::count(days, "day", "days"),
            format::span(pace_seconds(writes, quota.writes_per_minute))
        );
        if late > 0 && a_day_of_late == 0 {
            let late = format::count(late, "late photo stands", "late photos stand");
            let _ = writeln!(
                text,
                "`batch.order_calls` allows none for order: {late} at the end."
            );
        } else if for_order > a_day_of_late {
            let _ = writeln!(
                text,
                "Late photos may have {} of them a day (`batch.order_calls`): {}.",
                format::number(a_day_of_late),
                format::count(for_order.div_ceil(a_day_of_late), "day", "days"),
            );
        }
        text
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from float to integer saturates, which is what is wanted"
)]
fn pace_seconds(calls: u64, writes_per_minute: u32) -> u64 {
    (calls as f64 * 60.0 / (PACE * f64::from(writes_per_minute.max(1)))).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(
        stands: impl IntoIterator<Item = u8>,
        joins: impl IntoIterator<Item = u8>,
    ) -> (u64, u64) {
        let keys = |numbers: Vec<u8>| numbers.into_iter().map(|n| vec![n]).collect();
        let joining = Joining {
            stands: keys(stands.into_iter().collect()),
            joins: keys(joins.into_iter().collect()),
        };
        let Calls { all, for_order, .. } = joining.calls();
        (all, for_order)
    }

    #[test]
    fn what_comes_late_costs_a_call_for_each_gap() {
        assert_eq!(
            calls([10, 20, 30], 100..160),
            (2, 0),
            "behind all: full batches"
        );
        assert_eq!(calls([10, 20, 30], [1, 11, 12, 21]), (3, 3));
        assert_eq!(calls([10, 20, 30], [15, 40]), (2, 1));
        assert_eq!(
            calls([10, 200], 50..100),
            (1, 0),
            "a full batch costs no more"
        );
        assert_eq!(calls([10, 200], 50..101), (2, 1));
        assert_eq!(calls([10], []), (0, 0));
    }
}
