//! `mediaItems.batchCreate`: from a planned batch to the recorded result of each item.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    bisect::{Bisection, Finding},
    item_results,
    send::{Recorded, new_call},
    task::{Turn, Writer},
};
use crate::{
    clock,
    context::{Mode, Result, account::error_chain},
    model::{
        batch_plan::Position,
        call::{CallKind, Fault},
        ids::{AlbumRow, ItemId, MediaItemId},
    },
    photos_api::{
        Answer, Call, Error, Kind,
        wire::{self, BatchCreate, BatchCreated, NewItem},
    },
    store::{Journalled, NewCall, Outcome, PlannedBatch, RecordedCall, Uncertain},
};

/// After a repetition that created all of its items, or a refused neighbour, the album is read only if it holds
/// no more than this: twenty pages. That an item failed in the call whose answer was lost, and not in its
/// repetition, is too rare to spend hundreds of requests on.
const READ_ON_SUSPICION: u64 = 2000;

/// If both halves of a refused call are refused, every eighth item goes alone, others in each round. After
/// eight rounds, as many as `retry.max_attempts` by default, each item has gone alone.
const ALONE_OF: usize = 8;

/// How long the service takes a token (fact sheet, section 2.6).
const TOKEN_LIFE: Duration = Duration::from_hours(24);

impl Writer {
    /// Sends a planned batch.
    pub(super) async fn create_items(&mut self, batch: PlannedBatch) -> Result<()> {
        if batch.items.is_empty() {
            return Ok(());
        }
        let items: Vec<NewItem> = batch
            .items
            .iter()
            .map(|item| NewItem {
                upload_token: item.upload_token.clone(),
                file_name: item.file_name.clone(),
                description: item.description.clone(),
            })
            .collect();
        let place = batch
            .album_id
            .as_ref()
            .zip(batch.position.as_ref().map(wire_position));
        let request = Call::batch_create(&items, place);
        let ids = batch.items.iter().map(|item| item.item).collect();
        let call = NewCall {
            position: batch.position,
            for_order: batch.for_order,
            ..new_call(CallKind::CreateItems, batch.album, request, ids)
        };
        if self.perform(call).await? {
            self.batches += 1;
        } else {
            self.create_bisection.put_back();
        }
        Ok(())
    }

    /// Sends the next part of a refused call. Its position depends on the order of the album, which is read
    /// first where it is not known.
    pub(super) async fn send_next_part(
        &mut self,
        album: AlbumRow,
        not_before: Timestamp,
    ) -> Result<Turn> {
        let now = self.now();
        if not_before > now {
            let reason = "a batch was refused as a whole; it is sent again in parts";
            return Ok(Turn::wait(reason, not_before));
        }
        match self.store().to_read(album).await? {
            Some((album_id, may_read_at)) if may_read_at <= now => {
                self.read_album_order(album, &album_id).await?;
                return Ok(Turn::Again);
            }
            Some(_) => {
                // The items are in the queue; the next refusal starts again.
                self.create_bisection = Bisection::default();
                return Ok(Turn::Again);
            }
            None => {}
        }
        let Some(part) = self.create_bisection.take() else {
            return Ok(Turn::Again);
        };
        let batch = self.store().plan_part(part.album, part.items).await?;
        // An album without an id was deleted meanwhile, and is made again first. A call without its id would
        // put the items into the library only.
        let is_album_lost = batch.album.0 != 0 && batch.album_id.is_none();
        if batch.items.is_empty() || is_album_lost {
            self.create_bisection.passed();
        } else {
            self.create_items(batch).await?;
        }
        Ok(Turn::Again)
    }

