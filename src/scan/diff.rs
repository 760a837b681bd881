//! A scan: compares the files on disk with the rows of the store, one directory at a time.
//!
//! It blocks, so it runs on a thread of its own with a reader of its own. Changes are handed over in batches
//! through a bounded channel, so the scan waits while the store is busy. An unchanged file gives no change, so a
//! scan of an unchanged folder writes nothing.
//!
//! Missing files are reported last, and only if the folder is still available: unplugging a disk in the
//! middle of a scan deletes no photo. Nothing is missing in or below a directory that could not be read. A
//! file counts as deleted only if nothing of its name exists. One that exists and does not belong to the folder
//! any more (`exclude` changed, a nested folder was added, links are not followed now) was not deleted: its row
//! is dropped, and its photo stays in its albums.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    availability::{Mounts, Unavailable},
    folder::{Candidate, Folder, settle_time},
    walk::{Entry, Listing, Look, Scope, is_not_found},
};
use crate::{
    clock::{self, Clock},
    config::{Config, OnEdit},
    escape::Escaped,
    media::description::{self, sidecars::SidecarIndex},
    model::ids::{DirId, FileId, RootId},
    store::{self, Change, FileDecision, FileStat, FileState, KnownFile, Reader, Store},
};

/// Changes in one transaction of the store: enough that its commit costs little for each.
const BATCH: usize = 512;

/// Batches that may wait for the store before the scan waits.
const BATCHES_AHEAD: usize = 4;

/// At most this many unreadable paths are logged one by one in a run.
const MAX_WARNED: usize = 1_000;

/// The worker of a claimed file may have read its sidecars before a change that is younger than this. Hashing
/// takes no longer for most files.
const CLAIM_TIME: Duration = Duration::from_mins(5);

/// What is to be scanned, and how.
#[derive(Debug, Clone)]
pub(super) struct ScanRequest {
    pub(super) folder: Arc<Folder>,
    /// The folder's row.
    pub(super) root: RootId,
    pub(super) scope: Scope,
    pub(super) config: Arc<Config>,
    /// Whether new files are new arrivals: the folder was scanned before.
    pub(super) is_rescan: bool,
    /// Whether queued files are classified again.
    pub(super) reclassify: bool,
    /// Whether missing files are reported.
    pub(super) reports_missing: bool,
    pub(super) clock: Clock,
    pub(super) warned: WarnedPaths,
}

/// Unreadable paths that were logged, so that each is logged once.
pub(super) type WarnedPaths = Arc<Mutex<HashSet<PathBuf>>>;

impl ScanRequest {
    fn warn_unreadable(&self, relative: &Path, why: &std::io::Error) {
        let path = self.folder.root().join(relative);
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MAX_WARNED && !warned.contains(&path) {
            let shown = Escaped::path(&path);
            tracing::warn!("{shown} cannot be read, it is left out: {why}");
            warned.insert(path);
        }
    }
}

/// The result of a scan.
#[derive(Debug, Default)]
pub(super) struct ScanOutcome {
    /// Why the folder could not be scanned.
    pub(super) unavailable: Option<Unavailable>,
    /// Files that exist and are taken.
    pub(super) files: u64,
    /// Files that are new or have changed.
    pub(super) changed: u64,
    /// Files that were missing.
    pub(super) missing: u64,
    /// Known files that the rules do not take any more.
    pub(super) left_out: u64,
    /// Files of other types.
    pub(super) other_kind: u64,
    /// What is to be scanned again to confirm that files are missing.
    pub(super) second: Option<Scope>,
    /// Former mount points; they were not scanned.
    pub(super) unmounted: Vec<PathBuf>,
    /// Directories in which a sidecar may still be written to.
    pub(super) unsettled_sidecars: Vec<PathBuf>,
}

/// A scan that is running. Dropping it ends it at its next batch.
#[derive(Debug)]
pub(super) struct Scan {
    changes: mpsc::Receiver<Vec<Change>>,
    thread: JoinHandle<store::Result<ScanOutcome>>,
}

