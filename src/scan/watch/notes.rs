//! A bounded set of things seen, one for a path: what happened last, or that it is too much to tell.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode, CreateKind, MetadataKind, ModifyKind, RemoveKind, RenameMode},
};

use super::{Hint, Lost};

/// At most so many paths are noted; a directory that is busier than that is scanned instead.
///
/// Of the order of the kernel's own queue (16,384 events, `fs.inotify.max_queued_events`).
const MAX_NOTES: usize = 16_384;

/// What was seen of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// A file or a directory of this name appeared; `whole`: it was moved here as it is.
    Appeared { whole: bool },
    /// The attributes of a file or a directory changed.
    Touched,
    /// The content of a file changed; `closed`: and its writer is done.
    Written { closed: bool },
    /// A directory to be scanned.
    Dir { deep: bool },
    /// It went away.
    Gone,
    /// It cannot be watched.
    Lost(Lost),
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    seen: HashMap<PathBuf, Seen>,
    /// Too much happened, or events were lost.
    lost_track: bool,
    /// Apart from the rest, because a later event does not make a directory watched.
    unwatched: HashMap<PathBuf, Lost>,
}

/// Whether the event only says that somebody read something.
pub(super) fn is_reading(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access != AccessKind::Close(AccessMode::Write),
        EventKind::Modify(ModifyKind::Metadata(kind)) => kind == MetadataKind::AccessTime,
        _ => false,
    }
}

