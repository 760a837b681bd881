//! The folder that files are moved to (`move:DIR`). Blocking.
//!
//! It is never made: where it is missing, the disk that it is on may not be mounted, and what is
//! written there would be hidden once it is. For the same reason it counts as missing where it is
//! there and not on the mount that it was on when files were moved to it last.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

use super::precheck::{self, Trouble};
use crate::{escape::Escaped, store::Source};

/// What can be done about a folder that is not there.
const NOT_THERE: &str = "mount the disk that it is on, or make the folder if it is to be here; the files go on by \
                         themselves then";

/// What can be done about a folder that is not where it was.
const UNMOUNTED: &str = "mount the disk; if the files are to stay on this one, name another folder";

/// The folder, open: what is moved there stays on its disk, whatever is mounted or taken off meanwhile.
#[derive(Debug)]
pub(super) struct Target {
    dir: OwnedFd,
    /// Where its disk is mounted.
    pub(super) mount: PathBuf,
}

/// The `DIR` of a file that is to be moved to `to`.
pub(super) fn dir_of<'a>(source: &Source, to: &'a Path) -> Option<&'a Path> {
    to.ancestors().nth(source.dir.components().count() + 1)
}

impl Target {
    /// Opens it, unless it is missing or its disk is not there, which was mounted at `known`.
    pub(super) fn open(path: &Path, known: Option<&Path>) -> Result<Self, Trouble> {
        let shown = Escaped::path(path);
        let open =
            precheck::open_dir(path, Path::new("")).and_then(|dir| Ok((dir, mount_of(path)?)));
        let (dir, mount) = match open {
            Ok(open) => open,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Trouble {
                    hint: Some(NOT_THERE),
                    ..Trouble::new(format!("the folder {shown} is not there"))
                });
            }
            Err(error) => return Err(Trouble::of("cannot move it to", path, &error)),
        };
        match known {
            Some(known) if known != mount && known.starts_with(&mount) => {
                let known = Escaped::path(known);
                Err(Trouble {
                    hint: Some(UNMOUNTED),
                    ..Trouble::new(format!(
                        "the folder {shown} was on the disk at {known}, which is not mounted"
                    ))
                })
            }
            _ => Ok(Self { dir, mount }),
        }
    }

    /// Makes the directory `below` it and those on the way, each written through, and opens it.
    pub(super) fn make_dirs(&self, below: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut dir = self.dir.try_clone()?;
        for part in below.components() {
            let Component::Normal(name) = part else {
                continue;
            };
            match rustix::fs::mkdirat(&dir, name, Mode::from_raw_mode(0o777)) {
                Ok(()) => super::execute::keep(&dir),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            dir = rustix::fs::openat(&dir, name, flags, Mode::empty())?;
        }
        Ok(dir)
    }
}

/// The topmost directory above `dir`, or `dir` itself, that is on the same device without a break.
fn mount_of(dir: &Path) -> io::Result<PathBuf> {
    let mut mount = dir.canonicalize()?;
    let dev = fs::metadata(&mount)?.dev();
    while let Some(above) = mount.parent() {
        if fs::metadata(above)?.dev() != dev {
            break;
        }
        mount = above.to_owned();
    }
    Ok(mount)
}
