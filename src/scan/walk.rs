//! Reads the files of a folder, one directory at a time.
//!
//! A walk is an iterator of [`Listing`]s. It blocks, so run it on a thread of its own. Directories still to be
//! read are kept in a list, so a deep tree costs heap and no stack. Only files that the rules take are looked
//! at on disk. A walk never fails as a whole: errors are part of the listing that they belong to.
//!
//! Before concluding that a file is missing, check [`Listing::problem`]: if a directory could not be read,
//! nothing is known about it and everything below it. Mounts inside a folder are walked like directories and
//! marked by [`Listing::is_mount`]: after an unmount they are an empty directory, or none.
//!
//! Symbolic links are ignored unless `follow_symlinks` is set. Then a link to a file counts as that file. A link
//! to a directory is walked if it stays inside the root, does not lead to a directory above itself, and was
//! not itself found through a link to a directory. So a walk always ends, and reads at most links × files.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs::{self, DirEntry},
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::rules::{Rules, Verdict};
use crate::{media::description::sidecars, store::FileStat};

/// A folder that can be walked: its root and everything that decides what belongs to it.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The root, absolute.
    pub root: PathBuf,
    /// Which files are uploaded.
    pub rules: Arc<Rules>,
    /// Whether directories below the root belong to it.
    pub recursive: bool,
    /// Whether symbolic links are followed.
    pub follow_symlinks: bool,
    /// Whether sidecars are listed, for descriptions.
    pub sidecars: bool,
    /// Roots of other folders below this one, absolute: their files are not this folder's.
    pub nested: Vec<PathBuf>,
}

/// Which part of a folder is scanned. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Folder,
    /// A directory and everything below it.
    Subtree(PathBuf),
    /// A directory without those below it.
    Directory(PathBuf),
    /// Some files of a directory.
    Files {
        /// The directory.
        dir: PathBuf,
        /// The names in it.
        names: BTreeSet<OsString>,
    },
}

impl Scope {
    /// A directory and everything below it.
    pub(super) fn subtree(dir: PathBuf) -> Self {
        if dir.as_os_str().is_empty() {
            Self::Folder
        } else {
            Self::Subtree(dir)
        }
    }

    /// The directory: that of the files, or the root.
    pub(super) fn dir(&self) -> &Path {
        match self {
            Self::Folder => Path::new(""),
            Self::Subtree(dir) | Self::Directory(dir) | Self::Files { dir, .. } => dir,
        }
    }

    /// Whether everything below the directory is part of it.
    pub(super) fn is_recursive(&self) -> bool {
        matches!(self, Self::Folder | Self::Subtree(_))
    }

    /// One file.
    pub(super) fn file(relative: &Path) -> Self {
        Self::Files {
            dir: parent(relative).to_owned(),
            names: relative
                .file_name()
                .map(OsStr::to_owned)
                .into_iter()
                .collect(),
        }
    }

    /// Whether a file at `relative` is in it.
    pub(crate) fn contains(&self, relative: &Path) -> bool {
        match self {
            Self::Folder => true,
            Self::Subtree(dir) => relative.starts_with(dir),
            Self::Directory(dir) => relative.parent() == Some(dir),
            Self::Files { dir, names } => {
                let mut name = relative.file_name().into_iter();
                relative.parent() == Some(dir) && name.any(|name| names.contains(name))
            }
        }
    }
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in its directory: bytes.
    pub name: OsString,
    /// Size, times, inode.
    pub stat: FileStat,
}

/// What one directory holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// The directory, relative to the root; empty for the root.
    pub dir: PathBuf,
    /// The files that the rules take, in no order.
    pub files: Vec<Entry>,
    /// Names that may be sidecars; none if they are not asked for.
    pub sidecars: Option<Vec<OsString>>,
    /// How many entries the rules do not take.
    pub passed_over: PassedOver,
    /// Files that the rules take and that could not be looked at.
    pub unreadable: Vec<(OsString, io::Error)>,
    /// Of [`Scope::Files`]: names that do not exist.
    pub missing: Vec<OsString>,
    /// Why the directory could not be read, or not to its end.
    pub problem: Option<io::Error>,
    /// It is on another file system than the directory above it.
    pub is_mount: bool,
}

