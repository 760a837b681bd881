//! `POST /v1/uploads`: the raw and the resumable protocol (fact sheet, sections 2.1 and 2.2).
//!
//! Bodies are streamed to the disk and count as they arrive. What is wrong with a request is found out
//! first; its body is taken all the same, so that the client gets to read the answer.

mod sessions;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
};

use axum::body::Body;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, request::Parts};
use tokio::sync::Mutex as SessionLock;

use super::{
    answer::{Answer, Refusal},
    blobs::{Intake, Stored},
    faults::Effect,
    library::{Upload, new_upload_token, random_text},
    oauth::value,
    route::{self, Method},
    server::{Outcome, Shared, drain},
    world::Visit,
};

/// Bytes of an upload (fact sheet, section 2.3).
const MAX_BYTES: u64 = 20_000_000_000;

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
    let named = parts.headers.get("x-goog-upload-content-type");
    let asked = named.map_or(&b""[..], |value| value.as_bytes());
    let is_met = effect.meets(asked);
    if effect.cut_before && is_met {
        return Outcome::Cut;
    }
    if effect.hang && is_met && !effect.commit.unwrap_or(false) {
        drain(shared, body).await;
        return Outcome::Hang;
    }
    let stand_in = effect.stand_in(visit.method, asked, &shared.world().settings);
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
    shared.rest(effect.delay_ms.unwrap_or(0)).await;
    shared.note(visit, parts.uri.path(), &answer);
    if effect.cut_after && is_met {
        return Outcome::Cut;
    }
    if effect.hang && is_met {
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
        Method::UploadsStart => Ok(sessions::start(shared, headers)),
        Method::UploadsUpload => sessions::upload(shared, visit, id, headers, body).await,
        Method::UploadsFinalize => sessions::end(shared, visit, id).await,
        Method::UploadsQuery => sessions::ask(shared, id).await,
        Method::UploadsCancel => sessions::cancel(shared, id).await,
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
        if received.saturating_add(bytes.len() as u64) > room {
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
