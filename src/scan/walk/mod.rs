//! What is there: the files of a folder, one directory at a time.
//!
//! A walk is an iterator of [`Listing`]s and blocks; it belongs on a thread of its own. It keeps a
//! list of directories still to be read, so its depth costs heap and no stack, and it asks the disk
//! only about files that the rules take. It never fails as a whole: what cannot be read is told in
//! the listing that it belongs to.
//!
//! Who draws conclusions from the absence of a file must heed [`Listing::problem`]: in a directory
//! that could not be read, and in everything below it, nothing is gone. Mounts inside a folder are
//! walked like directories, and told by [`Listing::is_mount`]: one that is not mounted any more is an
//! empty directory, or none.
//!
//! Symbolic links are left alone unless `follow_symlinks` is set. Then a link to a file is that
//! file, and a link to a directory is walked, if it stays inside the root; not, if it leads to a
//! directory that it is in; and links to directories are not followed inside of linked ones. So a
//! walk ends, whatever the links say, and reads no more than links times files.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::rules::{Rules, Verdict};
use crate::media::description::beside;

mod reading;

/// A folder that can be walked: its root and everything that decides what belongs to it.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The root, absolute.
    pub root: PathBuf,
    /// What is to be taken below it.
    pub rules: Arc<Rules>,
    /// Whether directories below the root belong to it.
    pub recursive: bool,
    /// Whether symbolic links count as what they lead to.
    pub follow_symlinks: bool,
    /// Whether the names of sidecars are listed, for descriptions.
    pub sidecars: bool,
    /// Roots of other folders below this one, absolute: they are not this one's.
    pub nested: Vec<PathBuf>,
}

/// A regular file, as the disk describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in its directory: bytes.
    pub name: OsString,
    /// In bytes.
    pub size: u64,
    /// When its content changed last, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When its content or attributes changed last, in nanoseconds since 1970.
    pub ctime_ns: i64,
    /// The file system that it is on.
    pub dev: u64,
    /// Its number there; used again once the file is deleted.
    pub inode: u64,
}

/// What one directory holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// The directory, relative to the root; empty for the root.
    pub dir: PathBuf,
    /// The files that the rules take, in no order.
    pub files: Vec<Entry>,
    /// The names of what may be sidecars; none where nobody asks.
    pub sidecars: Option<Vec<OsString>>,
    /// What the rules do not take, counted.
    pub passed_over: PassedOver,
    /// Files that are to be taken, but about which the disk would not say anything.
    pub unreadable: Vec<(OsString, io::Error)>,
    /// Why the directory could not be read, or not to its end.
    pub problem: Option<io::Error>,
    /// It is on another file system than the directory above it.
    pub is_mount: bool,
}

/// Entries of one directory that were not taken, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Files of other types than the service takes.
    pub other_kind: u64,
    /// Files and directories on the junk list.
    pub junk: u64,
    /// Files and directories that `exclude` names.
    pub excluded: u64,
    /// Files that no pattern of `include` names.
    pub not_included: u64,
}

/// What a path is at this moment, with the rules of its folder applied.
#[derive(Debug)]
pub enum Look<'a> {
    /// A file that is to be taken.
    File(Entry),
    /// A directory that is to be looked into.
    Dir,
    /// The rules do not take it.
    Refused(Verdict<'a>),
    /// Neither file nor directory of this folder: a socket, a link that is not followed, what
    /// belongs to a nested folder.
    Nothing,
}

/// What a folder's root is at this moment.
#[derive(Debug)]
pub enum RootState {
    /// There is something in it.
    Present,
    /// There is no such directory: not mounted, perhaps.
    Missing,
    /// There is nothing in it: not mounted, perhaps.
    Empty,
    /// It is there, or something is, and cannot be read.
    Unreadable(io::Error),
}

/// A walk over a tree, or over a part of it.
#[derive(Debug)]
pub struct Walk<'a> {
    tree: &'a Tree,
    /// With all links resolved; only there when links are followed.
    real_root: Option<PathBuf>,
    pending: Vec<Pending>,
    recursive: bool,
    /// The file system of the directory that is being read.
    dev: Option<u64>,
}

/// A directory still to be read, relative to the root.
#[derive(Debug)]
struct Pending {
    dir: PathBuf,
    /// It was reached through a link to a directory.
    linked: bool,
    /// The file system of the directory above it.
    above: Option<u64>,
}

