//! Sends the bytes of a file: in one request, or by the resumable protocol, which sends no byte twice that the
//! service has.
//!
//! The address and the offset of a resumable session are in the store. Whatever breaks, the service is asked
//! for its offset before more is sent (fact sheet, section 2.2). A session is used again only for the same
//! file: device, inode, size, mtime, ctime, and the hash that the claim has just taken.

use std::{sync::Arc, time::Duration};

use super::{
    failures::UploadFailures,
    read_source::{self, Source},
};
use crate::{
    clock,
    context::{Context, Result, account::Permit, pause},
    model::ids::{ContentHash, ItemId, UploadToken},
    photos_api::{self, Bandwidth, FileBody, Kind, Part, SessionAnswer},
    progress::Transfer,
    store::{AccountState, Sending, Session},
};

/// Tries in a row without a byte of progress before the file goes back into the queue.
const MAX_TRIES: u32 = 6;

/// Sessions that are started again before the file goes back into the queue: each may cost all bytes once
/// more.
const MAX_RESTARTS: u32 = 2;

/// A session is not used for longer: the service promises nothing, similar ones keep theirs for a week, and
/// the plan is a day (fact sheet, section 2.2).
const SESSION_LIFE: Duration = Duration::from_hours(24);

/// Bytes that are sent to see whether the service takes any: fewer than any photo has.
const PROBE_BYTES: u64 = 16;

/// How sending ended.
#[derive(Debug)]
pub(super) enum Sent {
    /// The service gave a token for the bytes with this hash.
    Token(UploadToken, ContentHash),
    /// It failed.
    Failed(photos_api::Error),
    /// Nothing may be sent now: the account is paused, or the service asked for a pause. A session keeps what
    /// the service has.
    Paused,
    /// The stop came.
    Stopped,
}

/// What all workers send with; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) context: Context,
    pub(super) bandwidth: Bandwidth,
    pub(super) failures: UploadFailures,
}

impl Sender {
    /// Sends a file for an item: by its kept session, or as its size asks for.
    pub(super) async fn send(
        &self,
        item: ItemId,
        source: &Source,
        kept: Option<Session>,
        transfer: &Transfer,
    ) -> Result<Sent> {
        let resumable_above = self.context.config.upload.resumable_above;
        if source.stat.size <= resumable_above && kept.is_none() {
            return self.send_raw(source, transfer).await;
        }
        let session = kept.filter(|kept| self.fits(kept, source));
        let upload = ResumableUpload {
            sender: self,
            item,
            source,
            transfer,
            must_query: session.is_some(),
            furthest: session.as_ref().map_or(0, |session| session.offset),
            session,
            stalled: 0,
            restarts: 0,
            hashed: None,
        };
        upload.run().await
    }

    fn fits(&self, kept: &Session, source: &Source) -> bool {
        let now = self.context.clock.now();
        let is_young = kept.opened_at <= now && now < clock::after(kept.opened_at, SESSION_LIFE);
        is_young && kept.stat == source.stat
    }

    async fn send_raw(&self, source: &Source, transfer: &Transfer) -> Result<Sent> {
        let mut retried = false;
        loop {
            let body = self.body(source, 0, source.stat.size, blake3::Hasher::new(), transfer);
            let sent = body.sent();
            if !self.acquire_request().await? {
                return Ok(Sent::Paused);
            }
            match self.context.client.upload_raw(source.kind.mime, body).await {
                Ok(token) => {
                    let hash = sent.hash().unwrap_or(ContentHash([0; 32]));
                    return Ok(Sent::Token(token, hash));
                }
                // The next request brings a new access token: once more, without a wait.
                Err(error) if error.kind() == Kind::AccessTokenRefused && !retried => {
                    retried = true;
                }
                Err(error) => return Ok(Sent::Failed(error)),
            }
        }
    }

    /// Whether the service takes any bytes: sends a few of this file, which are not used.
    pub(super) async fn probe_upload_endpoint(&self, source: &Source) -> Result<bool> {
        if !self.acquire_request().await? {
            return Ok(false);
        }
        let few = FileBody::new(
            Arc::clone(&source.file),
            0,
            source.stat.size.min(PROBE_BYTES),
            blake3::Hasher::new(),
            Arc::default(),
            self.bandwidth.clone(),
        );
        let client = &self.context.client;
        let sent = client.upload_raw("application/octet-stream", few).await;
        Ok(sent.is_ok())
    }

