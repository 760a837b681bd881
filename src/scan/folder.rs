//! Folders: those of the configuration, and those that the PATHs of a command add.
//!
//! Every file belongs to exactly one folder: the deepest whose root is above it, by the real names of
//! directories. So a walk of one folder leaves out the roots of the others. A folder is identified by its path
//! as configured, not by its real name: an unmounted one has no real name, and must still be found in the
//! store.
//!
//! [`Folder::classify`] is the one answer to "what happens to this file"; [`Folder::destination`] is the part
//! of it that commands show in advance: album and order key. The head of a file is read only here, and only if
//! the order or the title of its album needs the capture time. So the album of a file is fixed when it is
//! queued.

use std::{
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use rustix::fs::OFlags;

use super::{
    rules::Rules,
    walk::{Entry, Look, Scope, Tree},
};
use crate::{
    clock,
    config::{self, AlbumRule, Config, Description, OnDelete, Order, Timezone, absolute},
    context::{Error, Result},
    escape::Escaped,
    media::{
        capture_time::{self, Taken},
        dimensions, file_type,
    },
    model::{album_title, ids::RootId, order_key::OrderKey},
    store::{Change, FileDecision, KnownFile, RootSpec},
};

/// From this many files on, two threads read their heads. Two keep a disk busy while a head is parsed, and
/// each may hold [`capture_time::READ_LIMIT`] bytes.
const MIN_PARALLEL: usize = 8;

/// A folder, with everything that decides what happens to its files.
#[derive(Debug)]
pub struct Folder {
    /// Its section of the configuration; the path is absolute.
    pub settings: config::Folder,
    /// Whether it is in the configuration. Others are never watched, and nothing in them counts as deleted.
    pub is_configured: bool,
    /// How it is walked.
    pub tree: Arc<Tree>,
    /// The zone of times without an offset.
    pub(super) zone: TimeZone,
    /// The root with all links resolved, as far as it exists.
    real: PathBuf,
}

/// A file to be classified.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its row, if it has one.
    pub(super) row: Option<KnownFile>,
    /// Its directory, relative to the root.
    pub(super) dir: PathBuf,
    /// The file.
    pub(super) entry: Entry,
    /// Whether it was first seen after its folder's first full scan.
    pub(super) is_new_arrival: bool,
    /// Whether two looks, its settle time apart, saw the same; none after one look.
    pub(super) is_stable: Option<bool>,
}

impl Candidate {
    /// What is recorded of it. `root` is the row of its folder.
    pub(super) fn into_change(self, root: RootId, decision: FileDecision) -> Change {
        let (dir, name, stat) = (self.dir, self.entry.name, self.entry.stat);
        match self.row.map(|row| row.id) {
            Some(file) => Change::Modified {
                file,
                stat,
                decision,
            },
            None => Change::Found {
                root,
                dir,
                name,
                stat,
                decision,
            },
        }
    }
}

/// See [`Folder::preview`].
#[derive(Debug, Clone)]
pub struct Preview {
    /// The title of its album; none is the library alone.
    pub album: Option<String>,
    /// Its order key there.
    pub key: OrderKey,
    /// Whether its upload takes so long that no batch waits for it.
    pub large: bool,
    /// When it was taken, and the source of that.
    pub taken: Taken,
    /// Width and height.
    pub pixels: Option<(u32, u32)>,
}

/// The settle time of a file whose row says `settle_ms`.
pub(super) fn settle_time(config: &Config, settle_ms: u64) -> Duration {
    config.watch.settle.max(Duration::from_millis(settle_ms))
}

impl Folder {
    fn new(settings: config::Folder, is_configured: bool, nested: Vec<PathBuf>) -> Result<Self> {
        let path = Escaped::path(&settings.path);
        let rules = Rules::new(&settings.include, &settings.exclude).map_err(|error| {
            Error::Intake(format!("the rules of {path} are not valid: {error}"))
        })?;
        let zone = match &settings.timezone {
            Timezone::Local => TimeZone::system(),
            Timezone::Named(name) => TimeZone::get(name)
                .map_err(|error| Error::Intake(format!("the timezone of {path}: {error}")))?,
        };
        let tree = Tree {
            root: settings.path.clone(),
            rules: Arc::new(rules),
            recursive: settings.recursive,
            follow_symlinks: settings.follow_symlinks,
            sidecars: settings.description == Description::Sidecar,
            nested,
        };
        Ok(Self {
            real: real(&settings.path),
            is_configured,
            zone,
            tree: Arc::new(tree),
            settings,
        })
    }

    /// The root's path.
    pub fn root(&self) -> &Path {
        &self.settings.path
    }

