//! `albumen daemon`: the pipeline until it is told to stop.

use std::sync::Arc;

use crate::{
    daemon::{self, Job},
    exit_code::ExitCode,
    progress::Progress,
};

use super::{app::App, signals::Signals};
use crate::ui::error_report::Failure;

/// Runs until SIGINT or SIGTERM.
pub(crate) async fn run(app: &App) -> anyhow::Result<ExitCode> {
    let config = app.config()?;
    if config.folders.is_empty() {
        let words = "the configuration names no folder, so there is nothing to watch";
        let hint = "add a [[folder]] with its path";
        return Err(Failure::new(ExitCode::Unusable, words).hint(hint).into());
    }
    let words = "stopping; what is under way ends first, another signal ends it at once";
    let signals = Signals::listen(&app.screen, words)?;
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
