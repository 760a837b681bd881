//! A stage for a command that does one thing by itself, while no pipeline runs.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Job, Stage, connect, take_lock};
use crate::{
    config::Config,
    lock::Lock,
    pipeline::{Mode, bell::Bells, gate::Gate},
    progress::Progress,
    store::Store,
};

/// Takes the lock and opens everything that a stage needs. Whoever asks closes the store, then lets
/// go of the lock.
pub(super) async fn stage(
    config: Arc<Config>,
    stop: CancellationToken,
) -> anyhow::Result<(Lock, Stage)> {
    let job = Job::Backfill {
        paths: Vec::new(),
        no_wait: false,
    };
    let lock = take_lock(&config, &job).await?;
    let store = Store::open(&config.state_dir)?;
    let clock = connect::clock(&config);
    let client = connect::client(&config)?;
    let bells = Bells::default();
    let gate = Gate::load(
        store.clone(),
        client.auth().clone(),
        config.retry.clone(),
        clock.clone(),
        bells.clone(),
    )
    .await?;
    let stage = Stage {
        store,
        client,
        clock,
        progress: Progress::default(),
        bells,
        gate,
        mode: Mode::Backfill,
        scanning: Arc::default(),
        stop,
        config,
    };
    Ok((lock, stage))
}
