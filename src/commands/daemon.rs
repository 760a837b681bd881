//! `albumen daemon`: watches the folders until it is stopped.

use super::{app::App, signals::Signals};
use crate::{
    daemon::{self, Job},
    exit_code::ExitCode,
    progress::Progress,
};

/// Runs until SIGINT or SIGTERM.
pub(crate) async fn run(app: &App) -> anyhow::Result<ExitCode> {
    let config = app.config_with_folders(
        "the configuration names no folder, so there is nothing to watch",
        "add a [[folder]] with its path",
    )?;
    let message = "stopping; what is under way ends first, another signal ends it at once";
    let signals = Signals::listen(&app.screen, message)?;
    let work = async {
        let lock = daemon::lock_for_daemon(&config).await?;
        daemon::run(
            lock,
            config.clone(),
            Job::Daemon,
            Progress::default(),
            signals.stop(),
        )
        .await
    };
    match signals.bound(work).await {
        None => Ok(ExitCode::Done),
        Some(Ok(_)) if signals.received() => Ok(ExitCode::Done),
        Some(result) => Ok(result?.code),
    }
}
