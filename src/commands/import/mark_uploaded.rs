//! What another uploader has sent and is still the same, recorded so that it does not go up again.

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use super::tracker::{self, Tracked};
use crate::{
    config::Folder,
    model::ids::RootId,
    scan::{
        folder::{Folder as ScannedFolder, Folders},
        walk::{Entry, Look},
    },
    store::{Change, FileDecision, FileState, IMPORTED, Reader, Store},
};

/// What is said of such a file.
const REASON: &str = "gphotos-uploader-cli sent it; `albumen rebuild` finds its media item";

/// Files that are recorded in one transaction.
const BATCH: usize = 256;

/// After so many files it is said how far the reading is.
const TOLD_AT: u64 = 1_000;

/// How many files of the tracker are what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// They are what was sent, and are recorded as such.
    pub(super) taken: u64,
    /// Albumen has them, or had them told before.
    pub(super) known: u64,
    /// They are not what was sent.
    pub(super) changed: u64,
    /// They are not there.
    pub(super) gone: u64,
    /// They cannot be read.
    pub(super) unreadable: u64,
    /// The rules of their folder do not take them.
    pub(super) left_out: u64,
    /// They are in no folder.
    pub(super) outside: u64,
}

impl Tally {
    fn sum(self) -> u64 {
        let there = self.taken + self.known + self.changed;
        there + self.gone + self.unreadable + self.left_out + self.outside
    }
}

/// A folder and its row.
type Root = (Arc<ScannedFolder>, RootId);

/// Records what of `tracked` still is what was sent. Relative paths are below `cwd`, where the other
/// uploader was started. With `trust_times` a file that did not change since is not read.
pub(super) async fn record(
    store: &Store,
    folders: impl Iterator<Item = Folder>,
    tracked: Vec<Tracked>,
    cwd: &Path,
    trust_times: bool,
    now: Timestamp,
) -> anyhow::Result<Tally> {
    let mut roots: Vec<Root> = Vec::new();
    for place in Folders::new(folders)?.iter() {
        let row = store.another_root(place.spec()).await?;
        roots.push((Arc::clone(place), row.id));
    }
    let roots = Arc::new(roots);
    let mut tally = Tally::default();
    let mut tracked = tracked.into_iter();
    loop {
        let batch: Vec<Tracked> = tracked.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(tally);
        }
        let (roots, reader, cwd) = (Arc::clone(&roots), store.reader()?, cwd.to_owned());
        let (changes, new_tally) = tokio::task::spawn_blocking(move || {
            let mut looking = Looking {
                roots: &roots,
                reader,
                trust_times,
                tally,
            };
            let mut changes = Vec::new();
            for one in batch {
                let path = cwd.join(&one.path);
                changes.extend(looking.look(&path, &one)?);
            }
            anyhow::Ok((changes, looking.tally))
        })
        .await??;
        let looked = new_tally.sum();
        if looked / TOLD_AT > tally.sum() / TOLD_AT {
            tracing::info!("{looked} files of the tracker are looked at so far");
        }
        tally = new_tally;
        store.record(changes, now).await?;
    }
}

struct Looking<'a> {
    roots: &'a [Root],
    reader: Reader,
    trust_times: bool,
    tally: Tally,
}

impl Looking<'_> {
    /// What is to be recorded of a path of the tracker, if anything.
    fn look(&mut self, path: &Path, tracked: &Tracked) -> anyhow::Result<Option<Change>> {
        let Some((place, root, relative)) = self.place_of(path) else {
            self.tally.outside += 1;
            return Ok(None);
        };
        let entry = match place.tree.look(&relative) {
            Ok(Look::File(entry)) => entry,
            Ok(_) => {
                self.tally.left_out += 1;
                return Ok(None);
            }
            Err(error) if super::is_missing(&error) => {
                self.tally.gone += 1;
                return Ok(None);
            }
            Err(_) => {
                self.tally.unreadable += 1;
                return Ok(None);
            }
        };
        let dir = relative.parent().unwrap_or(Path::new("")).to_owned();
        let row = match self.reader.dir(root, &dir)? {
            Some(id) => self.reader.known_named(id, &entry.name)?,
            None => None,
        };
        if let Some(row) = &row
            && matches!(
                row.state,
                FileState::Attached | FileState::Refused | FileState::Claimed
            )
        {
            self.tally.known += 1;
            return Ok(None);
        }
        if !self.is_same(path, &entry, tracked) {
            return Ok(None);
        }
        self.tally.taken += 1;
        let decision = FileDecision::Refuse {
            kind: IMPORTED,
            reason: REASON.to_owned(),
        };
        let stat = entry.stat;
        Ok(Some(match row {
            Some(row) => Change::Modified {
                file: row.id,
                stat,
                decision,
            },
            None => Change::Found {
                root,
                dir,
                name: entry.name,
                stat,
                decision,
            },
        }))
    }

    /// Whether the file has the bytes that were sent, as far as the tracker can tell. It is the rule of
    /// gphotos-uploader-cli itself, but that a time alone is believed only if it was asked for.
    fn is_same(&mut self, path: &Path, entry: &Entry, tracked: &Tracked) -> bool {
        let is_time = tracked
            .time
            .is_some_and(|time| time.is(entry.stat.mtime_ns));
        if self.trust_times && is_time {
            return true;
        }
        match tracker::hash(path) {
            Ok(hash) if hash == tracked.hash => true,
            Ok(_) => {
                self.tally.changed += 1;
                false
            }
            Err(_) => {
                self.tally.unreadable += 1;
                false
            }
        }
    }

    /// The deepest folder that the path is in.
    fn place_of(&self, path: &Path) -> Option<(Arc<ScannedFolder>, RootId, PathBuf)> {
        let below = |(place, root): &Root| {
            let relative = path.strip_prefix(place.root()).ok()?;
            Some((Arc::clone(place), *root, relative.to_owned()))
        };
        self.roots
            .iter()
            .filter_map(below)
            .filter(|(.., relative)| !relative.as_os_str().as_bytes().is_empty())
            .min_by_key(|(.., relative)| relative.components().count())
    }
}
