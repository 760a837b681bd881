//! `mediaItems.patch`: a description that changed after its media item was made, one item a call.
//!
//! It is the least urgent write of the lane. Telling twice is telling once, so a call without an
//! answer is repeated from the journal, and put off after that: what is to be told stands in the store.
//! What the service refuses for the item's own sake is tried [`TRIES`] times and then left alone until
//! its words change; what the service fails at, while it takes other calls, as often as any item.

use serde::Deserialize;

use super::{Answered, Turn, Writer, create::PART_SENDS};
use crate::{
    clock,
    context::{Result, account, backoff},
    model::ids::AlbumRow,
    photos_api::{Call, Error, Kind},
    store::{CallKind, Description, Journalled, NewCall},
};

/// A refusal of the item itself is believed when it came so often: a media item may not be found
/// for a moment after it was made, and nothing else about it mends by itself.
const TRIES: u32 = 3;

/// The library: a description belongs to no album.
const NO_ALBUM: AlbumRow = AlbumRow(0);

/// What of the call's own words is needed again.
#[derive(Deserialize)]
struct Told {
    description: String,
}

impl Writer {
    /// Sends a planned description.
    pub(super) async fn describe(&mut self, description: Description) -> Result<Turn> {
        let request = Call::media_item_patch(&description.media_item_id, &description.text);
        let call = NewCall {
            kind: CallKind::DescribeItem,
            album: NO_ALBUM,
            position: None,
            path: request.path,
            body: request.body,
            items: vec![description.item],
            for_order: false,
        };
        match self.perform(call).await? {
            Some((call, answered)) => self.described(call, answered).await,
            None => Ok(Turn::Again),
        }
    }

    /// Records what a description led to.
    pub(super) async fn described(&mut self, call: Journalled, answered: Answered) -> Result<Turn> {
        let now = self.context.clock.now();
        let store = self.context.store.clone();
        let Some((item, _)) = call.items.first().copied() else {
            return Ok(Turn::Again);
        };
        let error = match answered {
            Ok(answer) => {
                // Our own words, as they were written before the call was sent.
                let told: Told = serde_json::from_str(&call.body).map_err(|_| {
                    crate::store::Error::Corrupt("a description in the journal".to_owned())
                })?;
                let http_status = answer.http_status;
                store
                    .description_answered(call.id, item, told.description, http_status, now)
                    .await?;
                tracing::info!(item.id = item.0, "description changed");
                self.context.wakes.changed.notify();
                return Ok(Turn::Again);
            }
            Err(error) => error,
        };
        let is_enough = error.kind() == Kind::Server && call.sends >= PART_SENDS;
        if error.kind().outcome_unknown() && !is_enough {
            self.trouble(&error).await?;
            return Ok(Turn::Again);
        }
        self.not_described(call, &error).await
    }

    /// The call is given up or refused.
    pub(super) async fn not_described(&mut self, call: Journalled, error: &Error) -> Result<Turn> {
        let (now, store) = (self.context.clock.now(), self.context.store.clone());
        let Some((item, _)) = call.items.first().copied() else {
            return Ok(Turn::Again);
        };
        let retry = self.context.config.retry.clone();
        let words = account::error_chain(error);
        let stumbles = error.kind().outcome_unknown();
        let own = matches!(
            error.kind(),
            Kind::BadMediaItemId | Kind::BadRequest | Kind::NotFound | Kind::Forbidden
        );
        let (wait, most) = if stumbles {
            let blamed = self.stumbled_again(item, true).await?;
            let most = blamed.then_some(retry.max_attempts);
            (backoff::longest(&retry), most)
        } else {
            let wait = backoff::after_trouble(&retry, if own { 4 } else { 0 }, fastrand::f64());
            (wait, own.then(|| TRIES.min(retry.max_attempts)))
        };
        if own || stumbles {
            tracing::warn!(item.id = item.0, "description refused: {words}");
        }
        store
            .description_refused(call.id, item, words, clock::after(now, wait), most, now)
            .await?;
        if error.retry_after().is_some() || !(own || stumbles) {
            self.trouble(error).await?;
        }
        self.context.wakes.changed.notify();
        Ok(Turn::Again)
    }
}
