//! The comparison itself: what is there against the rows of the store.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use tokio::sync::mpsc;

use self::absent::Missing;
use super::{BATCH, Order, Outcome};
use crate::{
    config::OnEdit,
    media::description::beside::Beside,
    model::ids::{DirId, FileId},
    scan::{
        fate::{self, Candidate, Seen},
        place::{Mounts, Part},
        walk::{Entry, Listing, Look, Walk},
    },
    store::{self, Change, Fate, FileStat, FileState, KnownFile},
};

mod absent;
mod describing;
mod mounted;

/// A comparison under way.
pub(super) struct Comparing<'a> {
    order: &'a Order,
    reader: store::Reader,
    /// None once nobody takes the changes any more.
    sender: Option<mpsc::Sender<Vec<Change>>>,
    batch: Vec<Change>,
    candidates: Vec<(Sort, Candidate)>,
    /// Known directories that were read.
    visited: Vec<DirId>,
    /// Directories that could not be read, or on which something was mounted and is not; relative to
    /// the root.
    unreadable: Vec<PathBuf>,
    /// Where something is, or was, mounted.
    mounts: Mounts,
    /// Where something is mounted that was not: it hides what was there.
    new_mounts: Vec<PathBuf>,
    /// Names that were to be looked at, and there is nothing of that name.
    nothing_there: Vec<OsString>,
    /// What was not come upon.
    missing: Vec<Missing>,
    outcome: Outcome,
}

/// Whose fate is asked for.
#[derive(Debug, Clone, Copy)]
enum Sort {
    New,
    Known(FileId),
}

