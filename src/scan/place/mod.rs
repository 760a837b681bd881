//! Places: the folders of the configuration and the PATHs of commands, and which part of which of
//! them a PATH is.
//!
//! Every file belongs to exactly one place, the deepest whose root it is below, by the real names
//! of directories. So a walk of one place leaves out the roots of the others. A place is told by the
//! root's path as it was configured, not by its real name: an unmounted folder has no real name, and
//! must still be the one that the store knows.
//!
//! The stage asks this, and so do the commands that say beforehand what it would do.

use std::{
    ffi::{OsStr, OsString},
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    fate,
    rules::Rules,
    walk::{Entry, Look, RootState, Tree},
};
use crate::{
    config::{Description, Folder, OnDelete, Order, Timezone},
    context::{Error, Result},
    escape::Escaped,
    model::{album_title, ids::RootId, order_key::OrderKey},
    store::{self, Reader, RootSpec},
};

mod asked;
mod mounts;

pub use asked::Asked;
pub(super) use mounts::Mounts;

/// A root, and everything that decides what becomes of its files.
#[derive(Debug)]
pub struct Place {
    /// Its rules; the path is absolute.
    pub folder: Folder,
    /// Whether it is of the configuration: others are never watched, and nothing in them is gone.
    pub is_configured: bool,
    /// The zone of times without an offset.
    pub(super) zone: TimeZone,
    /// How it is walked.
    pub tree: Arc<Tree>,
    /// The root with all links resolved, as far as it exists.
    real: PathBuf,
}

/// Which part of a place is to be scanned. Paths are relative to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// A directory and what is below it.
    Below(PathBuf),
    /// A directory alone.
    Only(PathBuf),
    /// Some entries of a directory, if they are files.
    Files {
        /// The directory.
        dir: PathBuf,
        /// The names in it.
        names: Vec<OsString>,
    },
}

/// Why a place cannot be scanned at the moment: nothing in it is claimed, waited for or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Away {
    /// There is no such directory.
    Missing,
    /// There is nothing in it, or nothing that is taken, where files were known.
    Empty,
    /// It was the top of a disk, and no disk is mounted there.
    NotMounted,
    /// The system does not let us read it.
    Unreadable(String),
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there"),
            Self::Empty => f.write_str("it is empty, and there were files in it"),
            Self::NotMounted => f.write_str("the disk that was mounted there is not"),
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
        }
    }
}

impl Part {
    /// A directory and what is below it.
    pub(super) fn below(dir: PathBuf) -> Self {
        if dir.as_os_str().is_empty() {
            Self::Whole
        } else {
            Self::Below(dir)
        }
    }

    /// Whether a file at `relative` is in it.
    pub(crate) fn holds(&self, relative: &Path) -> bool {
        match self {
            Self::Whole => true,
            Self::Below(dir) => relative.starts_with(dir),
            Self::Only(dir) => relative.parent() == Some(dir),
            Self::Files { dir, names } => {
                let name = relative.file_name();
                relative.parent() == Some(dir) && names.iter().any(|it| Some(&**it) == name)
            }
        }
    }
}

impl Place {
    fn new(folder: Folder, is_configured: bool, nested: Vec<PathBuf>) -> Result<Self> {
        let path = Escaped::path(&folder.path);
        let rules = Rules::new(&folder.include, &folder.exclude).map_err(|error| {
            Error::Intake(format!("the rules of {path} are not valid: {error}"))
        })?;
        let zone = match &folder.timezone {
            Timezone::Local => TimeZone::system(),
            Timezone::Named(name) => TimeZone::get(name)
                .map_err(|error| Error::Intake(format!("the timezone of {path}: {error}")))?,
        };
        let tree = Tree {
            root: folder.path.clone(),
            rules: Arc::new(rules),
            recursive: folder.recursive,
            follow_symlinks: folder.follow_symlinks,
            sidecars: folder.description == Description::Sidecar,
            nested,
        };
        Ok(Self {
            real: real(&folder.path),
            is_configured,
            zone,
            tree: Arc::new(tree),
            folder,
        })
    }

    /// The root's path.
    pub fn root(&self) -> &Path {
        &self.folder.path
    }

    /// How the store is told about it.
    pub(super) fn spec(&self) -> RootSpec {
        RootSpec {
            path: self.folder.path.clone(),
            configured: self.is_configured,
            rule: self.rule(),
            removes: self.is_configured && self.folder.on_delete == OnDelete::RemoveFromAlbum,
        }
    }

    /// What decides album and place there, in one line: when it changes, so may what is queued.
    pub(super) fn rule(&self) -> String {
        let order = match self.folder.order {
            Order::Taken => "taken",
            Order::Name => "name",
            Order::Modified => "modified",
            Order::Arrival => "arrival",
        };
        let zone = match &self.folder.timezone {
            Timezone::Local => "local",
            Timezone::Named(name) => name,
        };
        let album = &self.folder.album;
        format!("album {album:?}, order {order}, timezone {zone}")
    }

    /// The title of the album that `entry`, in the directory `dir` below the root, would be queued
    /// for; none for no album. Its head is read if the title depends on when it was taken.
    pub fn album_for(&self, dir: &Path, entry: &Entry, now: Timestamp) -> Option<String> {
        fate::album(self, dir, entry, now)
    }

    /// Where `entry` would stand in its album. Its head is read if that depends on when it was taken.
    pub fn key_for(&self, dir: &Path, entry: &Entry, now: Timestamp) -> OrderKey {
        fate::key(self, dir, entry, now)
    }

    /// The album of a file that was taken then, as far as that is asked for.
    pub(super) fn album_of(&self, relative: &Path, taken: Option<Timestamp>) -> Option<String> {
        let day = taken.map(|taken| self.zone.to_datetime(taken).date());
        album_title::title_for(&self.folder.album, self.root(), relative, day)
    }

