//! Answers and refusals, in the shapes of the service (fact sheet, sections 2.5, 7.3 and 8.1).
//!
//! JSON methods wrap their errors in `error`; the upload address sends a flat status and calls it
//! HTML. A refusal also says whether a careful client could have avoided it.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::route::{Kind, Method};

/// The project that scripted and real quota refusals name.
const PROJECT: &str = "123456789012";

/// A status of google.rpc: number, name, HTTP status (fact sheet, section 8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rpc(pub(super) u8, pub(super) &'static str, pub(super) u16);

impl Rpc {
    pub(super) const INVALID_ARGUMENT: Self = Self(3, "INVALID_ARGUMENT", 400);
    pub(super) const NOT_FOUND: Self = Self(5, "NOT_FOUND", 404);
    pub(super) const PERMISSION_DENIED: Self = Self(7, "PERMISSION_DENIED", 403);
    pub(super) const RESOURCE_EXHAUSTED: Self = Self(8, "RESOURCE_EXHAUSTED", 429);
    pub(super) const ABORTED: Self = Self(10, "ABORTED", 409);
    pub(super) const INTERNAL: Self = Self(13, "INTERNAL", 500);
    pub(super) const UNAVAILABLE: Self = Self(14, "UNAVAILABLE", 503);
    pub(super) const UNAUTHENTICATED: Self = Self(16, "UNAUTHENTICATED", 401);
}

/// Who is to blame for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The client broke this rule, and could have known.
    Rule(&'static str),
    /// The client could not have known; in a word, what it was about.
    Circumstance(&'static str),
}

/// A request that is not done.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) rpc: Rpc,
    pub(super) http: u16,
    pub(super) message: String,
    pub(super) reason: &'static str,
    pub(super) details: Vec<Value>,
    pub(super) blame: Blame,
}

impl Refusal {
    pub(super) fn new(rpc: Rpc, blame: Blame, message: impl Into<String>) -> Self {
        Self {
            rpc,
            http: rpc.2,
            message: message.into(),
            reason: match rpc.0 {
                3 => "badRequest",
                5 => "notFound",
                7 => "forbidden",
                8 => "rateLimitExceeded",
                10 => "aborted",
                16 => "authError",
                _ => "backendError",
            },
            details: Vec::new(),
            blame,
        }
    }

    /// A bad request of a client that could have known.
    pub(super) fn broken(rule: &'static str, message: impl Into<String>) -> Self {
        Self::new(Rpc::INVALID_ARGUMENT, Blame::Rule(rule), message)
    }

    /// A bad request that no client can foresee.
    pub(super) fn bad(what: &'static str, message: impl Into<String>) -> Self {
        Self::new(Rpc::INVALID_ARGUMENT, Blame::Circumstance(what), message)
    }

    pub(super) fn not_found(what: &'static str) -> Self {
        Self::new(
            Rpc::NOT_FOUND,
            Blame::Circumstance(what),
            "Requested entity was not found.",
        )
    }

    pub(super) fn unauthenticated(blame: Blame) -> Self {
        Self::new(
            Rpc::UNAUTHENTICATED,
            blame,
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login \
             cookie or other valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project.",
        )
    }

