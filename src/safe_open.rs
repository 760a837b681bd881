//! The one way to open a file of a folder whose bytes go up, or which goes itself.
//!
//! Between a scan and the claim hours may pass, and anybody may put something else in the place of a
//! file: a pipe, on which a plain open waits for ever, or a link that leads out of the folder. So
//! every directory on the way is opened by itself, no link is followed, an open never waits, and what is
//! no regular file is told like one that is not there. Where the configuration follows links, they
//! are resolved first, and what they lead to is opened in the same way below the real root.
//!
//! Used by the upload stage and by moves and deletions. All of it blocks.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Component, Path},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use crate::config::Config;
use crate::scan::place::{self, Place};

/// What a directory on the way is opened for: to be passed, which needs no right to list it.
#[cfg(target_os = "linux")]
const PASSED: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASSED: OFlags = OFlags::RDONLY;

/// What becomes of symbolic links below a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// What is behind one does not belong to the folder.
    Left,
    /// They are followed, but not out of the folder.
    Followed,
}

impl Links {
    /// As the folder at `root` has it; PATHs of a command have the default.
    pub(crate) fn of(config: &Config, root: &Path) -> Self {
        let mut folders = config.folders.iter();
        Self::followed_if(
            folders.any(|folder| folder.follow_symlinks && place::absolute(&folder.path) == root),
        )
    }

    /// As the place has it.
    pub(crate) fn in_place(place: &Place) -> Self {
        Self::followed_if(place.folder.follow_symlinks)
    }

    fn followed_if(is_followed: bool) -> Self {
        if is_followed {
            Self::Followed
        } else {
            Self::Left
        }
    }
}

/// Opens the regular file at `below`, relative to a root, for reading. What is no such file, or is
/// behind a link that is not to be followed, is not found.
pub(crate) fn file(root: &Path, below: &Path, links: Links) -> io::Result<File> {
    let opened = match links {
        Links::Left => open(root, below),
        Links::Followed => {
            let real_root = root.canonicalize()?;
            let real = root.join(below).canonicalize()?;
            match real.strip_prefix(&real_root) {
                Ok(below) => open(&real_root, below),
                Err(_) => Err(nothing()),
            }
        }
    };
    let opened = opened.map_err(|error| {
        if is_link(&error) || is_no_file(&error) {
            nothing()
        } else {
            error
        }
    })?;
    if opened.metadata()?.is_file() {
        Ok(opened)
    } else {
        Err(nothing())
    }
}

/// Opens a directory below a root, following no link on the way. The root itself may be one.
pub(crate) fn dir(root: &Path, below: &Path) -> io::Result<OwnedFd> {
    walk(root, below, OFlags::RDONLY)
}

/// Whether an open without following links met one. For directories Linux says "not a directory".
pub(crate) fn is_link(error: &io::Error) -> bool {
    is(error, &[Errno::LOOP, Errno::NOTDIR])
}

fn open(root: &Path, below: &Path) -> io::Result<File> {
    let (Some(parent), Some(name)) = (below.parent(), below.file_name()) else {
        return Err(nothing());
    };
    let dir = walk(root, parent, PASSED)?;
    entry(&dir, Path::new(name))
}

/// Opens what is behind a name of a directory for reading. It follows no link, and waits for nothing.
pub(crate) fn entry(dir: &OwnedFd, name: impl rustix::path::Arg) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?.into())
}

fn walk(root: &Path, below: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut dir = rustix::fs::open(root, flags, Mode::empty())?;
    for part in below.components() {
        if let Component::Normal(name) = part {
            dir = rustix::fs::openat(&dir, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        }
    }
    Ok(dir)
}

/// A socket, or a device without a driver.
fn is_no_file(error: &io::Error) -> bool {
    is(error, &[Errno::NXIO, Errno::NODEV])
}

fn is(error: &io::Error, errnos: &[Errno]) -> bool {
    let number = error.raw_os_error();
    errnos
        .iter()
        .any(|errno| number == Some(errno.raw_os_error()))
}

fn nothing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read as _, os::unix::fs::symlink};

    use super::*;

    /// A folder `in` with `in/a/f` beside `out/f`.
    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (at, bytes) in [("in/a", "inside"), ("out", "outside")] {
            fs::create_dir_all(dir.path().join(at)).unwrap();
            fs::write(dir.path().join(at).join("f"), bytes).unwrap();
        }
        dir
    }

    /// What is read at `below`; none if it is not found.
    fn read(dir: &tempfile::TempDir, below: &str, links: Links) -> Option<String> {
        match file(&dir.path().join("in"), Path::new(below), links) {
            Ok(mut file) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                Some(text)
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::NotFound, "{below}: {error}");
                None
            }
        }
    }

    #[test]
    fn a_link_is_followed_only_where_that_is_wanted_and_never_out_of_the_folder() {
        let dir = folder();
        let at = |path: &str| dir.path().join(path);
        symlink(at("out"), at("in/dir-out")).unwrap();
        symlink(at("out/f"), at("in/file-out")).unwrap();
        symlink(at("in/a"), at("in/dir-in")).unwrap();
        symlink("a/f", at("in/file-in")).unwrap();
        symlink(at("in/none"), at("in/dangling")).unwrap();
        let inside = Some("inside".to_owned());
        for (below, left, followed) in [
            ("a/f", inside.clone(), inside.clone()),
            ("dir-in/f", None, inside.clone()),
            ("file-in", None, inside),
            ("dir-out/f", None, None),
            ("file-out", None, None),
            ("dangling", None, None),
            ("a/g", None, None),
        ] {
            assert_eq!(read(&dir, below, Links::Left), left, "{below}");
            assert_eq!(read(&dir, below, Links::Followed), followed, "{below}");
        }
    }

    #[test]
    fn the_root_itself_may_be_a_link() {
        let dir = folder();
        fs::rename(dir.path().join("in"), dir.path().join("real")).unwrap();
        symlink("real", dir.path().join("in")).unwrap();
        for links in [Links::Left, Links::Followed] {
            assert_eq!(read(&dir, "a/f", links).as_deref(), Some("inside"));
        }
    }

    #[test]
    fn what_is_no_file_is_not_found_and_nobody_waits_for_it() {
        let dir = folder();
        let at = |path: &str| dir.path().join(path);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("in/pipe"), Mode::RWXU).unwrap();
        std::os::unix::net::UnixListener::bind(at("in/socket")).unwrap();
        for below in ["pipe", "socket", "a", "a/f/g", ""] {
            for links in [Links::Left, Links::Followed] {
                if (below, links) != ("a/f/g", Links::Followed) {
                    assert_eq!(read(&dir, below, links), None, "{below}");
                }
            }
        }
    }
}
