//! The truth: all SQL, behind verbs of the domain.
//!
//! - One writer thread owns the one writing connection ([`writer`]). A verb is a closure that it runs
//!   in a savepoint; verbs that are waiting together are committed together, and each is answered
//!   after the commit, never before.
//! - Every verb is one transaction, and every state change goes through [`crate::model::item`].
//! - Whoever only looks uses a [`Reader`], which has a read-only connection of its own and never
//!   waits for the writer (WAL).
//!
//! The queue is the tables. Nothing about an item is kept in memory that a crash would lose, so a
//! crash, a restart and a lost wake-up are the same case: look again.
//!
//! **Durability.** `synchronous = NORMAL`: a power cut may take back the last commits, which costs
//! work (a byte sent twice, an item asked for twice) but never consistency. What must survive a
//! power cut is written with `synchronous = FULL`: the intention of a mutating call
//! ([`Store::journal`] and its kin), because a forgotten `albums.create` would become a second album.

mod albums;
mod apply_scan;
mod attach;
mod backup;
mod byte_sources;
mod call_journal;
mod clock_rollback;
mod command_queue;
mod connection;
mod create_results;
mod descriptions;
mod disk_health;
mod explain;
mod items;
mod lookups;
mod membership;
mod missing_files;
mod mounts;
mod next_call;
mod oauth_client;
mod pauses;
mod pending_removals;
mod placements;
mod quarantine;
mod quota_usage;
mod rebuild;
mod remote_albums;
mod renames;
mod roots;
mod scan_result;
mod source_actions;
mod status;
mod upload_queue;
mod upload_results;
mod upload_sessions;
mod verification;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::escape::Escaped;

pub use albums::AlbumTask;
pub use backup::{BACKUPS, BEFORE_RESTORE, BackedUp, Restored, lost, restore};
pub use byte_sources::{Reach, UnavailableFiles};
pub use call_journal::{CallKind, Journalled, NewCall};
pub use command_queue::{NewOrder, Order, OrderKind};
pub use create_results::{ItemOutcome, Outcome};
pub use descriptions::DescriptionSource;
pub use disk_health::{Cause, Trouble};
pub use explain::{Explained, Former, Membership};
pub use lookups::{FileStatus, OrderView};
pub use membership::{RecordedCall, Uncertain};
pub use next_call::{
    BatchItem, Budget, Description, EarliestRetry, Members, PlanRules, Planned, PlannedBatch,
    album_overflow::ALBUM_LIMIT,
};
pub use pauses::{AccountState, Pause, UploadsState, WriterState};
pub use pending_removals::AlbumMembership;
pub use quarantine::is_damaged;
pub use quota_usage::{Ledger, Sending};
pub use rebuild::{AdoptedDescription, ListedAlbum, RecoveredItem};
pub use remote_albums::{Before, RemoteAlbum};
pub use roots::{FileState, KnownFile, RootRow, RootSpec, Settling};
pub use scan_result::{Change, FileDecision, FileStat};
pub use source_actions::{Act, AfterView, Blockers, Intended, Source};
pub use status::{
    AlbumView, Failure, FileActionCounts, ItemCounts, Overview, PlacementCounts, Transfer,
    TransferView,
};
pub use upload_queue::{Claimed, Content, Hashed};
pub use upload_sessions::Session;
pub use verification::{ToVerify, Verdict};

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
    /// The database was written by an older Albumen, and whoever only looks does not change it.
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

/// The `kind` of a refusal that is none: another uploader has sent the file, and it is not listed.
pub const IMPORTED: &str = "imported";

/// The `kind` of a refusal that is no rule of ours: the disk does not give the file out.
pub const UNREADABLE: &str = "unreadable";

/// The name of the database in the state folder.
pub const FILE_NAME: &str = "albumen.db";

/// Bytes that are written to see whether there is room again: eight pages.
const PROBE: usize = 32 << 10;

/// The writing side of the store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    writer: writer::Writer,
    path: PathBuf,
}

impl Store {
    /// Opens or makes the database in `state_dir`, and brings its schema up to date. The caller
    /// holds the lock of the state folder. A database that is missing while its backups are there is
    /// not made anew: it would know nothing of what is in the library.
    pub fn open(state_dir: &Path) -> Result<Self> {
        match backup::lost(state_dir) {
            Some(backup) => Err(Error::Lost(backup)),
            None => Self::open_anew(state_dir),
        }
    }

    /// The same, and makes a missing database also where there is a backup: for who knows another
    /// way to learn what is in the library.
    pub fn open_anew(state_dir: &Path) -> Result<Self> {
        let path = state_dir.join(FILE_NAME);
        let connection = connection::for_writing(&path)?;
        Ok(Self {
            writer: writer::Writer::start(connection, &path),
            path,
        })
    }

    /// Opens the database beside a process that holds the lock: to leave it an order.
    pub fn open_beside(state_dir: &Path) -> Result<Self> {
        let path = state_dir.join(FILE_NAME);
        let connection = connection::beside(&path)?;
        Ok(Self {
            writer: writer::Writer::start(connection, &path),
            path,
        })
    }

    /// A reader of the same database.
    pub fn reader(&self) -> Result<Reader> {
        Ok(Reader {
            connection: connection::for_reading(&self.path)?,
        })
    }

    /// Ends the writer once everything asked so far is committed.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// What keeps the database from being written now; none if nothing does.
    pub fn trouble(&self) -> Option<Trouble> {
        self.writer.health().trouble()
    }

    /// Looks after the database where nothing else does: whether its files still are there, and, while
    /// there is trouble, whether it can be written again. An error that may pass is none.
    pub async fn look_after(&self) -> Result<()> {
        let looked = match self.trouble() {
            // Larger than what may be left of a page: it has to find room of its own.
            Some(_) => self.meta_is("probe", "-".repeat(PROBE)).await,
            None => self.write(|_| Ok(())).await,
        };
        looked.or_else(|error| {
            if error.is_transient() {
                Ok(())
            } else {
                Err(error)
            }
        })
    }

    /// Whether the writer thread answers; for the watchdog. A database that refuses is an answer: a
    /// full disk is not mended by a restart.
    pub async fn is_alive(&self) -> bool {
        !matches!(self.write(|_| Ok(())).await, Err(Error::Closed))
    }

    fn write<T, F>(&self, verb: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.writer.run(writer::Durability::Normal, verb)
    }

    fn write_durably<T, F>(&self, verb: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.writer.run(writer::Durability::PowerCut, verb)
    }
}

/// The looking side of the store: read-only, never in the writer's way.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the database of `state_dir` read-only; none if there is no database yet.
    pub fn open(state_dir: &Path) -> Result<Option<Self>> {
        let path = state_dir.join(FILE_NAME);
        match std::fs::metadata(&path) {
            Ok(_) => Ok(Some(Self {
                connection: connection::for_reading(&path)?,
            })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Folder {
                path: state_dir.to_owned(),
                source,
            }),
        }
    }
}