impl<'a> Comparing<'a> {
    pub(super) fn new(
        order: &'a Order,
        reader: store::Reader,
        sender: mpsc::Sender<Vec<Change>>,
    ) -> Self {
        Self {
            order,
            reader,
            sender: Some(sender),
            batch: Vec::with_capacity(BATCH),
            candidates: Vec::new(),
            visited: Vec::new(),
            unreadable: Vec::new(),
            mounts: Mounts::default(),
            new_mounts: Vec::new(),
            nothing_there: Vec::new(),
            missing: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    /// Compares the part that was ordered, and hands over the changes.
    pub(super) fn run(mut self) -> store::Result<Outcome> {
        self.look_at_mounts()?;
        self.part()?;
        self.absent()?;
        self.flush();
        self.outcome.without_disk = std::mem::take(&mut self.mounts.away);
        Ok(self.outcome)
    }

    fn part(&mut self) -> store::Result<()> {
        let tree = Arc::clone(&self.order.place.tree);
        match &self.order.part {
            Part::Whole => self.walk(tree.walk()),
            Part::Below(dir) => self.walk(tree.below(dir)),
            Part::Only(dir) => self.walk(tree.only(dir)),
            Part::Files { dir, names } => {
                let now = self.order.clock.now();
                if self.is_away(dir) {
                    return Ok(());
                }
                let mut names: Vec<_> = names.iter().map(OsString::as_os_str).collect();
                names.sort_unstable();
                names.dedup();
                let listing = self.look(dir, &names);
                let mut known = Vec::new();
                if let Some(id) = self.reader.dir(self.order.root, dir)? {
                    for name in names {
                        known.extend(self.reader.known_named(id, name)?);
                    }
                }
                self.compare(listing, known, now);
                Ok(())
            }
        }
    }

    fn walk(&mut self, mut walk: Walk<'_>) -> store::Result<()> {
        while !self.is_over() {
            // Taken before the look: a file that is written to while a long directory is read must
            // not seem to have stood still since.
            let now = self.order.clock.now();
            let Some(mut listing) = walk.next() else {
                break;
            };
            if self.is_away(&listing.dir) {
                continue;
            }
            if listing.is_mount {
                self.is_mount(&listing.dir);
            }
            let id = self.reader.dir(self.order.root, &listing.dir)?;
            if let Some(problem) = &listing.problem {
                if listing.is_vanished() {
                    // Like a directory that its parent does not list: see `absent`.
                    continue;
                }
                let path = self.order.place.root().join(&listing.dir);
                self.order.told.unreadable(path, problem);
                self.unreadable.push(listing.dir.clone());
            }
            let known = id.map(|id| self.reader.known_in(id)).transpose()?;
            self.visited.extend(id);
            listing.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            self.compare(listing, known.unwrap_or_default(), now);
        }
        Ok(())
    }

    /// A listing of some entries of a directory, sorted.
    fn look(&mut self, dir: &Path, names: &[&OsStr]) -> Listing {
        let mut listing = Listing {
            dir: dir.to_owned(),
            ..Listing::default()
        };
        for name in names {
            match self.order.place.tree.look(&dir.join(name)) {
                Ok(Look::File(entry)) => listing.files.push(entry),
                Ok(Look::Dir | Look::Refused(_) | Look::Nothing) => {}
                Err(error) if fate::is_gone(&error) => {
                    self.nothing_there.push((*name).to_owned());
                }
                Err(error) => listing.unreadable.push(((*name).to_owned(), error)),
            }
        }
        listing
    }

    /// Compares the sorted files of a directory with the sorted rows of it.
    fn compare(&mut self, listing: Listing, known: Vec<KnownFile>, now: Timestamp) {
        let Listing {
            dir,
            files,
            sidecars,
            passed_over,
            unreadable,
            problem,
            is_mount: _,
        } = listing;
        self.outcome.files += files.len() as u64;
        self.outcome.other_kind += passed_over.other_kind;
        for (name, error) in &unreadable {
            let path = self.order.place.root().join(&dir).join(name);
            self.order.told.unreadable(path, error);
        }
        // What could not be listed to its end may have sidecars that were not come upon.
        let beside = sidecars.filter(|_| problem.is_none()).map(Beside::new);
        let is_unsure = |row: &KnownFile| {
            problem.is_some() || unreadable.iter().any(|(name, _)| *name == row.name)
        };
        let mut known = known.into_iter().peekable();
        for entry in files {
            while let Some(row) = known.next_if(|row| row.name < entry.name) {
                if !is_unsure(&row) {
                    self.not_there(&dir, &row);
                }
            }
            if let Some(row) = known.next_if(|row| row.name == entry.name) {
                self.known(&dir, entry, &row, beside.as_ref());
            } else {
                let is_fresh = self.order.is_fresh;
                let candidate = candidate(&dir, entry, 0, is_fresh);
                self.candidates.push((Sort::New, candidate));
            }
            if self.candidates.len() >= BATCH {
                self.decide(now);
            }
        }
        for row in known.filter(|row| !is_unsure(row)) {
            self.not_there(&dir, &row);
        }
        self.decide(now);
    }

    /// A file that is there and has a row.
    fn known(&mut self, dir: &Path, entry: Entry, row: &KnownFile, beside: Option<&Beside>) {
        let changed = differs(&entry, &row.stat)
            // What was refused may be readable now; what was sent by others stays sent.
            || (row.state == FileState::Refused
                && !row.imported
                && entry.ctime_ns != row.stat.ctime_ns);
        if let Some(beside) = beside.filter(|_| !changed) {
            self.sidecars(dir, row, beside);
        }
        let is_sent = row.state == FileState::Held || row.imported;
        match row.state {
            // Its upload slot, or the look when its time is over, sees what becomes of it.
            FileState::Claimed | FileState::Settling => {}
            _ if is_sent && changed && self.order.place.folder.on_edit == OnEdit::Ignore => {
                self.send(Change::Altered {
                    file: row.id,
                    stat: fate::stat(&entry),
                    fate: Fate::KeepAsIs,
                });
            }
            FileState::Queued if self.order.requeue && !changed => {
                let mut candidate = candidate(dir, entry, row.settle_ms, row.fresh);
                candidate.seen = Seen::Still;
                self.candidates.push((Sort::Known(row.id), candidate));
            }
            FileState::Held | FileState::Queued | FileState::Refused if !changed => {
                if row.missed > 0 {
                    self.send(Change::Back(row.id));
                }
            }
            FileState::Held | FileState::Queued | FileState::Refused | FileState::Gone => {
                let candidate = candidate(dir, entry, row.settle_ms, row.fresh);
                self.candidates.push((Sort::Known(row.id), candidate));
            }
        }
    }

    /// Finds the fates of the candidates and hands them over.
    fn decide(&mut self, now: Timestamp) {
        if self.candidates.is_empty() || self.is_over() {
            return;
        }
        let (sorts, candidates): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.candidates).into_iter().unzip();
        let place = Arc::clone(&self.order.place);
        let fates = fate::fates(&place, self.order.terms, &candidates, now);
        self.outcome.changed += candidates.len() as u64;
        for ((sort, candidate), fate) in sorts.into_iter().zip(candidates).zip(fates) {
            let stat = fate::stat(&candidate.entry);
            self.send(match sort {
                Sort::New => Change::Found {
                    root: self.order.root,
                    dir: candidate.dir,
                    name: candidate.entry.name,
                    stat,
                    fate,
                },
                Sort::Known(file) => Change::Altered { file, stat, fate },
            });
        }
    }

    /// Whether nobody waits for the outcome any more.
    fn is_over(&self) -> bool {
        self.sender.as_ref().is_none_or(mpsc::Sender::is_closed)
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

fn candidate(dir: &Path, entry: Entry, settle_ms: u64, is_fresh: bool) -> Candidate {
    Candidate {
        dir: dir.to_owned(),
        entry,
        settle_ms,
        is_fresh,
        seen: Seen::Once,
    }
}

/// Whether a file is not the one that the row describes.
///
/// A new change time alone is a rename, a new owner or a backup that passed. A new inode alone is a
/// file system that numbers its files anew at each mount, as FAT and many network ones do; both
/// together are another file under the old name. The device is not asked: its number is that of
/// the day.
fn differs(entry: &Entry, known: &FileStat) -> bool {
    entry.size != known.size
        || entry.mtime_ns != known.mtime_ns
        || (entry.inode != known.inode && entry.ctime_ns != known.ctime_ns)
}
