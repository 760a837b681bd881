//! The resumable protocol: no byte is sent twice when the service has it already.
//!
//! The session's address and offset are in the store. Whatever breaks, the service is asked how far
//! it is before anything more is sent (fact sheet, section 2.2). A session is used again only for the
//! very same file: device, inode, size, mtime, ctime, and the hash that the claim has just taken.

use std::{sync::Arc, time::Duration};

use super::{
    read_source,
    worker::{Sent, Slot},
};
use crate::{
    clock,
    context::{Result, backoff, retry_after},
    model::ids::{ContentHash, ItemId, UploadToken},
    photos_api::{self, Kind, Part, SessionAnswer},
    progress::Transfer,
    store::Session,
};

/// Tries in a row without a byte of progress before the file goes back into the queue.
const TRIES: u32 = 6;

/// Sessions that are begun anew in one go before the file goes back into the queue: each may cost all
/// of its bytes once more.
const ANEW: u32 = 2;

/// A session is not trusted for longer: nothing is promised, siblings of the service keep theirs for
/// a week, and a day is the plan (fact sheet, section 2.2).
const SESSION_LIFE: Duration = Duration::from_hours(24);

/// Sends the file by a session: the kept one if it still fits, else a new one.
pub(super) async fn send(
    slot: &Slot,
    item: ItemId,
    source: &read_source::Source,
    kept: Option<Session>,
    transfer: &Transfer,
) -> Result<Sent> {
    let session = kept.filter(|kept| fits(slot, kept, source));
    let ask = session.is_some();
    let furthest = session.as_ref().map_or(0, |session| session.offset);
    let sending = Sending {
        slot,
        item,
        source,
        transfer,
        session,
        ask,
        furthest,
        stalled: 0,
        anew: 0,
        hashed: None,
    };
    sending.run().await
}

fn fits(slot: &Slot, kept: &Session, source: &read_source::Source) -> bool {
    let now = slot.context.clock.now();
    let young = kept.opened_at <= now && now < clock::after(kept.opened_at, SESSION_LIFE);
    young && kept.stat == source.stat
}

fn unreadable() -> Broken {
    photos_api::Error::new(Kind::Body, "the file could not be read again").into()
}

/// A file on its way through a session.
struct Sending<'a> {
    slot: &'a Slot,
    item: ItemId,
    source: &'a read_source::Source,
    transfer: &'a Transfer,
    session: Option<Session>,
    /// Whether the service must be asked how far it is before anything is sent.
    ask: bool,
    /// The furthest that any session of this file has got: progress is what goes beyond. One that
    /// moves back and forth gets nowhere.
    furthest: u64,
    /// Tries in a row without a byte of progress.
    stalled: u32,
    /// How often a session was begun anew.
    anew: u32,
    /// A hasher that has seen so many bytes.
    hashed: Option<(u64, blake3::Hasher)>,
}

type Step = std::result::Result<Option<(UploadToken, ContentHash)>, Broken>;

/// Why a step was not done.
enum Broken {
    /// The request failed.
    Failed(photos_api::Error),
    /// No request may be sent now.
    HeldUp,
}

impl From<photos_api::Error> for Broken {
    fn from(error: photos_api::Error) -> Self {
        Self::Failed(error)
    }
}

