//! Is what we made really there? `mediaItems.batchGet`, in full groups, each item once.
//!
//! Reading is no write, so this runs beside the lane; it is of low priority and leaves the day's
//! reserve alone. An item that the service refuses to know is asked for twice, an hour apart, before
//! it counts as missing. Videos are asked for until they are processed.

use std::time::Duration;

use super::{Result, Stage, backoff, bell, gate, gate::Answer};
use crate::{
    api::{self, Call, Kind, wire::BatchGot},
    clock,
    ids::MediaItemId,
    store::{Sending, ToVerify, Verdict},
};

/// The most ids of one call (fact sheet, section 4.1).
pub const GROUP: usize = 50;

/// How long the oldest item that is due waits for a full group (the design, "Verify").
const COMPANY: Duration = Duration::from_hours(1);

/// How long after one refusal an item is asked for again.
const ONCE_MORE: Duration = Duration::from_hours(1);

/// When a video that is still being processed is asked for again; then it is left at that.
const PROCESSING: [Duration; 4] = [
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
];

/// What the service said of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It is there.
    There,
    /// It is there, and still being processed.
    Processing,
    /// It is there, and cannot be played.
    Unplayable(String),
    /// The service does not know it, or would not say.
    Unknown,
}

/// The daemon's quiet verification.
#[derive(Debug)]
pub struct Verify {
    stage: Stage,
    strikes: u32,
    /// A whole call that was refused because of a few ids is sent in smaller groups.
    group: usize,
}

impl Verify {
    /// The stage.
    pub fn new(stage: Stage) -> Self {
        Self {
            stage,
            strikes: 0,
            group: GROUP,
        }
    }

    /// Runs until the stop.
    pub async fn run(mut self) -> Result<()> {
        while !self.stage.stop.is_cancelled() {
            let until = match self.turn().await {
                Ok(until) => until,
                Err(super::Error::Store(error)) if error.may_pass() => {
                    Some(clock::after(self.stage.clock.now(), Duration::from_secs(5)))
                }
                Err(error) => return Err(error),
            };
            bell::rest(
                &self.stage.bells.verify,
                until,
                &self.stage.clock,
                &self.stage.stop,
            )
            .await;
        }
        Ok(())
    }

    /// Asks for what is due; gives when to look again.
    async fn turn(&mut self) -> Result<Option<jiff::Timestamp>> {
        loop {
            let now = self.stage.clock.now();
            let Some(after) = self.stage.config.verify.after else {
                return Ok(None);
            };
            if let Answer::Closed { until } = self.stage.gate.ask() {
                return Ok(until);
            }
            let quota = &self.stage.config.quota;
            let used = self.stage.store.ledger(now).await?.requests;
            if used + quota.reserve >= quota.requests_per_day {
                return Ok(Some(clock::service_day_ends(now)));
            }
            let due = self.stage.store.to_verify(self.group, now).await?;
            let Some((_, oldest)) = due.first() else {
                return Ok(self.stage.store.next_to_verify().await?);
            };
            // Who wants to know at once does not wait for company.
            let leaves = if after.is_zero() {
                *oldest
            } else {
                clock::after(*oldest, COMPANY)
            };
            if due.len() < self.group && leaves > now {
                return Ok(Some(leaves));
            }
            let due: Vec<ToVerify> = due.into_iter().map(|(asked, _)| asked).collect();
            match judge(&self.stage, &due).await? {
                Ok(seen) => {
                    self.strikes = 0;
                    self.group = GROUP;
                    let verdicts = due
                        .iter()
                        .zip(seen)
                        .map(|(asked, seen)| verdict(asked, seen))
                        .collect();
                    self.stage.store.verdicts(verdicts, now).await?;
                    self.stage.bells.moved.ring();
                }
                Err(error) => return self.failed(&error).await,
            }
        }
    }

    async fn failed(&mut self, error: &api::Error) -> Result<Option<jiff::Timestamp>> {
        let now = self.stage.clock.now();
        if self.stage.gate.met(error).await? {
            return Ok(None);
        }
        if error.kind() == Kind::Server && self.strikes > 0 {
            self.group = GROUP / 5;
        }
        let retry = &self.stage.config.retry;
        let own = match error.kind() {
            Kind::RateLimited(_) => backoff::after_rate_limit(retry, self.strikes, fastrand::f64()),
            _ => backoff::after_trouble(retry, self.strikes, fastrand::f64()),
        };
        self.strikes = self.strikes.saturating_add(1);
        tracing::info!("verification waits: {}", gate::in_words(error));
        Ok(Some(clock::after(now, backoff::at_least(own, error))))
    }
}

fn verdict(asked: &ToVerify, seen: Seen) -> (crate::ids::ItemId, Verdict) {
    let verdict = match seen {
        Seen::There => Verdict::There,
        Seen::Unplayable(reason) => Verdict::Unplayable(reason),
        Seen::Processing => match PROCESSING.get(asked.tries as usize) {
            Some(wait) => Verdict::AskAgain(*wait),
            None => Verdict::Unplayable(
                "the service is still processing this video after a day".to_owned(),
            ),
        },
        Seen::Unknown if asked.tries > 0 => Verdict::Gone,
        Seen::Unknown => Verdict::AskAgain(ONCE_MORE),
    };
    (asked.item, verdict)
}

/// Asks the service for a group of items; the answers are in the order of the group.
pub async fn judge(
    stage: &Stage,
    group: &[ToVerify],
) -> Result<std::result::Result<Vec<Seen>, api::Error>> {
    let ids: Vec<MediaItemId> = group
        .iter()
        .map(|asked| asked.media_item_id.clone())
        .collect();
    let call = Call::batch_get(&ids);
    let mut answered = Err(api::Error::new(Kind::AccessTokenRefused, ""));
    for _ in 0..2 {
        stage
            .store
            .about_to_send(Sending::Request, stage.clock.now())
            .await?;
        answered = stage.client.send(&call).await;
        if !matches!(&answered, Err(error) if error.kind() == Kind::AccessTokenRefused) {
            break;
        }
    }
    let got = match answered.and_then(|answer| answer.parse::<BatchGot>()) {
        Ok(got) => got,
        Err(error) => return Ok(Err(error)),
    };
    stage.gate.bytes_passed().await?;
    let seen = ids
        .iter()
        .enumerate()
        .map(|(index, id)| {
            // In the order of the question, but an id that is repeated back is surer.
            let by_id = got.media_item_results.iter().find(|result| {
                result
                    .media_item
                    .as_ref()
                    .is_some_and(|item| item.id == *id)
            });
            by_id
                .or(got.media_item_results.get(index))
                .map_or(Seen::Unknown, |result| seen(id, result))
        })
        .collect();
    Ok(Ok(seen))
}

fn seen(id: &MediaItemId, result: &api::wire::MediaItemResult) -> Seen {
    let Some(item) = result.media_item.as_ref().filter(|item| item.id == *id) else {
        return Seen::Unknown;
    };
    match item
        .media_metadata
        .video
        .as_ref()
        .map(|video| video.status.as_str())
    {
        Some("PROCESSING") => Seen::Processing,
        Some("FAILED") => Seen::Unplayable("the service could not process this video".to_owned()),
        _ => Seen::There,
    }
}
