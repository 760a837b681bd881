//! `POST /v1/uploads`: the raw and the resumable protocol (fact sheet, sections 2.1 and 2.2).
//!
//! Bytes count as they arrive: a session that lost its connection knows what it got. One request at a
//! time works on a session; the next one waits until the last one's bytes are on the disk.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use axum::body::Body;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, header, request::Parts};
use tokio::sync::Mutex as SessionLock;

use super::{
    answer::{Answer, Refusal},
    blobs::{Intake, Stored},
    clock::SECOND,
    faults::Effect,
    library::{Session, SessionStatus, Upload, new_upload_token, random_text},
    oauth::value,
    route::{self, Method},
    server::{Outcome, Shared, drain},
    world::Visit,
};

/// Bytes of an upload (fact sheet, section 2.3).
const MAX_BYTES: u64 = 20_000_000_000;

const STATUS: HeaderName = HeaderName::from_static("x-goog-upload-status");
const RECEIVED: HeaderName = HeaderName::from_static("x-goog-upload-size-received");
const SESSION_URL: HeaderName = HeaderName::from_static("x-goog-upload-url");
const CONTROL_URL: HeaderName = HeaderName::from_static("x-goog-upload-control-url");
const GRANULARITY: HeaderName = HeaderName::from_static("x-goog-upload-chunk-granularity");
const UPLOAD_ID: HeaderName = HeaderName::from_static("x-guploader-uploadid");

/// The files of open sessions, by session.
#[derive(Debug, Default)]
pub(super) struct Intakes(Mutex<HashMap<String, Arc<SessionLock<Option<Intake>>>>>);

/// Why bytes stopped coming.
enum Interrupted {
    /// By the script, or the client hung up.
    Connection,
    /// The sandbox could not write.
    Disk(std::io::Error),
    TooLarge,
}

/// How an upload request ends before its time.
enum End {
    Outcome(Outcome),
    Refusal(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

impl From<Answer> for End {
    fn from(answer: Answer) -> Self {
        Self::Outcome(Outcome::Answer(answer))
    }
}

impl Intakes {
    fn of(&self, session: &str) -> Arc<SessionLock<Option<Intake>>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(session.to_owned()).or_default())
    }

    fn forget(&self, session: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(session);
    }
}

pub(super) async fn serve(shared: &Shared, visit: &Visit, parts: &Parts, body: Body) -> Outcome {
    let effect = &visit.effect;
    if effect.cut_before {
        return Outcome::Cut;
    }
    let stand_in = effect.stand_in(visit.method, &shared.world().settings);
    let answer = match stand_in {
        Some((answer, false)) => {
            drain(shared, body).await;
            answer
        }
        stand_in => match done(shared, visit, parts, body).await {
            Ok(answer) => stand_in.map_or(answer, |(answer, _)| answer),
            Err(outcome) => return outcome,
        },
    };
    if effect.hang && !effect.commit.unwrap_or(false) {
        return Outcome::Hang;
    }
    shared.rest(effect.delay_ms.unwrap_or(0)).await;
    shared.note(visit.method, parts.uri.path(), &answer);
    if effect.cut_after {
        return Outcome::Cut;
    }
    if effect.hang {
        return Outcome::Hang;
    }
    Outcome::Answer(answer)
}

/// Does what the request asks; an error is an end without an answer.
async fn done(
    shared: &Shared,
    visit: &Visit,
    parts: &Parts,
    body: Body,
) -> Result<Answer, Outcome> {
    let mut body = Some(body);
    let admitted = shared
        .world()
        .admit(visit, &parts.headers, shared.clock.now());
    let end = match admitted {
        Ok(()) => step(shared, visit, parts, &mut body).await,
        Err(refusal) => Err(refusal.into()),
    };
    shared.changed();
    if let Some(body) = body {
        drain(shared, body).await;
    }
    match end {
        Ok(answer) | Err(End::Outcome(Outcome::Answer(answer))) => Ok(answer),
        Err(End::Outcome(outcome)) => Err(outcome),
        Err(End::Refusal(refusal)) => {
            let mut world = shared.world();
            world.log.refused(Some(visit.method), &refusal);
            Ok(refusal.answer(Some(visit.method), world.settings.error_details))
        }
    }
}

