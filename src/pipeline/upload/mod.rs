//! Files to upload tokens: `upload.parallel` slots that claim, hash and send.
//!
//! - [`reading`] — what a claimed file is: its kind, its hash, whether it stood still.
//! - [`slot`] — one file from the claim to its outcome.
//! - [`session`] — the resumable protocol for larger files.
//! - [`file_name`] — the name under which it appears.
//!
//! Bytes go up in parallel with the lane, but not without bound: not while `upload.ready_tokens`
//! tokens wait, and not while the lane stands still for longer than tokens live. When the service
//! has trouble, the stage sends one probe at a time until one gets through.

pub mod file_name;
pub(super) mod reading;
mod session;
mod slot;

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::Path,
    time::Duration,
};

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{
    Result, Stage,
    asked::{self, Wait},
    backoff, bell, description,
    gate::Answer,
    intake::place::Place,
    opening::{self, Links},
};
use crate::{
    api::Bandwidth,
    clock,
    ids::{FileId, ItemId},
    store::{Claimed, Content, FileStat, LaneState},
};

/// Uploads stop while the lane's stop ends further ahead than this: tokens live a day.
const TOKENS_WOULD_DIE: Duration = Duration::from_hours(20);

/// How long uploads wait for a store that cannot be written.
const STORE_AGAIN: Duration = Duration::from_secs(5);

/// Of so many claims, one stays with the backfill while there are fresh files.
const BACKFILL_TURN: u64 = 4;

/// Reads the file at `below` in a place as an upload slot would, without sending it: none if it is not
/// what `seen` says any more, or does not go up. Blocks.
pub fn content(place: &Place, below: &Path, seen: FileStat) -> io::Result<Option<Content>> {
    let name = below.file_name().unwrap_or_default();
    let links = Links::in_place(place);
    reading::content(opening::file(place.root(), below, links)?, name, seen)
}

/// How a slot ended, as far as the stage needs to know.
#[derive(Debug)]
enum Ended {
    /// The outcome is recorded and tells nothing about the service.
    Recorded,
    /// The service took the bytes.
    Sent,
    /// The service or the network had trouble; the file waits in the queue.
    Trouble {
        /// Not before so long, if the service asked for it.
        wait: Option<Duration>,
    },
    /// The stop came; the file goes back into the queue at the next start.
    Stopped,
}

/// The upload stage.
#[derive(Debug)]
pub struct Upload {
    stage: Stage,
    bandwidth: Bandwidth,
    slots: JoinSet<(FileId, Result<Ended>)>,
    claimed: VecDeque<Claimed>,
    claims: u64,
    /// Failures of the service in a row; while there are any, one slot probes.
    strikes: u32,
    not_before: Option<Wait>,
    history: History,
    dirs: description::dirs::Dirs,
    /// Whose slots ended without a word to the store; they are put back once it can be written.
    left_behind: Vec<FileId>,
}

/// Who failed when, to tell an item's own trouble from everybody's.
#[derive(Debug, Clone, Default)]
struct History(std::sync::Arc<std::sync::Mutex<HistoryInner>>);

#[derive(Debug, Default)]
struct HistoryInner {
    successes: u64,
    /// How many uploads had succeeded when this item's last one failed, and how often it has failed
    /// since one did.
    failed_at: HashMap<ItemId, (u64, u32)>,
}

/// How often an upload fails, with no other one in between, before anything is made of it.
const PATIENCE: u32 = 5;

/// What happened since an item last failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// It has not failed often enough for anybody to know.
    TooEarly,
    /// Another upload succeeded: this item is to blame.
    OthersPassed,
    /// No other upload succeeded: the service may fail at everything.
    NonePassed,
}

impl History {
    fn succeeded(&self, item: ItemId) {
        let mut inner = self.inner();
        inner.successes += 1;
        inner.failed_at.remove(&item);
    }

