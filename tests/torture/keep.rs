//! What a failure leaves, kept for whoever has to find out: the home with its database and logs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::support::home::Home;

/// Keeps a copy of a home if its test fails.
pub(crate) struct Keep {
    home: PathBuf,
    name: String,
}

impl Keep {
    pub(crate) fn of(home: &Home, name: String) -> Self {
        let home = home.path("");
        Self { home, name }
    }
}

impl Drop for Keep {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&self.name);
            // What an earlier failure left is of no use any more, if there is anything.
            let _ = fs::remove_dir_all(&to);
            match copy(&self.home, &to) {
                Ok(()) => println!("what it left is in {}", to.display()),
                Err(error) => println!("what it left could not be kept: {error}"),
            }
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
