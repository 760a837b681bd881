//! Files to upload tokens: `upload.parallel` slots that claim, hash and send.
//!
//! - [`read_source`] — what a claimed file is: its kind, its hash, whether it stood still.
//! - [`worker`] — one file from the claim to the end of its sending, [`outcome`] — what came of it.
//! - [`resumable`] — the resumable protocol for larger files.
//! - [`failures`] — whose trouble it is, how long the stage waits, and who is tried next.
//! - [`file_name`] — the name under which it appears.
//!
//! Bytes go up in parallel with the lane, but not without bound: not while `upload.ready_tokens`
//! tokens wait, and not while the lane stands still for longer than tokens live. When the service
//! has trouble, the stage sends one probe at a time until one gets through.

mod failures;
pub mod file_name;
mod outcome;
pub(super) mod read_source;
mod resumable;
mod worker;

use std::{collections::VecDeque, io, path::Path, time::Duration};

use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::{
    clock,
    model::ids::FileId,
    photos_api::Bandwidth,
    store::{Claimed, Content, FileStat, WriterState},
};
use crate::{
    context::{
        Context, Result,
        account::Permit,
        pause::{self, Scope},
        wake,
    },
    media::description,
    safe_open,
    scan::folder::Folder,
};

use failures::{History, UploadFailures};

/// Uploads stop while the lane's stop ends further ahead than this: tokens live a day.
const TOKENS_WOULD_DIE: Duration = Duration::from_hours(20);

/// How long uploads wait for a store that cannot be written.
const STORE_AGAIN: Duration = Duration::from_secs(5);

/// Of so many claims, one stays with the backfill while there are fresh files.
const BACKFILL_TURN: u64 = 4;

/// Reads the file at `below` in a folder as an upload slot would, without sending it: none if it is not
/// what `seen` says any more, or does not go up. Blocks.
pub fn content(folder: &Folder, below: &Path, seen: FileStat) -> io::Result<Option<Content>> {
    let name = below.file_name().unwrap_or_default();
    let file = safe_open::file(folder.root(), below, folder.settings.follow_symlinks)?;
    read_source::content(file, name, seen)
}

/// How a slot ended, as far as the stage needs to know.
#[derive(Debug)]
enum Ended {
    /// The outcome is recorded and tells nothing about the service.
    Recorded,
    /// The service took the bytes.
    Sent,
    /// The service or the network had trouble; the file waits in the queue.
    UploadFailures {
        /// What it was, in words.
        words: String,
        /// Not before so long, if the service asked for it.
        wait: Option<Duration>,
    },
    /// The stop came; the file goes back into the queue at the next start.
    Stopped,
}

/// The upload stage.
#[derive(Debug)]
pub struct Upload {
    context: Context,
    bandwidth: Bandwidth,
    slots: JoinSet<(FileId, Result<Ended>)>,
    claimed: VecDeque<Claimed>,
    claims: u64,
    trouble: UploadFailures,
    /// The store says that uploads wait.
    reported_waiting: bool,
    history: History,
    dirs: description::sidecar_cache::Dirs,
    /// Whose slots ended without a word to the store; they are put back once it can be written.
    orphaned_claims: Vec<FileId>,
}

impl Upload {
    /// The stage with empty slots.
    pub fn new(context: Context) -> Self {
        let bandwidth = Bandwidth::new(context.config.upload.bandwidth);
        Self {
            context,
            bandwidth,
            slots: JoinSet::new(),
            claimed: VecDeque::new(),
            claims: 0,
            trouble: UploadFailures::default(),
            reported_waiting: true,
            history: History::default(),
            dirs: description::sidecar_cache::Dirs::default(),
            orphaned_claims: Vec::new(),
        }
    }

