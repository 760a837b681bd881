//! Walks folders by the same rules as a scan, without recording anything: for `rebuild`, which compares files
//! with the library. Everything here blocks.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    folder::{Candidate, Folder, ScanSettings, Stability},
    walk::{Entry, RootState, Scope},
};
use crate::{
    config::Config,
    escape::Escaped,
    media::{
        capture_time::{self, Taken},
        dimensions, file_type,
    },
    model::{ids::RootId, order_key::OrderKey},
    store::{self, Fate, KnownFile, Reader},
};

/// A file that the rules take.
#[derive(Debug, Clone)]
pub struct FoundFile {
    /// Its directory, relative to the root.
    pub dir: Arc<Path>,
    /// The file.
    pub entry: Entry,
    /// Its row, if it has one.
    pub known: Option<Box<KnownFile>>,
}

/// What a scan would do with a file, and what its head says.
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

impl FoundFile {
    /// Its absolute path.
    pub fn path(&self, folder: &Folder) -> PathBuf {
        folder.root().join(&self.dir).join(&self.entry.name)
    }
}

/// Calls `on_dir` for each directory of a folder and `on_file` for each file that the rules take. `root` is the
/// folder's row, if it has one. Returns one line for everything that could not be read, a missing folder
/// included.
pub fn walk_files(
    folder: &Folder,
    root: Option<RootId>,
    reader: &Reader,
    mut on_dir: impl FnMut(&Path),
    mut on_file: impl FnMut(FoundFile),
) -> store::Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut problem = |path: &Path, what: &dyn std::fmt::Display| {
        problems.push(format!("{}: {what}", Escaped::path(path)));
    };
    match folder.tree.root_state() {
        RootState::Present => {}
        RootState::Missing => problem(folder.root(), &"it is not there"),
        RootState::Empty => problem(folder.root(), &"there is nothing in it"),
        RootState::Unreadable(error) => problem(folder.root(), &error),
    }
    for listing in folder.tree.walk(&Scope::Folder) {
        let path = folder.root().join(&listing.dir);
        if let Some(error) = listing.problem.as_ref().filter(|_| !listing.is_vanished()) {
            problem(&path, error);
        }
        for (name, error) in &listing.unreadable {
            problem(&path.join(name), error);
        }
        on_dir(&listing.dir);
        let id = root
            .map(|root| reader.dir(root, &listing.dir))
            .transpose()?;
        let known = id.flatten().map(|id| reader.known_in(id)).transpose()?;
        let known = known.unwrap_or_default();
        let dir: Arc<Path> = listing.dir.into();
        for entry in listing.files {
            let row = known.binary_search_by(|row| row.name.cmp(&entry.name));
            let row = row.ok().and_then(|row| known.get(row));
            on_file(FoundFile {
                dir: Arc::clone(&dir),
                known: row.cloned().map(Box::new),
                entry,
            });
        }
    }
    Ok(problems)
}

/// Reads the head of a file; none if it may still be written to, is refused, or cannot be read.
pub fn preview(
    folder: &Folder,
    config: &Config,
    file: &FoundFile,
    now: Timestamp,
) -> Option<Preview> {
    let (name, mtime) = (&file.entry.name, file.entry.stat.mtime_ns);
    let kind = file_type::by_name(name)?;
    let candidate = Candidate {
        file: None,
        dir: file.dir.to_path_buf(),
        entry: file.entry.clone(),
        settle_ms: file.known.as_ref().map_or(0, |known| known.settle_ms),
        is_new_arrival: false,
        stability: Stability::Unknown,
    };
    let decision = folder.classify(&candidate, ScanSettings::of(config), now);
    let Fate::Queue {
        album, key, large, ..
    } = decision
    else {
        return None;
    };
    let mut opened = File::open(file.path(folder)).ok()?;
    Some(Preview {
        album,
        key,
        large,
        taken: capture_time::taken(&mut opened, name, mtime, &folder.zone, now),
        pixels: dimensions::pixels(&mut opened, kind),
    })
}
