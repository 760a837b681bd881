//! The file that keeps the account signed in: written whole or not at all, for its owner only.
//!
//! `login` in another terminal replaces it while the daemon runs, so its [`Stamp`] tells cheaply
//! whether it is still the one that was read. Who renews the access token replaces only the file that
//! it has read, and nobody else writes between the look and the replacement: each writer locks the
//! folder meanwhile. A file that others can read is refused: its token may be known to them.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, TryLockError},
    io::{self, Read as _, Write as _},
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
    error::{Error, Kind},
    file_version::Stamp,
};

/// Far more than such a file holds (about 1 kB).
const SIZE_MAX: u64 = 64 << 10;

/// A token file is written within moments; one that is unfinished for longer has lost its writer.
const UNFINISHED_AGE: Duration = Duration::from_mins(1);

/// How long another writer is waited for: a slow disk takes seconds, and one that hangs is not to keep
/// anybody from signing in.
const WRITER: Duration = Duration::from_secs(20);

/// Between two tries to lock the folder.
const LOOK: Duration = Duration::from_millis(20);

/// What a sign-in left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Tokens {
    /// Which OAuth client it was made for; another one cannot use it.
    pub client_id: String,
    /// When the user signed in: the age of the refresh token.
    pub obtained_at: Timestamp,
    /// What the user granted.
    pub scopes: Vec<String>,
    #[serde(serialize_with = "expose")]
    pub refresh_token: SecretString,
    #[serde(serialize_with = "expose")]
    pub access_token: SecretString,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// The user wants to go on with this client although another one made what is in the library.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_client: bool,
}

fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

impl Tokens {
    /// Reads the file; blocking, a few hundred bytes.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let file = open(path)?;
        let metadata = file.metadata().map_err(|error| unreadable(path, error))?;
        if is_wide(&metadata) {
            let path = Escaped::path(path);
            return Err(Error::new(
                Kind::Setup,
                &format!("the token file {path} can be read by others of this machine"),
            )
            .with_hint(format!(
                "if nobody could have copied it: chmod 600 {path}; otherwise `albumen logout` and `albumen login`"
            )));
        }
        Self::read_from(file, path)
    }

    /// Reads the file for one who withdraws what is in it: that others can read it is no reason against
    /// that.
    pub(super) fn read_even_wide(path: &Path) -> Result<Self, Error> {
        Self::read_from(open(path)?, path)
    }

    fn read_from(file: File, path: &Path) -> Result<Self, Error> {
        let mut text = String::new();
        file.take(SIZE_MAX)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(path, error))?;
        // The parser's message is not passed on: it can quote the file.
        serde_json::from_str(&text).map_err(|_| {
            let path = Escaped::path(path);
            let words = format!("the token file {path} is damaged");
            Error::new(Kind::LoginNeeded, &words)
        })
    }

    /// Reads a file that the user names, which must be there.
    pub(super) fn read_given(path: &Path) -> Result<Self, Error> {
        fs::metadata(path).map_err(|error| unreadable(path, error))?;
        Self::read(path)
    }

    /// Replaces the file, whole or not at all; blocking.
    pub(super) fn save(&self, path: &Path) -> Result<(), Error> {
        self.save_while(path, || true).map(drop)
    }

    /// The same, if the file still is the one of this stamp: a sign-in in another terminal must not be
    /// overwritten with the old one. Returns the stamp of what was written; none if it is another file.
    pub(super) fn save_over(
        &self,
        path: &Path,
        stamp: Option<&Stamp>,
    ) -> Result<Option<Stamp>, Error> {
        self.save_while(path, || Stamp::of(path).as_ref() == stamp)
    }

    fn save_while(&self, path: &Path, may: impl Fn() -> bool) -> Result<Option<Stamp>, Error> {
        let unwritable = |error: io::Error| {
            let path = Escaped::path(path);
            let words = format!("the token file {path} cannot be written");
            Error::new(Kind::Setup, &words).with_source(error)
        };
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| unwritable(io::Error::other(error)))?;
        replace(path, text.as_bytes(), may).map_err(unwritable)
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let path = Escaped::path(path);
    let words = format!("the token file {path} cannot be read");
    Error::new(Kind::Setup, &words)
        .with_source(error)
        .with_hint("run Albumen as the user who signed in")
}

fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::new(Kind::LoginNeeded, "nobody has signed in yet"),
        _ => unreadable(path, error),
    })
}

/// Removes the file, and what writers left that were killed; one that writes now is waited for.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let _turn = turn(dir_of(path));
    sweep(path, None);
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Locks the folder of the file against the other writers of it, until the end of what is returned. None
/// where that cannot be done (not every file system can), or where another one hangs: then the look right
/// before the replacement has to do.
fn turn(dir: &Path) -> Option<File> {
    let dir = File::open(dir).ok()?;
    let since = Instant::now();
    loop {
        match dir.try_lock() {
            Ok(()) => return Some(dir),
            Err(TryLockError::WouldBlock) if since.elapsed() < WRITER => std::thread::sleep(LOOK),
            Err(_) => return None,
        }
    }
}

