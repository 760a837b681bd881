//! The token file: replaced atomically, readable by its owner only.
//!
//! `albumen login` in another process can replace it while the daemon runs. A renewal replaces only the
//! version that it has read, and writers lock the directory, so that none writes between another's check
//! and its rename. A file that others can read is refused, because they may know its token.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    escape::Escaped,
    failpoint::{self, Moment},
};

use super::{
    super::error::{Error, Kind},
    watched_file::FileVersion,
};

/// The most bytes read of a token file (about 1 kB) or a client secret file (about 500 bytes).
const SIZE_MAX: u64 = 64 << 10;

/// A temporary file older than this is left over from a killed process: writing one takes moments.
const TEMPORARY_AGE: Duration = Duration::from_mins(1);

/// The longest wait for the lock of another writer: a slow disk takes seconds, and a process that hangs
/// must not prevent a sign-in.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two attempts to lock the directory.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// The content of a token file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::photos_api) struct Tokens {
    /// The OAuth client that the tokens belong to.
    pub client_id: String,
    /// When the user signed in: the age of the refresh token.
    pub obtained_at: Timestamp,
    /// The granted scopes.
    pub scopes: Vec<String>,
    #[serde(serialize_with = "expose")]
    pub refresh_token: SecretString,
    #[serde(serialize_with = "expose")]
    pub access_token: SecretString,
    /// When the access token expires.
    pub expires_at: Timestamp,
    /// The user wants to use this client although another one made what is in the library.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_client: bool,
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

impl Tokens {
    /// Reads the file; blocking, a few hundred bytes.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let (tokens, is_public) = read(path)?;
        if is_public {
            let path = Escaped::path(path);
            return Err(Error::new(
                Kind::Setup,
                &format!("the token file {path} can be read by others of this machine"),
            )
            .with_hint(format!(
                "if nobody could have copied it: chmod 600 {path}; otherwise `albumen logout` and `albumen login`"
            )));
        }
        tokens
    }

    /// Reads the file even if others can read it, to revoke its tokens.
    pub(super) fn read_even_public(path: &Path) -> Result<Self, Error> {
        read(path)?.0
    }

    /// Reads a file that the user names, which must exist.
    pub(super) fn read_existing(path: &Path) -> Result<Self, Error> {
        fs::metadata(path).map_err(|error| unreadable(path, error))?;
        Self::read(path)
    }

    /// Replaces the file atomically; blocking.
    pub(in crate::photos_api) fn save(&self, path: &Path) -> Result<(), Error> {
        self.save_if(path, || true).map(drop)
    }

    /// Replaces the file if it still has this version, and returns the new version; none if a sign-in in
    /// another process has replaced it.
    pub(super) fn save_over(
        &self,
        path: &Path,
        version: Option<&FileVersion>,
    ) -> Result<Option<FileVersion>, Error> {
        self.save_if(path, || FileVersion::of(path).as_ref() == version)
    }

    fn save_if(&self, path: &Path, may: impl Fn() -> bool) -> Result<Option<FileVersion>, Error> {
        serde_json::to_string_pretty(self)
            .map_err(io::Error::other)
            .and_then(|text| replace(path, text.as_bytes(), may))
            .map_err(|error| failed(path, "cannot be written", error))
    }
}

fn read(path: &Path) -> Result<(Result<Tokens, Error>, bool), Error> {
    let (text, is_public) = read_secret(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(Kind::LoginNeeded, "nobody has signed in yet"),
        _ => unreadable(path, error),
    })?;
    // The parser's message is dropped: it can quote the file.
    let tokens = serde_json::from_str(&text).map_err(|_| {
        let words = format!("the token file {} is damaged", Escaped::path(path));
        Error::new(Kind::LoginNeeded, &words)
    });
    Ok((tokens, is_public))
}

/// The text of a small file, and whether anybody but the owner may read or write it.
pub(super) fn read_secret(path: &Path) -> io::Result<(String, bool)> {
    let file = File::open(path)?;
    let is_public = is_public(&file.metadata()?);
    let mut text = Vec::new();
    file.take(SIZE_MAX).read_to_end(&mut text)?;
    Ok((String::from_utf8_lossy(&text).into_owned(), is_public))
}

fn is_public(file: &Metadata) -> bool {
    file.permissions().mode() & 0o077 != 0
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    failed(path, "cannot be read", error).with_hint("run Albumen as the user who signed in")
}

fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    let words = format!("the token file {} {what}", Escaped::path(path));
    Error::new(Kind::Setup, &words).with_source(error)
}

/// Removes the file, and temporary files of killed processes; waits for a process that writes now.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let _lock = lock(directory(path));
    remove_temporaries(path, None);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Locks the directory of the file against other writers until the result is dropped. None if the file
/// system cannot lock, or another process hangs: then the check right before the rename must suffice.
fn lock(dir: &Path) -> Option<File> {
    let dir = File::open(dir).ok()?;
    let since = Instant::now();
    loop {
        match dir.try_lock() {
            Ok(()) => return Some(dir),
            Err(TryLockError::WouldBlock) if since.elapsed() < LOCK_TIMEOUT => {
                std::thread::sleep(LOCK_POLL);
            }
            Err(_) => return None,
        }
    }
}