/// How many entries of a directory were not taken, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Files of types that the service does not accept.
    pub other_kind: u64,
    /// Files and directories that a built-in exclude matches.
    pub junk: u64,
    /// Files and directories that `exclude` matches.
    pub excluded: u64,
    /// Files that no pattern of `include` matches.
    pub not_included: u64,
}

/// What a path is now, by the rules of its folder.
#[derive(Debug)]
pub enum Look<'a> {
    /// A file that is taken.
    File(Entry),
    /// A directory that is searched.
    Dir,
    /// The rules do not take it.
    Refused(Verdict<'a>),
    /// No file or directory of this folder: a socket, a link that is not followed, something in a nested folder.
    Nothing,
}

/// What a folder's root is now.
#[derive(Debug)]
pub enum RootState {
    /// There is something in it.
    Present,
    /// There is no such directory: perhaps its disk is not mounted.
    Missing,
    /// There is nothing in it: perhaps its disk is not mounted.
    Empty,
    /// It cannot be read.
    Unreadable(io::Error),
}

/// A walk over a tree, or over a part of it.
#[derive(Debug)]
pub struct Walk<'a> {
    tree: &'a Tree,
    /// The root with all links resolved; only if links are followed.
    real_root: Option<PathBuf>,
    pending: Vec<Pending>,
    /// Single files, listed before `pending`.
    files: Option<(PathBuf, BTreeSet<OsString>)>,
    recursive: bool,
    /// The file system of the directory that is being read.
    dev: Option<u64>,
}

/// A directory still to be read.
#[derive(Debug)]
struct Pending {
    /// Relative to the root.
    dir: PathBuf,
    /// It was reached through a link to a directory.
    linked: bool,
    /// The file system of the directory above it.
    above: Option<u64>,
}

impl Tree {
    /// Walks a part of the folder. A directory that does not belong to it gives no listing.
    pub fn walk(&self, scope: &Scope) -> Walk<'_> {
        let dir = scope.dir();
        let mut walk = Walk {
            tree: self,
            real_root: None,
            pending: Vec::new(),
            files: None,
            recursive: scope.is_recursive() && self.recursive,
            dev: None,
        };
        if let Scope::Files { dir, names } = scope {
            walk.files = Some((dir.clone(), names.clone()));
            return walk;
        }
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

    /// The directory above `dir` (relative to the root). Above the root it is `..`: the root may be a link.
    fn above(&self, dir: &Path) -> PathBuf {
        self.root.join(dir.parent().unwrap_or(Path::new("..")))
    }

    /// Whether the directory `dir` (relative to the root) is on another file system than the one above it.
    pub(super) fn is_mount(&self, dir: &Path) -> io::Result<bool> {
        Ok(dev_of(&self.root.join(dir))? != dev_of(&self.above(dir))?)
    }

    /// Whether the root holds anything that the rules take or search.
    pub(super) fn has_anything(&self) -> io::Result<bool> {
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let takes = |is_dir| {
                let name = entry.file_name();
                self.rules.check_entry(Path::new(""), &name, is_dir) == Verdict::Take
            };
            // Links are not resolved here.
            if (kind.is_dir() && self.recursive && takes(true))
                || (kind.is_file() && takes(false))
                || (kind.is_symlink() && self.follow_symlinks)
            {
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
        let mut parts = dir.components();
        let is_plain = parts.all(|part| matches!(part, Component::Normal(_)));
        if !is_plain || !self.recursive || self.rules.check_path(dir, true) != Verdict::Take {
            return None;
        }
        let mut linked = false;
        // The last ancestor is the root itself, which may be a link.
        for part in dir.ancestors().filter(|part| !part.as_os_str().is_empty()) {
            let path = self.root.join(part);
            if self.is_nested(&path) {
                return None;
            }
            // An error here shows up again when the walk reads the directory.
            linked |= fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_symlink());
        }
        if !linked {
            return Some(false);
        }
        let target = self.root.join(dir).canonicalize().ok()?;
        (target.starts_with(real_root?) && !self.is_nested(&target)).then_some(true)
    }

    /// Whether the absolute path belongs to another folder, nested in this one.
    pub(super) fn is_nested(&self, path: &Path) -> bool {
        self.nested.iter().any(|root| path.starts_with(root))
    }

