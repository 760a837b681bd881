//! The lock of a state folder: one process at a time changes its content.
//!
//! It is an advisory lock of the system on a file that is never deleted: a lock on a deleted file and one on a
//! new file of the same name would be two locks. The system releases it when the process ends, however it
//! ends. The file contains the pid of the holder, which is used only in messages.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use crate::escape::Escaped;

/// The name of the lock file in the state folder.
pub const FILE_NAME: &str = "albumen.lock";

/// The most bytes that are read of a pid; more than any system needs.
const PID_BYTES: u64 = 32;

/// The lock, held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process holds it.
    #[error("another albumen{} works in this state folder", of_pid(*.pid))]
    Held {
        /// Its pid, if the file contains it.
        pid: Option<u32>,
    },
    /// The folder or the file cannot be created or opened.
    #[error("the state folder {} cannot be used", Escaped::path(.path))]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

fn of_pid(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})"))
        .unwrap_or_default()
}

impl Lock {
    /// Takes the lock of `state_dir`, without waiting for it. The folder is created if it is missing, and made
    /// inaccessible to other users.
    pub fn take(state_dir: &Path) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable {
            path: state_dir.to_owned(),
            source,
        };
        create_private(state_dir).map_err(unusable)?;
        let mut file = open(&state_dir.join(FILE_NAME)).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {
                write_pid(&mut file).map_err(unusable)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => Err(Error::Held {
                pid: read_pid(&mut file),
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
        // It may have been restored from a backup with another mode.
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
    }
    Ok(file)
}

/// Writes the pid of this process. A full disk is ignored: messages of other processes lack the pid then.
fn write_pid(file: &mut File) -> io::Result<()> {
    let text = format!("{}\n", std::process::id());
    let signed = file
        .set_len(0)
        .and_then(|()| file.write_all(text.as_bytes()));
    match signed {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
        signed => signed,
    }
}

/// The pid of the holder; none if it has not written it yet.
fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(unix)]
fn create_private(dir: &Path) -> io::Result<()> {
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
fn create_private(dir: &Path) -> io::Result<()> {
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
