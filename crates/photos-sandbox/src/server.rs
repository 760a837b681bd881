//! The HTTP server: connections that can be reset, and the way of a request to its response.
//!
//! Each request is served by its own task, which a client that hangs up does not stop: what has begun is
//! finished, as the service does it. A reset connection is not closed in good order, because broken
//! networks do not do that either. Stopping resets all connections that are left.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State as Shares, connect_info::Connected},
    response::Response as HttpResponse,
    serve::{IncomingStream, Listener},
};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, header, request::Parts};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    albums,
    batch_create::batch_create,
    discovery::{self, Kind, Pairs, header_text, pairs, param, read_body},
    errors::{Blame, Outcome, Refusal, Response},
    gallery, media_items,
    oauth::{self, Bearer},
    rule_log::{Record, without_credentials},
    script,
    state::{Call, Shared, State},
    uploads,
};

/// Bytes of a JSON body; a full batchCreate has some 80 kB.
const MAX_JSON: usize = 16 << 20;

/// Pause before accepting again when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections that are reset when `stop` is cancelled.
#[derive(Debug)]
pub(crate) struct ResettableListener {
    pub(crate) listener: TcpListener,
    pub(crate) stop: CancellationToken,
}

impl Listener for ResettableListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            if let Ok((stream, peer)) = self.listener.accept().await {
                // Responses are small and written at once: Nagle's algorithm would only delay them.
                let _ = stream.set_nodelay(true);
                let reset = self.stop.child_token();
                let connection = Connection {
                    stream,
                    is_reset: Box::pin(reset.clone().cancelled_owned()),
                    reset,
                };
                return (connection, peer);
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that can be reset.
pub(crate) struct Connection {
    stream: TcpStream,
    reset: CancellationToken,
    is_reset: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    /// The stream; an error once the connection is reset. Wakes the task when that happens.
    fn stream(&mut self, cx: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        if self.is_reset.as_mut().poll(cx).is_ready() {
            // Without this the kernel would still deliver what it has buffered.
            let _ = self.stream.set_zero_linger();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(Pin::new(&mut self.stream))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Resets the connection of a request when it is cancelled.
#[derive(Debug, Clone)]
pub(crate) struct Reset(CancellationToken);

impl Connected<IncomingStream<'_, ResettableListener>> for Reset {
    fn connect_info(stream: IncomingStream<'_, ResettableListener>) -> Self {
        Self(stream.io().reset.clone())
    }
}

/// Serves one request.
pub(crate) async fn serve(
    Shares(shared): Shares<Arc<Shared>>,
    ConnectInfo(reset): ConnectInfo<Reset>,
    request: Request,
) -> HttpResponse {
    let gone = CancellationToken::new();
    let hung_up = gone.clone().drop_guard();
    let task = dispatch(Arc::clone(&shared), request, gone);
    let outcome = shared.tasks.spawn(task).await;
    hung_up.disarm();
    let response = match outcome {
        Ok(Outcome::Response(response)) => response,
        Ok(Outcome::Cut | Outcome::Hang) => {
            reset.0.cancel();
            // Never sent: the connection is reset first.
            Response::empty(500)
        }
        Err(_) => Response::text(500, "text/plain", "the sandbox failed; this is its fault\n"),
    };
    response.into_http()
}

async fn dispatch(shared: Arc<Shared>, request: Request, gone: CancellationToken) -> Outcome {
    let arrival = Instant::now();
    let (parts, body) = request.into_parts();
    let query = pairs(parts.uri.query().unwrap_or("").as_bytes());
    let found = discovery::route(&parts.method, parts.uri.path(), &query, &parts.headers);
    let Some((method, id)) = found else {
        return Outcome::Response(serve_sandbox(&shared, &parts, body).await);
    };
    let call = shared.state().begin(method, arrival, &gone);
    let request = ServiceRequest {
        shared: &shared,
        call: &call,
        id,
        query,
        parts: &parts,
    };
    let outcome = request.serve(body).await;
    if let Outcome::Hang = outcome {
        tokio::select! {
            () = call.gone.cancelled() => {}
            () = shared.stop.cancelled() => {}
        }
    }
    if let Ok(Some(ticket)) = &call.ticket {
        shared.state().quota.end_write(ticket);
    }
    outcome
}

/// Serves the gallery, bytes of items, and what tests use.
async fn serve_sandbox(shared: &Shared, parts: &Parts, body: Body) -> Response {
    let path = parts.uri.path();
    let is_get = parts.method == http::Method::GET || parts.method == http::Method::HEAD;
    if is_get && let Some(id) = path.strip_prefix("/sandbox/bytes/") {
        return gallery::by_id(shared, id, &parts.headers).await;
    }
    if is_get && let Some(rest) = path.strip_prefix("/lr/") {
        return gallery::by_base_url(shared, rest, &parts.headers).await;
    }
    match (parts.method.as_str(), path) {
        ("GET" | "HEAD", "/") => gallery::page(&shared.state()),
        ("GET" | "HEAD", "/sandbox/gallery.css") => gallery::style(),
        ("GET", "/sandbox/state") => Response::json(&shared.state().describe()),
        ("GET", "/sandbox/requests") => Response::json(&shared.state().log.records()),
        ("GET", "/sandbox/faults") => Response::json(&script::describe(&shared.state())),
        ("DELETE", "/sandbox/faults") => {
            let mut state = shared.state();
            script::clear(&mut state);
            Response::json(&script::describe(&state))
        }
        ("POST", "/sandbox/faults") => run_script(shared, body).await,
        _ => {
            drain(shared, Some(body)).await;
            not_found(shared, parts)
        }
    }
}

async fn run_script(shared: &Shared, body: Body) -> Response {
    let Some(body) = read_all(body).await else {
        return Response::json(&json!({"error": "the script is too large"})).with_status(413);
    };
    let result = match serde_json::from_slice(&body) {
        Ok(script) => script::run(&mut shared.state(), &script),
        Err(error) => Err(format!("the script is no JSON: {error}")),
    };
    match result {
        Ok(description) => Response::json(&description),
        Err(message) => Response::json(&json!({ "error": message })).with_status(400),
    }
}

fn not_found(shared: &Shared, parts: &Parts) -> Response {
    let path = parts.uri.path();
    let mut state = shared.state();
    let now = state.now;
    state.log.answered(now, None, path, 404);
    if path.starts_with("/v1/") {
        let detail = format!("{} {path}", parts.method);
        state.log.broken("unknown_address", detail);
        let details = state.settings.error_details;
        return Refusal::not_found("unknown_address").response(false, details);
    }
    Response::text(404, "text/plain; charset=UTF-8", "There is nothing here.\n")
}

/// A whole small body; none if it broke off or is too large.
async fn read_all(body: Body) -> Option<Bytes> {
    axum::body::to_bytes(body, MAX_JSON).await.ok()
}

/// Reads what the client still sends, so that it gets to read the response.
async fn drain(shared: &Shared, body: Option<Body>) {
    let Some(body) = body else {
        return;
    };
    let mut body = body.into_data_stream();
    while let Some(Ok(bytes)) = body.next().await {
        shared.state().bytes_received += bytes.len() as u64;
    }
}

/// A request for a method of the service.
struct ServiceRequest<'a> {
    shared: &'a Shared,
    call: &'a Call,
    /// The id in the path.
    id: String,
    query: Pairs,
    parts: &'a Parts,
}

impl ServiceRequest<'_> {
    /// Carries the request out, with the script's faults before and after that.
    async fn serve(&self, body: Body) -> Outcome {
        let (shared, call, parts) = (self.shared, self.call, self.parts);
        let (effect, is_upload) = (&call.effect, call.method.is_upload());
        // Uploads are streamed; the body of a JSON call is read at once.
        let (mut stream, mut json) = (Some(body), Bytes::new());
        if !is_upload && let Some(body) = stream.take() {
            match read_all(body).await {
                Some(body) => json = body,
                None => return Outcome::Cut,
            }
        }
        let content = match parts.uri.query() {
            _ if is_upload => header_text(&parts.headers, "x-goog-upload-content-type").as_bytes(),
            Some(query) if json.is_empty() => query.as_bytes(),
            _ => &json,
        };
        let applies = effect.applies_to(content);
        if effect.cut_before && applies {
            return Outcome::Cut;
        }
        let (latency, replacement) = {
            let settings = &shared.state().settings;
            let replacement = effect.replacement(call.method, content, settings);
            (settings.latency_ms(call.method), replacement)
        };
        if !is_upload && call.ticket.is_ok() {
            shared.sleep(latency).await;
        }
        if effect.hang && applies && !effect.commit.unwrap_or(false) {
            drain(shared, stream).await;
            return Outcome::Hang;
        }
        let mut real = None;
        if replacement.as_ref().is_none_or(|(_, is_done)| *is_done) {
            real = if is_upload {
                match uploads::serve(shared, call, parts, &mut stream).await {
                    Ok(response) => Some(response),
                    Err(outcome) => return outcome,
                }
            } else {
                Some(self.run(&json))
            };
        }
        drain(shared, stream).await;
        let replacement = replacement.map(|(response, _)| response);
        let response = replacement.or(real).unwrap_or_else(|| Response::empty(500));
        shared.sleep(effect.delay_ms.unwrap_or(0)).await;
        let mut state = shared.state();
        state.answered(call, parts.uri.path(), &response);
        if matches!(call.method.kind, Kind::Read | Kind::Write) {
            state.log.record(self.record(&json, &response));
        }
        match () {
            () if effect.cut_after && applies => Outcome::Cut,
            () if effect.hang && applies => Outcome::Hang,
            () => Outcome::Response(response),
        }
    }

