//! Rolling backups of the database, and the way back from one.
//!
//! A backup is a copy page by page, of one moment, through a connection of its own: it holds up no
//! writer. It is checked before it takes the place of the newest one, so that a damaged database
//! does not push out the good ones. [`Store::back_up`] is called daily by the daemon, [`write()`] also
//! before a migration.
//!
//! [`restore`] builds the database aside, complete, and puts it in place with one rename. What is in
//! the library and not in the backup cannot be lost by it: bytes that go up again become the same
//! media item, and the lane reads the service's list of albums before it makes one.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::Timestamp;
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
    params,
};
use tokio_util::sync::CancellationToken;

use super::{Error, FILE_NAME, Result, Store, connection, remote_albums};
use crate::failpoint::{self, Moment};

/// The backups in the state folder, the newest first.
pub const BACKUPS: [&str; 3] = [
    "albumen.db.backup-1",
    "albumen.db.backup-2",
    "albumen.db.backup-3",
];

/// Where the database that was there before a restore is kept.
pub const BEFORE_RESTORE: &str = "albumen.db.before-restore";

/// A backup that is being written.
const UNFINISHED: &str = "albumen.db.backup-new";

/// A database that is being restored.
pub(super) const RESTORING: &str = "albumen.db.restoring";

/// Pages copied between two looks at the stop: 4 MiB at the usual page size.
const STEP: i32 = 1024;

/// Bytes that a backup leaves free on the disk: the database itself must be able to go on.
const ROOM: u64 = 64 << 20;

/// The key of `meta` that says when this database was restored, milliseconds.
pub(super) const RESTORED_AT: &str = "restored_at";

/// What came of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackedUp {
    /// It is the newest one now.
    Done,
    /// The disk has too little room for it.
    NoRoom,
    /// It was told to stop.
    Stopped,
}

/// A database that was brought back.
#[derive(Debug, Clone)]
pub struct Restored {
    /// Which backup it was.
    pub file: PathBuf,
    /// When that was written.
    pub written_at: Option<Timestamp>,
    /// How many items it knows to be in the library.
    pub items: u64,
    /// Where the database that was there before is; none if there was none.
    pub before: Option<PathBuf>,
}

impl Store {
    /// Writes a backup beside the database, in its own time.
    pub async fn back_up(&self, stop: CancellationToken) -> Result<BackedUp> {
        let path = self.path().to_owned();
        let work = tokio::task::spawn_blocking(move || {
            let connection = connection::for_reading(&path)?;
            write(&connection, &path, || stop.is_cancelled())
        });
        work.await.map_err(|_| Error::Closed)?
    }
}

/// Writes a backup of the database at `path`, which `connection` reads.
pub(super) fn write(
    connection: &Connection,
    path: &Path,
    is_over: impl Fn() -> bool,
) -> Result<BackedUp> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let unfinished = dir.join(UNFINISHED);
    let written = write_and_rotate(connection, dir, &unfinished, is_over);
    if !matches!(written, Ok(BackedUp::Done)) {
        remove(&unfinished);
    }
    match written {
        Err(Error::Sqlite(error))
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) =>
        {
            Ok(BackedUp::NoRoom)
        }
        written => written,
    }
}

fn write_and_rotate(
    connection: &Connection,
    dir: &Path,
    unfinished: &Path,
    is_over: impl Fn() -> bool,
) -> Result<BackedUp> {
    if !has_room(connection, dir)? {
        return Ok(BackedUp::NoRoom);
    }
    let written = copy(connection, unfinished, is_over)?;
    if written == BackedUp::Done {
        sound(unfinished)?;
        rotate(dir, unfinished).map_err(|source| Error::Folder {
            path: dir.to_owned(),
            source,
        })?;
    }
    Ok(written)
}

fn has_room(connection: &Connection, dir: &Path) -> Result<bool> {
    let size: i64 = connection.query_row(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
        [],
        |row| row.get(0),
    )?;
    // Where nobody can say how much room there is, the write says whether it was enough.
    let free = rustix::fs::statvfs(dir)
        .map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    Ok(free >= (size as u64).saturating_add(ROOM))
}

