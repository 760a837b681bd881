//! The stages, in the order in which a photo passes them.
//!
//! - [`intake`] — folders to files in the queue.
//! - [`upload`] — files to items with upload tokens.
//! - [`lane`] — tokens to media items and albums; the only task that makes mutating calls.
//! - [`verify`] — is what we made really there?
//! - [`afterwards`] — what then becomes of the file: moved, deleted, kept.
//!
//! Between stages there is only the store and a [`bell`]. A stage claims from the store, works,
//! records the outcome in one transaction and rings the next bell; with nothing to claim it waits for
//! its bell, for the earliest time that the store names, or for the stop. A stage keeps nothing that
//! a crash would lose. What ails the account as a whole is told to the [`gate`], which all stages ask
//! before they begin something.

pub mod account;
pub mod backoff;
pub mod max_waits;
pub mod retry_after;
pub mod wake;

use std::sync::{Arc, atomic::AtomicUsize};

use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, config::Config, photos_api::Client, progress::Progress, store::Store};

/// What every stage is given; cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// The truth.
    pub store: Store,
    /// The service.
    pub client: Client,
    /// What the user wants.
    pub config: Arc<Config>,
    /// The only clock.
    pub clock: Clock,
    /// Where it counts.
    pub progress: Progress,
    /// Whom it wakes.
    pub wakes: wake::Wakes,
    /// Whether the account can be used.
    pub account: account::AccountStatus,
    /// Whether this is a backfill, which ends when nothing can move, or a daemon.
    pub mode: Mode,
    /// How many roots are being scanned for the first time in this run: while any is, anything may
    /// still join a batch, and nothing is drained.
    pub scanning: Arc<AtomicUsize>,
    /// Set once, for ever: begin nothing new and return.
    pub stop: CancellationToken,
}

/// The two ways to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Until told to.
    Daemon,
    /// When nothing can move any more.
    Backfill,
}

/// Why a stage ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be used any more.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// A folder cannot be watched or scanned in a way that waiting does not mend.
    #[error("{0}")]
    Intake(String),
}

/// What a stage gives when it ends.
pub type Result<T> = std::result::Result<T, Error>;
