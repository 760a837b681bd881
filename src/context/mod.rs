//! What every task is given.
//!
//! The tasks, in the order in which a photo passes them: [`crate::scan`] puts files into the queue,
//! [`crate::upload`] makes them items with upload tokens, [`crate::writer`] makes media items and albums
//! of these, [`crate::verify`] asks the service for them, [`crate::after_upload`] moves or deletes files.
//!
//! Tasks share only the store and wake-ups ([`wake`]). A task claims work from the store, does it, records
//! the outcome in one transaction and wakes the next one. With nothing to do it waits for its own
//! wake-up, for the earliest time that the store names, or for the stop. It keeps nothing in memory that
//! a crash must not lose. Before it begins something it asks [`account`], the circuit breaker.

pub mod account;
pub mod pause;
pub mod wake;

use std::sync::{Arc, atomic::AtomicUsize};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::Config,
    photos_api::{self, Client},
    progress::Progress,
    store::Store,
};
use pause::Scope;

/// What every task is given; cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// The database.
    pub store: Store,
    /// The client of the service.
    pub client: Client,
    /// The configuration.
    pub config: Arc<Config>,
    /// The only clock.
    pub clock: Clock,
    /// Counts what is done, for display.
    pub progress: Progress,
    /// Wake-ups of the tasks.
    pub wakes: wake::Wakes,
    /// Whether the account can be used.
    pub account: account::AccountStatus,
    /// Whether this process is a backfill or a daemon.
    pub mode: Mode,
    /// How many roots are being scanned for the first time in this run. While any is, more files may
    /// join any batch, and a backfill is not finished.
    pub scanning: Arc<AtomicUsize>,
    /// Set once: begin nothing new and return.
    pub stop: CancellationToken,
}

impl Context {
    /// Until when no read may be sent because the service asked for a wait, in this process or before it.
    pub async fn reads_paused_until(&self) -> Result<Option<Timestamp>> {
        let now = self.clock.now();
        Ok(pause::load(&self.store, Scope::Reads, &self.config.retry, now).await?)
    }

    /// A read failed, and the next one waits until then. Saves the wait if the service asked for it.
    pub async fn record_read_failure(
        &self,
        error: &photos_api::Error,
        until: Timestamp,
    ) -> Result<()> {
        if pause::is_requested(error) {
            pause::save(&self.store, Scope::Reads, self.clock.now(), until).await?;
        }
        Ok(())
    }
}

/// When a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// When it is stopped.
    Daemon,
    /// When nothing can move any more.
    Backfill,
}

/// Why a task ended before it was stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be used any more.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// A folder cannot be watched or scanned, and waiting does not help.
    #[error("{0}")]
    Intake(String),
}

/// The result of a task.
pub type Result<T> = std::result::Result<T, Error>;
