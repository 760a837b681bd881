use super::*;
use crate::photos_api::error::Limit::{Concurrent, Day, Minute, Unknown};

fn decided(about: About, status: u16, body: &str) -> Kind {
    refusal(
        about,
        StatusCode::from_u16(status).unwrap(),
        &HeaderMap::new(),
        body.as_bytes(),
        &[],
        Timestamp::UNIX_EPOCH,
    )
    .kind()
}

fn wrapped(status: u16, name: &str, message: &str) -> String {
    serde_json::json!({"error": {"code": status, "message": message, "status": name}}).to_string()
}

#[track_caller]
fn check(about: About, status: u16, message: &str, expected: Kind) {
    let body = wrapped(status, "WHATEVER", message);
    assert_eq!(decided(about, status, &body), expected, "wrapped {message}");
    let flat = serde_json::json!({"code": 3, "message": message}).to_string();
    assert_eq!(decided(about, status, &flat), expected, "flat {message}");
}

#[test]
fn refusals_of_batch_create_are_told_apart_by_their_words() {
    let check = |status, message, expected| check(About::Items, status, message, expected);
    check(
        400,
        "Request must contain a valid upload token.",
        Kind::BadUploadToken,
    );
    check(
        400,
        "Request must have less than 50 items.",
        Kind::BadRequest,
    );
    check(400, "Invalid album ID.", Kind::AlbumRefused);
    check(
        400,
        "The provided ID does not match any albums",
        Kind::AlbumRefused,
    );
    check(
        400,
        "The album would hold more than 20000 media items.",
        Kind::AlbumFull,
    );
    check(
        400,
        "No permission to add media items to this album.",
        Kind::AlbumRefused,
    );
    check(
        400,
        "The remaining storage in the user's account is not enough to perform this operation.",
        Kind::StorageFull,
    );
    check(
        400,
        "Invalid JSON payload received. Unknown name \"x\": Cannot find field.",
        Kind::BadRequest,
    );
    check(409, "The operation was aborted.", Kind::Server);
    check(500, "Internal error encountered.", Kind::Server);
    check(503, "The service is currently unavailable.", Kind::Server);
}

#[test]
fn refusals_of_albums_name_the_album_or_the_items() {
    check(About::Album, 404, "", Kind::AlbumRefused);
    check(About::Album, 400, "Invalid album ID.", Kind::AlbumRefused);
    check(
        About::Album,
        400,
        "Request contains an invalid media item id.",
        Kind::BadMediaItemId,
    );
    check(
        About::Album,
        400,
        "Request must not contain duplicated ids",
        Kind::DuplicateIds,
    );
    check(About::Items, 404, "", Kind::NotFound);
}

#[test]
fn refusals_of_the_account_and_of_the_project_are_told_apart() {
    let check = |status, message, expected| check(About::Items, status, message, expected);
    check(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
        Kind::AccessTokenRefused,
    );
    check(
        403,
        "Request had insufficient authentication scopes.",
        Kind::ScopeMissing,
    );
    check(
        403,
        "Photos Library API has not been used in project 123456789012 before or it is disabled. Enable it by visiting …",
        Kind::ApiDisabled,
    );
    check(
        403,
        "Google Photos is disabled for the user",
        Kind::PhotosDisabled,
    );
    check(403, "The caller does not have permission", Kind::Forbidden);
    check(403, "", Kind::Forbidden);
}

#[test]
fn reasons_count_where_the_words_are_new() {
    let with = |reason: &str| {
        serde_json::json!({"error": {"code": 403, "message": "something new", "details": [
            {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "…"}]},
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        ]}})
        .to_string()
    };
    let kind = |reason| decided(About::Items, 403, &with(reason));
    assert_eq!(kind("ACCESS_TOKEN_SCOPE_INSUFFICIENT"), Kind::ScopeMissing);
    assert_eq!(kind("SERVICE_DISABLED"), Kind::ApiDisabled);
    assert_eq!(kind("RATE_LIMIT_EXCEEDED"), Kind::RateLimited(Unknown));
    let older =
        r#"{"error":{"code":403,"message":"x","errors":[{"reason":"userRateLimitExceeded"}]}}"#;
    assert_eq!(
        decided(About::Items, 403, older),
        Kind::RateLimited(Unknown)
    );
}

