//! A strict, faithful stand-in for the Google Photos Library API, on the loopback interface.
//!
//! It serves the API under `/v1`, sign-in under the service's own paths, and, for people, a gallery
//! page under `/`. It shares no code with any client and writes its JSON by hand: a fake that shared
//! the client's types would agree with the client's mistakes. What it does where the service's
//! behaviour is not known is said where it is done.
//!
//! # What tests ask it
//!
//! - `GET /sandbox/state`: items, albums, counts of calls, and two logs. `broken_rules` holds only what
//!   the client could have known; `refusals` the rest. Further: `bytes_received`, `bytes_stored`,
//!   `quota_used`, the `daily_stop` that was told and is not over, the last `requests`, `now`.
//! - `GET /sandbox/requests`: the last 5,000 JSON calls, oldest first, each with `method` (as in
//!   `calls`), `http`, `path`, `query`, `headers` (none that lets its bearer in), `request`, `status`,
//!   `answer`.
//! - `POST /sandbox/faults`: a script, below. The answer is the script as it stands. `GET` shows it,
//!   `DELETE` takes rules and settings back.
//!
//! # Scripts
//!
//! ```json
//! {"rules": [{"method": "mediaItems.batchCreate", "skip": 1, "times": 2, "action": "unavailable_503"}],
//!  "settings": {"latency_ms": {"uploads.raw": 150, "*": 20}},
//!  "commands": [{"command": "advance_clock_s", "seconds": 86400}]}
//! ```
//!
//! A rule meets requests for its `method`: a name as in `calls`, a beginning such as `albums.*`, `*`, or
//! a list of those. It lets the first `skip` pass (0), then applies `times` (1; `null`: for ever).
//! Rules add up. Its `action` is a word, or an object that may hold several of these:
//!
//! | action | what happens |
//! |---|---|
//! | `"daily_429"`, `"minute_429"`, `"concurrent_429"`, `"quota_400_flat"`, `"quota_403"`, `"storage_full"`, `"html_502"`, `"server_500"`, `"unavailable_503"`, `"aborted_409"`, `"unauthenticated_401"`, `"scope_403"`, `"forbidden_403"`, `"api_disabled_403"`, `"photos_disabled_403"`, `"not_found_404"`, `"too_large_413"`, `"checksum_400"`, `"bad_upload_token"`, `"invalid_album"`, `"album_gone"`, `"album_forbidden"` | this answer, and nothing is done |
//! | `"garbage"`, `"empty"` | done, but the 200 has broken JSON, or nothing |
//! | `{"canned": "server_500", "commit": true}` | one of the above, and it is done all the same (or, with `false`, it is not) |
//! | `{"answer": {"status": 429, "body": {"error": {}}, "headers": {"retry-after": "7"}}}` | this very answer; `commit` as above |
//! | `{"canned": "bad_upload_token", "only_with": "a.jpg"}` | this answer to calls with this text in their body (without one: in their query); others are done |
//! | `"cut_before"` | the connection is reset before anything is done |
//! | `"cut_after"` | all is done, then the connection is reset |
//! | `{"cut_body_after": 100000}` | so many bytes of an upload are taken, then the connection is reset |
//! | `{"delay_ms": 2000}` | the answer waits |
//! | `"hang"` | nothing is done, no answer comes; with `"commit": true` it is done |
//! | `{"item_codes": {"0": 13, "a.jpg": {"code": 3, "message": "BAD_IMAGE"}, "*": 8}}` | these new items fail |
//! | `{"drop_results": [0, 2]}`, `"shuffle_results"`, `"status_207"` | results are missing, in disorder, under 207 |
//! | `"expire_tokens"`, `"access_dies"` | all access tokens are dead, before this request is looked at |
//! | `"refresh_dies"` | all refresh tokens are dead, known or not; a new consent works |
//! | `{"revoke_scopes": ["photoslibrary.appendonly"]}` | these scopes are taken from all tokens, until `DELETE` |
//! | `"deny_consent"` | of `oauth.auth`: the user says no |
//!
//! Settings stay until they are changed; `settings.rs` has them all with their defaults:
//! `{"settings": {"daily_limit": 5}}`, `{"settings": {"lifted": true}}`. After a 429 a client has to
//! wait 30 s; `rate_limit_scale` multiplies that for tests that do not wait.
//!
//! Commands do what a user or time does, at once: `{"command": "delete_album", "title": "Rome"}` (or
//! `"id"`), `{"command": "remove_from_album", "title": "Rome", "filename": "a.jpg"}` (or `"id"` and
//! `"item"`), `{"command": "delete_item", "filename": "a.jpg"}` (or `"id"`), `{"command": "fail_video",
//! "filename": "a.mp4"}`, `{"command": "advance_clock_s", "seconds": 3600}`, `{"command": "forget_log"}`,
//! and `{"command": "forget_stop"}`, `{"command": "forget_dead_tokens"}`: who was told to stop for the
//! day, or that an access token is dead, was killed before it could write that down; nobody is blamed
//! for asking once more.

