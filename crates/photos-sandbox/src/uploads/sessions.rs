//! The resumable protocol: sessions that know what they got (fact sheet, section 2.2).
//!
//! One request at a time works on a session; the next one waits until the last one's bytes are on the
//! disk. Where the service's answers are not known, they are those of Google's own mock.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderName, header};
use tokio::sync::Mutex as SessionLock;

use super::super::{
    answer::Answer,
    blobs::Intake,
    clock::later,
    library::{Session, SessionStatus, secret},
    server::{Outcome, Shared},
    world::Visit,
};
use super::{
    End, Interrupted, MAX_BYTES, UPLOAD_ID, disk_failed, empty_payload, interrupted, mint,
    note_types, receive, rest, text, too_large,
};

const STATUS: HeaderName = HeaderName::from_static("x-goog-upload-status");
const RECEIVED: HeaderName = HeaderName::from_static("x-goog-upload-size-received");
const SESSION_URL: HeaderName = HeaderName::from_static("x-goog-upload-url");
const CONTROL_URL: HeaderName = HeaderName::from_static("x-goog-upload-control-url");
const GRANULARITY: HeaderName = HeaderName::from_static("x-goog-upload-chunk-granularity");

pub(super) fn start(shared: &Shared, headers: &HeaderMap) -> Answer {
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
    let id = secret("", 160);
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

/// The command `finalize` without bytes: they are all there already.
pub(super) async fn end(shared: &Shared, visit: &Visit, id: &str) -> Result<Answer, End> {
    let lock = open(shared, id)?;
    let mut intake = lock.lock().await;
    finalize(shared, visit, id, &mut intake).await
}

pub(super) async fn upload(
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

pub(super) async fn ask(shared: &Shared, id: &str) -> Result<Answer, End> {
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

pub(super) async fn cancel(shared: &Shared, id: &str) -> Result<Answer, End> {
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

/// The lock of a session that exists.
fn open(shared: &Shared, id: &str) -> Result<Arc<SessionLock<Option<Intake>>>, End> {
    find(shared, id)?;
    Ok(shared.intakes.of(id))
}

fn find(shared: &Shared, id: &str) -> Result<Session, End> {
    let now = shared.clock.now();
    let world = shared.world();
    let lifetime = world.settings.session_lifetime_s;
    let session = world.library.sessions.get(id).cloned();
    drop(world);
    session
        .filter(|session| now < later(session.born, lifetime))
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

/// Where the client sees the service: behind a TLS front it is the name that the client asked for.
fn origin(headers: &HeaderMap) -> String {
    let host = text(headers, header::HOST.as_str());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_loopback = name == "localhost" || name == "[::1]" || name.starts_with("127.");
    format!("{}://{host}", if is_loopback { "http" } else { "https" })
}
