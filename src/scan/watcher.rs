//! Watches the configured folders for changes (inotify on Linux).
//!
//! An event is only a hint which part of a folder to scan; the scan finds out what happened. The rule that
//! prevents losses: a directory is first watched, then read. [`WatchEvent::Watched`] is sent only after a new
//! directory and everything below it is watched, so a file that the following scan does not see raises an event
//! of its own. (inotify reports almost nothing of files that are written right after `mkdir`.) The first event
//! for each root is of this kind, too.
//!
//! Directories are watched one by one, by a thread of ours. The library's recursive watch stops at the first
//! directory that fails, does not leave out excluded ones, and has no limit. Here the system's limit affects only
//! the directories beyond it: they are reported as [`WatchEvent::Unwatched`] and must be polled, and
//! [`Watcher::rewatch`] tries again.
//!
//! Events carry the real names of directories. If links are followed, a change is reported once, under the
//! name without links, and a new link to a directory is found by the next full scan. A root that does not
//! exist raises no event when it appears: the caller that notices calls [`Watcher::rewatch`].
//!
//! The library's callback only adds to a bounded map and does no I/O. The thread must never hold the map's lock
//! while it calls the library: the library's own thread may be waiting for that lock in the callback.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    mem::ManuallyDrop,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use notify::{
    Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, CreateKind, MetadataKind, ModifyKind, RenameMode},
};
use tokio::sync::mpsc;

use super::{
    availability::{Identity, identity},
    rules::Verdict,
    walk::{Tree, is_not_found},
};
use crate::escape::Escaped;

/// At most this many paths wait for the thread; if there are more, everything is scanned. As many as the events
/// in the kernel's queue (`fs.inotify.max_queued_events`).
const MAX_PATHS: usize = 16_384;

/// Events that wait for the scan task before the thread waits.
const EVENTS_AHEAD: usize = 1_024;

/// At most this many unwatched directories of one attempt are reported one by one; if there are more, the whole
/// subtree is.
const MAX_UNWATCHED: usize = 256;

/// How long the thread sleeps when nothing is due; requests wake it.
const IDLE: Duration = Duration::from_hours(1);

/// After all directories were looked at, the thread waits for this many times as long before it does so again.
const PAUSE_FACTOR: u32 = 10;

/// What the watcher has noticed of an absolute path.
pub type PathEvent = (PathBuf, WatchEvent);

/// What the watcher has noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchEvent {
    /// A file was written, moved here, or its attributes changed.
    Changed,
    /// A file or directory seems to be gone.
    Removed,
    /// A new directory is watched now, with everything below it: scan it.
    Watched,
    /// A directory and everything below it raises no events: poll it.
    Unwatched,
    /// A folder's root does not exist: it raises no event when it appears.
    RootMissing,
    /// Events were lost: scan all folders. The path means nothing.
    Overflow,
}

/// Why a directory is not watched.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// It is a folder's root and does not exist.
    RootMissing,
    /// All watches that the system allows are in use.
    Limit,
    /// The reason, with a hint if there is one.
    Other(String),
}

impl Failure {
    fn of(error: &notify::Error) -> Self {
        let why = match &error.kind {
            notify::ErrorKind::MaxFilesWatch => return Self::Limit,
            notify::ErrorKind::Io(error) => error.to_string(),
            other => format!("{other:?}"),
        };
        Self::Other(format!("the system refused to watch it: {why}"))
    }

    /// The reason, if `needed` or more directories are to be watched.
    fn text(&self, needed: usize) -> String {
        match self {
            Self::RootMissing => "it is not there".to_owned(),
            Self::Limit => {
                let allowed = fs::read_to_string("/proc/sys/fs/inotify/max_user_watches");
                limit_text(needed, allowed.ok().as_deref())
            }
            Self::Other(why) => why.clone(),
        }
    }
}

/// Says that there are too few watches, with what the system allows as it says it.
fn limit_text(needed: usize, allowed: Option<&str>) -> String {
    let has = match allowed.map(str::trim) {
        Some(n) => format!("and the system has {n} watches for all programs of this user"),
        None => "more than there are watches".to_owned(),
    };
    // Twice as many leave room for other programs and for growth.
    let enough = needed.saturating_mul(2).next_power_of_two().max(65_536);
    format!(
        "{needed} or more directories are to be watched, {has}\nhint: raise the limit with `sudo sysctl \
         fs.inotify.max_user_watches={enough}`, and in /etc/sysctl.d to keep it"
    )
}