/// Copies what `from` reads into a new file, of one moment, readable by its owner alone.
fn copy(from: &Connection, to: &Path, is_over: impl Fn() -> bool) -> Result<BackedUp> {
    remove(to);
    connection::make_private(to)?;
    let mut target = Connection::open(to)?;
    {
        // As long as this is open every step reads the same moment.
        let moment = from.unchecked_transaction()?;
        moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        let backup = Backup::new(from, &mut target)?;
        loop {
            if is_over() {
                return Ok(BackedUp::Stopped);
            }
            match backup.step(STEP)? {
                StepResult::Done => break,
                StepResult::More => {}
                // Somebody restores or checkpoints; it passes.
                _ => std::thread::sleep(std::time::Duration::from_millis(50)),
            }
        }
    }
    // One file that needs no other beside it, wherever it is taken.
    target.pragma_update(None, "journal_mode", "delete")?;
    target.close().map_err(|(_, error)| error)?;
    let written = File::open(to).and_then(|file| file.sync_all());
    written.map_err(|source| Error::Folder {
        path: to.to_owned(),
        source,
    })?;
    Ok(BackedUp::Done)
}

/// The new one is the first, the others move on, the last one goes.
fn rotate(dir: &Path, new: &Path) -> io::Result<()> {
    let [first, second, third] = BACKUPS.map(|name| dir.join(name));
    failpoint::point(Moment::BeforeBackup);
    for (from, to) in [(&second, &third), (&first, &second)] {
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    failpoint::point(Moment::MidBackup);
    fs::rename(new, &first)?;
    failpoint::point(Moment::AfterBackup);
    File::open(dir)?.sync_all()
}

/// Whether a file is a database of ours, whole, and of a version that we know.
fn sound(file: &Path) -> Result<Connection> {
    let wrong = |why: String| Error::NotABackup {
        file: file.to_owned(),
        why,
    };
    match File::open(file).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(wrong("it is no file".to_owned())),
        Err(error) => return Err(wrong(error.to_string())),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    let found: std::result::Result<Vec<String>, rusqlite::Error> = connection
        .prepare("PRAGMA integrity_check(1)")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect());
    match found {
        Ok(lines) if lines.iter().all(|line| line == "ok") => {}
        Ok(lines) => return Err(wrong(format!("it is damaged: {}", lines.join("; ")))),
        Err(error) => return Err(wrong(format!("it cannot be read: {error}"))),
    }
    if connection::version(&connection)?.is_none() {
        return Err(wrong("it is no database of Albumen".to_owned()));
    }
    connection::refuse_the_future(&connection)?;
    Ok(connection)
}