    /// Runs until the stop. Uploads under way are abandoned then: their sessions are kept, their
    /// bytes can be sent again.
    pub async fn run(mut self) -> Result<()> {
        let now = self.context.clock.now();
        if let Some(until) = pause::load(
            &self.context.store,
            Scope::Uploads,
            &self.context.config.retry,
            now,
        )
        .await?
        {
            self.trouble.pause_until(now, until);
        } else {
            self.go_on().await?;
        }
        while !self.context.stop.is_cancelled() {
            let until = match self.fill().await {
                Ok(until) => until,
                Err(crate::context::Error::Store(error)) if error.is_transient() => {
                    tracing::debug!(%error, "the store cannot be written; uploads wait");
                    Some(clock::after(self.context.clock.now(), STORE_AGAIN))
                }
                Err(error) => return Err(error),
            };
            self.wait(until).await?;
        }
        // Dropping the set aborts what is under way.
        self.slots.shutdown().await;
        let now = self.context.clock.now();
        self.give_back(now)
            .await
            // The next start gives back what a full disk keeps us from giving back.
            .or_else(|error| {
                if error.is_transient() {
                    Ok(())
                } else {
                    Err(error)
                }
            })?;
        Ok(())
    }

    /// Gives back what was claimed; nothing is at work.
    async fn give_back(&mut self, now: Timestamp) -> crate::store::Result<()> {
        while let Some(claim) = self.claimed.front() {
            self.context
                .store
                .unclaim(claim.file, clock::from_millis(0), now)
                .await?;
            self.claimed.pop_front();
        }
        self.context.store.recover(now).await
    }

    /// Fills free slots; gives when to look again without a ring.
    async fn fill(&mut self) -> Result<Option<Timestamp>> {
        loop {
            let now = self.context.clock.now();
            let free = self.free_slots();
            if free == 0 {
                return Ok(None);
            }
            if let Some(until) = self.trouble.lasts(now) {
                return Ok(Some(until));
            }
            while let Some(file) = self.orphaned_claims.last() {
                self.context.store.orphaned_claims(*file, now).await?;
                self.orphaned_claims.pop();
            }
            match self.context.account.check() {
                Permit::Open => {}
                // A full storage shows at creation: without a token to try, one file goes up.
                Permit::Probe
                    if self.slots.is_empty() && self.context.store.tokens_ready().await? == 0 => {}
                Permit::Probe => return Ok(None),
                Permit::Closed { until } => return Ok(until),
            }
            if self.claimed.is_empty() {
                if !self.tokens_wanted(now).await? {
                    return Ok(None);
                }
                let fresh_first = self.claims % BACKFILL_TURN != BACKFILL_TURN - 1;
                self.claims += 1;
                self.claimed = self.claim(free, fresh_first, now).await?.into();
            }
            let Some(claim) = self.claimed.pop_front() else {
                let next = self.context.store.next_claim(now).await?;
                let tried = self.trouble.lasts_for_tried(now);
                return Ok(next.into_iter().chain(tried).min());
            };
            self.start(claim);
        }
    }

    /// What is sent next: first what was not tried since the trouble began, if there is any.
    async fn claim(&self, free: usize, fresh_first: bool, now: Timestamp) -> Result<Vec<Claimed>> {
        let (store, tried) = (&self.context.store, self.trouble.tried());
        let n = self.at_once(free);
        let claimed = store
            .claim_untried(n, fresh_first, tried.clone(), now)
            .await?;
        if claimed.is_empty() && !tried.is_empty() && self.trouble.lasts_for_tried(now).is_none() {
            return Ok(store.claim_tried(tried, now).await?.into_iter().collect());
        }
        Ok(claimed)
    }

    /// A few more than there are slots, so that small files do not wait for the store; one while the
    /// service has trouble.
    fn at_once(&self, free: usize) -> usize {
        if self.trouble.is_on() {
            free
        } else {
            free.max(self.context.config.upload.parallel * 2)
        }
    }

    fn free_slots(&self) -> usize {
        let slots = if self.trouble.is_on() {
            1
        } else {
            self.context.config.upload.parallel
        };
        slots.saturating_sub(self.slots.len())
    }

