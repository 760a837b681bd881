//! Asks the service for what was created: `mediaItems.batchGet`, in groups of 50, each item once.
//!
//! Reads run beside the writer, have low priority and leave the day's reserve alone. An item that the service
//! does not know is asked for twice, an hour apart, before it counts as missing. Videos are asked for until
//! they are processed. The daemon verifies everything; a backfill only items whose files wait for it to be
//! moved or deleted.
//!
//! A request for fifty may fail because of one id. So it is repeated once, then split into tens, and a ten that
//! fails into ones: the ids that fail alone are known then, and the others are answered. If nothing at all is
//! answered, it is the service that fails, and no more requests are spent on it.

use std::{ops::Range, sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;

use crate::{
    clock,
    context::{
        self, Context, Result,
        account::{Permit, error_chain},
        pause::{self, Backoff},
        wake,
    },
    escape::Escaped,
    model::ids::{ItemId, MediaItemId},
    photos_api::{
        self, Call, Kind,
        wire::{BatchGot, MediaItemResult},
    },
    store::{Sending, ToVerify, Verdict},
};

/// The most ids of one request (fact sheet, section 4.1).
pub const GROUP: usize = 50;

/// Ids of one request after a larger one failed (fact sheet, section 4.1).
const SMALL_GROUP: usize = 10;

/// So many failed requests for one id in a row, and no answer to anything: the service fails.
const MAX_SINGLE_FAILURES: usize = 3;

/// How long the oldest item that is due waits for a full group (the design, "Verify").
const MAX_GROUP_WAIT: Duration = Duration::from_hours(1);

/// How long after it was not found an item is asked for again.
const SECOND_LOOK: Duration = Duration::from_hours(1);

/// When a video that is being processed, or an item whose request failed, is asked for again; then it is left
/// alone.
const RETRIES: [Duration; 4] = [
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
];

/// Failures in a row after which a group is put off and the next one is asked for.
const MAX_FAILURES: u32 = 4;

/// How long verification waits for a store that cannot be written.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// What the service said of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It is there.
    There,
    /// It is there, and still being processed.
    Processing,
    /// It is there, and cannot be played.
    Unplayable(String),
    /// The service does not know it, or does not tell.
    Unknown,
    /// The request fails because of this item, with this error.
    Unasked(String),
}

/// An answer of the service, or why there is none.
pub type Answered<T> = std::result::Result<T, photos_api::Error>;

/// The verification task.
#[derive(Debug)]
pub struct Verify {
    context: Context,
    backoff: Backoff,
    /// Only items whose files wait for it.
    for_files: bool,
}

