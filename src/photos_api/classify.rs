//! From a refusal to an [`Error`]: codes and reasons first, words second, the HTTP status last.
//!
//! Bodies come wrapped (`{"error": {..}}`), flat (`{"code": 3, "message": ".."}`, the upload
//! endpoint, sometimes labelled as HTML), or not as JSON at all; they are parsed by content, never
//! by their header (fact sheet, sections 2.5 and 8.1).

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use crate::escape::Escaped;

use super::{
    error::{Error, Kind, Limit},
    error_patterns, redact,
};

/// The longest wait that is believed: nothing the service does lasts longer than its day.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What a call was about, where the same status means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Media items, or anything without an album in its path.
    Items,
    /// An album named in the path.
    Album,
    /// The upload endpoint itself.
    Upload,
    /// A resumable session, with the status header of the answer, if it had one.
    Session(Option<SessionStatus>),
}

/// The values of `X-Goog-Upload-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionStatus {
    Active,
    Final,
    Cancelled,
}

impl SessionStatus {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        match headers
            .get("x-goog-upload-status")?
            .to_str()
            .ok()?
            .trim()
            .to_ascii_lowercase()
            .as_str()
        {
            "active" => Some(Self::Active),
            "final" => Some(Self::Final),
            "cancelled" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    message: String,
    errors: Vec<Reason>,
    details: Vec<Detail>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reason {
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Detail {
    reason: String,
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    quota_limit: String,
}

/// The error that an answer other than a success stands for; `sent` are the secrets that went out with
/// the request, which the answer may repeat.
pub(super) fn refusal(
    about: About,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    sent: &[&str],
    now: Timestamp,
) -> Error {
    if status.is_redirection() {
        return redirect(status, headers);
    }
    let told = parse(body);
    let kind = kind(about, status, &told);
    let words = redact::kept(&told.message, sent);
    if kind == Kind::BadRequest || kind == Kind::Forbidden {
        tracing::debug!(http_status = status.as_u16(), words = %Escaped::text(&words),
            "the service refused a call in words that are not on the list");
    }
    Error::new(kind, &words)
        .with_status(status)
        .with_retry_after(retry_after(headers, now))
}

/// Something between here and the service sends its callers elsewhere, such as the sign-in page of a
/// hotel. Nobody goes there with a token, and the service has done nothing. Only the place is told: the
/// rest of the address may repeat what was asked.
pub(super) fn redirect(status: StatusCode, headers: &HeaderMap) -> Error {
    let place = headers
        .get(http::header::LOCATION)
        .and_then(|location| Url::parse(location.to_str().ok()?).ok())
        .map(|location| location.origin().ascii_serialization());
    let place = place.as_deref().unwrap_or("another address");
    let message = format!("the answer is a redirect to {place}, which is not followed");
    Error::new(Kind::Unreachable, &message)
        .with_status(status)
        .with_hint(
            "open any page in a browser here, in case this network wants a sign-in of its own; \
             otherwise see what stands between, and whether the addresses in `[api]` are right",
        )
}

fn kind(about: About, status: StatusCode, told: &Status) -> Kind {
    by_code(status.as_u16(), told).unwrap_or_else(|| by_status(about, status))
}

/// What the body says, if anything in it is known. Only 400, 403, 404, 413 and 429 are looked at:
/// the others say enough by themselves.
fn by_code(status: u16, told: &Status) -> Option<Kind> {
    let limit = told
        .details
        .iter()
        .find_map(|detail| error_patterns::by_quota_limit(&detail.metadata.quota_limit));
    if let Some(limit) = limit.filter(|_| matches!(status, 400 | 403 | 429)) {
        return Some(Kind::RateLimited(limit));
    }
    let by_reason = told
        .details
        .iter()
        .map(|detail| detail.reason.as_str())
        .chain(told.errors.iter().map(|error| error.reason.as_str()))
        .find_map(error_patterns::by_reason)
        .filter(|_| matches!(status, 403 | 429));
    let by_message = error_patterns::by_message(status, &told.message);
    match (by_reason, by_message) {
        // "rateLimitExceeded" does not say which rate; the words do.
        (Some(Kind::RateLimited(Limit::Unknown)), Some(Kind::RateLimited(limit))) => {
            Some(Kind::RateLimited(limit))
        }
        (Some(kind), _) => Some(kind),
        (None, kind) => kind,
    }
}

fn by_status(about: About, status: StatusCode) -> Kind {
    use SessionStatus::{Active, Cancelled};
    match (status.as_u16(), about) {
        (401, _) => Kind::AccessTokenRefused,
        (403, _) => Kind::Forbidden,
        (413, _) => Kind::TooLarge,
        (429, _) => Kind::RateLimited(Limit::Unknown),
        (404 | 410, About::Session(_)) => Kind::SessionGone,
        (_, About::Session(Some(Cancelled))) if status.is_client_error() => Kind::SessionGone,
        (_, About::Session(Some(Active))) if status.is_client_error() => Kind::OffsetMismatch,
        (409 | 412 | 416, About::Session(None)) => Kind::OffsetMismatch,
        (404, About::Album) => Kind::AlbumRefused,
        (404, _) => Kind::NotFound,
        (400, About::Session(Some(_)) | _) => Kind::BadRequest,
        // 409: aborted. 408 and 499: the front end gave up.
        (408 | 409 | 499, _) => Kind::Server,
        _ if status.is_client_error() => Kind::BadRequest,
        _ => Kind::Server,
    }
}

/// The status object in either shape; nothing if the body is HTML, empty or otherwise no JSON.
fn parse(body: &[u8]) -> Status {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
        return Status::default();
    };
    let status = value.get("error").unwrap_or(&value);
    // A detail of unexpected shape must not cost the message.
    let list = |name: &str| status.get(name).cloned().unwrap_or_default();
    Status {
        message: status
            .get("message")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        errors: each(list("errors")),
        details: each(list("details")),
    }
}

fn each<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Vec<T> {
    let serde_json::Value::Array(values) = value else {
        return Vec::new();
    };
    values
        .into_iter()
        .filter_map(|value| serde_json::from_value(value).ok())
        .collect()
}

/// `Retry-After`, in seconds or as a date, capped.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers
        .get(http::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim();
    let wait = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let then = httpdate::parse_http_date(text).ok()?;
        let now = std::time::SystemTime::from(now);
        then.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
