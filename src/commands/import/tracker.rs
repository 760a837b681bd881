//! The file tracker of gphotos-uploader-cli: a LevelDB from paths to what was sent from there.
//!
//! The value is `TIME|HASH`: the last change of the file, in nanoseconds since 1970 (in seconds until
//! version 2), and the xxHash32 of its bytes with the seed 0xCAFE, as a decimal number. The oldest
//! versions wrote the hash alone. The folder is `uploaded_files` since version 4, before `uploads.db`.
//!
//! LevelDB cannot be read without being written to, so it is read from a copy in memory. The parser is
//! a stranger's and the files may be damaged, so its panics are errors.

use std::{
    ffi::OsString,
    fs::{self, File},
    hash::Hasher as _,
    io::{self, Read as _, Write as _},
    os::unix::ffi::OsStringExt as _,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use rusty_leveldb::{DB, LdbIterator as _, Options};

use crate::{
    exit_code::ExitCode,
    ui::error_report::{Failure, quoted},
};

/// Where the tracker is, the newest layout first.
const FOLDERS: [&str; 2] = ["uploaded_files", "uploads.db"];

/// The seed of its hashes.
const SEED: u32 = 0xCAFE;

/// A time that is smaller than this is in seconds: nanoseconds come so far within 17 minutes of 1970.
const IN_SECONDS: i64 = 1_000_000_000_000;

/// The most bytes of a tracker; a million files take about a hundred million.
const MAX_BYTES: usize = 1 << 30;

/// What the copy is called; it is the only one there.
const NAME: &str = "tracker";

/// Bytes that are hashed at a time.
const BUFFER: usize = 256 << 10;

/// What the tracker says of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The path, as it was walked.
    pub path: PathBuf,
    /// When it had changed last; none if that was not noted.
    pub time: Option<Time>,
    /// The hash of its bytes.
    pub hash: u32,
}

/// A time of last change, as exact as it was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Seconds since 1970.
    Seconds(i64),
    /// Nanoseconds since 1970.
    Nanoseconds(i64),
}

impl Time {
    /// Whether a file that changed at `mtime_ns` changed at this time.
    pub fn is(self, mtime_ns: i64) -> bool {
        match self {
            Self::Seconds(seconds) => mtime_ns.div_euclid(1_000_000_000) == seconds,
            Self::Nanoseconds(nanoseconds) => mtime_ns == nanoseconds,
        }
    }
}

/// The tracker in the folder of gphotos-uploader-cli, if there is one.
pub(super) fn find(dir: &Path) -> Option<PathBuf> {
    let mut folders = FOLDERS.iter().map(|name| dir.join(name));
    folders.find(|folder| folder.join("CURRENT").is_file())
}

/// All that the tracker knows, by path. Blocks.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Tracked>> {
    refuse_while_in_use(folder)?;
    let damaged = |why: String| {
        let words = format!("the file tracker {} cannot be read: {why}", quoted(folder));
        let hint =
            "without it every file goes up again; to do so all the same, move that folder away";
        Failure::new(ExitCode::Unusable, words).hint(hint)
    };
    let options = loaded(folder).map_err(|error| damaged(format!("{error:#}")))?;
    let read = panic::catch_unwind(AssertUnwindSafe(|| entries(options)));
    let mut tracked = read
        .map_err(|_| damaged("it is damaged".to_owned()))?
        .map_err(|error| damaged(error.to_string()))?;
    tracked.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(tracked)
}

/// LevelDB locks its folder by the file LOCK; a copy of a database that is written to may be torn.
fn refuse_while_in_use(folder: &Path) -> anyhow::Result<()> {
    let Ok(lock) = File::open(folder.join("LOCK")) else {
        return Ok(());
    };
    if matches!(lock.try_lock_shared(), Err(fs::TryLockError::WouldBlock)) {
        let words = "gphotos-uploader-cli is running";
        let hint = "wait for its end, or stop it, and import again";
        return Err(Failure::new(ExitCode::StateHeld, words).hint(hint).into());
    }
    Ok(())
}

/// The files of the database, in memory.
fn loaded(folder: &Path) -> anyhow::Result<Options> {
    let options = Options {
        create_if_missing: false,
        ..rusty_leveldb::in_memory()
    };
    let mut left = MAX_BYTES;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if !entry.file_type()?.is_file() || name.starts_with("LOCK") || name.starts_with("LOG") {
            continue;
        }
        // Old tables have an old ending.
        let name = match name.extension() {
            Some(ending) if ending == "sst" => name.with_extension("ldb"),
            _ => name,
        };
        let bytes = fs::read(entry.path())?;
        left = left
            .checked_sub(bytes.len())
            .context("it is far too large for a file tracker")?;
        let mut file = options
            .env
            .open_writable_file(&Path::new(NAME).join(name))?;
        file.write_all(&bytes)?;
    }
    Ok(options)
}

