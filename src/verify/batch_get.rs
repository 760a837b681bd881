//! One question to the service: are these media items there?
//!
//! A question for fifty may be answered with an error because of one id that the service chokes on, or
//! refused for one that it does not take. So it is repeated once where that may help, then asked in
//! tens, and a ten that fails in ones: the ids that cannot be asked for are named, and the rest is
//! answered. Where nothing at all is answered it is the service that ails, and the day's requests are
//! not spent on finding that out fifty times.

use std::{ops::Range, time::Duration};

use crate::{
    context::{Context, Result, account, pause},
    model::ids::MediaItemId,
    photos_api::{self, Call, Kind, wire::BatchGot},
    store::{Sending, ToVerify},
};

/// Ids of one question after a larger one was answered with an error (fact sheet, section 4.1).
const TEN: usize = 10;

/// So many single questions in a row without an answer to anything are a service that ails.
const ENOUGH: usize = 3;

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
    /// The service answers with an error when it is asked for this one, in these words.
    Unasked(String),
}

/// What came of a question: what was seen of each, in their order, or why there is no answer.
pub type Answered<T> = std::result::Result<T, photos_api::Error>;

/// Asks the service for a group of items, in as many questions as it takes.
pub async fn ask(context: &Context, group: &[ToVerify]) -> Result<Answered<Vec<Seen>>> {
    let mut answered = once(context, group).await?;
    if let Err(error) = &answered
        && error.kind() == Kind::Server
    {
        let wait = pause::wait_after(&context.config.retry, 0, error);
        if rests(context, wait).await {
            return Ok(answered);
        }
        answered = once(context, group).await?;
    }
    match answered {
        Err(error) if is_choking(&error) && group.len() > 1 => {}
        // Asked for alone, it is the one that is refused.
        Err(error) if is_choking(&error) && error.kind() != Kind::Server => {
            let unasked = Seen::Unasked(account::error_chain(&error));
            return Ok(Ok(vec![unasked; group.len()]));
        }
        answered => return Ok(answered),
    }
    let mut asking = Asking {
        context,
        group,
        seen: vec![Seen::Unknown; group.len()],
        is_answered: false,
    };
    Ok(asking.in_parts().await?.map(|()| asking.seen))
}

/// Whether an error may be that of a single id.
pub(super) fn is_choking(error: &photos_api::Error) -> bool {
    matches!(
        error.kind(),
        Kind::Server | Kind::BadRequest | Kind::BadMediaItemId | Kind::NotFound
    )
}

/// Waits; gives whether the stop came.
async fn rests(context: &Context, wait: Duration) -> bool {
    tokio::select! {
        biased;
        () = context.stop.cancelled() => true,
        () = tokio::time::sleep(wait) => false,
    }
}

/// A group that was not answered as a whole.
struct Asking<'a> {
    context: &'a Context,
    group: &'a [ToVerify],
    seen: Vec<Seen>,
    /// Whether anything of it was answered: then the service works.
    is_answered: bool,
}

impl Asking<'_> {
    async fn in_parts(&mut self) -> Result<Answered<()>> {
        let all = 0..self.group.len();
        let mut refused = Vec::new();
        if self.group.len() <= TEN {
            refused.push(all);
        } else {
            for from in all.step_by(TEN) {
                let ten = from..(from + TEN).min(self.group.len());
                match self.part(ten.clone()).await? {
                    Ok(()) => {}
                    Err(error) if is_choking(&error) => refused.push(ten),
                    Err(error) => return Ok(Err(error)),
                }
            }
        }
        for ten in refused {
            if let Err(error) = self.in_ones(ten).await? {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    async fn in_ones(&mut self, ten: Range<usize>) -> Result<Answered<()>> {
        for (n, at) in ten.enumerate() {
            match self.part(at..at + 1).await? {
                Ok(()) => {}
                Err(error) if is_choking(&error) => {
                    if !self.is_answered && n + 1 >= ENOUGH {
                        return Ok(Err(error));
                    }
                    if let Some(seen) = self.seen.get_mut(at) {
                        *seen = Seen::Unasked(account::error_chain(&error));
                    }
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    async fn part(&mut self, part: Range<usize>) -> Result<Answered<()>> {
        let group = self.group.get(part.clone()).unwrap_or_default();
        match once(self.context, group).await? {
            Ok(seen) => {
                self.is_answered = true;
                for (slot, seen) in self.seen.iter_mut().skip(part.start).zip(seen) {
                    *slot = seen;
                }
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }
}

/// One question in one request; with a fresh access token, two.
async fn once(context: &Context, group: &[ToVerify]) -> Result<Answered<Vec<Seen>>> {
    let ids: Vec<MediaItemId> = group
        .iter()
        .map(|asked| asked.media_item_id.clone())
        .collect();
    let call = Call::batch_get(&ids);
    let mut answered = Err(photos_api::Error::new(Kind::AccessTokenRefused, ""));
    for _ in 0..2 {
        context
            .store
            .about_to_send(Sending::Request, context.clock.now())
            .await?;
        answered = context.client.send(&call).await;
        if !matches!(&answered, Err(error) if error.kind() == Kind::AccessTokenRefused) {
            break;
        }
    }
    let got = match answered.and_then(|answer| answer.parse::<BatchGot>()) {
        Ok(got) => got,
        Err(error) => return Ok(Err(error)),
    };
    context.account.record_upload_success().await?;
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

fn seen(id: &MediaItemId, result: &photos_api::wire::MediaItemResult) -> Seen {
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
        Some("FAILED") => Seen::Unplayable("Google Photos could not process this video".to_owned()),
        _ => Seen::There,
    }
}
