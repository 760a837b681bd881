//! Files to upload tokens: `upload.parallel` workers that claim, hash and send.
//!
//! - [`worker`]: one file, from the claim to its recorded outcome.
//! - [`read_source`]: opens and hashes a file, and checks that it is unchanged.
//! - [`send`]: sends the bytes, raw or by a resumable session.
//! - [`failures`]: whose fault a failure is, how long uploads wait, and which file is tried next.
//!
//! Uploads run beside the writer, but stop while `upload.ready_tokens` tokens wait for it, and while the
//! writer is paused for longer than tokens live. After a failure one upload at a time is sent, until one
//! succeeds.

mod failures;
pub(crate) mod read_source;
mod send;
mod worker;

use std::{collections::VecDeque, io, path::Path, time::Duration};

use jiff::Timestamp;
use tokio::task::{JoinError, JoinSet};

use crate::{
    clock,
    context::{
        self, Context, Result,
        account::Permit,
        pause::{self, Scope},
        wake,
    },
    media::description::sidecar_cache::Dirs,
    model::ids::FileId,
    photos_api::Bandwidth,
    safe_open,
    scan::folder::Folder,
    store::{self, Claimed, Content, FileStat, Store, WriterState},
};
use failures::UploadFailures;
pub use read_source::file_name;
use send::Sender;
use worker::{Ended, Worker};

/// Uploads stop while the writer is paused for longer than this: tokens live a day.
const TOKENS_WOULD_EXPIRE: Duration = Duration::from_hours(20);

/// How long uploads wait for a store that cannot be written.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// While there are new arrivals, one claim of so many goes to the backfill.
const BACKFILL_TURN: u64 = 4;

/// Reads the file at `below` in a folder as a worker would, without sending it: none if it is not what `seen`
/// says any more, or is not uploaded. Blocks.
pub fn content(folder: &Folder, below: &Path, seen: FileStat) -> io::Result<Option<Content>> {
    let name = below.file_name().unwrap_or_default();
    let file = safe_open::file(folder.root(), below, folder.settings.follow_symlinks)?;
    read_source::content(file, name, seen)
}

/// The upload task.
#[derive(Debug)]
pub struct Upload {
    context: Context,
    sender: Sender,
    failures: UploadFailures,
    workers: JoinSet<(FileId, Result<Ended>)>,
    claimed: VecDeque<Claimed>,
    claims: u64,
    /// The store's row says that uploads wait.
    reported_waiting: bool,
    sidecars: Dirs,
    /// Claims of workers that ended without telling the store, which could not be written.
    orphaned_claims: Vec<FileId>,
}

impl Upload {
    /// The task, with nothing under way.
    pub fn new(context: Context) -> Self {
        let failures = UploadFailures::default();
        let sender = Sender {
            bandwidth: Bandwidth::new(context.config.upload.bandwidth),
            failures: failures.clone(),
            context: context.clone(),
        };
        Self {
            context,
            sender,
            failures,
            workers: JoinSet::new(),
            claimed: VecDeque::new(),
            claims: 0,
            reported_waiting: true,
            sidecars: Dirs::default(),
            orphaned_claims: Vec::new(),
        }
    }

    fn store(&self) -> &Store {
        &self.context.store
    }

    fn now(&self) -> Timestamp {
        self.context.clock.now()
    }

    /// Runs until the stop. Uploads under way are abandoned then: sessions are kept, and other bytes can be
    /// sent again.
    pub async fn run(mut self) -> Result<()> {
        let (now, retry) = (self.now(), &self.context.config.retry);
        match pause::load(self.store(), Scope::Uploads, retry, now).await? {
            Some(until) => self.failures.request_pause(now, until),
            None => self.report_running().await?,
        }
        while !self.context.stop.is_cancelled() {
            let until = match self.fill().await {
                Ok(until) => until,
                Err(context::Error::Store(error)) if error.is_transient() => {
                    tracing::debug!(%error, "the store cannot be written; uploads wait");
                    Some(clock::after(self.now(), STORE_RETRY))
                }
                Err(error) => return Err(error),
            };
            self.wait(until).await?;
        }
        self.workers.shutdown().await;
        match self.release_claims(self.now()).await {
            // The next start releases what a full disk prevents now.
            Err(error) if error.is_transient() => Ok(()),
            released => Ok(released?),
        }
    }

    /// Puts claimed files back into the queue; no worker is running.
    async fn release_claims(&mut self, now: Timestamp) -> store::Result<()> {
        while let Some(claim) = self.claimed.front() {
            let at_once = clock::from_millis(0);
            self.store().unclaim(claim.file, at_once, now).await?;
            self.claimed.pop_front();
        }
        self.store().recover(now).await
    }

