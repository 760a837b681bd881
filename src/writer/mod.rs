//! Tokens to media items and albums: the one task that makes mutating calls.
//!
//! - [`rate_limit`] — how fast.
//! - [`create`] — `mediaItems.batchCreate`, and what its answers and refusals mean.
//! - [`item_results`] — what the result of one item means. Pure.
//! - [`bisect`] — who made a whole call fail. Pure. [`bisect_driver`] — goes on with its parts.
//! - [`albums`] — ids of albums, found or made.
//! - [`batch_add`], [`removals`] — `albums.batchAddMediaItems`, `albums.batchRemoveMediaItems`.
//! - [`list_album`] — how an album stands, where a lost answer left that in doubt.
//! - [`descriptions`] — `mediaItems.patch`.
//! - [`replay`] — a call whose answer was lost.
//! - [`plan_inputs`] — what a batch may cost, and what may still join it.
//!
//! One call at a time per account is the service's rule, so there is one task and no lock. Each call
//! is journalled before it is sent. A call without an answer is repeated word for word before any
//! other: equal bytes give the same media item, so the repetition is safe and its outcome is known.
//! `albums.create` is the exception: repeated, it would make a second album, so the service's own
//! list decides.

mod albums;
mod batch_add;
mod bisect;
mod bisect_driver;
mod create;
mod descriptions;
mod item_results;
mod list_album;
mod plan_inputs;
mod rate_limit;
mod removals;
mod replay;

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use crate::context::{
    Context, Result,
    account::{self, Permit},
    backoff, max_waits,
    retry_after::{self, Wait},
    wake,
};
use crate::{
    clock,
    model::ids::{AlbumRow, ItemId},
    photos_api::{self, Call, Kind, Limit, Method},
    store::{self, Budget, CallKind, Journalled, NewCall, Pause, Planned, Sending, WriterState},
};

/// Successes in a row after which concurrent-write refusals are forgotten ("a sustained run", fact
/// sheet, section 7.4).
const SUSTAINED: u32 = 10;

/// What a turn of the lane led to.
#[derive(Debug)]
enum Turn {
    /// Look again at once.
    Again,
    /// Nothing before `until`, unless the bell rings.
    Rest(Option<Timestamp>, Pause<WriterState>),
}

/// The lane.
#[derive(Debug)]
pub struct Writer {
    context: Context,
    pace: rate_limit::Pace,
    suspects: bisect::Suspects,
    /// The same for what leaves albums; nothing else waits for these.
    leavers: bisect::Suspects,
    /// Nothing leaves before this instant, and why.
    stopped: Option<(Wait, String)>,
    /// When this lane began: a call without an answer that is older was sent by another process.
    began: Timestamp,
    /// Failures in a row that the service is to blame for.
    strikes: u32,
    /// Rung of the concurrent-write ladder; 0 is off it.
    refusals: u32,
    /// Successes in a row.
    successes: u32,
    batches: u64,
    /// Successes in all.
    passed: u64,
    /// How many there were when an item last made a call fail that was not refused outright.
    stumbled: HashMap<ItemId, u64>,
    /// How often in a row the service failed at reading an album.
    unreadable: HashMap<AlbumRow, u32>,
}

impl Writer {
    /// The lane as the store remembers it: a wait that the service asked for outlives the process.
    pub async fn load(context: Context) -> Result<Self> {
        let (kept, refusals) = context.store.lane().await?;
        let now = context.clock.now();
        let longest = max_waits::asked_for(&context.config.retry);
        let kept_until =
            retry_after::load(&context.store, retry_after::WRITES, longest, now).await?;
        // Between a refusal and the note of its wait the last process may have been killed.
        let refused_at = context.store.refused_for_rate_at().await?;
        let due = refused_at.map(|at| clock::after(at, context.config.retry.rate_limit_base));
        let due = due.filter(|due| *due > now && refused_at.is_some_and(|at| at <= now));
        let stopped = kept_until
            .max(due)
            .map(|until| (Wait::new(now, until), kept.reason.unwrap_or_default()));
        Ok(Self {
            began: now,
            pace: rate_limit::Pace::new(context.config.quota.writes_per_minute),
            context,
            suspects: bisect::Suspects::default(),
            leavers: bisect::Suspects::default(),
            stopped,
            strikes: 0,
            refusals,
            successes: 0,
            batches: 0,
            passed: 0,
            stumbled: HashMap::new(),
            unreadable: HashMap::new(),
        })
    }

