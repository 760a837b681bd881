//! Starts the tasks of a process, waits until its job is done or the process is stopped, and stops them.
//!
//! A daemon and a backfill run the same tasks and differ in their end. A task that ends early is a defect: it
//! ends the process with an error, and systemd restarts it. At the stop, scans and uploads are abandoned at
//! once, since repeating them costs only bytes; a call of the writer that is under way is awaited and
//! recorded, up to [`CALL_TIMEOUT`]; the store is closed last.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    task::{JoinError, JoinHandle, JoinSet},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    backups, completion,
    context::build,
    control_socket::{self, ActiveCommands},
    execute::{Report, execute, to_paths},
    reporter, systemd,
};
use crate::{
    after_upload::Afterwards,
    config::{AfterUpload, Config},
    context::{self, Context, Mode},
    exit_code::ExitCode,
    failpoint,
    lock::{self, Lock},
    progress::Progress,
    scan::Scanner,
    store::{OrderKind, Store},
    upload::Upload,
    verify::Verify,
    writer::Writer,
};

/// How long a daemon waits for the lock: at a restart the old process may still be stopping.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call that is under way at the stop is awaited; below `TimeoutStopSec=90` of the unit.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// How long the other tasks may take to stop.
const TASKS_TIMEOUT: Duration = Duration::from_secs(10);

/// What a process is started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Watch, queue and upload until the stop.
    Daemon,
    /// Execute one command, then end.
    Command(OrderKind),
}

