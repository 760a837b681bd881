//! Addresses, timeouts, connections, and answers of bounded size.
//!
//! JSON calls share one HTTP/2 connection; uploads have HTTP/1.1 connections of their own, because with
//! HTTP/2 all of them would share one. Neither follows redirects nor retries.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use url::{Host, Url};

use crate::failpoint::{self, Moment};

use super::{
    error::{Error, Kind},
    redact,
};

/// The addresses of the service; plain http is accepted for this machine only.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The Library API, without `/v1`.
    pub api: Url,
    /// The consent page.
    pub auth: Url,
    /// The token endpoint.
    pub token: Url,
    /// The revocation endpoint.
    pub revoke: Url,
}

impl Endpoints {
    /// Refuses addresses that would send a token unencrypted.
    pub fn check(&self) -> Result<(), Error> {
        [&self.api, &self.auth, &self.token, &self.revoke]
            .into_iter()
            .try_for_each(check)
    }
}

/// The configuration of a [`super::Client`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// The addresses of the service.
    pub endpoints: Endpoints,
    /// The number of parallel uploads, and of connections kept for them.
    pub parallel: usize,
    /// The timeouts.
    pub timeouts: Timeouts,
}

/// Timeouts; use the defaults outside tests.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For a connection, including TLS.
    pub connect: Duration,
    /// For a reading call, up to the last byte of the answer; Google's own client waits as long
    /// (fact sheet, section 3.4).
    pub read: Duration,
    /// For a mutating call, up to the last byte of the answer: longer than the four minutes that one
    /// was seen to hang (fact sheet, section 3.4).
    pub write: Duration,
    /// An upload without progress for so long fails.
    pub stall: Duration,
    /// From the last byte of an upload to the complete answer.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            read: Duration::from_mins(1),
            write: Duration::from_mins(5),
            stall: Duration::from_mins(1),
            answer: Duration::from_mins(2),
        }
    }
}

/// Refuses an address that would send a token unencrypted.
pub(super) fn check(url: &Url) -> Result<(), Error> {
    match url.scheme() {
        "https" if url.has_host() => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => Err(Error::new(
            Kind::Setup,
            "an address of the service is neither https nor on this machine",
        )
        .with_hint("plain http is accepted for loopback addresses only")),
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    }
}

/// The most bytes of a JSON answer; a page of 100 media items is some 100 kB.
pub(super) const JSON_LIMIT: usize = 8 << 20;

/// The most bytes of an upload token, an answer of the sign-in server, or an error.
pub(super) const SMALL_LIMIT: usize = 64 << 10;

/// Between two HTTP/2 pings on a connection with calls in flight.
const PING: Duration = Duration::from_secs(30);

/// How long sent data may stay unacknowledged: the 30 s that reqwest sets would close slow connections
/// for which the stall timeout would still wait.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_mins(2);

/// An answer, complete or cut at its limit.
pub(super) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A client for JSON calls and for the sign-in.
pub(super) fn json_client(url: &Url, timeouts: &Timeouts) -> Result<reqwest::Client, Error> {
    // Pings detect a dead connection (sleep, a router's restart) before the next calls time out on it.
    build(
        common(url, timeouts)
            .gzip(true)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(timeouts.connect),
    )
}

/// A client for uploads: no total timeout, the stall timeout replaces it.
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
        // An unencrypted token must not go to a proxy, and certificates are not needed here.
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
        // The status of a refusal is enough.
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

/// The error of a failed exchange, without the address: that of a session is a secret.
pub(super) fn failure(error: reqwest::Error) -> Error {
    let error = error.without_url();
    if error.is_connect() {
        // The errors above the cause add nothing.
        Error::new(Kind::Unreachable, &redact::cause(&error))
    } else if error.is_builder() {
        Error::new(Kind::Setup, "the request cannot be written").with_source(error)
    } else if error.is_timeout() {
        Error::new(Kind::Unanswered, "no answer in time").with_source(error)
    } else {
        Error::new(Kind::Unanswered, "the connection broke").with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        let allowed = |url: &str| check(&url.parse().unwrap()).is_ok();
        assert!(allowed("https://photoslibrary.googleapis.com"));
        assert!(allowed("http://127.0.0.1:8080"));
        assert!(allowed("http://[::1]:8080"));
        assert!(allowed("http://localhost:1"));
        assert!(!allowed("http://photoslibrary.googleapis.com"));
        assert!(!allowed("http://127.0.0.1.example.com"));
        assert!(!allowed("http://0.0.0.0:1"));
        assert!(!allowed("ftp://127.0.0.1"));
    }
}
