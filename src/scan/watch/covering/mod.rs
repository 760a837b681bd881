//! The thread that keeps directories watched and turns what was seen into hints.
//!
//! It owns the library's watcher. It must never hold the desk's lock while it calls the library: the
//! library's thread may be waiting for that lock in the callback, and would then never answer.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    ops::Bound,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use self::comparing::{Identity, identity};
use super::{Desk, Library, Lost, Options, is_gone, limits, notes::Seen, watch_one};
use crate::{
    escape::Escaped,
    scan::{rules::Verdict, walk::Tree},
};

mod comparing;

/// How many directories of one attempt are told as lost one by one; if there are more, the whole
/// part of the tree is.
const MAX_LOST: usize = 256;

/// How many second hints are kept waiting; if there are more, everything is scanned.
const MAX_AGAIN: usize = 4_096;

/// How long the thread sleeps when nothing is due; a ring wakes it at once.
const IDLE: Duration = Duration::from_hours(1);

/// After everything was watched anew, the thread waits so many times as long before it does it again.
const PAUSE_FACTOR: u32 = 10;

struct Covering<'a> {
    library: &'a mut Library,
    trees: &'a [Arc<Tree>],
    options: Options,
    desk: &'a Desk,
    /// What is watched, with its file system and its number there.
    watched: BTreeMap<PathBuf, Identity>,
    again: VecDeque<(Instant, PathBuf)>,
    has_told_limit: bool,
    /// Events were lost: when everything is to be watched anew.
    start_over_at: Option<Instant>,
    /// Not earlier than this: so that a storm of events does not make us do nothing else.
    start_over_from: Instant,
    /// When what is watched is to be compared with what is there, and not earlier than when.
    compare_at: Option<Instant>,
    compare_from: Instant,
}

/// Runs until the watch is dropped. Should it die instead, that is told as the loss that it is.
pub(super) fn run(mut library: Library, trees: &[Arc<Tree>], options: Options, desk: &Desk) {
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        rounds(&mut library, trees, options, desk);
    }));
    if result.is_err() {
        // The library panics when its own thread is dead, and once more when it is dropped.
        std::mem::forget(library);
        for tree in trees {
            let reason = Lost::NoWatcher("its thread died".to_owned());
            desk.tell(tree.root.clone(), Seen::Lost(reason));
        }
    }
}

fn rounds(library: &mut Library, trees: &[Arc<Tree>], options: Options, desk: &Desk) {
    let mut covering = Covering {
        library,
        trees,
        options,
        desk,
        watched: BTreeMap::new(),
        again: VecDeque::new(),
        has_told_limit: false,
        start_over_at: None,
        start_over_from: Instant::now(),
        compare_at: None,
        compare_from: Instant::now(),
    };
    while covering.round() {}
}

impl<'a> Covering<'a> {
    /// Waits for something to do, and does it; false when the watch has been dropped.
    fn round(&mut self) -> bool {
        let again_at = self.again.front().map(|(due, _)| *due);
        let due = [again_at, self.start_over_at, self.compare_at]
            .into_iter()
            .flatten()
            .min();
        let wait = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        let (raw, wanted, compare) = {
            let state = self.desk.state();
            let is_idle = |state: &mut super::State| {
                let is_asked = state.stopped || state.compare || !state.wanted.is_empty();
                !is_asked && state.raw.is_empty()
            };
            let (mut state, _) = self
                .desk
                .raw
                .wait_timeout_while(state, wait, is_idle)
                .unwrap_or_else(PoisonError::into_inner);
            if state.stopped {
                return false;
            }
            let compare = std::mem::take(&mut state.compare);
            (state.raw.take(), std::mem::take(&mut state.wanted), compare)
        };
        let (lost_track, seen) = raw.into_parts();
        for dir in wanted {
            self.cover(&dir);
        }
        for (path, seen) in seen {
            self.take_in(path, seen);
        }
        if lost_track && self.start_over_at.is_none() {
            self.start_over_at = Some(self.start_over_from.max(Instant::now()));
        }
        if self.start_over_at.is_some_and(|at| at <= Instant::now()) {
            self.start_over();
        }
        if compare && self.compare_at.is_none() {
            self.compare_at = Some(self.compare_from.max(Instant::now()));
        }
        if self.compare_at.is_some_and(|at| at <= Instant::now()) {
            self.compare();
        }
        self.repeat();
        true
    }

