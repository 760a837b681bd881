//! From a connection to an answer: which part of the sandbox serves a request, and what happens when
//! the client does not wait for it.
//!
//! Each request is served by a task of its own, which a client that hangs up does not stop: what was
//! begun is finished, as the service does it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::Response,
};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method as Verb, request::Parts};
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    answer::{Answer, Refusal},
    api,
    blobs::Blobs,
    clock::Clock,
    connection::Scissors,
    gallery, pictures,
    route::{self, Kind},
    script,
    uploads::{self, Intakes},
    world::{Visit, World},
};

/// Bytes of a JSON body; a full batchCreate has some 80 kB.
const MAX_JSON: usize = 16 << 20;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) blobs: Blobs,
    pub(super) clock: Clock,
    pub(super) intakes: Intakes,
    pub(super) bytes_received: AtomicU64,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// Whether something changed that the snapshot does not have.
    pub(super) is_dirty: AtomicBool,
    /// Held while a snapshot is written.
    pub(super) saving: Mutex<()>,
}

/// How a request ends.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Answer),
    /// The connection is reset.
    Cut,
    /// Nothing ever comes.
    Hang,
}

impl Shared {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        // A panic under the lock has been reported by then; the others go on.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps in real time, or until the sandbox stops.
    pub(super) async fn rest(&self, millis: u64) {
        if millis > 0 {
            let sleep = tokio::time::sleep(Duration::from_millis(millis));
            self.stop.run_until_cancelled(sleep).await;
        }
    }

    pub(super) fn changed(&self) {
        self.is_dirty.store(true, Ordering::Relaxed);
    }

    /// Notes an answer: that it was given, and what it tells a client that gets to read it.
    pub(super) fn note(&self, visit: &Visit, path: &str, answer: &Answer) {
        let now = self.clock.now();
        let world = &mut *self.world();
        let is_lost = visit.effect.cut_after || visit.effect.hang || visit.gone.is_cancelled();
        if !is_lost {
            let told = (answer.status, &answer.body[..]);
            world
                .limits
                .answered(visit.method, now, told, &world.settings);
        }
        world
            .log
            .answered(now, Some(visit.method), path, answer.status);
    }
}

/// Serves one request.
pub(super) async fn serve(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response {
    let gone = CancellationToken::new();
    let hung_up = gone.clone().drop_guard();
    let task = dispatch(Arc::clone(&shared), request, gone);
    let outcome = shared.tasks.spawn(task).await;
    hung_up.disarm();
    match outcome {
        Ok(Outcome::Answer(answer)) => answer.into_response(),
        Ok(Outcome::Cut | Outcome::Hang) => {
            scissors.cut();
            // The connection is gone before this is written.
            Answer::empty(500).into_response()
        }
        Err(_) => Answer::text(500, "text/plain", "the sandbox failed; this is its fault\n")
            .into_response(),
    }
}

async fn dispatch(shared: Arc<Shared>, request: Request, gone: CancellationToken) -> Outcome {
    let arrival = Instant::now();
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Some(route) = route::of(&parts.method, &path, parts.uri.query(), &parts.headers) else {
        return Outcome::Answer(beside_the_api(&shared, &parts, body).await);
    };
    let visit = shared
        .world()
        .visit(route.method, (shared.clock.now(), arrival), &gone);
    let outcome = if route.method.kind() == Kind::Upload {
        uploads::serve(&shared, &visit, &parts, body).await
    } else {
        api::serve(&shared, &visit, &route, &parts, body).await
    };
    if let Outcome::Hang = outcome {
        tokio::select! {
            () = visit.gone.cancelled() => {}
            () = shared.stop.cancelled() => {}
        }
    }
    if let Ok(Some(ticket)) = &visit.ticket {
        shared.world().limits.left(ticket);
    }
    outcome
}

/// The page, the bytes, and what tests use.
async fn beside_the_api(shared: &Shared, parts: &Parts, body: Body) -> Answer {
    let path = parts.uri.path();
    let get = parts.method == Verb::GET || parts.method == Verb::HEAD;
    let now = shared.clock.now();
    if get && let Some(rest) = path.strip_prefix("/sandbox/bytes/") {
        return pictures::by_id(shared, rest, &parts.headers).await;
    }
    if get && let Some(rest) = path.strip_prefix("/lr/") {
        return pictures::by_base_url(shared, rest, &parts.headers).await;
    }
    match (parts.method.as_str(), path) {
        ("GET" | "HEAD", "/") => gallery::page(&shared.world()),
        ("GET" | "HEAD", "/sandbox/gallery.css") => gallery::style(),
        ("GET", "/sandbox/state") => {
            let bytes_received = shared.bytes_received.load(Ordering::Relaxed);
            Answer::json(&shared.world().state(now, bytes_received))
        }
        ("GET", "/sandbox/requests") => Answer::json(&shared.world().log.records()),
        ("GET", "/sandbox/faults") => Answer::json(&script::present(&shared.world(), now)),
        ("DELETE", "/sandbox/faults") => {
            let mut world = shared.world();
            script::clear(&mut world);
            Answer::json(&script::present(&world, now))
        }
        ("POST", "/sandbox/faults") => scripted(shared, body).await,
        _ => {
            drain(shared, body).await;
            nothing_here(shared, parts)
        }
    }
}

async fn scripted(shared: &Shared, body: Body) -> Answer {
    let Some(body) = read_all(body).await else {
        return Answer::json(&json!({"error": "the script is too large"})).with_status(413);
    };
    let script: Result<Value, _> = serde_json::from_slice(&body);
    let done = match script {
        Ok(script) => script::run(&mut shared.world(), &shared.clock, &script),
        Err(error) => Err(format!("the script is no JSON: {error}")),
    };
    shared.changed();
    match done {
        Ok(present) => Answer::json(&present),
        Err(sentence) => Answer::json(&json!({ "error": sentence })).with_status(400),
    }
}

fn nothing_here(shared: &Shared, parts: &Parts) -> Answer {
    let path = parts.uri.path();
    let now = shared.clock.now();
    let mut world = shared.world();
    world.log.answered(now, None, path, 404);
    if route::is_api(path) {
        let detail = format!("{} {path}", parts.method);
        world.log.broken("unknown_address", detail);
        return Refusal::not_found("unknown_address").answer(None, world.settings.error_details);
    }
    Answer::text(404, "text/plain; charset=UTF-8", "There is nothing here.\n")
}

/// A whole small body; none if it broke off or is too large.
pub(super) async fn read_all(body: Body) -> Option<Bytes> {
    axum::body::to_bytes(body, MAX_JSON).await.ok()
}

/// Takes what the client still sends, so that it gets to read the answer.
pub(super) async fn drain(shared: &Shared, body: Body) {
    let mut body = body.into_data_stream();
    while let Some(Ok(bytes)) = body.next().await {
        shared
            .bytes_received
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}
