//! `POST /v1/uploads`: the raw and the resumable protocol (fact sheet, sections 2.1 and 2.2).
//!
//! Bodies are streamed to disk and count as they arrive. One request at a time works on a session; the
//! next one waits until the bytes of the last one are on disk. Where the service's responses are not
//! known, they are those of Google's own mock.

use std::{io, sync::Arc};

use axum::body::Body;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, header, request::Parts};

use crate::{
    clock::later,
    discovery::{header_text, pairs, param},
    errors::{Blame, Outcome, Refusal, Response},
    faults::Effect,
    oauth::{random_text, secret},
    persistence::{IncomingFile, StoredFile},
    state::{Call, Session, SessionFile, SessionStatus, Shared, Upload},
};

/// Bytes of an upload (fact sheet, section 2.3).
const MAX_BYTES: u64 = 20_000_000_000;

const UPLOAD_ID: HeaderName = HeaderName::from_static("x-guploader-uploadid");
const STATUS: HeaderName = HeaderName::from_static("x-goog-upload-status");
const RECEIVED: HeaderName = HeaderName::from_static("x-goog-upload-size-received");
const SESSION_URL: HeaderName = HeaderName::from_static("x-goog-upload-url");
const CONTROL_URL: HeaderName = HeaderName::from_static("x-goog-upload-control-url");
const GRANULARITY: HeaderName = HeaderName::from_static("x-goog-upload-chunk-granularity");

/// Why an upload request does not succeed.
enum Failure {
    /// The connection is lost: by the script, or the client hung up.
    Cut,
    TooLarge,
    Refused(Refusal),
    /// An error of the session protocol, or of the sandbox's own disk.
    Response(Response),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let message = format!("the sandbox cannot store these bytes: {error}");
        Self::Response(Response::text(500, "text/plain", message))
    }
}

/// Carries out an upload request. A body that is not needed stays in `body`.
pub(crate) async fn serve(
    shared: &Shared,
    call: &Call,
    parts: &Parts,
    body: &mut Option<Body>,
) -> Result<Response, Outcome> {
    let admitted = shared.state().admit(call, &parts.headers);
    let result = match admitted {
        Ok(()) => run_step(shared, call, parts, body).await,
        Err(refusal) => Err(refusal.into()),
    };
    let mut state = shared.state();
    state.is_dirty = true;
    match result {
        Ok(response) | Err(Failure::Response(response)) => Ok(response),
        Err(Failure::Cut) => Err(Outcome::Cut),
        Err(Failure::TooLarge) => {
            let refusal = Refusal::canned("too_large_413", Blame::Rule("upload_too_large"));
            Ok(state.refuse(call, &refusal))
        }
        Err(Failure::Refused(refusal)) => Ok(state.refuse(call, &refusal)),
    }
}

async fn run_step(
    shared: &Shared,
    call: &Call,
    parts: &Parts,
    body: &mut Option<Body>,
) -> Result<Response, Failure> {
    let headers = &parts.headers;
    let query = pairs(parts.uri.query().unwrap_or("").as_bytes());
    let request = SessionRequest {
        shared,
        call,
        id: param(&query, "upload_id"),
    };
    match call.method.name {
        "uploads.raw" => raw(shared, call, headers, body).await,
        "uploads.start" => Ok(start(shared, headers)),
        "uploads.upload" => request.upload(headers, body).await,
        "uploads.finalize" => {
            let file = request.open()?;
            let mut file = file.lock().await;
            request.finalize(&mut file).await
        }
        "uploads.query" => request.query().await,
        "uploads.cancel" => request.cancel().await,
        _ => Err(Refusal::rule("upload_command").into()),
    }
}

async fn raw(
    shared: &Shared,
    call: &Call,
    headers: &HeaderMap,
    body: &mut Option<Body>,
) -> Result<Response, Failure> {
    check_types(shared, headers, true);
    let name = random_text(15);
    let mut file = shared.blobs.begin(&name);
    let received = match body.take() {
        Some(body) => receive(shared, body, &mut file, &call.effect, MAX_BYTES).await,
        None => Ok(0),
    };
    if !matches!(received, Ok(1..)) {
        // A write that is still under way must end before the file is removed.
        let _ = file.flush().await;
        shared.blobs.discard(&name);
        received?;
        return Err(Refusal::rule("empty_upload").into());
    }
    sleep_latency(shared, call).await;
    let stored = shared.blobs.keep(file).await?;
    let token = add_upload(
        shared,
        stored,
        header_text(headers, "x-goog-upload-file-name"),
    );
    Ok(Response::text(200, "text/plain", token).with(UPLOAD_ID, &name))
}