impl Scan {
    pub(super) fn start(store: &Store, request: ScanRequest) -> Self {
        let request = Arc::new(request);
        let (sender, changes) = mpsc::channel(BATCHES_AHEAD);
        let store = store.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let (reader, root) = (store.reader()?, request.root);
            let mut outcome = ScanOutcome::default();
            outcome.unavailable = request.folder.unavailable(root, &reader)?;
            if outcome.unavailable.is_some() {
                return Ok(outcome);
            }
            let diff = Diff {
                mounts: request.folder.mounts(root, &reader)?,
                request,
                reader,
                sender: Some(sender),
                batch: Vec::new(),
                candidates: Vec::new(),
                visited: Vec::new(),
                unreadable: Vec::new(),
                new_mounts: Vec::new(),
                missing_names: Vec::new(),
                missing: Vec::new(),
                outcome,
            };
            diff.run()
        });
        Self { changes, thread }
    }

    /// The next batch of changes, to be recorded; none at the end.
    pub(super) async fn changes(&mut self) -> Option<Vec<Change>> {
        self.changes.recv().await
    }

    /// The result; none if the thread panicked, which its hook has logged.
    pub(super) async fn outcome(self) -> store::Result<Option<ScanOutcome>> {
        drop(self.changes);
        self.thread.await.ok().transpose()
    }
}

/// A known file that was not found.
#[derive(Debug)]
struct Missing {
    file: FileId,
    /// An earlier scan did not find it either.
    again: bool,
    /// Something of its name exists, which is not taken.
    left_out: bool,
    /// With [`Scope::Files`]: the requested name that led to it.
    name: Option<OsString>,
}

/// A comparison that is running.
struct Diff {
    request: Arc<ScanRequest>,
    reader: Reader,
    /// None once the receiver is gone.
    sender: Option<mpsc::Sender<Vec<Change>>>,
    batch: Vec<Change>,
    candidates: Vec<Candidate>,
    /// Known directories that were read.
    visited: Vec<DirId>,
    /// Directories that could not be read, and unmounted ones; relative to the root.
    unreadable: Vec<PathBuf>,
    /// The known mount points at the start.
    mounts: Mounts,
    /// Mount points that were not known: what was below them is hidden.
    new_mounts: Vec<PathBuf>,
    /// Requested names that do not exist; they may have been directories.
    missing_names: Vec<OsString>,
    missing: Vec<Missing>,
    outcome: ScanOutcome,
}

impl Diff {
    fn run(mut self) -> store::Result<ScanOutcome> {
        self.unreadable.clone_from(&self.mounts.unmounted);
        for dir in self.mounts.plain.clone() {
            self.send_mount(dir, false);
        }
        self.compare_listings()?;
        if !self.is_cancelled() {
            self.find_missing_dirs()?;
            self.report_missing()?;
        }
        self.flush();
        self.outcome.unmounted = self.mounts.unmounted;
        Ok(self.outcome)
    }

    fn compare_listings(&mut self) -> store::Result<()> {
        let request = Arc::clone(&self.request);
        let mut walk = request.folder.tree.walk(&request.scope);
        while !self.is_cancelled() {
            // Read before the directory is: a file that is written to while a long directory is read must
            // not seem to have been stable since.
            let now = request.clock.now();
            let Some(listing) = walk.next() else {
                break;
            };
            let dir = &listing.dir;
            if self.mounts.unmounted.iter().any(|top| dir.starts_with(top)) {
                continue;
            }
            let is_known = || self.mounts.mounted.contains(dir);
            if listing.is_mount && request.folder.is_configured && !is_known() {
                self.new_mounts.push(dir.clone());
                self.send_mount(dir.clone(), true);
            }
            if listing.is_vanished() {
                // Handled like a directory that its parent does not list.
                continue;
            }
            if let Some(problem) = &listing.problem {
                request.warn_unreadable(dir, problem);
                self.unreadable.push(dir.clone());
            }
            let mut known = Vec::new();
            if let Some(id) = self.reader.dir(request.root, dir)? {
                if let Scope::Files { names, .. } = &request.scope {
                    for name in names {
                        known.extend(self.reader.known_named(id, name)?);
                    }
                } else {
                    self.visited.push(id);
                    known = self.reader.known_in(id)?;
                }
            }
            self.compare(listing, known, now);
        }
        Ok(())
    }

    /// Compares the files of a directory with its rows.
    fn compare(&mut self, mut listing: Listing, known: Vec<KnownFile>, now: Timestamp) {
        let dir = &listing.dir;
        self.outcome.files += listing.files.len() as u64;
        self.outcome.other_kind += listing.passed_over.other_kind;
        self.missing_names.append(&mut listing.missing);
        for (name, error) in &listing.unreadable {
            self.request.warn_unreadable(&dir.join(name), error);
        }
        // If the directory was not read to its end, some sidecars may be missing from the list.
        let sidecars = listing.sidecars.filter(|_| listing.problem.is_none());
        let sidecars = sidecars.map(SidecarIndex::new);
        let known = known.into_iter().map(|row| (row.name.clone(), row));
        let mut known: HashMap<OsString, KnownFile> = known.collect();
        for entry in listing.files {
            match known.remove(&entry.name) {
                Some(row) => self.found_known(dir, entry, row, sidecars.as_ref()),
                None => self.candidates.push(Candidate {
                    row: None,
                    dir: dir.clone(),
                    entry,
                    is_new_arrival: self.request.is_rescan,
                    is_stable: None,
                }),
            }
            if self.candidates.len() >= BATCH {
                self.classify(now);
            }
        }
        if listing.problem.is_none() {
            for (name, _) in listing.unreadable {
                known.remove(&name);
            }
            for row in known.into_values() {
                self.not_found(dir, &row);
            }
        }
        self.classify(now);
    }