    /// What the store keeps of it.
    pub fn spec(&self) -> RootSpec {
        RootSpec {
            path: self.settings.path.clone(),
            configured: self.is_configured,
            rule: self.rule(),
            removes: self.is_configured && self.settings.on_delete == OnDelete::RemoveFromAlbum,
        }
    }

    /// The settings that decide albums and order keys, as one line. If it changes, queued files are classified
    /// again.
    pub(super) fn rule(&self) -> String {
        let order = match self.settings.order {
            Order::Taken => "taken",
            Order::Name => "name",
            Order::Modified => "modified",
            Order::Arrival => "arrival",
        };
        let zone = match &self.settings.timezone {
            Timezone::Local => "local",
            Timezone::Named(name) => name,
        };
        let album = &self.settings.album;
        format!("album {album:?}, order {order}, timezone {zone}")
    }

    /// What happens to a file that is new or has changed: it settles, is queued, or is refused.
    pub(super) fn classify(
        &self,
        file: &Candidate,
        config: &Config,
        now: Timestamp,
    ) -> FileDecision {
        let entry = &file.entry;
        // Longer than configured after the file was changed during an upload.
        let settle_ms = file.row.as_ref().map_or(0, |row| row.settle_ms);
        let settle = settle_time(config, settle_ms);
        let is_stable = file.is_stable;
        let has_settled = is_stable.unwrap_or_else(|| is_older(entry, settle, now));
        if !has_settled {
            let due_at = clock::after(now, settle);
            return FileDecision::Settle { due_at, settle_ms };
        }
        let kind = file_type::by_name(&entry.name);
        if let Some(error) = kind.and_then(|kind| kind.check_size(entry.stat.size).err()) {
            let kind = match error {
                file_type::BadSize::Empty => "empty",
                file_type::BadSize::TooLarge { .. } => "too_large",
            };
            let reason = error.to_string();
            return FileDecision::Refuse { kind, reason };
        }
        let (album, key) = self.destination(&file.dir, entry, now);
        FileDecision::Queue {
            album,
            key,
            large: entry.stat.size > config.upload.resumable_above,
            fresh: file.is_new_arrival,
        }
    }

