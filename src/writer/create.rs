//! `mediaItems.batchCreate`: from a planned batch to the recorded result of each item.

use super::{Answered, Turn, Writer, bisect::Verdict, item_results};
use crate::{
    clock,
    context::{Mode, Result, account, backoff},
    model::{
        batch_plan::Position,
        ids::{ItemId, MediaItemId},
    },
    photos_api::{
        self, Call, Kind,
        wire::{self, BatchCreate, BatchCreated, NewItem},
    },
    store::{CallKind, Journalled, NewCall, Outcome, PlannedBatch, RecordedCall, Uncertain},
};

/// Answers of "could not" in a row after which a call is taken apart: one of its items may be what
/// the service stumbles over.
pub(super) const STUMBLES: u32 = 6;

/// How often a part of a call that was taken apart is sent without an answer.
pub(super) const PART_SENDS: u32 = 2;

/// After a repetition that made all of its items, the album is read only if it holds no more than
/// this: twenty pages. That an item failed in the call whose answer was lost, and not in its
/// repetition, is too rare to spend hundreds of requests on.
const READ_ON_SUSPICION: u64 = 2000;

/// Of a call that was refused whole, and in both halves, every item of so many goes alone next: after as
/// many rounds all have, which are no more than the blames that `retry.max_attempts` allows by default.
const ALONE_OF: usize = 8;

/// What a call as a whole came to grief over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A token was refused.
    Token,
    /// The call was refused.
    Refusal,
    /// The service failed at it, or gave no answer.
    Stumble,
    /// The service failed at it and named a wait, in which nothing else is asked.
    StumbleAndWait,
}

impl Writer {
    /// Sends a planned batch.
    pub(super) async fn create(&mut self, batch: PlannedBatch) -> Result<Turn> {
        if batch.items.is_empty() {
            return Ok(Turn::Again);
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
            .zip(batch.position.as_ref().map(on_the_wire));
        let request = Call::batch_create(&items, place);
        let call = NewCall {
            kind: CallKind::CreateItems,
            album: batch.album,
            position: batch.position,
            path: request.path,
            body: request.body,
            items: batch.items.iter().map(|item| item.item).collect(),
            for_order: batch.for_order,
        };
        let Some((call, answered)) = self.perform(call).await? else {
            self.suspects.postponed();
            return Ok(Turn::Again);
        };
        self.batches += 1;
        self.created(call, answered).await
    }

    /// The next group of a call that was refused as a whole.
    pub(super) async fn send_suspects(&mut self) -> Result<Turn> {
        let Some(group) = self.suspects.take() else {
            return Ok(Turn::Again);
        };
        let batch = self
            .context
            .store
            .plan_part(group.album, group.items)
            .await?;
        // An album without an id was deleted meanwhile, and is made anew before all that it waits for;
        // a call without its id would put the items into the library alone.
        let is_lost = batch.album.0 != 0 && batch.album_id.is_none();
        if batch.items.is_empty() || is_lost {
            self.suspects.cleared();
            return Ok(Turn::Again);
        }
        self.create(batch).await
    }

    /// Records what a batchCreate led to.
    pub(super) async fn created(&mut self, call: Journalled, answered: Answered) -> Result<Turn> {
        let parsed = answered.and_then(|answer| {
            let created = answer.parse::<BatchCreated>()?;
            let request = serde_json::from_str::<BatchCreate>(&call.body)
                .map_err(|_| photos_api::Error::new(Kind::Garbled, "the journal's own words"))?;
            Ok((answer.http_status, request, created))
        });
        let (http_status, request, created) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return self.not_created(call, error).await,
        };
        let now = self.context.clock.now();
        let retry = &self.context.config.retry;
        let outcomes =
            item_results::outcomes(&call, &request, &created, retry, now, fastrand::f64());
        let made = outcomes
            .iter()
            .filter(|outcome| matches!(outcome.outcome, Outcome::Made { .. }))
            .count();
        for outcome in outcomes.iter().filter(|outcome| outcome.reason.is_some()) {
            tracing::warn!(
                item.id = outcome.item.0,
                code = outcome.code,
                said = outcome.message,
                "not created: {}",
                outcome.reason.as_deref().unwrap_or_default()
            );
        }
        let verify_after = self
            .context
            .config
            .verify
            .after
            .map(|after| i64::try_from(after.as_millis()).unwrap_or(i64::MAX));
        let doubt = if call.sends > 1 && call.items.len() > 1 {
            // What was made the first time keeps its place, and what was not comes behind or before.
            let all_made = made == call.items.len();
            Uncertain::Order(all_made.then_some(READ_ON_SUSPICION))
        } else {
            Uncertain::Nothing
        };
        let settled = RecordedCall {
            call: call.id,
            doubt,
        };
        self.context
            .store
            .items_answered(
                settled,
                call.album,
                http_status,
                outcomes,
                verify_after,
                now,
            )
            .await?;
        tracing::info!(
            batch.id = call.id.0,
            album.row = call.album.0,
            n_items = call.items.len(),
            n_created = made,
            "batch created"
        );
        self.suspects.cleared();
        self.wake_others();
        Ok(Turn::Again)
    }