#[test]
fn every_shape_of_a_quota_refusal_names_its_limit() {
    let new = |metric: &str, limit: &str, quota_limit: &str| {
        let message = format!(
            "Quota exceeded for quota metric '{metric}' and limit '{limit}' of service 'photoslibrary.googleapis.com' for consumer 'project_number:123456789012'."
        );
        serde_json::json!({"error": {"code": 429, "message": message,
            "errors": [{"message": message, "domain": "global", "reason": "rateLimitExceeded"}],
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED",
                "domain": "googleapis.com",
                "metadata": {"service": "photoslibrary.googleapis.com", "quota_limit": quota_limit, "quota_limit_value": "10000"}}]}})
        .to_string()
    };
    let old = |message: &str| {
        serde_json::json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED",
            "errors": [{"message": message, "domain": "global", "reason": "rateLimitExceeded"}]}})
        .to_string()
    };
    let day = new(
        "All requests",
        "All requests per day",
        "ApiCallsPerProjectPerDay",
    );
    let minute = new(
        "Write requests",
        "Write requests per minute per user",
        "WritesPerMinutePerUser",
    );
    let concurrent = "Quota exceeded for quota 'concurrent write request' of service 'photoslibrary.googleapis.com'.";
    let old_minute = "Quota exceeded for quota metric 'photoslibrary.googleapis.com/write_requests' and limit 'WritesPerMinutePerUser' of service 'photoslibrary.googleapis.com'.";
    let old_day = "Quota exceeded for quota metric 'photoslibrary.googleapis.com/all_requests' and limit 'ApiCallsPerProjectPerDay' of service 'photoslibrary.googleapis.com'.";
    for (body, limit) in [
        (day.clone(), Day),
        (minute.clone(), Minute),
        (old(concurrent), Concurrent),
        (old(old_minute), Minute),
        (old(old_day), Day),
        (wrapped(429, "RESOURCE_EXHAUSTED", concurrent), Concurrent),
        (old("Too fast"), Unknown),
        (String::new(), Unknown),
        ("<html>Sorry</html>".into(), Unknown),
    ] {
        for status in [429, 403] {
            let expected = match (status, limit, body.starts_with('{')) {
                (403, Unknown, false) => Kind::Forbidden,
                _ => Kind::RateLimited(limit),
            };
            assert_eq!(decided(About::Items, status, &body), expected, "{body}");
        }
    }
}

#[test]
fn refusals_of_the_upload_endpoint_are_flat_and_mislabelled() {
    let check = |status, message, expected| check(About::Upload, status, message, expected);
    check(400, "Payload must not be empty", Kind::EmptyPayload);
    check(
        413,
        "The request exceeded the max file size limit of 20 GB.",
        Kind::TooLarge,
    );
    check(
        401,
        "Authentication session is not defined.",
        Kind::AccessTokenRefused,
    );
    check(
        400,
        "Insufficient tokens for quota 'photoslibrary.googleapis.com/upload_requests' and limit 'UploadsPerMinute' of service 'photoslibrary.googleapis.com' for consumer 'project_number:1'.",
        Kind::RateLimited(Minute),
    );
    check(
        400,
        "Checksum from header does not match received payload content.",
        Kind::Checksum,
    );
    check(
        400,
        "User-provided checksum does not match received payload content.",
        Kind::Checksum,
    );
    check(
        400,
        "Upload has already been terminated.",
        Kind::SessionGone,
    );
    check(403, "Request had insufficient scopes.", Kind::ScopeMissing);
    check(413, "", Kind::TooLarge);
    check(400, "who knows", Kind::BadRequest);
}

#[test]
fn what_a_session_answers_depends_on_whether_it_is_still_open() {
    use SessionStatus::{Active, Cancelled, Final};
    let kind = |status, session| decided(About::Session(session), status, "plain text");
    for status in [400, 409, 412, 416] {
        assert_eq!(kind(status, Some(Active)), Kind::OffsetMismatch, "{status}");
    }
    assert_eq!(kind(409, None), Kind::OffsetMismatch);
    assert_eq!(kind(404, None), Kind::SessionGone);
    assert_eq!(kind(404, Some(Active)), Kind::SessionGone);
    assert_eq!(kind(410, Some(Cancelled)), Kind::SessionGone);
    assert_eq!(kind(400, Some(Cancelled)), Kind::SessionGone);
    assert_eq!(kind(400, Some(Final)), Kind::BadRequest);
    assert_eq!(kind(401, Some(Active)), Kind::AccessTokenRefused);
    assert_eq!(kind(429, Some(Active)), Kind::RateLimited(Unknown));
    assert_eq!(kind(503, Some(Active)), Kind::Server);
}

#[test]
fn what_is_no_json_is_decided_by_the_status_alone() {
    for body in [
        "",
        "<html><h1>502</h1></html>",
        "[1, 2]",
        "{\"error\": 7}",
        "\u{0}",
    ] {
        let kind = |status| decided(About::Items, status, body);
        assert_eq!(kind(502), Kind::Server);
        assert_eq!(kind(504), Kind::Server);
        assert_eq!(kind(400), Kind::BadRequest);
        assert_eq!(kind(302), Kind::Unreachable);
        assert_eq!(kind(418), Kind::BadRequest);
    }
    let odd = r#"{"error":{"code":"x","message":"Invalid album ID.","errors":5,"details":[7,{"reason":9}]}}"#;
    assert_eq!(decided(About::Items, 400, odd), Kind::AlbumRefused);
}

#[test]
fn retry_after_is_seconds_or_a_date_and_at_most_a_day() {
    let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    let wait = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers, now).map(|wait| wait.as_secs())
    };
    assert_eq!(wait("120"), Some(120));
    assert_eq!(wait("Sat, 21 Nov 2026 12:00:30 GMT"), Some(30));
    assert_eq!(wait("Sat, 21 Nov 2026 11:00:00 GMT"), Some(0));
    assert_eq!(wait("999999999"), Some(86_400));
    assert_eq!(wait("soon"), None);
    assert_eq!(wait("-5"), None);
}