/// The name of a task, and how it ended: with a report if it was the command of the job.
type Ended = (&'static str, anyhow::Result<Option<Report>>);

/// Takes the lock of the state folder for a daemon, and waits for it up to [`LOCK_TIMEOUT`].
pub async fn lock_for_daemon(config: &Config) -> Result<Lock, lock::Error> {
    let since = Instant::now();
    loop {
        match Lock::take(&config.state_dir) {
            Err(lock::Error::Held { .. }) if since.elapsed() < LOCK_TIMEOUT => {
                sleep(Duration::from_millis(100)).await;
            }
            taken => return taken,
        }
    }
}

/// Runs a process until its job is done or `stop` is set. The lock is dropped at the very end.
pub async fn run(
    lock: Lock,
    config: Arc<Config>,
    job: Job,
    progress: Progress,
    stop: CancellationToken,
) -> anyhow::Result<Report> {
    if let Some(plan) = &config.crash_at {
        failpoint::arm(plan);
    }
    let store = Store::open(&config.state_dir).context("cannot open the database")?;
    let ended = with_store(config, job, progress, stop, store.clone()).await;
    store.close().await;
    drop(lock);
    ended
}

async fn with_store(
    config: Arc<Config>,
    job: Job,
    progress: Progress,
    stop: CancellationToken,
    store: Store,
) -> anyhow::Result<Report> {
    let mode = if job == Job::Daemon {
        Mode::Daemon
    } else {
        Mode::Backfill
    };
    let context = build(store, config, mode, progress, stop).await?;
    match job {
        Job::Daemon => run_all_tasks(&context, None).await,
        Job::Command(OrderKind::Backfill { paths, no_wait }) => {
            run_all_tasks(&context, Some((to_paths(paths), no_wait))).await
        }
        Job::Command(command @ OrderKind::Remove { .. }) => {
            context.store.recover(context.clock.now()).await?;
            let writer = tokio::spawn(Writer::load(context.clone()).await?.run());
            let mut tasks = JoinSet::new();
            let of_command = context.clone();
            tasks.spawn(async move {
                (
                    "the command",
                    execute(&of_command, command, None).await.map(Some),
                )
            });
            supervise(&mut tasks, writer, &context, false).await
        }
        Job::Command(command) => execute(&context, command, None).await,
    }
}

/// Runs the tasks of a daemon, or of a backfill with its paths and `--no-wait`.
async fn run_all_tasks(
    context: &Context,
    backfill: Option<(Vec<PathBuf>, bool)>,
) -> anyhow::Result<Report> {
    let config = &context.config;
    let now = context.clock.now();
    let mode = if backfill.is_none() {
        "daemon"
    } else {
        "backfill"
    };
    context
        .store
        .process_is(mode, std::process::id(), now)
        .await?;
    context.store.forget_orders(now).await?;
    context.store.recover(now).await?;
    let acts = config
        .folders
        .iter()
        .filter(|folder| folder.after_upload != AfterUpload::Keep);
    let acting: Vec<PathBuf> = acts.map(|folder| folder.path.clone()).collect();
    let has_acting = !acting.is_empty();
    context.store.roots_act(acting).await?;
    let paths = backfill
        .as_ref()
        .map_or_else(Vec::new, |(paths, _)| paths.clone());
    let folders = if paths.is_empty() {
        config.folders.clone()
    } else {
        Vec::new()
    };

    let active = ActiveCommands::default();
    let listener = control_socket::bind(&config.state_dir)?;
    let writer = Writer::load(context.clone()).await?;
    let (scanner, scans) = Scanner::new(context.clone(), folders, &paths)?;
    let mut tasks = JoinSet::new();
    spawn(&mut tasks, "intake", scanner.run());
    spawn(&mut tasks, "uploads", Upload::new(context.clone()).run());
    if backfill.is_none() {
        spawn(
            &mut tasks,
            "verification",
            Verify::new(context.clone()).run(),
        );
        spawn(&mut tasks, "backups", backups::run(context.clone()));
    } else if has_acting {
        spawn(
            &mut tasks,
            "verification",
            Verify::for_files(context.clone()).run(),
        );
    }
    if has_acting || !context.store.open_acts().await?.is_empty() {
        let after_upload = Afterwards::new(context.clone(), &paths)?;
        spawn(&mut tasks, "moves and deletions", after_upload.run());
    }
    let served = control_socket::serve(listener, context.clone(), scans, active.clone());
    spawn(&mut tasks, "orders", served);
    spawn(&mut tasks, "status", reporter::run(context.clone()));
    if let Some((paths, no_wait)) = backfill {
        let context = context.clone();
        tasks.spawn(async move {
            let code = completion::of_backfill(&context, &paths, no_wait, &active).await;
            ("the end", code.map(|code| Some(Report::silent(code))))
        });
    }
    // Spawned last: if starting another task failed, nothing would wait for the writer to stop.
    let writer = tokio::spawn(writer.run());
    systemd::notify(systemd::State::Ready);
    let report = supervise(&mut tasks, writer, context, true).await;
    control_socket::remove(&config.state_dir);
    report
}

fn spawn<E>(
    tasks: &mut JoinSet<Ended>,
    name: &'static str,
    task: impl Future<Output = Result<(), E>> + Send + 'static,
) where
    E: Into<anyhow::Error> + Send,
{
    tasks.spawn(async move { (name, task.await.map(|()| None).map_err(Into::into)) });
}

/// Waits for the end of the command, for a task that ended early, or for the stop if it `ends_at_stop`; then
/// stops all tasks. Without `ends_at_stop` the command itself ends at the stop, with its report.
async fn supervise(
    tasks: &mut JoinSet<Ended>,
    mut writer: JoinHandle<context::Result<()>>,
    context: &Context,
    ends_at_stop: bool,
) -> anyhow::Result<Report> {
    let stop = &context.stop;
    let report = tokio::select! {
        biased;
        () = stop.cancelled(), if ends_at_stop => Ok(Report::silent(match context.mode {
            Mode::Daemon => ExitCode::Done,
            Mode::Backfill => ExitCode::Interrupted,
        })),
        ended = tasks.join_next() => task_ended(ended, stop.is_cancelled()),
        ended = &mut writer => {
            let ended = ended.map_err(anyhow::Error::from).and_then(|ended| Ok(ended?));
            ended.and_then(|()| Err(anyhow::anyhow!("the lane ended before it was told to")))
        }
    };
    systemd::notify(systemd::State::Stopping);
    stop.cancel();
    context.wakes.writer.notify();
    if !writer.is_finished() && timeout(CALL_TIMEOUT, &mut writer).await.is_err() {
        tracing::warn!(
            "a call of the lane got no answer in time; it is repeated at the next start"
        );
        writer.abort();
    }
    // The other tasks return at once; one that does not is abandoned.
    let rest = async { while tasks.join_next().await.is_some() {} };
    if timeout(TASKS_TIMEOUT, rest).await.is_err() {
        tasks.shutdown().await;
    }
    report
}

/// The report of the command if that is what ended; else an error, because a task ended early.
fn task_ended(ended: Option<Result<Ended, JoinError>>, stopping: bool) -> anyhow::Result<Report> {
    match ended {
        Some(Ok((_, Ok(Some(report))))) => Ok(report),
        Some(Ok((_, Ok(None)))) if stopping => Ok(Report::silent(ExitCode::Done)),
        Some(Ok((name, Ok(None)))) => anyhow::bail!("{name} ended before it was told to"),
        Some(Ok((name, Err(error)))) => Err(error.context(format!("{name} cannot go on"))),
        Some(Err(error)) => Err(anyhow::Error::from(error).context("a task broke")),
        None => anyhow::bail!("no task is left"),
    }
}
