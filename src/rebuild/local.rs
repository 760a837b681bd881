//! Finds the files of the folders, and compares them with the listed media items. All functions block.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    matching::{self, File, Moment, Unsure},
    remote::{Listed, second},
};
use crate::{
    config::{AlbumRule, Config},
    escape::Escaped,
    media::capture_time::Source,
    model::{
        album_title,
        ids::{ContentHash, RootId},
    },
    scan::{
        folder::{Folder, Folders, Preview},
        walk::{Entry, RootState, Scope},
    },
    store::{self, Content, FileState, KnownFile, Reader},
    upload,
};

/// A folder with its row, if it has one.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) folder: Arc<Folder>,
    pub(super) row: Option<RootId>,
}

/// A file that the rules of its folder take.
#[derive(Debug)]
pub(super) struct FoundFile {
    /// Its directory, relative to the root.
    pub(super) dir: Arc<Path>,
    pub(super) entry: Entry,
    /// Its row, if it has one.
    pub(super) known: Option<Box<KnownFile>>,
}

/// A file, with what was read of it so far.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) root: usize,
    pub(super) file: FoundFile,
    /// Whether it has an item already: it needs no match, but can be the match of an item.
    pub(super) is_held: bool,
    // Boxed, because there can be very many candidates, of which few are read at a time.
    pub(super) looked: Option<Box<Preview>>,
    pub(super) content: Option<Box<Content>>,
}

impl Candidate {
    /// Its absolute path.
    pub(super) fn path(&self, roots: &[Root]) -> PathBuf {
        let root = roots.get(self.root).map(|root| root.folder.root());
        let FoundFile { dir, entry, .. } = &self.file;
        root.unwrap_or(Path::new("")).join(dir).join(&entry.name)
    }

    /// Hashes it, once. None if it has changed or cannot be read.
    pub(super) fn read(&mut self, roots: &[Root]) -> Option<&Content> {
        if let Some(root) = roots.get(self.root)
            && self.content.is_none()
        {
            let below = self.file.dir.join(&self.file.entry.name);
            let content = upload::content(&root.folder, &below, self.file.entry.stat);
            self.content = content.ok().flatten().map(Box::new);
        }
        self.content.as_deref()
    }

    /// Reads its metadata, once.
    pub(super) fn look(&mut self, roots: &[Root], config: &Config, now: Timestamp) {
        if let Some(root) = roots.get(self.root)
            && self.looked.is_none()
        {
            let FoundFile { dir, entry, known } = &self.file;
            let preview = root
                .folder
                .preview(dir, entry, known.as_deref(), config, now);
            self.looked = preview.map(Box::new);
        }
    }
}

/// The result of a walk over all folders.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    /// The titles that folders and rules give to albums.
    pub(super) titles: HashSet<String>,
    /// What could not be read.
    pub(super) problems: Vec<String>,
}

/// The folders of the configuration.
pub(super) fn roots(config: &Config, reader: &Reader) -> anyhow::Result<Vec<Root>> {
    let folders = Folders::new(config.folders.iter().cloned())?;
    let root = |folder: &Arc<Folder>| {
        Ok(Root {
            row: reader.root_at(folder.root())?,
            folder: Arc::clone(folder),
        })
    };
    folders.iter().map(root).collect()
}

/// Walks over all folders.
pub(super) fn walk(
    roots: &[Root],
    reader: &Reader,
    stop: &CancellationToken,
) -> store::Result<Found> {
    let mut found = Found::default();
    for (number, root) in roots.iter().enumerate() {
        if stop.is_cancelled() {
            break;
        }
        if let AlbumRule::Name(name) = &root.folder.settings.album {
            found.titles.extend(album_title::clean(name));
        }
        found.walk_folder(number, root, reader)?;
    }
    Ok(found)
}

impl Found {
    fn problem(&mut self, path: &Path, what: &dyn std::fmt::Display) {
        let path = Escaped::path(path);
        self.problems.push(format!("{path}: {what}"));
    }

    fn walk_folder(&mut self, number: usize, root: &Root, reader: &Reader) -> store::Result<()> {
        let (path, tree) = (root.folder.root(), &root.folder.tree);
        match tree.root_state() {
            RootState::Present => {}
            RootState::Missing => self.problem(path, &"it is not there"),
            RootState::Empty => self.problem(path, &"there is nothing in it"),
            RootState::Unreadable(error) => self.problem(path, &error),
        }
        for listing in tree.walk(&Scope::Folder) {
            let dir = path.join(&listing.dir);
            if let Some(error) = listing.problem.as_ref().filter(|_| !listing.is_vanished()) {
                self.problem(&dir, error);
            }
            for (name, error) in &listing.unreadable {
                self.problem(&dir.join(name), error);
            }
            let title = dir.file_name().map(|name| name.to_string_lossy());
            self.titles
                .extend(title.and_then(|title| album_title::clean(&title)));
            let id = root.row.map(|root| reader.dir(root, &listing.dir));
            let id = id.transpose()?.flatten();
            let known = id.map(|id| reader.known_in(id)).transpose()?;
            let known = known.unwrap_or_default();
            let dir: Arc<Path> = listing.dir.into();
            for entry in listing.files {
                let row = known.binary_search_by(|row| row.name.cmp(&entry.name));
                let row = row.ok().and_then(|row| known.get(row));
                let file = FoundFile {
                    dir: Arc::clone(&dir),
                    known: row.cloned().map(Box::new),
                    entry,
                };
                if let Some(is_held) = is_attached(&file) {
                    self.candidates.push(Candidate {
                        root: number,
                        file,
                        is_held,
                        looked: None,
                        content: None,
                    });
                }
            }
        }
        Ok(())
    }
}

