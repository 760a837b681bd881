//! What stands beside files, remembered for the directories that were looked at last.
//!
//! Uploads go directory by directory. Without this a directory of fifty thousand pictures would be
//! read fifty thousand times.

use std::{
    collections::VecDeque,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::sidecars::SidecarIndex;

/// So many directories are remembered: more than slots work in at a time, mostly.
const MOST: usize = 8;

/// The sidecars of some directories; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dirs(Arc<Mutex<VecDeque<Known>>>);

#[derive(Debug, Clone)]
struct Known {
    dir: PathBuf,
    changed: Changed,
    beside: Arc<SidecarIndex>,
}

/// When and which directory it was; one that gains or loses an entry changes its time.
type Changed = (u64, u64, i64, i64);

impl Dirs {
    /// The sidecars in `dir`. Those that came in the very instant of the last look may be missed; a
    /// scan finds them. Blocks.
    pub(crate) fn beside(&self, dir: &Path) -> io::Result<Arc<SidecarIndex>> {
        // Taken before the look, so that what comes later changes it again.
        let meta = fs::metadata(dir)?;
        let changed = (meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec());
        let known = self.known().iter().find(|known| known.dir == dir).cloned();
        if let Some(known) = known.filter(|known| known.changed == changed) {
            return Ok(known.beside);
        }
        let beside = Arc::new(SidecarIndex::read(dir)?);
        let mut all = self.known();
        all.retain(|known| known.dir != dir);
        all.truncate(MOST - 1);
        all.push_front(Known {
            dir: dir.to_owned(),
            changed,
            beside: Arc::clone(&beside),
        });
        Ok(beside)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, VecDeque<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_directory_is_read_again_when_it_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::default();
        let before = dirs.beside(dir.path()).unwrap();
        assert!(Arc::ptr_eq(&before, &dirs.beside(dir.path()).unwrap()));
        fs::write(dir.path().join("a.jpg.xmp"), "x").unwrap();
        let touched = fs::File::open(dir.path()).unwrap();
        touched.set_modified(std::time::UNIX_EPOCH).unwrap();
        let after = dirs.beside(dir.path()).unwrap();
        assert_eq!(after.of(OsStr::new("a.jpg")).len(), 1);
    }
}
