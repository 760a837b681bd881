//! Where the service is, and how long it may take.

use std::time::Duration;

use url::{Host, Url};

use super::error::{Error, Kind};

/// The four addresses of the service; plain http is taken for this machine only.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// The Library API, without `/v1`.
    pub api: Url,
    /// The page on which the user consents.
    pub auth: Url,
    /// Exchange and refresh of tokens.
    pub token: Url,
    /// Revocation of tokens.
    pub revoke: Url,
}

impl Endpoints {
    /// Refuses addresses over which a token would travel in the open.
    pub fn check(&self) -> Result<(), Error> {
        [&self.api, &self.auth, &self.token, &self.revoke]
            .into_iter()
            .try_for_each(check)
    }
}

/// What a [`super::Client`] is made of, beside its sign-in.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the service is.
    pub endpoints: Endpoints,
    /// How many uploads run at once: so many connections are kept.
    pub parallel: usize,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// How long things may take; the defaults are the ones to use outside tests.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// To a connection, TLS included.
    pub connect: Duration,
    /// A reading call, from its start to the last byte of the answer; Google's own client waits as
    /// long (fact sheet, section 3.4).
    pub read: Duration,
    /// A mutating call, from its start to the last byte of the answer: longer than the four minutes
    /// that one was seen to hang (fact sheet, section 3.4).
    pub write: Duration,
    /// An upload whose byte counter stands still for so long is given up.
    pub stall: Duration,
    /// From the last byte of an upload to the whole answer.
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

/// Refuses an address over which a token would travel in the open.
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
