//! How a connection is opened: pragmas, schema, and the refusal of a database from the future.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{Error, Result, backup};
use crate::failpoint::{self, Moment};

/// How long a connection waits for another process that writes: a command beside the daemon.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Statements kept prepared: more than the verbs have.
const STATEMENT_CACHE: usize = 128;

/// Page cache of the writer in KiB: what a first scan changes over and over stays there. Small, for the
/// memory target.
const CACHE_KIB: i64 = 8 * 1024;

/// Page cache of a reader in KiB, of which there are several: they go through tables once.
const READER_CACHE_KIB: i64 = 2 * 1024;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Opens or makes the database at `path` and migrates it.
pub(super) fn for_writing(path: &Path) -> Result<Connection> {
    make_private(path)?;
    let mut connection = Connection::open(path)?;
    configure(&connection)?;
    refuse_the_future(&connection)?;
    if version(&connection)?.is_some_and(|found| found < known()) {
        // Whatever a new schema does, there is a way back.
        if backup::write(&connection, path, || false)? == backup::BackedUp::Done {
            tracing::info!("the database was backed up before its update");
        } else {
            tracing::warn!("no room for a backup of the database before its update");
        }
    }
    failpoint::point(Moment::BeforeSchema);
    migrate(&mut connection)?;
    failpoint::point(Moment::AfterSchema);
    Ok(connection)
}

/// Brings the schema up to date.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    // All or nothing: who looks meanwhile sees no version between the old and the new.
    embedded::migrations::runner()
        .set_grouped(true)
        .run(connection)?;
    Ok(())
}

/// Opens an existing, migrated database for a few writes beside its owner.
pub(super) fn beside(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&connection)?;
    refuse_the_future(&connection)?;
    refuse_the_past(&connection)?;
    Ok(connection)
}

/// Opens an existing database read-only, also where nothing can be written: without a log, and where
/// none can be made, nobody changes the file, and SQLite may take it for immutable. (Otherwise even a
/// reader of a database in WAL mode makes a log.)
pub(super) fn for_reading(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match reading(Connection::open_with_flags(path, flags)?) {
        Err(error) if cannot_open(&error) && is_empty(&log_of(path)) => {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            reading(Connection::open_with_flags(immutable(path), flags)?)
        }
        opened => opened,
    }
}

/// Where SQLite has the write-ahead log of a database.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Whether there is nothing in the log. (An attempt to open may have made it.)
fn is_empty(log: &Path) -> bool {
    log.metadata().map_or(true, |log| log.len() == 0)
}

/// Whether the files beside the database could not be made: the folder is read-only, or the disk is
/// full.
fn cannot_open(error: &Error) -> bool {
    use rusqlite::{
        ErrorCode::{CannotOpen, ReadOnly},
        ffi::{SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE},
    };
    let Error::Sqlite(error) = error else {
        return false;
    };
    let extended = error.sqlite_error().map(|error| error.extended_code);
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
        || matches!(
            extended,
            Some(SQLITE_IOERR_SHMSIZE | SQLITE_IOERR_SHMOPEN | SQLITE_IOERR_SHMMAP)
        )
}

/// The address of a file that nobody changes (`sqlite.org/uri.html`), with every byte of its name.
fn immutable(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri + "?immutable=1"
}

fn reading(connection: Connection) -> Result<Connection> {
    prepare(&connection)?;
    // Negative means KiB to SQLite.
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    refuse_the_future(&connection)?;
    refuse_the_past(&connection)?;
    Ok(connection)
}

/// Makes the file before SQLite does, readable by its owner alone: it holds upload tokens and session
/// addresses. SQLite gives its log the mode of the database.
pub(super) fn make_private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let unusable = |source| Error::Folder {
        path: path.parent().unwrap_or(path).to_owned(),
        source,
    };
    let opened = options.open(path);
    let opened = opened.map_err(|source| match source.kind() {
        std::io::ErrorKind::PermissionDenied if path.exists() => Error::File {
            path: path.to_owned(),
            source,
        },
        _ => unusable(source),
    });
    drop(opened?);
    #[cfg(unix)]
    for end in ["", "-wal", "-shm"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        // A copy that somebody put back may be open to all, with what SQLite kept beside it.
        match std::fs::metadata(&name) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                let private = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(&name, private).map_err(unusable)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What every connection is told, whatever it is for.
fn prepare(connection: &Connection) -> Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // A plan is made once, without a look at the values. Otherwise SQLite prepares a kept statement
    // again each time a value is bound that an equality without an index compares with: that was a
    // third of the first scan. And what the tests say of plans holds for all values.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn configure(connection: &Connection) -> Result<()> {
    prepare(connection)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // The log is given back to the disk once it was large: a first scan writes a lot at once.
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    Ok(())
}

/// The newest version of the schema that this binary knows.
fn known() -> i32 {
    embedded::migrations::runner()
        .get_migrations()
        .iter()
        .map(refinery::Migration::version)
        .max()
        .unwrap_or(0)
}

/// The version of the schema; none if the database has none of ours.
pub(super) fn version(connection: &Connection) -> Result<Option<i32>> {
    let has_history: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history')",
        [],
        |row| row.get(0),
    )?;
    if !has_history {
        return Ok(None);
    }
    let found = connection.query_row(
        "SELECT max(version) FROM refinery_schema_history",
        [],
        |row| row.get(0),
    )?;
    Ok(found)
}

/// refinery would refuse too, but not by name.
pub(super) fn refuse_the_future(connection: &Connection) -> Result<()> {
    let known = known();
    match version(connection)? {
        Some(found) if found > known => Err(Error::FromTheFuture { found, known }),
        _ => Ok(()),
    }
}

/// Who does not migrate can make nothing of an earlier version. One that is only just being made is
/// of none.
fn refuse_the_past(connection: &Connection) -> Result<()> {
    let known = known();
    match version(connection)? {
        Some(found) if found > 0 && found < known => Err(Error::FromThePast { found, known }),
        _ => Ok(()),
    }
}
