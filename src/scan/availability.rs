//! Whether a folder, and the disks mounted inside it, can be scanned now. While one cannot, nothing in it is
//! claimed, waited for, or taken for deleted.
//!
//! A directory that was a mount point and is not any more does not show what it held, so it counts as
//! unavailable, like a root that is missing. The exception is that its files were copied into the directory
//! itself: then most of its known files exist.

use std::{
    fmt, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use tokio::io::{Interest, unix::AsyncFd};

use super::{folder::Folder, rules::Verdict, walk::RootState};
use crate::{
    model::ids::RootId,
    store::{self, Reader},
};

/// How many known files of a former mount point are looked for: few enough for each minute, and enough to
/// tell some files that were left there from all of them.
const SAMPLE: usize = 100;

/// Why a folder cannot be scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unavailable {
    /// There is no such directory.
    Missing,
    /// There is nothing in it, or nothing that the rules take, and files were known.
    Empty,
    /// It was a mount point, and nothing is mounted there.
    NotMounted,
    /// The system does not let us read it.
    Unreadable(String),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there"),
            Self::Empty => f.write_str("it is empty, and there were files in it"),
            Self::NotMounted => f.write_str("the disk that was mounted there is not"),
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
        }
    }
}

/// A directory's file system, and its number there.
pub(super) type Identity = (u64, u64);

/// The identity of a directory; none if it does not exist.
pub(super) fn identity(dir: &Path) -> Option<Identity> {
    let meta = fs::metadata(dir).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// The known mount points of a folder, relative to its root; empty is the root itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts {
    /// Something is mounted there.
    pub(super) mounted: Vec<PathBuf>,
    /// Nothing is mounted there, and their files are missing.
    pub(super) unmounted: Vec<PathBuf>,
    /// Nothing is mounted there, and their files exist: they are plain directories now.
    pub(super) plain: Vec<PathBuf>,
}

impl Folder {
    /// The known mount points as they are now. A folder that is only a PATH of a command has none.
    pub(super) fn mounts(&self, id: RootId, reader: &Reader) -> store::Result<Mounts> {
        let mut mounts = Mounts::default();
        if !self.is_configured {
            return Ok(mounts);
        }
        for dir in reader.mounts_of(id)? {
            if self.tree.rules.check_path(&dir, true) != Verdict::Take
                || self.tree.is_nested(&self.root().join(&dir))
            {
                continue;
            }
            if self.tree.is_mount(&dir).unwrap_or(false) {
                mounts.mounted.push(dir);
                continue;
            }
            let sample = reader.some_below(id, &dir, SAMPLE)?;
            let exists = |file: &&PathBuf| {
                fs::symlink_metadata(self.root().join(file)).is_ok_and(|meta| meta.is_file())
            };
            if sample.is_empty() || sample.iter().filter(exists).count() * 2 > sample.len() {
                mounts.plain.push(dir);
            } else {
                mounts.unmounted.push(dir);
            }
        }
        Ok(mounts)
    }

    /// Why the folder cannot be scanned now, if so.
    pub(super) fn unavailable(
        &self,
        id: RootId,
        reader: &Reader,
    ) -> store::Result<Option<Unavailable>> {
        let has_anything = match self.tree.root_state() {
            RootState::Missing => return Ok(Some(Unavailable::Missing)),
            RootState::Empty => Ok(false),
            RootState::Present => self.tree.has_anything(),
            RootState::Unreadable(error) => Err(error),
        };
        Ok(match has_anything {
            Ok(true) => {
                let unmounted = self.mounts(id, reader)?.unmounted;
                let is_root = unmounted.iter().any(|dir| dir.as_os_str().is_empty());
                is_root.then_some(Unavailable::NotMounted)
            }
            Ok(false) => reader.knows_files_of(id)?.then_some(Unavailable::Empty),
            Err(error) => Some(Unavailable::Unreadable(error.to_string())),
        })
    }
}

/// What the system raises on the open mount table when something is mounted or unmounted
/// (proc_pid_mountinfo(5)). Other systems have no such table.
#[cfg(target_os = "linux")]
const MOUNT_EVENT: Interest = Interest::PRIORITY;
#[cfg(not(target_os = "linux"))]
const MOUNT_EVENT: Interest = Interest::READABLE;

/// Reports changes of the mount table.
#[derive(Debug)]
pub(super) struct MountTable(Option<AsyncFd<fs::File>>);

impl MountTable {
    /// Opens the table. Must be called in a runtime.
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types whose file may be closed while registered; ours is not"
    )]
    pub(super) fn open() -> Self {
        let file = fs::File::open("/proc/self/mountinfo");
        let file = file.and_then(|file| AsyncFd::with_interest(file, MOUNT_EVENT));
        Self(file.ok())
    }

    /// Waits until something is mounted or unmounted; none between two waits is missed. Without a table it waits
    /// for ever.
    pub(super) async fn changed(&self) {
        if let Some(file) = &self.0
            && let Ok(mut event) = file.ready(MOUNT_EVENT).await
        {
            event.clear_ready();
        } else {
            std::future::pending().await
        }
    }
}