    /// Whether more tokens would be used before they die.
    async fn tokens_wanted(&self, now: Timestamp) -> Result<bool> {
        let (lane, _) = self.context.store.lane().await?;
        let stands = lane.state == WriterState::Waiting
            && lane
                .until
                .is_some_and(|until| until > clock::after(now, TOKENS_WOULD_DIE));
        let ready = self.context.store.tokens_ready().await?;
        let bound = self.context.config.upload.ready_tokens;
        Ok(!stands && ready + (self.slots.len() as u64) < bound)
    }

    fn start(&mut self, claim: Claimed) {
        let slot = worker::Slot {
            context: self.context.clone(),
            bandwidth: self.bandwidth.clone(),
            history: self.history.clone(),
            dirs: self.dirs.clone(),
            claim,
        };
        let file = slot.claim.file;
        self.slots.spawn(async move { (file, slot.run().await) });
    }

    /// Waits until a slot is free, something may be claimed, or the stop.
    async fn wait(&mut self, until: Option<Timestamp>) -> Result<()> {
        let context = self.context.clone();
        tokio::select! {
            biased;
            Some(ended) = self.slots.join_next(), if !self.slots.is_empty() => self.ended(ended).await,
            _ = wake::wait(&context.wakes.uploads, until, &context.clock, &context.stop) => Ok(()),
        }
    }

    async fn ended(
        &mut self,
        ended: std::result::Result<(FileId, Result<Ended>), tokio::task::JoinError>,
    ) -> Result<()> {
        let (file, ended) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_cancelled() => return Ok(()),
            // A panic is a defect of ours; it must not end in silence.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.context.wakes.changed.notify();
        // A batch may have waited for this file, however it ended: set aside, it is passed over.
        self.context.wakes.writer.notify();
        match ended {
            Ok(Ended::Recorded | Ended::Stopped) => {}
            Ok(Ended::Sent) => {
                self.trouble.over();
                self.go_on().await?;
            }
            Ok(Ended::UploadFailures { words, wait }) => {
                self.record_failure(file, words, wait).await?
            }
            Err(crate::context::Error::Store(error)) if error.is_transient() => {
                tracing::debug!(%error, file.id = file.0, "the store cannot be written; uploads wait");
                let now = self.context.clock.now();
                self.trouble.wait_until(now, clock::after(now, STORE_AGAIN));
                self.orphaned_claims.push(file);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The upload of this file has met trouble.
    async fn record_failure(
        &mut self,
        file: FileId,
        words: String,
        asked: Option<Duration>,
    ) -> Result<()> {
        let (store, retry) = (&self.context.store, &self.context.config.retry);
        let now = self.context.clock.now();
        let until = self
            .trouble
            .record_failure(file, asked, (retry, fastrand::f64()), now);
        let is_asked = asked.is_some();
        let reason = if is_asked {
            words
        } else {
            format!("an upload failed: {words}")
        };
        self.reported_waiting = true;
        let told = async {
            if is_asked {
                tracing::info!(%until, "uploads wait: the service asked for it");
                pause::save(store, Scope::Uploads, now, until).await?;
            }
            Ok(store.uploads_wait(reason, until, is_asked).await?)
        };
        match told.await {
            // This process keeps to it in any case.
            Err(crate::context::Error::Store(error)) if error.is_transient() => Ok(()),
            told => told,
        }
    }

    /// Nothing is waited for any more.
    async fn go_on(&mut self) -> Result<()> {
        let lasts = self.trouble.lasts(self.context.clock.now()).is_some();
        if !self.reported_waiting || lasts {
            return Ok(());
        }
        match self.context.store.uploads_go_on().await {
            // It is said when the next one has got through.
            Err(error) if error.is_transient() => Ok(()),
            told => {
                self.reported_waiting = false;
                Ok(told?)
            }
        }
    }
}