    /// The call as a whole did not succeed.
    async fn not_created(&mut self, call: Journalled, error: photos_api::Error) -> Result<Turn> {
        let words = account::error_chain(&error);
        tracing::warn!(
            batch.id = call.id.0,
            n_items = call.items.len(),
            "batch refused: {words}"
        );
        match error.kind() {
            // The outcome is open: the journal's row stays, and is repeated before anything else.
            Kind::Unanswered | Kind::Garbled => {
                self.successes = 0;
                return Ok(Turn::Again);
            }
            Kind::Server if call.sends < STUMBLES => {
                self.trouble(&error).await?;
                return Ok(Turn::Again);
            }
            // Whatever was lost before this refusal may have made the items, and the places that
            // they took then are told only by the repetition.
            kind if call.sends > 1 && is_of_the_moment(kind) => {
                self.trouble(&error).await?;
                return Ok(Turn::Again);
            }
            _ => {}
        }
        let now = self.context.clock.now();
        let again = Outcome::Again {
            not_before: now,
            blamed: None,
        };
        let outcomes = item_results::all(&call, &again, &words);
        let settled = RecordedCall {
            call: call.id,
            doubt: if call.sends > 1 {
                Uncertain::Items
            } else {
                Uncertain::Nothing
            },
        };
        self.context
            .store
            .items_refused(
                settled,
                call.album,
                error.http_status(),
                words.clone(),
                outcomes,
                now,
            )
            .await?;
        match error.kind() {
            Kind::AlbumRefused => {
                self.suspects.cleared();
                self.inspect_album(call.album, &words).await?;
            }
            Kind::AlbumFull => {
                self.suspects.cleared();
                self.album_full(call.album, &words).await?;
            }
            Kind::BadUploadToken => {
                self.suspect(&call, &words, Cause::Token).await?;
            }
            Kind::Server if error.retry_after().is_some() => {
                self.suspect(&call, &words, Cause::StumbleAndWait).await?;
                self.trouble(&error).await?;
            }
            Kind::Server => {
                self.suspect(&call, &words, Cause::Stumble).await?;
            }
            Kind::BadRequest | Kind::Forbidden | Kind::NotFound | Kind::BadMediaItemId => {
                // The album, the position or an item: in this order each is asked or given up.
                if call.album.0 != 0 && !self.album_is_there(call.album, &words).await? {
                    self.suspects.cleared();
                } else if let Some(neighbour) = neighbour_of(&call)
                    && !self.suspects.is_under_way()
                {
                    // In parts of a call, what is refused was so before it named anybody.
                    self.suspects.cleared();
                    self.context
                        .store
                        .place_refused(call.id, call.album, neighbour, READ_ON_SUSPICION)
                        .await?;
                } else if self.suspect(&call, &words, Cause::Refusal).await? {
                    self.trouble(&error).await?;
                }
            }
            _ => {
                self.suspects.postponed();
                self.trouble(&error).await?;
            }
        }
        self.wake_others();
        Ok(Turn::Again)
    }

