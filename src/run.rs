//! The composition root: daemon and backfill are one pipeline with two ways to stop.

use std::{path::PathBuf, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{cli::ExitCode, config::Config, progress::Progress};

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

/// Runs the pipeline until its job is done or `stop` is set.
pub async fn run(
    config: Arc<Config>,
    job: Job,
    progress: Progress,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let _ = (config, job, progress, stop);
    anyhow::bail!("not built yet")
}

/// Asks the service for every created item; gives the exit code and what the command prints.
pub async fn verify(
    config: Arc<Config>,
    stop: CancellationToken,
) -> anyhow::Result<(ExitCode, String)> {
    let _ = (config, stop);
    anyhow::bail!("not built yet")
}
