//! The agenda: which part of which place is to be scanned, and when. It is told the time, touches
//! nothing, and stays small whatever happens: too many wishes become one for everything.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::Instant;

use super::place::Part;

/// Hints are gathered for so long at most before a scan follows them: what belongs together mostly
/// comes within a second, and nobody waits for less than the settle time anyway.
const QUIET: Duration = Duration::from_secs(1);

/// So many names of one directory are looked at one by one; if there are more, it is read.
const MAX_NAMES: usize = 512;

/// So many names of one directory that may be gone are kept; if there are more, it is scanned with all
/// that is below it.
const MAX_GONE: usize = 8 * MAX_NAMES;

/// So many scans are kept for later; if there are more, everything is scanned.
const MAX_LATER: usize = 4_096;

/// After a scan that failed, it is tried again.
const FAILED_AGAIN: Duration = Duration::from_secs(30);

/// What raises no events is polled at least so often.
const POLL: Duration = Duration::from_mins(1);

/// Everything is not scanned more often than this because events were lost.
const EVERYTHING: Duration = Duration::from_secs(30);

/// A scan that nobody ordered is not begun again before so many times its own length has passed, so
/// that a slow disk has time for its owner.
const PAUSE_FACTOR: u32 = 10;

/// The times of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Size and times of a file stand still so long.
    pub(super) settle: Duration,
    /// From one scan of everything to the next; none in a backfill.
    pub(super) rescan: Option<Duration>,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Small scans, which go before those that are queued.
    pub(super) urgent: Vec<(usize, Part)>,
    /// Scans to be queued.
    pub(super) queued: Vec<(usize, Part)>,
    /// Whether all configured places are to be scanned.
    pub(super) everything: bool,
    /// Whether it is the regular rescan: time to try again to watch what could not be watched.
    pub(super) is_rescan: bool,
}

#[derive(Debug)]
pub(super) struct Agenda {
    times: Times,
    hinted: BTreeMap<(usize, PathBuf), Wish>,
    hinted_at: Option<Instant>,
    later: BTreeMap<(usize, PathBuf), Later>,
    polled: BTreeMap<(usize, PathBuf), Polled>,
    rescan_at: Option<Instant>,
    everything_at: Option<Instant>,
    /// Not before this, however often events are lost.
    everything_from: Instant,
    /// How long the last scan of each whole place took.
    took: BTreeMap<usize, Duration>,
}

/// What is wished of one directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wish {
    /// Files that are there, it seems.
    written: BTreeSet<OsString>,
    /// What must be looked at by name: it may have been a directory and be gone.
    names: BTreeSet<OsString>,
    only: bool,
    below: bool,
}

/// What is wished of one directory for later. In one where something happens all the time a wish must
/// not put off those before it: it waits in the second row, which moves up when the first is done.
#[derive(Debug)]
struct Later {
    due: Instant,
    wish: Wish,
    then: Option<(Instant, Wish)>,
}

#[derive(Debug)]
struct Polled {
    next: Instant,
    /// Whether it may become watchable.
    has_hope: bool,
}

impl Agenda {
    pub(super) fn new(times: Times, now: Instant) -> Self {
        Self {
            times,
            hinted: BTreeMap::new(),
            hinted_at: None,
            later: BTreeMap::new(),
            polled: BTreeMap::new(),
            rescan_at: times.rescan.map(|rescan| now + rescan),
            everything_at: None,
            everything_from: now,
            took: BTreeMap::new(),
        }
    }

    /// The watcher hints at this part.
    pub(super) fn hint(&mut self, place: usize, part: Part, now: Instant) {
        let (dir, wish) = Wish::of(part);
        self.hinted.entry((place, dir)).or_default().add(wish);
        self.hinted_at
            .get_or_insert(now + QUIET.min(self.times.settle));
    }

    /// The watcher hints at a file.
    pub(super) fn written(&mut self, place: usize, dir: PathBuf, name: OsString, now: Instant) {
        let wish = self.hinted.entry((place, dir)).or_default();
        wish.written.insert(name);
        self.hinted_at
            .get_or_insert(now + QUIET.min(self.times.settle));
    }

    /// Events were lost.
    pub(super) fn everything(&mut self, now: Instant) {
        self.everything_at
            .get_or_insert(now.max(self.everything_from));
    }

    /// The part is scanned again once what it holds may have settled: two scans must agree.
    pub(super) fn second_look(&mut self, place: usize, part: Part, now: Instant) {
        let due = now + self.times.settle.max(QUIET);
        self.later(place, part, due, now);
    }

    /// The scan of the part failed.
    pub(super) fn failed(&mut self, place: usize, part: Part, now: Instant) {
        self.later(place, part, now + FAILED_AGAIN, now);
    }

    fn later(&mut self, place: usize, part: Part, due: Instant, now: Instant) {
        let (dir, wish) = Wish::of(part);
        match self.later.entry((place, dir)) {
            Entry::Vacant(entry) => {
                let then = None;
                entry.insert(Later { due, wish, then });
            }
            Entry::Occupied(mut entry) => entry.get_mut().add(due, wish),
        }
        if self.later.len() > MAX_LATER {
            self.later.clear();
            self.everything(now);
        }
    }

    /// The directory and what is below it raises no events.
    pub(super) fn poll(&mut self, place: usize, dir: PathBuf, has_hope: bool, now: Instant) {
        let next = now + self.poll_period();
        let polled = Polled { next, has_hope };
        self.polled.entry((place, dir)).or_insert(polled);
    }

