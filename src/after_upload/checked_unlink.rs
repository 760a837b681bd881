//! How a name is deleted, so that no other file can be hit that took the name in between. Blocking.
//!
//! A name cannot be deleted on the condition that it still is a certain file. So it is first given
//! another name, which nobody else uses; what then stands under that one is looked at, and it is
//! deleted if it is the file, and put back if it is another one. A crash in between is resolved by
//! [`recover`].

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, RenameFlags},
    io::Errno,
};

use super::precheck::{self, CheckedFile, Trouble};
use crate::{
    escape::Escaped,
    failpoint::{self, Moment},
    model::ids::ActId,
    safe_open,
    store::{Intended, Source},
    upload::read_source,
};

/// The name under which a file stands before it is deleted; no scan takes it.
fn aside(id: ActId) -> PathBuf {
    PathBuf::from(format!(".albumen-{id}.going"))
}

/// Deletes the name of the file that was looked at, and of no other.
pub(super) fn take_away(id: ActId, source: &Source, fit: &CheckedFile) -> Result<(), Trouble> {
    let failed = |error: io::Error| Trouble::of("cannot delete", &source.path(), &error);
    let aside = aside(id);
    let name = Path::new(&source.name);
    let stepped = step_aside(&fit.dir, name, &aside);
    if let Err(error) = stepped
        && !is_done_all_the_same(fit, &aside, error)
    {
        return Err(match error {
            Errno::NOENT => precheck::changed(),
            error => failed(error.into()),
        });
    }
    failpoint::point(Moment::MidAct);
    let taken = match precheck::is_there(&fit.dir, &aside, fit) {
        Ok(true) => match rustix::fs::unlinkat(&fit.dir, &aside, AtFlags::empty()) {
            // Nobody else uses the name: it was an answer to the same request, repeated on its way.
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(failed(error.into())),
        },
        Ok(false) => Err(precheck::changed()),
        Err(error) => Err(failed(error)),
    };
    taken.map_err(|trouble| match rename_new(&fit.dir, &aside, name) {
        Ok(()) => trouble,
        Err(_) => kept(&source.root.join(&source.dir).join(&aside)),
    })
}

/// Whether the file stands aside although the system said that there is none to be renamed: over a
/// network a request may be repeated on its way, and the second answer be the one that comes.
fn is_done_all_the_same(fit: &CheckedFile, aside: &Path, error: Errno) -> bool {
    error == Errno::NOENT && precheck::is_there(&fit.dir, aside, fit).unwrap_or(false)
}

/// What an act that was cut short had put aside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recovered {
    /// Nothing, or it is back under its name.
    Back,
    /// The file that was to go. Its name is another file's now, so it was deleted.
    Taken,
    /// Another file, and its name is taken: it is kept where it is.
    Kept,
}

/// Puts back what stands aside since an act was cut short.
pub(super) fn recover(intended: &Intended) -> io::Result<Recovered> {
    let source = &intended.source;
    let dir = match safe_open::dir(&source.root, &source.dir) {
        Ok(dir) => dir,
        Err(error) if error.kind() == io::ErrorKind::NotFound || safe_open::is_link(&error) => {
            return Ok(Recovered::Back);
        }
        Err(error) => return Err(error),
    };
    let aside = aside(intended.id);
    match rename_new(&dir, &aside, Path::new(&source.name)) {
        Ok(()) | Err(Errno::NOENT) => return Ok(Recovered::Back),
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let hash = read_source::hash_prefix(&safe_open::entry(&dir, &aside)?, u64::MAX)?;
    Ok(if *hash.finalize().as_bytes() == source.hash.0 {
        rustix::fs::unlinkat(&dir, &aside, AtFlags::empty())?;
        Recovered::Taken
    } else {
        let kept = kept(&source.root.join(&source.dir).join(&aside));
        tracing::warn!("{}: {}", Escaped::path(&source.path()), kept.reason);
        Recovered::Kept
    })
}

/// What is told where a file could not be put back: nobody deletes it.
pub(super) fn kept(path: &Path) -> Trouble {
    Trouble::new(format!(
        "its name was another file's at the last moment, and then a third one's; the second is kept as {}",
        Escaped::path(path)
    ))
}

/// Gives the name up for one that is Albumen's own.
fn step_aside(dir: &OwnedFd, name: &Path, aside: &Path) -> Result<(), Errno> {
    match rustix::fs::renameat_with(dir, name, dir, aside, RenameFlags::NOREPLACE) {
        // Not by a second name: deleting the first one then is what cannot be done safely.
        Err(Errno::INVAL | Errno::NOSYS) => rename_to_free(dir, name, aside),
        renamed => renamed,
    }
}

/// Gives a file a name that nothing has, in the same directory. `from` must be a name of Albumen's own:
/// not every file system can promise that nothing is replaced (NFS, some that live in user space), but
/// those that know second names can. Where there are none either, the name is asked for beforehand.
pub(super) fn rename_new(dir: &OwnedFd, from: &Path, to: &Path) -> Result<(), Errno> {
    match rustix::fs::renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            match rustix::fs::linkat(dir, from, dir, to, AtFlags::empty()) {
                Ok(()) => rustix::fs::unlinkat(dir, from, AtFlags::empty()),
                Err(Errno::PERM | Errno::OPNOTSUPP) => rename_to_free(dir, from, to),
                Err(error) => Err(error),
            }
        }
        renamed => renamed,
    }
}