    /// The part that is at `relative`, or why its rules leave that out.
    fn part(&self, relative: &Path) -> io::Result<std::result::Result<Part, String>> {
        if relative.as_os_str().is_empty() {
            return Ok(Ok(Part::Whole));
        }
        Ok(match self.tree.look(relative)? {
            Look::Dir => Ok(Part::Below(relative.to_owned())),
            Look::File(_) => Ok(Part::Files {
                dir: relative.parent().unwrap_or(Path::new("")).to_owned(),
                names: relative
                    .file_name()
                    .map(OsStr::to_owned)
                    .into_iter()
                    .collect(),
            }),
            Look::Refused(verdict) => Err(verdict.to_string()),
            Look::Nothing => Err("it is no file or folder that is looked into".to_owned()),
        })
    }

    /// Why it cannot be scanned at the moment, if so.
    pub(super) fn away(&self, id: RootId, reader: &Reader) -> store::Result<Option<Away>> {
        Ok(match self.tree.root_state() {
            RootState::Present => match self.tree.has_anything() {
                Ok(false) => reader.knows_files_of(id)?.then_some(Away::Empty),
                Ok(true) => {
                    let is_root = |dir: &PathBuf| dir.as_os_str().is_empty();
                    let away = self.mounts(id, reader)?.away;
                    away.iter().any(is_root).then_some(Away::NotMounted)
                }
                Err(error) => Some(Away::Unreadable(error.to_string())),
            },
            RootState::Missing => Some(Away::Missing),
            RootState::Empty => reader.knows_files_of(id)?.then_some(Away::Empty),
            RootState::Unreadable(error) => Some(Away::Unreadable(error.to_string())),
        })
    }
}

/// All places of a run, in the order in which they were named. They are added, never removed.
#[derive(Debug, Default)]
pub struct Places(Vec<Arc<Place>>);

impl Places {
    /// The folders of a configuration.
    pub fn new(folders: impl IntoIterator<Item = Folder>) -> Result<Self> {
        let mut unique: Vec<Folder> = Vec::new();
        for mut folder in folders {
            folder.path = absolute(&folder.path);
            if unique.iter().all(|known| known.path != folder.path) {
                unique.push(folder);
            }
        }
        let roots: Vec<PathBuf> = unique.iter().map(|folder| folder.path.clone()).collect();
        let places = unique.into_iter().map(|folder| {
            let nested = nested_in(&folder.path, roots.iter().map(PathBuf::as_path));
            Ok(Arc::new(Place::new(folder, true, nested)?))
        });
        Ok(Self(places.collect::<Result<_>>()?))
    }

    /// The place of this number.
    pub fn get(&self, number: usize) -> Option<&Arc<Place>> {
        self.0.get(number)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Place>> {
        self.0.iter()
    }

    /// The number of the place whose root is `path`.
    pub(super) fn of_root(&self, path: &Path) -> Option<usize> {
        let path = absolute(path);
        self.0.iter().position(|place| place.root() == path)
    }

    /// The configured place that an absolute path of the watcher is in, and the path below its root.
    pub(super) fn of_hint(&self, path: &Path) -> Option<(usize, PathBuf)> {
        self.deepest(|place| {
            let is_watched = place.is_configured;
            is_watched
                .then(|| path.strip_prefix(place.root()).ok())
                .flatten()
        })
    }

    /// The place, with its number, that a file is in which was taken in below `root`: the deepest one
    /// by any of its names. None if `root` is that of no place.
    pub(crate) fn holder_of(&self, root: &Path, relative: &Path) -> Option<(usize, &Place)> {
        let number = self.of_root(root)?;
        let (real, named) = (self.get(number)?.real.join(relative), root.join(relative));
        let (deepest, _) = self.deepest(|place| {
            let by_name = named.strip_prefix(place.root());
            real.strip_prefix(&place.real).or(by_name).ok()
        })?;
        Some((deepest, self.get(deepest)?))
    }

    fn add(&mut self, root: &Path) -> Result<Arc<Place>> {
        let nested = nested_in(root, self.0.iter().map(|place| place.root()));
        let place = Arc::new(Place::new(Folder::with_defaults(root), false, nested)?);
        self.0.push(Arc::clone(&place));
        Ok(place)
    }

    fn of_real(&self, target: &Path) -> Option<(usize, PathBuf)> {
        self.deepest(|place| target.strip_prefix(&place.real).ok())
    }

    fn deepest<'a>(
        &'a self,
        below: impl Fn(&'a Place) -> Option<&'a Path>,
    ) -> Option<(usize, PathBuf)> {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(number, place)| Some((number, below(place)?)))
            .min_by_key(|(_, relative)| relative.components().count())
            .map(|(number, relative)| (number, relative.to_owned()))
    }
}

/// Which of `roots` are below `root`, under every name by which a walk may come upon them.
fn nested_in<'a>(root: &Path, roots: impl Iterator<Item = &'a Path>) -> Vec<PathBuf> {
    let real_root = real(root);
    let mut nested = Vec::new();
    for other in roots.filter(|other| *other != root) {
        if other.starts_with(root) {
            nested.push(other.to_owned());
        }
        let real_other = real(other);
        if let Ok(relative) = real_other.strip_prefix(&real_root)
            && !relative.as_os_str().is_empty()
        {
            nested.push(root.join(relative));
            nested.push(real_other);
        }
    }
    nested.sort();
    nested.dedup();
    nested
}

/// The path from the top, written in the one way in which the store knows it.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.components().collect()
}

/// The path with the links of its existing part resolved.
fn real(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        (Err(_), _, _) => path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
