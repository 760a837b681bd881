//! Notices that a file was changed or replaced, without reading it.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

/// Device, inode, mtime and ctime of a file: differs after every write and every replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileVersion([u64; 2], [i64; 4]);

impl FileVersion {
    /// The current version; none if there is no file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for FileVersion {
    fn from(file: &Metadata) -> Self {
        let times = [
            file.mtime(),
            file.mtime_nsec(),
            file.ctime(),
            file.ctime_nsec(),
        ];
        Self([file.dev(), file.ino()], times)
    }
}

/// A file, and its version when it was read last.
#[derive(Debug)]
pub(super) struct WatchedFile {
    path: PathBuf,
    was_read: bool,
    /// None if there was no file.
    version: Option<FileVersion>,
}

impl WatchedFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            was_read: false,
            version: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The version that was read last.
    pub(super) fn version(&self) -> Option<&FileVersion> {
        self.version.as_ref()
    }

    /// Remembers that the file was read, or written, in this version.
    pub(super) fn set_version(&mut self, version: Option<FileVersion>) {
        self.was_read = true;
        self.version = version;
    }

    /// Remembers the current version, before the file is read. Returns whether it is a new one.
    pub(super) fn update(&mut self) -> bool {
        let current = FileVersion::of(&self.path);
        let is_new = !self.was_read || self.version != current;
        self.set_version(current);
        is_new
    }

    /// Whether there is a file of another version than was read last; false before the first read.
    pub(super) fn has_changed(&self) -> bool {
        let current = FileVersion::of(&self.path);
        self.was_read && current.is_some() && current != self.version
    }
}

/// When the file changed last: its content, its mode, or by a replacement.
pub fn changed_at(path: &Path) -> Option<Timestamp> {
    let file = fs::metadata(path).ok()?;
    Timestamp::new(file.ctime(), i32::try_from(file.ctime_nsec()).ok()?).ok()
}