    pub(super) async fn items_created(&mut self, call: &Journalled, answer: &Answer) -> Recorded {
        let created: BatchCreated = match answer.parse() {
            Ok(created) => created,
            Err(error) => return Ok(Err(error)),
        };
        let Ok(request) = serde_json::from_str::<BatchCreate>(&call.body) else {
            return Ok(Err(Error::new(Kind::Garbled, "the journal's own words")));
        };
        let now = self.now();
        let outcomes =
            item_results::outcomes(call, &request, &created, self.retry(), now, fastrand::f64());
        let n_created = outcomes
            .iter()
            .filter(|outcome| matches!(outcome.outcome, Outcome::Made { .. }))
            .count();
        for outcome in &outcomes {
            if let Some(reason) = &outcome.reason {
                let (item, code, said) = (outcome.item.0, outcome.code, &outcome.message);
                tracing::warn!(item.id = item, code, said, "not created: {reason}");
            }
        }
        let n_items = call.items.len();
        // Items that the first send created are where it put them; the others are behind or before these.
        let doubt = if call.sends > 1 && n_items > 1 {
            Uncertain::Order((n_created == n_items).then_some(READ_ON_SUSPICION))
        } else {
            Uncertain::Nothing
        };
        let settled = RecordedCall {
            call: call.id,
            doubt,
        };
        let verify_after = self.context.config.verify.after;
        let verify_after =
            verify_after.map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        self.store()
            .items_answered(
                settled,
                call.album,
                answer.http_status,
                outcomes,
                verify_after,
                now,
            )
            .await?;
        tracing::info!(
            batch.id = call.id.0,
            album.row = call.album.0,
            n_items,
            n_created,
            "batch created"
        );
        self.create_bisection.passed();
        Ok(Ok(()))
    }

    pub(super) async fn items_not_created(
        &mut self,
        call: &Journalled,
        fault: Fault,
        error: &Error,
    ) -> Result<()> {
        let words = match fault {
            Fault::NoAnswer => "the service never answers the call that makes it".to_owned(),
            _ => error_chain(error),
        };
        let doubt = match fault {
            // Whatever the call created, the same bytes create again: only its place is not known.
            Fault::NoAnswer => Uncertain::Order(None),
            Fault::Server if self.create_bisection.is_in_flight() => Uncertain::Order(None),
            _ if call.sends > 1 => Uncertain::Items,
            _ => Uncertain::Nothing,
        };
        self.record_refused(call, doubt, error.http_status(), &words)
            .await?;
        match fault {
            Fault::Album => {
                self.create_bisection.passed();
                self.inspect_album(call.album, &words).await?;
            }
            Fault::AlbumFull => {
                self.create_bisection.passed();
                self.album_is_full(call.album, &words).await?;
            }
            Fault::Token | Fault::NoAnswer => {
                self.bisect_creation(call, fault, false, &words).await?;
            }
            Fault::Server => {
                let asks_to_wait = error.retry_after().is_some();
                self.bisect_creation(call, fault, asks_to_wait, &words)
                    .await?;
                if asks_to_wait {
                    self.pause_for(error).await?;
                }
            }
            Fault::Request => {
                // The cause may be the album, the position or an item: checked in this order.
                if call.album.0 != 0 && !self.is_album_usable(call.album, &words).await? {
                    self.create_bisection.passed();
                } else if let Some(neighbour) = neighbour_of(call)
                    // In a bisection the neighbour is not the cause: the call was refused without one.
                    && !self.create_bisection.is_in_flight()
                {
                    self.store()
                        .place_refused(call.id, call.album, neighbour, READ_ON_SUSPICION)
                        .await?;
                } else if self.bisect_creation(call, fault, false, &words).await? {
                    self.pause_for(error).await?;
                }
            }
            Fault::Storage | Fault::Moment => {
                self.create_bisection.put_back();
                self.pause_for(error).await?;
            }
        }
        Ok(())
    }

    /// Records that nothing is known to have been created: all items wait for other calls.
    async fn record_refused(
        &mut self,
        call: &Journalled,
        doubt: Uncertain,
        http_status: Option<u16>,
        words: &str,
    ) -> Result<()> {
        let now = self.now();
        let retry = Outcome::Again {
            not_before: now,
            blamed: None,
        };
        let outcomes = item_results::all(call, &retry, words);
        let settled = RecordedCall {
            call: call.id,
            doubt,
        };
        self.store()
            .items_refused(
                settled,
                call.album,
                http_status,
                words.to_owned(),
                outcomes,
                now,
            )
            .await?;
        Ok(())
    }

