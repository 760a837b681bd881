//! What tells a file from the one that was there before, without reading it.

use std::{
    fs::{self, Metadata},
    path::Path,
};

use jiff::Timestamp;

/// Tells one state of the file from the next without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp([i64; 6]);

impl Stamp {
    /// The present state of the file; none if there is no file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for Stamp {
    #[cfg(unix)]
    fn from(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self([
            metadata.dev() as i64,
            metadata.ino() as i64,
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ])
    }

    #[cfg(not(unix))]
    fn from(metadata: &Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok())
            .unwrap_or_default();
        let len = metadata.len() as i64;
        Self([
            len,
            modified.as_second(),
            i64::from(modified.subsec_nanosecond()),
            0,
            0,
            0,
        ])
    }
}

/// When the file changed last, in whatever way: its content, its mode, or another file in its place.
pub fn changed_at(path: &Path) -> Option<Timestamp> {
    let metadata = fs::metadata(path).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let nanos = i32::try_from(metadata.ctime_nsec()).ok()?;
        Timestamp::new(metadata.ctime(), nanos).ok()
    }
    #[cfg(not(unix))]
    Timestamp::try_from(metadata.modified().ok()?).ok()
}