    /// A file that exists and has a row.
    fn found_known(
        &mut self,
        dir: &Path,
        entry: Entry,
        row: KnownFile,
        sidecars: Option<&SidecarIndex>,
    ) {
        let changed = is_changed(&entry.stat, &row.stat)
            // A refused file may be readable now. An imported one stays refused.
            || (row.state == FileState::Refused
                && !row.imported
                && entry.stat.ctime_ns != row.stat.ctime_ns);
        if let Some(sidecars) = sidecars.filter(|_| !changed) {
            self.compare_sidecars(dir, &row, sidecars);
        }
        let is_sent = row.state == FileState::Attached || row.imported;
        let mut is_stable = None;
        match row.state {
            // The upload worker, or the second look, deals with them.
            FileState::Claimed | FileState::Settling => return,
            _ if is_sent && changed && self.request.folder.settings.on_edit == OnEdit::Ignore => {
                let (file, stat, decision) = (row.id, entry.stat, FileDecision::KeepAsIs);
                return self.send(Change::Modified {
                    file,
                    stat,
                    decision,
                });
            }
            FileState::Queued if self.request.reclassify && !changed => {
                is_stable = Some(true);
            }
            FileState::Attached | FileState::Queued | FileState::Refused if !changed => {
                if row.missed > 0 {
                    self.send(Change::Reappeared(row.id));
                }
                return;
            }
            FileState::Attached | FileState::Queued | FileState::Refused | FileState::Gone => {}
        }
        self.candidates.push(Candidate {
            is_new_arrival: row.fresh,
            row: Some(row),
            dir: dir.to_owned(),
            entry,
            is_stable,
        });
    }

    /// A known, unchanged file: reads its description again if its sidecars have changed.
    fn compare_sidecars(&mut self, dir: &Path, row: &KnownFile, sidecars: &SidecarIndex) {
        let path = self.request.folder.root().join(dir);
        let (number, youngest) = sidecars.look(&path, &row.name);
        if row.sidecars == Some(number) {
            return;
        }
        let now = self.request.clock.now();
        // A time in the future says nothing.
        let is_younger = |age| {
            youngest.is_some_and(|changed| changed <= now && clock::after(changed, age) > now)
        };
        let settle = settle_time(&self.request.config, 0);
        let is_unsettled = match row.state {
            // A backfill does not look a second time.
            FileState::Attached => self.request.reports_missing && is_younger(settle),
            FileState::Claimed => is_younger(CLAIM_TIME),
            _ => false,
        };
        if is_unsettled {
            let dirs = &mut self.outcome.unsettled_sidecars;
            if dirs.last().is_none_or(|last| last != dir) {
                dirs.push(dir.to_owned());
            }
        } else if row.state == FileState::Attached {
            let words = description::find(&path.join(&row.name), sidecars).words();
            let file = row.id;
            self.send(Change::Described { file, words });
        }
    }

    /// A file that has a row, and does not exist or is not taken any more.
    fn not_found(&mut self, dir: &Path, row: &KnownFile) {
        let tree = &self.request.folder.tree;
        let path = dir.join(&row.name);
        let is_taken = tree.takes(&path);
        match row.state {
            FileState::Settling | FileState::Claimed | FileState::Gone => return,
            // The rules need no second scan.
            FileState::Queued if !is_taken => return self.leave_out(row.id),
            FileState::Attached | FileState::Queued | FileState::Refused => {}
        }
        if !self.request.reports_missing {
            return;
        }
        let is_hidden = self.new_mounts.iter().any(|top| dir.starts_with(top));
        if !is_taken || is_hidden {
            return self.leave_out(row.id);
        }
        let left_out = match tree.look(&path) {
            Err(error) if is_not_found(&error) => false,
            Ok(Look::Dir | Look::Refused(_) | Look::Nothing) => true,
            // It was created meanwhile, or cannot be looked at.
            Ok(Look::File(_)) | Err(_) => return,
        };
        let name = match &self.request.scope {
            Scope::Files { dir, .. } => {
                let below = path.strip_prefix(dir).ok();
                let first = below.and_then(|below| below.components().next());
                first.map(|name| name.as_os_str().to_owned())
            }
            _ => None,
        };
        self.missing.push(Missing {
            file: row.id,
            again: row.missed > 0,
            left_out,
            name,
        });
    }

