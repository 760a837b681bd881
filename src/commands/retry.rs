//! `albumen retry` and `albumen verify`: executed here, or by the process that holds the state folder.

use super::{app::App, backfill, delegate};
use crate::{cli, exit_code::ExitCode, store::OrderKind};

/// Puts failed and missing items back into the queue.
pub(crate) async fn retry(app: &App, flags: &cli::Retry) -> anyhow::Result<ExitCode> {
    let config = app.config_or_defaults()?;
    let paths = backfill::to_bytes(&app.absolute(&flags.paths));
    delegate::run(app, &config, OrderKind::Retry { paths }).await
}

/// Asks the service for every created item.
pub(crate) async fn verify(app: &App) -> anyhow::Result<ExitCode> {
    delegate::run(app, &app.config()?, OrderKind::Verify).await
}
