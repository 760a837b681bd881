//! Where to look again: hints from the file system's events.
//!
//! A hint is never the truth. It says which part of a folder to scan now, and the scan finds out
//! what happened. The rule that makes nothing be missed: a directory is first watched, then read.
//! So every [`Hint::Dir`] of a new directory comes after it and everything below it is watched, and
//! what is written later raises events of its own; the same hint comes a second time a little later
//! ([`Options::again_after`]), for what was half done at the first look. The first hint for each
//! root is such a `Dir`, too: the daemon begins its first scan when it comes.
//!
//! Directories are watched one by one, by a thread of ours. The recursive watch of the library
//! gives up at the first directory that fails, does not leave out junk, and cannot be told how many
//! directories it may take. LocalTime the limit of the system costs only the directories that are over
//! it: they are told as [`Hint::Lost`] and must be polled, and the caller may ask for another try
//! with [`Watch::cover`].
//!
//! Events come under the real names of directories. Where links are followed, what changes is told
//! once, under the name without links, and a new link to a directory is found by the next full scan.
//! A root that is missing or goes away raises no event when it comes back: whoever notices calls
//! [`Watch::cover`] for it.
//!
//! The library's callback only notes what happened in a bounded set and returns; it never touches
//! the disk. What depends on the library is here, in `notes` (its events) and in `limits` (its errors).

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::walk::Tree;

mod covering;
mod limits;
mod mounts;
mod notes;

pub use limits::{Lost, must_poll};
pub use mounts::MountTable;
use notes::{Notes, Seen};

/// The library's watcher for this system.
type Library = RecommendedWatcher;

/// Where to look again, and how much is known about why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Something happened to a file: it was written, moved here, or its attributes changed.
    File {
        /// Absolute.
        path: PathBuf,
        /// Its writer has closed it, or it was moved here whole: it may be settled already.
        closed: bool,
    },
    /// A directory is new, or something happened in it that no file stands for.
    Dir {
        /// Absolute.
        dir: PathBuf,
        /// Whether what is below is to be scanned, too.
        deep: bool,
    },
    /// A file or directory is not there any more, it seems.
    Gone(PathBuf),
    /// Events were lost: scan all folders.
    Everything,
    /// This directory and all below it raise no events: poll it.
    Lost {
        /// Absolute.
        dir: PathBuf,
        /// Why, and what can be done about it.
        reason: Lost,
    },
}

/// How a watch goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Watch network file systems, too (`poll = "never"`), where the changes of other machines raise
    /// no events.
    pub network: bool,
    /// How long after a new directory's hint the same hint comes once more.
    pub again_after: Duration,
    /// At most so many directories are watched, besides what the system allows.
    pub max_watches: Option<usize>,
}

/// A running watch; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    desk: Arc<Desk>,
}

/// Where the hints of a [`Watch`] are fetched.
#[derive(Debug)]
pub struct Hints {
    desk: Arc<Desk>,
}

/// What the library's callback, the thread and the caller share.
#[derive(Debug)]
struct Desk {
    state: Mutex<State>,
    /// Rings for the thread.
    raw: Condvar,
    /// Rings for the caller.
    hints: Notify,
}

#[derive(Debug)]
struct State {
    /// From the callback, for the thread.
    raw: Notes,
    /// From the thread, for the caller.
    hints: Notes,
    /// Directories that the caller wants tried again.
    wanted: BTreeSet<PathBuf>,
    /// The caller wants to know whether what is watched is what is there.
    compare: bool,
    stopped: bool,
}

impl Watch {
    /// Starts to watch `trees`. What cannot be watched, be it all of them, comes as [`Hint::Lost`].
    pub fn start(trees: Vec<Arc<Tree>>, options: Options) -> (Self, Hints) {
        let desk = Arc::new(Desk {
            state: Mutex::new(State {
                raw: Notes::default(),
                hints: Notes::default(),
                wanted: trees.iter().map(|tree| tree.root.clone()).collect(),
                compare: false,
                stopped: false,
            }),
            raw: Condvar::new(),
            hints: Notify::new(),
        });
        let roots: Vec<PathBuf> = trees.iter().map(|tree| tree.root.clone()).collect();
        let of_thread = Arc::clone(&desk);
        let started = events(&desk).and_then(|library| {
            thread::Builder::new()
                .name("watch".to_owned())
                .spawn(move || covering::run(library, &trees, options, &of_thread))
                .map_err(|error| Lost::NoWatcher(error.to_string()))
        });
        if let Err(reason) = started {
            tracing::warn!("cannot watch any folder, they are polled instead: {reason}");
            for dir in roots {
                desk.tell(dir, Seen::Lost(reason.clone()));
            }
        }
        let hints = Hints {
            desk: Arc::clone(&desk),
        };
        (Self { desk }, hints)
    }

    /// Tries (again) to watch `dir` and all below it; the answer is a [`Hint::Dir`] once it is
    /// watched, and [`Hint::Lost`] for each part that is not.
    pub fn cover(&self, dir: &Path) {
        self.desk.state().wanted.insert(dir.to_owned());
        self.desk.raw.notify_one();
    }
}

impl Watch {
    /// Compares all that is watched with what is there: what was mounted over a directory is watched
    /// from then on, and scanned.
    pub fn compare(&self) {
        self.desk.state().compare = true;
        self.desk.raw.notify_one();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.desk.state().stopped = true;
        self.desk.raw.notify_one();
    }
}

impl Hints {
    /// Waits for hints and takes all that there are, in no order. A path has one hint, its latest.
    /// Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Vec<Hint> {
        loop {
            // Registered before the look, so that a ring between look and wait is not missed.
            let rung = self.desk.hints.notified();
            let hints = self.desk.state().hints.take();
            if !hints.is_empty() {
                return hints.into_hints();
            }
            rung.await;
        }
    }
}

impl Desk {
    /// A poisoned lock means that a thread died while it noted a hint: the notes are still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, path: PathBuf, seen: Seen) {
        self.state().hints.note(path, seen);
        self.hints.notify_one();
    }

    fn tell_everything(&self) {
        self.state().hints.lose_track();
        self.hints.notify_one();
    }
}

/// The library's watcher, with a callback that notes events for the thread.
fn events(desk: &Arc<Desk>) -> Result<Library, Lost> {
    let desk = Arc::clone(desk);
    let config = Config::default().with_follow_symlinks(false);
    Library::new(
        move |event: notify::Result<notify::Event>| {
            // Reading files raises more events than anything else; they mean nothing.
            if event
                .as_ref()
                .is_ok_and(|event| notes::is_reading(event.kind))
            {
                return;
            }
            desk.state().raw.add(event);
            desk.raw.notify_one();
        },
        config,
    )
    .map_err(|error| Lost::NoWatcher(error.to_string()))
}

/// Watches one directory, not what is below.
fn watch_one(library: &mut Library, dir: &Path) -> Result<(), Lost> {
    library
        .watch(dir, RecursiveMode::NonRecursive)
        .map_err(|error| limits::lost(&error))
}

/// Whether the error means that the thing is simply not there any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests;
