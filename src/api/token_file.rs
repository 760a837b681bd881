//! The file that keeps the account signed in: written whole or not at all, for its owner only.
//!
//! `login` in another terminal replaces it while the daemon runs, so its [`Stamp`] tells cheaply
//! whether it is still the one that was read. A file that others can read is refused: its token may
//! be known to them.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata},
    io::{self, Read as _, Write as _},
    path::Path,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    crash::{self, Moment},
    shown::Shown,
};

use super::error::{Error, Kind};

/// Far more than such a file holds (about 1 kB).
const SIZE_MAX: u64 = 64 << 10;

/// A token file is written within moments; one that is unfinished for longer has lost its writer.
const UNFINISHED_AGE: Duration = Duration::from_mins(1);

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

/// Tells one state of the file from the next without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp([i64; 6]);

impl Stamp {
    /// The present state of the file; none if there is no file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for Stamp {
    #[cfg(unix)]
    fn from(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self([
            metadata.dev() as i64,
            metadata.ino() as i64,
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ])
    }

    #[cfg(not(unix))]
    fn from(metadata: &Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok())
            .unwrap_or_default();
        let len = metadata.len() as i64;
        Self([
            len,
            modified.as_second(),
            i64::from(modified.subsec_nanosecond()),
            0,
            0,
            0,
        ])
    }
}

impl Tokens {
    /// Reads the file; blocking, a few hundred bytes.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::new(Kind::LoginNeeded, "nobody has signed in yet"));
            }
            Err(error) => return Err(unreadable(path, error)),
        };
        let metadata = file.metadata().map_err(|error| unreadable(path, error))?;
        if is_wide(&metadata) {
            let path = Shown::path(path);
            return Err(Error::new(
                Kind::Setup,
                &format!("the token file {path} can be read by others of this machine"),
            )
            .with_hint(format!(
                "if nobody could have copied it: chmod 600 {path}; otherwise `albumen logout` and `albumen login`"
            )));
        }
        let mut text = String::new();
        file.take(SIZE_MAX)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(path, error))?;
        // The parser's message is not passed on: it can quote the file.
        serde_json::from_str(&text).map_err(|_| {
            let path = Shown::path(path);
            let words = format!("the token file {path} is damaged");
            Error::new(Kind::LoginNeeded, &words)
        })
    }

    /// Reads a file that the user names, which must be there.
    pub(super) fn read_given(path: &Path) -> Result<Self, Error> {
        fs::metadata(path).map_err(|error| unreadable(path, error))?;
        Self::read(path)
    }

    /// Replaces the file, whole or not at all; blocking. Returns the stamp of what was written.
    pub(super) fn save(&self, path: &Path) -> Result<Stamp, Error> {
        let unwritable = |error: io::Error| {
            let path = Shown::path(path);
            let words = format!("the token file {path} cannot be written");
            Error::new(Kind::Setup, &words).with_source(error)
        };
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| unwritable(io::Error::other(error)))?;
        replace(path, text.as_bytes()).map_err(unwritable)
    }
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let path = Shown::path(path);
    let words = format!("the token file {path} cannot be read");
    Error::new(Kind::Setup, &words)
        .with_source(error)
        .with_hint("run Albumen as the user who signed in")
}

fn replace(path: &Path, text: &[u8]) -> io::Result<Stamp> {
    let dir = dir_of(path);
    private_dir(dir)?;
    // tempfile makes it 0600.
    let mut file = tempfile::Builder::new()
        .prefix(&unfinished(path))
        .tempfile_in(dir)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    crash::point(Moment::BeforeTokenFile);
    let file = file.persist(path).map_err(|error| error.error)?;
    crash::point(Moment::AfterTokenFile);
    if cfg!(unix) {
        File::open(dir)?.sync_all()?;
    }
    let metadata = file.metadata()?;
    let written = metadata.modified()?;
    sweep(path, written.checked_sub(UNFINISHED_AGE));
    Ok(Stamp::from(&metadata))
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
        let stamp = tokens().save(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(Stamp::of(&path), Some(stamp.clone()));
        let read = Tokens::read(&path).unwrap();
        assert_eq!(read.refresh_token.expose_secret(), "refresh-secret");
        assert_eq!(read.expires_at, tokens().expires_at);
        assert_ne!(tokens().save(&path).unwrap(), stamp);
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