    /// Takes off what is polled and may become watchable, to be tried again.
    pub(super) fn take_hopeful(&mut self) -> Vec<(usize, PathBuf)> {
        self.polled
            .extract_if(.., |_, polled| polled.has_hope)
            .map(|(dir, _)| dir)
            .collect()
    }

    /// A scan of the part took so long.
    pub(super) fn took(&mut self, place: usize, part: &Part, took: Duration, now: Instant) {
        let dir = match part {
            Part::Whole => Path::new(""),
            Part::Below(dir) => dir,
            Part::Only(_) | Part::Files { .. } => return,
        };
        if *part == Part::Whole {
            self.took.insert(place, took);
            // Half of the time at most belongs to scans, however slow the disk is.
            self.rescan_at = self.rescan_at.map(|at| at.max(now + took));
        }
        let period = self.poll_period();
        if let Some(polled) = self.polled.get_mut(&(place, dir.to_owned())) {
            polled.next = now + period.max(took * PAUSE_FACTOR);
        }
    }

    /// When there is something to do next.
    pub(super) fn next(&self) -> Option<Instant> {
        let later = self.later.values().map(|later| later.due);
        let polled = self.polled.values().map(|polled| polled.next);
        [self.hinted_at, self.rescan_at, self.everything_at]
            .into_iter()
            .flatten()
            .chain(later)
            .chain(polled)
            .min()
    }

    /// Takes what is to be done now.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        if self.rescan_at.is_some_and(|at| at <= now) {
            self.rescan_at = self.times.rescan.map(|rescan| now + rescan);
            due.is_rescan = true;
            due.everything = true;
        }
        if self.everything_at.is_some_and(|at| at <= now) {
            self.everything_at = None;
            let took: Duration = self.took.values().sum();
            self.everything_from = now + EVERYTHING.max(took * PAUSE_FACTOR);
            due.everything = true;
        }
        let (mut wishes, mut again) = (BTreeMap::new(), Vec::new());
        if self.hinted_at.is_some_and(|at| at <= now) {
            self.hinted_at = None;
            wishes = std::mem::take(&mut self.hinted);
        }
        for (dir, later) in self.later.extract_if(.., |_, later| later.due <= now) {
            wishes.entry(dir.clone()).or_default().add(later.wish);
            if let Some((due, wish)) = later.then {
                again.push((dir, due, wish));
            }
        }
        for (dir, due, wish) in again {
            let then = None;
            self.later.insert(dir, Later { due, wish, then });
        }
        due.urgent = parts(wishes);
        let period = self.poll_period();
        for ((place, dir), polled) in &mut self.polled {
            if polled.next <= now {
                // Until `took` says how long it took.
                polled.next = now + period;
                due.queued.push((*place, Part::below(dir.clone())));
            }
        }
        due
    }

    fn poll_period(&self) -> Duration {
        self.times.rescan.unwrap_or(POLL).min(POLL)
    }
}

impl Later {
    fn add(&mut self, due: Instant, wish: Wish) {
        if due <= self.due {
            return self.wish.add(wish);
        }
        let (at, then) = self.then.get_or_insert_with(|| (due, Wish::default()));
        *at = due.max(*at);
        then.add(wish);
    }
}

impl Wish {
    fn of(part: Part) -> (PathBuf, Self) {
        let nothing = Self::default();
        match part {
            Part::Whole => (
                PathBuf::new(),
                Self {
                    below: true,
                    ..nothing
                },
            ),
            Part::Below(dir) => (
                dir,
                Self {
                    below: true,
                    ..nothing
                },
            ),
            Part::Only(dir) => (
                dir,
                Self {
                    only: true,
                    ..nothing
                },
            ),
            Part::Files { dir, names } => {
                let names = names.into_iter().collect();
                (dir, Self { names, ..nothing })
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.only |= other.only;
        self.below |= other.below;
        self.written.extend(other.written);
        self.names.extend(other.names);
        if self.names.len() > MAX_GONE {
            // What is gone from there is found by going through all that was known.
            self.below = true;
            self.names.clear();
        }
    }
}

/// The parts that fulfil all wishes; what is below a directory that is scanned with all that it
/// holds comes with it.
fn parts(wishes: BTreeMap<(usize, PathBuf), Wish>) -> Vec<(usize, Part)> {
    let mut parts = Vec::new();
    let mut covered: Option<(usize, PathBuf)> = None;
    for ((place, dir), wish) in wishes {
        // Paths sort by their parts, so all that is below a directory comes right after it.
        let is_covered = covered
            .as_ref()
            .is_some_and(|(of, above)| *of == place && dir.starts_with(above));
        if is_covered {
            continue;
        }
        if wish.below {
            covered = Some((place, dir.clone()));
            parts.push((place, Part::below(dir)));
            continue;
        }
        let mut names = wish.names;
        if wish.only || wish.written.len() > MAX_NAMES {
            parts.push((place, Part::Only(dir.clone())));
        } else {
            names.extend(wish.written);
        }
        let mut names: Vec<OsString> = names.into_iter().collect();
        while !names.is_empty() {
            let rest = names.split_off(names.len().min(MAX_NAMES));
            let dir = dir.clone();
            parts.push((place, Part::Files { dir, names }));
            names = rest;
        }
    }
    parts
}

#[cfg(test)]
mod tests;