    /// Classifies files, in their order. Blocks.
    pub(super) fn classify_all(
        &self,
        files: &[Candidate],
        config: &Config,
        now: Timestamp,
    ) -> Vec<FileDecision> {
        let classify = |file| self.classify(file, config, now);
        if !self.needs_capture_time() || files.len() < MIN_PARALLEL {
            return files.iter().map(classify).collect();
        }
        let (first, second) = files.split_at(files.len() / 2);
        thread::scope(|scope| {
            let second = scope.spawn(|| second.iter().map(classify).collect::<Vec<_>>());
            let mut all: Vec<FileDecision> = first.iter().map(classify).collect();
            match second.join() {
                Ok(more) => all.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
            all
        })
    }

    /// The title of the album that a file in `dir` (relative to the root) is queued for, none for the library
    /// alone; and its order key there. Reads the file's head if either depends on when it was taken.
    pub fn destination(
        &self,
        dir: &Path,
        entry: &Entry,
        now: Timestamp,
    ) -> (Option<String>, OrderKey) {
        let relative = dir.join(&entry.name);
        let path = self.root().join(&relative);
        let taken = self
            .needs_capture_time()
            .then(|| self.capture_time(&path, entry, now));
        let day = taken.map(|taken| self.zone.to_datetime(taken).date());
        let album = album_title::title_for(&self.settings.album, self.root(), &relative, day);
        let modified = Timestamp::from_nanosecond(i128::from(entry.stat.mtime_ns));
        let instant = match self.settings.order {
            Order::Taken if album.is_some() => taken,
            Order::Name if album.is_some() => None,
            Order::Arrival if album.is_some() => Some(now),
            _ => Some(modified.unwrap_or(Timestamp::UNIX_EPOCH)),
        };
        (album, OrderKey::new(instant, entry.name.as_bytes(), &path))
    }

    /// What a scan would do with a file, and what its head says: for `rebuild`. None if it may still be written to,
    /// is refused, or cannot be read. Blocks.
    pub fn preview(
        &self,
        dir: &Path,
        entry: &Entry,
        row: Option<&KnownFile>,
        config: &Config,
        now: Timestamp,
    ) -> Option<Preview> {
        let (name, mtime) = (&entry.name, entry.stat.mtime_ns);
        let kind = file_type::by_name(name)?;
        let candidate = Candidate {
            row: row.cloned(),
            dir: dir.to_owned(),
            entry: entry.clone(),
            is_new_arrival: false,
            is_stable: None,
        };
        let decision = self.classify(&candidate, config, now);
        let FileDecision::Queue {
            album, key, large, ..
        } = decision
        else {
            return None;
        };
        let mut file = File::open(self.root().join(dir).join(name)).ok()?;
        Some(Preview {
            album,
            key,
            large,
            taken: capture_time::taken(&mut file, name, mtime, &self.zone, now),
            pixels: dimensions::pixels(&mut file, kind),
        })
    }

    fn needs_capture_time(&self) -> bool {
        let config::Folder { album, order, .. } = &self.settings;
        (*order == Order::Taken && *album != AlbumRule::None) || album_title::asks_for_day(album)
    }

    /// When the file was taken. If it cannot be opened, its name and last change decide; the upload will report
    /// the error.
    fn capture_time(&self, path: &Path, entry: &Entry, now: Timestamp) -> Timestamp {
        // If it has become a pipe meanwhile, opening it does not wait for a writer.
        let nonblocking = OFlags::NONBLOCK.bits() as i32;
        let file = File::options()
            .read(true)
            .custom_flags(nonblocking)
            .open(path);
        let (name, mtime) = (entry.name.as_os_str(), entry.stat.mtime_ns);
        let taken = match file {
            Ok(mut file) => capture_time::taken(&mut file, name, mtime, &self.zone, now),
            Err(_) => capture_time::taken(&mut io::empty(), name, mtime, &self.zone, now),
        };
        taken.instant
    }
}

/// Whether the file's own times say that nothing has changed for `age`.
fn is_older(entry: &Entry, age: Duration, now: Timestamp) -> bool {
    let newest = i128::from(entry.stat.mtime_ns.max(entry.stat.ctime_ns));
    let age = i128::try_from(age.as_nanos()).unwrap_or(i128::MAX);
    newest.saturating_add(age) <= now.as_nanosecond()
}

/// All folders of a run, numbered in the order in which they were named. They are added, never removed.
#[derive(Debug, Default)]
pub struct Folders(Vec<Arc<Folder>>);

/// What the PATHs of a command mean.
#[derive(Debug, Default)]
pub struct ResolvedPaths {
    /// Parts of folders, each with the number of its folder; none twice.
    pub scopes: Vec<(usize, Scope)>,
    /// Paths that the rules of their folder leave out, and why.
    pub left_out: Vec<(PathBuf, String)>,
}

impl ResolvedPaths {
    fn add(&mut self, number: usize, scope: Scope) {
        let known = |scope: &Scope| {
            self.scopes
                .iter()
                .any(|it| it.0 == number && it.1 == *scope)
        };
        if !known(&scope) && !known(&Scope::Folder) {
            self.scopes.push((number, scope));
        }
    }

    /// The scopes; logs what is left out.
    pub(super) fn log_left_out(self) -> Vec<(usize, Scope)> {
        for (path, why) in &self.left_out {
            tracing::warn!("{} does not go up: {why}", Escaped::path(path));
        }
        self.scopes
    }
}

impl Folders {
    /// The folders of a configuration.
    pub fn new(folders: impl IntoIterator<Item = config::Folder>) -> Result<Self> {
        let mut unique: Vec<config::Folder> = Vec::new();
        for mut folder in folders {
            folder.path = absolute(&folder.path);
            if unique.iter().all(|known| known.path != folder.path) {
                unique.push(folder);
            }
        }
        let roots: Vec<PathBuf> = unique.iter().map(|folder| folder.path.clone()).collect();
        let folders = unique.into_iter().map(|settings| {
            let nested = nested_in(&settings.path, roots.iter().map(PathBuf::as_path));
            Ok(Arc::new(Folder::new(settings, true, nested)?))
        });
        Ok(Self(folders.collect::<Result<_>>()?))
    }