impl Sending<'_> {
    async fn run(mut self) -> Result<Sent> {
        loop {
            if self.slot.context.stop.is_cancelled() {
                return Ok(Sent::Stopped);
            }
            let error = match self.advance().await? {
                Ok(Some((token, hash))) => return Ok(Sent::Token(token, hash)),
                Ok(None) => continue,
                Err(Broken::HeldUp) => return Ok(Sent::HeldUp),
                Err(Broken::Failed(error)) => error,
            };
            self.ask = true;
            self.stalled += 1;
            let is_over = matches!(error.kind(), Kind::SessionGone | Kind::EmptyToken);
            let is_stuck = self.stalled > TRIES;
            if is_over || is_stuck && error.kind() == Kind::OffsetMismatch {
                self.slot.context.store.session_dropped(self.item).await?;
                self.session = None;
                self.anew += 1;
            }
            // A pause that the service asks for is for all, so that the stage has to know of it.
            if is_stuck || self.anew > ANEW || retry_after::is_requested(&error) {
                return Ok(Sent::Failed(error));
            }
            let retry = &self.slot.context.config.retry;
            let after = |failures| backoff::after_trouble(retry, failures, fastrand::f64());
            let wait = match error.kind() {
                Kind::SessionGone
                | Kind::EmptyToken
                | Kind::AccessTokenRefused
                | Kind::OffsetMismatch => {
                    // What mends it is the very next request; if it does not, waiting may.
                    self.stalled.checked_sub(2).map_or(Duration::ZERO, after)
                }
                Kind::Unanswered | Kind::Server | Kind::Garbled => after(self.stalled - 1),
                _ => return Ok(Sent::Failed(error)),
            };
            tracing::info!(
                item.id = self.item.0,
                "an upload broke off and goes on where it stopped: {error}"
            );
            tokio::select! {
                () = self.slot.context.stop.cancelled() => return Ok(Sent::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One step further: opens the session, asks how far it is if need be, sends a stretch.
    async fn advance(&mut self) -> Result<Step> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => match self.open().await? {
                Ok(session) => session,
                Err(broken) => return Ok(Err(broken)),
            },
        };
        if self.ask {
            if !self.slot.acquire_request().await? {
                return Ok(Err(Broken::HeldUp));
            }
            let answer = self.slot.context.client.query_session(&session.url).await;
            match answer {
                Ok(SessionAnswer::Active { received }) => {
                    let received = received.unwrap_or(0).min(self.source.stat.size);
                    self.got_to(received);
                    self.transfer.resume_at(received);
                    self.at(&mut session, received).await?;
                }
                Ok(SessionAnswer::Final(Some(token))) => {
                    self.transfer.resume_at(self.source.stat.size);
                    return self.complete(token).await;
                }
                // The service has the bytes and will not say the token again: they go once more.
                Ok(SessionAnswer::Final(None)) => {
                    return Ok(Err(photos_api::Error::new(Kind::EmptyToken, "").into()));
                }
                Err(error) => {
                    self.session = Some(session);
                    return Ok(Err(error.into()));
                }
            }
            self.ask = false;
        }
        let step = self.send_stretch(&mut session).await;
        self.session = Some(session);
        step
    }

    async fn open(&mut self) -> Result<std::result::Result<Session, Broken>> {
        if !self.slot.acquire_request().await? {
            return Ok(Err(Broken::HeldUp));
        }
        let size = self.source.stat.size;
        let begun = match self
            .slot
            .context
            .client
            .start_session(self.source.kind.mime, size)
            .await
        {
            Ok(begun) => begun,
            Err(error) => return Ok(Err(error.into())),
        };
        let session = Session {
            url: begun.url,
            granularity: begun.granularity,
            offset: 0,
            stat: self.source.stat,
            opened_at: self.slot.context.clock.now(),
        };
        self.slot
            .context
            .store
            .session_opened(self.item, session.clone())
            .await?;
        self.ask = false;
        Ok(Ok(session))
    }

    async fn send_stretch(&mut self, session: &mut Session) -> Result<Step> {
        let Ok(hasher) = self.hasher_at(session.offset).await else {
            return Ok(Err(unreadable()));
        };
        let left = self.source.stat.size - session.offset;
        let chunk = self.chunk(session.granularity);
        let (size, part) = if chunk < left {
            (chunk, Part::More)
        } else {
            (left, Part::Last)
        };
        let body = self
            .slot
            .body(self.source, session.offset, size, hasher, self.transfer);
        let sent = body.sent();
        if !self.slot.acquire_request().await? {
            return Ok(Err(Broken::HeldUp));
        }
        match self
            .slot
            .context
            .client
            .send_part(&session.url, session.offset, part, body)
            .await
        {
            Ok(SessionAnswer::Final(Some(token))) => {
                let hash = sent.hash().unwrap_or(ContentHash([0; 32]));
                Ok(Ok(Some((token, hash))))
            }
            Ok(SessionAnswer::Final(None)) => {
                Ok(Err(photos_api::Error::new(Kind::EmptyToken, "").into()))
            }
            Ok(SessionAnswer::Active { .. }) => {
                let offset = session.offset + size;
                self.got_to(offset);
                self.hashed = sent.hasher().map(|hasher| (offset, hasher));
                self.at(session, offset).await?;
                Ok(Ok(None))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    /// The service has so many bytes.
    fn got_to(&mut self, offset: u64) {
        if offset > self.furthest {
            self.furthest = offset;
            self.stalled = 0;
        }
    }

    /// How much one request sends: all of it, or `chunk_size` rounded up to what the service asks for.
    fn chunk(&self, granularity: u64) -> u64 {
        match self.slot.context.config.upload.chunk_size {
            0 => u64::MAX,
            size => size
                .div_ceil(granularity.max(1))
                .saturating_mul(granularity.max(1)),
        }
    }

    async fn at(&self, session: &mut Session, offset: u64) -> Result<()> {
        session.offset = offset;
        self.slot
            .context
            .store
            .session_at(self.item, offset)
            .await?;
        Ok(())
    }

    /// The session turned out to be complete: what it got is what the file holds, if the file still
    /// holds what was hashed at the claim.
    async fn complete(&mut self, token: UploadToken) -> Result<Step> {
        match self.hasher_at(self.source.stat.size).await {
            Ok(hasher) => Ok(Ok(Some((
                token,
                ContentHash(*hasher.finalize().as_bytes()),
            )))),
            Err(_) => Ok(Err(unreadable())),
        }
    }

    /// A hasher that has seen the bytes before `offset`: kept from the last stretch, or read again.
    async fn hasher_at(&mut self, offset: u64) -> std::io::Result<blake3::Hasher> {
        match self.hashed.take() {
            Some((seen, hasher)) if seen == offset => Ok(hasher),
            _ if offset == 0 => Ok(blake3::Hasher::new()),
            _ => {
                let file = Arc::clone(&self.source.file);
                tokio::task::spawn_blocking(move || read_source::hash_prefix(&file, offset))
                    .await
                    .map_err(std::io::Error::other)?
            }
        }
    }
}