/// The name of the directory's file system, if changes made by other machines raise no events there. Errors and
/// unknown types give none: then watching is tried.
#[cfg(target_os = "linux")]
pub fn network_file_system(dir: &Path) -> Option<&'static str> {
    /// File systems whose changes need not pass through this kernel (numbers: `statfs(2)` and
    /// `linux/magic.h`; the last four from the modules that bring them). FUSE is in the list because sshfs
    /// and rclone cannot be told from a local one.
    const NETWORK: &[(u32, &str)] = &[
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x6573_5546, "FUSE"),
        (0x0102_1997, "9p"),
        (0x5346_414f, "AFS"),
        (0x6b41_4653, "AFS"),
        (0x00c3_6400, "Ceph"),
        (0x7375_7245, "Coda"),
        (0x564c, "NCP"),
        (0x0116_1970, "GFS2"),
        (0x7461_636f, "OCFS2"),
        (0x0bd0_0bd0, "Lustre"),
        (0x786f_4256, "VirtualBox shared folders"),
        (0xbacb_acbc, "VMware shared folders"),
        (0x1983_0326, "BeeGFS"),
    ];
    let kind = rustix::fs::statfs(dir).ok()?.f_type;
    // The type is a signed or unsigned word of varying width; its numbers have 32 bits.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the numbers of the table have 32 bits, and some machines extend their sign"
    )]
    let kind = kind as u32;
    let found = NETWORK.iter().find(|(number, _)| *number == kind);
    found.map(|(_, name)| *name)
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn network_file_system(_: &Path) -> Option<&'static str> {
    None
}

/// A running watcher; it ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
}

/// What the library's callback, the thread and the owner of the [`Watcher`] share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the thread.
    wake: Condvar,
}

/// What the thread is to do.
#[derive(Debug, Default)]
struct State {
    /// The last thing that happened to each path.
    paths: HashMap<PathBuf, Kind>,
    /// Events were lost.
    overflow: bool,
    /// Directories to be watched (again).
    rewatch: BTreeSet<PathBuf>,
    /// Whether to check that the watched directories are still the ones under their names.
    revalidate: bool,
    stopped: bool,
}

/// What happened to a path. Of two kinds the greater one counts, but a removal always replaces what was before,
/// and is replaced by what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Its attributes changed.
    Attributes,
    /// The content of a file changed.
    Written,
    /// A file or directory of this name appeared.
    Appeared,
    /// It was deleted or moved away.
    Removed,
}

impl Watcher {
    /// Starts to watch `trees`, network file systems only with `network`. Whatever cannot be watched is reported
    /// as [`WatchEvent::Unwatched`]. The events end if the watcher dies.
    pub fn start(
        trees: Vec<Arc<Tree>>,
        network: bool,
    ) -> notify::Result<(Self, mpsc::Receiver<PathEvent>)> {
        let shared = Arc::new(Shared::default());
        shared.state().rewatch = trees.iter().map(|tree| tree.root.clone()).collect();
        let callback = Arc::clone(&shared);
        let library = RecommendedWatcher::new(
            move |event| callback.add(event),
            Config::default().with_follow_symlinks(false),
        )?;
        let (sender, events) = mpsc::channel(EVENTS_AHEAD);
        let thread_shared = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || {
                // If the library's own thread is dead, its calls panic, and so does dropping it, which would abort
                // the process. So it is dropped only at a regular end.
                let mut library = ManuallyDrop::new(library);
                let registry = WatchRegistry {
                    library: &mut library,
                    trees: &trees,
                    network,
                    shared: &thread_shared,
                    events: sender,
                    watched: BTreeMap::new(),
                    has_warned_of_limit: false,
                    start_over: Throttle::new(),
                    revalidate: Throttle::new(),
                };
                registry.run();
                drop(ManuallyDrop::into_inner(library));
            });
        thread?;
        Ok((Self { shared }, events))
    }

    /// Watches `dir` and everything below it (again). The answer is [`WatchEvent::Watched`], preceded by
    /// [`WatchEvent::Unwatched`] for each part that cannot be watched.
    pub fn rewatch(&self, dir: &Path) {
        self.shared.state().rewatch.insert(dir.to_owned());
        self.shared.wake.notify_one();
    }

    /// Checks that the watched directories are still the ones under their names: another file system may have
    /// been mounted over one. Those that are not are watched again, and reported.
    pub fn revalidate(&self) {
        self.shared.state().revalidate = true;
        self.shared.wake.notify_one();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.wake.notify_one();
    }
}

