//! The composition root: daemon and backfill are one pipeline with two ways to stop.
//!
//! [`run`] is given the lock, opens the store, starts every task, and owns them all until the end:
//!
//! - the stages of [`crate::context`];
//! - [`reporter`] — bytes on their way for `status`, the status line and the watchdog for systemd;
//! - [`control_socket`] — orders of commands that run beside;
//! - [`backups`] — a backup of the database, daily;
//! - [`completion`] — whether a backfill is done.
//!
//! A task that ends before the stop ends the program, loudly: systemd starts it again. Stopping is a
//! level, not an edge: a token that stays set. Then intake and uploads are abandoned at once, because
//! they can be repeated at the cost of bytes; a call of the lane that is under way is awaited, up to
//! [`CALL_PATIENCE`], and recorded; the store closes last.

mod album_remove;
mod backups;
pub mod build_context;
pub mod clients;
mod clock_watch;
mod completion;
mod control_socket;
mod reporter;
mod socket_path;
mod verification;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    after_upload::Afterwards,
    config::{AfterUpload, Config},
    context::{self, Context, Mode},
    exit_code::ExitCode,
    failpoint,
    lock::{self, Lock},
    progress::Progress,
    scan::Scanner,
    store::{Reach, Store},
    upload::Upload,
    verify::Verify,
    writer::Writer,
};

pub use socket_path::{Door, SOCKET_NAME};

pub use album_remove::{Places, remove};
pub use control_socket::{ASK_STATE, Error as SocketError};
pub use verification::verify;

/// How long a call that is under way at the stop is awaited; below `TimeoutStopSec=90` of the unit.
const CALL_PATIENCE: Duration = Duration::from_mins(1);

/// What the pipeline runs for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Watch, queue, upload, until told to stop.
    Daemon,
    /// Scan once, upload all, end when nothing can move.
    Backfill {
        /// These instead of the configured folders; none is all of those.
        paths: Vec<PathBuf>,
        /// End rather than sit out a wait of over 60 s or of unknown end.
        no_wait: bool,
    },
}

impl Job {
    fn mode(&self) -> Mode {
        match self {
            Self::Daemon => Mode::Daemon,
            Self::Backfill { .. } => Mode::Backfill,
        }
    }
}

