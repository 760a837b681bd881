//! Wakes between stages. A ring says "look again" and nothing else: what there is to do is in the
//! store. A ring that nobody waits for is kept, so that whoever looks first and waits then misses none.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Clock, LOOK_AGAIN};

/// A bell with one listener; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes the listener, now or when it next waits.
    pub fn notify(&self) {
        self.0.notify_one();
    }

    /// Waits for a ring.
    pub async fn notified(&self) {
        self.0.notified().await;
    }
}

/// The bells of the pipeline, each named after the stage that listens.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    /// Files may have settled, a folder may want a scan, an order came.
    pub scan: Wake,
    /// There may be something to claim, or room for tokens.
    pub uploads: Wake,
    /// There may be something to create.
    pub writer: Wake,
    /// There may be something to verify.
    pub verify: Wake,
    /// Anything moved at all: for those who wait for the end.
    pub changed: Changed,
    /// How many wait for the end: while any does, nothing that is due waits for company.
    pub waiters: Arc<AtomicUsize>,
}

/// Tells any number of listeners that something moved.
#[derive(Debug, Clone)]
pub struct Changed(Arc<watch::Sender<u64>>);

impl Default for Changed {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Changed {
    /// Something moved.
    pub fn notify(&self) {
        self.0.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// A listener that hears everything from now on.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// Waits for a ring, for `until`, for a minute, or for the stop; gives whether it was the stop.
///
/// The minute is because the wall clock may jump while the runtime's does not: whoever waits looks
/// at it again.
pub async fn rest(
    wake: &Wake,
    until: Option<Timestamp>,
    clock: &Clock,
    stop: &CancellationToken,
) -> bool {
    let wait = until.map_or(LOOK_AGAIN, |until| {
        clock::until(clock.now(), until).min(LOOK_AGAIN)
    });
    tokio::select! {
        biased;
        () = stop.cancelled() => true,
        () = wake.notified() => false,
        () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => false,
    }
}
