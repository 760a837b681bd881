//! A scan: what is there, compared with what the store knows, one directory at a time.
//!
//! It blocks, so it runs on a thread of its own, with a reader of its own, and hands over what it
//! found in batches; when nobody takes them, it waits. What is as it was makes no change, so a scan
//! of an unchanged folder writes nothing.
//!
//! What is not there is told last, and only if the root still is what it was: a disk that is pulled
//! out in the middle of a scan has not lost its files. Nothing is missed in a directory that could
//! not be read, nor below it.

use std::{
    collections::{BTreeSet, HashSet},
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    fate::Terms,
    place::{Away, Part, Place},
};
use crate::{
    clock::Clock,
    escape::Escaped,
    model::ids::RootId,
    store::{self, Change, Store},
};

mod comparing;

use comparing::Comparing;

/// Changes in one transaction of the store: many enough that its commit costs little for each.
const BATCH: usize = 512;

/// Batches that wait for the store before the scan waits for it.
const BATCHES_AHEAD: usize = 4;

/// At most so many unreadable directories are told one by one in a run.
const MAX_TOLD: usize = 1_000;

/// What is to be scanned, and how.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// The place.
    pub(super) place: Arc<Place>,
    /// Its row.
    pub(super) root: RootId,
    /// Which part of it.
    pub(super) part: Part,
    /// What is the same for all files.
    pub(super) terms: Terms,
    /// Whether files that are new are fresh: the root was scanned before.
    pub(super) is_fresh: bool,
    /// Whether album and place of what is queued are to be decided anew.
    pub(super) requeue: bool,
    /// Whether files that are not there are told.
    pub(super) tells_missing: bool,
    /// The clock.
    pub(super) clock: Clock,
    /// Directories that were told to be unreadable.
    pub(super) told: Told,
}

/// Directories that were told to be unreadable, so that each is told once; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(Arc<Mutex<HashSet<PathBuf>>>);

impl Told {
    fn unreadable(&self, path: PathBuf, why: &dyn std::fmt::Display) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MAX_TOLD && !told.contains(&path) {
            tracing::warn!(
                "{} cannot be read, it is left out: {why}",
                Escaped::path(&path)
            );
            told.insert(path);
        }
    }
}

/// What a scan came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Why nothing was concluded: the root is away.
    pub(super) away: Option<Away>,
    /// Files that are there and to be taken.
    pub(super) files: u64,
    /// Files that are new or have changed.
    pub(super) changed: u64,
    /// Files that were not there.
    pub(super) missing: u64,
    /// Files that are known and that the rules of the folder do not take any more.
    pub(super) left_out: u64,
    /// Whether another scan has to agree on some of what was not there.
    pub(super) wants_second: bool,
    /// Of some names of a directory: those.
    pub(super) second: BTreeSet<OsString>,
    /// Files that are there and of other types.
    pub(super) other_kind: u64,
    /// Directories on which something was mounted, and is not; they were left alone.
    pub(super) without_disk: Vec<PathBuf>,
    /// Whether it came out that something is mounted now, or nothing any more, where it was otherwise.
    pub(super) mounts_changed: bool,
    /// Directories in which a sidecar may still be written to.
    pub(super) again: Vec<PathBuf>,
}

/// A scan that is under way. Dropping it ends it at its next batch.
#[derive(Debug)]
pub(super) struct Scan {
    changes: mpsc::Receiver<Vec<Change>>,
    thread: JoinHandle<store::Result<Outcome>>,
}

impl Scan {
    /// Begins to scan.
    pub(super) fn begin(store: &Store, order: Order) -> Self {
        let (sender, changes) = mpsc::channel(BATCHES_AHEAD);
        let store = store.clone();
        let thread = tokio::task::spawn_blocking(move || run(&store, &order, sender));
        Self { changes, thread }
    }

    /// The next batch of changes, to be recorded; none when there are no more.
    pub(super) async fn changes(&mut self) -> Option<Vec<Change>> {
        self.changes.recv().await
    }

    /// What it came to; none if it died, which is a defect that its thread has told.
    pub(super) async fn outcome(self) -> store::Result<Option<Outcome>> {
        drop(self.changes);
        self.thread.await.ok().transpose()
    }
}

fn run(store: &Store, order: &Order, sender: mpsc::Sender<Vec<Change>>) -> store::Result<Outcome> {
    let reader = store.reader()?;
    let away = order.place.away(order.root, &reader)?;
    if away.is_some() {
        return Ok(Outcome {
            away,
            ..Outcome::default()
        });
    }
    Comparing::new(order, reader, sender).run()
}