    /// The folder of this number.
    pub fn get(&self, number: usize) -> Option<&Arc<Folder>> {
        self.0.get(number)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Folder>> {
        self.0.iter()
    }

    /// The number of the folder whose root is `path`.
    pub(super) fn with_root(&self, path: &Path) -> Option<usize> {
        let path = absolute(path);
        self.0.iter().position(|folder| folder.root() == path)
    }

    /// The configured folder that holds an absolute path, and the path below its root.
    pub(super) fn configured_at(&self, path: &Path) -> Option<(usize, PathBuf)> {
        let configured = |folder: &&Folder| folder.is_configured;
        self.deepest(|folder| {
            let folder = Some(folder).filter(configured)?;
            path.strip_prefix(folder.root()).ok()
        })
    }

    /// The folder, with its number, that now holds a file which was found below `root`. None if `root` is no
    /// folder's any more.
    pub(crate) fn owner_of(&self, root: &Path, relative: &Path) -> Option<(usize, &Folder)> {
        let number = self.with_root(root)?;
        let (real, named) = (self.get(number)?.real.join(relative), root.join(relative));
        let (deepest, _) = self.deepest(|folder| {
            let by_name = named.strip_prefix(folder.root());
            real.strip_prefix(&folder.real).or(by_name).ok()
        })?;
        Some((deepest, self.get(deepest)?))
    }

    /// The folder that holds `path`, whether it exists or not, with its number and the path below its root. Outside
    /// all folders one is added, as for `backfill PATH`: `path` itself if it is a directory, else the one that it
    /// is in.
    pub fn locate(&mut self, path: &Path, is_dir: bool) -> Result<(usize, Arc<Folder>, PathBuf)> {
        let path = absolute(path);
        // Links on the way are resolved, but a link at the end is a file of its directory.
        let target = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => real(parent).join(name),
            _ => path.clone(),
        };
        let real_path = real(&path);
        let found = self
            .deepest(|folder| match folder.root() == path {
                true => Some(Path::new("")),
                false => target.strip_prefix(&folder.real).ok(),
            })
            .or_else(|| self.deepest(|folder| real_path.strip_prefix(&folder.real).ok()));
        if let Some((number, relative)) = found
            && let Some(folder) = self.get(number)
        {
            return Ok((number, Arc::clone(folder), relative));
        }
        let root = match target.parent() {
            Some(parent) if !is_dir => parent,
            _ => &target,
        };
        let nested = nested_in(root, self.0.iter().map(|folder| folder.root()));
        let folder = Folder::new(config::Folder::with_defaults(root), false, nested)?;
        let folder = Arc::new(folder);
        self.0.push(Arc::clone(&folder));
        let relative = target.strip_prefix(root).unwrap_or(Path::new(""));
        Ok((self.0.len() - 1, folder, relative.to_owned()))
    }

    /// Resolves the PATHs of a command to parts of folders, which are added where there are none. Fails if one
    /// of them does not exist.
    pub fn resolve(&mut self, paths: &[PathBuf]) -> Result<ResolvedPaths> {
        let mut paths: Vec<&PathBuf> = paths.iter().collect();
        // From the top down, so that a PATH inside another one is part of that.
        paths.sort_by_key(|path| real(&absolute(path)).components().count());
        let mut resolved = ResolvedPaths::default();
        for path in paths {
            self.resolve_path(path, &mut resolved)?;
        }
        Ok(resolved)
    }

    fn resolve_path(&mut self, path: &Path, resolved: &mut ResolvedPaths) -> Result<()> {
        let unusable = |error: io::Error| {
            let path = Escaped::path(path);
            Error::Intake(match error.kind() {
                io::ErrorKind::NotFound => format!(
                    "there is no file or folder {path}; nothing was begun\nhint: look for a typing mistake, or \
                     whether the disk is there"
                ),
                _ => format!("{path} cannot be read: {error}; nothing was begun"),
            })
        };
        let is_dir = fs::metadata(path).map_err(unusable)?.is_dir();
        let target = path.canonicalize().map_err(unusable)?;
        // Folders inside PATH keep their own rules.
        for (number, folder) in self.0.iter().enumerate() {
            if is_dir && folder.real.starts_with(&target) {
                resolved.add(number, Scope::Folder);
            }
        }
        let (number, folder, relative) = self.locate(&target, is_dir)?;
        let look = || folder.tree.look(&relative).map_err(unusable);
        let scope = match relative.as_os_str().is_empty() {
            true => Ok(Scope::Folder),
            false => match look()? {
                Look::Dir => Ok(Scope::Subtree(relative.clone())),
                Look::File(_) => Ok(Scope::file(&relative)),
                Look::Refused(verdict) => Err(verdict.to_string()),
                Look::Nothing => Err("it is no file or folder that is looked into".to_owned()),
            },
        };
        match scope {
            Ok(scope) => resolved.add(number, scope),
            Err(why) => resolved.left_out.push((folder.root().join(relative), why)),
        }
        Ok(())
    }

    /// The folder for which `below` gives the shortest path below its root, and that path.
    fn deepest<'a>(
        &'a self,
        below: impl Fn(&'a Folder) -> Option<&'a Path>,
    ) -> Option<(usize, PathBuf)> {
        let folders = self.0.iter().enumerate();
        folders
            .filter_map(|(number, folder)| Some((number, below(folder)?)))
            .min_by_key(|(_, relative)| relative.components().count())
            .map(|(number, relative)| (number, relative.to_owned()))
    }
}

/// Which of `roots` are below `root`, under every name that a walk may meet.
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

/// The path with the links of its existing part resolved.
fn real(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        (Err(_), _, _) => path.to_owned(),
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
