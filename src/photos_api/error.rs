//! Errors of the service and of the connection to it, grouped by the reaction to them.
//!
//! Code acts on the [`Kind`], users read the message and the hint. Section 8.2 of the fact sheet has the
//! table of reactions.

use std::{borrow::Cow, fmt, io, sync::Arc, time::Duration};

use crate::escape::Escaped;

use super::redact;

/// The exceeded quota; each needs another wait (fact sheet, section 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// The requests of the project per day: stop until midnight Pacific.
    Day,
    /// Writes or uploads per minute: pause for at least 30 s.
    Minute,
    /// Another write of the same user is in flight: exponential backoff.
    Concurrent,
    /// An unnamed quota: handle like the minute's.
    Unknown,
}

/// What happened, named after the reaction to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing was sent: no network, no name, no connection, or the sign-in server out of reach.
    Unreachable,
    /// The request was sent, or part of it, and no whole answer came: the outcome is unknown.
    Unanswered,
    /// The service failed (5xx), or another writer was faster (409): retry later.
    Server,
    /// A success that cannot be parsed: the outcome is unknown.
    Garbled,
    /// A quota is exceeded.
    RateLimited(Limit),
    /// The access token was rejected (401). The next call uses a new one: retry once.
    AccessTokenRefused,
    /// The user must run `albumen login`.
    LoginNeeded,
    /// The user did not grant a scope that the call needs.
    ScopeMissing,
    /// The Photos Library API is not enabled in the Cloud project.
    ApiDisabled,
    /// The account has no Google Photos.
    PhotosDisabled,
    /// Not allowed (403), for no known reason.
    Forbidden,
    /// The account's storage is full.
    StorageFull,
    /// At least one upload token of the call is invalid; nothing was created.
    BadUploadToken,
    /// The album is unknown, foreign or malformed; 400 or 404, see [`Error::http_status`].
    AlbumRefused,
    /// The album would hold more items than an album can.
    AlbumFull,
    /// Unknown, or not made by this client (404).
    NotFound,
    /// The resumable session is over: start a new one from the first byte.
    SessionGone,
    /// The session expects another offset: query it, then continue.
    OffsetMismatch,
    /// The service accepted the bytes and returned no upload token.
    EmptyToken,
    /// The bytes were damaged in transit.
    Checksum,
    /// The file is larger than the service accepts.
    TooLarge,
    /// The service received no bytes.
    EmptyPayload,
    /// A media item id is unknown, foreign, or not yet visible.
    BadMediaItemId,
    /// The call has an id twice.
    DuplicateIds,
    /// Refused (4xx) for an unknown reason; the same call will be refused again.
    BadRequest,
    /// The file could not be read to its end; see [`Error::io`].
    Body,
    /// A problem of this machine: client secret, token file, certificates, addresses.
    Setup,
}

impl Kind {
    /// Whether the failure may be about the content of the call: another call can still succeed.
    pub fn concerns_call(self) -> bool {
        matches!(
            self,
            Self::Unanswered
                | Self::Server
                | Self::Garbled
                | Self::BadUploadToken
                | Self::BadRequest
                | Self::Forbidden
                | Self::BadMediaItemId
                | Self::DuplicateIds
        )
    }

