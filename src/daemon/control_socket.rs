//! The Unix socket in the state folder, by which other processes reach the one that holds the folder.
//!
//! Messages are JSON, one per line. A command is written to the store first, so that it is not lost with
//! the connection; then its number is sent as [`Request::Execute`]. The answer is [`Response::Accepted`] at
//! once, and [`Response::Finished`] when the row of the command says how it ended. A command is executed to
//! its end even if its connection is closed.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use tokio_util::codec::{Framed, LinesCodec};

use super::execute::{Report, execute};
use crate::{
    context::Context, escape::Escaped, exit_code::ExitCode, model::ids::OrderId,
    scan::ScanRequests, status::DatabaseState, store,
};

/// The name of the socket in the state folder.
pub const SOCKET_NAME: &str = "albumen.sock";

/// The longest path of a socket, in bytes: `sun_path` of `sockaddr_un` has 104 bytes on the smallest system,
/// including the zero at its end.
const MAX_PATH: usize = 103;

/// The longest message, in bytes: a path and two sentences. Longer ones are refused.
const MAX_MESSAGE: usize = 16 << 10;

/// How long `status` waits for the answer to [`Request::DatabaseState`].
const STATE_TIMEOUT: Duration = Duration::from_millis(500);

/// What another process asks.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Execute this command of the store.
    Execute(OrderId),
    /// Can the database be written? If it cannot, it does not contain the answer itself.
    DatabaseState,
}

/// An answer of the process that holds the state folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The command will be executed.
    Accepted,
    /// The command is done; its row says how it ended.
    Finished,
    /// Whether the database can be written.
    DatabaseState(DatabaseState),
}

/// A path to the socket that the system accepts, valid as long as this lives.
#[derive(Debug)]
struct SocketPath {
    path: PathBuf,
    _dir: Option<File>,
}

impl SocketPath {
    /// The path to the socket of this state folder. On Linux a path over [`MAX_PATH`] is replaced by one through
    /// `/proc/self/fd/`.
    fn of(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(SOCKET_NAME);
        if path.as_os_str().len() <= MAX_PATH || !cfg!(target_os = "linux") {
            return Ok(Self { path, _dir: None });
        }
        let dir = File::open(state_dir)?;
        let path = format!("/proc/self/fd/{}/{SOCKET_NAME}", dir.as_raw_fd()).into();
        Ok(Self {
            path,
            _dir: Some(dir),
        })
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct Connection(Framed<UnixStream, LinesCodec>);

impl Connection {
    /// Connects to the process that holds this state folder.
    pub async fn open(state_dir: &Path) -> io::Result<Self> {
        let socket = SocketPath::of(state_dir)?;
        Ok(Self::new(UnixStream::connect(&socket.path).await?))
    }

    fn new(stream: UnixStream) -> Self {
        Self(Framed::new(
            stream,
            LinesCodec::new_with_max_length(MAX_MESSAGE),
        ))
    }

    /// Sends a message. It is no error if the other end has closed the connection: it gets no answer then.
    pub async fn send(&mut self, message: &impl Serialize) {
        if let Ok(line) = serde_json::to_string(message) {
            let _ = self.0.send(line).await;
        }
    }

    /// The next message; none if there is none any more, or if it does not parse.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Option<T> {
        let line = self.0.next().await?.ok()?;
        serde_json::from_str(&line).ok()
    }
}

/// Asks the process that holds the state folder for the state of its database; none if there is no such
/// process. One that does not answer in time counts as ready. Blocks up to [`STATE_TIMEOUT`].
pub fn database_state(state_dir: &Path) -> Option<DatabaseState> {
    let socket = SocketPath::of(state_dir).ok()?;
    let mut stream = std::os::unix::net::UnixStream::connect(&socket.path).ok()?;
    let mut ask = || -> io::Result<Response> {
        stream.set_read_timeout(Some(STATE_TIMEOUT))?;
        writeln!(
            stream,
            "{}",
            serde_json::to_string(&Request::DatabaseState)?
        )?;
        let mut messages = serde_json::Deserializer::from_reader(&stream);
        Ok(Response::deserialize(&mut messages)?)
    };
    match ask() {
        Ok(Response::DatabaseState(state)) => Some(state),
        _ => Some(DatabaseState::default()),
    }
}

/// The commands of other processes that are being executed.
///
/// A finished backfill ends when there are none, and accepts none from then on: a process that asks later
/// gets no answer, and executes its command itself.
#[derive(Debug, Clone, Default)]
pub(super) struct ActiveCommands(Arc<Mutex<Active>>);

#[derive(Debug, Default)]
struct Active {
    count: usize,
    is_closed: bool,
}

/// Counts a command as active as long as this lives.
struct ActiveCommand(ActiveCommands);

impl ActiveCommands {
    /// Adds one; none if it is too late.
    fn begin(&self) -> Option<ActiveCommand> {
        let mut active = self.active();
        if active.is_closed {
            return None;
        }
        active.count += 1;
        Some(ActiveCommand(self.clone()))
    }