    /// Whether the path may be a sidecar.
    pub(super) fn is_sidecar(&self, path: &Path) -> bool {
        let name = path.file_name().filter(|_| self.sidecars);
        name.is_some_and(|name| sidecars::sort(name).is_some())
    }

    /// Whether a file at `relative` would be taken, by the rules alone.
    pub(crate) fn takes(&self, relative: &Path) -> bool {
        (self.recursive || parent(relative).as_os_str().is_empty())
            && self.rules.check_path(relative, false) == Verdict::Take
            && !self.is_nested(&self.root.join(relative))
    }

    /// Looks at one path, relative to the root. Fails if it does not exist or cannot be looked at.
    pub fn look(&self, relative: &Path) -> io::Result<Look<'_>> {
        let path = self.root.join(relative);
        let mut meta = fs::symlink_metadata(&path)?;
        let dir = parent(relative);
        let real_root = self.follow_symlinks.then(|| self.root.canonicalize());
        let real_root = real_root.transpose()?;
        let is_ours = dir.as_os_str().is_empty() || self.holds(dir, real_root.as_deref()).is_some();
        if meta.is_symlink() && is_ours {
            let target = real_root.map(|root| Ok::<_, io::Error>((path.canonicalize()?, root)));
            match target.transpose()? {
                Some((target, root)) if target.starts_with(&root) => meta = fs::metadata(&path)?,
                _ => return Ok(Look::Nothing),
            }
        }
        let verdict = self.rules.check_path(relative, meta.is_dir());
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

    /// What the root is now.
    pub fn root_state(&self) -> RootState {
        match fs::read_dir(&self.root).and_then(|mut entries| entries.next().transpose()) {
            Ok(Some(_)) => RootState::Present,
            Ok(None) => RootState::Empty,
            Err(error) if error.kind() == io::ErrorKind::NotFound => RootState::Missing,
            Err(error) => RootState::Unreadable(error),
        }
    }
}

/// The directory that the relative path is in; empty for the root.
fn parent(relative: &Path) -> &Path {
    relative.parent().unwrap_or(Path::new(""))
}

/// The file system that a directory is on.
fn dev_of(dir: &Path) -> io::Result<u64> {
    fs::metadata(dir).map(|meta| meta.dev())
}

/// Whether the error means that there is nothing of this name.
pub(super) fn is_not_found(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl Entry {
    /// The file called `name`.
    pub fn new(name: &OsStr, meta: &fs::Metadata) -> Self {
        let ns =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            name: name.to_owned(),
            stat: FileStat {
                size: meta.len(),
                mtime_ns: ns(meta.mtime(), meta.mtime_nsec()),
                ctime_ns: ns(meta.ctime(), meta.ctime_nsec()),
                dev: meta.dev(),
                inode: meta.ino(),
            },
        }
    }
}

