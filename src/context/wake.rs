//! Wake-ups between tasks. A wake-up says only "look again": what there is to do is in the store. One
//! that arrives while the task is busy is kept, so a task that looks first and waits then misses none.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Clock, LOOK_AGAIN};

/// Wakes one task; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes the task, now or when it next waits.
    pub fn notify(&self) {
        self.0.notify_one();
    }

    /// Waits for a wake-up.
    pub async fn notified(&self) {
        self.0.notified().await;
    }
}

/// One wake-up for each task that waits.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    /// Files may have settled, a folder may need a scan, a command came.
    pub scan: Wake,
    /// There may be something to claim, or room for tokens.
    pub uploads: Wake,
    /// There may be something to create.
    pub writer: Wake,
    /// There may be something to verify.
    pub verify: Wake,
    /// Anything changed: for those who wait for the end of all work.
    pub changed: Changed,
    /// How many commands wait for the end of all work. While there are any, verification sends partial
    /// groups as soon as they are due.
    pub waiters: Arc<AtomicUsize>,
}

/// Tells any number of subscribers that something changed.
#[derive(Debug, Clone)]
pub struct Changed(Arc<watch::Sender<u64>>);

impl Default for Changed {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Changed {
    /// Something changed.
    pub fn notify(&self) {
        self.0.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Sees every change from now on.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

/// Waits for a wake-up, for `until`, for a minute, or for the stop; gives whether it was the stop.
///
/// Never longer than a minute, because the wall clock may jump while the timer of the runtime does not:
/// the caller looks at the wall clock again.
pub async fn wait(
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
