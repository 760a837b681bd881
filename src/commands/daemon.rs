//! `albumen daemon`: the pipeline until it is told to stop.

use std::sync::Arc;

use crate::{
    cli::ExitCode,
    daemon::{self, Job},
    progress::Progress,
};

use super::{Edge, error_report::Failure, signals::Signals};

/// Runs until SIGINT or SIGTERM.
pub(crate) async fn run(edge: &Edge) -> anyhow::Result<ExitCode> {
    let config = edge.config()?;
    if config.folders.is_empty() {
        let words = "the configuration names no folder, so there is nothing to watch";
        let hint = "add a [[folder]] with its path";
        return Err(Failure::new(ExitCode::Unusable, words).hint(hint).into());
    }
    let words = "stopping; what is under way ends first, another signal ends it at once";
    let signals = Signals::listen(&edge.screen, words)?;
    let work = async {
        let lock = daemon::lock_for_daemon(&config).await?;
        daemon::run(
            lock,
            Arc::clone(&config),
            Job::Daemon,
            Progress::default(),
            signals.stop(),
        )
        .await
    };
    match signals.bound(work).await {
        None => Ok(ExitCode::Done),
        Some(Ok(_)) if signals.heard() => Ok(ExitCode::Done),
        Some(result) => result,
    }
}