    pub(super) fn scope_missing() -> Self {
        Self {
            details: vec![json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                "domain": "googleapis.com",
            })],
            ..Self::new(
                Rpc::PERMISSION_DENIED,
                Blame::Circumstance("scope"),
                "Request had insufficient authentication scopes.",
            )
        }
    }

    pub(super) fn forbidden(what: &'static str) -> Self {
        Self::new(
            Rpc::PERMISSION_DENIED,
            Blame::Circumstance(what),
            "The caller does not have permission",
        )
    }

    pub(super) fn api_disabled() -> Self {
        let link = format!(
            "https://console.developers.google.com/apis/api/photoslibrary.googleapis.com/overview?project={PROJECT}"
        );
        Self {
            details: vec![
                json!({
                    "@type": "type.googleapis.com/google.rpc.Help",
                    "links": [{"description": "Google developers console API activation", "url": link}],
                }),
                json!({
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "SERVICE_DISABLED",
                    "domain": "googleapis.com",
                }),
            ],
            ..Self::new(
                Rpc::PERMISSION_DENIED,
                Blame::Circumstance("api_disabled"),
                format!(
                    "Photos Library API has not been used in project {PROJECT} before or it is \
                     disabled. Enable it by visiting {link} then retry. If you enabled this API \
                     recently, wait a few minutes for the action to propagate to our systems and retry."
                ),
            )
        }
    }

    pub(super) fn photos_disabled() -> Self {
        Self::new(
            Rpc::PERMISSION_DENIED,
            Blame::Circumstance("photos_disabled"),
            "Google Photos is disabled for the user",
        )
    }

    pub(super) fn storage_full() -> Self {
        Self::bad(
            "storage_full",
            "The remaining storage in the user's account is not enough to perform this operation.",
        )
    }

    /// The project's requests of the day are used up.
    pub(super) fn day_exhausted(limit: u64) -> Self {
        Self::quota(
            "quota_day",
            ("All requests", "All requests per day"),
            ("all_requests", "ApiCallsPerProjectPerDay"),
            limit,
        )
    }

    /// The user's writes of the minute are used up.
    pub(super) fn minute_exhausted(limit: u64) -> Self {
        Self::quota(
            "quota_minute",
            ("Write requests", "Write requests per minute per user"),
            ("write_requests", "WritesPerMinutePerUser"),
            limit,
        )
    }

    /// Another write of the same user is in flight, or was too recently.
    pub(super) fn concurrent(blame: Blame) -> Self {
        Self::new(
            Rpc::RESOURCE_EXHAUSTED,
            blame,
            "Quota exceeded for quota 'concurrent write request' of service \
             'photoslibrary.googleapis.com'.",
        )
    }

    /// The per-minute limit of uploads, which comes as a bad request.
    pub(super) fn upload_quota() -> Self {
        Self::bad(
            "quota_uploads",
            format!(
                "Insufficient tokens for quota 'photoslibrary.googleapis.com/upload_requests' and \
                 limit 'UploadsPerMinute' of service 'photoslibrary.googleapis.com' for consumer \
                 'project_number:{PROJECT}'."
            ),
        )
    }

    fn quota(
        what: &'static str,
        (metric_name, limit_name): (&str, &str),
        (metric, limit_id): (&str, &str),
        limit: u64,
    ) -> Self {
        Self {
            details: vec![
                json!({
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "RATE_LIMIT_EXCEEDED",
                    "domain": "googleapis.com",
                    "metadata": {
                        "service": "photoslibrary.googleapis.com",
                        "consumer": format!("projects/{PROJECT}"),
                        "quota_metric": format!("photoslibrary.googleapis.com/{metric}"),
                        "quota_limit": limit_id,
                        "quota_limit_value": limit.to_string(),
                        "quota_location": "global",
                    },
                }),
                json!({
                    "@type": "type.googleapis.com/google.rpc.Help",
                    "links": [{
                        "description": "Request a higher quota limit.",
                        "url": "https://cloud.google.com/docs/quotas/help/request_increase",
                    }],
                }),
            ],
            ..Self::new(
                Rpc::RESOURCE_EXHAUSTED,
                Blame::Circumstance(what),
                format!(
                    "Quota exceeded for quota metric '{metric_name}' and limit '{limit_name}' of \
                     service 'photoslibrary.googleapis.com' for consumer 'project_number:{PROJECT}'."
                ),
            )
        }
    }

    /// The refusal as it goes out for `method`.
    pub(super) fn answer(&self, method: Option<Method>, with_details: bool) -> Answer {
        if method.is_some_and(|method| method.kind() == Kind::Upload) {
            return self.flat();
        }
        let mut error = json!({
            "code": self.http,
            "message": self.message,
            "status": self.rpc.1,
        });
        if with_details {
            error["errors"] =
                json!([{"message": self.message, "domain": "global", "reason": self.reason}]);
            if !self.details.is_empty() {
                error["details"] = Value::Array(self.details.clone());
            }
        }
        Answer::json(&json!({ "error": error })).with_status(self.http)
    }

    fn flat(&self) -> Answer {
        let body = json!({"code": self.rpc.0, "message": self.message});
        let text = serde_json::to_string_pretty(&body).unwrap_or_default() + "\n";
        // The upload server labels its JSON as HTML (fact sheet, section 2.5).
        Answer::text(self.http, "text/html; charset=UTF-8", text)
    }
}

/// What goes back to the client.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    /// A body too large to hold; goes out in place of `body`.
    pub(super) stream: Option<Body>,
}

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            stream: None,
        }
    }

    pub(super) fn text(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            ..Self::empty(status)
        }
        .with(header::CONTENT_TYPE, content_type)
    }

    pub(super) fn json(value: &Value) -> Self {
        let text = serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
        Self::text(200, "application/json; charset=UTF-8", text)
    }

    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Adds a header; a value that no header can hold is left out.
    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn into_response(self) -> Response {
        let body = self.stream.unwrap_or_else(|| Body::from(self.body));
        let mut response = Response::new(body);
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().extend(
            self.headers
                .into_iter()
                .map(|(name, value)| (Some(name), value)),
        );
        response
    }
}
