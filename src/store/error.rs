//! Errors of the store.

use std::path::PathBuf;

use crate::escape::Escaped;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refused; the disk may be full or broken.
    #[error("the database refused")]
    Sqlite(#[from] rusqlite::Error),
    /// The schema could not be brought up to date.
    #[error("the database could not be migrated")]
    Migration(#[from] refinery::Error),
    /// The database was written by a newer Albumen.
    #[error("the database is of version {found}, and this Albumen knows versions up to {known}")]
    FromTheFuture {
        /// What the database says.
        found: i32,
        /// The newest that this binary knows.
        known: i32,
    },
    /// The database was written by an older Albumen, and a read-only connection does not update it.
    #[error(
        "the database is of version {found}, and this Albumen, which knows version {known}, has not updated it yet"
    )]
    FromThePast {
        /// What the database says.
        found: i32,
        /// What this binary looks for.
        known: i32,
    },
    /// The files of the state folder cannot be read or made.
    #[error("the state folder {path} cannot be used")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the state folder may not be written.
    #[error("{} may not be written", Escaped::path(.path))]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database is not there, and a backup of it is.
    #[error("the database is missing, and a backup of it is there: {}", Escaped::path(.0))]
    Lost(PathBuf),
    /// The database is damaged, and what was asked only looks.
    #[error("{} is damaged, so a rebuild would begin with a new one, and a dry run changes nothing", Escaped::path(.0))]
    KeptOnDryRun(PathBuf),
    /// There is no backup to be brought back.
    #[error("there is no backup in {}", Escaped::path(.0))]
    NoBackup(PathBuf),
    /// A file that cannot be brought back.
    #[error("{} cannot be restored: {why}", Escaped::path(.file))]
    NotABackup {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// An event that the state machine does not allow: a defect.
    #[error(transparent)]
    Illegal(#[from] crate::model::item::Illegal),
    /// What a call was to carry is not what it was when the call was planned; nothing is journalled.
    #[error("item {0} changed between the plan of a call and its sending")]
    Overtaken(crate::model::ids::ItemId),
    /// A row holds what no version of Albumen writes.
    #[error("a row of the database makes no sense: {0}")]
    Corrupt(String),
    /// The files of the database were taken away or cut short while it was open.
    #[error("{} was removed, replaced or cut short while albumen worked with it; {saved}", Escaped::path(.path))]
    Removed {
        /// The database.
        path: PathBuf,
        /// What became of what it held.
        saved: Saved,
    },
    /// The writer thread has ended.
    #[error("the store is closed")]
    Closed,
}

/// What became of the content of a database whose files were taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// All of it is the newest backup.
    AsBackup,
    /// Only its log was taken; all of it is in the database.
    InPlace,
    /// It could not be saved.
    Nothing,
}

impl std::fmt::Display for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AsBackup => "all that it held was saved as the newest backup",
            Self::InPlace => "only its log was, and all that it held is in the database",
            Self::Nothing => "what it held since the last backup could not be saved",
        })
    }
}

impl Error {
    /// Whether the database itself is damaged.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self, Self::Sqlite(error)
            if matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)))
    }

    /// Whether the same request may succeed later: the disk is full, or another process holds the
    /// database for a moment.
    pub fn is_transient(&self) -> bool {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, ReadOnly, SystemIoFailure,
        };
        matches!(self, Self::Sqlite(rusqlite::Error::SqliteFailure(cause, _))
            if matches!(cause.code, DiskFull | DatabaseBusy | DatabaseLocked | SystemIoFailure | ReadOnly | CannotOpen))
    }
}

/// What a verb of the store gives.
pub type Result<T> = std::result::Result<T, Error>;