    /// Whether the service may have executed a mutating call in spite of the error.
    pub fn outcome_unknown(self) -> bool {
        matches!(self, Self::Unanswered | Self::Garbled | Self::Server)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Unreachable => "the service cannot be reached",
            Self::Unanswered => {
                "no answer came, so it is not known whether the call was carried out"
            }
            Self::Server => "the service could not do it at the moment",
            Self::Garbled => "the answer of the service cannot be understood",
            Self::RateLimited(Limit::Day) => "the requests of the day are used up",
            Self::RateLimited(Limit::Minute) => "too many requests within a minute",
            Self::RateLimited(Limit::Concurrent) => "the service sees another write in progress",
            Self::RateLimited(Limit::Unknown) => "the service asks for a pause",
            Self::AccessTokenRefused => "the access token was refused",
            Self::LoginNeeded => "a new sign-in is needed",
            Self::ScopeMissing => "a permission was not granted at the sign-in",
            Self::ApiDisabled => "the Photos Library API is not enabled in the Cloud project",
            Self::PhotosDisabled => "Google Photos is switched off for this account",
            Self::Forbidden => "the service does not allow it",
            Self::StorageFull => "the storage of the account is full",
            Self::BadUploadToken => "an upload token is no longer valid",
            Self::AlbumRefused => "the service does not take this album",
            Self::AlbumFull => "the album is full",
            Self::NotFound => "the service does not know it, or hides it from this client",
            Self::SessionGone => "the upload session is over",
            Self::OffsetMismatch => "the upload session stands at another byte",
            Self::EmptyToken => "the service took the bytes and gave no upload token",
            Self::Checksum => "the bytes were damaged on the way",
            Self::TooLarge => "the file is larger than the service takes",
            Self::EmptyPayload => "the service saw no bytes",
            Self::BadMediaItemId => "a media item id is unknown to the service",
            Self::DuplicateIds => "an id was given twice",
            Self::BadRequest => "the service refused the request",
            Self::Body => "the file could not be read to its end",
            Self::Setup => "this machine is not set up for the service",
        }
    }

    fn hint(self) -> Option<&'static str> {
        match self {
            Self::LoginNeeded => Some("run `albumen login`"),
            Self::ScopeMissing => Some("run `albumen login` and leave every box ticked"),
            Self::ApiDisabled => Some(
                "enable the Photos Library API for the project in the Google Cloud console, wait a few minutes",
            ),
            Self::PhotosDisabled => {
                Some("ask the administrator of the account to switch Google Photos on")
            }
            Self::StorageFull => Some("free or buy storage; Albumen looks again by itself"),
            _ => None,
        }
    }
}

/// A failed call.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    http_status: Option<u16>,
    message: String,
    retry_after: Option<Duration>,
    hint: Option<Cow<'static, str>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` adds details, in the service's words or ours.
    pub fn new(kind: Kind, message: &str) -> Self {
        Self {
            kind,
            http_status: None,
            message: redact::redact(message, &[]),
            retry_after: None,
            hint: None,
            source: None,
        }
    }

    pub(super) fn with_status(mut self, status: http::StatusCode) -> Self {
        self.http_status = Some(status.as_u16());
        self
    }

    pub(super) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    pub(super) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn with_source(
        mut self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    pub(super) fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The reaction that it needs.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The HTTP status, if an answer came.
    pub fn http_status(&self) -> Option<u16> {
        self.http_status
    }

    /// The service's message, redacted; or ours.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The `Retry-After` of the service, at most a day.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What the user can do, for a separate `hint:` line.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref().or(self.kind.hint())
    }

    /// The I/O error below, for example of the file that could not be read ([`Kind::Body`]).
    pub fn io(&self) -> Option<&io::Error> {
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            if let Some(io) = error.downcast_ref() {
                return Some(io);
            }
            source = error.source();
        }
        None
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.words())?;
        if let Some(status) = self.http_status {
            write!(f, " (HTTP {status})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", Escaped::text(&self.message))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_displays_its_own_message_escaped_and_without_the_hint() {
        let error = Error::new(Kind::ScopeMissing, "no \u{1b}[2J scope")
            .with_status(http::StatusCode::FORBIDDEN)
            .with_source(io::Error::other("below"));
        assert_eq!(
            error.to_string(),
            "a permission was not granted at the sign-in (HTTP 403): no \\u{1b}[2J scope"
        );
        assert_eq!(
            error.hint(),
            Some("run `albumen login` and leave every box ticked")
        );
        assert!(error.io().is_some());
    }
}
