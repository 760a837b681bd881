//! How a file goes: deleted, or moved without ever overwriting anything. Blocking.
//!
//! A move within a file system is a rename; to another one it is a copy that is written through to the
//! disk, then read once more and compared, before the source is deleted. (What is read there comes from
//! the system's memory as a rule: it tells what was written, and the disk has said that it has it.) What
//! is done is written through to the disk before it is reported as done.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, RenameFlags},
    io::Errno,
};

use super::{
    checked_unlink,
    destination::Target,
    precheck::{self, CheckedFile, Trouble, changed},
};
use crate::{
    failpoint::{self, Moment},
    model::ids::ActId,
    store::{Act, Intended, Source},
    upload::read_source,
};

/// Copied at a time, in bytes.
const BUFFER: usize = 256 << 10;

/// Lets a file go. What is not done leaves it where it was.
pub(super) fn go(
    intended: &Intended,
    fit: &CheckedFile,
    target: Option<&Target>,
) -> Result<(), Trouble> {
    match &intended.act {
        Act::Delete => delete(intended.id, &intended.source, fit),
        Act::Move(to) => relocate(intended, fit, to, target),
    }
}

/// Deletes the name, if it still is the file that was looked at.
pub(super) fn delete(id: ActId, source: &Source, fit: &CheckedFile) -> Result<(), Trouble> {
    let failed = |error: io::Error| Trouble::of("cannot delete", &source.path(), &error);
    if !precheck::is_still(fit, source).map_err(failed)? {
        return Err(changed());
    }
    failpoint::point(Moment::BeforeAct);
    finish(id, source, fit)
}

/// Deletes the name of what was looked at just now.
fn finish(id: ActId, source: &Source, fit: &CheckedFile) -> Result<(), Trouble> {
    checked_unlink::take_away(id, source, fit)?;
    failpoint::point(Moment::AfterAct);
    keep(&fit.dir);
    Ok(())
}

/// How a file came to where it goes.
enum Way {
    /// It is there, and nowhere else.
    Renamed,
    /// It is there, too: a copy, or a second name.
    Twice,
}

fn relocate(
    intended: &Intended,
    fit: &CheckedFile,
    target: &Path,
    folder: Option<&Target>,
) -> Result<(), Trouble> {
    let source = &intended.source;
    let failed = |error: io::Error| {
        if error.raw_os_error() == Some(Errno::EXIST.raw_os_error()) {
            precheck::exists(target)
        } else {
            Trouble::of("cannot move it to", target, &error)
        }
    };
    let (Some(folder), Some(name)) = (folder, target.file_name()) else {
        return Err(Trouble::new(
            "the place that it is to be moved to has no name",
        ));
    };
    let to = folder.make_dirs(&source.dir).map_err(failed)?;
    if !precheck::is_still(fit, source).map_err(failed)? {
        return Err(changed());
    }
    let (from, to) = (Path::new(&source.name), (&to, Path::new(name)));
    failpoint::point(Moment::BeforeAct);
    match bring(intended.id, source, fit, to).map_err(failed)? {
        Way::Renamed => {
            failpoint::point(Moment::AfterAct);
            if precheck::is_another(to.0, to.1, fit) {
                // Another file had taken the name in between: it goes back where it was.
                let back = RenameFlags::NOREPLACE;
                return Err(
                    match rustix::fs::renameat_with(to.0, to.1, &fit.dir, from, back) {
                        Ok(()) => changed(),
                        Err(_) => checked_unlink::kept(target),
                    },
                );
            }
            keep(to.0);
            keep(&fit.dir);
            Ok(())
        }
        Way::Twice => {
            failpoint::point(Moment::MidAct);
            finish(intended.id, source, fit).inspect_err(|_| {
                // One of the two must go, and the source cannot; but only while it is there.
                if precheck::is_there(&fit.dir, from, fit).unwrap_or(false) {
                    let _ = rustix::fs::unlinkat(to.0, to.1, AtFlags::empty());
                }
            })
        }
    }
}

type Name<'a> = (&'a OwnedFd, &'a Path);

/// Brings a file to where it goes, under a name that nothing has yet.
fn bring(id: ActId, source: &Source, fit: &CheckedFile, to: Name<'_>) -> io::Result<Way> {
    let (dir, name) = (&fit.dir, Path::new(&source.name));
    match rustix::fs::renameat_with(dir, name, to.0, to.1, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(Way::Renamed),
        // Not every file system can promise that nothing is replaced (NFS, some that live in user
        // space); all that know second names can.
        Err(Errno::INVAL | Errno::NOSYS) => {
            match rustix::fs::linkat(dir, name, to.0, to.1, AtFlags::empty()) {
                Ok(()) => return Ok(Way::Twice),
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::XDEV) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::XDEV) => {}
        Err(error) => return Err(error.into()),
    }
    copy(id, source, fit, to)?;
    Ok(Way::Twice)
}

/// Where a copy grows; no scan takes such a name.
pub(super) fn unfinished(id: ActId) -> PathBuf {
    PathBuf::from(format!(".albumen-{id}.part"))
}

/// Copies to another file system, under a name of its own until it is whole.
fn copy(id: ActId, source: &Source, fit: &CheckedFile, (to, name): Name<'_>) -> io::Result<()> {
    let part = unfinished(id);
    let written = copy_to(source, fit, to, &part);
    let named = written.and_then(|()| Ok(checked_unlink::rename_new(to, &part, name)?));
    if named.is_err() {
        // It may not have come into being.
        let _ = rustix::fs::unlinkat(to, &part, AtFlags::empty());
    }
    named?;
    keep(to);
    Ok(())
}

fn copy_to(source: &Source, fit: &CheckedFile, to: &OwnedFd, part: &Path) -> io::Result<()> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = File::from(rustix::fs::openat(
        to,
        part,
        flags,
        Mode::RUSR | Mode::WUSR,
    )?);
    let mut file = &fit.file;
    file.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                copy.write_all(buffer.get(..n).unwrap_or_default())?;
                failpoint::point(Moment::MidCopy);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let metadata = fit.file.metadata()?;
    copy.set_permissions(metadata.permissions())?;
    copy.set_times(fs::FileTimes::new().set_modified(metadata.modified()?))?;
    copy.sync_all()?;
    let hash = read_source::hash_prefix(&copy, u64::MAX)?.finalize();
    if *hash.as_bytes() == source.hash.0 {
        Ok(())
    } else {
        Err(io::Error::other("the copy is not what was copied"))
    }
}

/// Writes a directory through to the disk. Where a file system cannot, it was done all the same.
pub(super) fn keep(dir: &impl AsFd) {
    if let Err(error) = rustix::fs::fsync(dir) {
        tracing::debug!(%error, "a directory could not be written through");
    }
}
