//! Whether what is watched still is what is there. The system watches directories, not names: one that
//! another was mounted over goes on being watched, and nobody hears of the other.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{Covering, PAUSE_FACTOR, watch_one};

/// A directory's file system, and its number there; none if it is not there.
pub(super) type Identity = Option<(u64, u64)>;

pub(super) fn identity(dir: &Path) -> Identity {
    let meta = fs::metadata(dir).ok()?;
    Some((meta.dev(), meta.ino()))
}

impl Covering<'_> {
    /// What was mounted over a directory is watched and scanned. Where a disk was taken off and mounted
    /// again, the directory is the same and its watch is dead, so all are watched anew.
    pub(super) fn compare(&mut self) {
        let began = Instant::now();
        self.compare_at = None;
        let mut others: Vec<PathBuf> = Vec::new();
        for (dir, known) in &self.watched {
            let is_covered = others.last().is_some_and(|above| dir.starts_with(above));
            match identity(dir) {
                // What went away is told by events, and by the scan.
                None => {}
                // It is watched still, or refused now as it was not before: the next scan sees it.
                now if now == *known => drop(watch_one(self.library, dir)),
                Some(_) if is_covered => {}
                Some(_) => others.push(dir.clone()),
            }
        }
        for dir in others {
            self.forget(&dir);
            self.cover(&dir);
        }
        self.compare_from = Instant::now() + began.elapsed() * PAUSE_FACTOR;
    }
}
