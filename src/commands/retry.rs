//! `albumen retry` and `albumen verify`: done here, or by the process that holds the state folder.

use std::sync::Arc;

use anyhow::Context as _;

use crate::{
    cli,
    config::Config,
    daemon::{self, clients},
    exit_code::ExitCode,
    lock::Lock,
    progress::Count,
    status::summary,
    store::{OrderKind, Store},
};

use super::{app::App, backfill, delegate, progress::Counter, read_state, signals::Signals};
use crate::ui::output;

/// Puts failed and missing items back into the queue.
pub(crate) async fn retry(app: &App, flags: &cli::Retry) -> anyhow::Result<ExitCode> {
    let config = app.config_or_defaults()?;
    let paths = backfill::bytes(&app.absolute(&flags.paths));
    let order = OrderKind::Retry {
        paths: paths.clone(),
    };
    let ours = async |lock| retry_here(&config, paths, lock).await;
    delegate::carried_out(app, &config, order, ours).await
}

async fn retry_here(config: &Config, paths: Vec<Vec<u8>>, _lock: Lock) -> anyhow::Result<ExitCode> {
    let n = if read_state::reader(config)?.is_some() {
        let store = Store::open(&config.state_dir)?;
        let n = store.retry(paths, clients::clock(config).now()).await;
        store.close().await;
        n.context("nothing was put back into the queue")?
    } else {
        0
    };
    output::print(&summary::retried(n))?;
    Ok(ExitCode::Done)
}

/// Asks the service for every created item.
pub(crate) async fn verify(app: &App) -> anyhow::Result<ExitCode> {
    let config = app.config()?;
    let ours = async |lock| verify_here(app, Arc::clone(&config), lock).await;
    delegate::carried_out(app, &config, OrderKind::Verify, ours).await
}

async fn verify_here(app: &App, config: Arc<Config>, lock: Lock) -> anyhow::Result<ExitCode> {
    let words = "stopping; what was asked so far is kept";
    let signals = Signals::listen(&app.screen, words)?;
    let count = Count::default();
    let counter = Counter::start(app, count.clone(), "asked for");
    let work = daemon::verify(lock, config, signals.stop(), &count);
    let result = signals.bound(work).await;
    counter.end().await;
    let Some(result) = result else {
        return Ok(ExitCode::Interrupted);
    };
    let (code, report) = result?;
    output::print_lines(&report)?;
    let interrupted = signals.heard().then_some(ExitCode::Interrupted);
    Ok(ExitCode::merge(interrupted.into_iter().chain([code])))
}