/// Puts the text in place of the file if that `may` be, which is asked first and once more at the last
/// moment: not everybody who replaces the file locks the folder.
fn replace(path: &Path, text: &[u8], may: impl Fn() -> bool) -> io::Result<Option<Stamp>> {
    let dir = dir_of(path);
    private_dir(dir)?;
    let _turn = turn(dir);
    if !may() {
        return Ok(None);
    }
    // tempfile makes it 0600.
    let mut file = tempfile::Builder::new()
        .prefix(&unfinished(path))
        .tempfile_in(dir)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    failpoint::point(Moment::BeforeTokenFile);
    if !may() {
        return Ok(None);
    }
    let file = file.persist(path).map_err(|error| error.error)?;
    failpoint::point(Moment::AfterTokenFile);
    if cfg!(unix) {
        File::open(dir)?.sync_all()?;
    }
    let metadata = file.metadata()?;
    let written = metadata.modified()?;
    sweep(path, written.checked_sub(UNFINISHED_AGE));
    Ok(Some(Stamp::from(&metadata)))
}

fn dir_of(path: &Path) -> &Path {
    path.parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// How the name of a file begins that is to take the place of this one.
fn unfinished(path: &Path) -> OsString {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new-");
    name
}

/// Removes what writers left that were killed in between: each holds a token. Where `before` is given,
/// a younger one may still be written by somebody else.
pub(super) fn sweep(path: &Path, before: Option<SystemTime>) {
    let unfinished = unfinished(path);
    // What cannot be looked at or removed is tried again the next time.
    for entry in fs::read_dir(dir_of(path)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_left = name
            .as_encoded_bytes()
            .starts_with(unfinished.as_encoded_bytes());
        let modified = || entry.metadata()?.modified();
        let is_old = before.is_none_or(|before| modified().is_ok_and(|modified| modified < before));
        if is_left && is_old {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(unix)]
fn private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
}

#[cfg(not(unix))]
fn private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

/// Whether anybody but the owner may read or write it.
#[cfg(unix)]
pub(super) fn is_wide(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

/// Elsewhere permissions are not told by a mode.
#[cfg(not(unix))]
pub(super) fn is_wide(_metadata: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

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
    fn the_file_is_private_and_says_again_what_was_saved() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/token.json");
        tokens().save(&path).unwrap();
        let stamp = Stamp::of(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let read = Tokens::read(&path).unwrap();
        assert_eq!(read.refresh_token.expose_secret(), "refresh-secret");
        assert_eq!(read.expires_at, tokens().expires_at);
        let again = tokens().save_over(&path, Some(&stamp)).unwrap();
        assert_eq!(Stamp::of(&path), again);
        assert_ne!(again, Some(stamp));
        assert!(!format!("{read:?}").contains("secret\""), "{read:?}");
    }

    #[test]
    fn a_token_file_that_others_can_read_is_refused_with_the_remedy() {
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
        let read = Stamp::of(&path).unwrap();
        let anew = Tokens {
            refresh_token: "another".into(),
            ..tokens()
        };
        // Somebody who locks nothing: `mv` in another terminal.
        let looks = std::cell::Cell::new(0);
        let may = || {
            if looks.replace(looks.get() + 1) == 1 {
                let text = serde_json::to_string(&anew).unwrap();
                let mut file = tempfile::NamedTempFile::new_in(dir.path()).unwrap();
                file.write_all(text.as_bytes()).unwrap();
                file.persist(&path).unwrap();
            }
            Stamp::of(&path).as_ref() == Some(&read)
        };
        assert_eq!(tokens().save_while(&path, may).unwrap(), None);
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
        let read = Stamp::of(&path).unwrap();
        let held = turn(dir.path()).unwrap();
        std::thread::scope(|threads| {
            let saved = threads.spawn(|| tokens().save_over(&path, Some(&read)).unwrap());
            let removed = threads.spawn(|| remove(&path).unwrap());
            // As long as it is held, nothing changes, however long that is.
            std::thread::sleep(10 * LOOK);
            assert_eq!(Stamp::of(&path).as_ref(), Some(&read));
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
    fn what_a_killed_writer_left_goes_with_the_next_save_and_with_the_sign_in() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token.json");
        let left = dir.path().join("token.json.new-aB3xYz");
        let other = dir.path().join("token.json.kept");
        for file in [&left, &other] {
            fs::write(file, "{\"refresh_token\": \"hush").unwrap();
        }
        tokens().save(&path).unwrap();
        assert!(left.exists(), "somebody may be writing it now");
        let file = File::options().append(true).open(&left).unwrap();
        let old = file.metadata().unwrap().modified().unwrap() - 2 * UNFINISHED_AGE;
        file.set_modified(old).unwrap();
        tokens().save(&path).unwrap();
        assert!(!left.exists() && other.exists() && path.exists());
        fs::write(&left, "{}").unwrap();
        sweep(&path, None);
        assert!(!left.exists() && other.exists() && path.exists());
    }
}