    fn body(
        &self,
        source: &Source,
        offset: u64,
        size: u64,
        hasher: blake3::Hasher,
        transfer: &Transfer,
    ) -> FileBody {
        let file = Arc::clone(&source.file);
        let bandwidth = self.bandwidth.clone();
        FileBody::new(file, offset, size, hasher, transfer.position(), bandwidth)
    }

    /// Counts a request to the upload endpoint that is about to be sent. False if it may not be sent. Checked
    /// before each request: a worker may be at its file for hours.
    async fn acquire_request(&self) -> Result<bool> {
        if !self.may_send() {
            return Ok(false);
        }
        let (store, now) = (&self.context.store, self.context.clock.now());
        store.about_to_send(Sending::Upload, now).await?;
        // The store takes its time.
        Ok(self.may_send())
    }

    fn may_send(&self) -> bool {
        let account = &self.context.account;
        let is_paused = matches!(account.check(), Permit::Closed { .. })
            // Another worker could not reach the service. This one may: that saves hashing the file again.
            && account.pause().state != AccountState::Unreachable;
        !is_paused && !self.failures.is_pause_requested(self.context.clock.now())
    }
}

/// A file that is sent through a resumable session.
struct ResumableUpload<'a> {
    sender: &'a Sender,
    item: ItemId,
    source: &'a Source,
    transfer: &'a Transfer,
    session: Option<Session>,
    /// Whether the service must be asked for its offset before anything is sent.
    must_query: bool,
    /// The highest offset that any session of this file has reached: only what is beyond counts as progress.
    furthest: u64,
    /// Tries in a row without a byte of progress.
    stalled: u32,
    /// How often a session was started again.
    restarts: u32,
    /// A hasher that has seen so many bytes.
    hashed: Option<(u64, blake3::Hasher)>,
}

/// The token and hash of a complete upload; none if there is more to send.
type Progress = Option<(UploadToken, ContentHash)>;

/// Why a step was not done.
enum Broken {
    Failed(photos_api::Error),
    /// No request may be sent now.
    Paused,
    /// The store failed.
    Store(crate::context::Error),
}