/// Whether a file has an item already; none if the rebuild skips it: its row is still valid, or an
/// upload of it has begun.
fn is_attached(file: &FoundFile) -> Option<bool> {
    let Some(known) = &file.known else {
        return Some(false);
    };
    let is_same =
        known.stat.size == file.entry.stat.size && known.stat.mtime_ns == file.entry.stat.mtime_ns;
    match known.state {
        FileState::Attached => is_same.then_some(true),
        FileState::Refused => (known.imported && is_same).then_some(false),
        FileState::Queued | FileState::Settling | FileState::Gone => Some(false),
        FileState::Claimed => None,
    }
}

/// For each candidate the number of its media item, or why it has none. Reads the metadata of files whose
/// name an item has. None if the run was interrupted.
pub(super) fn compare(
    candidates: &mut [Candidate],
    roots: &[Root],
    listed: &Listed,
    config: &Config,
    now: Timestamp,
    stop: &CancellationToken,
) -> Option<Vec<Result<usize, Unsure>>> {
    let there: HashSet<&str> = listed.items.iter().map(|item| &*item.name).collect();
    let names: Vec<Option<String>> = candidates
        .iter()
        .map(|one| upload::file_name(&one.file.entry.name))
        .map(|name| there.contains(&*name).then_some(name))
        .collect();
    let asked: HashSet<&str> = candidates
        .iter()
        .zip(&names)
        .filter(|(one, _)| !one.is_held)
        .filter_map(|(_, name)| name.as_deref())
        .collect();
    let mut files = Vec::new();
    let mut numbers = Vec::new();
    let classes = classes(candidates, &names, &asked, roots, stop);
    for (number, (one, name)) in candidates.iter_mut().zip(&names).enumerate() {
        if stop.is_cancelled() {
            return None;
        }
        let Some(name) = name.as_deref().filter(|name| asked.contains(name)) else {
            continue;
        };
        // Dropped, because there can be very many: it is read again when the file is recorded.
        one.look(roots, config, now);
        let looked = one.looked.take();
        files.push(File {
            name: name.into(),
            moment: looked.as_deref().and_then(moment),
            pixels: looked.and_then(|looked| looked.pixels),
            content: classes.get(&number).copied().unwrap_or(number),
        });
        numbers.push(number);
    }
    let mut verdicts = vec![Err(Unsure::NoSuchName); candidates.len()];
    for (number, verdict) in numbers
        .into_iter()
        .zip(matching::matches(&files, &listed.items))
    {
        if let Some(place) = verdicts.get_mut(number) {
            *place = verdict;
        }
    }
    Some(verdicts)
}

/// Finds copies: files of one name and size with the same bytes. Each gets the number of the first.
fn classes(
    candidates: &mut [Candidate],
    names: &[Option<String>],
    asked: &HashSet<&str>,
    roots: &[Root],
    stop: &CancellationToken,
) -> HashMap<usize, usize> {
    let mut alike: HashMap<(&str, u64), Vec<usize>> = HashMap::new();
    for (number, (one, name)) in candidates.iter().zip(names).enumerate() {
        if let Some(name) = name.as_deref().filter(|name| asked.contains(name)) {
            let group = alike.entry((name, one.file.entry.stat.size)).or_default();
            group.push(number);
        }
    }
    let mut classes = HashMap::new();
    for group in alike.into_values().filter(|group| group.len() > 1) {
        let mut first: HashMap<ContentHash, usize> = HashMap::new();
        for number in group {
            if stop.is_cancelled() {
                return classes;
            }
            let content = candidates.get_mut(number).and_then(|one| one.read(roots));
            if let Some(hash) = content.map(|content| content.hash) {
                classes.insert(number, *first.entry(hash).or_insert(number));
            }
        }
    }
    classes
}

/// The time in the metadata of the file.
fn moment(looked: &Preview) -> Option<Moment> {
    let instant = second(looked.taken.instant);
    match looked.taken.source {
        Source::Exif => Some(Moment::WallClock(instant)),
        Source::Video => Some(Moment::Instant(instant)),
        // How the service reads these is not documented.
        Source::Written | Source::FileName | Source::Modified => None,
    }
}