impl Shared {
    /// A poisoned lock means that a thread panicked while it added an event; the map is still valid.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The library's callback.
    fn add(&self, event: notify::Result<Event>) {
        // Reading files raises more events than anything else.
        if !event.as_ref().is_ok_and(|event| is_read(event.kind)) {
            self.state().add(event);
            self.wake.notify_one();
        }
    }
}

/// Whether the event only says that something was read.
fn is_read(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Metadata(kind)) => kind == MetadataKind::AccessTime,
        _ => false,
    }
}

impl State {
    fn add(&mut self, event: notify::Result<Event>) {
        // If the library's loop fails, unknown events are lost, as with an event without a path.
        let event = event.unwrap_or_else(|_| Event::new(EventKind::Any));
        let is_lost = event.paths.is_empty() && event.kind != EventKind::Other;
        self.overflow |= is_lost || event.need_rescan();
        let is_rename = event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        let kind = match event.kind {
            EventKind::Access(_)
            | EventKind::Create(CreateKind::File)
            | EventKind::Modify(ModifyKind::Data(_)) => Kind::Written,
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => {
                Kind::Removed
            }
            EventKind::Modify(ModifyKind::Metadata(_)) => Kind::Attributes,
            _ => Kind::Appeared,
        };
        for (n, path) in event.paths.into_iter().enumerate() {
            let is_source = is_rename && n == 0;
            let kind = if is_source { Kind::Removed } else { kind };
            let known = self.paths.entry(path).or_insert(kind);
            if *known == Kind::Removed || kind > *known {
                *known = kind;
            }
        }
        if self.overflow || self.paths.len() > MAX_PATHS {
            self.overflow = true;
            self.paths.clear();
        }
    }

    fn is_idle(&self) -> bool {
        let is_asked = self.stopped || self.overflow || self.revalidate;
        !is_asked && self.rewatch.is_empty() && self.paths.is_empty()
    }
}

/// Delays work so that it takes at most one part in [`PAUSE_FACTOR`] of the time.
struct Throttle {
    due: Option<Instant>,
    not_before: Instant,
}

impl Throttle {
    fn new() -> Self {
        Self {
            due: None,
            not_before: Instant::now(),
        }
    }

    fn request(&mut self) {
        self.due.get_or_insert(self.not_before.max(Instant::now()));
    }

    /// Whether the work is due; it counts as begun then.
    fn is_due(&mut self) -> bool {
        self.due.take_if(|due| *due <= Instant::now()).is_some()
    }

    fn finished(&mut self, began: Instant) {
        self.not_before = Instant::now() + began.elapsed() * PAUSE_FACTOR;
    }
}

/// The thread's own state: which directories are watched.
struct WatchRegistry<'a> {
    library: &'a mut RecommendedWatcher,
    trees: &'a [Arc<Tree>],
    network: bool,
    shared: &'a Shared,
    events: mpsc::Sender<PathEvent>,
    /// The watched directories, with what each was when it was watched.
    watched: BTreeMap<PathBuf, Option<Identity>>,
    has_warned_of_limit: bool,
    /// Watches everything again after events were lost.
    start_over: Throttle,
    revalidate: Throttle,
}

impl<'a> WatchRegistry<'a> {
    fn run(mut self) {
        while let Some(state) = self.wait() {
            for dir in state.rewatch {
                self.rewatch(&dir);
            }
            for (path, kind) in state.paths {
                self.handle(path, kind);
            }
            if state.overflow {
                self.start_over.request();
            }
            if state.revalidate {
                self.revalidate.request();
            }
            if self.start_over.is_due() {
                self.watch_everything();
            }
            if self.revalidate.is_due() {
                self.revalidate();
            }
        }
    }

