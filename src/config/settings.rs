//! The settings themselves: what the other modules read, with every default and where it is from.
//!
//! Values of these types have been checked. Only [`super::Config`] makes them from a file; a test
//! compares the defaults here with `config.example.toml`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use url::Url;

use crate::model::album_title::AlbumRule;

/// A thousand times a thousand bytes: sizes in the configuration follow the SI where they say "MB".
const MB: u64 = 1_000_000;

/// Whose library it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The OAuth client as the Cloud console hands it out ("installed" or "web"). It may not exist.
    pub client_secret_file: PathBuf,
}

/// Where the service is. Everything is https, or http on a loopback host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// The Library API, without the version: a bare address.
    pub endpoint: Url,
    /// Where a person consents.
    pub auth_url: Url,
    /// Where codes and refresh tokens become access tokens.
    pub token_url: Url,
    /// Where tokens end.
    pub revoke_url: Url,
}

impl Api {
    /// The four addresses of a server that has everything at one place, as the sandbox has.
    pub fn at(base: &Url) -> Self {
        let with_path = |path| {
            let mut url = base.clone();
            url.set_path(path);
            url
        };
        Self {
            endpoint: with_path("/"),
            auth_url: with_path("/o/oauth2/v2/auth"),
            token_url: with_path("/token"),
            revoke_url: with_path("/revoke"),
        }
    }
}

/// A folder that is watched, and what becomes of the files in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its root, absolute unless the working directory was unknown.
    pub path: PathBuf,
    /// Which album its files go into.
    pub album: AlbumRule,
    /// What decides the place in the album.
    pub order: Order,
    /// The zone of EXIF times that have no offset.
    pub timezone: Timezone,
    /// Globs relative to `path`; empty takes every type that the service takes.
    pub include: Vec<String>,
    /// Globs of what stays, beside the built-in junk list.
    pub exclude: Vec<String>,
    /// Whether the folders below belong to it.
    pub recursive: bool,
    /// Whether symbolic links are followed; never out of `path`.
    pub follow_symlinks: bool,
    /// What a changed file means.
    pub on_edit: OnEdit,
    /// What a file that is gone means.
    pub on_delete: OnDelete,
    /// Where a description is taken from.
    pub description: Description,
    /// What happens to a file that is safely there.
    pub after_upload: AfterUpload,
}

impl Folder {
    /// `path` with the defaults: as in the file, and for a PATH that is outside all folders.
    pub fn with_defaults(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            album: AlbumRule::None,
            order: Order::Taken,
            timezone: Timezone::Local,
            include: Vec::new(),
            exclude: Vec::new(),
            recursive: true,
            follow_symlinks: false,
            on_edit: OnEdit::Upload,
            on_delete: OnDelete::Keep,
            description: Description::None,
            after_upload: AfterUpload::Keep,
        }
    }
}

/// What decides the place of a file in its album.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// When it was taken.
    Taken,
    /// Its name, numbers by value.
    Name,
    /// When it was last written to.
    Modified,
    /// When it was first seen.
    Arrival,
}

/// The zone of a time that does not say its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timezone {
    /// That of the machine.
    Local,
    /// An IANA name that the time zone database knows.
    Named(String),
}

/// What a changed file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEdit {
    /// A new media item; the old one stays, for the service replaces nothing.
    Upload,
    /// Nothing.
    Ignore,
}

/// What a file that is gone means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// Nothing.
    Keep,
    /// Its media item leaves the album; the service can delete none.
    RemoveFromAlbum,
}

/// Where a description is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Description {
    /// There is none.
    None,
    /// From what a person wrote beside or inside the file.
    Sidecar,
}

/// What happens to a file once its media item was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterUpload {
    /// Nothing: Albumen leaves files alone.
    Keep,
    /// It moves below this folder.
    Move(PathBuf),
    /// It is deleted.
    Delete,
}

/// How bytes go up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Transfers at once.
    pub parallel: usize,
    /// Bytes a second for all of them together; 0 is no limit.
    pub bandwidth: u64,
    /// Files of more bytes than this get a resumable session.
    pub resumable_above: u64,
    /// Bytes of one request of a session; 0 is all in one. To be rounded to the service's granularity.
    pub chunk_size: u64,
    /// Uploads stop while so many tokens wait for the lane.
    pub ready_tokens: u64,
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            parallel: 6,
            bandwidth: 0,
            resumable_above: 16 * MB,
            chunk_size: 0,
            // Ten full batches: the lane never starves, and few tokens die if it stands.
            ready_tokens: 500,
        }
    }
}

/// When a batch leaves, and what order may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The longest wait of the daemon's oldest ready item.
    pub max_wait: Duration,
    /// The same in a backfill, where full batches matter more.
    pub max_wait_backfill: Duration,
    /// Calls a day, beyond those of full batches, that late arrivals may cost for their place.
    pub order_calls: u64,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_secs(30),
            max_wait_backfill: Duration::from_mins(10),
            order_calls: 2000,
        }
    }
}

/// What the service allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Requests of the Cloud project a day, Pacific time (Google's page "limits and quotas").
    pub requests_per_day: u64,
    /// Whether byte uploads count toward the day: the page says yes, a measurement says no.
    pub count_uploads: bool,
    /// Writes a minute and user (`WritesPerMinutePerUser`); the lane keeps below it.
    pub writes_per_minute: u32,
    /// Requests of the day that a backfill leaves for fresh files.
    pub reserve: u64,
}

impl Quota {
    /// The reserve where none is set: a fiftieth of the day, at most 200.
    pub(super) fn usual_reserve(requests_per_day: u64) -> u64 {
        (requests_per_day / 50).min(200)
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            requests_per_day: 10_000,
            count_uploads: false,
            writes_per_minute: 30,
            reserve: Self::usual_reserve(10_000),
        }
    }
}

/// How files are noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Size and time of a file stand still so long before it is touched.
    pub settle: Duration,
    /// From one full scan to the next.
    pub rescan: Duration,
    /// Whether folders are looked at in turn where the system could tell of changes.
    pub poll: Poll,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(5),
            rescan: Duration::from_hours(1),
            poll: Poll::Auto,
        }
    }
}

/// Whether folders are polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Network file systems and what cannot be watched.
    Auto,
    /// Everything.
    Always,
    /// Nothing.
    Never,
}

/// The reading back of what was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verify {
    /// The daemon asks for an item once, so long after it was made; `None` is never.
    pub after: Option<Duration>,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            after: Some(Duration::from_mins(10)),
        }
    }
}

/// The page that shows what is going on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dashboard {
    /// Its address, on loopback; `None` is no page.
    pub listen: Option<SocketAddr>,
}

/// The folder that a file lies in, for paths that are relative to it.
pub(super) fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}