    fn leave_out(&mut self, file: FileId) {
        self.outcome.left_out += 1;
        self.send(Change::Excluded(file));
    }

    /// Adds the files of known directories that were not listed.
    fn find_missing_dirs(&mut self) -> store::Result<()> {
        let tops = match &self.request.scope {
            Scope::Folder => vec![PathBuf::new()],
            Scope::Subtree(dir) => vec![dir.clone()],
            Scope::Directory(_) => Vec::new(),
            // Missing names may have been directories.
            Scope::Files { dir, .. } => {
                let names = self.missing_names.drain(..);
                names.map(|name| dir.join(name)).collect()
            }
        };
        self.visited.sort_unstable();
        for top in tops {
            let mut vanished = Vec::new();
            self.reader.each_dir(self.request.root, &top, |id, path| {
                let is_unread = self.unreadable.iter().any(|dir| path.starts_with(dir));
                if self.visited.binary_search(&id).is_err() && !is_unread {
                    vanished.push((id, path));
                }
                Ok(())
            })?;
            for (id, dir) in vanished {
                for row in self.reader.known_in(id)? {
                    self.not_found(&dir, &row);
                }
            }
        }
        Ok(())
    }

    /// Reports what is missing, unless the folder or one of its mounts has become unavailable during the scan.
    fn report_missing(&mut self) -> store::Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let (folder, root) = (Arc::clone(&self.request.folder), self.request.root);
        self.outcome.unavailable = folder.unavailable(root, &self.reader)?;
        if self.outcome.unavailable.is_some() {
            return Ok(());
        }
        let (before, now) = (&self.mounts, folder.mounts(root, &self.reader)?);
        let was_mounted = |dir| before.mounted.contains(dir) || self.new_mounts.contains(dir);
        let was_unmounted = |dir| before.unmounted.contains(dir);
        if now.unmounted.iter().any(was_mounted) || now.mounted.iter().any(was_unmounted) {
            self.outcome.second = Some(self.request.scope.clone());
            return Ok(());
        }
        let mut second_names = BTreeSet::new();
        for missing in std::mem::take(&mut self.missing) {
            let (file, confirmed) = (missing.file, missing.again);
            if !confirmed {
                second_names.insert(missing.name);
            }
            if confirmed && missing.left_out {
                self.leave_out(file);
            } else {
                self.outcome.missing += 1;
                self.send(Change::Missing { file, confirmed });
            }
        }
        if !second_names.is_empty() {
            let names = second_names.into_iter().flatten().collect();
            self.outcome.second = match &self.request.scope {
                // The next full scan is the second one.
                Scope::Folder => None,
                Scope::Files { dir, .. } => Some(Scope::Files {
                    dir: dir.clone(),
                    names,
                }),
                other => Some(other.clone()),
            };
        }
        Ok(())
    }

    /// Classifies the candidates and sends the changes.
    fn classify(&mut self, now: Timestamp) {
        if self.candidates.is_empty() || self.is_cancelled() {
            return;
        }
        let candidates = std::mem::take(&mut self.candidates);
        let request = Arc::clone(&self.request);
        let folder = &request.folder;
        let decisions = folder.classify_all(&candidates, &request.config, now);
        self.outcome.changed += candidates.len() as u64;
        for (candidate, decision) in candidates.into_iter().zip(decisions) {
            self.send(candidate.into_change(request.root, decision));
        }
    }

    /// Whether the receiver is gone.
    fn is_cancelled(&self) -> bool {
        self.sender.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    fn send_mount(&mut self, dir: PathBuf, is_mount: bool) {
        let root = self.request.root;
        self.send(Change::Mount {
            root,
            dir,
            is_mount,
        });
    }

    fn send(&mut self, change: Change) {
        self.batch.push(change);
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        if let Some(sender) = &self.sender
            && !batch.is_empty()
            && sender.blocking_send(batch).is_err()
        {
            self.sender = None;
        }
    }
}

/// Whether a file is not the one that its row describes.
///
/// A new ctime alone is a rename, a new owner or a backup program. A new inode alone is a file system that
/// numbers its files again at each mount, as FAT and many network ones do; both together are another file under
/// the old name. The device is not compared: its number may change at each mount.
fn is_changed(file: &FileStat, known: &FileStat) -> bool {
    file.size != known.size
        || file.mtime_ns != known.mtime_ns
        || (file.inode != known.inode && file.ctime_ns != known.ctime_ns)
}
