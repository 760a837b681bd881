//! Opens files below a folder without following symbolic links: for uploads, and for files that are moved or
//! deleted afterwards.
//!
//! Hours may pass between a scan and the upload, and a file may have been replaced by a pipe, on which a plain
//! open waits for ever, or by a link that leads out of the folder. So every directory on the way is opened one by
//! one, no link is followed, an open never waits, and anything but a regular file is an error like a file that
//! does not exist. If the configuration follows links, the path is resolved first and then opened in the same
//! way below the real root.
//!
//! Everything here blocks.

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

/// How a directory on the way is opened. `O_PATH` needs no permission to list it.
#[cfg(target_os = "linux")]
const TRAVERSE: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const TRAVERSE: OFlags = OFlags::RDONLY;

/// Opens the regular file at `below`, relative to a root, for reading. Links are followed only with
/// `follow_links`, and never out of the root. Anything else is "not found".
pub(crate) fn file(root: &Path, below: &Path, follow_links: bool) -> io::Result<File> {
    let opened = if follow_links {
        let (root, file) = (root.canonicalize()?, root.join(below).canonicalize()?);
        file.strip_prefix(&root)
            .map_err(|_| not_found())
            .and_then(|below| open(&root, below))
    } else {
        open(root, below)
    };
    // A socket, or a device without a driver, gives one of the last two.
    let no_file = &[Errno::LOOP, Errno::NOTDIR, Errno::NXIO, Errno::NODEV];
    let opened = opened.map_err(|error| {
        if is(&error, no_file) {
            not_found()
        } else {
            error
        }
    })?;
    if opened.metadata()?.is_file() {
        Ok(opened)
    } else {
        Err(not_found())
    }
}

/// Opens a directory below a root, following no link on the way. The root itself may be one.
pub(crate) fn dir(root: &Path, below: &Path) -> io::Result<OwnedFd> {
    open_dirs(root, below, OFlags::RDONLY)
}

/// Whether the error means that there is a link on the way. For directories Linux says "not a directory".
pub(crate) fn is_link(error: &io::Error) -> bool {
    is(error, &[Errno::LOOP, Errno::NOTDIR])
}

fn open(root: &Path, below: &Path) -> io::Result<File> {
    let (Some(parent), Some(name)) = (below.parent(), below.file_name()) else {
        return Err(not_found());
    };
    let dir = open_dirs(root, parent, TRAVERSE)?;
    entry(&dir, Path::new(name))
}

/// Opens a name of a directory for reading, without following a link and without waiting for a pipe's writer.
pub(crate) fn entry(dir: &OwnedFd, name: impl rustix::path::Arg) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?.into())
}

fn open_dirs(root: &Path, below: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut dir = rustix::fs::open(root, flags, Mode::empty())?;
    for part in below.components() {
        if let Component::Normal(name) = part {
            dir = rustix::fs::openat(&dir, name, flags | OFlags::NOFOLLOW, Mode::empty())?;
        }
    }
    Ok(dir)
}

fn is(error: &io::Error, errnos: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| errnos.contains(&errno))
}

fn not_found() -> io::Error {
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
    fn read(dir: &tempfile::TempDir, below: &str, follow: bool) -> Option<String> {
        match file(&dir.path().join("in"), Path::new(below), follow) {
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
    fn links_are_followed_only_if_configured_and_never_out_of_the_folder() {
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
            assert_eq!(read(&dir, below, false), left, "{below}");
            assert_eq!(read(&dir, below, true), followed, "{below}");
        }
    }

    #[test]
    fn the_root_itself_may_be_a_link() {
        let dir = folder();
        fs::rename(dir.path().join("in"), dir.path().join("real")).unwrap();
        symlink("real", dir.path().join("in")).unwrap();
        for follow in [false, true] {
            assert_eq!(read(&dir, "a/f", follow).as_deref(), Some("inside"));
        }
    }

    #[test]
    fn anything_but_a_regular_file_is_not_found_without_waiting() {
        let dir = folder();
        let at = |path: &str| dir.path().join(path);
        rustix::fs::mkfifoat(rustix::fs::CWD, at("in/pipe"), Mode::RWXU).unwrap();
        std::os::unix::net::UnixListener::bind(at("in/socket")).unwrap();
        for below in ["pipe", "socket", "a", "a/f/g", ""] {
            for follow in [false, true] {
                if (below, follow) != ("a/f/g", true) {
                    assert_eq!(read(&dir, below, follow), None, "{below}");
                }
            }
        }
    }
}