    /// What happened since this item last failed.
    fn failed(&self, item: ItemId) -> Since {
        let mut inner = self.inner();
        let successes = inner.successes;
        let (before, times) = *inner.failed_at.get(&item).unwrap_or(&(successes, 0));
        if before < successes {
            inner.failed_at.insert(item, (successes, 1));
            return Since::OthersPassed;
        }
        inner.failed_at.insert(item, (successes, times + 1));
        if times < PATIENCE {
            Since::TooEarly
        } else {
            Since::NonePassed
        }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, HistoryInner> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Upload {
    /// The stage with empty slots.
    pub fn new(stage: Stage) -> Self {
        let bandwidth = Bandwidth::new(stage.config.upload.bandwidth);
        Self {
            stage,
            bandwidth,
            slots: JoinSet::new(),
            claimed: VecDeque::new(),
            claims: 0,
            strikes: 0,
            not_before: None,
            history: History::default(),
            dirs: description::dirs::Dirs::default(),
            left_behind: Vec::new(),
        }
    }

    /// Runs until the stop. Uploads under way are abandoned then: their sessions are kept, their
    /// bytes can be sent again.
    pub async fn run(mut self) -> Result<()> {
        let retry = &self.stage.config.retry;
        let longest = backoff::longest(retry).max(backoff::on_ladder(retry, u32::MAX, 1.0));
        let now = self.stage.clock.now();
        let kept = asked::kept(&self.stage.store, asked::UPLOADS, longest, now).await?;
        self.not_before = kept.map(|until| Wait::new(now, until));
        while !self.stage.stop.is_cancelled() {
            let until = match self.fill().await {
                Ok(until) => until,
                Err(super::Error::Store(error)) if error.may_pass() => {
                    tracing::debug!(%error, "the store cannot be written; uploads wait");
                    Some(clock::after(self.stage.clock.now(), STORE_AGAIN))
                }
                Err(error) => return Err(error),
            };
            self.wait(until).await?;
        }
        // Dropping the set aborts what is under way.
        self.slots.shutdown().await;
        let now = self.stage.clock.now();
        self.give_back(now)
            .await
            // The next start gives back what a full disk keeps us from giving back.
            .or_else(|error| if error.may_pass() { Ok(()) } else { Err(error) })?;
        Ok(())
    }

    /// Gives back what was claimed; nothing is at work.
    async fn give_back(&mut self, now: Timestamp) -> crate::store::Result<()> {
        while let Some(claim) = self.claimed.front() {
            self.stage
                .store
                .unclaim(claim.file, clock::from_millis(0), now)
                .await?;
            self.claimed.pop_front();
        }
        self.stage.store.recover(now).await
    }

    /// Fills free slots; gives when to look again without a ring.
    async fn fill(&mut self) -> Result<Option<Timestamp>> {
        loop {
            let now = self.stage.clock.now();
            let free = self.free_slots();
            if free == 0 {
                return Ok(None);
            }
            if let Some(wait) = self.not_before.filter(|wait| wait.lasts(now)) {
                return Ok(Some(wait.until));
            }
            while let Some(file) = self.left_behind.last() {
                self.stage.store.left_behind(*file, now).await?;
                self.left_behind.pop();
            }
            match self.stage.gate.ask() {
                Answer::Open => {}
                // A full storage shows at creation: without a token to try, one file goes up.
                Answer::Probe
                    if self.slots.is_empty() && self.stage.store.tokens_ready().await? == 0 => {}
                Answer::Probe => return Ok(None),
                Answer::Closed { until } => return Ok(until),
            }
            if self.claimed.is_empty() {
                if !self.tokens_wanted(now).await? {
                    return Ok(None);
                }
                let fresh_first = self.claims % BACKFILL_TURN != BACKFILL_TURN - 1;
                self.claims += 1;
                self.claimed = self
                    .stage
                    .store
                    .claim(self.at_once(free), fresh_first, now)
                    .await?
                    .into();
            }
            let Some(claim) = self.claimed.pop_front() else {
                return Ok(self.stage.store.next_claim(now).await?);
            };
            self.start(claim);
        }
    }

    /// A few more than there are slots, so that small files do not wait for the store; one while the
    /// service has trouble.
    fn at_once(&self, free: usize) -> usize {
        if self.strikes > 0 {
            free
        } else {
            free.max(self.stage.config.upload.parallel * 2)
        }
    }

    fn free_slots(&self) -> usize {
        let slots = if self.strikes > 0 {
            1
        } else {
            self.stage.config.upload.parallel
        };
        slots.saturating_sub(self.slots.len())
    }

    /// Whether more tokens would be used before they die.
    async fn tokens_wanted(&self, now: Timestamp) -> Result<bool> {
        let (lane, _) = self.stage.store.lane().await?;
        let stands = lane.state == LaneState::Waiting
            && lane
                .until
                .is_some_and(|until| until > clock::after(now, TOKENS_WOULD_DIE));
        let ready = self.stage.store.tokens_ready().await?;
        let bound = self.stage.config.upload.ready_tokens;
        Ok(!stands && ready + (self.slots.len() as u64) < bound)
    }

    fn start(&mut self, claim: Claimed) {
        let slot = slot::Slot {
            stage: self.stage.clone(),
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
        let stage = self.stage.clone();
        tokio::select! {
            biased;
            Some(ended) = self.slots.join_next(), if !self.slots.is_empty() => self.ended(ended).await,
            _ = bell::rest(&stage.bells.uploads, until, &stage.clock, &stage.stop) => Ok(()),
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
        self.stage.bells.moved.ring();
        // A batch may have waited for this file, however it ended: set aside, it is passed over.
        self.stage.bells.lane.ring();
        match ended {
            Ok(Ended::Recorded | Ended::Stopped) => {}
            Ok(Ended::Sent) => {
                self.strikes = 0;
                self.not_before = None;
            }
            Ok(Ended::Trouble { wait }) => {
                let own =
                    backoff::after_trouble(&self.stage.config.retry, self.strikes, fastrand::f64());
                let now = self.stage.clock.now();
                let until = clock::after(now, wait.map_or(own, |wait| wait.max(own)));
                self.strikes = self.strikes.saturating_add(1);
                self.not_before = Some(Wait::new(now, until));
                if wait.is_some() {
                    match asked::keep(&self.stage.store, asked::UPLOADS, until).await {
                        // This process keeps to it in any case.
                        Err(super::Error::Store(error)) if error.may_pass() => {}
                        kept => kept?,
                    }
                    tracing::info!(%until, "uploads wait: the service asked for it");
                }
            }
            Err(super::Error::Store(error)) if error.may_pass() => {
                tracing::debug!(%error, file.id = file.0, "the store cannot be written; uploads wait");
                let now = self.stage.clock.now();
                self.not_before = Some(Wait::new(now, clock::after(now, STORE_AGAIN)));
                self.left_behind.push(file);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