mod albums;
mod answer;
mod api;
mod batch_create;
mod blobs;
mod canned;
mod clock;
mod connection;
mod faults;
mod fields;
mod gallery;
mod library;
mod limits;
mod log;
mod media;
mod media_items;
mod oauth;
mod paging;
mod pictures;
mod route;
mod schema;
mod script;
mod search;
mod server;
mod settings;
mod snapshot;
mod uploads;
mod world;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use axum::Router;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use self::{
    blobs::Blobs,
    clock::Clock,
    connection::{Door, Scissors},
    server::Shared,
    uploads::Intakes,
    world::World,
};

pub use library::SECRET_MARK;

/// How long requests may go on when the sandbox stops; they hold no one but themselves.
const LAST_ORDERS: Duration = Duration::from_secs(2);

/// Where a sandbox listens, and what it keeps.
#[derive(Debug, Clone)]
pub struct Options {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Keeps bytes and state over restarts; without it both go with the sandbox.
    pub data_dir: Option<PathBuf>,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could be reached by others.
    #[error(
        "the sandbox lets anybody in, so it does not listen on {0}, which others can reach\n\
         hint: use a loopback address such as 127.0.0.1:0"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be listened on.
    #[error("the sandbox cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The folder cannot be used.
    #[error("the sandbox cannot use its data folder")]
    Data(#[source] io::Error),
}

/// A running sandbox. Dropped without [`Sandbox::stop`] it stops too, but nobody waits for it, and its
/// last changes may not be written.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
    home: Home,
    stop: DropGuard,
}

impl Sandbox {
    /// Starts a sandbox; it accepts connections when this returns.
    pub async fn start(options: Options) -> Result<Self, Error> {
        if !options.listen.ip().is_loopback() {
            return Err(Error::NotLoopback(options.listen));
        }
        let home = Home::of(options.data_dir).map_err(Error::Data)?;
        let (blobs, mut world) = home.open().map_err(Error::Data)?;
        let listening = |error| Error::Listen(options.listen, error);
        let listener = TcpListener::bind(options.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        world.address = format!("http://{address}");
        let stop = CancellationToken::new();
        let stopper = stop.clone().drop_guard();
        let shared = Arc::new(Shared {
            world: Mutex::new(world),
            blobs,
            clock: Clock::default(),
            intakes: Intakes::default(),
            bytes_received: AtomicU64::new(0),
            stop: stop.clone(),
            tasks: TaskTracker::new(),
            is_dirty: AtomicBool::new(false),
            saving: Mutex::new(()),
        });
        let app = Router::new()
            .fallback(server::serve)
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Scissors>();
        let door = Door {
            listener,
            stop: stop.clone(),
        };
        let server = tokio::spawn(async move {
            // Serving ends only with the stop: accepting never fails for good.
            let serving = std::future::IntoFuture::into_future(axum::serve(door, app));
            stop.run_until_cancelled(serving).await;
        });
        if let Home::Kept(dir) = &home {
            tokio::spawn(snapshot::keep(dir.clone(), Arc::clone(&shared)));
        }
        Ok(Self {
            address,
            shared,
            server,
            home,
            stop: stopper,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint for a client: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of the gallery page.
    pub fn gallery(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Runs a script, as `POST /sandbox/faults` does; the error says what is wrong with it.
    pub fn run_script(&self, script: &Value) -> Result<Value, String> {
        script::run(&mut self.shared.world(), &self.shared.clock, script)
    }

    /// Stops it: connections are cut, requests get a moment to end, the state is written.
    pub async fn stop(self) {
        drop(self.stop);
        self.shared.tasks.close();
        let _ = self.server.await;
        let _ = tokio::time::timeout(LAST_ORDERS, self.shared.tasks.wait()).await;
        let shared = self.shared;
        let last = tokio::task::spawn_blocking(move || match self.home {
            Home::Kept(dir) => snapshot::save(&dir, &shared),
            Home::Temporary(dir) => dir.close(),
        });
        if let Ok(Err(error)) = last.await {
            tracing::warn!("the sandbox could not tidy up: {error}");
        }
    }
}

/// Where the bytes are.
#[derive(Debug)]
enum Home {
    /// And stay, with the state.
    Kept(PathBuf),
    /// And go with the sandbox.
    Temporary(TempDir),
}

impl Home {
    fn of(data_dir: Option<PathBuf>) -> io::Result<Self> {
        let temporary = || tempfile::Builder::new().prefix("photos-sandbox-").tempdir();
        data_dir.map_or_else(
            || temporary().map(Self::Temporary),
            |dir| Ok(Self::Kept(dir)),
        )
    }

    /// The folder of bytes, and the world as it was left.
    fn open(&self) -> io::Result<(Blobs, World)> {
        let mut world = World::default();
        match self {
            Self::Temporary(dir) => Ok((Blobs::open(dir.path())?, world)),
            Self::Kept(dir) => {
                let blobs = Blobs::open(dir)?;
                snapshot::load(dir, &mut world)?;
                let sessions = &world.library.sessions;
                blobs.tidy(|name| sessions.contains_key(name))?;
                Ok((blobs, world))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sandbox_that_keeps_nothing_leaves_nothing_behind() {
        let options = Options {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: None,
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let Home::Temporary(dir) = &sandbox.home else {
            panic!("a folder that nobody named is temporary");
        };
        let home = dir.path().to_owned();
        assert!(home.is_dir());
        sandbox.stop().await;
        assert!(!home.exists());
    }
}
