//! `mediaItems.patch`: a description that changed after its media item was made, one item a call.
//!
//! It is the least urgent write. Sending it twice has the effect of sending it once, so a call without an
//! answer is repeated from the journal and then put off: the text is in the store. An item that the service
//! refuses is tried [`REFUSALS`] times and then left alone until its text changes; one at which the service
//! fails while it takes other calls, `retry.max_attempts` times.

use super::{
    send::{Recorded, new_call},
    task::Writer,
};
use crate::{
    clock,
    context::{Result, account::error_chain},
    model::{
        call::{CallKind, Fault},
        ids::AlbumRow,
    },
    photos_api::{Answer, Call, Error},
    store::{self, Description, Journalled},
};

/// A refusal of the item is believed after so many: a media item may not be found for a moment after it was
/// made, and no other cause passes by itself.
const REFUSALS: u32 = 3;

/// Descriptions belong to no album.
const NO_ALBUM: AlbumRow = AlbumRow(0);

/// What was sent.
#[derive(serde::Deserialize)]
struct Patch {
    description: String,
}

impl Writer {
    /// Sends a planned description.
    pub(super) async fn describe(&mut self, description: Description) -> Result<()> {
        let request = Call::media_item_patch(&description.media_item_id, &description.text);
        let call = new_call(
            CallKind::DescribeItem,
            NO_ALBUM,
            request,
            vec![description.item],
        );
        self.perform(call).await?;
        Ok(())
    }

    pub(super) async fn item_described(&mut self, call: &Journalled, answer: &Answer) -> Recorded {
        let sent: Patch = serde_json::from_str(&call.body)
            .map_err(|_| store::Error::Corrupt("a description in the journal".to_owned()))?;
        if let Some((item, _)) = call.items.first() {
            let (status, now) = (answer.http_status, self.now());
            self.store()
                .description_answered(call.id, *item, sent.description, status, now)
                .await?;
            tracing::info!(item.id = item.0, "description changed");
        }
        Ok(Ok(()))
    }

    pub(super) async fn item_not_described(
        &mut self,
        call: &Journalled,
        fault: Fault,
        error: &Error,
    ) -> Result<()> {
        let Some((item, _)) = call.items.first().copied() else {
            return Ok(());
        };
        let limit = self.retry().max_attempts;
        let max_attempts = match fault {
            Fault::NoAnswer | Fault::Server => {
                self.is_item_at_fault(item, true).await?.then_some(limit)
            }
            Fault::Request => Some(REFUSALS.min(limit)),
            _ => None,
        };
        let now = self.now();
        let until = clock::after(now, self.wait_after_give_up(fault));
        self.store()
            .description_refused(call.id, item, error_chain(error), until, max_attempts, now)
            .await?;
        let is_own = fault.outcome_is_unknown() || fault == Fault::Request;
        if error.retry_after().is_some() || !is_own {
            self.pause_for(error).await?;
        }
        Ok(())
    }
}
