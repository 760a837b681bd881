//! Counts what moves. The core counts; the edge decides between bars, lines and silence.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::model::ids::FileId;

/// The rate is that of the last so many seconds: long enough to be steady, short enough to be true.
const WINDOW: Duration = Duration::from_secs(30);

/// A handle on the counts of one run; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    transfers: Mutex<BTreeMap<FileId, Moving>>,
    bytes_done: AtomicU64,
    uploads_done: AtomicU64,
}

#[derive(Debug, Clone)]
struct Moving {
    path: PathBuf,
    size: u64,
    position: Arc<AtomicU64>,
    before: Arc<AtomicU64>,
}

/// One file on its way, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferring {
    /// Which.
    pub file: FileId,
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes were handed to the connection.
    pub sent: u64,
    /// Of how many.
    pub size: u64,
}

/// A file on its way; it is forgotten when this is dropped.
#[derive(Debug)]
pub struct Transfer {
    file: FileId,
    position: Arc<AtomicU64>,
    /// How many of the bytes an earlier run had sent.
    before: Arc<AtomicU64>,
    progress: Progress,
}

impl Progress {
    /// A file begins to move.
    pub fn begin(&self, file: FileId, path: PathBuf, size: u64) -> Transfer {
        let (position, before) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let moving = Moving {
            path,
            size,
            position: Arc::clone(&position),
            before: Arc::clone(&before),
        };
        self.transfers().insert(file, moving);
        Transfer {
            file,
            position,
            before,
            progress: self.clone(),
        }
    }

    /// What is on its way now.
    pub fn moving(&self) -> Vec<Transferring> {
        self.transfers()
            .iter()
            .map(|(file, moving)| Transferring {
                file: *file,
                path: moving.path.clone(),
                sent: moving.position.load(Ordering::Relaxed).min(moving.size),
                size: moving.size,
            })
            .collect()
    }

    /// Bytes that this run has sent, those of files on their way included.
    pub fn bytes(&self) -> u64 {
        let transfers = self.transfers();
        let sent = transfers.values().map(|moving| {
            let position = moving.position.load(Ordering::Relaxed).min(moving.size);
            position.saturating_sub(moving.before.load(Ordering::Relaxed))
        });
        self.0.bytes_done.load(Ordering::Relaxed) + sent.sum::<u64>()
    }

    /// Uploads that arrived whole.
    pub fn uploads(&self) -> u64 {
        self.0.uploads_done.load(Ordering::Relaxed)
    }

    fn transfers(&self) -> std::sync::MutexGuard<'_, BTreeMap<FileId, Moving>> {
        // A panic elsewhere leaves counts behind that are still counts.
        self.0
            .transfers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer {
    /// Where the connection writes how far it is.
    pub fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// The service has so much of it from an earlier run; nothing once this one has sent any.
    pub fn goes_on_from(&self, offset: u64) {
        if self.position.load(Ordering::Relaxed) == 0 {
            self.before.store(offset, Ordering::Relaxed);
            self.position.store(offset, Ordering::Relaxed);
        }
    }

    /// The whole file arrived.
    pub fn arrived(self, size: u64) {
        let sent = size.saturating_sub(self.before.load(Ordering::Relaxed));
        self.progress
            .0
            .bytes_done
            .fetch_add(sent, Ordering::Relaxed);
        self.progress.0.uploads_done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.progress.transfers().remove(&self.file);
    }
}

/// How far a piece of work is that goes item by item; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<(AtomicU64, AtomicU64)>);

impl Count {
    /// So many items are to be dealt with in all.
    pub fn is_of(&self, all: u64) {
        self.0.1.store(all, Ordering::Relaxed);
    }

    /// So many more were dealt with.
    pub fn add(&self, n: u64) {
        self.0.0.fetch_add(n, Ordering::Relaxed);
    }

    /// How many were dealt with, and of how many.
    pub fn so_far(&self) -> (u64, u64) {
        let done = self.0.0.load(Ordering::Relaxed);
        (done, self.0.1.load(Ordering::Relaxed).max(done))
    }
}

/// How fast bytes go, from what was counted lately.
#[derive(Debug, Default)]
pub struct Pace(VecDeque<(Instant, u64)>);

impl Pace {
    /// So many bytes have been sent in all.
    pub fn add(&mut self, at: Instant, bytes: u64) {
        // A new process counts from zero again.
        if self.0.back().is_some_and(|(_, last)| *last > bytes) {
            self.0.clear();
        }
        self.0.push_back((at, bytes));
        while self.0.len() > 2 && self.0.get(1).is_some_and(|(then, _)| at - *then >= WINDOW) {
            self.0.pop_front();
        }
    }

    /// Nothing moves: that is no part of the rate, which begins anew when something does.
    pub fn rest(&mut self) {
        self.0.clear();
    }

    /// Bytes a second; none before anything moved.
    pub fn rate(&self) -> Option<f64> {
        let ((begin, before), (end, after)) = (self.0.front()?, self.0.back()?);
        let seconds = end.duration_since(*begin).as_secs_f64();
        (after > before && seconds > 0.0).then(|| (after - before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_while_they_move_and_after_they_arrived_but_not_twice() {
        let progress = Progress::default();
        let transfer = progress.begin(FileId(1), PathBuf::from("a.jpg"), 100);
        transfer.position().store(40, Ordering::Relaxed);
        assert_eq!((progress.bytes(), progress.uploads()), (40, 0));
        transfer.arrived(100);
        assert_eq!((progress.bytes(), progress.uploads()), (100, 1));
        assert!(progress.moving().is_empty());
    }

    #[test]
    fn what_an_earlier_run_has_sent_is_shown_and_not_counted() {
        let progress = Progress::default();
        let transfer = progress.begin(FileId(1), PathBuf::from("a.mp4"), 100);
        transfer.goes_on_from(60);
        assert_eq!((progress.bytes(), progress.moving()[0].sent), (0, 60));
        transfer.position().store(90, Ordering::Relaxed);
        // It broke off, and less of this run's bytes arrived than were handed over.
        transfer.goes_on_from(70);
        assert_eq!(progress.bytes(), 30);
        transfer.arrived(100);
        assert_eq!(progress.bytes(), 40);
    }

    #[test]
    fn an_upload_that_is_given_up_is_forgotten() {
        let progress = Progress::default();
        drop(progress.begin(FileId(1), PathBuf::from("a.jpg"), 100));
        assert_eq!((progress.bytes(), progress.uploads()), (0, 0));
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut pace = Pace::default();
        let begin = Instant::now();
        let second = |n: u64| begin + Duration::from_secs(n);
        assert_eq!(pace.rate(), None);
        pace.add(begin, 0);
        assert_eq!(pace.rate(), None, "one look is no pace");
        for n in 1..=100 {
            // A hundred bytes a second, and a thousand for the last thirty.
            let bytes = if n <= 70 {
                n * 100
            } else {
                7_000 + (n - 70) * 1000
            };
            pace.add(second(n), bytes);
        }
        assert_eq!(pace.rate(), Some(1000.0));
        pace.add(second(101), 5);
        assert_eq!(pace.rate(), None, "another process began");
    }
}