impl Verify {
    /// The task that verifies everything.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            backoff: Backoff::default(),
            for_files: false,
        }
    }

    /// The task that verifies only items whose files wait for it.
    pub fn for_files(context: Context) -> Self {
        Self {
            for_files: true,
            ..Self::new(context)
        }
    }

    /// Runs until the stop.
    pub async fn run(mut self) -> Result<()> {
        while !self.context.stop.is_cancelled() {
            let until = match self.turn().await {
                Ok(until) => until,
                Err(context::Error::Store(error)) if error.is_transient() => {
                    Some(clock::after(self.context.clock.now(), STORE_RETRY))
                }
                Err(error) => return Err(error),
            };
            let context = &self.context;
            wake::wait(&context.wakes.verify, until, &context.clock, &context.stop).await;
        }
        Ok(())
    }

    /// Asks for what is due; gives when to look again.
    async fn turn(&mut self) -> Result<Option<Timestamp>> {
        loop {
            let context = &self.context;
            let (store, now) = (&context.store, context.clock.now());
            let Some(after) = context.config.verify.after else {
                return Ok(None);
            };
            if let Permit::Closed { until } = context.account.check() {
                return Ok(until);
            }
            if context.stop.is_cancelled() || day_is_used_up(context).await? {
                return Ok(Some(clock::service_day_ends(now)));
            }
            if let Some(until) = context.reads_paused_until().await? {
                return Ok(Some(until));
            }
            let due = if self.for_files {
                store.to_verify_for_files(GROUP, now).await?
            } else {
                store.to_verify(GROUP, now).await?
            };
            let Some((_, oldest)) = due.first() else {
                return Ok(if self.for_files {
                    store.next_to_verify_for_files().await?
                } else {
                    store.next_to_verify().await?
                });
            };
            // Partial groups are sent if `verify.after` is 0, in a backfill, or while a command waits for the end.
            let partial = after.is_zero()
                || self.for_files
                || context.wakes.waiters.load(Ordering::SeqCst) > 0;
            let full_at = clock::after(*oldest, MAX_GROUP_WAIT);
            if due.len() < GROUP && !partial && full_at > now {
                return Ok(Some(full_at));
            }
            let due: Vec<ToVerify> = due.into_iter().map(|(item, _)| item).collect();
            match ask(context, &due).await? {
                Ok(seen) => {
                    self.record(&due, seen).await?;
                    self.backoff.reset();
                }
                Err(error) => return self.failed(&due, &error).await,
            }
        }
    }

    async fn record(&self, due: &[ToVerify], seen: Vec<Seen>) -> Result<()> {
        let (store, now) = (&self.context.store, self.context.clock.now());
        let verdicts: Vec<_> = due
            .iter()
            .zip(seen)
            .map(|(asked, seen)| (asked.item, verdict(asked, seen, now)))
            .collect();
        for (item, verdict) in &verdicts {
            self.warn(*item, verdict).await?;
        }
        store.verdicts(verdicts, now).await?;
        self.context.wakes.changed.notify();
        Ok(())
    }

    /// Names the files of an item with a problem.
    async fn warn(&self, item: ItemId, verdict: &Verdict) -> Result<()> {
        let words = match verdict {
            Verdict::There { .. } | Verdict::AskAgain(_) | Verdict::Doubted(_) => return Ok(()),
            Verdict::Unplayable(reason) | Verdict::Unaskable(reason) => reason,
            Verdict::Gone => "Google Photos no longer knows it",
        };
        for path in self.context.store.paths_of(vec![item]).await? {
            tracing::warn!(item.id = item.0, "{}: {words}", Escaped::path(&path));
        }
        Ok(())
    }

    async fn failed(
        &mut self,
        due: &[ToVerify],
        error: &photos_api::Error,
    ) -> Result<Option<Timestamp>> {
        let now = self.context.clock.now();
        if self.context.account.record_failure(error).await? {
            return Ok(None);
        }
        if may_be_one_id(error) && self.backoff.failures() >= MAX_FAILURES {
            // The service may answer for other items.
            let unasked = Seen::Unasked(error_chain(error));
            self.record(due, vec![unasked; due.len()]).await?;
        }
        let wait = self.backoff.next_wait(&self.context.config.retry, error);
        tracing::info!("verification waits: {}", error_chain(error));
        let until = clock::after(now, wait);
        self.context.record_read_failure(error, until).await?;
        Ok(Some(until))
    }
}

/// Whether only the day's reserve is left, which verification may not use.
pub async fn day_is_used_up(context: &Context) -> Result<bool> {
    let quota = &context.config.quota;
    let used = context.store.ledger(context.clock.now()).await?.requests;
    Ok(used + quota.reserve >= quota.requests_per_day)
}

fn verdict(asked: &ToVerify, seen: Seen, now: Timestamp) -> Verdict {
    match (seen, RETRIES.get(asked.tries as usize)) {
        (Seen::There, _) => Verdict::There {
            question: asked.question,
        },
        (Seen::Unplayable(reason), _) => Verdict::Unplayable(reason),
        (Seen::Processing | Seen::Unasked(_), Some(wait)) => Verdict::AskAgain(*wait),
        (Seen::Processing, None) => Verdict::Unplayable(
            "Google Photos is still processing this video after a day".to_owned(),
        ),
        (Seen::Unasked(reason), None) => Verdict::Unaskable(format!(
            "Google Photos cannot say whether it is there: {reason}"
        )),
        (Seen::Unknown, _) => match asked.absent_at {
            Some(first) if now >= clock::after(first, SECOND_LOOK) || first > now => Verdict::Gone,
            _ => Verdict::Doubted(SECOND_LOOK),
        },
    }
}

/// Asks the service for a group of items, in as many requests as it takes.
pub async fn ask(context: &Context, group: &[ToVerify]) -> Result<Answered<Vec<Seen>>> {
    let mut answered = batch_get(context, group).await?;
    if let Err(error) = &answered
        && error.kind() == Kind::Server
    {
        let wait = pause::wait_after(&context.config.retry, 0, error);
        tokio::select! {
            biased;
            () = context.stop.cancelled() => return Ok(answered),
            () = tokio::time::sleep(wait) => {}
        }
        answered = batch_get(context, group).await?;
    }
    match answered {
        Err(error) if may_be_one_id(&error) && group.len() > 1 => {}
        // The only id is the one that is refused.
        Err(error) if may_be_one_id(&error) && error.kind() != Kind::Server => {
            let unasked = Seen::Unasked(error_chain(&error));
            return Ok(Ok(vec![unasked; group.len()]));
        }
        answered => return Ok(answered),
    }
    let mut split = Split {
        context,
        group,
        seen: vec![Seen::Unknown; group.len()],
        is_answered: false,
    };
    Ok(split.ask().await?.map(|()| split.seen))
}

