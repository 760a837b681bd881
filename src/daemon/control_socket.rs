//! Orders of commands that run beside: the order is a row of the store, the socket is the bell.
//!
//! A command writes its order, connects, and sends `order ID`. It gets `taken` at once, and `done`
//! when the order is done and its row says how. The connection holds nothing: a command that goes
//! away does not undo what it asked for.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};

use super::{Door, SOCKET_NAME, album_remove, completion, verification};
use crate::{
    context::Context,
    escape::Escaped,
    exit_code::ExitCode,
    model::ids::{AlbumRow, ItemId, OrderId},
    progress::Count,
    scan::ScanRequests,
    status::summary,
    store::{self, OrderKind},
};

/// Of a line that a command sends; longer ones are nonsense.
const LINE_BYTES: u64 = 64;

/// How long is waited before the store is asked again that could not be written.
const AGAIN: Duration = Duration::from_secs(1);

/// What `status` asks: how the database is, which a database that cannot be written cannot say. The
/// answer is a line with a word, a sentence and a remedy between tabs; or none, if it is well.
pub const ASK_STATE: &str = "state";

/// The orders that are being carried out. A backfill that is done ends when there is none, and takes none
/// from then on: whoever comes too late does the work itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Taken(Arc<Mutex<Orders>>);

#[derive(Debug, Default)]
struct Orders {
    n: usize,
    is_closed: bool,
}

/// An order that is carried out as long as this lives.
struct Order(Taken);

impl Taken {
    /// Takes one more; none if it is too late.
    fn begin(&self) -> Option<Order> {
        let mut orders = self.orders();
        if orders.is_closed {
            return None;
        }
        orders.n += 1;
        Some(Order(self.clone()))
    }

    /// Takes none from now on, if there is none now; gives whether that is so.
    pub(super) fn close_if_idle(&self) -> bool {
        let mut orders = self.orders();
        orders.is_closed |= orders.n == 0;
        orders.is_closed
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Order {
    fn drop(&mut self) {
        let mut orders = self.0.orders();
        orders.n = orders.n.saturating_sub(1);
    }
}

/// The socket cannot be made, so that no command could reach this process.
#[derive(Debug, thiserror::Error)]
#[error("the socket {} cannot be made", Escaped::path(.path))]
pub struct Error {
    /// Where it was to be.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The bound socket.
#[derive(Debug)]
pub(super) struct Listener(UnixListener);

impl Listener {
    /// Replaces the socket of a process that is gone: the caller holds the lock.
    pub(super) fn bind(state_dir: &Path) -> anyhow::Result<Self> {
        let path = state_dir.join(SOCKET_NAME);
        let _ = std::fs::remove_file(&path);
        // The folder is 0700, which is what keeps others out.
        let bound = Door::of(state_dir).and_then(|door| UnixListener::bind(door.path()));
        bound
            .map(Self)
            .map_err(|source| Error { path, source }.into())
    }

    /// Serves until the stop; owns every connection.
    pub(super) async fn serve(
        self,
        context: Context,
        requests: ScanRequests,
        taken: Taken,
    ) -> anyhow::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = context.stop.cancelled() => break,
                accepted = self.0.accept() => match accepted {
                    Ok((stream, _)) => {
                        let taken = taken.clone();
                        connections.spawn(follow(stream, context.clone(), requests.clone(), taken));
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
}

async fn follow(stream: UnixStream, context: Context, requests: ScanRequests, taken: Taken) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(tokio::io::AsyncReadExt::take(reader, LINE_BYTES));
    if reader.read_line(&mut line).await.is_err() {
        return;
    }
    if line.trim() == ASK_STATE {
        if let Some(trouble) = context.store.trouble() {
            let told = [
                trouble.cause.as_str(),
                &trouble.to_string(),
                trouble.remedy(),
            ]
            .join("\t");
            // Whoever asked may have gone.
            let _ = writer.write_all(format!("{told}\n").as_bytes()).await;
        }
        return;
    }
    let Some(id) = line
        .trim()
        .strip_prefix("order ")
        .and_then(|id| id.parse().ok())
        .map(OrderId)
    else {
        return;
    };
    let Some(_order) = taken.begin() else {
        return;
    };
    // A command that went away is no reason to leave its order undone.
    let _ = writer.write_all(b"taken\n").await;
    if let Err(error) = carry_out(id, &context, &requests).await {
        tracing::warn!(
            order.id = id.0,
            "an order could not be carried out: {error:#}"
        );
        let now = context.clock.now();
        let report = format!("{error:#}");
        let code = i32::from(ExitCode::Internal.number());
        let done = || context.store.order_done(id, code, report.clone(), now);
        if !matches!(retry_transient(&context, done).await, Ok(Some(()))) {
            return;
        }
    }
    let _ = writer.write_all(b"done\n").await;
}

async fn carry_out(id: OrderId, context: &Context, requests: &ScanRequests) -> anyhow::Result<()> {
    let begun = retry_transient(context, || {
        context.store.begin_order(id, context.clock.now())
    })
    .await?;
    let Some(order) = begun.flatten() else {
        return Ok(());
    };
    tracing::info!(
        order.id = id.0,
        "an order of another command: {:?}",
        order.kind
    );
    let (code, report) = match order.kind {
        OrderKind::Retry { paths } => {
            let n = context.store.retry(paths, context.clock.now()).await?;
            context.account.wake_all();
            (ExitCode::Done, summary::retried(n))
        }
        OrderKind::Verify => verification::everything(context, &Count::default()).await?,
        OrderKind::Remove { places, held } => {
            let places = places.into_iter();
            let places = places.map(|(item, album)| (ItemId(item), AlbumRow(album)));
            album_remove::remove_by_user(context, places.collect(), held).await?
        }
        OrderKind::Backfill { paths, no_wait } => {
            let reach = super::reach(&paths);
            let paths = paths.into_iter().map(from_bytes).collect();
            context.scanning.fetch_add(1, Ordering::SeqCst);
            let scanned = requests.scan(paths).await;
            context.scanning.fetch_sub(1, Ordering::SeqCst);
            scanned?;
            let code = completion::drained(context, reach, no_wait).await?;
            // Whoever ordered it looks into the store and tells its own part of the story.
            (code, String::new())
        }
    };
    let (number, now) = (i32::from(code.number()), context.clock.now());
    let done = || context.store.order_done(id, number, report.clone(), now);
    retry_transient(context, done).await?;
    Ok(())
}

/// Asks the store again while what keeps it from being written may pass, until the stop: a full disk
/// is no reason to forget an order, or what came of it.
async fn retry_transient<T, F>(context: &Context, verb: impl Fn() -> F) -> store::Result<Option<T>>
where
    F: Future<Output = store::Result<T>>,
{
    loop {
        match verb().await {
            Err(error) if error.is_transient() => {}
            done => return done.map(Some),
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

fn from_bytes(bytes: Vec<u8>) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(bytes).into()
}
