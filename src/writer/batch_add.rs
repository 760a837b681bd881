//! `albums.batchAddMediaItems`: media items that join a further album after their token has died.
//!
//! The call is all or nothing and can only append. After a refusal each goes by itself, so that one
//! that cannot join keeps no other out.

use super::{
    Answered, Turn, Writer,
    create::{PART_SENDS, STUMBLES},
};
use crate::{
    clock,
    context::{Result, account, backoff},
    model::ids::{AlbumId, MediaItemId},
    photos_api::{Call, Error, Kind},
    store::{CallKind, Journalled, Members, NewCall},
};

impl Writer {
    /// Sends a planned addition.
    pub(super) async fn add(&mut self, addition: Members) -> Result<Turn> {
        let call = membership(CallKind::AddItems, addition, Call::album_add);
        match self.perform(call).await? {
            Some((call, answered)) => self.added(call, answered).await,
            None => Ok(Turn::Again),
        }
    }

    /// Records what an addition led to.
    pub(super) async fn added(&mut self, call: Journalled, answered: Answered) -> Result<Turn> {
        let now = self.context.clock.now();
        let Err(error) = answered else {
            self.context
                .store
                .additions_answered(call.id, call.album, None, None, now)
                .await?;
            tracing::info!(
                album.row = call.album.0,
                n_items = call.items.len(),
                "added to an album"
            );
            self.wake_others();
            return Ok(Turn::Again);
        };
        // Adding twice is adding once: an open outcome is repeated from the journal.
        let is_enough = error.kind() == Kind::Server && call.sends >= most_sends(&call);
        if error.kind().outcome_unknown() && !is_enough {
            self.trouble(&error).await?;
            return Ok(Turn::Again);
        }
        self.not_added(call, &error).await
    }

    /// The call is given up or refused: what it carried is asked for in other calls.
    pub(super) async fn not_added(&mut self, call: Journalled, error: &Error) -> Result<Turn> {
        let now = self.context.clock.now();
        let retry = self.context.config.retry.clone();
        let store = self.context.store.clone();
        let words = account::error_chain(error);
        let stumbles = error.kind().outcome_unknown();
        let own = stumbles
            || matches!(
                error.kind(),
                Kind::BadMediaItemId
                    | Kind::BadRequest
                    | Kind::NotFound
                    | Kind::Forbidden
                    | Kind::DuplicateIds
            );
        let most = match call.items[..] {
            // One that the service fails at must not be tried for ever, but whether it is that one
            // is told only by others.
            [(item, _)] if stumbles => self
                .stumbled_again(item, true)
                .await?
                .then_some(retry.max_attempts),
            // Nobody has failed by keeping bad company: from now on each goes by itself.
            [_, _, ..] => own.then_some(retry.max_attempts.max(2)),
            _ => own.then_some(retry.max_attempts),
        };
        let wait = if stumbles {
            backoff::longest(&retry)
        } else {
            backoff::after_trouble(&retry, if own { 4 } else { 0 }, fastrand::f64())
        };
        if stumbles || call.sends > 1 {
            // An answer was lost, and what it told may stand in the album: first the doubt, so that no
            // moment knows of neither.
            store.call_in_doubt(call.id, call.album).await?;
        }
        let refused = Some((words.clone(), clock::after(now, wait)));
        store
            .additions_answered(call.id, call.album, refused, most, now)
            .await?;
        match error.kind() {
            Kind::AlbumFull => self.album_full(call.album, &words).await?,
            Kind::AlbumRefused => self.inspect_album(call.album, &words).await?,
            // The words do not say whether it is the album's fault.
            Kind::BadRequest => {
                self.album_is_there(call.album, &words).await?;
            }
            _ if own && error.retry_after().is_none() => {}
            _ => self.trouble(error).await?,
        }
        self.wake_others();
        Ok(Turn::Again)
    }
}

/// How often an addition is sent that gets no answer, or none but "could not". One that goes by itself
/// has kept others waiting before.
pub(super) fn most_sends(call: &Journalled) -> u32 {
    if call.items.len() > 1 {
        STUMBLES
    } else {
        PART_SENDS
    }
}

/// The call by which items join an album, or leave it.
pub(super) fn membership(
    kind: CallKind,
    members: Members,
    request: fn(&AlbumId, &[MediaItemId]) -> Call,
) -> NewCall {
    let (items, ids): (Vec<_>, Vec<_>) = members.items.into_iter().unzip();
    let request = request(&members.album_id, &ids);
    NewCall {
        kind,
        album: members.album,
        position: None,
        path: request.path,
        body: request.body,
        items,
        for_order: false,
    }
}
