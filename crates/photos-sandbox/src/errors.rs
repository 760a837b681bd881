//! Responses and refusals in the service's own shapes (fact sheet, sections 2.5, 7.3 and 8.1).
//!
//! JSON methods wrap an error in `error`. The upload address sends a flat status and labels it HTML. A
//! refusal also says whether a careful client could have avoided it.

use axum::{body::Body, response::Response as HttpResponse};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// The project number in quota errors.
const PROJECT: &str = "123456789012";

/// A code of `google.rpc.Code`: number, name, HTTP status, legacy `reason` (fact sheet, section 8.1).
#[derive(Debug, Clone, Copy)]
struct Code(u8, &'static str, u16, &'static str);

const INVALID: Code = Code(3, "INVALID_ARGUMENT", 400, "badRequest");
const NOT_FOUND: Code = Code(5, "NOT_FOUND", 404, "notFound");
const DENIED: Code = Code(7, "PERMISSION_DENIED", 403, "forbidden");
const EXHAUSTED: Code = Code(8, "RESOURCE_EXHAUSTED", 429, "rateLimitExceeded");
const ABORTED: Code = Code(10, "ABORTED", 409, "aborted");
const INTERNAL: Code = Code(13, "INTERNAL", 500, "backendError");
const UNAVAILABLE: Code = Code(14, "UNAVAILABLE", 503, "backendError");
const UNAUTHENTICATED: Code = Code(16, "UNAUTHENTICATED", 401, "authError");

/// Errors of the service by the words that a script uses.
#[rustfmt::skip]
const CANNED: &[(&str, Code, &str)] = &[
    ("daily_429", EXHAUSTED, "Quota exceeded for quota metric 'All requests' and limit 'All requests per day' of service 'photoslibrary.googleapis.com' for consumer 'project_number:123456789012'."),
    ("minute_429", EXHAUSTED, "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user' of service 'photoslibrary.googleapis.com' for consumer 'project_number:123456789012'."),
    ("quota_403", Code(7, "PERMISSION_DENIED", 403, "userRateLimitExceeded"), "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user' of service 'photoslibrary.googleapis.com' for consumer 'project_number:123456789012'."),
    ("concurrent_429", EXHAUSTED, "Quota exceeded for quota 'concurrent write request' of service 'photoslibrary.googleapis.com'."),
    ("quota_400_flat", INVALID, "Insufficient tokens for quota 'photoslibrary.googleapis.com/upload_requests' and limit 'UploadsPerMinute' of service 'photoslibrary.googleapis.com' for consumer 'project_number:123456789012'."),
    ("storage_full", INVALID, "The remaining storage in the user's account is not enough to perform this operation."),
    ("server_500", INTERNAL, "Internal error encountered."),
    ("unavailable_503", UNAVAILABLE, "The service is currently unavailable."),
    ("aborted_409", ABORTED, "The operation was aborted."),
    ("unauthenticated_401", UNAUTHENTICATED, "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."),
    ("upload_unauthenticated_401", UNAUTHENTICATED, "Authentication session is not defined."),
    ("scope_403", DENIED, "Request had insufficient authentication scopes."),
    ("forbidden_403", DENIED, "The caller does not have permission"),
    ("api_disabled_403", DENIED, "Photos Library API has not been used in project 123456789012 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/photoslibrary.googleapis.com/overview?project=123456789012 then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."),
    ("photos_disabled_403", DENIED, "Google Photos is disabled for the user"),
    ("not_found_404", NOT_FOUND, "Requested entity was not found."),
    ("too_large_413", Code(3, "INVALID_ARGUMENT", 413, "badRequest"), "The request exceeded the max file size limit of 20 GB."),
    ("checksum_400", INVALID, "Checksum from header does not match received payload content."),
    ("bad_upload_token", INVALID, "Request must contain a valid upload token."),
    ("invalid_album", INVALID, "Invalid album ID."),
    ("album_gone", INVALID, "The provided ID does not match any albums"),
    ("album_forbidden", INVALID, "No permission to add media items to this album."),
];

/// The message for each rule whose breach is always worded the same.
#[rustfmt::skip]
const RULES: &[(&str, &str)] = &[
    ("malformed_json", "Invalid JSON payload received. Unexpected token."),
    ("over_50", "Request must have less than 50 items."),
    ("no_ids", "Request must contain media item ids."),
    ("duplicate_ids", "Request must not contain duplicated ids"),
    ("empty_batch", "Request must have at least one new media item."),
    ("file_name_too_long", "File name must not be longer than 255 characters."),
    ("description_too_long", "Description must be shorter than 1000 characters."),
    ("position_without_album", "Request must have an album ID if it has an album position."),
    ("album_id", "Invalid album ID."),
    ("album_with_filters", "Album ID and filters cannot be set together."),
    ("empty_title", "Request must have an album title."),
    ("title_too_long", "Album title must not be longer than 500 characters."),
    ("enrichment", "Request must have exactly one enrichment."),
    ("enrichment_without_position", "Request must have an album position."),
    ("share_token", "Request must have a share token."),
    ("page_size", "Page size must not be negative."),
    ("page_token", "Invalid page token."),
    ("empty_upload_token", "Request must contain a valid upload token."),
    ("expired_upload_token", "Request must contain a valid upload token."),
    ("upload_command", "Unknown upload command or protocol."),
    ("empty_upload", "Payload must not be empty"),
];

/// Who could have avoided a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The client broke this rule, and could have known it.
    Rule(&'static str),
    /// The client could not have known; the word says what it was about.
    Circumstance(&'static str),
}

/// A request that is refused.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    code: Code,
    pub(crate) message: String,
    details: Vec<Value>,
    pub(crate) blame: Blame,
}