/// Whether an error may be due to a single id.
fn may_be_one_id(error: &photos_api::Error) -> bool {
    matches!(
        error.kind(),
        Kind::Server | Kind::BadRequest | Kind::BadMediaItemId | Kind::NotFound
    )
}

/// A group that is asked for in parts.
struct Split<'a> {
    context: &'a Context,
    group: &'a [ToVerify],
    seen: Vec<Seen>,
    /// Whether any part was answered, so that the service works.
    is_answered: bool,
}

impl Split<'_> {
    /// In tens, unless the group is that small; then those that failed in ones.
    async fn ask(&mut self) -> Result<Answered<()>> {
        let len = self.group.len();
        let mut failed = Vec::new();
        for from in (0..len).step_by(SMALL_GROUP) {
            let small = from..(from + SMALL_GROUP).min(len);
            if len > SMALL_GROUP {
                match self.part(small.clone()).await? {
                    Ok(()) => continue,
                    Err(error) if may_be_one_id(&error) => {}
                    Err(error) => return Ok(Err(error)),
                }
            }
            failed.push(small);
        }
        for small in failed {
            if let Err(error) = self.in_ones(small).await? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    async fn in_ones(&mut self, small: Range<usize>) -> Result<Answered<()>> {
        for (n, at) in small.enumerate() {
            let Err(error) = self.part(at..at + 1).await? else {
                continue;
            };
            let gives_up = !self.is_answered && n + 1 >= MAX_SINGLE_FAILURES;
            if gives_up || !may_be_one_id(&error) {
                return Ok(Err(error));
            }
            if let Some(seen) = self.seen.get_mut(at) {
                *seen = Seen::Unasked(error_chain(&error));
            }
        }
        Ok(Ok(()))
    }

    async fn part(&mut self, part: Range<usize>) -> Result<Answered<()>> {
        let group = self.group.get(part.clone()).unwrap_or_default();
        let seen = match batch_get(self.context, group).await? {
            Ok(seen) => seen,
            Err(error) => return Ok(Err(error)),
        };
        self.is_answered = true;
        for (slot, seen) in self.seen.iter_mut().skip(part.start).zip(seen) {
            *slot = seen;
        }
        Ok(Ok(()))
    }
}

/// One batchGet; sent once more if the access token was refused.
async fn batch_get(context: &Context, group: &[ToVerify]) -> Result<Answered<Vec<Seen>>> {
    let ids: Vec<MediaItemId> = group
        .iter()
        .map(|asked| asked.media_item_id.clone())
        .collect();
    let call = Call::batch_get(&ids);
    let mut answered = Err(photos_api::Error::new(Kind::AccessTokenRefused, ""));
    for _ in 0..2 {
        let now = context.clock.now();
        context.store.about_to_send(Sending::Request, now).await?;
        answered = context.client.send(&call).await;
        if !matches!(&answered, Err(error) if error.kind() == Kind::AccessTokenRefused) {
            break;
        }
    }
    let got = match answered.and_then(|answer| answer.parse::<BatchGot>()) {
        Ok(got) => got.media_item_results,
        Err(error) => return Ok(Err(error)),
    };
    context.account.record_upload_success().await?;
    let is_of = |id: &MediaItemId, result: &MediaItemResult| {
        result
            .media_item
            .as_ref()
            .is_some_and(|item| item.id == *id)
    };
    let seen = ids.iter().enumerate().map(|(index, id)| {
        // Results come in the order of the ids, but an id in the result is more certain.
        let result = got.iter().find(|result| is_of(id, result));
        let result = result.or_else(|| got.get(index));
        result.map_or(Seen::Unknown, |result| seen(id, result))
    });
    Ok(Ok(seen.collect()))
}

fn seen(id: &MediaItemId, result: &MediaItemResult) -> Seen {
    let Some(item) = result.media_item.as_ref().filter(|item| item.id == *id) else {
        return Seen::Unknown;
    };
    let video = item.media_metadata.video.as_ref();
    match video.map(|video| video.status.as_str()) {
        Some("PROCESSING") => Seen::Processing,
        Some("FAILED") => Seen::Unplayable("Google Photos could not process this video".to_owned()),
        _ => Seen::There,
    }
}
