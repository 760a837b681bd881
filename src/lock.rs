//! The lock of a state folder: one process at a time changes what is in it.
//!
//! It is an advisory lock of the system on a file that stays where it is: a lock on a file that is
//! deleted and made anew would be two locks. The system lets go of it when the process ends,
//! however it ends. The file holds the pid of the holder, for messages alone. `run` takes it for as
//! long as a pipeline runs, commands that change something for as long as they do.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use crate::escape::Escaped;

/// The name of the lock file in the state folder.
pub const FILE_NAME: &str = "albumen.lock";

/// The longest pid that is read back, in bytes; far more than any system has.
const PID_BYTES: u64 = 32;

/// The lock, held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it.
    #[error("another albumen{} works in this state folder", of_pid(*.pid))]
    Held {
        /// Which, if it said so.
        pid: Option<u32>,
    },
    /// The folder or the file cannot be made or opened.
    #[error("the state folder {} cannot be used", Escaped::path(.path))]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn of_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

impl Lock {
    /// Takes the lock of `state_dir` without waiting for it. The folder is made if it is missing,
    /// and closed to others.
    pub fn take(state_dir: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable {
            path: state_dir.to_owned(),
            source,
        };
        private(state_dir).map_err(unusable)?;
        let mut file = open(&state_dir.join(FILE_NAME)).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {
                sign(&mut file).map_err(unusable)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => Err(Error::Held {
                pid: signed(&mut file),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // It may have come by another way, such as a backup of the folder.
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// Signs with our number. A full disk is no reason not to work: then the others learn less.
fn sign(file: &mut File) -> io::Result<()> {
    let text = format!("{}\n", std::process::id());
    let signed = file
        .set_len(0)
        .and_then(|()| file.write_all(text.as_bytes()));
    match signed {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
        signed => signed,
    }
}

/// Who signed; none while the holder has the lock and has not signed yet.
fn signed(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(unix)]
fn private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    if fs::metadata(dir)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_has_it_and_gets_it_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("deep/state");
        let lock = Lock::take(&state_dir).unwrap();
        let error = Lock::take(&state_dir).unwrap_err();
        let us = std::process::id();
        assert!(matches!(error, Error::Held { pid: Some(pid) } if pid == us));
        assert_eq!(
            error.to_string(),
            format!("another albumen (process {us}) works in this state folder")
        );
        drop(lock);
        Lock::take(&state_dir).unwrap();
        assert!(state_dir.join(FILE_NAME).exists(), "it is never deleted");
    }

    #[cfg(unix)]
    #[test]
    fn the_state_folder_is_closed_to_others_and_so_is_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        fs::create_dir(&state_dir).unwrap();
        fs::set_permissions(&state_dir, fs::Permissions::from_mode(0o755)).unwrap();
        let _lock = Lock::take(&state_dir).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state_dir), 0o700);
        assert_eq!(mode(&state_dir.join(FILE_NAME)), 0o600);
    }
}