    /// Runs until the stop. A call under way is finished and recorded first.
    pub async fn run(mut self) -> Result<()> {
        while !self.context.stop.is_cancelled() {
            let (until, state) = match self.turn().await {
                Ok(Turn::Again) => continue,
                Ok(Turn::Rest(until, state)) => (until, state),
                Err(crate::context::Error::Store(error)) if error.is_transient() => {
                    // The store says so once, for all.
                    tracing::debug!(%error, "the store cannot be written; the lane waits");
                    let until = clock::after(self.context.clock.now(), Duration::from_secs(5));
                    (Some(until), Pause::plain(WriterState::Waiting))
                }
                Err(error) => return Err(error),
            };
            // Only for `status`: not being able to say it is no reason to end.
            if let Err(error) = self
                .context
                .store
                .lane_is(state, self.context.clock.now())
                .await
                && !error.is_transient()
            {
                return Err(error.into());
            }
            self.context.wakes.changed.notify();
            wake::rest(
                &self.context.wakes.writer,
                until,
                &self.context.clock,
                &self.context.stop,
            )
            .await;
        }
        Ok(())
    }

    async fn turn(&mut self) -> Result<Turn> {
        let now = self.context.clock.now();
        if let Some((wait, reason)) = &self.stopped {
            if wait.lasts(now) {
                let until = Some(wait.until);
                return Ok(Turn::Rest(until, waiting(reason, until)));
            }
            self.stopped = None;
        }
        self.context.account.take_new_client().await?;
        let probing = match self.context.account.check() {
            Permit::Open => false,
            Permit::Probe => true,
            Permit::Closed { until } => {
                let reason = self.context.account.pause().reason.unwrap_or_default();
                return Ok(Turn::Rest(until, waiting(&reason, until)));
            }
        };
        let Some(spent) = self.spent(now).await? else {
            return Ok(Turn::Again);
        };
        if let Some(call) = self.context.store.unanswered().await? {
            return self.left_open(call).await;
        }
        if let Some(group) = self.suspects.first().cloned() {
            return self.hunt(&group, now).await;
        }
        let settling = self.settling(now).await?;
        let rules = self.rules(&spent, settling.is_some());
        if probing && let Some(batch) = self.context.store.plan_probe(now).await? {
            return self.create(batch).await;
        }
        match self.context.store.plan(rules, now).await? {
            Planned::Batch(batch) => self.create(batch).await,
            Planned::Album(task) => self.resolve(task).await,
            Planned::Add(addition) => self.add(addition).await,
            Planned::Remove(removal) => self.remove(removal).await,
            Planned::Read(album, album_id) => self.read(album, &album_id).await,
            Planned::Describe(description) => self.describe(description).await,
            Planned::Wait {
                until,
                bound_by,
                held,
            } => {
                let until = until.map(|until| settling.map_or(until, |due| due.min(until)));
                // Whatever else is looked at sooner, a budget lasts until the day ends.
                let day_ends = Some(clock::service_day_ends(now));
                // What settles may join something.
                let held = held.filter(|_| settling.is_none());
                let pause = match (until, bound_by) {
                    (None, _) => Pause::plain(WriterState::Idle),
                    (_, Some(Budget::Order)) => waiting(
                        "late photos wait for their places: today's `batch.order_calls` are used up",
                        day_ends,
                    ),
                    (_, Some(Budget::Reserve)) => waiting(
                        "the rest of today's requests is kept for new photos by `quota.reserve`",
                        day_ends,
                    ),
                    (Some(_), None) => held.map_or_else(
                        // Company is expected, not asked for by anybody: no wait that counts.
                        || Pause {
                            state: WriterState::Idle,
                            reason: Some("a batch is being filled".to_owned()),
                            until: None,
                        },
                        |held| waiting(&held.reason, Some(held.until)),
                    ),
                };
                // Tokens may have died, or a batch may have made room.
                self.context.wakes.uploads.notify();
                Ok(Turn::Rest(until, pause))
            }
        }
    }

