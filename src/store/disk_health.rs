//! Whether the database can be written and still is the one that was opened.
//!
//! - What a disk does to us passes: it is full, it became read-only, it failed. The writer notes it
//!   here once, in one sentence, whichever call met it; the stages try again, and `status` asks
//!   [`Store::trouble`](super::Store::trouble), because a database that cannot be written cannot say so.
//! - What a person does to the file does not pass: a database that was removed, replaced or cut short
//!   under us must not be written, because nobody would ever read it. [`Identity`] tells, before each
//!   group of verbs, so that no request is sent whose intention went into a deleted file.

use std::{
    fmt, fs,
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Error;
use crate::escape::Escaped;

/// How long no write may have failed before a trouble is called over. Each second one is tried that
/// needs room of its own; but small writes may still find room where large ones do not, and so each
/// return of the trouble doubles this.
const QUIET: Duration = Duration::from_secs(3);

/// The longest that no write may have failed: longer than five turns of the stages, which try again
/// each 5 s.
const LONGEST_QUIET: Duration = Duration::from_secs(30);

/// A trouble that comes so soon after another one is its return.
const RETURN: Duration = Duration::from_mins(2);

/// How the name begins of what is written beside the database to hear from the system itself why
/// nothing can be.
const CLOSER_LOOK: &str = "albumen.db-probe.";

/// What keeps the database from being written; it may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There is no room.
    Full,
    /// The file system or the file is read-only.
    ReadOnly,
    /// The disk fails.
    Broken,
}

impl Cause {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "disk_full",
            Self::ReadOnly => "read_only",
            Self::Broken => "disk_error",
        }
    }

    /// The cause of an error of the database; none if the disk is not to blame.
    pub fn of(error: &Error) -> Option<Self> {
        use rusqlite::{ErrorCode, ffi};
        let Error::Sqlite(rusqlite::Error::SqliteFailure(cause, _)) = error else {
            return None;
        };
        match cause.code {
            ErrorCode::DiskFull => Some(Self::Full),
            // The index of the log could not grow: SQLite calls that an I/O error (`os_unix.c`).
            _ if cause.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Some(Self::Full),
            ErrorCode::ReadOnly => Some(Self::ReadOnly),
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Some(Self::Broken),
            _ => None,
        }
    }
}

/// Looks closer at what SQLite calls an I/O error and nothing more, by a small write of our own in the
/// same folder: a file system that the system made read-only after an error of its own, and a quota
/// that is used up, are known by their numbers.
fn look_closer(database: &Path) -> Cause {
    let dir = database.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new();
    let written = file.prefix(CLOSER_LOOK).tempfile_in(dir).and_then(|file| {
        file.as_file().write_all(&vec![0; super::writer::PROBE])?;
        file.as_file().sync_all()
    });
    match written.map_err(|error| error.kind()) {
        Err(io::ErrorKind::ReadOnlyFilesystem) => Cause::ReadOnly,
        Err(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Cause::Full,
        _ => Cause::Broken,
    }
}

/// The database cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Why.
    pub cause: Cause,
    /// The database.
    pub path: PathBuf,
}

impl Trouble {
    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match self.cause {
            Cause::Full => "make room on that disk; albumen goes on by itself",
            Cause::ReadOnly => {
                "make that folder writable, or mount the disk anew; albumen goes on by itself"
            }
            Cause::Broken => {
                "see whether the disk is failing (`dmesg`); albumen goes on by itself once it works"
            }
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.cause {
            Cause::Full => "the disk is full",
            Cause::ReadOnly => "it is read-only",
            Cause::Broken => "the disk reports an error",
        };
        let path = Escaped::path(&self.path);
        write!(f, "{path} cannot be written: {what}; nothing is lost")
    }
}

/// What was met, when last, and how long it must be quiet.
#[derive(Debug)]
struct Met {
    trouble: Trouble,
    last: Instant,
    quiet: Duration,
}

/// The present trouble, and when the one before it was called over, how fast.
#[derive(Debug, Default)]
struct Past {
    met: Option<Met>,
    over: Option<(Instant, Duration)>,
}

impl Past {
    fn quiet(&self) -> Duration {
        match self.over {
            Some((at, quiet)) if at.elapsed() < RETURN => (quiet * 2).min(LONGEST_QUIET),
            _ => QUIET,
        }
    }
}

/// Shared between the writer thread and those that report it; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Health {
    path: Arc<Path>,
    past: Arc<Mutex<Past>>,
}

impl Health {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.into(),
            past: Arc::default(),
        }
    }

    /// The trouble that lasts.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.past().met.as_ref().map(|met| met.trouble.clone())
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error came from the database; said once, until it is over.
    pub(super) fn failed(&self, error: &Error) {
        let Some(cause) = Cause::of(error) else {
            return;
        };
        if let Some(met) = self.past().met.as_mut() {
            // The first cause is the one that was told: what follows from it has other names.
            met.last = Instant::now();
            return;
        }
        let cause = match cause {
            Cause::Broken => look_closer(&self.path),
            known => known,
        };
        let trouble = Trouble {
            cause,
            path: self.path.to_path_buf(),
        };
        let detail = detail(error);
        tracing::warn!("{trouble}: {} ({detail})", trouble.remedy());
        let mut past = self.past();
        let quiet = past.quiet();
        past.met = Some(Met {
            trouble,
            last: Instant::now(),
            quiet,
        });
    }

    /// Something was written.
    pub(super) fn wrote(&self) {
        let mut past = self.past();
        let over = past.met.take_if(|met| met.last.elapsed() >= met.quiet);
        if let Some(met) = over {
            past.over = Some((Instant::now(), met.quiet));
            let path = Escaped::path(&self.path);
            tracing::info!("{path} can be written again; work goes on");
        }
    }
}