    /// If there are none, accepts none from now on. Returns whether it is closed.
    pub(super) fn close_if_idle(&self) -> bool {
        let mut active = self.active();
        active.is_closed |= active.count == 0;
        active.is_closed
    }

    fn active(&self) -> MutexGuard<'_, Active> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ActiveCommand {
    fn drop(&mut self) {
        let mut active = self.0.active();
        active.count = active.count.saturating_sub(1);
    }
}

/// The socket cannot be created.
#[derive(Debug, thiserror::Error)]
#[error("the socket {} cannot be made", Escaped::path(.path))]
pub struct Error {
    /// The path of the socket.
    pub path: PathBuf,
    /// The error of the system.
    pub source: io::Error,
}

/// Creates the socket. One that a killed process left behind is replaced: the caller holds the lock.
pub(super) fn bind(state_dir: &Path) -> Result<UnixListener, Error> {
    remove(state_dir);
    // The mode of the folder is 0700, so that no other user can connect.
    SocketPath::of(state_dir)
        .and_then(|socket| UnixListener::bind(&socket.path))
        .map_err(|source| Error {
            path: state_dir.join(SOCKET_NAME),
            source,
        })
}

/// Removes the socket at the end of the process. If that fails, the next process replaces it.
pub(super) fn remove(state_dir: &Path) {
    let _ = std::fs::remove_file(state_dir.join(SOCKET_NAME));
}

/// Accepts connections until the stop.
pub(super) async fn serve(
    listener: UnixListener,
    context: Context,
    scans: ScanRequests,
    active: ActiveCommands,
) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = context.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let connection = Connection::new(stream);
                    connections.spawn(answer(connection, context.clone(), scans.clone(), active.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a command could not connect");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    connections.shutdown().await;
    Ok(())
}

/// Answers the one request of a connection.
async fn answer(
    mut connection: Connection,
    context: Context,
    scans: ScanRequests,
    active: ActiveCommands,
) {
    match connection.receive().await {
        Some(Request::DatabaseState) => {
            let state = context.store.trouble().map(|trouble| DatabaseState {
                state: trouble.cause.as_str().to_owned(),
                reason: Some(trouble.to_string()),
                remedy: Some(trouble.remedy().to_owned()),
            });
            connection
                .send(&Response::DatabaseState(state.unwrap_or_default()))
                .await;
        }
        Some(Request::Execute(id)) => {
            let Some(_active) = active.begin() else {
                return;
            };
            connection.send(&Response::Accepted).await;
            match execute_stored(id, &context, &scans).await {
                Ok(true) => connection.send(&Response::Finished).await,
                // The process was stopped before the result could be recorded.
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(
                        order.id = id.0,
                        "the end of an order could not be recorded: {error:#}"
                    );
                }
            }
        }
        None => {}
    }
}

/// Executes a command of the store and records its result. Returns false if the stop came first.
async fn execute_stored(
    id: OrderId,
    context: &Context,
    scans: &ScanRequests,
) -> store::Result<bool> {
    let now = || context.clock.now();
    let order = match store::retry_transient(&context.stop, || context.store.begin_order(id, now()))
        .await?
    {
        None => return Ok(false),
        // Another connection has begun it, or it does not exist.
        Some(None) => return Ok(true),
        Some(Some(order)) => order,
    };
    tracing::info!(
        order.id = id.0,
        "an order of another command: {:?}",
        order.kind
    );
    let report = execute(context, order.kind, Some(scans))
        .await
        .unwrap_or_else(|error| {
            tracing::warn!(
                order.id = id.0,
                "an order could not be carried out: {error:#}"
            );
            Report {
                code: ExitCode::Internal,
                text: format!("{error:#}"),
            }
        });
    let code = i32::from(report.code.number());
    let record = || {
        context
            .store
            .order_done(id, code, report.text.clone(), now())
    };
    Ok(store::retry_transient(&context.stop, record)
        .await?
        .is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_in_a_folder_with_a_long_name_can_be_connected_to() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["short".to_owned(), "long".repeat(40)] {
            let state_dir = dir.path().join(name);
            std::fs::create_dir(&state_dir).unwrap();
            let _listener = bind(&state_dir).unwrap();
            assert!(state_dir.join(SOCKET_NAME).exists());
            Connection::open(&state_dir).await.unwrap();
        }
    }
}
