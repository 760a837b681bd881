//! A look at what there is, by the same rules as a scan, for those who only want to know: `rebuild`
//! and `import` compare it with what somebody else tells.
//!
//! It records nothing. [`survey`] walks, [`look_into`] reads a file's head. Both block.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    fate::{self, Candidate, Seen, Terms},
    place::Place,
    walk::{Entry, RootState},
};
use crate::media::{
    capture_time::{self, Taken},
    dimensions, file_type,
};
use crate::{
    config::Config,
    escape::Escaped,
    model::{ids::RootId, order_key::OrderKey},
    store::{self, Fate, FileStat, KnownFile, Reader, RootSpec},
};

/// A file that is to be taken.
#[derive(Debug, Clone)]
pub struct Surveyed {
    /// Its directory, relative to the root.
    pub dir: Arc<Path>,
    /// What it looks like.
    pub entry: Entry,
    /// Its row, if it has one.
    pub known: Option<Box<KnownFile>>,
}

/// What intake would make of a file, and what its head tells.
#[derive(Debug, Clone)]
pub struct Looked {
    /// The title of its album; none is the library alone.
    pub album: Option<String>,
    /// Its place there.
    pub key: OrderKey,
    /// Whether its upload takes so long that no batch waits for it.
    pub large: bool,
    /// When it was taken, and who says so.
    pub taken: Taken,
    /// Width and height.
    pub pixels: Option<(u32, u32)>,
}

impl Surveyed {
    /// What the store keeps of it.
    pub fn stat(&self) -> FileStat {
        fate::stat(&self.entry)
    }

    /// Where it is.
    pub fn path(&self, place: &Place) -> PathBuf {
        place.root().join(&self.dir).join(&self.entry.name)
    }
}

/// How the store is told what a file looks like.
pub fn stat_of(entry: &Entry) -> FileStat {
    fate::stat(entry)
}

/// How the store is told about a place.
pub fn root_of(place: &Place) -> RootSpec {
    place.spec()
}

/// Tells `seen` all files of a place that are to be taken, and `entered` the directories. `root` is
/// its row, if it has one. Gives what could not be read, in words; a place that is not there is that.
pub fn survey(
    place: &Place,
    root: Option<RootId>,
    reader: &Reader,
    mut entered: impl FnMut(&Path),
    mut seen: impl FnMut(Surveyed),
) -> store::Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut problem = |path: &Path, what: &dyn std::fmt::Display| {
        problems.push(format!("{}: {what}", Escaped::path(path)));
    };
    match place.tree.root_state() {
        RootState::Present => {}
        RootState::Missing => problem(place.root(), &"it is not there"),
        RootState::Empty => problem(place.root(), &"there is nothing in it"),
        RootState::Unreadable(error) => problem(place.root(), &error),
    }
    for listing in place.tree.walk() {
        let at = place.root().join(&listing.dir);
        if let Some(error) = listing.problem.as_ref().filter(|_| !listing.is_vanished()) {
            problem(&at, error);
        }
        for (name, error) in &listing.unreadable {
            problem(&at.join(name), error);
        }
        entered(&listing.dir);
        let id = root
            .map(|root| reader.dir(root, &listing.dir))
            .transpose()?;
        let known = id.flatten().map(|id| reader.known_in(id)).transpose()?;
        let known = known.unwrap_or_default();
        let dir: Arc<Path> = listing.dir.into();
        for entry in listing.files {
            let row = known.binary_search_by(|row| row.name.cmp(&entry.name));
            seen(Surveyed {
                dir: Arc::clone(&dir),
                known: row
                    .ok()
                    .and_then(|row| known.get(row))
                    .cloned()
                    .map(Box::new),
                entry,
            });
        }
    }
    Ok(problems)
}

/// Reads the head of a file; none if it may still be written to, does not go up, or cannot be read.
pub fn look_into(
    place: &Place,
    config: &Config,
    file: &Surveyed,
    now: Timestamp,
) -> Option<Looked> {
    let kind = file_type::by_name(&file.entry.name)?;
    let candidate = Candidate {
        dir: file.dir.to_path_buf(),
        entry: file.entry.clone(),
        settle_ms: file.known.as_ref().map_or(0, |known| known.settle_ms),
        is_fresh: false,
        seen: Seen::Once,
    };
    let fates = fate::fates(place, Terms::of(config), &[candidate], now);
    let Some(Fate::Queue {
        album, key, large, ..
    }) = fates.into_iter().next()
    else {
        return None;
    };
    let mut opened = File::open(file.path(place)).ok()?;
    let (name, mtime) = (&file.entry.name, file.entry.mtime_ns);
    Some(Looked {
        album,
        key,
        large,
        taken: capture_time::taken(&mut opened, name, mtime, &place.zone, now),
        pixels: dimensions::pixels(&mut opened, kind),
    })
}
