//! Connections, and answers of bounded size.
//!
//! Two kinds of connection: JSON calls share one over HTTP/2, uploads have HTTP/1.1 connections of
//! their own, because over HTTP/2 all of them would share a single one. Neither follows a redirect
//! nor repeats anything by itself.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::failpoint::{self, Moment};

use super::{
    endpoints::{Settings, Timeouts, is_loopback},
    error::{Error, Kind},
    redact,
};

/// The most bytes of a JSON answer; a page of 100 media items is some 100 kB.
pub(super) const JSON_LIMIT: usize = 8 << 20;

/// The most bytes of an upload token, of the sign-in server's answers, and of an error.
pub(super) const SMALL_LIMIT: usize = 64 << 10;

/// How often a connection with calls in flight is asked whether it still lives.
const PING: Duration = Duration::from_secs(30);

/// How long sent data may stay unacknowledged: the 30 s that reqwest sets would close connections
/// over bad links that the watchdog would still wait for.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_mins(2);

/// An answer, read to its end or to its limit.
pub(super) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Connections for JSON calls and for the sign-in.
pub(super) fn json_client(url: &Url, timeouts: &Timeouts) -> Result<reqwest::Client, Error> {
    // A connection that died in silence (sleep, a router's restart) must not swallow call after call.
    build(
        common(url, timeouts)
            .gzip(true)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(timeouts.connect),
    )
}

/// Connections for bytes: no total timeout, the watchdog looks after them.
pub(super) fn upload_client(settings: &Settings) -> Result<reqwest::Client, Error> {
    build(
        common(&settings.endpoints.api, &settings.timeouts)
            .gzip(false)
            .http1_only()
            .pool_max_idle_per_host(settings.parallel),
    )
}

fn common(url: &Url, timeouts: &Timeouts) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("albumen/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(timeouts.connect);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let builder = builder.tcp_user_timeout(UNACKNOWLEDGED);
    if is_loopback(url) && url.scheme() == "http" {
        // A token in the open must not go to a proxy, and a machine without certificates can still
        // talk to itself.
        builder.no_proxy().tls_certs_only([])
    } else {
        builder
    }
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, Error> {
    builder.build().map_err(|error| {
        Error::new(Kind::Setup, "no TLS connection can be set up")
            .with_source(error)
            .with_hint("install the system's CA certificates (package `ca-certificates`)")
    })
}

/// Sends once and reads the answer, at most `limit` bytes of a success and [`SMALL_LIMIT`] of the rest.
pub(super) async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    limit: usize,
) -> Result<Reply, Error> {
    failpoint::point(Moment::BeforeRequest);
    let response = client.execute(request).await.map_err(failure)?;
    let status = response.status();
    let headers = response.headers().clone();
    let success = status.is_success();
    let limit = if success { limit } else { SMALL_LIMIT };
    let body = match read(response, limit).await {
        Ok(body) => body,
        // The status of a refusal is enough to go on with.
        Err(_) if !success => Bytes::new(),
        Err(error) => return Err(error.with_status(status)),
    };
    failpoint::point(Moment::AfterRequest);
    Ok(Reply {
        status,
        headers,
        body,
    })
}

async fn read(mut response: reqwest::Response, limit: usize) -> Result<Bytes, Error> {
    let success = response.status().is_success();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        let room = limit - body.len();
        if chunk.len() > room {
            if success {
                return Err(Error::new(
                    Kind::Garbled,
                    "the answer is larger than any that the service gives",
                ));
            }
            body.extend_from_slice(&chunk[..room]);
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What a failed exchange means. The address is taken out: a session's is a secret.
pub(super) fn failure(error: reqwest::Error) -> Error {
    let error = error.without_url();
    if error.is_connect() {
        // The layers above the cause only say again that nobody could be reached.
        Error::new(Kind::Unreachable, &redact::cause(&error))
    } else if error.is_builder() {
        Error::new(Kind::Setup, "the request cannot be written").with_source(error)
    } else if error.is_timeout() {
        Error::new(Kind::Unanswered, "no answer in time").with_source(error)
    } else {
        Error::new(Kind::Unanswered, "the connection broke").with_source(error)
    }
}