fn entries(options: Options) -> Result<Vec<Tracked>, rusty_leveldb::Status> {
    let mut db = DB::open(NAME, options)?;
    let mut rows = db.new_iter()?;
    let mut tracked = Vec::new();
    while let Some((key, value)) = rows.next() {
        tracked.extend(parse(key, &value));
    }
    Ok(tracked)
}

/// An entry; none if it is not one of the known forms.
fn parse(key: Vec<u8>, value: &[u8]) -> Option<Tracked> {
    let value = std::str::from_utf8(value).ok()?;
    let (time, hash) = match value.split_once('|') {
        Some((time, hash)) => (time.parse::<i64>().ok(), hash),
        None => (None, value),
    };
    let time = time.map(|time| {
        if time.abs() < IN_SECONDS {
            Time::Seconds(time)
        } else {
            Time::Nanoseconds(time)
        }
    });
    Some(Tracked {
        path: PathBuf::from(OsString::from_vec(key)),
        time,
        hash: hash.parse().ok()?,
    })
}

/// The hash of a file as the tracker would note it. Blocks.
pub(super) fn hash(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut hasher = twox_hash::XxHash32::with_seed(SEED);
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hasher.write(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hasher.finish_32())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tracker that Google's own LevelDB has written: older entries in a compressed table, newer ones
    /// in the log, some of them replaced or deleted there.
    const SAMPLE: &str = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/gphotos-uploader-cli/uploaded_files"
    );

    #[test]
    fn a_tracker_of_leveldb_itself_is_read_and_not_touched() {
        let before = fs::read_dir(SAMPLE).unwrap().count();
        let tracked = read(Path::new(SAMPLE)).unwrap();
        assert_eq!(fs::read_dir(SAMPLE).unwrap().count(), before);
        assert_eq!(tracked.len(), 200);
        let of = |name: &str| {
            let path = Path::new("/home/ann/Pictures").join(name);
            tracked.iter().find(|one| one.path == path)
        };
        let time = Time::Nanoseconds(1_714_564_800_123_456_789);
        assert_eq!(of("p000.jpg").unwrap().time, Some(time));
        assert_eq!(of("p000.jpg").unwrap().hash, 7);
        assert_eq!(of("p001.jpg").unwrap().hash, 1001, "replaced in the log");
        assert_eq!(of("p002.jpg"), None, "deleted in the log");
        assert_eq!(of("new.jpg").unwrap().hash, 4_294_967_295);
    }

    #[test]
    fn every_version_s_way_to_write_an_entry_is_understood() {
        let parsed = |value: &str| {
            let tracked = parse(b"/a.jpg".to_vec(), value.as_bytes())?;
            Some((tracked.time, tracked.hash))
        };
        let seconds = Time::Seconds(1_545_000_000);
        assert_eq!(parsed("1545000000|99"), Some((Some(seconds), 99)));
        assert!(seconds.is(1_545_000_000_999_999_999) && !seconds.is(1_545_000_001_000_000_000));
        let exact = Time::Nanoseconds(1_714_564_800_123_456_789);
        assert_eq!(parsed("1714564800123456789|99"), Some((Some(exact), 99)));
        assert!(exact.is(1_714_564_800_123_456_789) && !exact.is(1_714_564_800_123_456_788));
        assert_eq!(parsed("99"), Some((None, 99)));
        assert_eq!(parsed("|99"), Some((None, 99)));
        for value in ["", "x", "1|x", "-1"] {
            assert_eq!(parsed(value), None, "{value}");
        }
    }

    #[test]
    fn a_hash_is_that_of_the_reference_implementation() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (bytes, expected) in [
            (&b""[..], 2_209_994_115),
            (b"hello, tracker", 1_061_358_544),
        ] {
            fs::write(file.path(), bytes).unwrap();
            assert_eq!(hash(file.path()).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("CURRENT"), "MANIFEST-000001\n").unwrap();
        fs::write(dir.path().join("MANIFEST-000001"), [7; 300]).unwrap();
        assert!(
            read(dir.path())
                .unwrap_err()
                .to_string()
                .contains("file tracker")
        );
    }
}
