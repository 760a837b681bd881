//! How a mutating call is sent: rate limit, journal, send, replay; and what follows when it fails.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock,
};
use jiff::Timestamp;

use super::task::{Turn, Writer};
use crate::{
    clock,
    context::{
        Result,
        account::error_chain,
        pause::{self, Scope, Timer},
    },
    model::{
        call::{CallKind, CallPolicy, Fault, Next},
        ids::{AlbumRow, ItemId},
    },
    photos_api::{self, Answer, Call, Kind, Limit, Method},
    store::{self, Journalled, NewCall, Pause, Sending, WriterState},
};

/// Successes in a row after which concurrent-write refusals are forgotten ("a sustained run", fact sheet,
/// section 7.4).
const SUSTAINED: u32 = 10;

/// The share of `quota.writes_per_minute` that is used, so that clocks which differ do not cause a refusal.
const RATE_SHARE: f64 = 0.9;

/// Calls that may follow one another at once after a pause.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// The pause for the rate limit is shown in `status` if it is longer.
const SHOWN_RATE_WAIT: Duration = Duration::from_millis(200);

/// What a call led to.
pub(super) type Answered = std::result::Result<Answer, photos_api::Error>;

/// Whether an answer could be read and was recorded; or why it could not be read.
pub(super) type Recorded = Result<std::result::Result<(), photos_api::Error>>;

/// The rate of writes (the design, `[quota]`).
#[derive(Debug)]
pub(super) struct RateLimit(DefaultDirectRateLimiter);

impl RateLimit {
    pub(super) fn new(writes_per_minute: u32) -> Self {
        let per_minute = RATE_SHARE * f64::from(writes_per_minute.max(1));
        let period = Duration::from_mins(1).div_f64(per_minute);
        // A period of zero is no quota; the configuration allows none that short.
        let quota = Quota::with_period(period.max(Duration::from_nanos(1)))
            .unwrap_or_else(|| Quota::per_second(BURST))
            .allow_burst(BURST);
        Self(RateLimiter::direct(quota))
    }

    /// Takes a permit, or says how long to wait for one. Governor's own wait cannot be cancelled.
    fn acquire(&self) -> std::result::Result<(), Duration> {
        self.0
            .check()
            .map_err(|early| early.wait_time_from(DefaultClock::default().now()))
    }
}

/// A call that carries `items` and has no position.
pub(super) fn new_call(
    kind: CallKind,
    album: AlbumRow,
    request: Call,
    items: Vec<ItemId>,
) -> NewCall {
    NewCall {
        kind,
        album,
        position: None,
        path: request.path,
        body: request.body,
        items,
        for_order: false,
    }
}