    /// Waits for something to do; none when the watcher has been dropped.
    fn wait(&self) -> Option<State> {
        let due = [self.start_over.due, self.revalidate.due];
        let due = due.into_iter().flatten().min();
        let wait = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        let wake = &self.shared.wake;
        let state = wake.wait_timeout_while(self.shared.state(), wait, |state| state.is_idle());
        let (mut state, _) = state.unwrap_or_else(PoisonError::into_inner);
        let state = std::mem::take(&mut *state);
        (!state.stopped).then_some(state)
    }

    /// If the receiver is gone, the watcher is about to be dropped.
    fn send(&self, path: PathBuf, event: WatchEvent) {
        let _ = self.events.blocking_send((path, event));
    }

    /// Events were lost, perhaps those of new directories: everything is watched again (which does no harm to
    /// what is watched already), and only then scanned.
    fn watch_everything(&mut self) {
        let began = Instant::now();
        self.watched.clear();
        for tree in self.trees {
            self.watch_tree(tree, &tree.root);
        }
        self.send(PathBuf::new(), WatchEvent::Overflow);
        self.start_over.finished(began);
    }

    /// Watches again what is not the directory any more that was watched. If a disk was unmounted and mounted
    /// again, the directory is the same and its watch is dead, so all others are watched again as well.
    fn revalidate(&mut self) {
        let began = Instant::now();
        let mut replaced: Vec<PathBuf> = Vec::new();
        for (dir, known) in &self.watched {
            match identity(dir) {
                // Its removal raises an event.
                None => {}
                // If that fails now, the next scan finds out.
                now if now == *known => drop(watch(self.library, dir)),
                Some(_) if replaced.last().is_none_or(|above| !dir.starts_with(above)) => {
                    replaced.push(dir.clone());
                }
                Some(_) => {}
            }
        }
        for dir in replaced {
            self.forget(&dir);
            self.rewatch(&dir);
        }
        self.revalidate.finished(began);
    }

