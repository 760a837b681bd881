//! Goes on with a call that was refused as a whole, part by part ([`super::bisect`]).
//!
//! Nothing else leaves the lane meanwhile, so what keeps a part waiting ends the hunt.

use jiff::Timestamp;

use super::{
    Turn, Writer,
    bisect::{Group, Suspects},
    waiting,
};
use crate::context::Result;

impl Writer {
    /// Sends the next part. Its place hangs on where the others stand, so the album is read first
    /// where an answer about it was lost.
    pub(super) async fn hunt(&mut self, group: &Group, now: Timestamp) -> Result<Turn> {
        if group.not_before > now {
            let until = Some(group.not_before);
            let reason = "a batch was refused as a whole; it is sent again in parts";
            return Ok(Turn::Rest(until, waiting(reason, until)));
        }
        match self.context.store.to_read(group.album).await? {
            None => self.send_suspects().await,
            Some((album_id, not_before)) if not_before <= now => {
                self.read(group.album, &album_id).await
            }
            Some(_) => {
                // What it is about is in the queue, and the next refusal begins it anew.
                self.suspects = Suspects::default();
                Ok(Turn::Again)
            }
        }
    }
}
