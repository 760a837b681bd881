//! The configuration: one [`Config`], found, read and checked; the only place that has defaults.
//!
//! A file is found by [`Environment`], read as it is written (`schema`), and checked value by value
//! (`sections`, `folders`, `values`). What is wrong is shown with its line and a caret ([`Error`]).
//! Whoever holds a [`Config`] need not check it again: addresses are https or loopback, globs
//! compile, zones exist, no two folders are the same place. Whether files and folders exist is not
//! looked at: a folder may be unplugged, and a client secret may still be on its way.
//!
//! `commands` loads it; everybody else is handed the part that concerns them.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

mod after_upload;
mod environment;
mod error;
mod folders;
mod globs;
mod schema;
mod sections;
mod settings;
mod unbuilt;
mod values;

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

pub use crate::model::{album_title::AlbumRule, backoff::Retry};
pub use environment::Environment;
pub use error::{Error, Wrong};
pub use globs::{Globs, PatternError};
pub use settings::{
    Account, AfterUpload, Api, Batch, Dashboard, Description, Folder, OnDelete, OnEdit, Order,
    Poll, Quota, Timezone, Upload, Verify, Watch,
};
pub use values::is_loopback;

use error::Fault;

/// The file that `albumen init` writes: every key with its default.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Bytes of a file that is read at most; a longer one is not a configuration.
const MAX_FILE: u64 = 1 << 20;

/// Everything that can be set, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that it is from, if there is one.
    pub file: Option<PathBuf>,
    /// Where the queue, the token and the lock are. A state folder is an account.
    pub state_dir: PathBuf,
    /// The file that shifts the clock, in tests; never set unless the service is on loopback.
    pub clock_file: Option<PathBuf>,
    /// The moment at which a test has the program killed; only with a loopback endpoint.
    pub crash_at: Option<String>,
    /// Whose library it is.
    pub account: Account,
    /// Where the service is.
    pub api: Api,
    /// What is watched; there may be none.
    pub folders: Vec<Folder>,
    /// How bytes go up.
    pub upload: Upload,
    /// When a batch leaves.
    pub batch: Batch,
    /// What the service allows.
    pub quota: Quota,
    /// How files are noticed.
    pub watch: Watch,
    /// The waits after refusals.
    pub retry: Retry,
    /// The reading back of what was made.
    pub verify: Verify,
    /// The page that shows what is going on.
    pub dashboard: Dashboard,
}

/// The absolute path, without `.` and repeated slashes: as the store knows it.
pub fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.components().collect()
}

impl Config {
    /// Reads the file that is named, or else the first one found; with none it fails.
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

    /// The same for commands that can do without a file: with none it has the defaults. A file that
    /// is named and missing is still an error.
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

    /// The defaults, which name no folder. It fails only where the state has no place at all.
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
        let base = settings::folder_of(&own_file);
        Self::check(&schema::File::default(), base, state_dir_override, env)
            .map_err(|fault| fault.in_file(None, b""))
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
        let base = settings::folder_of(file);
        let config = text_of(bytes)
            .and_then(|text| toml::from_str(text).map_err(|error| Fault::of_toml(&error)))
            .and_then(|written| Self::check(&written, base, state_dir_override, env))
            .map_err(|fault| fault.in_file(Some(file), bytes))?;
        Ok(Self {
            file: Some(file.to_owned()),
            ..config
        })
    }

    fn check(
        written: &schema::File,
        base: &Path,
        state_dir_override: Option<&Path>,
        env: &Environment,
    ) -> Result<Self, Fault> {
        let api = sections::api(&written.api)?;
        let crash_at = env.albumen_crash.clone();
        let crash_at = crash_at.filter(|_| is_loopback(&api.endpoint));
        let clock_file = env.albumen_clock.as_ref();
        let clock_file = clock_file.filter(|_| is_loopback(&api.endpoint));
        let folders = folders::check(&written.folder, base, env)?;
        let verify = sections::verify(&written.verify)?;
        after_upload::check(&folders, &written.folder, &verify)?;
        Ok(Self {
            file: None,
            state_dir: state_dir(&written.state_dir, base, state_dir_override, env)?,
            clock_file: clock_file.map(|file| env.typed(file)),
            crash_at,
            account: sections::account(&written.account, base, env)?,
            folders,
            upload: sections::upload(&written.upload)?,
            batch: sections::batch(&written.batch)?,
            quota: sections::quota(&written.quota)?,
            watch: sections::watch(&written.watch)?,
            retry: sections::retry(&written.retry, &api)?,
            verify,
            dashboard: sections::dashboard(&written.dashboard)?,
            api,
        })
    }
}

/// The file that is named on the command line or in the environment, whether it exists or not; or
/// else the first usual one that is there. One that cannot be looked at is there.
fn find(explicit_file: Option<&Path>, env: &Environment) -> Option<PathBuf> {
    if let Some(file) = explicit_file.or(env.albumen_config.as_deref()) {
        return Some(env.typed(file));
    }
    let is_there = |file: &PathBuf| match fs::metadata(file) {
        Ok(_) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
        ),
    };
    env.usual_files().into_iter().find(is_there)
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

fn text_of(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Fault::within(Some(at..at + 1), "the file is not UTF-8 text from here on")
            .hint("save it as UTF-8 in your editor")
    })
}

fn state_dir(
    written: &schema::Text,
    base: &Path,
    state_dir_override: Option<&Path>,
    env: &Environment,
) -> Result<PathBuf, Fault> {
    if let Some(typed) = state_dir_override {
        return Ok(env.typed(typed));
    }
    if let Some(text) = written {
        return folders::path(text, base, env);
    }
    env.usual_state_dir().ok_or_else(|| {
        Fault::nowhere("the state has no place: this user has no home, and none is named")
            .hint("`albumen --state-dir DIR` names one, as does `state_dir` in the configuration")
    })
}
