//! Everything that the tasks of one process share, put together in one place: for the pipeline, and
//! for a command that does one thing by itself while no pipeline runs.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::clients;
use crate::{
    config::Config,
    context::{Context, Mode, account::AccountStatus, wake::Wakes},
    lock::{self, Lock},
    progress::Progress,
    store::Store,
};

/// How long a daemon that finds the lock taken tries before it gives up: a restart overlaps a little.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Takes the state folder for a daemon, and waits a little for who has it.
pub(crate) async fn lock(config: &Config) -> Result<Lock, lock::Error> {
    let since = tokio::time::Instant::now();
    loop {
        match Lock::take(&config.state_dir) {
            Err(lock::Error::Held { .. }) if since.elapsed() < LOCK_PATIENCE => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            taken => return taken,
        }
    }
}

/// Opens the account on an open store.
pub(crate) async fn on(
    store: Store,
    config: Arc<Config>,
    mode: Mode,
    progress: Progress,
    stop: CancellationToken,
) -> anyhow::Result<Context> {
    let clock = clients::clock(&config);
    let client = clients::client(&config)?;
    let wakes = Wakes::default();
    let account = AccountStatus::load(
        store.clone(),
        client.auth().clone(),
        config.retry.clone(),
        clock.clone(),
        wakes.clone(),
    )
    .await?;
    Ok(Context {
        store,
        client,
        clock,
        progress,
        wakes,
        account,
        mode,
        scanning: Arc::new(AtomicUsize::new(0)),
        stop,
        config,
    })
}

/// The stage of a command that works by itself and holds the state folder. Whoever asks closes the
/// store, then lets go of the lock.
pub(crate) async fn alone(config: Arc<Config>, stop: CancellationToken) -> anyhow::Result<Context> {
    let store = Store::open(&config.state_dir).context("cannot open the database")?;
    on(store, config, Mode::Backfill, Progress::default(), stop).await
}
