//! Counters of one run: bytes and files on their way, items checked. The tasks count; `ui` and the daemon's
//! reporter show the counts.

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::model::ids::FileId;

/// The rate is averaged over this time: long enough to be steady, short enough to be current.
const RATE_WINDOW: Duration = Duration::from_secs(30);

/// The counters of one run; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    uploads: Mutex<BTreeMap<FileId, Arc<Upload>>>,
    /// Bytes of finished uploads.
    bytes_done: AtomicU64,
    checked: AtomicU64,
    to_check: AtomicU64,
}

#[derive(Debug)]
struct Upload {
    path: PathBuf,
    size: u64,
    position: Arc<AtomicU64>,
    /// How many of the bytes an earlier run had sent.
    resumed_at: AtomicU64,
}

impl Upload {
    fn sent(&self) -> u64 {
        self.position.load(Relaxed).min(self.size)
    }
}

/// An upload as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferring {
    /// The file.
    pub file: FileId,
    /// Its path.
    pub path: PathBuf,
    /// Bytes handed to the connection.
    pub sent: u64,
    /// Size of the file in bytes.
    pub size: u64,
}

/// The handle of a running upload. Dropping it removes the upload from the counters.
#[derive(Debug)]
pub struct Transfer {
    file: FileId,
    upload: Arc<Upload>,
    progress: Progress,
}

impl Progress {
    /// Adds an upload that starts now.
    pub fn begin(&self, file: FileId, path: PathBuf, size: u64) -> Transfer {
        let upload = Arc::new(Upload {
            path,
            size,
            position: Arc::default(),
            resumed_at: AtomicU64::default(),
        });
        self.uploads().insert(file, Arc::clone(&upload));
        Transfer {
            file,
            upload,
            progress: self.clone(),
        }
    }

    /// The running uploads.
    pub fn transfers(&self) -> Vec<Transferring> {
        let uploads = self.uploads();
        let view = |(file, upload): (&FileId, &Arc<Upload>)| Transferring {
            file: *file,
            path: upload.path.clone(),
            sent: upload.sent(),
            size: upload.size,
        };
        uploads.iter().map(view).collect()
    }

    /// Bytes that this run has sent, including those of running uploads.
    pub fn bytes_sent(&self) -> u64 {
        let uploads = self.uploads();
        let sent = uploads
            .values()
            .map(|it| it.sent().saturating_sub(it.resumed_at.load(Relaxed)));
        self.0.bytes_done.load(Relaxed) + sent.sum::<u64>()
    }

    /// Sets how many items are to be checked in all.
    pub fn set_to_check(&self, all: u64) {
        self.0.to_check.store(all, Relaxed);
    }

    /// Counts one more checked item.
    pub fn add_checked(&self) {
        self.0.checked.fetch_add(1, Relaxed);
    }

    /// How many items are checked, and of how many.
    pub fn checked(&self) -> (u64, u64) {
        let done = self.0.checked.load(Relaxed);
        (done, self.0.to_check.load(Relaxed).max(done))
    }

    fn uploads(&self) -> MutexGuard<'_, BTreeMap<FileId, Arc<Upload>>> {
        // The counters are still valid after a panic of another task.
        self.0
            .uploads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer {
    /// The counter into which the connection writes how many bytes it was handed.
    pub fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.upload.position)
    }

    /// Starts at `offset`, because the service has these bytes from an earlier run. Ignored once this run has
    /// sent some itself.
    pub fn resume_at(&self, offset: u64) {
        if self.upload.position.load(Relaxed) == 0 {
            self.upload.resumed_at.store(offset, Relaxed);
            self.upload.position.store(offset, Relaxed);
        }
    }

    /// Counts the upload as complete.
    pub fn finish(self, size: u64) {
        let sent = size.saturating_sub(self.upload.resumed_at.load(Relaxed));
        self.progress.0.bytes_done.fetch_add(sent, Relaxed);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.progress.uploads().remove(&self.file);
    }
}

/// Bytes per second over the last [`RATE_WINDOW`], from samples of a byte counter.
#[derive(Debug, Default)]
pub struct Rate(VecDeque<(Instant, u64)>);

impl Rate {
    /// Adds a sample: so many bytes were sent in all.
    pub fn add(&mut self, at: Instant, bytes: u64) {
        // A restarted process counts from zero again.
        if self.0.back().is_some_and(|(_, last)| *last > bytes) {
            self.0.clear();
        }
        self.0.push_back((at, bytes));
        while self.0.len() > 2
            && self
                .0
                .get(1)
                .is_some_and(|(then, _)| at - *then >= RATE_WINDOW)
        {
            self.0.pop_front();
        }
    }

    /// Forgets the samples, because nothing is being sent: idle time is not part of the rate.
    pub fn reset(&mut self) {
        self.0.clear();
    }

    /// Bytes per second; none if nothing was sent yet.
    pub fn bytes_per_second(&self) -> Option<f64> {
        let ((begin, before), (end, after)) = (self.0.front()?, self.0.back()?);
        let seconds = end.duration_since(*begin).as_secs_f64();
        (after > before && seconds > 0.0).then(|| (after - before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_while_they_are_sent_and_not_twice_after_the_end() {
        let progress = Progress::default();
        let transfer = progress.begin(FileId(1), PathBuf::from("a.jpg"), 100);
        transfer.position().store(40, Relaxed);
        assert_eq!(progress.bytes_sent(), 40);
        transfer.finish(100);
        assert_eq!(progress.bytes_sent(), 100);
        assert!(progress.transfers().is_empty());
    }

    #[test]
    fn bytes_that_an_earlier_run_sent_are_shown_and_not_counted() {
        let progress = Progress::default();
        let transfer = progress.begin(FileId(1), PathBuf::from("a.mp4"), 100);
        transfer.resume_at(60);
        assert_eq!(
            (progress.bytes_sent(), progress.transfers()[0].sent),
            (0, 60)
        );
        transfer.position().store(90, Relaxed);
        // After a broken connection the service may have fewer bytes than were handed over.
        transfer.resume_at(70);
        assert_eq!(progress.bytes_sent(), 30);
        transfer.finish(100);
        assert_eq!(progress.bytes_sent(), 40);
    }

    #[test]
    fn an_upload_that_is_given_up_is_not_counted() {
        let progress = Progress::default();
        drop(progress.begin(FileId(1), PathBuf::from("a.jpg"), 100));
        assert_eq!(progress.bytes_sent(), 0);
        assert!(progress.transfers().is_empty());
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut rate = Rate::default();
        let begin = Instant::now();
        let second = |n: u64| begin + Duration::from_secs(n);
        assert_eq!(rate.bytes_per_second(), None);
        rate.add(begin, 0);
        assert_eq!(rate.bytes_per_second(), None, "one sample gives no rate");
        for n in 1..=100 {
            // A hundred bytes a second, and a thousand for the last thirty.
            let bytes = if n <= 70 {
                n * 100
            } else {
                7_000 + (n - 70) * 1000
            };
            rate.add(second(n), bytes);
        }
        assert_eq!(rate.bytes_per_second(), Some(1000.0));
        rate.add(second(101), 5);
        assert_eq!(rate.bytes_per_second(), None, "another process counts");
    }
}