async fn step(
    shared: &Shared,
    visit: &Visit,
    parts: &Parts,
    body: &mut Option<Body>,
) -> Result<Answer, End> {
    let headers = &parts.headers;
    let query = route::pairs(parts.uri.query());
    let id = value(&query, "upload_id");
    match visit.method {
        Method::UploadsRaw => raw(shared, visit, headers, body).await,
        Method::UploadsStart => Ok(start(shared, headers)),
        Method::UploadsUpload => upload(shared, visit, id, headers, body).await,
        Method::UploadsFinalize => {
            let lock = open(shared, id)?;
            let mut intake = lock.lock().await;
            active(shared, id)?;
            finalize(shared, visit, id, &mut intake).await
        }
        Method::UploadsQuery => ask(shared, id).await,
        Method::UploadsCancel => cancel(shared, id).await,
        _ => Err(Refusal::broken("upload_command", "Unknown upload command or protocol.").into()),
    }
}

async fn raw(
    shared: &Shared,
    visit: &Visit,
    headers: &HeaderMap,
    body: &mut Option<Body>,
) -> Result<Answer, End> {
    note_types(shared, headers, true);
    let name = random_text(15);
    let mut intake = shared.blobs.begin(&name);
    let received = match body.take() {
        Some(body) => receive(shared, body, &mut intake, &visit.effect, MAX_BYTES).await,
        None => Ok(0),
    };
    let ended = match received {
        Ok(0) => Err(empty_payload().into()),
        Ok(_) => Ok(()),
        Err(why) => Err(interrupted(why)),
    };
    if let Err(end) = ended {
        // What may still be on its way to the file is waited for, so that it does not come back.
        let _ = intake.settle().await;
        shared.blobs.forget(&name);
        return Err(end);
    }
    rest(shared, visit).await;
    let stored = shared.blobs.keep(intake).await.map_err(disk_failed)?;
    let token = mint(shared, stored, text(headers, "x-goog-upload-file-name"));
    Ok(Answer::text(200, "text/plain", token).with(UPLOAD_ID, &name))
}

fn start(shared: &Shared, headers: &HeaderMap) -> Answer {
    note_types(shared, headers, false);
    let total = text(headers, "x-goog-upload-raw-size").parse().ok();
    let now = shared.clock.now();
    let mut world = shared.world();
    if total.is_none() {
        world
            .log
            .broken("upload_raw_size", "a session began without its size");
    }
    if text(headers, "x-goog-upload-protocol") != "resumable" {
        world
            .log
            .broken("upload_protocol", "a session began without its protocol");
    }
    let id = random_text(120);
    world.library.sessions.insert(
        id.clone(),
        Session {
            total,
            file_name: text(headers, "x-goog-upload-file-name").to_owned(),
            born: now,
            status: SessionStatus::Active,
            token: None,
        },
    );
    let url = format!(
        "{}/v1/uploads?upload_id={id}&upload_protocol=resumable",
        origin(headers)
    );
    Answer::text(200, "text/plain; charset=utf-8", "")
        .with(STATUS, "active")
        .with(SESSION_URL, &url)
        .with(CONTROL_URL, &url)
        .with(GRANULARITY, &world.settings.granularity.to_string())
        .with(UPLOAD_ID, &id)
}

async fn upload(
    shared: &Shared,
    visit: &Visit,
    id: &str,
    headers: &HeaderMap,
    body: &mut Option<Body>,
) -> Result<Answer, End> {
    let lock = open(shared, id)?;
    let mut slot = lock.lock().await;
    let session = active(shared, id)?;
    let Ok(offset) = text(headers, "x-goog-upload-offset").parse::<u64>() else {
        return Err(protocol_error(
            shared,
            400,
            "upload_offset",
            "Invalid upload offset.",
            Some("active"),
        )
        .into());
    };
    let is_last = text(headers, "x-goog-upload-command")
        .to_ascii_lowercase()
        .contains("finalize");
    let length: Option<u64> = text(headers, "content-length").parse().ok();
    let (granularity, mismatch) = {
        let world = shared.world();
        (
            world.settings.granularity,
            world.settings.offset_mismatch_status,
        )
    };
    if !is_last && length.is_some_and(|length| length % granularity != 0) {
        let message = "The chunk is no multiple of the granularity.";
        return Err(
            protocol_error(shared, 400, "chunk_granularity", message, Some("active")).into(),
        );
    }
    let intake = taken(shared, id, &mut slot).await?;
    let received = intake.settle().await.map_err(disk_failed)?;
    if offset != received {
        let message = format!("Expected offset {received}, got {offset}.");
        world_note(shared, "offset_mismatch", &message);
        return Err(with_status(mismatch, &message, Some("active")).into());
    }
    let total = session.total.unwrap_or(MAX_BYTES);
    if total > MAX_BYTES {
        return Err(too_large().into());
    }
    let Some(body) = body.take() else {
        return Err(End::Outcome(Outcome::Cut));
    };
    let outcome = receive(
        shared,
        body,
        intake,
        &visit.effect,
        total - received.min(total),
    )
    .await;
    let received = intake.settle().await.map_err(disk_failed)?;
    shared.changed();
    match outcome {
        Err(Interrupted::TooLarge) if session.total.is_some() => {
            let message = "More bytes than the session was opened for.";
            return Err(
                protocol_error(shared, 400, "more_than_raw_size", message, Some("active")).into(),
            );
        }
        Err(why) => return Err(interrupted(why)),
        Ok(_) => {}
    }
    if is_last {
        return finalize(shared, visit, id, &mut slot).await;
    }
    rest(shared, visit).await;
    Ok(with_status(200, "", Some("active")).with(RECEIVED, &received.to_string()))
}

