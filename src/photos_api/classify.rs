//! Maps a refusal to an [`Error`]: first codes and reasons, then messages, at last the HTTP status.
//!
//! Bodies come wrapped (`{"error": {..}}`), flat (`{"code": 3, "message": ".."}`, from the upload
//! endpoint, sometimes with the content type HTML), or not as JSON; they are parsed by content, never
//! by their header (fact sheet, sections 2.5 and 8.1). Message texts are not stable (fact sheet, end of
//! section 8.2), so only fragments are matched, and unknown texts are logged.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use crate::escape::Escaped;

use super::{
    error::{Error, Kind, Limit},
    redact,
};

/// The longest accepted `Retry-After`: no state of the service lasts longer than its day.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// Statuses with which quota refusals were seen: 429 as documented, 400 on uploads, 403 by one client.
const QUOTA: &[u16] = &[400, 403, 429];

/// Which fragments of a message, in lower case, mean what under which HTTP statuses. The first match
/// wins: narrow patterns come before wide ones (fact sheet, sections 2.5, 3.4, 5.2, 7.3 and 8.1).
const MESSAGES: &[(Kind, &[u16], &[&str])] = &[
    // Before the quotas: "storage quota" is about storage.
    (
        Kind::StorageFull,
        QUOTA,
        &["remaining storage", "storage quota", "not enough storage"],
    ),
    (
        Kind::RateLimited(Limit::Concurrent),
        QUOTA,
        &["concurrent write"],
    ),
    (Kind::RateLimited(Limit::Day), QUOTA, &["per day", "perday"]),
    (
        Kind::RateLimited(Limit::Minute),
        QUOTA,
        &["per minute", "perminute"],
    ),
    (Kind::RateLimited(Limit::Unknown), QUOTA, &["quota"]),
    (Kind::BadUploadToken, &[400], &["valid upload token"]),
    (
        Kind::AlbumRefused,
        &[400, 404],
        &["invalid album id", "not match any album"],
    ),
    (
        Kind::AlbumRefused,
        &[400, 403],
        &["no permission to add media items to this album"],
    ),
    // The answer for a full album is not documented (fact sheet, section 5.2); these are guesses. After
    // another answer the writer counts the items of the album.
    (
        Kind::AlbumFull,
        &[400],
        &["album would hold more than", "album is full"],
    ),
    (
        Kind::AlbumFull,
        &[400],
        &[
            "too many media items in album",
            "too many media items in the album",
        ],
    ),
    (Kind::BadMediaItemId, &[400], &["invalid media item id"]),
    (Kind::DuplicateIds, &[400], &["duplicated ids"]),
    (Kind::EmptyPayload, &[400], &["payload must not be empty"]),
    (Kind::TooLarge, &[400, 413], &["max file size"]),
    (
        Kind::Checksum,
        &[400],
        &["checksum does not match received payload"],
    ),
    (
        Kind::Checksum,
        &[400],
        &["checksum from header does not match"],
    ),
    (Kind::SessionGone, &[400], &["already been terminated"]),
    (
        Kind::PhotosDisabled,
        &[403],
        &["photos is disabled for the user"],
    ),
    (
        Kind::ScopeMissing,
        &[403],
        &["insufficient authentication scope", "insufficient scope"],
    ),
    (
        Kind::ApiDisabled,
        &[403],
        &["has not been used in project", "or it is disabled"],
    ),
];

/// Reasons of `google.rpc.ErrorInfo` and of the older `errors[]`, in lower case (fact sheet,
/// sections 7.3 and 8.1). Those about rates do not say which one.
const REASONS: &[(Kind, &[&str])] = &[
    (
        Kind::ScopeMissing,
        &["access_token_scope_insufficient", "insufficientpermissions"],
    ),
    (
        Kind::ApiDisabled,
        &["service_disabled", "accessnotconfigured"],
    ),
    (Kind::RateLimited(Limit::Day), &["dailylimitexceeded"]),
    (
        Kind::RateLimited(Limit::Unknown),
        &["rate_limit_exceeded", "ratelimitexceeded"],
    ),
    (
        Kind::RateLimited(Limit::Unknown),
        &["userratelimitexceeded", "quotaexceeded"],
    ),
];

/// What a call was about, where the same status means different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Media items, or anything without an album in its path.
    Items,
    /// The album in the path.
    Album,
    /// The upload endpoint.
    Upload,
    /// A resumable session, with the status header of the answer, if there was one.
    Session(Option<SessionStatus>),
}

/// The values of `X-Goog-Upload-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(ascii_case_insensitive)]
pub(super) enum SessionStatus {
    Active,
    Final,
    Cancelled,
}

impl SessionStatus {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("x-goog-upload-status")?.to_str().ok()?;
        text.trim().parse().ok()
    }
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

/// The error for an answer other than a success; `sent` are the secrets of the request, which the
/// answer may repeat.
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
    let body = serde_json::from_slice(body).unwrap_or(Value::Null);
    let body = body.get("error").unwrap_or(&body);
    let message = body
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let kind = by_body(status.as_u16(), body, message).unwrap_or_else(|| by_status(about, status));
    let words = redact::redact(message, sent);
    if kind == Kind::BadRequest || kind == Kind::Forbidden {
        tracing::debug!(http_status = status.as_u16(), words = %Escaped::text(&words),
            "the service refused a call in words that are not on the list");
    }
    Error::new(kind, &words)
        .with_status(status)
        .with_retry_after(retry_after(headers, now))
}