impl Notes {
    /// Notes what the library says.
    pub(super) fn add(&mut self, event: notify::Result<Event>) {
        let Ok(event) = event else {
            // An error of the library's own loop: nobody knows what it cost.
            return self.lose_track();
        };
        if event.need_rescan() {
            // On Linux the queue ran over, and the event has no path.
            return self.lose_track();
        }
        let mut paths = event.paths.into_iter();
        if event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::Both))
            && let Some(from) = paths.next()
        {
            self.note(from, Seen::Gone);
        }
        let Some(path) = paths.next() else {
            if event.kind != EventKind::Other {
                self.lose_track();
            }
            return;
        };
        let seen = match event.kind {
            EventKind::Access(_) => Seen::Written { closed: true },
            EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_)) => {
                Seen::Written { closed: false }
            }
            EventKind::Modify(ModifyKind::Name(RenameMode::From))
            | EventKind::Remove(
                RemoveKind::Any | RemoveKind::File | RemoveKind::Folder | RemoveKind::Other,
            ) => Seen::Gone,
            EventKind::Modify(ModifyKind::Metadata(_)) => Seen::Touched,
            EventKind::Modify(ModifyKind::Name(_)) => Seen::Appeared { whole: true },
            EventKind::Any
            | EventKind::Other
            | EventKind::Create(CreateKind::Any | CreateKind::Folder | CreateKind::Other)
            | EventKind::Modify(ModifyKind::Any | ModifyKind::Other) => {
                Seen::Appeared { whole: false }
            }
        };
        self.note(path, seen);
    }

    /// Notes one thing; a later one takes the place of an earlier one, but nothing is made smaller.
    pub(super) fn note(&mut self, path: PathBuf, seen: Seen) {
        if let Seen::Lost(reason) = seen {
            if self.unwatched.len() < MAX_NOTES {
                self.unwatched.insert(path, reason);
            }
            return;
        }
        if self.lost_track {
            return;
        }
        let seen = match (self.seen.get(&path), seen) {
            (Some(Seen::Dir { deep: true }), Seen::Dir { .. }) => Seen::Dir { deep: true },
            (Some(Seen::Appeared { .. }), Seen::Written { closed }) => {
                Seen::Appeared { whole: closed }
            }
            (Some(earlier @ (Seen::Appeared { .. } | Seen::Written { .. })), Seen::Touched) => {
                earlier.clone()
            }
            (_, seen) => seen,
        };
        self.seen.insert(path, seen);
        if self.seen.len() > MAX_NOTES {
            self.coarsen();
        }
    }

    /// From here on the only hint is to scan everything, until it is taken.
    pub(super) fn lose_track(&mut self) {
        self.lost_track = true;
        self.seen.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.lost_track && self.seen.is_empty() && self.unwatched.is_empty()
    }

    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Whether track was lost, and all that was seen.
    pub(super) fn into_parts(self) -> (bool, HashMap<PathBuf, Seen>) {
        (self.lost_track, self.seen)
    }

    pub(super) fn into_hints(self) -> Vec<Hint> {
        let lost = self
            .unwatched
            .into_iter()
            .map(|(dir, reason)| Hint::Lost { dir, reason });
        let everything = self.lost_track.then_some(Hint::Everything);
        let seen = self.seen.into_iter().map(|(path, seen)| match seen {
            Seen::Written { closed } => Hint::File { path, closed },
            Seen::Dir { deep } => Hint::Dir { dir: path, deep },
            Seen::Gone => Hint::Gone(path),
            Seen::Appeared { whole } => Hint::File {
                path,
                closed: whole,
            },
            Seen::Touched => Hint::File {
                path,
                closed: false,
            },
            Seen::Lost(reason) => Hint::Lost { dir: path, reason },
        });
        lost.chain(everything).chain(seen).collect()
    }

    /// Too many paths: files are told by their directories; if that is still too much, all is lost.
    fn coarsen(&mut self) {
        let mut dirs = HashMap::new();
        let mut shallow = HashSet::new();
        for (path, seen) in self.seen.drain() {
            match seen {
                Seen::Dir { .. } | Seen::Appeared { .. } => {
                    dirs.insert(path, seen);
                }
                Seen::Touched | Seen::Written { .. } | Seen::Gone | Seen::Lost(_) => {
                    if let Some(dir) = path.parent() {
                        shallow.insert(dir.to_owned());
                    }
                }
            }
        }
        for dir in shallow {
            dirs.entry(dir).or_insert(Seen::Dir { deep: false });
        }
        self.seen = dirs;
        if self.seen.len() > MAX_NOTES / 2 {
            self.lose_track();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use notify::event::{DataChange, Flag};

    use super::*;

    fn event(kind: EventKind, paths: &[&str]) -> Event {
        paths
            .iter()
            .fold(Event::new(kind), |event, path| event.add_path(path.into()))
    }

    fn hints(events: impl IntoIterator<Item = Event>) -> Vec<Hint> {
        let mut notes = Notes::default();
        for event in events {
            notes.add(Ok(event));
        }
        let mut hints = notes.take().into_hints();
        assert!(notes.is_empty());
        hints.sort_by_key(|hint| format!("{hint:?}"));
        hints
    }

    #[test]
    fn the_last_thing_that_happened_to_a_path_is_told() {
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let file = |closed| Hint::File {
            path: "/r/a".into(),
            closed,
        };
        let of = |kinds: &[EventKind]| hints(kinds.iter().map(|kind| event(*kind, &["/r/a"])));
        assert_eq!(of(&[written, closed]), [file(true)]);
        assert_eq!(of(&[closed, written]), [file(false)]);
        assert_eq!(
            of(&[closed, EventKind::Remove(RemoveKind::File)]),
            [Hint::Gone("/r/a".into())]
        );
        assert_eq!(
            of(&[EventKind::Remove(RemoveKind::File), closed]),
            [file(true)]
        );
    }

    #[test]
    fn reading_is_no_event() {
        assert!(is_reading(EventKind::Access(AccessKind::Open(
            AccessMode::Any
        ))));
        assert!(is_reading(EventKind::Access(AccessKind::Close(
            AccessMode::Read
        ))));
        assert!(!is_reading(EventKind::Access(AccessKind::Close(
            AccessMode::Write
        ))));
        assert!(!is_reading(EventKind::Any));
    }

    #[test]
    fn an_overflow_has_no_path_and_means_everything() {
        let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        let file = event(EventKind::Create(CreateKind::File), &["/r/a"]);
        assert_eq!(hints([file, overflow]), [Hint::Everything]);
        let mut notes = Notes::default();
        notes.add(Err(notify::Error::generic("the loop stumbled")));
        assert_eq!(notes.into_hints(), [Hint::Everything]);
    }

    #[test]
    fn a_rename_is_told_for_both_names() {
        let both = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        let hints = hints([event(both, &["/r/a", "/r/b"])]);
        assert!(hints.contains(&Hint::Gone("/r/a".into())) && hints.len() == 2);
    }

    #[test]
    fn a_busy_directory_is_told_as_a_whole_and_a_busy_tree_as_everything() {
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let many = |dir: fn(usize) -> usize| {
            hints((0..MAX_NOTES * 3).map(|n| event(closed, &[&format!("/r/{}/{n}", dir(n))])))
        };
        let told = many(|_| 7);
        assert!(told.len() <= MAX_NOTES);
        assert!(told.contains(&Hint::Dir {
            dir: Path::new("/r/7").into(),
            deep: false
        }));
        assert_eq!(many(|n| n), [Hint::Everything]);
    }
}
