//! The texts of the service as data: which words in a message mean what.
//!
//! Message texts have no stability promise (fact sheet, end of section 8.2), so only fragments are
//! matched, in lower case, and only after codes and reasons have been looked at. The first row that
//! fits wins: what is narrow stands above what is wide. A text that fits no row is logged.

use super::error::{Kind, Limit};

/// A fragment of a message, the HTTP statuses under which it counts, and what it means.
struct Text {
    statuses: &'static [u16],
    fragment: &'static str,
    kind: Kind,
}

const fn text(statuses: &'static [u16], fragment: &'static str, kind: Kind) -> Text {
    Text {
        statuses,
        fragment,
        kind,
    }
}

/// Statuses under which quota refusals were seen: 429 as published, 400 on uploads, 403 by one client.
const QUOTA: &[u16] = &[400, 403, 429];

/// Fragments from sections 2.5, 3.4, 5.2, 7.3 and 8.1 of the fact sheet.
const TEXTS: &[Text] = &[
    // Storage before quotas: "storage quota" is about storage.
    text(&[400, 403, 429], "remaining storage", Kind::StorageFull),
    text(&[400, 403, 429], "storage quota", Kind::StorageFull),
    text(&[400, 403, 429], "not enough storage", Kind::StorageFull),
    text(
        QUOTA,
        "concurrent write",
        Kind::RateLimited(Limit::Concurrent),
    ),
    text(QUOTA, "per day", Kind::RateLimited(Limit::Day)),
    text(QUOTA, "perday", Kind::RateLimited(Limit::Day)),
    text(QUOTA, "per minute", Kind::RateLimited(Limit::Minute)),
    text(QUOTA, "perminute", Kind::RateLimited(Limit::Minute)),
    text(QUOTA, "quota", Kind::RateLimited(Limit::Unknown)),
    text(&[400], "valid upload token", Kind::BadUploadToken),
    text(&[400, 404], "invalid album id", Kind::AlbumRefused),
    text(&[400, 404], "not match any album", Kind::AlbumRefused),
    text(
        &[400, 403],
        "no permission to add media items to this album",
        Kind::AlbumRefused,
    ),
    // Nobody has written down what a full album answers (fact sheet, section 5.2); these are the ways
    // to say it. For other words the lane counts what is in the album.
    text(&[400], "album would hold more than", Kind::AlbumFull),
    text(&[400], "album is full", Kind::AlbumFull),
    text(&[400], "too many media items in album", Kind::AlbumFull),
    text(&[400], "too many media items in the album", Kind::AlbumFull),
    text(&[400], "invalid media item id", Kind::BadMediaItemId),
    text(&[400], "duplicated ids", Kind::DuplicateIds),
    text(&[400], "payload must not be empty", Kind::EmptyPayload),
    text(&[400, 413], "max file size", Kind::TooLarge),
    text(
        &[400],
        "checksum does not match received payload",
        Kind::Checksum,
    ),
    text(
        &[400],
        "checksum from header does not match",
        Kind::Checksum,
    ),
    text(&[400], "already been terminated", Kind::SessionGone),
    text(
        &[403],
        "photos is disabled for the user",
        Kind::PhotosDisabled,
    ),
    text(
        &[403],
        "insufficient authentication scope",
        Kind::ScopeMissing,
    ),
    text(&[403], "insufficient scope", Kind::ScopeMissing),
    text(&[403], "has not been used in project", Kind::ApiDisabled),
    text(&[403], "or it is disabled", Kind::ApiDisabled),
];

/// Reasons of `google.rpc.ErrorInfo` and of the older `errors[]`, in lower case (fact sheet,
/// sections 7.3 and 8.1). Those that speak of a rate say nothing about which one.
const REASONS: &[(&str, Kind)] = &[
    ("access_token_scope_insufficient", Kind::ScopeMissing),
    ("insufficientpermissions", Kind::ScopeMissing),
    ("service_disabled", Kind::ApiDisabled),
    ("accessnotconfigured", Kind::ApiDisabled),
    ("dailylimitexceeded", Kind::RateLimited(Limit::Day)),
    ("rate_limit_exceeded", Kind::RateLimited(Limit::Unknown)),
    ("ratelimitexceeded", Kind::RateLimited(Limit::Unknown)),
    ("userratelimitexceeded", Kind::RateLimited(Limit::Unknown)),
    ("quotaexceeded", Kind::RateLimited(Limit::Unknown)),
];

/// Fragments of `quota_limit` ids (fact sheet, section 7.2).
const QUOTA_LIMITS: &[(&str, Limit)] = &[("perday", Limit::Day), ("perminute", Limit::Minute)];

/// What the words of a message mean under this HTTP status.
pub(super) fn by_message(status: u16, message: &str) -> Option<Kind> {
    let message = message.to_lowercase();
    TEXTS
        .iter()
        .find(|text| text.statuses.contains(&status) && message.contains(text.fragment))
        .map(|text| text.kind)
}

/// What a reason means.
pub(super) fn by_reason(reason: &str) -> Option<Kind> {
    let reason = reason.to_lowercase();
    REASONS
        .iter()
        .find(|(known, _)| *known == reason)
        .map(|(_, kind)| *kind)
}

/// Which limit a `quota_limit` id names.
pub(super) fn by_quota_limit(quota_limit: &str) -> Option<Limit> {
    let quota_limit = quota_limit.to_lowercase();
    QUOTA_LIMITS
        .iter()
        .find(|(fragment, _)| quota_limit.contains(fragment))
        .map(|(_, limit)| *limit)
}

/// What the sign-in server's error codes mean, in our words, with what can be done
/// (fact sheet, section 1.2).
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

/// Kind, sentence and remedy for an error code of the sign-in server.
pub(super) fn by_sign_in_code(code: &str) -> Option<(Kind, &'static str, &'static str)> {
    SIGN_IN
        .iter()
        .find(|(known, ..)| *known == code)
        .map(|(_, kind, sentence, hint)| (*kind, *sentence, *hint))
}
