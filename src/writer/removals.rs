//! `albums.batchRemoveMediaItems`: what leaves an album. It stays in the library: the service lets
//! nobody delete a media item.
//!
//! The call is all or nothing. A refused group is repeated after a wait, because such refusals pass
//! (fact sheet, section 5.2); then it is halved until the culprit is alone. What will not leave is
//! looked for in the album: a person may have taken it out before.

use std::collections::HashSet;

use super::{
    Answered, Turn, Writer,
    batch_add::membership,
    bisect::Verdict,
    create::{PART_SENDS, STUMBLES},
    waiting,
};
use crate::{
    clock,
    context::{Result, account},
    model::ids::{AlbumRow, ItemId, MediaItemId},
    photos_api::{Call, Error, Kind},
    store::{CallKind, Journalled, Members},
};

impl Writer {
    /// Takes out what is planned, or the next part of a group that was refused.
    pub(super) async fn remove(&mut self, planned: Members) -> Result<Turn> {
        let now = self.context.clock.now();
        let Some(group) = self.leavers.first() else {
            return self.send_removal(planned).await;
        };
        if group.not_before > now {
            let until = Some(group.not_before);
            let reason =
                "photos could not be taken out of their album; that is tried again in parts";
            return Ok(Turn::Rest(until, waiting(reason, until)));
        }
        let Some(group) = self.leavers.take() else {
            return Ok(Turn::Again);
        };
        let store = &self.context.store;
        let Some(part) = store.plan_removal(group.album, group.items).await? else {
            self.leavers.cleared();
            return Ok(Turn::Again);
        };
        let turn = self.send_removal(part).await;
        if self.context.stop.is_cancelled() {
            self.leavers.postponed();
        }
        turn
    }

    async fn send_removal(&mut self, removal: Members) -> Result<Turn> {
        let call = membership(CallKind::RemoveItems, removal, Call::album_remove);
        match self.perform(call).await? {
            Some((call, answered)) => self.removed(call, answered).await,
            None => Ok(Turn::Again),
        }
    }

    /// Records what a removal led to.
    pub(super) async fn removed(&mut self, call: Journalled, answered: Answered) -> Result<Turn> {
        let (now, store) = (self.context.clock.now(), self.context.store.clone());
        let Err(error) = answered else {
            store
                .removals_answered(call.id, call.album, None, now)
                .await?;
            self.leavers.cleared();
            tracing::info!(
                album.row = call.album.0,
                n_items = call.items.len(),
                "taken out of an album"
            );
            self.wake_others();
            return Ok(Turn::Again);
        };
        // Repeated from the journal: whether it was done the first time is told by the album.
        let is_enough = error.kind() == Kind::Server && call.sends >= self.most_removal_sends();
        if error.kind().outcome_unknown() && !is_enough {
            self.trouble(&error).await?;
            return Ok(Turn::Again);
        }
        self.not_removed(call, &error).await
    }

    /// How often a removal is sent that gets no answer, or none but "could not".
    pub(super) fn most_removal_sends(&self) -> u32 {
        if self.leavers.is_under_way() {
            PART_SENDS
        } else {
            STUMBLES
        }
    }

    /// The call is given up or refused.
    pub(super) async fn not_removed(&mut self, call: Journalled, error: &Error) -> Result<Turn> {
        let (now, store) = (self.context.clock.now(), self.context.store.clone());
        let words = account::error_chain(error);
        tracing::warn!(
            album.row = call.album.0,
            n_items = call.items.len(),
            "not taken out of an album: {words}"
        );
        store
            .removals_answered(call.id, call.album, Some(words.clone()), now)
            .await?;
        match error.kind() {
            Kind::AlbumRefused => {
                self.leavers.cleared();
                self.inspect_album(call.album, &words).await?;
            }
            Kind::Server
            | Kind::Unanswered
            | Kind::Garbled
            | Kind::BadMediaItemId
            | Kind::BadRequest
            | Kind::NotFound
            | Kind::Forbidden
            | Kind::DuplicateIds => {
                let stumbles = error.kind().outcome_unknown();
                self.will_not_leave(&call, stumbles, &words).await?;
                if error.retry_after().is_some() {
                    self.trouble(error).await?;
                }
            }
            _ => {
                self.leavers.postponed();
                self.trouble(error).await?;
            }
        }
        self.wake_others();
        Ok(Turn::Again)
    }

    /// A group, or one item, that the service refuses to take out.
    async fn will_not_leave(
        &mut self,
        call: &Journalled,
        stumbles: bool,
        words: &str,
    ) -> Result<()> {
        let items: Vec<ItemId> = call.items.iter().map(|(item, _)| *item).collect();
        if call.sends > 1 && !stumbles {
            // Refused, because it was done the first time.
            self.leavers.cleared();
            return self.look_who_is_there(call.album, items, None).await;
        }
        let now = self.context.clock.now();
        let again = clock::after(now, self.context.config.retry.rate_limit_base);
        match self.leavers.refused(call.album, items, again) {
            Verdict::Sent => Ok(()),
            Verdict::Culprit(item) => {
                self.look_who_is_there(call.album, vec![item], Some(words))
                    .await
            }
            Verdict::All(items) => self.look_who_is_there(call.album, items, Some(words)).await,
        }
    }

    /// What does not stand in the album has left it. With `words`, what does cannot leave.
    async fn look_who_is_there(
        &mut self,
        album: AlbumRow,
        items: Vec<ItemId>,
        words: Option<&str>,
    ) -> Result<()> {
        let store = self.context.store.clone();
        let Some(removal) = store.plan_removal(album, items).await? else {
            return Ok(());
        };
        let Some(standing) = self.standing(album, &removal.album_id).await? else {
            return Ok(());
        };
        let standing: HashSet<MediaItemId> = standing.into_iter().collect();
        let (there, left): (Vec<_>, Vec<_>) = removal
            .items
            .into_iter()
            .partition(|(_, id)| standing.contains(id));
        let only_items = |pairs: Vec<(ItemId, MediaItemId)>| -> Vec<ItemId> {
            pairs.into_iter().map(|(item, _)| item).collect()
        };
        store.left_already(album, only_items(left)).await?;
        if let Some(words) = words {
            let reason = format!("the service would not take it out of the album: {words}");
            store.cannot_leave(album, only_items(there), reason).await?;
        }
        Ok(())
    }
}
