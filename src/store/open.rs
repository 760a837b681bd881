//! Opening the store: with an existing database, a new one, or a new one in place of a damaged one.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use super::{BEFORE_RESTORE, Error, FILE_NAME, Reader, Result, Store, backup, connection};

/// A new database that is being made; the name of one that is being restored, which is as unfinished.
const MAKING: &str = backup::RESTORING;

impl Store {
    /// Opens or creates the database in `state_dir`, and migrates it. The caller holds the lock of the
    /// state folder. A missing database is not created where backups of it exist: a new one would know
    /// nothing of what is in the library.
    pub fn open(state_dir: &Path) -> Result<Self> {
        match backup::lost(state_dir) {
            Some(backup) => Err(Error::Lost(backup)),
            None => Self::open_or_create(state_dir),
        }
    }

    /// The same, and creates a missing database even if there is a backup: for `rebuild`, which learns
    /// from the service what is in the library.
    pub fn open_or_create(state_dir: &Path) -> Result<Self> {
        let path = state_dir.join(FILE_NAME);
        let connection = connection::for_writing(&path)?;
        Ok(Self::new(connection, path))
    }

    /// The same as [`Store::open_or_create`], and puts a new database in place of a damaged one, which is
    /// kept under the name that is returned. Reads the whole database.
    pub fn open_in_place_of_damage(state_dir: &Path) -> Result<(Self, Option<PathBuf>)> {
        let before = if is_damaged(state_dir)? {
            replace(state_dir)?
        } else {
            None
        };
        Ok((Self::open_or_create(state_dir)?, before))
    }

    /// Opens the database beside the process that holds the lock, to leave a command for it.
    pub fn open_beside(state_dir: &Path) -> Result<Self> {
        let path = state_dir.join(FILE_NAME);
        let connection = connection::beside(&path)?;
        Ok(Self::new(connection, path))
    }

    /// A reader of the same database.
    pub fn reader(&self) -> Result<Reader> {
        connection::for_reading(self.path()).map(Reader::new)
    }
}

impl Reader {
    /// Opens the database of `state_dir` read-only; none if there is no database yet.
    pub fn open(state_dir: &Path) -> Result<Option<Self>> {
        let path = state_dir.join(FILE_NAME);
        match fs::metadata(&path) {
            Ok(_) => connection::for_reading(&path).map(|connection| Some(Self::new(connection))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Folder {
                path: state_dir.to_owned(),
                source,
            }),
        }
    }
}

/// Whether the database of `state_dir` is there and damaged. This reads all of it.
pub fn is_damaged(state_dir: &Path) -> Result<bool> {
    let path = state_dir.join(FILE_NAME);
    if !backup::is_there(&path) {
        return Ok(false);
    }
    let checked = connection::for_reading(&path).and_then(|connection| {
        let said: Vec<String> = connection
            .prepare("PRAGMA quick_check(1)")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(said.iter().any(|line| line != "ok"))
    });
    match checked {
        Err(error) if error.is_damage() => Ok(true),
        // An update is about to come.
        Err(Error::FromThePast { .. }) => Ok(false),
        checked => checked,
    }
}

/// Puts a new database in the place of the present one with one rename, and gives where that one is.
fn replace(state_dir: &Path) -> Result<Option<PathBuf>> {
    let folder = |source| Error::Folder {
        path: state_dir.to_owned(),
        source,
    };
    let (present, making) = (state_dir.join(FILE_NAME), state_dir.join(MAKING));
    backup::remove(&making);
    let connection = connection::for_writing(&making)?;
    backup::carry_over(&present, &connection);
    // One file that needs no other beside it, under whatever name.
    connection.pragma_update(None, "journal_mode", "delete")?;
    connection.close().map_err(|(_, error)| error)?;
    let written = File::open(&making).and_then(|file| file.sync_all());
    written.map_err(folder)?;
    let before = backup::set_aside(&present, &state_dir.join(BEFORE_RESTORE)).map_err(folder)?;
    fs::rename(&making, &present).map_err(folder)?;
    File::open(state_dir)
        .and_then(|dir| dir.sync_all())
        .map_err(folder)?;
    Ok(before)
}