    /// Events were lost, and with them, perhaps, new directories: all are watched anew (which does
    /// no harm to those that are), and only then everything is to be scanned.
    fn start_over(&mut self) {
        let began = Instant::now();
        self.start_over_at = None;
        self.again.clear();
        self.watched.clear();
        for tree in self.trees {
            self.attempt(tree, &tree.root);
        }
        self.desk.tell_everything();
        self.start_over_from = Instant::now() + began.elapsed() * PAUSE_FACTOR;
    }

    fn take_in(&mut self, path: PathBuf, seen: Seen) {
        match seen {
            Seen::Gone => {
                if self.forget(&path) || self.is_ours(&path) {
                    self.desk.tell(path, Seen::Gone);
                }
            }
            // Who watches a directory could read it before, too.
            Seen::Touched if self.watched.contains_key(&path) => {}
            Seen::Touched => self.look_at(path, false),
            Seen::Appeared { whole } => self.look_at(path, whole),
            Seen::Written { .. } => {
                if self.is_ours(&path) {
                    self.desk.tell(path, seen);
                }
            }
            Seen::Dir { .. } => self.desk.tell(path, seen),
            Seen::Lost(_) => {}
        }
    }

    /// Finds out what it is that appeared.
    fn look_at(&mut self, path: PathBuf, closed: bool) {
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                self.forget(&path);
                self.cover(&path);
            }
            Ok(_) if self.is_ours(&path) => self.desk.tell(path, Seen::Written { closed }),
            Err(error) if is_gone(&error) && self.is_ours(&path) => {
                self.desk.tell(path, Seen::Gone);
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Watches `dir` and all below, then has it scanned: now, and once more later. Roots of other
    /// folders that lie in it came with it.
    fn cover(&mut self, dir: &Path) {
        if let Some(tree) = self.tree_of(dir)
            && belongs(tree, dir)
        {
            self.cover_part(tree, dir);
        }
        for tree in self.trees {
            if tree.root != dir && tree.root.starts_with(dir) {
                self.cover_part(tree, &tree.root);
            }
        }
    }

    fn cover_part(&mut self, tree: &Tree, dir: &Path) {
        self.attempt(tree, dir);
        self.desk.tell(dir.to_owned(), Seen::Dir { deep: true });
        if dir == tree.root {
            // It is not new, only newly watched: one scan after the watch is enough.
        } else if self.again.len() < MAX_AGAIN {
            let due = Instant::now() + self.options.again_after;
            self.again.push_back((due, dir.to_owned()));
        } else {
            self.again.clear();
            self.desk.tell_everything();
        }
    }

    fn repeat(&mut self) {
        let now = Instant::now();
        while self.again.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, dir)) = self.again.pop_front() {
                self.desk.tell(dir, Seen::Dir { deep: true });
            }
        }
    }

    /// Watches `top` and every directory below it that the rules take, parents first.
    fn attempt(&mut self, tree: &Tree, top: &Path) {
        let mut pending = vec![top.to_owned()];
        let mut lost: Vec<(PathBuf, Lost)> = Vec::new();
        let mut over_limit = 0;
        while let Some(dir) = pending.pop() {
            let reason = if over_limit > 0 {
                // Only counted: no watch will come free in the middle of this.
                Some(Lost::Limit {
                    needed: 0,
                    present: None,
                })
            } else {
                self.watch(tree, &dir).err()
            };
            let is_counted = matches!(reason, Some(Lost::Limit { .. }));
            if is_counted {
                over_limit += 1;
            }
            if let Some(reason) = reason {
                if lost.len() <= MAX_LOST && !lost.iter().any(|(above, _)| dir.starts_with(above)) {
                    lost.push((dir.clone(), reason));
                }
                if !is_counted {
                    continue;
                }
            }
            subdirectories(tree, &dir, &mut pending);
        }
        self.tell_lost(top, lost, over_limit);
    }

    /// Watches one directory; one that has vanished meanwhile is no loss.
    fn watch(&mut self, tree: &Tree, dir: &Path) -> Result<(), Lost> {
        if !self.options.network
            && let Some(reason) = limits::must_poll(dir)
        {
            return Err(reason);
        }
        let is_full = |max| self.watched.len() >= max && !self.watched.contains_key(dir);
        if self.options.max_watches.is_some_and(is_full) {
            return Err(Lost::Limit {
                needed: 0,
                present: None,
            });
        }
        // Asked before it is watched: what is mounted in between is seen later, and not never.
        let identity = identity(dir);
        match watch_one(self.library, dir) {
            Ok(()) => {
                self.watched.insert(dir.to_owned(), identity);
                Ok(())
            }
            Err(Lost::Refused(_)) if fs::symlink_metadata(dir).is_err_and(|e| is_gone(&e)) => {
                if dir == tree.root {
                    Err(Lost::Missing)
                } else {
                    Ok(())
                }
            }
            Err(reason) => Err(reason),
        }
    }

    fn tell_lost(&mut self, top: &Path, mut lost: Vec<(PathBuf, Lost)>, over_limit: usize) {
        let limit = Lost::Limit {
            needed: self.watched.len() + over_limit,
            present: self.options.max_watches.or_else(limits::present),
        };
        if lost.len() > MAX_LOST {
            let reason = if over_limit > 0 {
                limit.clone()
            } else {
                lost.swap_remove(0).1
            };
            lost = vec![(top.to_owned(), reason)];
        }
        for (dir, reason) in lost {
            let reason = match reason {
                Lost::Limit { .. } => limit.clone(),
                other => other,
            };
            let is_limit = matches!(reason, Lost::Limit { .. });
            if !is_limit || !self.has_told_limit {
                self.has_told_limit |= is_limit;
                let hint = reason.hint().map(|hint| format!("\nhint: {hint}"));
                tracing::warn!(
                    "cannot watch {}, it is polled instead: {reason}{}",
                    Escaped::path(&dir),
                    hint.unwrap_or_default()
                );
            }
            self.desk.tell(dir, Seen::Lost(reason));
        }
    }

    /// The library drops the watches of what goes away by itself; we only count.
    fn forget(&mut self, path: &Path) -> bool {
        let gone: Vec<PathBuf> = self
            .watched
            .range::<Path, _>((Bound::Included(path), Bound::Unbounded))
            .map(|(dir, _)| dir)
            .take_while(|dir| dir.starts_with(path))
            .cloned()
            .collect();
        for dir in &gone {
            self.watched.remove(dir);
        }
        !gone.is_empty()
    }

    /// The folder that the path belongs to: of nested ones the deepest.
    fn tree_of(&self, path: &Path) -> Option<&'a Tree> {
        self.trees
            .iter()
            .filter(|tree| path.starts_with(&tree.root))
            .max_by_key(|tree| tree.root.as_os_str().len())
            .map(AsRef::as_ref)
    }

    /// Whether the path is a root, or may be a file or directory that its folder takes, or a sidecar.
    fn is_ours(&self, path: &Path) -> bool {
        self.tree_of(path).is_some_and(|tree| {
            path.strip_prefix(&tree.root).is_ok_and(|relative| {
                relative.as_os_str().is_empty()
                    || tree.is_sidecar(path)
                    || tree.rules.verdict(relative, false) == Verdict::Take
            })
        })
    }
}

/// Whether the directory is a root, or one that its folder looks into.
fn belongs(tree: &Tree, dir: &Path) -> bool {
    dir.strip_prefix(&tree.root).is_ok_and(|relative| {
        relative.as_os_str().is_empty()
            || (tree.recursive && tree.rules.verdict(relative, true) == Verdict::Take)
    })
}

/// Adds the directories in `dir` that the folder looks into.
fn subdirectories(tree: &Tree, dir: &Path, pending: &mut Vec<PathBuf>) {
    let Ok(relative) = dir.strip_prefix(&tree.root) else {
        return;
    };
    if !tree.recursive {
        return;
    }
    // What cannot be read is told by the scan.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|sort| sort.is_dir()) {
            let name = entry.file_name();
            let path = dir.join(&name);
            if tree.rules.entry(relative, &name, true) == Verdict::Take && !tree.is_nested(&path) {
                pending.push(path);
            }
        }
    }
}