    /// Waits for the pace; gives whether the stop came instead.
    async fn pace(&mut self) -> Result<bool> {
        while let Err(wait) = self.pace.turn() {
            let now = self.context.clock.now();
            let until = Some(clock::after(now, wait));
            let pacing = Pause {
                state: WriterState::Pacing,
                reason: Some("the service takes so many writes a minute".to_owned()),
                until,
            };
            // A pause too short to be seen is not worth a row.
            if wait > Duration::from_millis(200) {
                self.context.store.lane_is(pacing, now).await?;
            }
            tokio::select! {
                biased;
                () = self.context.stop.cancelled() => return Ok(true),
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(self.context.stop.is_cancelled())
    }

    /// Journals a call and sends it; none if the stop came before, or if it has to be planned anew.
    async fn perform(&mut self, call: NewCall) -> Result<Option<(Journalled, Answered)>> {
        if self.pace().await? {
            return Ok(None);
        }
        let journalled = self.context.store.journal(call, self.context.clock.now());
        let call = match journalled.await {
            Ok(call) => call,
            Err(overtaken @ store::Error::Overtaken(_)) => {
                tracing::debug!("a call is planned anew: {overtaken}");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let answered = self.send(&call).await?;
        Ok(Some((call, answered)))
    }

    /// Sends a journalled call; once more if the access token was refused.
    async fn send(&mut self, call: &Journalled) -> Result<Answered> {
        let now = self.context.clock.now();
        self.context
            .store
            .lane_is(Pause::plain(WriterState::Calling), now)
            .await?;
        self.context.wakes.changed.notify();
        let request = Call {
            method: method(call.kind),
            path: call.path.clone(),
            body: call.body.clone(),
        };
        let answered = self.context.client.send(&request).await;
        let answered = match answered {
            Err(error)
                if error.kind() == Kind::AccessTokenRefused
                    && self.spent(self.context.clock.now()).await?.is_some() =>
            {
                self.context
                    .store
                    .repeated(call.id, self.context.clock.now())
                    .await?;
                self.context.client.send(&request).await
            }
            answered => answered,
        };
        if answered.is_ok() {
            self.context.account.record_success().await?;
            self.strikes = 0;
            self.passed += 1;
            self.successes = self.successes.saturating_add(1);
            if self.refusals > 0 && self.successes >= SUSTAINED {
                self.refusals = 0;
                self.context.store.lane_refusals(0).await?;
            }
        }
        Ok(answered)
    }

    /// Sends a call that only reads, as part of the lane's own work; counted, and once more if the
    /// access token was refused.
    async fn ask(&mut self, call: &Call) -> Result<Answered> {
        if retry_after::reads_paused_until(&self.context)
            .await?
            .is_some()
        {
            let error =
                photos_api::Error::new(Kind::RateLimited(Limit::Unknown), "it said so before");
            return Ok(Err(error));
        }
        for _ in 0..2 {
            let now = self.context.clock.now();
            if self.spent(now).await?.is_none() {
                let error =
                    photos_api::Error::new(Kind::RateLimited(Limit::Day), "by our own count");
                return Ok(Err(error));
            }
            self.context
                .store
                .about_to_send(Sending::Request, now)
                .await?;
            match self.context.client.send(call).await {
                Err(error) if error.kind() == Kind::AccessTokenRefused => {}
                Err(error) => {
                    let retry = &self.context.config.retry;
                    let wait = backoff::after_rate_limit(retry, self.strikes, 0.0);
                    let now = self.context.clock.now();
                    let until = clock::after(now, backoff::at_least(wait, &error));
                    retry_after::record_read_failure(&self.context, &error, until).await?;
                    return Ok(Err(error));
                }
                answered => return Ok(answered),
            }
        }
        Ok(Err(photos_api::Error::new(Kind::AccessTokenRefused, "")))
    }

    /// The lane stands still until `until`.
    fn stop_until(&mut self, until: Timestamp, reason: String) {
        tracing::info!(%until, "the lane waits: {reason}");
        self.stopped = Some((Wait::new(self.context.clock.now(), until), reason));
    }

    /// A failure that is nobody's in particular: pauses the account or the lane.
    async fn trouble(&mut self, error: &photos_api::Error) -> Result<()> {
        self.successes = 0;
        if self.context.account.record_failure(error).await? {
            return Ok(());
        }
        let now = self.context.clock.now();
        let retry = &self.context.config.retry;
        let wait = match error.kind() {
            Kind::RateLimited(Limit::Concurrent) => {
                self.refusals = self.refusals.saturating_add(1);
                self.context.store.lane_refusals(self.refusals).await?;
                backoff::on_ladder(retry, self.refusals, fastrand::f64())
            }
            Kind::RateLimited(_) => backoff::after_rate_limit(retry, self.strikes, fastrand::f64()),
            _ => backoff::after_trouble(retry, self.strikes, fastrand::f64()),
        };
        self.strikes = self.strikes.saturating_add(1);
        let until = clock::after(now, backoff::at_least(wait, error));
        if retry_after::is_requested(error) {
            retry_after::save(&self.context.store, retry_after::WRITES, now, until).await?;
        }
        self.stop_until(until, account::error_chain(error));
        Ok(())
    }
}

/// What a call led to.
type Answered = std::result::Result<photos_api::Answer, photos_api::Error>;

fn waiting(reason: &str, until: Option<Timestamp>) -> Pause<WriterState> {
    Pause {
        state: WriterState::Waiting,
        reason: Some(reason.to_owned()),
        until,
    }
}

fn method(kind: CallKind) -> Method {
    match kind {
        CallKind::CreateItems => Method::MediaItemsBatchCreate,
        CallKind::CreateAlbum => Method::AlbumsCreate,
        CallKind::AddItems => Method::AlbumsBatchAdd,
        CallKind::RemoveItems => Method::AlbumsBatchRemove,
        CallKind::DescribeItem => Method::MediaItemsPatch,
    }
}