/// Streams a body of at most `room` bytes into a file; returns the number of bytes.
async fn receive(
    shared: &Shared,
    body: Body,
    file: &mut IncomingFile,
    effect: &Effect,
    room: u64,
) -> Result<u64, Failure> {
    let mut body = body.into_data_stream();
    let mut received: u64 = 0;
    while let Some(bytes) = body.next().await {
        let mut bytes = bytes.map_err(|_| Failure::Cut)?;
        let until_cut = effect
            .cut_body_after
            .map(|cut| cut.saturating_sub(received));
        let is_cut = until_cut.is_some_and(|left| left <= bytes.len() as u64);
        if let Some(left) = until_cut {
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if received.saturating_add(bytes.len() as u64) > room {
            while body.next().await.is_some_and(|bytes| bytes.is_ok()) {}
            return Err(Failure::TooLarge);
        }
        received += bytes.len() as u64;
        shared.state().bytes_received += bytes.len() as u64;
        file.push(&bytes).await?;
        if is_cut {
            return Err(Failure::Cut);
        }
    }
    Ok(received)
}

/// Gives stored bytes an upload token.
fn add_upload(shared: &Shared, stored: StoredFile, file_name: &str) -> String {
    let mut state = shared.state();
    let upload = Upload {
        sha256: stored.sha256,
        size: stored.size,
        media: stored.media,
        born: state.now,
        file_name: file_name.to_owned(),
        used: false,
    };
    state.library.add_upload(upload)
}

async fn sleep_latency(shared: &Shared, call: &Call) {
    let latency = shared.state().settings.latency_ms(call.method);
    shared.sleep(latency).await;
}

/// Logs missing content types; the service does not refuse them, as it looks at the content.
fn check_types(shared: &Shared, headers: &HeaderMap, has_body: bool) {
    let log = &mut shared.state().log;
    if header_text(headers, "x-goog-upload-content-type").is_empty() {
        log.broken(
            "upload_content_type",
            "X-Goog-Upload-Content-Type is missing",
        );
    }
    if has_body && header_text(headers, "content-type") != "application/octet-stream" {
        log.broken(
            "content_type",
            "Content-Type is not application/octet-stream",
        );
    }
}

fn start(shared: &Shared, headers: &HeaderMap) -> Response {
    check_types(shared, headers, false);
    let total = header_text(headers, "x-goog-upload-raw-size").parse().ok();
    let mut state = shared.state();
    if total.is_none() {
        let detail = "a session began without its size";
        state.log.broken("upload_raw_size", detail);
    }
    if header_text(headers, "x-goog-upload-protocol") != "resumable" {
        let detail = "a session began without its protocol";
        state.log.broken("upload_protocol", detail);
    }
    let id = secret("", 160);
    let session = Session {
        total,
        file_name: header_text(headers, "x-goog-upload-file-name").to_owned(),
        born: state.now,
        status: SessionStatus::Active,
        token: None,
    };
    state.library.sessions.insert(id.clone(), session);
    let origin = origin(headers);
    let url = format!("{origin}/v1/uploads?upload_id={id}&upload_protocol=resumable");
    session_response(200, "", Some("active"))
        .with(SESSION_URL, &url)
        .with(CONTROL_URL, &url)
        .with(GRANULARITY, &state.settings.granularity.to_string())
        .with(UPLOAD_ID, &id)
}

/// The client's view of the sandbox's address: behind a TLS proxy it is the host that the client used.
fn origin(headers: &HeaderMap) -> String {
    let host = header_text(headers, header::HOST.as_str());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_loopback = name == "localhost" || name == "[::1]" || name.starts_with("127.");
    format!("{}://{host}", if is_loopback { "http" } else { "https" })
}

fn session_response(status: u16, message: &str, upload_status: Option<&str>) -> Response {
    let content_type = "text/plain; charset=utf-8";
    let response = Response::text(status, content_type, message.to_owned());
    match upload_status {
        Some(text) => response.with(STATUS, text),
        None => response,
    }
}

/// A request for one session.
struct SessionRequest<'a> {
    shared: &'a Shared,
    call: &'a Call,
    id: &'a str,
}