impl Tree {
    /// Walks the whole folder.
    pub fn walk(&self) -> Walk<'_> {
        self.below(Path::new(""))
    }

    /// Walks the directory `dir` (relative to the root) and what is below it; nothing if it does not
    /// belong to this folder.
    pub fn below(&self, dir: &Path) -> Walk<'_> {
        self.start(dir, self.recursive)
    }

    /// Reads the directory `dir` (relative to the root) alone.
    pub fn only(&self, dir: &Path) -> Walk<'_> {
        self.start(dir, false)
    }

    fn start(&self, dir: &Path, recursive: bool) -> Walk<'_> {
        let mut walk = Walk {
            tree: self,
            real_root: None,
            pending: Vec::new(),
            recursive,
            dev: None,
        };
        if self.follow_symlinks {
            walk.real_root = self.root.canonicalize().ok();
        }
        if let Some(linked) = self.holds(dir, walk.real_root.as_deref()) {
            walk.pending.push(Pending {
                dir: dir.to_owned(),
                linked,
                above: dev_of(&self.above(dir)).ok(),
            });
        }
        walk
    }

    /// The directory that `dir` (relative to the root) is in. That of the root is told by the system:
    /// the root may be a link.
    fn above(&self, dir: &Path) -> PathBuf {
        match dir.parent() {
            Some(parent) => self.root.join(parent),
            None => self.root.join(".."),
        }
    }

    /// Whether the directory `dir` (relative to the root) is on another file system than the one above
    /// it, so that something is mounted on it.
    pub(super) fn is_mount(&self, dir: &Path) -> io::Result<bool> {
        Ok(dev_of(&self.root.join(dir))? != dev_of(&self.above(dir))?)
    }

    /// Whether there is anything in the root, as it is listed, that is taken or looked into.
    pub(super) fn has_anything(&self) -> io::Result<bool> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let sort = entry.file_type()?;
            let verdict = |is_dir| self.rules.entry(Path::new(""), &entry.file_name(), is_dir);
            // What a link leads to is not asked here.
            let is_ours = (sort.is_dir() && self.recursive && verdict(true) == Verdict::Take)
                || (sort.is_file() && verdict(false) == Verdict::Take)
                || (sort.is_symlink() && self.follow_symlinks);
            if is_ours {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the directory `dir` belongs to this folder, and if so, whether a link leads there.
    fn holds(&self, dir: &Path, real_root: Option<&Path>) -> Option<bool> {
        if dir.as_os_str().is_empty() {
            return Some(false);
        }
        let plain = dir
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !plain || !self.recursive || self.rules.verdict(dir, true) != Verdict::Take {
            return None;
        }
        let mut linked = false;
        // The last ancestor is the root itself, which may well be a link.
        for part in dir.ancestors().filter(|part| !part.as_os_str().is_empty()) {
            let path = self.root.join(part);
            if self.is_nested(&path) {
                return None;
            }
            // What cannot be looked at is told by the walk when it tries to read the directory.
            linked |= fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
        }
        if linked {
            let target = self.root.join(dir).canonicalize().ok()?;
            (target.starts_with(real_root?) && !self.is_nested(&target)).then_some(true)
        } else {
            Some(false)
        }
    }

    /// Whether the absolute path belongs to another folder, nested in this one.
    pub(super) fn is_nested(&self, path: &Path) -> bool {
        self.nested.iter().any(|root| path.starts_with(root))
    }

    /// Whether the path may be a sidecar that tells about a file.
    pub(super) fn is_sidecar(&self, path: &Path) -> bool {
        self.sidecars
            && path
                .file_name()
                .is_some_and(|name| beside::sort(name).is_some())
    }

    /// Whether a file at `relative` would be taken, by the rules alone.
    pub(crate) fn takes(&self, relative: &Path) -> bool {
        let is_in_root = relative
            .parent()
            .is_none_or(|parent| parent.as_os_str().is_empty());
        (self.recursive || is_in_root)
            && self.rules.verdict(relative, false) == Verdict::Take
            && !self.is_nested(&self.root.join(relative))
    }

    /// Looks at one path, relative to the root; an error if it cannot be looked at, for one because
    /// it is not there.
    pub fn look(&self, relative: &Path) -> io::Result<Look<'_>> {
        let path = self.root.join(relative);
        let mut meta = fs::symlink_metadata(&path)?;
        let parent = relative.parent().unwrap_or(Path::new(""));
        let real_root = self.follow_symlinks.then(|| self.root.canonicalize());
        let real_root = real_root.transpose()?;
        let is_ours =
            parent.as_os_str().is_empty() || self.holds(parent, real_root.as_deref()).is_some();
        if meta.is_symlink() && is_ours {
            let inside = match &real_root {
                Some(root) => path.canonicalize()?.starts_with(root),
                None => false,
            };
            if !inside {
                return Ok(Look::Nothing);
            }
            meta = fs::metadata(&path)?;
        }
        let verdict = self.rules.verdict(relative, meta.is_dir());
        Ok(if verdict != Verdict::Take {
            Look::Refused(verdict)
        } else if !is_ours || self.is_nested(&path) {
            Look::Nothing
        } else if meta.is_dir() && (self.recursive || relative.as_os_str().is_empty()) {
            Look::Dir
        } else if meta.is_file() {
            Look::File(Entry::new(path.file_name().unwrap_or_default(), &meta))
        } else {
            Look::Nothing
        })
    }

    /// What the root is at this moment.
    pub fn root_state(&self) -> RootState {
        match fs::read_dir(&self.root).and_then(|mut entries| entries.next().transpose()) {
            Ok(Some(_)) => RootState::Present,
            Ok(None) => RootState::Empty,
            Err(error) if error.kind() == io::ErrorKind::NotFound => RootState::Missing,
            Err(error) => RootState::Unreadable(error),
        }
    }
}

/// The file system that a directory is on.
fn dev_of(dir: &Path) -> io::Result<u64> {
    fs::metadata(dir).map(|meta| meta.dev())
}

impl Entry {
    /// What `meta` says about the file called `name`.
    pub fn new(name: &OsStr, meta: &fs::Metadata) -> Self {
        let ns =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            name: name.to_owned(),
            size: meta.len(),
            mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
            ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
            dev: meta.dev(),
            inode: meta.ino(),
        }
    }
}

/// Looks at one regular file, without following a link.
pub fn look(path: &Path) -> io::Result<Entry> {
    let meta = fs::symlink_metadata(path)?;
    if meta.is_file() {
        Ok(Entry::new(path.file_name().unwrap_or_default(), &meta))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
    }
}

impl Listing {
    /// Whether the directory was not there any more when its turn came.
    pub fn is_vanished(&self) -> bool {
        self.problem
            .as_ref()
            .is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests;
