//! The configuration: one [`Config`], found, read and checked.
//!
//! Each section is a struct with its keys, defaults and ranges ([`sections`], [`folder`]); the values
//! check themselves while they are parsed ([`value`]), and [`Config::complete`] checks what concerns
//! several keys. An error shows the line of the file with a caret ([`error`]).
//!
//! A [`Config`] need not be checked again: addresses are https or loopback, globs compile, time zones
//! exist, no two folders are the same directory. Whether files and folders exist is not checked: a
//! folder may be unplugged, and the client secret may be added later.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;

mod after_upload;
mod environment;
mod error;
mod folder;
mod globs;
mod sections;
mod value;

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

pub use crate::model::{album_title::AlbumRule, backoff::Retry};
pub use environment::Environment;
pub use error::{Error, Invalid};
pub use folder::{AfterUpload, Description, Folder, OnDelete, OnEdit, Order, Timezone};
pub use globs::{Globs, PatternError};
pub use sections::{Account, Api, Batch, Dashboard, Poll, Quota, Upload, Verify, Watch};
pub use value::is_loopback;

use error::{Document, Problem};

/// The file that `albumen init` writes: every key with its default.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// The largest file that is read, in bytes; a longer one is not a configuration.
const MAX_FILE: u64 = 1 << 20;

/// All settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The file that was read, if there is one.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Where the queue, the token and the lock are. One state folder is one account.
    #[serde(deserialize_with = "value::path")]
    pub state_dir: PathBuf,
    /// The file that shifts the clock in tests; only with an endpoint on loopback.
    #[serde(skip)]
    pub clock_file: Option<PathBuf>,
    /// The failpoint at which a test has the program killed; only with an endpoint on loopback.
    #[serde(skip)]
    pub crash_at: Option<String>,
    /// Access to the library.
    pub account: Account,
    /// The addresses of the service.
    pub api: Api,
    /// The folders that are uploaded; there may be none.
    #[serde(rename = "folder")]
    pub folders: Vec<Folder>,
    /// How bytes are sent.
    pub upload: Upload,
    /// When a batch is sent.
    pub batch: Batch,
    /// The limits of the Cloud project.
    pub quota: Quota,
    /// How new files are noticed.
    pub watch: Watch,
    /// The waits after refusals.
    #[serde(with = "sections::RetryKeys")]
    pub retry: Retry,
    /// Reading created items back.
    pub verify: Verify,
    /// A page that shows what Albumen does.
    pub dashboard: Dashboard,
}

/// The absolute path, without `.` and repeated slashes, as the store has it.
pub fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.components().collect()
}

impl Config {
    /// Reads `explicit_file`, or else the first file found; it is an error if there is none.
    pub fn load(
        explicit_file: Option<&Path>,
        state_dir_override: Option<&Path>,
        env: &Environment,
    ) -> Result<Self, Error> {
        match find(explicit_file, env) {
            Some(file) => Self::read(&file, state_dir_override, env),
            None => Err(Error::NotFound {
                searched: env.usual_files(),
            }),
        }
    }

    /// The same for commands that need no file: without one they get the defaults. A file that is
    /// named and missing is still an error.
    pub fn load_or_defaults(
        explicit_file: Option<&Path>,
        state_dir_override: Option<&Path>,
        env: &Environment,
    ) -> Result<Self, Error> {
        match find(explicit_file, env) {
            Some(file) => Self::read(&file, state_dir_override, env),
            None => Self::without_file(state_dir_override, env),
        }
    }

    /// The defaults, which have no folder. An error only if there is no place for the state.
    pub fn defaults(env: &Environment) -> Result<Self, Error> {
        Self::without_file(None, env)
    }

    /// The folder whose root is `root`.
    pub fn folder_at(&self, root: &Path) -> Option<&Folder> {
        self.folders
            .iter()
            .find(|folder| absolute(&folder.path) == root)
    }

    fn without_file(state_dir_override: Option<&Path>, env: &Environment) -> Result<Self, Error> {
        let own_file = env
            .own_file()
            .unwrap_or_else(|| env.cwd.join("config.toml"));
        Self::complete(&Document::default(), &own_file, state_dir_override, env)
            .map_err(|problem| problem.in_file(None, b""))
    }

    fn read(
        file: &Path,
        state_dir_override: Option<&Path>,
        env: &Environment,
    ) -> Result<Self, Error> {
        let bytes = read_bounded(file).map_err(|source| Error::Unreadable {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(&bytes, file, state_dir_override, env)
    }

    fn parse(
        bytes: &[u8],
        file: &Path,
        state_dir_override: Option<&Path>,
        env: &Environment,
    ) -> Result<Self, Error> {
        let config = text_of(bytes)
            .and_then(Document::parse)
            .and_then(|document| Self::complete(&document, file, state_dir_override, env))
            .map_err(|problem| problem.in_file(Some(file), bytes))?;
        Ok(Self {
            file: Some(file.to_owned()),
            ..config
        })
    }

    /// The values of the document with absolute paths, after the checks that concern several keys.
    fn complete(
        document: &Document<'_>,
        file: &Path,
        state_dir_override: Option<&Path>,
        env: &Environment,
    ) -> Result<Self, Problem> {
        let base = folder_of(file);
        let mut config = document.values()?;
        if is_loopback(&config.api.endpoint) {
            config.crash_at.clone_from(&env.albumen_crash);
            config.clock_file = env.albumen_clock.as_ref().map(|file| env.typed(file));
        }
        config.state_dir = match state_dir_override {
            Some(typed) => env.typed(typed),
            None if document.has("state_dir") => {
                document.resolve("state_dir", &config.state_dir, base, env)?
            }
            None => usual_state_dir(env)?,
        };
        let secret = &mut config.account.client_secret_file;
        *secret = match credential(secret, env) {
            Some(file) => file,
            None => document.resolve("account.client_secret_file", secret, base, env)?,
        };
        folder::complete(&mut config.folders, document, base, env)?;
        config.quota.complete(document)?;
        sections::check_retry(&config.retry, &config.api, document)?;
        after_upload::check(&config, document)?;
        Ok(config)
    }
}

/// The file named on the command line or in the environment, whether it exists or not; or else the
/// first usual file that exists. A file that cannot be examined counts as existing.
fn find(explicit_file: Option<&Path>, env: &Environment) -> Option<PathBuf> {
    if let Some(file) = explicit_file.or(env.albumen_config.as_deref()) {
        return Some(env.typed(file));
    }
    let exists = |file: &PathBuf| match fs::metadata(file) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ),
    };
    env.usual_files().into_iter().find(exists)
}

fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        let message = "it is larger than 1 MiB, so it is hardly a configuration";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

fn text_of(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Problem::at(Some(at..at + 1), "the file is not UTF-8 text from here on")
            .hint("save it as UTF-8 in your editor")
    })
}

fn usual_state_dir(env: &Environment) -> Result<PathBuf, Problem> {
    env.usual_state_dir().ok_or_else(|| {
        let message = "the state has no place: this user has no home, and none is named";
        Problem::at(None, message)
            .hint("`albumen --state-dir DIR` names one, as does `state_dir` in the configuration")
    })
}

/// The credential that systemd has decrypted for the service, if `name` is a bare name and it exists.
fn credential(name: &Path, env: &Environment) -> Option<PathBuf> {
    let file = env.credentials_directory.as_ref()?.join(name);
    let is_bare = folder_of(name).as_os_str().is_empty();
    (is_bare && file.is_file()).then_some(file)
}

/// The folder that a file is in, where its relative paths begin.
fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}