impl Listing {
    /// Whether the directory did not exist any more when it was to be read.
    pub fn is_vanished(&self) -> bool {
        let mut problem = self.problem.iter();
        problem.any(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// A file that was deleted while the directory was read is no problem; any other error is.
    fn note_unreadable(&mut self, name: OsString, error: io::Error) {
        if error.kind() != io::ErrorKind::NotFound {
            self.unreadable.push((name, error));
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Listing;

    fn next(&mut self) -> Option<Listing> {
        if let Some((dir, names)) = self.files.take() {
            return Some(self.list_files(dir, names));
        }
        let Pending { dir, linked, above } = self.pending.pop()?;
        let path = self.tree.root.join(&dir);
        self.dev = dev_of(&path).ok();
        let mut listing = Listing {
            dir,
            is_mount: self.dev.zip(above).is_some_and(|(dev, above)| dev != above),
            sidecars: self.tree.sidecars.then(Vec::new),
            ..Listing::default()
        };
        let read = fs::read_dir(path).and_then(|mut entries| {
            entries.try_for_each(|entry| {
                self.add_entry(&entry?, linked, &mut listing);
                Ok(())
            })
        });
        listing.problem = read.err();
        Some(listing)
    }
}

/// What a symbolic link leads to, if the walk follows it.
enum Target {
    Dir,
    File(fs::Metadata),
}

impl Walk<'_> {
    fn list_files(&self, dir: PathBuf, names: BTreeSet<OsString>) -> Listing {
        let mut listing = Listing {
            dir,
            ..Listing::default()
        };
        for name in names {
            match self.tree.look(&listing.dir.join(&name)) {
                Ok(Look::File(entry)) => listing.files.push(entry),
                Ok(Look::Refused(verdict)) => {
                    count(&mut listing.passed_over, verdict);
                }
                Ok(Look::Dir | Look::Nothing) => {}
                Err(error) if is_not_found(&error) => listing.missing.push(name),
                Err(error) => listing.unreadable.push((name, error)),
            }
        }
        listing
    }

    fn add_entry(&mut self, entry: &DirEntry, linked: bool, listing: &mut Listing) {
        let name = entry.file_name();
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return listing.note_unreadable(name, error),
        };
        if kind.is_symlink() {
            self.add_link(name, linked, listing);
        } else if kind.is_dir() {
            self.add_dir(name, linked, listing);
        } else if let Some(sidecars) = &mut listing.sidecars
            && kind.is_file()
            && sidecars::sort(&name).is_some()
        {
            sidecars.push(name);
        } else if kind.is_file() && self.takes(&name, listing) {
            match entry.metadata() {
                // It may have been replaced since its name was read.
                Ok(meta) if meta.is_file() => listing.files.push(Entry::new(&name, &meta)),
                Ok(_) => {}
                Err(error) => listing.note_unreadable(name, error),
            }
        }
    }

    fn add_dir(&mut self, name: OsString, linked: bool, listing: &mut Listing) {
        let tree = self.tree;
        if !self.recursive {
            return;
        }
        let verdict = tree.rules.check_entry(&listing.dir, &name, true);
        if !count(&mut listing.passed_over, verdict) {
            return;
        }
        let dir = listing.dir.join(name);
        if tree.nested.is_empty() || !tree.is_nested(&tree.root.join(&dir)) {
            let above = self.dev;
            self.pending.push(Pending { dir, linked, above });
        }
    }

    fn add_link(&mut self, name: OsString, linked: bool, listing: &mut Listing) {
        let Some(real_root) = self.real_root.as_deref() else {
            return;
        };
        let path = self.tree.root.join(&listing.dir).join(&name);
        match self.follow(&path, linked, real_root) {
            Ok(Some(Target::Dir)) => self.add_dir(name, true, listing),
            Ok(Some(Target::File(meta))) => {
                if self.takes(&name, listing) {
                    listing.files.push(Entry::new(&name, &meta));
                }
            }
            Ok(None) => {}
            // A link to a name that does not exist is ignored, like a file that was deleted.
            Err(error) => {
                if self.tree.rules.check_entry(&listing.dir, &name, false) == Verdict::Take {
                    listing.note_unreadable(name, error);
                }
            }
        }
    }

    /// What the link at `path` leads to, if that is inside the root and not a directory above the link.
    fn follow(&self, path: &Path, linked: bool, real_root: &Path) -> io::Result<Option<Target>> {
        let target = path.canonicalize()?;
        if !target.starts_with(real_root) || self.tree.is_nested(&target) {
            return Ok(None);
        }
        let meta = fs::metadata(&target)?;
        if meta.is_file() {
            return Ok(Some(Target::File(meta)));
        }
        let above = parent(path).canonicalize()?;
        let is_walkable = meta.is_dir() && !linked && !above.starts_with(&target);
        Ok(is_walkable.then_some(Target::Dir))
    }

    /// Whether the rules take the file; counted if not.
    fn takes(&self, name: &OsStr, listing: &mut Listing) -> bool {
        let verdict = self.tree.rules.check_entry(&listing.dir, name, false);
        count(&mut listing.passed_over, verdict)
    }
}

/// Whether the verdict is to take it; counts it otherwise.
fn count(passed_over: &mut PassedOver, verdict: Verdict<'_>) -> bool {
    let counter = match verdict {
        Verdict::Take => return true,
        Verdict::Junk { .. } => &mut passed_over.junk,
        Verdict::Excluded { .. } => &mut passed_over.excluded,
        Verdict::NotIncluded => &mut passed_over.not_included,
        Verdict::OtherKind => &mut passed_over.other_kind,
    };
    *counter += 1;
    false
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
