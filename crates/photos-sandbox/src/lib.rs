//! A strict, faithful stand-in for the Google Photos Library API, on the loopback interface.
//!
//! It serves the API under `/v1`, sign-in under the service's own paths, and a gallery page for people
//! under `/`. It shares no code with any client: a fake that shared a client's types would agree with the
//! client's mistakes. Where the service's behaviour is not known, the code says what was assumed.
//! "Fact sheet" in comments is a collection of what is documented or was observed of the service.
//!
//! # What tests can ask
//!
//! - `GET /sandbox/state`: items, albums, counts of calls, and two logs. `broken_rules` holds only what
//!   the client could have known; `refusals` the rest. Further: `bytes_received`, `bytes_stored`,
//!   `quota_used`, the last `daily_stop` that was sent and is not over, the last `requests`, `now`.
//! - `GET /sandbox/requests`: the last 5,000 JSON calls, oldest first, each with `method` (as in
//!   `calls`), `http`, `path`, `query`, `headers` (without credentials), `request`, `status`,
//!   `answer`.
//! - `POST /sandbox/faults`: a script, below. The response shows the rules that are left and the settings. So
//!   does `GET`; `DELETE` removes rules and resets the settings.
//!
//! # Scripts
//!
//! ```json
//! {"rules": [{"method": "mediaItems.batchCreate", "skip": 1, "times": 2, "action": "unavailable_503"}],
//!  "settings": {"latency_ms": {"uploads.raw": 150, "*": 20}},
//!  "commands": [{"command": "advance_clock_s", "seconds": 86400}]}
//! ```
//!
//! A rule applies to requests for its `method`: a name as in `calls`, a prefix such as `albums.*`, `*`, or
//! a list of those. It skips the first `skip` requests (default 0), then applies `times` times (default 1;
//! `null`: without end). Several rules can apply to one request. An `action` is a word, or an object that
//! can have several of these fields:
//!
//! | action | what happens |
//! |---|---|
//! | `"daily_429"`, `"minute_429"`, `"concurrent_429"`, `"quota_400_flat"`, `"quota_403"`, `"storage_full"`, `"html_502"`, `"server_500"`, `"unavailable_503"`, `"aborted_409"`, `"unauthenticated_401"`, `"scope_403"`, `"forbidden_403"`, `"api_disabled_403"`, `"photos_disabled_403"`, `"not_found_404"`, `"too_large_413"`, `"checksum_400"`, `"bad_upload_token"`, `"invalid_album"`, `"album_gone"`, `"album_forbidden"` | this response, and the request is not carried out |
//! | `"garbage"`, `"empty"` | carried out, but the 200 has broken JSON, or no body |
//! | `{"canned": "server_500", "commit": true}` | one of the above, and the request is carried out (or, with `false`, it is not) |
//! | `{"answer": {"status": 429, "body": {"error": {}}, "headers": {"retry-after": "7"}}}` | exactly this response; `commit` as above |
//! | `{"canned": "bad_upload_token", "only_with": "a.jpg"}` | this response to calls with this text in their body (without a body: in their query; for uploads: in the declared content type); other calls are carried out |
//! | `"cut_before"` | the connection is reset before the request is carried out |
//! | `"cut_after"` | the request is carried out, then the connection is reset |
//! | `{"cut_body_after": 100000}` | so many bytes of an upload are received, then the connection is reset |
//! | `{"delay_ms": 2000}` | the response is delayed |
//! | `"hang"` | no response is sent, and the request is not carried out; with `"commit": true` it is |
//! | `{"item_codes": {"0": 13, "a.jpg": {"code": 3, "message": "BAD_IMAGE"}, "*": 8}}` | these new items fail; keys are indexes, file names or `*` |
//! | `{"drop_results": [0, 2]}`, `"shuffle_results"`, `"status_207"` | results are missing, shuffled, with status 207 |
//! | `"expire_tokens"`, `"access_dies"` | all access tokens are revoked before this request is checked |
//! | `"refresh_dies"` | all refresh tokens are revoked, known or not; a new consent works |
//! | `{"revoke_scopes": ["photoslibrary.appendonly"]}` | these scopes are withdrawn from all tokens, until `DELETE` |
//! | `"deny_consent"` | for `oauth.auth`: the user denies |
//!
//! Settings stay until they are changed; the struct `Settings` in `faults.rs` has them all with defaults:
//! `{"settings": {"daily_limit": 5}}`, `{"settings": {"lifted": true}}`. After a 429 a client has to
//! wait 30 s; `rate_limit_scale` multiplies that for tests that do not wait.
//!
//! Commands do at once what a user or the passing of time does: `{"command": "delete_album", "title": "Rome"}` (or
//! `"id"`), `{"command": "remove_from_album", "title": "Rome", "filename": "a.jpg"}` (or `"id"` and
//! `"item"`), `{"command": "delete_item", "filename": "a.jpg"}` (or `"id"`), `{"command": "fail_video",
//! "filename": "a.mp4"}`, `{"command": "advance_clock_s", "seconds": 3600}`, `{"command": "forget_log"}`,
//! and `{"command": "forget_stop"}`, `{"command": "forget_dead_tokens"}`: the client that got a daily stop, or
//! a 401 for an access token, was killed before it could store that, and is not blamed for one more request.

