//! How the stage asks the store: again and again while a refusal may pass.

use std::{future::Future, time::Duration};

use super::{End, Flow, Running};
use crate::store::{self, Change, Fate};

/// The store is tried again after so long where its refusal may pass: a full disk, mostly.
const STORE_AGAIN: Duration = Duration::from_secs(5);

impl Running {
    /// Records what was found out.
    pub(super) async fn record(&mut self, changes: Vec<Change>) -> Flow<()> {
        let now = self.context.clock.now();
        for change in &changes {
            if let Change::Found { fate, .. } | Change::Altered { fate, .. } = change
                && let Fate::Settle { due_at, .. } = fate
            {
                self.settle_at = Some(self.settle_at.map_or(*due_at, |at| at.min(*due_at)));
            }
        }
        self.patiently(|| self.context.store.record(changes.clone(), now))
            .await?;
        self.ring();
        Ok(())
    }

    pub(super) fn ring(&self) {
        self.context.bells.uploads.ring();
        self.context.bells.lane.ring();
        self.context.bells.moved.ring();
    }

    /// Runs `look` with a reader on a thread that may block; none if that died.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        look: impl Fn(&store::Reader) -> store::Result<T> + Clone + Send + 'static,
    ) -> Flow<Option<T>> {
        let looked = self.patiently(|| {
            let (store, look) = (self.context.store.clone(), look.clone());
            async move {
                let thread = tokio::task::spawn_blocking(move || look(&store.reader()?));
                let looked = thread.await.inspect_err(|error| {
                    tracing::error!("a look at files ended unexpectedly: {error}");
                });
                looked.ok().transpose()
            }
        });
        looked.await
    }

    /// Asks the store again and again while its refusal may pass.
    pub(super) async fn patiently<T, F: Future<Output = store::Result<T>>>(
        &self,
        verb: impl Fn() -> F,
    ) -> Flow<T> {
        let mut has_told = false;
        loop {
            match verb().await {
                Ok(done) => return Ok(done),
                Err(error) if error.may_pass() => {
                    // The store says so once, for all.
                    if !has_told {
                        tracing::debug!(
                            "{} is tried again until it succeeds",
                            anyhow::Error::from(error)
                        );
                        has_told = true;
                    }
                }
                Err(error) => return Err(error.into()),
            }
            tokio::select! {
                () = self.context.stop.cancelled() => return Err(End::Stop),
                () = tokio::time::sleep(STORE_AGAIN) => {}
            }
        }
    }
}