impl Writer {
    /// Journals a call, sends it and records what it led to. False if it was not sent: the writer is to stop,
    /// or the call has to be planned again.
    pub(super) async fn perform(&mut self, call: NewCall) -> Result<bool> {
        if self.wait_for_rate_limit().await? {
            return Ok(false);
        }
        match self.store().journal(call, self.now()).await {
            Ok(call) => self.send_and_record(call).await?,
            Err(overtaken @ store::Error::Overtaken(_)) => {
                tracing::debug!("a call is planned anew: {overtaken}");
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// Repeats a call without an answer word for word, once it is due: it was cut off, or another process
    /// sent it.
    pub(super) async fn replay(&mut self, call: Journalled) -> Result<Turn> {
        let now = self.now();
        let policy = self.policy(&call);
        if !policy.is_idempotent {
            let error = photos_api::Error::new(Kind::Unanswered, "");
            self.give_up(&call, Fault::NoAnswer, &error).await?;
            return Ok(Turn::Again);
        }
        // The answer may have come just before the process that sent the call ended, and may have asked for
        // a wait: so the wait counts from the start of this process.
        let since = if self.started_at <= now {
            call.sent_at.max(self.started_at)
        } else {
            call.sent_at
        };
        let due = clock::after(since, self.retry().before_replay(call.sends));
        // A call that was sent in the future is from before the clock was set back: it is due.
        if due > now && call.sent_at <= now {
            let reason = "a call got no answer; it is repeated word for word";
            return Ok(Turn::wait(reason, due));
        }
        if call.kind == CallKind::CreateItems && self.tokens_expired(&call, now).await? {
            self.abandon_expired(&call).await?;
        } else if call.sends >= policy.max_sends {
            let never = "the service never answers this call";
            let error = photos_api::Error::new(Kind::Unanswered, never);
            self.give_up(&call, Fault::NoAnswer, &error).await?;
        } else if !self.wait_for_rate_limit().await? {
            self.store().repeated(call.id, self.now()).await?;
            let sends = call.sends + 1;
            self.send_and_record(Journalled { sends, ..call }).await?;
        }
        Ok(Turn::Again)
    }

    async fn send_and_record(&mut self, call: Journalled) -> Result<()> {
        let recorded = match self.send(&call).await? {
            Ok(answer) => match call.kind {
                CallKind::CreateItems => self.items_created(&call, &answer).await?,
                CallKind::CreateAlbum => self.album_created(&call, &answer).await?,
                CallKind::AddItems => self.items_added(&call).await?,
                CallKind::RemoveItems => self.items_removed(&call).await?,
                CallKind::DescribeItem => self.item_described(&call, &answer).await?,
            },
            Err(error) => Err(error),
        };
        let Err(error) = recorded else {
            self.wake_others();
            return Ok(());
        };
        let fault = fault_of(error.kind());
        match self.policy(&call).settle(fault, call.sends) {
            // The replay waits by itself.
            Next::Replay if fault == Fault::NoAnswer => self.success_streak = 0,
            Next::Replay => self.pause_for(&error).await?,
            Next::GiveUp => self.give_up(&call, fault, &error).await?,
        }
        Ok(())
    }

    fn policy(&self, call: &Journalled) -> CallPolicy {
        call.kind.policy(match call.kind {
            CallKind::CreateItems => self.create_bisection.is_in_flight(),
            CallKind::RemoveItems => self.remove_bisection.is_in_flight(),
            CallKind::AddItems => call.items.len() == 1,
            CallKind::CreateAlbum | CallKind::DescribeItem => false,
        })
    }

    /// Records that a call was refused or is given up, and sees to what it carried.
    async fn give_up(
        &mut self,
        call: &Journalled,
        fault: Fault,
        error: &photos_api::Error,
    ) -> Result<()> {
        let n_items = call.items.len();
        tracing::warn!(call.id = call.id.0, n_items, kind = ?call.kind, "a call was refused: {}", error_chain(error));
        match call.kind {
            CallKind::CreateItems => self.items_not_created(call, fault, error).await?,
            CallKind::CreateAlbum => self.album_not_created(call, fault, error).await?,
            CallKind::AddItems => self.items_not_added(call, fault, error).await?,
            CallKind::RemoveItems => self.items_not_removed(call, fault, error).await?,
            CallKind::DescribeItem => self.item_not_described(call, fault, error).await?,
        }
        self.wake_others();
        Ok(())
    }

    /// There is room for tokens, or something to verify.
    pub(super) fn wake_others(&self) {
        let wakes = &self.context.wakes;
        wakes.uploads.notify();
        wakes.verify.notify();
        wakes.changed.notify();
    }

    /// Waits until the rate limit allows a call; gives whether the stop came instead.
    async fn wait_for_rate_limit(&mut self) -> Result<bool> {
        while let Err(wait) = self.rate_limit.acquire() {
            let now = self.now();
            if wait > SHOWN_RATE_WAIT {
                let state = Pause {
                    state: WriterState::Pacing,
                    reason: Some("the service takes so many writes a minute".to_owned()),
                    until: Some(clock::after(now, wait)),
                };
                self.store().lane_is(state, now).await?;
            }
            tokio::select! {
                biased;
                () = self.context.stop.cancelled() => return Ok(true),
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(self.context.stop.is_cancelled())
    }

    /// Sends a journalled call; once more if the access token was refused.
    async fn send(&mut self, call: &Journalled) -> Result<Answered> {
        let calling = Pause::plain(WriterState::Calling);
        self.store().lane_is(calling, self.now()).await?;
        self.context.wakes.changed.notify();
        let request = Call {
            method: method(call.kind),
            path: call.path.clone(),
            body: call.body.clone(),
        };
        let mut answered = self.context.client.send(&request).await;
        if matches!(&answered, Err(error) if error.kind() == Kind::AccessTokenRefused)
            && self.may_send().await?
        {
            self.store().repeated(call.id, self.now()).await?;
            answered = self.context.client.send(&request).await;
        }
        if answered.is_ok() {
            self.context.account.record_success().await?;
            self.backoff.reset();
            self.success_total += 1;
            self.success_streak = self.success_streak.saturating_add(1);
            if self.concurrent_refusals > 0 && self.success_streak >= SUSTAINED {
                self.concurrent_refusals = 0;
                self.store().lane_refusals(0).await?;
            }
        }
        Ok(answered)
    }

    /// Sends a call that only reads, as part of the writer's work. It is counted; and sent once more if the
    /// access token was refused.
    pub(super) async fn read(&mut self, call: &Call) -> Result<Answered> {
        let refused = |kind, words| Ok(Err(photos_api::Error::new(kind, words)));
        if self.context.reads_paused_until().await?.is_some() {
            return refused(Kind::RateLimited(Limit::Unknown), "it said so before");
        }
        for _ in 0..2 {
            if !self.may_send().await? {
                return refused(Kind::RateLimited(Limit::Day), "by our own count");
            }
            let now = self.now();
            self.store().about_to_send(Sending::Request, now).await?;
            match self.context.client.send(call).await {
                Err(error) if error.kind() == Kind::AccessTokenRefused => {}
                Err(error) => {
                    let wait = pause::wait_after(self.retry(), self.backoff.failures(), &error);
                    let until = clock::after(self.now(), wait);
                    self.context.record_read_failure(&error, until).await?;
                    return Ok(Err(error));
                }
                answered => return Ok(answered),
            }
        }
        refused(Kind::AccessTokenRefused, "")
    }

    /// Reads a list page by page. `take` gets each page, and gives the token of the next one; none or an
    /// empty token ends the list.
    pub(super) async fn read_pages<P: serde::de::DeserializeOwned>(
        &mut self,
        max_pages: usize,
        request: impl Fn(&str) -> Call,
        mut take: impl FnMut(P) -> Option<String>,
    ) -> Recorded {
        let mut page_token = String::new();
        for _ in 0..max_pages {
            let answered = self.read(&request(&page_token)).await?;
            let page = match answered.and_then(|answer| answer.parse::<P>()) {
                Ok(page) => page,
                Err(error) => return Ok(Err(error)),
            };
            match take(page).filter(|token| !token.is_empty()) {
                Some(token) => page_token = token,
                None => return Ok(Ok(())),
            }
        }
        let endless = "a list of the service has no end";
        Ok(Err(photos_api::Error::new(Kind::Garbled, endless)))
    }

    /// After a failure that is not an item's or an album's: pauses the account or the writer.
    pub(super) async fn pause_for(&mut self, error: &photos_api::Error) -> Result<()> {
        self.success_streak = 0;
        if self.context.account.record_failure(error).await? {
            return Ok(());
        }
        let retry = &self.context.config.retry;
        let mut wait = self.backoff.next_wait(retry, error);
        if error.kind() == Kind::RateLimited(Limit::Concurrent) {
            self.concurrent_refusals = self.concurrent_refusals.saturating_add(1);
            let own = retry.after_concurrent_write(self.concurrent_refusals, fastrand::f64());
            wait = pause::at_least(own, error);
            self.store().lane_refusals(self.concurrent_refusals).await?;
        }
        let now = self.now();
        let until: Timestamp = clock::after(now, wait);
        if pause::is_requested(error) {
            pause::save(self.store(), Scope::Writes, now, until).await?;
        }
        let reason = error_chain(error);
        tracing::info!(%until, "the lane waits: {reason}");
        self.pause = Some((Timer::new(now, until), reason));
        Ok(())
    }

    /// The wait before what a call carried is tried again after it was given up.
    pub(super) fn wait_after_give_up(&self, fault: Fault) -> Duration {
        let failures = if fault == Fault::Request { 4 } else { 0 };
        if fault.outcome_is_unknown() {
            self.retry().max_wait()
        } else {
            self.retry().after_server_error(failures, fastrand::f64())
        }
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

fn fault_of(kind: Kind) -> Fault {
    match kind {
        Kind::Unanswered | Kind::Garbled => Fault::NoAnswer,
        Kind::Server => Fault::Server,
        Kind::BadUploadToken => Fault::Token,
        Kind::AlbumRefused => Fault::Album,
        Kind::AlbumFull => Fault::AlbumFull,
        Kind::StorageFull => Fault::Storage,
        Kind::RateLimited(_)
        | Kind::AccessTokenRefused
        | Kind::LoginNeeded
        | Kind::ScopeMissing
        | Kind::ApiDisabled
        | Kind::PhotosDisabled
        | Kind::Unreachable
        | Kind::Setup => Fault::Moment,
        _ => Fault::Request,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_at_once_then_the_rate_limit() {
        let limit = RateLimit::new(30);
        assert_eq!(limit.acquire(), Ok(()));
        assert_eq!(limit.acquire(), Ok(()));
        let wait = limit.acquire().unwrap_err();
        // Nine tenths of 30 a minute are 27: one every 2.2 s.
        assert!(wait > Duration::from_secs(2) && wait < Duration::from_millis(2300));
    }
}