mod albums;
mod batch_create;
mod clock;
mod discovery;
mod errors;
mod faults;
mod gallery;
mod media_items;
mod media_type;
mod oauth;
mod pages;
mod persistence;
mod quota;
mod rule_log;
mod script;
mod server;
mod state;
mod uploads;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::Router;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    persistence::Blobs,
    server::{Reset, ResettableListener},
    state::{Shared, State, Stored},
};

pub use oauth::SECRET_MARK;

/// How long requests may continue after the sandbox was told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// The shortest time between two writes of the state.
const SAVE_INTERVAL: Duration = Duration::from_millis(500);

/// Writing the state may take one part in so many of the time.
const SAVE_SHARE: u32 = 20;

/// Where a sandbox listens and stores.
#[derive(Debug, Clone)]
pub struct Options {
    /// A loopback address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Keeps bytes and state over restarts; without it both are deleted at the end.
    pub data_dir: Option<PathBuf>,
}

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not a loopback address.
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

/// A running sandbox. Dropping it without [`Sandbox::stop`] stops it too, but without waiting, and its
/// last changes may not be stored.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
    saver: JoinHandle<()>,
    data: DataDir,
    stop: DropGuard,
}

impl Sandbox {
    /// Starts a sandbox; it accepts connections when this returns.
    pub async fn start(options: Options) -> Result<Self, Error> {
        if !options.listen.ip().is_loopback() {
            return Err(Error::NotLoopback(options.listen));
        }
        let data = DataDir::of(options.data_dir).map_err(Error::Data)?;
        let (blobs, mut state) = open(data.path()).map_err(Error::Data)?;
        let listening = |error| Error::Listen(options.listen, error);
        let listener = TcpListener::bind(options.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        state.address = format!("http://{address}");
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            blobs,
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        });
        let app = Router::new()
            .fallback(server::serve)
            .with_state(Arc::clone(&shared))
            .into_make_service_with_connect_info::<Reset>();
        let listener = ResettableListener {
            listener,
            stop: stop.clone(),
        };
        let serving = stop.clone();
        let server = tokio::spawn(async move {
            let serve = std::future::IntoFuture::into_future(axum::serve(listener, app));
            serving.run_until_cancelled(serve).await;
        });
        let kept = match &data {
            DataDir::Kept(dir) => Some(dir.clone()),
            DataDir::Temporary(_) => None,
        };
        let saver = tokio::spawn(save_changes(kept, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            server,
            saver,
            data,
            stop: stop.drop_guard(),
        })
    }

    /// The address that it listens on.
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
        script::run(&mut self.shared.state(), script)
    }

    /// Stops it: connections are reset, requests get [`STOP_TIMEOUT`] to end, the state is stored.
    pub async fn stop(self) {
        drop(self.stop);
        self.shared.tasks.close();
        let _ = self.server.await;
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.shared.tasks.wait()).await;
        let _ = self.saver.await;
        let shared = self.shared;
        let last = tokio::task::spawn_blocking(move || match self.data {
            DataDir::Kept(dir) => save(&dir, &shared),
            DataDir::Temporary(dir) => dir.close(),
        });
        if let Ok(Err(error)) = last.await {
            tracing::warn!("the sandbox could not store its state or delete its files: {error}");
        }
    }
}

/// The folder of bytes and state.
#[derive(Debug)]
enum DataDir {
    Kept(PathBuf),
    /// Deleted when the sandbox stops.
    Temporary(TempDir),
}

impl DataDir {
    fn of(dir: Option<PathBuf>) -> io::Result<Self> {
        if let Some(dir) = dir {
            return Ok(Self::Kept(dir));
        }
        let dir = tempfile::Builder::new()
            .prefix("photos-sandbox-")
            .tempdir()?;
        Ok(Self::Temporary(dir))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }
}

/// Opens the folder, and loads the state that an earlier sandbox stored in it.
fn open(dir: &Path) -> io::Result<(Blobs, State)> {
    let mut state = State::default();
    let blobs = Blobs::open(dir)?;
    if let Some(Stored { library, oauth }) = persistence::load(dir)? {
        state.library = state::Library::restored(library);
        state.oauth = oauth;
    }
    let sessions = &state.library.sessions;
    blobs.remove_partial(|name| sessions.contains_key(name))?;
    Ok((blobs, state))
}

fn save(dir: &Path, shared: &Shared) -> io::Result<()> {
    let text = {
        let mut state = shared.state();
        state.is_dirty = false;
        serde_json::to_vec(&Stored {
            library: &state.library,
            oauth: &state.oauth,
        })?
    };
    persistence::save(dir, &text)
}

/// Stores the state soon after changes, until the sandbox stops.
async fn save_changes(dir: Option<PathBuf>, shared: Arc<Shared>) {
    let Some(dir) = dir else {
        return;
    };
    let mut pause = SAVE_INTERVAL;
    loop {
        let sleep = tokio::time::sleep(pause);
        if shared.stop.run_until_cancelled(sleep).await.is_none() {
            return;
        }
        if shared.state().is_dirty {
            let begun = Instant::now();
            let (dir, shared) = (dir.clone(), Arc::clone(&shared));
            // If this fails, the next change or the stop stores the state again.
            let _ = tokio::task::spawn_blocking(move || save(&dir, &shared)).await;
            pause = SAVE_INTERVAL.max(begun.elapsed() * SAVE_SHARE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sandbox_without_a_data_folder_leaves_nothing_behind() {
        let options = Options {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: None,
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let dir = sandbox.data.path().to_owned();
        assert!(dir.is_dir());
        sandbox.stop().await;
        assert!(!dir.exists());
    }
}