/// How a task of the program ended.
type Ended = (&'static str, anyhow::Result<Option<ExitCode>>);

/// Takes the state folder for a daemon, which waits a little for who has it.
pub async fn lock_for_daemon(config: &Config) -> Result<Lock, lock::Error> {
    build_context::lock(config).await
}

/// Runs the pipeline until its job is done or `stop` is set. The caller has taken the state folder;
/// whoever let go of it in between could find it taken by another.
pub async fn run(
    lock: Lock,
    config: Arc<Config>,
    job: Job,
    progress: Progress,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    if let Some(plan) = &config.crash_at {
        failpoint::arm(plan);
    }
    let store = Store::open(&config.state_dir).context("cannot open the database")?;
    let ended = with_store(Arc::clone(&config), &job, progress, stop, store.clone()).await;
    store.close().await;
    drop(lock);
    ended
}

async fn with_store(
    config: Arc<Config>,
    job: &Job,
    progress: Progress,
    stop: CancellationToken,
    store: Store,
) -> anyhow::Result<ExitCode> {
    let context = build_context::on(store, Arc::clone(&config), job.mode(), progress, stop).await?;
    let now = context.clock.now();
    let mode = match context.mode {
        Mode::Daemon => "daemon",
        Mode::Backfill => "backfill",
    };
    let pid = std::process::id();
    context.store.process_is(mode, pid, now).await?;
    context.store.forget_orders(now).await?;
    context.store.recover(now).await?;
    let acting: Vec<PathBuf> = config
        .folders
        .iter()
        .filter(|folder| folder.after_upload != AfterUpload::Keep)
        .map(|folder| folder.path.clone())
        .collect();
    let acts = !acting.is_empty();
    context.store.roots_act(acting).await?;
    let (folders, paths) = match job {
        Job::Daemon => (config.folders.clone(), Vec::new()),
        Job::Backfill { paths, .. } if paths.is_empty() => (config.folders.clone(), Vec::new()),
        Job::Backfill { paths, .. } => (Vec::new(), paths.clone()),
    };
    let taken = control_socket::Taken::default();
    let listener = control_socket::Listener::bind(&config.state_dir)?;
    let lane = Writer::load(context.clone()).await?;
    let (scanner, requests) = Scanner::new(context.clone(), folders, &paths)?;
    let mut tasks = JoinSet::new();
    spawn(&mut tasks, "intake", scanner.run());
    spawn(&mut tasks, "uploads", Upload::new(context.clone()).run());
    if *job == Job::Daemon {
        spawn(
            &mut tasks,
            "verification",
            Verify::new(context.clone()).run(),
        );
    } else if acts {
        let verify = Verify::for_files(context.clone());
        spawn(&mut tasks, "verification", verify.run());
    }
    if acts || !context.store.open_acts().await?.is_empty() {
        let afterwards = Afterwards::new(context.clone(), &paths)?;
        spawn(&mut tasks, "moves and deletions", afterwards.run());
    }
    {
        let (context, taken) = (context.clone(), taken.clone());
        tasks.spawn(async move {
            let served = listener.serve(context, requests, taken).await;
            ("orders", served.map(|()| None))
        });
    }
    if *job == Job::Daemon {
        let context = context.clone();
        tasks.spawn(async move { ("backups", backups::daily(&context).await.map(|()| None)) });
    }
    let reporter = context.clone();
    tasks.spawn(async move { ("status", reporter::tell(reporter).await.map(|()| None)) });
    if let Job::Backfill { paths, no_wait } = job {
        let (context, reach, no_wait) = (context.clone(), reach(paths), *no_wait);
        tasks.spawn(async move {
            let code = completion::of_backfill(&context, reach, no_wait, &taken).await;
            ("the end", code.map(Some))
        });
    }
    // After everything that may fail: nobody else would wait for it to end.
    let lane = tokio::spawn(lane.run());
    reporter::ready();
    let code = supervise(&mut tasks, lane, &context).await;
    reporter::gone(&config.state_dir);
    code
}

/// What a backfill of these paths is about; without any it is about all that is in the queue.
pub fn reach<P>(paths: &[P]) -> Reach {
    if paths.is_empty() {
        Reach::Everything
    } else {
        Reach::Asked
    }
}

fn spawn<F>(tasks: &mut JoinSet<Ended>, name: &'static str, task: F)
where
    F: Future<Output = context::Result<()>> + Send + 'static,
{
    tasks.spawn(async move { (name, task.await.map(|()| None).map_err(anyhow::Error::from)) });
}

/// Waits for the stop, for the end of a backfill, or for a task that ended before its time.
async fn supervise(
    tasks: &mut JoinSet<Ended>,
    mut lane: tokio::task::JoinHandle<context::Result<()>>,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let stop = &context.stop;
    let verdict = tokio::select! {
        biased;
        () = stop.cancelled() => match context.mode {
            Mode::Daemon => Ok(ExitCode::Done),
            Mode::Backfill => Ok(ExitCode::Interrupted),
        },
        ended = tasks.join_next() => early(ended, stop.is_cancelled()),
        ended = &mut lane => {
            let ended = ended.map_err(anyhow::Error::from).and_then(|ended| Ok(ended?));
            ended.and_then(|()| Err(anyhow::anyhow!("the lane ended before it was told to")))
        }
    };
    reporter::stopping();
    stop.cancel();
    context.wakes.writer.notify();
    if !lane.is_finished()
        && tokio::time::timeout(CALL_PATIENCE, &mut lane)
            .await
            .is_err()
    {
        tracing::warn!(
            "a call of the lane got no answer in time; it is repeated at the next start"
        );
        lane.abort();
    }
    // Everything else returns at once; what does not is abandoned with its bytes.
    let rest = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(10), rest)
        .await
        .is_err()
    {
        tasks.shutdown().await;
    }
    verdict
}

/// A task ended: the end of a backfill, or a defect.
fn early(
    ended: Option<Result<Ended, tokio::task::JoinError>>,
    stopping: bool,
) -> anyhow::Result<ExitCode> {
    match ended {
        Some(Ok((_, Ok(Some(code))))) => Ok(code),
        Some(Ok((_, Ok(None)))) if stopping => Ok(ExitCode::Done),
        Some(Ok((name, Ok(None)))) => anyhow::bail!("{name} ended before it was told to"),
        Some(Ok((name, Err(error)))) => Err(error.context(format!("{name} cannot go on"))),
        Some(Err(error)) => Err(anyhow::Error::from(error).context("a task broke")),
        None => anyhow::bail!("no task is left"),
    }
}
