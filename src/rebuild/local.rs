//! What is on the disk, and what it could be of what the service has. Everything here blocks.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
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
    media::capture_time::Source,
    model::{
        album_title,
        ids::{ContentHash, RootId},
    },
    scan::{
        folder::{Folder, Folders},
        preview::{self, FoundFile, Preview},
    },
    store::{self, Content, FileState, Reader},
    upload,
};

/// A place with its row, if it has one.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) folder: Arc<Folder>,
    pub(super) row: Option<RootId>,
}

/// A file, with what is found out about it step by step.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) root: usize,
    pub(super) file: FoundFile,
    /// Whether its bytes are an item already: it is not to be matched, but it may be meant.
    pub(super) is_held: bool,
    // Boxed, because there may be very many candidates, and few are looked into at a time.
    pub(super) looked: Option<Box<Preview>>,
    pub(super) content: Option<Box<Content>>,
}

impl Candidate {
    /// Where it is.
    pub(super) fn path(&self, roots: &[Root]) -> PathBuf {
        let place = roots
            .get(self.root)
            .map(|root| self.file.path(&root.folder));
        place.unwrap_or_default()
    }

    /// Reads it to its end, once. None if it is not what it was, or cannot be read.
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

    /// Looks into its head, once.
    pub(super) fn look(&mut self, roots: &[Root], config: &Config, now: Timestamp) {
        if let Some(root) = roots.get(self.root)
            && self.looked.is_none()
        {
            self.looked = preview::preview(&root.folder, config, &self.file, now).map(Box::new);
        }
    }
}

/// What a walk over all folders found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) candidates: Vec<Candidate>,
    /// Titles that folders and rules give to albums of their own.
    pub(super) titles: HashSet<String>,
    /// What could not be read, in words.
    pub(super) problems: Vec<String>,
}

/// The places of the configuration.
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
        let titles = &mut found.titles;
        if let AlbumRule::Name(name) = &root.folder.settings.album {
            titles.extend(album_title::clean(name));
        }
        let entered = |dir: &std::path::Path| {
            let name = dir.file_name().or_else(|| root.folder.root().file_name());
            titles.extend(name.and_then(|name| album_title::clean(&name.to_string_lossy())));
        };
        let candidates = &mut found.candidates;
        let seen = |file: FoundFile| {
            if let Some(is_held) = standing(&file) {
                candidates.push(Candidate {
                    root: number,
                    file,
                    is_held,
                    looked: None,
                    content: None,
                });
            }
        };
        let problems = preview::walk_files(&root.folder, root.row, reader, entered, seen)?;
        found.problems.extend(problems);
    }
    Ok(found)
}

/// Whether a file is held already; none if it is none of our business: what its row says of its bytes
/// stands, or it is an edited file, which goes its own way.
fn standing(file: &FoundFile) -> Option<bool> {
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

/// For each candidate the number of its media item, or why it has none. Heads of files are read
/// where an item has their name. None if the run was stopped.
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
        .map(|one| upload::file_name::file_name(&one.file.entry.name))
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
        // There may be very many: it is looked into once more when it is recorded.
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

/// Copies: files of one name and size, in several folders, that have the same bytes. Each is given
/// the number of the first.
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

/// When the file's own bytes say that it was taken.
fn moment(looked: &Preview) -> Option<Moment> {
    let instant = second(looked.taken.instant);
    match looked.taken.source {
        Source::Exif => Some(Moment::WallClock(instant)),
        Source::Video => Some(Moment::Instant(instant)),
        // What the service makes of these is not known.
        Source::Written | Source::FileName | Source::Modified => None,
    }
}
