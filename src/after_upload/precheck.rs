//! A last look at a file before it goes: is it, byte for byte, what was sent? Blocking.
//!
//! Every directory on the way is opened by itself and no link is followed, so that nothing outside of
//! the root can be meant. That the name still is the file when it goes is another question: see
//! [`super::checked_unlink`].

use std::{fs::File, io, os::fd::OwnedFd, path::Path};

use rustix::fs::{Access, AtFlags, Stat};

use crate::{
    escape::Escaped,
    safe_open,
    store::{Act, FileStat, Source},
    upload::read_source,
};

pub(super) use crate::safe_open::dir as open_dir;

/// What a look at a file led to.
#[derive(Debug)]
pub(super) enum Look {
    /// It is what was sent.
    CheckedFile(Box<CheckedFile>),
    /// It stays where it is.
    Stays(Trouble),
    /// Its root is not there, or empty: a disk that is not mounted.
    Away,
}

/// An open file that is what was sent.
#[derive(Debug)]
pub(super) struct CheckedFile {
    /// The directory that it is in.
    pub(super) dir: OwnedFd,
    /// Its bytes.
    pub(super) file: File,
    /// What it looked like before and after it was read.
    pub(super) stat: FileStat,
}

/// Why a file stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// In words, for people; the same for all files that have it in common.
    pub(super) reason: String,
    /// What can be done about it.
    pub(super) hint: Option<&'static str>,
    /// Whether another look may find it otherwise.
    pub(super) is_transient: bool,
}

impl Trouble {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: None,
            is_transient: false,
        }
    }

    /// The system refused.
    pub(super) fn of(what: &str, path: &Path, error: &io::Error) -> Self {
        let denied = matches!(
            error.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        );
        Self {
            reason: format!("{what} {}: {error}", Escaped::path(path)),
            hint: denied.then_some(DENIED),
            is_transient: false,
        }
    }
}

/// It may have been touched only: a second name of the same file went, for one. Another look tells.
pub(super) fn changed() -> Trouble {
    Trouble {
        is_transient: true,
        ..Trouble::new("it was touched at the last moment")
    }
}

const DENIED: &str = "Albumen needs the right to write there; for the system's service name the folder in a \
                      drop-in, `ReadWritePaths=`, as the head of albumen@.service shows, and restart it";

/// Looks at a file that is to go.
pub(super) fn look(source: &Source, act: &Act) -> Look {
    match try_look(source, act) {
        Ok(look) => look,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if read_source::is_away(&source.root) {
                Look::Away
            } else {
                Look::Stays(Trouble::new("it is not there any more"))
            }
        }
        Err(error) => Look::Stays(Trouble::of("cannot read", &source.path(), &error)),
    }
}

fn try_look(source: &Source, act: &Act) -> io::Result<Look> {
    let stays = |reason: &str| Ok(Look::Stays(Trouble::new(reason)));
    let dir = match open_dir(&source.root, &source.dir) {
        Ok(dir) => dir,
        Err(error) if safe_open::is_link(&error) => {
            return stays("a folder on the way to it is a symbolic link, and those are left alone");
        }
        Err(error) => return Err(error),
    };
    if let Some(trouble) = cannot_write(&dir, source, act) {
        return Ok(Look::Stays(trouble));
    }
    let file = match safe_open::entry(&dir, &source.name) {
        Ok(file) => file,
        Err(error) if safe_open::is_link(&error) => {
            return stays("it is a symbolic link, and those are left alone");
        }
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return stays("it is no file any more");
    }
    let (stat, _) = read_source::stat_of(&file)?;
    // The inode is not asked: some file systems number their files again at each mount, and the hash
    // below is the better witness.
    if !read_source::same_content(stat, source.stat) {
        return stays("it has changed since it was sent");
    }
    let hash = read_source::hash_prefix(&file, u64::MAX)?.finalize();
    let (after, _) = read_source::stat_of(&file)?;
    if *hash.as_bytes() != source.hash.0 || after != stat {
        return stays("it does not hold any more what was sent");
    }
    Ok(Look::CheckedFile(Box::new(CheckedFile { dir, file, stat })))
}

/// What is known beforehand to fail, so that nothing is read for it.
fn cannot_write(dir: &OwnedFd, source: &Source, act: &Act) -> Option<Trouble> {
    let can_write =
        |dir: &OwnedFd| rustix::fs::accessat(dir, ".", Access::WRITE_OK, AtFlags::empty());
    if let Err(error) = can_write(dir) {
        let from = source.root.join(&source.dir);
        return Some(Trouble::of(
            "cannot take files out of",
            &from,
            &error.into(),
        ));
    }
    let Act::Move(target) = act else { return None };
    match std::fs::symlink_metadata(target) {
        Ok(_) => Some(exists(target)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Trouble::of("cannot move it to", target, &error)),
    }
}

pub(super) fn exists(target: &Path) -> Trouble {
    let target = Escaped::path(target);
    Trouble::new(format!(
        "{target} is there already, and nothing is overwritten"
    ))
}

/// Whether the name in the directory still is the open file, untouched since it was read.
pub(super) fn is_still(fit: &CheckedFile, source: &Source) -> io::Result<bool> {
    let (open, _) = read_source::stat_of(&fit.file)?;
    Ok(open == fit.stat && is_there(&fit.dir, Path::new(&source.name), fit)?)
}

/// Whether what stands under a name is the open file, by its looks.
pub(super) fn is_there(dir: &OwnedFd, name: &Path, fit: &CheckedFile) -> io::Result<bool> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) => Ok(is_file(&there, fit.stat)),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether another file stands under a name.
pub(super) fn is_another(dir: &OwnedFd, name: &Path, fit: &CheckedFile) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|there| !is_file(&there, fit.stat))
}

/// Whether a name's look is that of a file that was looked at. Renaming changes none of these.
#[expect(
    clippy::unnecessary_cast,
    reason = "the types of these fields differ between systems"
)]
fn is_file(there: &Stat, stat: FileStat) -> bool {
    let seconds = (there.st_mtime as i64).saturating_mul(1_000_000_000);
    there.st_ino as u64 == stat.inode
        && there.st_dev as u64 == stat.dev
        && there.st_size as u64 == stat.size
        && seconds.saturating_add(there.st_mtime_nsec as i64) == stat.mtime_ns
}