/// Removes a database that is not to be used, with what SQLite keeps beside it.
pub(super) fn remove(database: &Path) {
    for beside in ["", "-wal", "-shm", "-journal"] {
        // Usually there is nothing.
        let _ = fs::remove_file(with_end(database, beside));
    }
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The backup that is newest among those that are sound, in `state_dir`; the others are told.
fn newest(state_dir: &Path) -> Result<PathBuf> {
    let mut first_trouble = None;
    for name in BACKUPS {
        let file = state_dir.join(name);
        if !file.exists() {
            continue;
        }
        match sound(&file) {
            Ok(_) => return Ok(file),
            Err(error) => {
                tracing::warn!("passed over: {error}");
                first_trouble.get_or_insert(error);
            }
        }
    }
    Err(first_trouble.unwrap_or_else(|| Error::NoBackup(state_dir.to_owned())))
}

/// The newest backup of a database in `state_dir` that is not there itself.
pub fn lost(state_dir: &Path) -> Option<PathBuf> {
    let mut backups = BACKUPS.iter().map(|name| state_dir.join(name));
    (!is_there(&state_dir.join(FILE_NAME))).then(|| backups.find(|file| file.exists()))?
}

/// Whether there is a database: an empty file is none.
pub(super) fn is_there(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

/// Brings the database of a backup back: `file`, or the newest sound one of the state folder. The
/// caller holds the lock of the state folder.
pub fn restore(state_dir: &Path, file: Option<&Path>, now: Timestamp) -> Result<Restored> {
    let folder = |source| Error::Folder {
        path: state_dir.to_owned(),
        source,
    };
    let file = match file {
        Some(file) => file.to_owned(),
        None => newest(state_dir)?,
    };
    let source = sound(&file)?;
    let restoring = state_dir.join(RESTORING);
    copy(&source, &restoring, || false)?;
    drop(source);
    let present = state_dir.join(FILE_NAME);
    let items = prepare(&restoring, &present, now)?;
    let before = set_aside(&present, &state_dir.join(BEFORE_RESTORE)).map_err(folder)?;
    fs::rename(&restoring, &present).map_err(folder)?;
    File::open(state_dir)
        .and_then(|dir| dir.sync_all())
        .map_err(folder)?;
    let written_at = fs::metadata(&file).and_then(|metadata| metadata.modified());
    let written_at = written_at
        .ok()
        .and_then(|time: SystemTime| Timestamp::try_from(time).ok());
    Ok(Restored {
        file,
        written_at,
        items,
        before,
    })
}

/// Makes the copy fit for today: the schema of this version, no orders of commands that are gone,
/// the instant, and no list of albums: it is read again before one is made. Gives how many items it knows.
fn prepare(restoring: &Path, present: &Path, now: Timestamp) -> Result<u64> {
    let mut connection = Connection::open(restoring)?;
    connection::migrate(&mut connection)?;
    carry_over(present, &connection);
    let transaction = connection.transaction()?;
    transaction.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
        params![RESTORED_AT, now.as_millisecond().to_string()],
    )?;
    transaction.execute_batch(remote_albums::FORGET)?;
    transaction.execute_batch("DELETE FROM transfers; DELETE FROM commands")?;
    let items: i64 = transaction.query_row(
        "SELECT sum(n) FROM counters WHERE name IN ('item.created', 'item.verified')",
        [],
        |row| row.get(0),
    )?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    File::open(restoring)
        .and_then(|file| file.sync_all())
        .map_err(|source| Error::Folder {
            path: restoring.to_owned(),
            source,
        })?;
    Ok(items as u64)
}

/// What is owed to the service does not go back in time: the requests of the day that were spent, and
/// the waits it asked for. A database that cannot be read any more has nothing to say.
pub(super) fn carry_over(present: &Path, restored: &Connection) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let carried = Connection::open_with_flags(present, flags).and_then(|present| {
        let days: Vec<(String, i64, i64, i64)> = present
            .prepare("SELECT day, requests, uploads, order_calls FROM quota_usage")?
            .query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        for (day, requests, uploads, order_calls) in days {
            restored.execute(
                "INSERT INTO quota_usage (day, requests, uploads, order_calls) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (day) DO UPDATE SET requests = max(requests, ?2), uploads = max(uploads, ?3),
                                                 order_calls = max(order_calls, ?4)",
                params![day, requests, uploads, order_calls],
            )?;
        }
        let pauses: Vec<(String, String, Option<String>, Option<i64>)> = present
            .prepare("SELECT scope, state, reason, until FROM pauses WHERE scope <> 'uploads'")?
            .query_map([], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        for (scope, state, reason, until) in pauses {
            restored.execute(
                "UPDATE pauses SET state = ?2, reason = ?3, until = ?4 WHERE scope = ?1",
                params![scope, state, reason, until],
            )?;
        }
        Ok(())
    });
    if let Err(error) = carried {
        tracing::debug!(%error, "nothing is taken over from the database before");
    }
}

/// Gives the present database a second name that stays, so that at no moment there is none.
pub(super) fn set_aside(present: &Path, before: &Path) -> io::Result<Option<PathBuf>> {
    if !present.exists() {
        return Ok(None);
    }
    // What is in its log goes into the database itself; a damaged one takes its log along.
    let folded = Connection::open(present).and_then(|connection| {
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        connection.close().map_err(|(_, error)| error)
    });
    if let Err(error) = folded {
        tracing::debug!(%error, "the database before is kept with its log");
    }
    remove(before);
    for end in ["", "-wal"] {
        let (from, to) = (with_end(present, end), with_end(before, end));
        if from.exists() && fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to)?;
        }
    }
    // The log of the one must never be read as that of the other.
    for end in ["-wal", "-shm"] {
        match fs::remove_file(with_end(present, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(Some(before.to_owned()))
}