    fn handle(&mut self, path: PathBuf, kind: Kind) {
        match kind {
            Kind::Removed => {
                if self.forget(&path) || self.is_ours(&path) {
                    self.send(path, WatchEvent::Removed);
                }
            }
            Kind::Written if self.is_ours(&path) => self.send(path, WatchEvent::Changed),
            Kind::Written => {}
            // A watched directory could be read before, too.
            Kind::Attributes if self.watched.contains_key(&path) => {}
            Kind::Attributes | Kind::Appeared => match fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => {
                    self.forget(&path);
                    self.rewatch(&path);
                }
                Ok(_) if self.is_ours(&path) => self.send(path, WatchEvent::Changed),
                Err(error) if is_not_found(&error) && self.is_ours(&path) => {
                    self.send(path, WatchEvent::Removed);
                }
                Ok(_) | Err(_) => {}
            },
        }
    }

    /// Watches `dir` and everything below it, roots of nested folders included, and reports it.
    fn rewatch(&mut self, dir: &Path) {
        let trees = self.trees;
        let tree = self.tree_of(dir).filter(|tree| belongs(tree, dir));
        let nested = trees.iter().map(AsRef::as_ref);
        let nested = nested.filter(|tree| tree.root != dir && tree.root.starts_with(dir));
        let nested = nested.map(|tree| (tree, tree.root.as_path()));
        for (tree, dir) in tree.map(|tree| (tree, dir)).into_iter().chain(nested) {
            self.watch_tree(tree, dir);
            self.send(dir.to_owned(), WatchEvent::Watched);
        }
    }

    /// Watches `top` and every directory below it that the rules take, parents first.
    fn watch_tree(&mut self, tree: &Tree, top: &Path) {
        let mut pending = vec![top.to_owned()];
        let mut failed: Vec<(PathBuf, Failure)> = Vec::new();
        let mut over_limit = 0;
        while let Some(dir) = pending.pop() {
            // Beyond the limit directories are only counted: no watch is released meanwhile.
            let watched = match over_limit {
                0 => self.watch_dir(tree, &dir),
                _ => Err(Failure::Limit),
            };
            if let Err(failure) = watched {
                let is_limit = failure == Failure::Limit;
                over_limit += usize::from(is_limit);
                let is_known = || failed.iter().any(|(above, _)| dir.starts_with(above));
                if failed.len() <= MAX_UNWATCHED && !is_known() {
                    failed.push((dir.clone(), failure));
                }
                if !is_limit {
                    continue;
                }
            }
            add_subdirectories(tree, &dir, &mut pending);
        }
        if failed.len() > MAX_UNWATCHED {
            let (_, first) = failed.swap_remove(0);
            let failure = if over_limit > 0 {
                Failure::Limit
            } else {
                first
            };
            failed = vec![(top.to_owned(), failure)];
        }
        for (dir, failure) in failed {
            let is_limit = failure == Failure::Limit;
            if !is_limit || !self.has_warned_of_limit {
                self.has_warned_of_limit |= is_limit;
                let why = failure.text(self.watched.len() + over_limit);
                let shown = Escaped::path(&dir);
                tracing::warn!("cannot watch {shown}, it is polled instead: {why}");
            }
            let event = match failure {
                Failure::RootMissing => WatchEvent::RootMissing,
                Failure::Limit | Failure::Other(_) => WatchEvent::Unwatched,
            };
            self.send(dir, event);
        }
    }

    /// Watches one directory. One that has vanished meanwhile is no failure, except a root.
    fn watch_dir(&mut self, tree: &Tree, dir: &Path) -> Result<(), Failure> {
        if let Some(name) = network_file_system(dir).filter(|_| !self.network) {
            return Err(Failure::Other(format!(
                "it is on a {name} file system, where not every change raises an event\n\
                 hint: set `poll = \"never\"` in [watch] to rely on the events all the same"
            )));
        }
        // Before it is watched: if something is mounted in between, `revalidate` sees a difference.
        let identity = identity(dir);
        match watch(self.library, dir) {
            Ok(()) => {
                self.watched.insert(dir.to_owned(), identity);
                Ok(())
            }
            Err(Failure::Other(_))
                if fs::symlink_metadata(dir).is_err_and(|error| is_not_found(&error)) =>
            {
                if dir == tree.root {
                    Err(Failure::RootMissing)
                } else {
                    Ok(())
                }
            }
            Err(failure) => Err(failure),
        }
    }

    /// Removes a directory and everything below it from the list; the library itself drops the watches of
    /// what is deleted. Returns whether any was watched.
    fn forget(&mut self, path: &Path) -> bool {
        let from = (Bound::Included(path), Bound::Unbounded);
        let below = self.watched.range::<Path, _>(from).map(|(dir, _)| dir);
        let below = below.take_while(|dir| dir.starts_with(path));
        let below: Vec<PathBuf> = below.cloned().collect();
        for dir in &below {
            self.watched.remove(dir);
        }
        !below.is_empty()
    }

    /// The folder that the path belongs to: of nested ones the deepest.
    fn tree_of(&self, path: &Path) -> Option<&'a Tree> {
        let trees = self.trees.iter().map(AsRef::as_ref);
        trees
            .filter(|tree| path.starts_with(&tree.root))
            .max_by_key(|tree| tree.root.as_os_str().len())
    }

    /// Whether the path is a root, or may be a file or directory that its folder takes, or a sidecar.
    fn is_ours(&self, path: &Path) -> bool {
        self.tree_of(path).is_some_and(|tree| {
            path.strip_prefix(&tree.root).is_ok_and(|relative| {
                relative.as_os_str().is_empty()
                    || tree.is_sidecar(path)
                    || tree.rules.check_path(relative, false) == Verdict::Take
            })
        })
    }
}

/// Watches one directory, without those below it.
fn watch(library: &mut RecommendedWatcher, dir: &Path) -> Result<(), Failure> {
    let watched = library.watch(dir, RecursiveMode::NonRecursive);
    watched.map_err(|error| Failure::of(&error))
}

/// Whether the directory is a root, or one that its folder searches.
fn belongs(tree: &Tree, dir: &Path) -> bool {
    dir.strip_prefix(&tree.root).is_ok_and(|relative| {
        relative.as_os_str().is_empty()
            || (tree.recursive && tree.rules.check_path(relative, true) == Verdict::Take)
    })
}

/// Adds the directories in `dir` that the folder searches. Errors are reported by the scan.
fn add_subdirectories(tree: &Tree, dir: &Path, pending: &mut Vec<PathBuf>) {
    let Ok(relative) = dir.strip_prefix(&tree.root) else {
        return;
    };
    if !tree.recursive {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && tree.rules.check_entry(relative, &name, true) == Verdict::Take
            && !tree.is_nested(&path)
        {
            pending.push(path);
        }
    }
}

#[cfg(test)]
#[path = "watcher_tests.rs"]
mod tests;