/// Replaces the file if `may` says so, which is asked twice, the second time right before the rename:
/// not every program that replaces the file locks the directory.
fn replace(path: &Path, text: &[u8], may: impl Fn() -> bool) -> io::Result<Option<FileVersion>> {
    let dir = directory(path);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let _lock = lock(dir);
    if !may() {
        return Ok(None);
    }
    // tempfile creates it with mode 0600.
    let mut file = tempfile::Builder::new()
        .prefix(&temporary_prefix(path))
        .tempfile_in(dir)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    failpoint::point(Moment::BeforeTokenFile);
    if !may() {
        return Ok(None);
    }
    let file = file.persist(path).map_err(|error| error.error)?;
    failpoint::point(Moment::AfterTokenFile);
    File::open(dir)?.sync_all()?;
    let metadata = file.metadata()?;
    remove_temporaries(path, metadata.modified()?.checked_sub(TEMPORARY_AGE));
    Ok(Some(FileVersion::from(&metadata)))
}

fn directory(path: &Path) -> &Path {
    path.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The beginning of the names of temporary files for this one.
fn temporary_prefix(path: &Path) -> OsString {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new-");
    name
}

/// Removes temporary files of killed processes, because each holds a token. With `before`, only those
/// that are older: a younger one may belong to a process that writes now.
fn remove_temporaries(path: &Path, before: Option<SystemTime>) {
    let prefix = temporary_prefix(path);
    // After an error they are removed the next time.
    for entry in fs::read_dir(directory(path))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let is_temporary = name
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes());
        let modified = || entry.metadata()?.modified();
        let is_old = before.is_none_or(|before| modified().is_ok_and(|modified| modified < before));
        if is_temporary && is_old {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens {
            client_id: "c".into(),
            obtained_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            scopes: vec!["s".into()],
            refresh_token: "refresh-secret".into(),
            access_token: "access-secret".into(),
            expires_at: "2026-11-01T01:00:00Z".parse().unwrap(),
            new_client: false,
        }
    }

    #[test]
    fn the_file_is_private_and_reads_back_as_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/token.json");
        tokens().save(&path).unwrap();
        let version = FileVersion::of(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let read = Tokens::read(&path).unwrap();
        assert_eq!(read.refresh_token.expose_secret(), "refresh-secret");
        assert_eq!(read.expires_at, tokens().expires_at);
        let again = tokens().save_over(&path, Some(&version)).unwrap();
        assert_eq!(FileVersion::of(&path), again);
        assert_ne!(again, Some(version));
        assert!(!format!("{read:?}").contains("secret\""), "{read:?}");
    }

    #[test]
    fn a_token_file_that_others_can_read_is_refused_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.json");
        tokens().save(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Tokens::read(&path).unwrap_err();
        assert_eq!(error.kind(), Kind::Setup);
        assert!(error.hint().unwrap().contains("chmod 600"));
    }

    #[test]
    fn a_missing_or_damaged_file_asks_for_a_sign_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.json");
        let kind = |path: &Path| Tokens::read(path).unwrap_err().kind();
        assert_eq!(kind(&path), Kind::LoginNeeded);
        tokens().save(&path).unwrap();
        fs::write(&path, "{\"refresh_token\": \"hush").unwrap();
        assert_eq!(kind(&path), Kind::LoginNeeded);
        assert!(!format!("{:?}", Tokens::read(&path)).contains("hush"));
    }

    #[test]
    fn a_file_that_was_replaced_while_its_successor_was_written_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.json");
        tokens().save(&path).unwrap();
        let read = FileVersion::of(&path).unwrap();
        let newer = Tokens {
            refresh_token: "another".into(),
            ..tokens()
        };
        // A program that does not lock the directory: `mv` in another terminal.
        let looks = std::cell::Cell::new(0);
        let may = || {
            if looks.replace(looks.get() + 1) == 1 {
                let text = serde_json::to_string(&newer).unwrap();
                let mut file = tempfile::NamedTempFile::new_in(dir.path()).unwrap();
                file.write_all(text.as_bytes()).unwrap();
                file.persist(&path).unwrap();
            }
            FileVersion::of(&path).as_ref() == Some(&read)
        };
        assert_eq!(tokens().save_if(&path, may).unwrap(), None);
        assert_eq!(tokens().save_over(&path, Some(&read)).unwrap(), None);
        let kept = Tokens::read(&path).unwrap();
        assert_eq!(kept.refresh_token.expose_secret(), "another");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_writer_waits_for_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.json");
        tokens().save(&path).unwrap();
        let read = FileVersion::of(&path).unwrap();
        let held = lock(dir.path()).unwrap();
        std::thread::scope(|threads| {
            let saved = threads.spawn(|| tokens().save_over(&path, Some(&read)).unwrap());
            let removed = threads.spawn(|| remove(&path).unwrap());
            // As long as it is held, nothing changes, however long that is.
            std::thread::sleep(10 * LOCK_POLL);
            assert_eq!(FileVersion::of(&path).as_ref(), Some(&read));
            drop(held);
            removed.join().unwrap();
            let _ = saved.join().unwrap();
        });
        assert!(
            !path.exists(),
            "a sign-in that was ended does not come back"
        );
    }

    #[test]
    fn temporary_files_of_killed_processes_are_removed_by_the_next_save() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.json");
        let left = dir.path().join("token.json.new-aB3xYz");
        let other = dir.path().join("token.json.kept");
        for file in [&left, &other] {
            fs::write(file, "{\"refresh_token\": \"hush").unwrap();
        }
        tokens().save(&path).unwrap();
        assert!(left.exists(), "a process may be writing it now");
        let file = File::options().append(true).open(&left).unwrap();
        let old = file.metadata().unwrap().modified().unwrap() - 2 * TEMPORARY_AGE;
        file.set_modified(old).unwrap();
        tokens().save(&path).unwrap();
        assert!(!left.exists() && other.exists() && path.exists());
        fs::write(&left, "{}").unwrap();
        remove_temporaries(&path, None);
        assert!(!left.exists() && other.exists() && path.exists());
    }
}