    /// Bisects a refused call, and handles the items at fault once they are found. Gives whether that ended
    /// with no item at fault.
    async fn bisect_creation(
        &mut self,
        call: &Journalled,
        fault: Fault,
        asks_to_wait: bool,
        words: &str,
    ) -> Result<bool> {
        let now = self.now();
        let retry = self.retry().clone();
        let wait = if fault == Fault::Token {
            retry.rate_limit_base
        } else {
            retry.server_error_base
        };
        let items = call.items.iter().map(|(item, _)| *item).collect();
        let finding = self
            .create_bisection
            .refused(call.album, items, clock::after(now, wait));
        let refused = match finding {
            Finding::Split => return Ok(false),
            Finding::Culprit(item) => vec![item],
            Finding::NotItemSpecific(items) => items,
        };
        let attempts = call.items.first().map_or(0, |(_, attempts)| *attempts);
        let wait = retry.after_server_error(attempts + 2, fastrand::f64());
        let not_before = clock::after(now, wait);
        let is_alone = refused.len() == 1;
        // Two culprits in two halves look like a service that refuses everything. So some of the items go
        // alone, and none fails because of another one.
        let alone = fastrand::usize(..refused.len().clamp(1, ALONE_OF));
        let mut nobody = true;
        for (index, item) in refused.into_iter().enumerate() {
            let is_at_fault = match fault {
                Fault::Token => true,
                Fault::Request => self.is_refusal_specific(item, is_alone).await?,
                _ => {
                    self.is_item_at_fault(item, is_alone && !asks_to_wait)
                        .await?
                }
            };
            nobody &= !is_at_fault;
            let blamed = is_at_fault.then_some(retry.max_attempts);
            let outcome = match fault {
                Fault::Token => Outcome::Reupload { not_before, blamed },
                Fault::Request if !is_alone && index % ALONE_OF == alone => Outcome::Alone,
                _ => Outcome::Again { not_before, blamed },
            };
            self.store()
                .culprit(item, call.album, outcome, words.to_owned(), now)
                .await?;
        }
        Ok(nobody)
    }

    /// Whether a 4xx is this item's own. Not if another item was refused too since the last success: then the
    /// service may be refusing everything for a while.
    async fn is_refusal_specific(&mut self, item: ItemId, is_alone: bool) -> Result<bool> {
        let total = self.success_total;
        let refused_another = |(other, at): (&ItemId, &u64)| *other != item && *at == total;
        let maybe_all = !is_alone || self.successes_at_last_failure.iter().any(refused_another);
        let at_fault = self.is_item_at_fault(item, is_alone && maybe_all).await?;
        Ok(!maybe_all || at_fault)
    }

    /// Notes that a call failed because of this item, and gives whether the item is at fault: another call
    /// succeeded since its last failure, so the service does not fail at everything. In a backfill no other
    /// call may ever come: there an item that `is_alone` is at fault if the service answers a read.
    pub(super) async fn is_item_at_fault(&mut self, item: ItemId, is_alone: bool) -> Result<bool> {
        let total = self.success_total;
        let Some(before) = self.successes_at_last_failure.insert(item, total) else {
            return Ok(false);
        };
        if before < total || !is_alone || self.context.mode == Mode::Daemon {
            return Ok(before < total);
        }
        Ok(self.read(&Call::albums_list("")).await?.is_ok())
    }

    /// Whether a token of the call is too old for the service, which would then refuse all of it.
    pub(super) async fn tokens_expired(&self, call: &Journalled, now: Timestamp) -> Result<bool> {
        let oldest = now.saturating_sub(TOKEN_LIFE).unwrap_or(Timestamp::MIN);
        Ok(self.store().has_token_older_than(call.id, oldest).await?)
    }

    /// Gives up an unanswered call that cannot be repeated any more. Its items go into other calls, and are
    /// uploaded again if their tokens have expired: the same bytes are the same media item, created or not.
    pub(super) async fn abandon_expired(&mut self, call: &Journalled) -> Result<()> {
        let words = "no answer came, and its tokens have died since";
        tracing::warn!(batch.id = call.id.0, n_items = call.items.len(), "{words}");
        self.record_refused(call, Uncertain::Items, None, words)
            .await?;
        self.wake_others();
        Ok(())
    }
}

fn wire_position(position: &Position) -> wire::Position {
    match position {
        Position::Last => wire::Position::LastInAlbum,
        Position::First => wire::Position::FirstInAlbum,
        Position::After(id) => wire::Position::AfterMediaItem(id.clone()),
    }
}

/// The media item behind which the call was to put its own.
fn neighbour_of(call: &Journalled) -> Option<MediaItemId> {
    let request = serde_json::from_str::<BatchCreate>(&call.body).ok()?;
    match request.album_position {
        Some(wire::Position::AfterMediaItem(neighbour)) => Some(neighbour),
        _ => None,
    }
}