/// Ends a session whose bytes are all there.
async fn finalize(
    shared: &Shared,
    visit: &Visit,
    id: &str,
    slot: &mut Option<Intake>,
) -> Result<Answer, End> {
    let session = active(shared, id)?;
    let intake = taken(shared, id, slot).await?;
    let received = intake.settle().await.map_err(disk_failed)?;
    if received == 0 {
        return Err(empty_payload().into());
    }
    if session.total.is_some_and(|total| total != received) {
        let message = format!("The session has {received} bytes, not all that it was opened for.");
        return Err(
            protocol_error(shared, 400, "less_than_raw_size", &message, Some("active")).into(),
        );
    }
    rest(shared, visit).await;
    let Some(intake) = slot.take() else {
        return Err(End::Outcome(Outcome::Cut));
    };
    let stored = shared.blobs.keep(intake).await.map_err(disk_failed)?;
    let token = mint(shared, stored, &session.file_name);
    if let Some(session) = shared.world().library.sessions.get_mut(id) {
        session.status = SessionStatus::Final;
        session.token = Some(token.clone());
    }
    shared.intakes.forget(id);
    Ok(Answer::text(200, "text/plain", token).with(STATUS, "final"))
}

async fn ask(shared: &Shared, id: &str) -> Result<Answer, End> {
    let lock = open(shared, id)?;
    let mut slot = lock.lock().await;
    let session = find(shared, id)?;
    match session.status {
        SessionStatus::Cancelled => Err(with_status(410, "", Some("cancelled")).into()),
        SessionStatus::Final => {
            let token = session
                .token
                .filter(|_| shared.world().settings.final_query_returns_token);
            Ok(with_status(200, &token.unwrap_or_default(), Some("final")))
        }
        SessionStatus::Active => {
            let intake = taken(shared, id, &mut slot).await?;
            let received = intake.settle().await.map_err(disk_failed)?;
            Ok(with_status(200, "", Some("active")).with(RECEIVED, &received.to_string()))
        }
    }
}

async fn cancel(shared: &Shared, id: &str) -> Result<Answer, End> {
    let lock = open(shared, id)?;
    let mut slot = lock.lock().await;
    if find(shared, id)?.status == SessionStatus::Final {
        return Err(protocol_error(
            shared,
            400,
            "cancel_of_final",
            "Upload has already been terminated.",
            Some("final"),
        )
        .into());
    }
    if let Some(session) = shared.world().library.sessions.get_mut(id) {
        session.status = SessionStatus::Cancelled;
    }
    if let Some(mut intake) = slot.take() {
        let _ = intake.settle().await;
    }
    shared.blobs.forget(id);
    shared.intakes.forget(id);
    Ok(with_status(200, "", Some("cancelled")))
}

/// Streams a body into a file; says how many bytes came.
async fn receive(
    shared: &Shared,
    body: Body,
    intake: &mut Intake,
    effect: &Effect,
    room: u64,
) -> Result<u64, Interrupted> {
    let mut body = body.into_data_stream();
    let mut received: u64 = 0;
    while let Some(bytes) = body.next().await {
        let Ok(mut bytes) = bytes else {
            return Err(Interrupted::Connection);
        };
        let cut_in = effect
            .cut_body_after
            .map(|after| after.saturating_sub(received));
        let is_cut = cut_in.is_some_and(|left| left <= bytes.len() as u64);
        if let Some(left) = cut_in {
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if received + bytes.len() as u64 > room {
            while body.next().await.is_some_and(|bytes| bytes.is_ok()) {}
            return Err(Interrupted::TooLarge);
        }
        received += bytes.len() as u64;
        shared
            .bytes_received
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        intake.push(&bytes).await.map_err(Interrupted::Disk)?;
        if is_cut {
            return Err(Interrupted::Connection);
        }
    }
    Ok(received)
}

fn interrupted(why: Interrupted) -> End {
    match why {
        Interrupted::Connection => End::Outcome(Outcome::Cut),
        Interrupted::Disk(error) => disk_failed(error),
        Interrupted::TooLarge => too_large().into(),
    }
}

fn empty_payload() -> Refusal {
    Refusal::broken("empty_upload", "Payload must not be empty")
}

fn too_large() -> Refusal {
    Refusal {
        http: 413,
        ..Refusal::broken(
            "upload_too_large",
            "The request exceeded the max file size limit of 20 GB.",
        )
    }
}

/// The sandbox's own disk is no fault of anybody's.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn disk_failed(error: std::io::Error) -> End {
    let message = format!("the sandbox cannot keep these bytes: {error}");
    End::Outcome(Outcome::Answer(Answer::text(500, "text/plain", message)))
}

