//! The debouncer: decides which part of which folder is scanned, and when.
//!
//! It is given the time and does no I/O. Its memory is bounded: many files of a directory become a scan of the
//! directory, and too many directories become a scan of everything.
//!
//! Requests wait in batches, ordered by the time when they are due. A request joins a batch that is due in its
//! own window, so a directory in which something happens all the time is still scanned once per window: later
//! requests never move an earlier batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use tokio::time::Instant;

use super::walk::Scope;

/// Events are collected for at most this long before a scan follows: related events mostly come within a
/// second, and the settle time is longer anyway.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// At most this many changed files of a directory are looked at one by one; if there are more, it is read.
const MAX_NAMES: usize = 512;

/// At most this many missing names of a directory are kept; if there are more, its subtree is scanned.
const MAX_MISSING: usize = 8 * MAX_NAMES;

/// At most this many directories wait; if there are more, everything is scanned. As many as the events in the
/// kernel's queue (`fs.inotify.max_queued_events`).
const MAX_DIRS: usize = 16_384;

/// After this time a scan that failed is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Directories without events are polled at least this often.
const POLL: Duration = Duration::from_mins(1);

/// Lost events cause a scan of everything at most this often.
const MIN_FULL_SCAN_INTERVAL: Duration = Duration::from_secs(30);

/// After a scan that nobody requested, the next one waits for this many times its duration, so that a slow disk
/// has time for its owner.
const PAUSE_FACTOR: u32 = 10;

/// Times from the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// The settle time of a file.
    pub(super) settle: Duration,
    /// The time between two scans of everything; none in a backfill.
    pub(super) rescan: Option<Duration>,
}

/// What is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Small scans, which go before queued ones.
    pub(super) urgent: Vec<(usize, Scope)>,
    /// Scans to be queued.
    pub(super) queued: Vec<(usize, Scope)>,
    /// Whether all configured folders are to be scanned.
    pub(super) everything: bool,
    /// Whether it is the regular rescan: the time to try again what could not be watched.
    pub(super) is_rescan: bool,
}

/// A directory: the number of its folder, and its path below the root.
type DirKey = (usize, PathBuf);

#[derive(Debug)]
pub(super) struct PendingScans {
    timing: Timing,
    /// By the time when they are due.
    batches: BTreeMap<Instant, BTreeMap<DirKey, PendingDir>>,
    /// Directories that raise no events.
    polled: BTreeMap<DirKey, Polled>,
    rescan_at: Option<Instant>,
    full_scan_at: Option<Instant>,
    full_scan_not_before: Instant,
    /// How long the last scan of each whole folder took.
    durations: BTreeMap<usize, Duration>,
}

/// What is to be scanned of one directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PendingDir {
    /// Files that were written or moved here.
    changed: BTreeSet<OsString>,
    /// Names to be looked up one by one in any case: they may have been directories that are gone.
    missing: BTreeSet<OsString>,
    /// The directory is to be read.
    directory: bool,
    /// With everything below it.
    subtree: bool,
}

#[derive(Debug)]
struct Polled {
    next: Instant,
    /// Whether watching it is tried again at the next rescan.
    retry_watch: bool,
}

impl PendingScans {
    pub(super) fn new(timing: Timing, now: Instant) -> Self {
        Self {
            timing,
            batches: BTreeMap::new(),
            polled: BTreeMap::new(),
            rescan_at: timing.rescan.map(|rescan| now + rescan),
            full_scan_at: None,
            full_scan_not_before: now,
            durations: BTreeMap::new(),
        }
    }

    /// Something happened in this part of a folder.
    pub(super) fn add_event(&mut self, folder: usize, scope: Scope, now: Instant) {
        let due = now + DEBOUNCE.min(self.timing.settle);
        let (dir, pending) = PendingDir::of(scope);
        self.add((folder, dir), pending, due, now..=due, now);
    }

    /// A file was written or moved here.
    pub(super) fn add_changed_file(
        &mut self,
        folder: usize,
        dir: PathBuf,
        name: OsString,
        now: Instant,
    ) {
        let due = now + DEBOUNCE.min(self.timing.settle);
        let pending = PendingDir {
            changed: BTreeSet::from([name]),
            ..PendingDir::default()
        };
        self.add((folder, dir), pending, due, now..=due, now);
    }

    /// Scans this part again once its files may have settled: two scans must agree that a file is missing.
    pub(super) fn add_second_look(&mut self, folder: usize, scope: Scope, now: Instant) {
        self.add_later(folder, scope, now + self.timing.settle.max(DEBOUNCE), now);
    }

    /// Scans this part again after a failure.
    pub(super) fn add_retry(&mut self, folder: usize, scope: Scope, now: Instant) {
        self.add_later(folder, scope, now + RETRY, now);
    }

    fn add_later(&mut self, folder: usize, scope: Scope, due: Instant, now: Instant) {
        let (dir, pending) = PendingDir::of(scope);
        self.add((folder, dir), pending, due, due..=due + DEBOUNCE, now);
    }