    /// Takes a refused call apart, and deals with the culprit once it is found. Gives whether that ended
    /// with nobody to blame.
    pub(super) async fn suspect(
        &mut self,
        call: &Journalled,
        words: &str,
        cause: Cause,
    ) -> Result<bool> {
        let now = self.context.clock.now();
        let retry = self.context.config.retry.clone();
        let wait = if cause == Cause::Token {
            retry.rate_limit_base
        } else {
            retry.server_error_base
        };
        let items = call.items.iter().map(|(item, _)| *item).collect();
        let verdict = self
            .suspects
            .refused(call.album, items, clock::after(now, wait));
        let guilty: Vec<ItemId> = match verdict {
            Verdict::Sent => return Ok(false),
            Verdict::Culprit(item) => vec![item],
            Verdict::All(items) => items,
        };
        let attempts = call.items.first().map_or(0, |(_, attempts)| *attempts);
        let not_before = clock::after(
            now,
            backoff::after_trouble(&retry, attempts + 2, fastrand::f64()),
        );
        let is_alone = guilty.len() == 1;
        // Two culprits in two halves look like a service that refuses everything. Some of them go alone
        // and tell, each time others, so that nobody fails for what a neighbour did.
        let told = fastrand::usize(..guilty.len().clamp(1, ALONE_OF));
        let mut is_nobody = true;
        for (index, item) in guilty.into_iter().enumerate() {
            let is_to_blame = match cause {
                Cause::Token => true,
                Cause::Refusal => self.refused_itself(item, is_alone).await?,
                Cause::Stumble => self.stumbled_again(item, is_alone).await?,
                Cause::StumbleAndWait => self.stumbled_again(item, false).await?,
            };
            is_nobody &= !is_to_blame;
            let blamed = is_to_blame.then_some(retry.max_attempts);
            let outcome = match cause {
                Cause::Token => Outcome::Reupload { not_before, blamed },
                Cause::Refusal if !is_alone && index % ALONE_OF == told => Outcome::Alone,
                _ => Outcome::Again { not_before, blamed },
            };
            self.context
                .store
                .culprit(item, call.album, outcome, words.to_owned(), now)
                .await?;
        }
        Ok(is_nobody)
    }

    /// Whether a refusal is this item's own. Not where another one was refused, too, and nothing has gone
    /// through since: then it may be the service that refuses everything, for a while.
    async fn refused_itself(&mut self, item: ItemId, is_alone: bool) -> Result<bool> {
        let passed = self.passed;
        let is_another = |(other, at): (&ItemId, &u64)| *other != item && *at == passed;
        let is_everybody = !is_alone || self.stumbled.iter().any(is_another);
        let again = self.stumbled_again(item, is_alone && is_everybody).await?;
        Ok(!is_everybody || again)
    }

    /// Whether another call went through since the item last made one fail: only then it is to blame,
    /// and not a service that fails at everything. In a backfill no other call may ever come: then one
    /// that `is_alone` is to blame if the service answers something else.
    pub(super) async fn stumbled_again(&mut self, item: ItemId, is_alone: bool) -> Result<bool> {
        let Some(before) = self.stumbled.insert(item, self.passed) else {
            return Ok(false);
        };
        if before < self.passed || !is_alone || self.context.mode == Mode::Daemon {
            return Ok(before < self.passed);
        }
        Ok(self.ask(&Call::albums_list("")).await?.is_ok())
    }

    /// A batch left: there is room for tokens, and something to verify.
    pub(super) fn wake_others(&self) {
        self.context.wakes.uploads.notify();
        self.context.wakes.verify.notify();
        self.context.wakes.changed.notify();
    }
}

/// Whether a refusal is about the moment, and not about anything that the call carries: the same call
/// may pass later.
fn is_of_the_moment(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::RateLimited(_)
            | Kind::AccessTokenRefused
            | Kind::LoginNeeded
            | Kind::ScopeMissing
            | Kind::ApiDisabled
            | Kind::PhotosDisabled
            | Kind::Unreachable
    )
}

fn on_the_wire(position: &Position) -> wire::Position {
    match position {
        Position::Last => wire::Position::LastInAlbum,
        Position::First => wire::Position::FirstInAlbum,
        Position::After(id) => wire::Position::AfterMediaItem(id.clone()),
    }
}

/// The other media item of the album that the call stands or falls with.
fn neighbour_of(call: &Journalled) -> Option<MediaItemId> {
    let request = serde_json::from_str::<BatchCreate>(&call.body).ok()?;
    match request.album_position {
        Some(wire::Position::AfterMediaItem(neighbour)) => Some(neighbour),
        _ => None,
    }
}