impl SessionRequest<'_> {
    async fn upload(
        &self,
        headers: &HeaderMap,
        body: &mut Option<Body>,
    ) -> Result<Response, Failure> {
        let file = self.open()?;
        let mut slot = file.lock().await;
        let session = self.active()?;
        let Ok(offset) = header_text(headers, "x-goog-upload-offset").parse::<u64>() else {
            return Err(self.broken("upload_offset", "Invalid upload offset.", "active"));
        };
        let command = header_text(headers, "x-goog-upload-command").to_ascii_lowercase();
        let is_last = command.contains("finalize");
        let length: Option<u64> = header_text(headers, "content-length").parse().ok();
        let (granularity, mismatch) = {
            let settings = &self.shared.state().settings;
            (settings.granularity, settings.offset_mismatch_status)
        };
        if !is_last && length.is_some_and(|length| length % granularity != 0) {
            let message = "The chunk is no multiple of the granularity.";
            return Err(self.broken("chunk_granularity", message, "active"));
        }
        let file = self.file(&mut slot).await?;
        let received = file.flush().await?;
        if offset != received {
            let message = format!("Expected offset {received}, got {offset}.");
            self.shared
                .state()
                .log
                .refused("offset_mismatch", message.as_str());
            let response = session_response(mismatch, &message, Some("active"));
            return Err(Failure::Response(response));
        }
        let total = session.total.unwrap_or(MAX_BYTES);
        if total > MAX_BYTES {
            return Err(Failure::TooLarge);
        }
        let body = body.take().ok_or(Failure::Cut)?;
        let room = total.saturating_sub(received);
        let result = receive(self.shared, body, file, &self.call.effect, room).await;
        let received = file.flush().await?;
        self.shared.state().is_dirty = true;
        match result {
            Err(Failure::TooLarge) if session.total.is_some() => {
                let message = "More bytes than the session was opened for.";
                return Err(self.broken("more_than_raw_size", message, "active"));
            }
            result => result?,
        };
        if is_last {
            return self.finalize(&mut slot).await;
        }
        sleep_latency(self.shared, self.call).await;
        Ok(session_response(200, "", Some("active")).with(RECEIVED, &received.to_string()))
    }

    /// Ends a session that has all of its bytes.
    async fn finalize(&self, slot: &mut Option<IncomingFile>) -> Result<Response, Failure> {
        let session = self.active()?;
        let received = self.file(slot).await?.flush().await?;
        if received == 0 {
            return Err(Refusal::rule("empty_upload").into());
        }
        if session.total.is_some_and(|total| total != received) {
            let message =
                format!("The session has {received} bytes, not all that it was opened for.");
            return Err(self.broken("less_than_raw_size", &message, "active"));
        }
        sleep_latency(self.shared, self.call).await;
        let file = slot.take().ok_or(Failure::Cut)?;
        let stored = self.shared.blobs.keep(file).await?;
        let token = add_upload(self.shared, stored, &session.file_name);
        let mut state = self.shared.state();
        if let Some(session) = state.library.sessions.get_mut(self.id) {
            session.status = SessionStatus::Final;
            session.token = Some(token.clone());
        }
        state.incoming_files.remove(self.id);
        Ok(Response::text(200, "text/plain", token).with(STATUS, "final"))
    }

    async fn query(&self) -> Result<Response, Failure> {
        let file = self.open()?;
        let mut slot = file.lock().await;
        let session = self.session()?;
        match session.status {
            SessionStatus::Cancelled => Err(Failure::Response(session_response(
                410,
                "",
                Some("cancelled"),
            ))),
            SessionStatus::Final => {
                let is_told = self.shared.state().settings.final_query_returns_token;
                let token = session.token.filter(|_| is_told).unwrap_or_default();
                Ok(session_response(200, &token, Some("final")))
            }
            SessionStatus::Active => {
                let received = self.file(&mut slot).await?.flush().await?.to_string();
                Ok(session_response(200, "", Some("active")).with(RECEIVED, &received))
            }
        }
    }

    async fn cancel(&self) -> Result<Response, Failure> {
        let file = self.open()?;
        let mut slot = file.lock().await;
        if self.session()?.status == SessionStatus::Final {
            let message = "Upload has already been terminated.";
            return Err(self.broken("cancel_of_final", message, "final"));
        }
        if let Some(mut file) = slot.take() {
            let _ = file.flush().await;
        }
        self.shared.blobs.discard(self.id);
        let mut state = self.shared.state();
        if let Some(session) = state.library.sessions.get_mut(self.id) {
            session.status = SessionStatus::Cancelled;
        }
        state.incoming_files.remove(self.id);
        Ok(session_response(200, "", Some("cancelled")))
    }

    /// The file of the session, which must exist; locked by one request at a time.
    fn open(&self) -> Result<Arc<SessionFile>, Failure> {
        self.session()?;
        let files = &mut self.shared.state().incoming_files;
        Ok(Arc::clone(files.entry(self.id.to_owned()).or_default()))
    }

    fn session(&self) -> Result<Session, Failure> {
        let mut state = self.shared.state();
        let lifetime = state.settings.session_lifetime_s;
        let session = state.library.sessions.get(self.id);
        let session = session.filter(|session| state.now < later(session.born, lifetime));
        session.cloned().ok_or_else(|| {
            state
                .log
                .refused("unknown_session", "no such upload session");
            Failure::Response(session_response(404, "Upload not found.", None))
        })
    }

    fn active(&self) -> Result<Session, Failure> {
        let session = self.session()?;
        let status = match session.status {
            SessionStatus::Active => return Ok(session),
            SessionStatus::Final => "final",
            SessionStatus::Cancelled => "cancelled",
        };
        let message = "Upload has already been terminated.";
        Err(self.broken("ended_session", message, status))
    }

    /// The open file; after a restart of the sandbox it is opened again.
    async fn file<'a>(
        &self,
        slot: &'a mut Option<IncomingFile>,
    ) -> Result<&'a mut IncomingFile, Failure> {
        let file = match slot.take() {
            Some(file) => file,
            None => self.shared.blobs.resume(self.id).await?,
        };
        Ok(slot.insert(file))
    }

    /// Logs a broken rule of the session protocol; its error is plain text.
    fn broken(&self, rule: &'static str, message: &str, upload_status: &str) -> Failure {
        self.shared.state().log.broken(rule, message);
        Failure::Response(session_response(400, message, Some(upload_status)))
    }
}