    fn record(&self, body: &[u8], response: &Response) -> Record {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let uri = &self.parts.uri;
        Record {
            method: self.call.method.name,
            http: self.parts.method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or("").to_owned(),
            headers: without_credentials(&self.parts.headers),
            request: text(body),
            status: response.status,
            answer: text(&response.body),
        }
    }

    /// Carries out a JSON call or a step of sign-in.
    fn run(&self, body: &[u8]) -> Response {
        let state = &mut *self.shared.state();
        state.is_dirty = true;
        if self.call.method.kind == Kind::Oauth {
            return self.sign_in(state, body);
        }
        match self.run_json(state, body) {
            Ok(response) => response,
            Err(refusal) => state.refuse(self.call, &refusal),
        }
    }

    fn sign_in(&self, state: &mut State, body: &[u8]) -> Response {
        let (headers, now) = (&self.parts.headers, state.now);
        match self.call.method.name {
            "oauth.auth" => {
                let effect = &self.call.effect;
                state.oauth.auth(&self.query, effect, now, &mut state.log)
            }
            "oauth.token" => {
                let lifetime = state.settings.token_lifetime_s;
                state.oauth.token(headers, &pairs(body), now, lifetime)
            }
            "oauth.revoke" => {
                let token = token_to_revoke(headers, &self.query, body);
                state.oauth.revoke(&token)
            }
            "oauth.userinfo" => {
                let arrival = self.call.arrival;
                let bearer = state.oauth.bearer(headers, now, arrival, &mut state.log);
                let Bearer::Good(_) = bearer else {
                    return oauth::error(401, "invalid_request", "Invalid Credentials");
                };
                let picture = format!("{}/", state.address);
                let (id, name) = ("sandbox", "Sandbox");
                Response::json(&json!({
                    "sub": id, "name": name, "given_name": name, "picture": picture,
                }))
            }
            _ => openid_configuration(&state.address),
        }
    }