/// The last resort: a rename that replaces what takes the name after it was asked for.
fn rename_to_free(dir: &OwnedFd, from: &Path, to: &Path) -> Result<(), Errno> {
    match rustix::fs::statat(dir, to, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => rustix::fs::renameat(dir, from, dir, to),
        Ok(_) => Err(Errno::EXIST),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::{
        model::ids::{ContentHash, FileId, ItemId},
        store::Act,
    };

    const SENT: &[u8] = b"what was sent";

    /// A file that was sent and looked at.
    fn looked_at(root: &Path) -> (Source, Box<CheckedFile>) {
        fs::write(root.join("a.jpg"), SENT).unwrap();
        let file = File::open(root.join("a.jpg")).unwrap();
        let source = Source {
            file: FileId(1),
            item: ItemId(1),
            root: root.to_owned(),
            dir: PathBuf::new(),
            name: "a.jpg".into(),
            stat: read_source::stat_of(&file).unwrap().0,
            hash: ContentHash(*blake3::hash(SENT).as_bytes()),
        };
        match precheck::look(&source, &Act::Delete) {
            precheck::Look::CheckedFile(fit) => (source, fit),
            other => panic!("{other:?}"),
        }
    }

    /// An atomic save, as editors and syncing programs do it.
    fn save(root: &Path, bytes: &[u8]) {
        fs::write(root.join("new"), bytes).unwrap();
        fs::rename(root.join("new"), root.join("a.jpg")).unwrap();
    }

    fn there(root: &Path) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap());
        let mut there: Vec<_> = entries
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read(entry.path()).unwrap())
            })
            .collect();
        there.sort();
        there
    }

    fn cut_short(source: &Source) -> Intended {
        let (id, source, act) = (ActId(7), source.clone(), Act::Delete);
        Intended { id, source, act }
    }

    #[test]
    fn the_file_that_was_looked_at_is_deleted() {
        let root = tempfile::tempdir().unwrap();
        let (source, fit) = looked_at(root.path());
        take_away(ActId(7), &source, &fit).unwrap();
        assert_eq!(there(root.path()), []);
    }

    #[test]
    fn a_file_that_took_the_name_in_between_is_put_back() {
        let root = tempfile::tempdir().unwrap();
        let (source, fit) = looked_at(root.path());
        save(root.path(), b"a new version");
        let trouble = take_away(ActId(7), &source, &fit).unwrap_err();
        assert!(trouble.is_transient, "{trouble:?}");
        let new = ("a.jpg".to_owned(), b"a new version".to_vec());
        assert_eq!(there(root.path()), [new]);
    }

    #[test]
    fn a_file_that_was_written_to_in_between_is_put_back() {
        let root = tempfile::tempdir().unwrap();
        let (source, fit) = looked_at(root.path());
        fs::write(root.path().join("a.jpg"), b"other words!!").unwrap();
        assert!(take_away(ActId(7), &source, &fit).is_err());
        let other = ("a.jpg".to_owned(), b"other words!!".to_vec());
        assert_eq!(there(root.path()), [other]);
    }

    #[test]
    fn what_stands_aside_after_a_crash_is_put_back_or_ended() {
        let aside = ".albumen-7.going";
        for (is_aside, has_name, led_to, left) in [
            (SENT, None, Recovered::Back, &[("a.jpg", SENT)][..]),
            (SENT, Some(b"new"), Recovered::Taken, &[("a.jpg", b"new")]),
            (
                b"second",
                Some(b"new"),
                Recovered::Kept,
                &[(aside, b"second"), ("a.jpg", b"new")],
            ),
        ] {
            let root = tempfile::tempdir().unwrap();
            let (source, _) = looked_at(root.path());
            fs::remove_file(root.path().join("a.jpg")).unwrap();
            fs::write(root.path().join(aside), is_aside).unwrap();
            if let Some(bytes) = has_name {
                save(root.path(), bytes);
            }
            assert_eq!(recover(&cut_short(&source)).unwrap(), led_to);
            let left = left.iter().map(|(name, bytes)| (*name, bytes.to_vec()));
            let left: Vec<_> = left.map(|(name, bytes)| (name.to_owned(), bytes)).collect();
            assert_eq!(there(root.path()), left);
        }
    }
}
