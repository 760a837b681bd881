//! Builds what the tasks of one process share.

use std::sync::{Arc, atomic::AtomicUsize};

use tokio_util::sync::CancellationToken;

use super::clients;
use crate::{
    config::Config,
    context::{Context, Mode, account::AccountStatus, wake::Wakes},
    progress::Progress,
    store::Store,
};

/// Builds the context on an open store. The caller closes the store, and then drops the lock.
pub async fn build(
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
    let scanning = Arc::new(AtomicUsize::new(0));
    Ok(Context {
        store,
        client,
        config,
        clock,
        progress,
        wakes,
        account,
        mode,
        scanning,
        stop,
    })
}