    fn run_json(&self, state: &mut State, body: &[u8]) -> Result<Response, Refusal> {
        let (method, id, query) = (self.call.method, self.id.as_str(), &self.query);
        state.admit(self.call, &self.parts.headers)?;
        method.check_query(query)?;
        let body = match method.request {
            Some(schema) => {
                self.check_content_type(state, body);
                read_body(body, schema)?
            }
            None => Value::Null,
        };
        let answer = match method.name {
            "mediaItems.batchCreate" => return batch_create(state, &body, &self.call.effect),
            "mediaItems.batchGet" => media_items::batch_get(state, query),
            "mediaItems.get" => media_items::get(state, id),
            "mediaItems.list" => media_items::list(state, query),
            "mediaItems.search" => media_items::search(state, &body),
            "mediaItems.patch" => media_items::patch(state, id, query, &body),
            "albums.create" => albums::create(state, &body),
            "albums.get" => albums::get(state, id),
            "albums.list" => albums::list(state, query),
            "albums.patch" => albums::patch(state, id, query, &body),
            "albums.batchAddMediaItems" => albums::batch_add(state, id, &body),
            "albums.batchRemoveMediaItems" => albums::batch_remove(state, id, &body),
            "albums.addEnrichment" => albums::add_enrichment(state, id, &body),
            "sharedAlbums.leave" => albums::leave_shared(&body),
            _ => {
                let blame = Blame::Circumstance("retired_method");
                Err(Refusal::canned("forbidden_403", blame))
            }
        };
        Ok(Response::json(&answer?))
    }

    /// Logs a body that is not declared as JSON; the service is believed to accept it.
    fn check_content_type(&self, state: &mut State, body: &[u8]) {
        let content_type = header_text(&self.parts.headers, "content-type");
        if !body.is_empty() && !content_type.starts_with("application/json") {
            let detail = format!("{}: `{content_type}`", self.call.method.name);
            state.log.broken("json_content_type", detail);
        }
    }
}

/// The token comes as a form, in the query, or, from rclone, as a part of a multipart body.
fn token_to_revoke(headers: &HeaderMap, query: &Pairs, body: &[u8]) -> String {
    let in_query = param(query, "token");
    if !in_query.is_empty() {
        return in_query.to_owned();
    }
    if !header_text(headers, header::CONTENT_TYPE.as_str()).starts_with("multipart/") {
        return param(&pairs(body), "token").to_owned();
    }
    let text = String::from_utf8_lossy(body);
    let part = text
        .split_once("name=\"token\"")
        .map_or("", |(_, rest)| rest);
    let value = part.split_once("\r\n\r\n").map_or("", |(_, rest)| rest);
    value.split("\r\n").next().unwrap_or("").to_owned()
}

fn openid_configuration(address: &str) -> Response {
    Response::json(&json!({
        "issuer": "https://accounts.google.com",
        "authorization_endpoint": format!("{address}/o/oauth2/v2/auth"),
        "token_endpoint": format!("{address}/token"),
        "userinfo_endpoint": format!("{address}/oauth2/v3/userinfo"),
        "revocation_endpoint": format!("{address}/revoke"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
    }))
}