/// Gives the stored bytes a token.
fn mint(shared: &Shared, stored: Stored, file_name: &str) -> String {
    let token = new_upload_token();
    let upload = Upload {
        sha256: stored.sha256,
        size: stored.size,
        media: stored.media,
        born: shared.clock.now(),
        file_name: file_name.to_owned(),
        used: false,
    };
    shared.world().library.uploads.insert(token.clone(), upload);
    token
}

async fn rest(shared: &Shared, visit: &Visit) {
    let latency = shared.world().settings.latency_ms(visit.method);
    shared.rest(latency).await;
}

/// The lock of a session that exists.
fn open(shared: &Shared, id: &str) -> Result<Arc<SessionLock<Option<Intake>>>, End> {
    find(shared, id)?;
    Ok(shared.intakes.of(id))
}

fn find(shared: &Shared, id: &str) -> Result<Session, End> {
    let now = shared.clock.now();
    let world = shared.world();
    let lifetime = world.settings.session_lifetime_s * SECOND;
    let session = world.library.sessions.get(id).cloned();
    drop(world);
    session
        .filter(|session| now < session.born + lifetime)
        .ok_or_else(|| {
            world_note(shared, "unknown_session", "no such upload session");
            with_status(404, "Upload not found.", None).into()
        })
}

fn active(shared: &Shared, id: &str) -> Result<Session, End> {
    let session = find(shared, id)?;
    let status = match session.status {
        SessionStatus::Active => return Ok(session),
        SessionStatus::Final => "final",
        SessionStatus::Cancelled => "cancelled",
    };
    let message = "Upload has already been terminated.";
    Err(protocol_error(shared, 400, "ended_session", message, Some(status)).into())
}

/// The file of a session; after a restart of the sandbox it is found on the disk.
async fn taken<'a>(
    shared: &Shared,
    id: &str,
    slot: &'a mut Option<Intake>,
) -> Result<&'a mut Intake, End> {
    let intake = match slot.take() {
        Some(intake) => intake,
        None => shared.blobs.resume(id).await.map_err(disk_failed)?,
    };
    Ok(slot.insert(intake))
}

fn with_status(status: u16, message: &str, upload_status: Option<&str>) -> Answer {
    let answer = Answer::text(status, "text/plain; charset=utf-8", message.to_owned());
    match upload_status {
        Some(text) => answer.with(STATUS, text),
        None => answer,
    }
}

/// An error of the session protocol, which is told in plain text.
fn protocol_error(
    shared: &Shared,
    status: u16,
    rule: &'static str,
    message: &str,
    upload_status: Option<&str>,
) -> Answer {
    shared.world().log.broken(rule, message);
    with_status(status, message, upload_status)
}

fn world_note(shared: &Shared, what: &'static str, message: &str) {
    shared.world().log.refused_item(what, message.to_owned());
}

/// Missing types are noted, not refused: the service sniffs.
fn note_types(shared: &Shared, headers: &HeaderMap, has_body: bool) {
    if text(headers, "x-goog-upload-content-type").is_empty() {
        shared.world().log.broken(
            "upload_content_type",
            "X-Goog-Upload-Content-Type is missing",
        );
    }
    if has_body && text(headers, "content-type") != "application/octet-stream" {
        shared.world().log.broken(
            "content_type",
            "Content-Type is not application/octet-stream",
        );
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
        .trim()
}

/// Where the client sees the service: behind a TLS front it is the name that the client asked for.
fn origin(headers: &HeaderMap) -> String {
    let host = text(headers, header::HOST.as_str());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_loopback = name == "localhost" || name == "[::1]" || name.starts_with("127.");
    format!("{}://{host}", if is_loopback { "http" } else { "https" })
}