/// SQLite's own words, with the number that tells one I/O error from another.
fn detail(error: &Error) -> String {
    match error {
        Error::Sqlite(rusqlite::Error::SqliteFailure(cause, words)) => {
            let words = words.clone().unwrap_or_else(|| cause.to_string());
            format!("SQLite: {words}, code {}", cause.extended_code)
        }
        other => other.to_string(),
    }
}

/// Which files the open connection has, as far as their paths can tell. They are looked at and never
/// opened: closing a second handle would give up SQLite's locks (POSIX).
#[derive(Debug)]
pub(super) struct Identity {
    database: PathBuf,
    log: PathBuf,
    of_database: Option<(u64, u64)>,
    of_log: Option<(u64, u64)>,
    size: u64,
}

/// What happened to the files of an open database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The database is not where it was, or another one is.
    Database,
    /// It is shorter than it was, which SQLite never does to it.
    CutShort,
    /// The same with its write-ahead log; what is in it can still be written to the database.
    Log,
}

impl Identity {
    /// Of the database at `path`, which a connection has open.
    pub(super) fn of(path: &Path) -> Self {
        let log = super::connection::log_of(path);
        let id = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.dev(), metadata.ino()))
        };
        Self {
            of_database: id(path),
            of_log: id(&log),
            size: fs::metadata(path).map_or(0, |metadata| metadata.len()),
            database: path.to_owned(),
            log,
        }
    }

    /// Looks; a file system that gives no answer is no change.
    pub(super) fn changed(&mut self) -> Option<Change> {
        match fs::metadata(&self.database) {
            Ok(found) => {
                if self
                    .of_database
                    .is_some_and(|id| id != (found.dev(), found.ino()))
                {
                    return Some(Change::Database);
                }
                if found.len() < self.size {
                    return Some(Change::CutShort);
                }
                self.size = found.len();
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Some(Change::Database);
            }
            Err(_) => {}
        }
        let of_log = self.of_log?;
        match fs::metadata(&self.log) {
            Ok(found) if (found.dev(), found.ino()) != of_log => Some(Change::Log),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Change::Log),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn error(code: i32) -> Error {
        Error::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn what_sqlite_says_of_a_disk_has_a_cause_and_what_it_says_of_a_verb_has_none() {
        for (code, cause) in [
            (ffi::SQLITE_FULL, Some(Cause::Full)),
            (ffi::SQLITE_IOERR_SHMSIZE, Some(Cause::Full)),
            (ffi::SQLITE_READONLY, Some(Cause::ReadOnly)),
            (ffi::SQLITE_READONLY_DIRECTORY, Some(Cause::ReadOnly)),
            (ffi::SQLITE_IOERR_FSYNC, Some(Cause::Broken)),
            (ffi::SQLITE_CANTOPEN, Some(Cause::Broken)),
            (ffi::SQLITE_BUSY, None),
            (ffi::SQLITE_CORRUPT, None),
            (ffi::SQLITE_CONSTRAINT, None),
        ] {
            assert_eq!(Cause::of(&error(code)), cause, "{code}");
        }
    }

    #[test]
    fn one_write_that_succeeds_does_not_end_a_trouble() {
        let health = Health::of(Path::new("/state/albumen.db"));
        health.failed(&error(ffi::SQLITE_FULL));
        health.wrote();
        let trouble = health.trouble().unwrap();
        assert_eq!(
            trouble.to_string(),
            "/state/albumen.db cannot be written: the disk is full; nothing is lost"
        );
    }

    #[test]
    fn what_sqlite_has_one_code_for_is_told_apart_by_a_write_of_our_own() {
        let dir = tempfile::tempdir().unwrap();
        // A folder that takes a file is not to blame; one that is not there is no reason to say more.
        assert_eq!(look_closer(&dir.path().join("albumen.db")), Cause::Broken);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let gone = dir.path().join("gone/albumen.db");
        assert_eq!(look_closer(&gone), Cause::Broken);
    }

    #[test]
    fn a_trouble_that_returns_must_be_quiet_for_longer() {
        let over = |quiet| Past {
            over: Some((Instant::now(), quiet)),
            ..Past::default()
        };
        assert_eq!(Past::default().quiet(), QUIET);
        assert_eq!(over(QUIET).quiet(), QUIET * 2);
        assert_eq!(over(LONGEST_QUIET).quiet(), LONGEST_QUIET);
    }

    #[test]
    fn a_file_that_is_gone_or_another_or_shorter_is_a_change_and_a_longer_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let (path, log) = (dir.path().join("db"), dir.path().join("db-wal"));
        for file in [&path, &log] {
            fs::write(file, [0; 100]).unwrap();
        }
        let mut identity = Identity::of(&path);
        fs::write(&path, [0; 200]).unwrap();
        fs::write(&log, [0; 10]).unwrap();
        assert_eq!(identity.changed(), None);
        fs::write(&path, [0; 150]).unwrap();
        assert_eq!(identity.changed(), Some(Change::CutShort));
        fs::write(&path, [0; 200]).unwrap();
        fs::rename(&log, dir.path().join("elsewhere")).unwrap();
        assert_eq!(identity.changed(), Some(Change::Log));
        fs::rename(&path, dir.path().join("kept")).unwrap();
        assert_eq!(identity.changed(), Some(Change::Database));
        fs::write(&path, [0; 200]).unwrap();
        assert_eq!(identity.changed(), Some(Change::Database));
    }
}
