//! The way to the socket in the state folder: bound by the process that works there, connected to by
//! commands.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// The name of the socket in the state folder.
pub const SOCKET_NAME: &str = "albumen.sock";

/// The longest path of a socket, in bytes: `sun_path` of `sockaddr_un` holds 104 on the smallest system,
/// with the zero at its end.
const LONGEST: usize = 103;

/// A path to the socket that the system takes, as long as this lives.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    _dir: Option<File>,
}

impl Door {
    /// The way to the socket of this state folder. A folder whose name is too long for the system is gone
    /// to by a handle of it, where the system has names for those.
    pub fn of(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(SOCKET_NAME);
        if path.as_os_str().len() <= LONGEST || !cfg!(target_os = "linux") {
            return Ok(Self { path, _dir: None });
        }
        #[cfg(unix)]
        {
            use std::os::fd::AsRawFd as _;
            let dir = File::open(state_dir)?;
            let path = format!("/proc/self/fd/{}/{SOCKET_NAME}", dir.as_raw_fd());
            Ok(Self {
                path: path.into(),
                _dir: Some(dir),
            })
        }
        #[cfg(not(unix))]
        Ok(Self { path, _dir: None })
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_socket_in_a_folder_with_a_long_name_is_reached_as_any_other() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["short".to_owned(), "long".repeat(40)] {
            let state_dir = dir.path().join(name);
            std::fs::create_dir(&state_dir).unwrap();
            let bound = Door::of(&state_dir).unwrap();
            let _listener = UnixListener::bind(bound.path()).unwrap();
            drop(bound);
            assert!(state_dir.join(SOCKET_NAME).exists());
            UnixStream::connect(Door::of(&state_dir).unwrap().path()).unwrap();
        }
    }
}