    /// Adds to a batch that is due in `window`, else to a new one.
    fn add(
        &mut self,
        dir: DirKey,
        pending: PendingDir,
        due: Instant,
        window: RangeInclusive<Instant>,
        now: Instant,
    ) {
        let batch = self.batches.range(window).next_back();
        let due = batch.map_or(due, |(due, _)| *due);
        let batch = self.batches.entry(due).or_default();
        batch.entry(dir).or_default().merge(pending);
        let dirs: usize = self.batches.values().map(BTreeMap::len).sum();
        if dirs > MAX_DIRS {
            self.batches.clear();
            self.add_full_scan(now);
        }
    }

    /// Events were lost: scans everything.
    pub(super) fn add_full_scan(&mut self, now: Instant) {
        let at = now.max(self.full_scan_not_before);
        self.full_scan_at.get_or_insert(at);
    }

    /// The directory and everything below it raises no events.
    pub(super) fn poll(&mut self, folder: usize, dir: PathBuf, retry_watch: bool, now: Instant) {
        let next = now + self.poll_interval();
        let polled = Polled { next, retry_watch };
        self.polled.entry((folder, dir)).or_insert(polled);
    }

    /// Removes the polled directories that are to be watched again.
    pub(super) fn take_retryable(&mut self) -> Vec<DirKey> {
        let retryable = self.polled.extract_if(.., |_, polled| polled.retry_watch);
        retryable.map(|(dir, _)| dir).collect()
    }

    /// A scan has finished.
    pub(super) fn finish(&mut self, folder: usize, scope: &Scope, took: Duration, now: Instant) {
        if !scope.is_recursive() {
            return;
        }
        if *scope == Scope::Folder {
            self.durations.insert(folder, took);
            // At most half of the time is spent on scans, however slow the disk is.
            self.rescan_at = self.rescan_at.map(|at| at.max(now + took));
        }
        let interval = self.poll_interval();
        if let Some(polled) = self.polled.get_mut(&(folder, scope.dir().to_owned())) {
            polled.next = now + interval.max(took * PAUSE_FACTOR);
        }
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        let batch = self.batches.keys().next().copied();
        let polled = self.polled.values().map(|polled| polled.next).min();
        let times = [batch, polled, self.rescan_at, self.full_scan_at];
        times.into_iter().flatten().min()
    }

    /// Takes what is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        if self.rescan_at.is_some_and(|at| at <= now) {
            self.rescan_at = self.timing.rescan.map(|rescan| now + rescan);
            due.is_rescan = true;
            due.everything = true;
        }
        if self.full_scan_at.take_if(|at| *at <= now).is_some() {
            let took: Duration = self.durations.values().sum();
            self.full_scan_not_before = now + MIN_FULL_SCAN_INTERVAL.max(took * PAUSE_FACTOR);
            due.everything = true;
        }
        let mut dirs: BTreeMap<DirKey, PendingDir> = BTreeMap::new();
        for (_, batch) in self.batches.extract_if(..=now, |_, _| true) {
            for (dir, pending) in batch {
                dirs.entry(dir).or_default().merge(pending);
            }
        }
        due.urgent = scopes(dirs);
        let interval = self.poll_interval();
        for ((folder, dir), polled) in &mut self.polled {
            if polled.next <= now {
                // Until `finish` says how long it took.
                polled.next = now + interval;
                due.queued.push((*folder, Scope::subtree(dir.clone())));
            }
        }
        due
    }

    fn poll_interval(&self) -> Duration {
        self.timing.rescan.unwrap_or(POLL).min(POLL)
    }
}

impl PendingDir {
    fn of(scope: Scope) -> (PathBuf, Self) {
        let dir = scope.dir().to_owned();
        let mut pending = Self {
            directory: matches!(scope, Scope::Directory(_)),
            subtree: scope.is_recursive(),
            ..Self::default()
        };
        if let Scope::Files { names, .. } = scope {
            pending.missing = names;
        }
        (dir, pending)
    }

    fn merge(&mut self, other: Self) {
        self.directory |= other.directory;
        self.subtree |= other.subtree;
        self.changed.extend(other.changed);
        self.missing.extend(other.missing);
        if self.changed.len() > MAX_NAMES {
            self.directory = true;
        }
        if self.directory {
            self.changed.clear();
        }
        if self.missing.len() > MAX_MISSING {
            // A scan of the subtree finds what is missing there.
            self.subtree = true;
            self.missing.clear();
        }
    }
}

/// The scans for these directories; a directory below a scanned subtree needs none of its own.
fn scopes(dirs: BTreeMap<DirKey, PendingDir>) -> Vec<(usize, Scope)> {
    let mut scopes = Vec::new();
    let mut covered: Option<DirKey> = None;
    for ((folder, dir), pending) in dirs {
        // Paths sort by their components, so everything below a directory follows it.
        let mut above = covered.iter();
        if above.any(|(number, above)| *number == folder && dir.starts_with(above)) {
            continue;
        }
        if pending.subtree {
            covered = Some((folder, dir.clone()));
            scopes.push((folder, Scope::subtree(dir)));
            continue;
        }
        if pending.directory {
            scopes.push((folder, Scope::Directory(dir.clone())));
        }
        let mut names = pending
            .missing
            .into_iter()
            .chain(pending.changed)
            .peekable();
        while names.peek().is_some() {
            let names = names.by_ref().take(MAX_NAMES).collect();
            let dir = dir.clone();
            scopes.push((folder, Scope::Files { dir, names }));
        }
    }
    scopes
}

#[cfg(test)]
#[path = "pending_tests.rs"]
mod tests;