impl From<photos_api::Error> for Broken {
    fn from(error: photos_api::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::context::Error> for Broken {
    fn from(error: crate::context::Error) -> Self {
        Self::Store(error)
    }
}

impl From<crate::store::Error> for Broken {
    fn from(error: crate::store::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        photos_api::Error::new(Kind::Body, "the file could not be read again").into()
    }
}

impl ResumableUpload<'_> {
    async fn run(mut self) -> Result<Sent> {
        let context = &self.sender.context;
        loop {
            if context.stop.is_cancelled() {
                return Ok(Sent::Stopped);
            }
            let error = match self.advance().await {
                Ok(Some((token, hash))) => return Ok(Sent::Token(token, hash)),
                Ok(None) => continue,
                Err(Broken::Paused) => return Ok(Sent::Paused),
                Err(Broken::Store(error)) => return Err(error),
                Err(Broken::Failed(error)) => error,
            };
            self.must_query = true;
            self.stalled += 1;
            let is_over = matches!(error.kind(), Kind::SessionGone | Kind::EmptyToken);
            let is_stuck = self.stalled > MAX_TRIES;
            if is_over || is_stuck && error.kind() == Kind::OffsetMismatch {
                context.store.session_dropped(self.item).await?;
                self.session = None;
                self.restarts += 1;
            }
            // A pause that the service asks for is for all uploads, so the task has to know of it.
            if is_stuck || self.restarts > MAX_RESTARTS || pause::is_requested(&error) {
                return Ok(Sent::Failed(error));
            }
            let retry = &context.config.retry;
            let after = |failures| retry.after_server_error(failures, fastrand::f64());
            let wait = match error.kind() {
                // The very next request repairs these; if it does not, a wait may.
                Kind::SessionGone
                | Kind::EmptyToken
                | Kind::AccessTokenRefused
                | Kind::OffsetMismatch => self.stalled.checked_sub(2).map_or(Duration::ZERO, after),
                Kind::Unanswered | Kind::Server | Kind::Garbled => after(self.stalled - 1),
                _ => return Ok(Sent::Failed(error)),
            };
            tracing::info!(
                item.id = self.item.0,
                "an upload broke off and goes on where it stopped: {error}"
            );
            tokio::select! {
                () = context.stop.cancelled() => return Ok(Sent::Stopped),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One step: opens the session, asks for its offset if needed, sends the next chunk.
    async fn advance(&mut self) -> std::result::Result<Progress, Broken> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.open().await?,
        };
        let step = self.query_and_send(&mut session).await;
        self.session = Some(session);
        step
    }

    async fn query_and_send(
        &mut self,
        session: &mut Session,
    ) -> std::result::Result<Progress, Broken> {
        if self.must_query {
            self.acquire_request().await?;
            let size = self.source.stat.size;
            match self
                .sender
                .context
                .client
                .query_session(&session.url)
                .await?
            {
                SessionAnswer::Active { received } => {
                    let received = received.unwrap_or(0).min(size);
                    self.transfer.resume_at(received);
                    self.reached(session, received).await?;
                }
                SessionAnswer::Final(Some(token)) => {
                    self.transfer.resume_at(size);
                    // The session was complete already: its bytes are those of the file, if the file is
                    // still what was hashed at the claim.
                    let hasher = self.hasher_at(size).await?;
                    return Ok(Some((token, ContentHash(*hasher.finalize().as_bytes()))));
                }
                // The service has the bytes and does not repeat the token: they are sent again.
                SessionAnswer::Final(None) => return Err(empty_token()),
            }
            self.must_query = false;
        }
        self.send_chunk(session).await
    }

    async fn open(&mut self) -> std::result::Result<Session, Broken> {
        self.acquire_request().await?;
        let (context, source) = (&self.sender.context, self.source);
        let begun = context
            .client
            .start_session(source.kind.mime, source.stat.size)
            .await?;
        let session = Session {
            url: begun.url,
            granularity: begun.granularity,
            offset: 0,
            stat: source.stat,
            opened_at: context.clock.now(),
        };
        context
            .store
            .session_opened(self.item, session.clone())
            .await?;
        self.must_query = false;
        Ok(session)
    }

    async fn send_chunk(&mut self, session: &mut Session) -> std::result::Result<Progress, Broken> {
        let (sender, source) = (self.sender, self.source);
        let hasher = self.hasher_at(session.offset).await?;
        let left = source.stat.size - session.offset;
        let chunk = self.chunk_size(session.granularity);
        let (size, part) = if chunk < left {
            (chunk, Part::More)
        } else {
            (left, Part::Last)
        };
        let body = sender.body(source, session.offset, size, hasher, self.transfer);
        let sent = body.sent();
        self.acquire_request().await?;
        let answered = sender
            .context
            .client
            .send_part(&session.url, session.offset, part, body)
            .await?;
        match answered {
            SessionAnswer::Final(Some(token)) => {
                let hash = sent.hash().unwrap_or(ContentHash([0; 32]));
                Ok(Some((token, hash)))
            }
            SessionAnswer::Final(None) => Err(empty_token()),
            SessionAnswer::Active { .. } => {
                let offset = session.offset + size;
                self.hashed = sent.hasher().map(|hasher| (offset, hasher));
                self.reached(session, offset).await?;
                Ok(None)
            }
        }
    }

    async fn acquire_request(&self) -> std::result::Result<(), Broken> {
        if self.sender.acquire_request().await? {
            Ok(())
        } else {
            Err(Broken::Paused)
        }
    }

    /// The service has so many bytes.
    async fn reached(&mut self, session: &mut Session, offset: u64) -> Result<()> {
        if offset > self.furthest {
            self.furthest = offset;
            self.stalled = 0;
        }
        session.offset = offset;
        let store = &self.sender.context.store;
        Ok(store.session_at(self.item, offset).await?)
    }

    /// How much one request sends: all of it, or `chunk_size` rounded up to the granularity of the service.
    fn chunk_size(&self, granularity: u64) -> u64 {
        let granularity = granularity.max(1);
        match self.sender.context.config.upload.chunk_size {
            0 => u64::MAX,
            size => size.div_ceil(granularity).saturating_mul(granularity),
        }
    }

    /// A hasher that has seen the bytes before `offset`: kept from the last chunk, or read again.
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

fn empty_token() -> Broken {
    photos_api::Error::new(Kind::EmptyToken, "").into()
}
