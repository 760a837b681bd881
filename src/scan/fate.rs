//! What becomes of a file that is new or has changed: it settles, is queued, or is refused.
//!
//! The file's head is read here, and only here, and only where the album's order or its title wants
//! to know when it was taken. So the album of a file is fixed when it is queued.

use std::{
    fs::File,
    io,
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use rustix::fs::OFlags;

use super::{place::Place, walk::Entry};
use crate::media::{capture_time, file_type};
use crate::{
    clock,
    config::{AlbumRule, Config, Folder, Order},
    model::{album_title, order_key::OrderKey},
    store::{Fate, FileStat},
};

/// How many heads are read at once: enough to keep a disk busy while another head is parsed, and
/// each reader may hold [`capture_time::READ_LIMIT`] bytes.
const HEAD_READERS: usize = 2;

/// From so many files on it pays to read their heads side by side.
const WORTH_SHARING: usize = 8;

/// What is the same for all files of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Size and times stand still so long before a file is touched.
    pub(super) settle: Duration,
    /// Files of more bytes are large: no batch waits for them.
    pub(super) large_above: u64,
}

impl Terms {
    /// As the configuration says.
    pub(super) fn of(config: &Config) -> Self {
        Self {
            settle: config.watch.settle,
            large_above: config.upload.resumable_above,
        }
    }

    /// How long a file whose row says `settle_ms` has to stand still.
    pub(super) fn settle(self, settle_ms: u64) -> Duration {
        self.settle.max(Duration::from_millis(settle_ms))
    }
}

/// A file whose fate is asked for.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Its directory, relative to the root.
    pub(super) dir: PathBuf,
    /// What it looks like.
    pub(super) entry: Entry,
    /// How long its row says that it has to stand still, milliseconds.
    pub(super) settle_ms: u64,
    /// Whether it was, or is, first seen after its root's first full scan.
    pub(super) is_fresh: bool,
    /// What is known about its standing still.
    pub(super) seen: Seen,
}

/// How often a file was looked at, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Once: only its own times can tell how long it has stood still.
    Once,
    /// Twice, its time to settle apart, and it was the same.
    Still,
    /// Twice, and it was not the same, whatever its times say.
    Moving,
}

/// What the store keeps of an entry.
pub(super) fn stat(entry: &Entry) -> FileStat {
    FileStat {
        size: entry.size,
        mtime_ns: entry.mtime_ns,
        ctime_ns: entry.ctime_ns,
        dev: entry.dev,
        inode: entry.inode,
    }
}

/// Whether the error means that there is nothing of this name.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The fates of `candidates`, in their order. Blocks.
pub(super) fn fates(
    place: &Place,
    terms: Terms,
    candidates: &[Candidate],
    now: Timestamp,
) -> Vec<Fate> {
    let one = |candidate: &Candidate| fate(place, terms, candidate, now);
    if !reads_heads(place) || candidates.len() < WORTH_SHARING {
        return candidates.iter().map(one).collect();
    }
    let share = candidates.len().div_ceil(HEAD_READERS);
    thread::scope(|scope| {
        let mut shares = candidates.chunks(share);
        let first = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|share| scope.spawn(move || share.iter().map(one).collect::<Vec<_>>()))
            .collect();
        let mut fates: Vec<Fate> = first.iter().map(one).collect();
        for other in others {
            match other.join() {
                Ok(more) => fates.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        fates
    })
}

fn fate(place: &Place, terms: Terms, candidate: &Candidate, now: Timestamp) -> Fate {
    let Candidate { dir, entry, .. } = candidate;
    let settle = terms.settle(candidate.settle_ms);
    let has_settled = match candidate.seen {
        Seen::Once => is_old(entry, settle, now),
        Seen::Still => true,
        Seen::Moving => false,
    };
    if !has_settled {
        return Fate::Settle {
            due_at: clock::after(now, settle),
            settle_ms: candidate.settle_ms,
        };
    }
    let refusal =
        file_type::by_name(&entry.name).and_then(|kind| kind.check_size(entry.size).err());
    if let Some(bad) = refusal {
        return Fate::Refuse {
            kind: match bad {
                file_type::BadSize::Empty => "empty",
                file_type::BadSize::TooLarge { .. } => "too_large",
            },
            reason: bad.to_string(),
        };
    }
    let relative = dir.join(&entry.name);
    let path = place.root().join(&relative);
    let taken = reads_heads(place).then(|| when_taken(place, &path, entry, now));
    let album = place.album_of(&relative, taken);
    let instant = match (&album, place.folder.order) {
        (Some(_), Order::Taken) => taken,
        (Some(_), order) => instant(order, entry, now),
        (None, _) => Some(modified(entry)),
    };
    Fate::Queue {
        album,
        key: OrderKey::new(instant, entry.name.as_bytes(), &path),
        large: entry.size > terms.large_above,
        fresh: candidate.is_fresh,
    }
}

/// Whether anybody wants to know when files there were taken.
fn reads_heads(place: &Place) -> bool {
    let Folder { album, order, .. } = &place.folder;
    (*order == Order::Taken && *album != AlbumRule::None) || album_title::asks_for_day(album)
}

/// The title of the album that an entry of the directory `dir` would be queued for, as it is now.
pub(super) fn album(place: &Place, dir: &Path, entry: &Entry, now: Timestamp) -> Option<String> {
    let relative = dir.join(&entry.name);
    let asks = album_title::asks_for_day(&place.folder.album);
    let taken = asks.then(|| when_taken(place, &place.root().join(&relative), entry, now));
    place.album_of(&relative, taken)
}

/// Where such an entry would stand in its album.
pub(super) fn key(place: &Place, dir: &Path, entry: &Entry, now: Timestamp) -> OrderKey {
    let path = place.root().join(dir).join(&entry.name);
    let instant = match place.folder.order {
        Order::Taken => Some(when_taken(place, &path, entry, now)),
        order => instant(order, entry, now),
    };
    OrderKey::new(instant, entry.name.as_bytes(), &path)
}

/// The instant that gives the place, where the file's content is not asked for it.
fn instant(order: Order, entry: &Entry, now: Timestamp) -> Option<Timestamp> {
    match order {
        Order::Name => None,
        Order::Arrival => Some(now),
        Order::Modified | Order::Taken => Some(modified(entry)),
    }
}

/// Whether nothing was changed for `settle`, as far as the file's own times tell.
fn is_old(entry: &Entry, settle: Duration, now: Timestamp) -> bool {
    let newest = i128::from(entry.mtime_ns.max(entry.ctime_ns));
    let settle = i128::try_from(settle.as_nanos()).unwrap_or(i128::MAX);
    newest.saturating_add(settle) <= now.as_nanosecond()
}

fn modified(entry: &Entry) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(entry.mtime_ns)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A file that cannot be opened has its name and its last change; the claim will say why.
fn when_taken(place: &Place, path: &Path, entry: &Entry, now: Timestamp) -> Timestamp {
    let (name, mtime) = (entry.name.as_os_str(), entry.mtime_ns);
    // Should it have become a pipe meanwhile, this does not wait for a writer.
    let not_waiting = OFlags::NONBLOCK.bits() as i32;
    let opened = File::options()
        .read(true)
        .custom_flags(not_waiting)
        .open(path);
    let taken = match opened {
        Ok(mut file) => capture_time::taken(&mut file, name, mtime, &place.zone, now),
        Err(_) => capture_time::taken(&mut io::empty(), name, mtime, &place.zone, now),
    };
    taken.instant
}