impl Refusal {
    fn new(code: Code, blame: Blame, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code,
            message,
            details: Vec::new(),
            blame,
        }
    }

    /// A bad request: the client broke a rule that it could have known.
    pub(crate) fn broken(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(INVALID, Blame::Rule(rule), message)
    }

    /// The same with the message that [`RULES`] has for the rule.
    pub(crate) fn rule(rule: &'static str) -> Self {
        let message = RULES.iter().find(|(name, _)| *name == rule);
        Self::broken(rule, message.map_or(rule, |(_, message)| message))
    }

    /// A bad request that no client can foresee.
    pub(crate) fn bad(what: &'static str, message: impl Into<String>) -> Self {
        Self::new(INVALID, Blame::Circumstance(what), message)
    }

    /// An error of [`CANNED`].
    pub(crate) fn canned(word: &str, blame: Blame) -> Self {
        let found = CANNED.iter().find(|(name, ..)| *name == word);
        let (_, code, message) = found.unwrap_or(&("", INTERNAL, ""));
        let mut refusal = Self::new(*code, blame, *message);
        refusal.details = match word {
            "scope_403" => vec![error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT")],
            "api_disabled_403" => {
                let url = format!(
                    "https://console.developers.google.com/apis/api/photoslibrary.googleapis.com/overview?project={PROJECT}"
                );
                let help = help("Google developers console API activation", &url);
                vec![help, error_info("SERVICE_DISABLED")]
            }
            _ => Vec::new(),
        };
        refusal
    }

    /// An error of [`CANNED`] about a quota, with the limit in its details.
    pub(crate) fn quota(word: &str, what: &'static str, limit: u64) -> Self {
        let (metric, limit_id) = match word {
            "daily_429" => ("all_requests", "ApiCallsPerProjectPerDay"),
            _ => ("write_requests", "WritesPerMinutePerUser"),
        };
        let mut info = error_info("RATE_LIMIT_EXCEEDED");
        info["metadata"] = json!({
            "service": "photoslibrary.googleapis.com",
            "consumer": format!("projects/{PROJECT}"),
            "quota_metric": format!("photoslibrary.googleapis.com/{metric}"),
            "quota_limit": limit_id,
            "quota_limit_value": limit.to_string(),
            "quota_location": "global",
        });
        let url = "https://cloud.google.com/docs/quotas/help/request_increase";
        let mut refusal = Self::canned(word, Blame::Circumstance(what));
        refusal.details = vec![info, help("Request a higher quota limit.", url)];
        refusal
    }

    pub(crate) fn not_found(what: &'static str) -> Self {
        Self::canned("not_found_404", Blame::Circumstance(what))
    }

    /// The refusal as it goes out. `details` adds the fields that not all errors of the service have.
    pub(crate) fn response(&self, is_upload: bool, details: bool) -> Response {
        let Code(number, name, http, reason) = self.code;
        if is_upload {
            // The upload server labels its JSON as HTML (fact sheet, section 2.5).
            let text = pretty(&json!({"code": number, "message": self.message}));
            return Response::text(http, "text/html; charset=UTF-8", text);
        }
        let mut error = json!({"code": http, "message": self.message, "status": name});
        if details {
            error["errors"] =
                json!([{"message": self.message, "domain": "global", "reason": reason}]);
            if !self.details.is_empty() {
                error["details"] = self.details.clone().into();
            }
        }
        Response::json(&json!({ "error": error })).with_status(http)
    }
}

fn error_info(reason: &str) -> Value {
    let kind = "type.googleapis.com/google.rpc.ErrorInfo";
    json!({"@type": kind, "reason": reason, "domain": "googleapis.com"})
}

fn help(description: &str, url: &str) -> Value {
    let links = json!([{"description": description, "url": url}]);
    json!({"@type": "type.googleapis.com/google.rpc.Help", "links": links})
}

/// Whether a script can name this canned response.
pub(crate) fn is_canned(word: &str) -> bool {
    is_damage(word) || word == "html_502" || CANNED.iter().any(|(name, ..)| *name == word)
}

/// Whether the word stands for a success that was damaged on its way.
pub(crate) fn is_damage(word: &str) -> bool {
    matches!(word, "garbage" | "empty")
}

/// The canned responses that are no error of the API.
pub(crate) fn canned_text(word: &str, is_upload: bool) -> Option<Response> {
    const HTML: &str = "<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n\
         <p><b>502.</b> <ins>That's an error.</ins>\n<p>The server encountered a \
         temporary error and could not complete your request.\n";
    Some(match word {
        "html_502" => Response::text(502, "text/html; charset=UTF-8", HTML),
        "garbage" if is_upload => Response::text(200, "text/plain", "<html><body>\u{1b}[0m"),
        "garbage" => {
            let half = "{\"newMediaItemResults\": [{\"uploadTok";
            Response::text(200, "application/json; charset=UTF-8", half)
        }
        "empty" => Response::empty(200),
        _ => return None,
    })
}

/// How a request ends.
#[derive(Debug)]
pub(crate) enum Outcome {
    Response(Response),
    /// The connection is reset.
    Cut,
    /// No response is ever sent.
    Hang,
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// A body that is too large for memory; it is sent instead of `body`.
    pub(crate) stream: Option<Body>,
}

impl Response {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            stream: None,
        }
    }

    pub(crate) fn text(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut response = Self::empty(status).with(header::CONTENT_TYPE, content_type);
        response.body = body.into();
        response
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::text(200, "application/json; charset=UTF-8", pretty(value))
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header. A value that is not valid in a header is left out.
    pub(crate) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(crate) fn into_http(self) -> HttpResponse {
        let body = self.stream.unwrap_or_else(|| Body::from(self.body));
        let mut response = HttpResponse::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().extend(self.headers);
        response
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