/// A redirect comes from something in between, such as the sign-in page of a hotel. It is not followed
/// with a token, and the service has done nothing. The error names only the origin: the rest of the
/// address may repeat the request.
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

/// The kind that the body names, if it is known. Statuses other than 400, 403, 404, 413 and 429 need none.
fn by_body(status: u16, body: &Value, message: &str) -> Option<Kind> {
    let details: Vec<Detail> = list(body, "details");
    let limit = details.iter().find_map(|detail| {
        let limit = detail.metadata.quota_limit.to_lowercase();
        // Fragments of `quota_limit` ids (fact sheet, section 7.2).
        match () {
            () if limit.contains("perday") => Some(Limit::Day),
            () if limit.contains("perminute") => Some(Limit::Minute),
            () => None,
        }
    });
    if let Some(limit) = limit.filter(|_| QUOTA.contains(&status)) {
        return Some(Kind::RateLimited(limit));
    }
    let by_reason = details
        .into_iter()
        .chain(list(body, "errors"))
        .find_map(|detail| {
            let reason = detail.reason.to_lowercase();
            let mut rows = REASONS.iter();
            rows.find(|(_, reasons)| reasons.contains(&reason.as_str()))
                .map(|(kind, _)| *kind)
        })
        .filter(|_| matches!(status, 403 | 429));
    match (by_reason, by_message(status, message)) {
        // "rateLimitExceeded" does not say which rate; the message does.
        (Some(Kind::RateLimited(Limit::Unknown)), Some(Kind::RateLimited(limit))) => {
            Some(Kind::RateLimited(limit))
        }
        (by_reason, by_message) => by_reason.or(by_message),
    }
}

fn by_message(status: u16, message: &str) -> Option<Kind> {
    let message = message.to_lowercase();
    let fits = |fragment: &&str| message.contains(fragment);
    let mut rows = MESSAGES.iter();
    rows.find(|(_, statuses, fragments)| statuses.contains(&status) && fragments.iter().any(fits))
        .map(|(kind, ..)| *kind)
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
        // 409: aborted. 408 and 499: a front end timed out.
        (408 | 409 | 499, _) => Kind::Server,
        _ if status.is_client_error() => Kind::BadRequest,
        _ => Kind::Server,
    }
}

/// A list in the body; elements of an unexpected shape are skipped.
fn list<T: DeserializeOwned>(body: &Value, name: &str) -> Vec<T> {
    let values = body
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    values
        .filter_map(|value| T::deserialize(value).ok())
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

/// What the sign-in server's error codes mean, and the hint for the user (fact sheet, section 1.2).
const SIGN_IN: &[(&str, Kind, &str, &str)] = &[
    (
        "access_denied",
        Kind::LoginNeeded,
        "access was declined, or the consent screen is in Testing and this account is not among its test users",
        "run `albumen login` and allow access; in the Cloud console publish the consent screen or add the account as a test user",
    ),
    (
        "admin_policy_enforced",
        Kind::LoginNeeded,
        "the administrator of this account forbids the app",
        "ask the Workspace administrator to allow the OAuth client, or use another account",
    ),
    (
        "policy_enforced",
        Kind::LoginNeeded,
        "Advanced Protection of this account forbids the app",
        "use another account; there is no remedy on this side",
    ),
    (
        "org_internal",
        Kind::LoginNeeded,
        "the OAuth client is for members of its own organisation only",
        "set the user type of the consent screen to External, or use an account of the organisation",
    ),
    (
        "redirect_uri_mismatch",
        Kind::Setup,
        "the OAuth client does not allow a redirect to this machine",
        "create an OAuth client of the type `Desktop app` and use its file",
    ),
    (
        "invalid_client",
        Kind::Setup,
        "the service does not know the OAuth client of the client secret file",
        "download the file of the client again; clients unused for 6 months are deleted",
    ),
    (
        "deleted_client",
        Kind::Setup,
        "the OAuth client of the client secret file was deleted",
        "create a new one; a new client does not see what the old one uploaded",
    ),
    (
        "unauthorized_client",
        Kind::LoginNeeded,
        "the sign-in was made with another OAuth client",
        "run `albumen login`",
    ),
    (
        "invalid_scope",
        Kind::Setup,
        "the OAuth client may not ask for the Photos scopes",
        "add the three Photos Library scopes to the consent screen in the Cloud console",
    ),
    (
        "disallowed_useragent",
        Kind::LoginNeeded,
        "the service refuses this browser",
        "open the address in the system's own browser",
    ),
    (
        "invalid_request",
        Kind::Setup,
        "the sign-in page refused the request",
        "use an OAuth client that is for photos alone, of the type `Desktop app`",
    ),
];

/// The error for a code of the sign-in server, in a response or in a redirect.
pub(super) fn sign_in_refused(code: &str, description: &str) -> Error {
    match code {
        "invalid_grant" => return Error::new(Kind::LoginNeeded, description),
        "temporarily_unavailable" | "server_error" | "rate_limit_exceeded" => {
            return Error::new(Kind::Unreachable, description);
        }
        _ => {}
    }
    let Some((_, kind, sentence, hint)) = SIGN_IN.iter().find(|(known, ..)| *known == code) else {
        // An unknown code may be transient: treating it as final would stop everything.
        let words = format!("the sign-in server refused with `{code}` {description}");
        return Error::new(Kind::Unreachable, &words);
    };
    let words = match description {
        "" => (*sentence).to_owned(),
        _ => format!("{sentence} ({description})"),
    };
    Error::new(*kind, &words).with_hint(*hint)
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
