//! `albumen backfill`: everything goes up once, here or in the process that holds the state folder.

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    cli,
    clock::Clock,
    config::Config,
    daemon::{self, Job, clients},
    exit_code::ExitCode,
    lock::Lock,
    progress::Progress,
    status::{
        Status,
        summary::{Summary, Tally},
    },
    store::{OrderKind, Reach},
};

use super::{
    app::{App, local_time},
    delegate, dry_run,
    progress::Follower,
    read_state,
    signals::Signals,
};
use crate::ui::{
    error_report::{Failure, quoted},
    output,
};

/// Uploads everything that is not there yet.
pub(crate) async fn run(app: &App, flags: &cli::Backfill) -> anyhow::Result<ExitCode> {
    let config = if flags.paths.is_empty() {
        with_folders(app.config()?)?
    } else {
        app.config_or_defaults()?
    };
    let paths = app.absolute(&flags.paths);
    paths.iter().try_for_each(|path| exists(path))?;
    if flags.dry_run {
        return dry_run::run(config, paths).await;
    }
    let order = OrderKind::Backfill {
        paths: bytes(&paths),
        no_wait: flags.no_wait,
    };
    let ours =
        async |lock| here_and_now(app, Arc::clone(&config), lock, paths, flags.no_wait).await;
    delegate::carried_out(app, &config, order, ours).await
}

/// Paths as an order carries them.
pub(crate) fn bytes(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
    paths.iter().map(bytes).collect()
}

fn with_folders(config: Arc<Config>) -> Result<Arc<Config>, Failure> {
    if config.folders.is_empty() {
        let words = "the configuration names no folder";
        let hint = "add a [[folder]] with its path, or name files: `albumen backfill PATH`";
        return Err(Failure::new(ExitCode::Unusable, words).hint(hint));
    }
    Ok(config)
}

/// A mistyped path must not look like a folder without photos.
pub(crate) fn exists(path: &Path) -> Result<(), Failure> {
    std::fs::metadata(path).map(drop).map_err(|error| {
        let words = format!("cannot take {}: {error}", quoted(path));
        Failure::new(ExitCode::Unusable, words)
    })
}

/// How things stand in the store; all zero if there is none yet.
pub(crate) fn tally(config: &Config, clock: &Clock) -> anyhow::Result<Tally> {
    let Some(reader) = read_state::reader(config)? else {
        return Ok(Tally::default());
    };
    let overview = read_state::overview(&reader, clock)?;
    Ok(overview.as_ref().map(Tally::of).unwrap_or_default())
}

/// Runs the pipeline in this process, with progress and a summary.
pub(crate) async fn here_and_now(
    app: &App,
    config: Arc<Config>,
    lock: Lock,
    paths: Vec<PathBuf>,
    no_wait: bool,
) -> anyhow::Result<ExitCode> {
    let words = "stopping; what is under way ends first, another signal ends it at once";
    let signals = Signals::listen(&app.screen, words)?;
    let clock = clients::clock(&config);
    let before = tally(&config, &clock)?;
    let (began, progress) = (Instant::now(), Progress::default());
    let follower = Follower::start(app, &config, &clock, before, Some(progress.clone()));
    let reach = daemon::reach(&paths);
    let job = Job::Backfill { paths, no_wait };
    let work = daemon::run(
        lock,
        Arc::clone(&config),
        job,
        progress.clone(),
        signals.stop(),
    );
    let result = signals.bound(work).await;
    follower.end().await;
    let Some(result) = result else {
        return Ok(ExitCode::Interrupted);
    };
    let code = result?;
    let took = began.elapsed();
    if let Some(text) = summary(
        &config,
        &clock,
        (before, reach),
        Some(progress.bytes_sent()),
        took,
        code,
    )? {
        output::print(&text)?;
    }
    let interrupted = signals.heard().then_some(ExitCode::Interrupted);
    Ok(ExitCode::merge(interrupted.into_iter().chain([code])))
}

/// What came of it, in words; without a count of bytes, those that the working process has sent.
pub(crate) fn summary(
    config: &Config,
    clock: &Clock,
    (before, reach): (Tally, Reach),
    bytes: Option<u64>,
    took: Duration,
    code: ExitCode,
) -> anyhow::Result<Option<String>> {
    let Some(reader) = read_state::reader(config)? else {
        return Ok(None);
    };
    let Some(overview) = read_state::overview(&reader, clock)? else {
        return Ok(None);
    };
    let here = local_time(clock);
    let bytes = bytes.unwrap_or_else(|| overview.bytes_sent.saturating_sub(before.bytes_sent));
    let summary = Summary::new(before, &overview, &reader, reach, bytes, took)?;
    let summary = match code {
        ExitCode::LoginNeeded | ExitCode::Unusable | ExitCode::WorkLeft => {
            // The pipeline has ended, but what it waited for is what it stopped for.
            let around = read_state::around(config, clock, true, None);
            summary.stopped(&Status::new(Some(&overview), around), &here)
        }
        _ => summary,
    };
    Ok(Some(summary.text(&here)))
}