    /// Starts workers; gives when to look again without a wake-up.
    async fn fill(&mut self) -> Result<Option<Timestamp>> {
        loop {
            let now = self.now();
            let free = self.free_workers();
            if free == 0 {
                return Ok(None);
            }
            if let Some(until) = self.failures.paused_until(now) {
                return Ok(Some(until));
            }
            while let Some(file) = self.orphaned_claims.last() {
                self.store().orphaned_claims(*file, now).await?;
                self.orphaned_claims.pop();
            }
            match self.context.account.check() {
                Permit::Open => {}
                // A full storage shows at creation: one file is uploaded if there is no token to try.
                Permit::Probe
                    if self.workers.is_empty() && self.store().tokens_ready().await? == 0 => {}
                Permit::Probe => return Ok(None),
                Permit::Closed { until } => return Ok(until),
            }
            if self.claimed.is_empty() {
                if !self.wants_tokens(now).await? {
                    return Ok(None);
                }
                let new_first = self.claims % BACKFILL_TURN != BACKFILL_TURN - 1;
                self.claims += 1;
                self.claimed = self.claim(free, new_first, now).await?.into();
            }
            let Some(claim) = self.claimed.pop_front() else {
                let next = self.store().next_claim(now).await?;
                let tried = self.failures.tried_paused_until(now);
                return Ok(next.into_iter().chain(tried).min());
            };
            let file = claim.file;
            let worker = Worker {
                sender: self.sender.clone(),
                sidecars: self.sidecars.clone(),
                claim,
            };
            self.workers
                .spawn(async move { (file, worker.run().await) });
        }
    }

    /// Claims what is sent next: first files that did not fail since the last success, if there are any. A few
    /// more than there are free workers, so that small files do not wait for the store; one while probing.
    async fn claim(&self, free: usize, new_first: bool, now: Timestamp) -> Result<Vec<Claimed>> {
        let (store, tried) = (self.store(), self.failures.tried());
        let n = if self.failures.is_probing() {
            free
        } else {
            free.max(self.context.config.upload.parallel * 2)
        };
        let claimed = store
            .claim_untried(n, new_first, tried.clone(), now)
            .await?;
        let may_retry = !tried.is_empty() && self.failures.tried_paused_until(now).is_none();
        if claimed.is_empty() && may_retry {
            return Ok(store.claim_tried(tried, now).await?.into_iter().collect());
        }
        Ok(claimed)
    }

    fn free_workers(&self) -> usize {
        let workers = if self.failures.is_probing() {
            1
        } else {
            self.context.config.upload.parallel
        };
        workers.saturating_sub(self.workers.len())
    }

    /// Whether more tokens would be used before they expire.
    async fn wants_tokens(&self, now: Timestamp) -> Result<bool> {
        let (writer, _) = self.store().lane().await?;
        let too_late = clock::after(now, TOKENS_WOULD_EXPIRE);
        let is_paused = writer.state == WriterState::Waiting
            && writer.until.is_some_and(|until| until > too_late);
        let tokens = self.store().tokens_ready().await? + self.workers.len() as u64;
        Ok(!is_paused && tokens < self.context.config.upload.ready_tokens)
    }

    /// Waits until a worker ends, something may be claimed, or the stop.
    async fn wait(&mut self, until: Option<Timestamp>) -> Result<()> {
        let context = self.context.clone();
        tokio::select! {
            biased;
            Some(ended) = self.workers.join_next(), if !self.workers.is_empty() => self.ended(ended).await,
            _ = wake::wait(&context.wakes.uploads, until, &context.clock, &context.stop) => Ok(()),
        }
    }

    async fn ended(
        &mut self,
        ended: std::result::Result<(FileId, Result<Ended>), JoinError>,
    ) -> Result<()> {
        let (file, ended) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_cancelled() => return Ok(()),
            // A panic is a defect of ours, and must be seen.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.context.wakes.changed.notify();
        // A batch may have waited for this file.
        self.context.wakes.writer.notify();
        match ended {
            Ok(Ended::Recorded | Ended::Stopped) => Ok(()),
            Ok(Ended::Sent) => self.report_running().await,
            Ok(Ended::Failed { words, wait }) => self.failed(file, words, wait).await,
            Err(context::Error::Store(error)) if error.is_transient() => {
                tracing::debug!(%error, file.id = file.0, "the store cannot be written; uploads wait");
                let now = self.now();
                self.failures
                    .pause_until(now, clock::after(now, STORE_RETRY));
                self.orphaned_claims.push(file);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The upload of this file failed; `requested` is the wait that the service asked for.
    async fn failed(
        &mut self,
        file: FileId,
        words: String,
        requested: Option<Duration>,
    ) -> Result<()> {
        let (now, retry) = (self.now(), &self.context.config.retry);
        let chance = fastrand::f64();
        let until = self
            .failures
            .record_failure(file, requested, (retry, chance), now);
        self.reported_waiting = true;
        match self.report_waiting(words, until, requested.is_some()).await {
            // This process keeps to the pause in any case.
            Err(error) if error.is_transient() => Ok(()),
            reported => Ok(reported?),
        }
    }

    async fn report_waiting(
        &self,
        words: String,
        until: Timestamp,
        is_requested: bool,
    ) -> store::Result<()> {
        let reason = if is_requested {
            tracing::info!(%until, "uploads wait: the service asked for it");
            pause::save(self.store(), Scope::Uploads, self.now(), until).await?;
            words
        } else {
            format!("an upload failed: {words}")
        };
        self.store().uploads_wait(reason, until, is_requested).await
    }

    /// Uploads do not wait any more.
    async fn report_running(&mut self) -> Result<()> {
        if !self.reported_waiting || self.failures.paused_until(self.now()).is_some() {
            return Ok(());
        }
        match self.store().uploads_go_on().await {
            // It is reported after the next success.
            Err(error) if error.is_transient() => {}
            reported => {
                self.reported_waiting = false;
                reported?;
            }
        }
        Ok(())
    }
}
