//! Answers that the service is known to give, by the words of a script.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    answer::{Answer, Blame, Refusal, Rpc},
    route::{Kind, Method},
    settings::Settings,
};

/// Answers that the service is known to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Canned {
    #[serde(rename = "daily_429")]
    Daily429,
    #[serde(rename = "minute_429")]
    Minute429,
    #[serde(rename = "concurrent_429")]
    Concurrent429,
    #[serde(rename = "quota_400_flat")]
    Quota400Flat,
    #[serde(rename = "quota_403")]
    Quota403,
    StorageFull,
    #[serde(rename = "html_502")]
    Html502,
    #[serde(rename = "server_500")]
    Server500,
    #[serde(rename = "unavailable_503")]
    Unavailable503,
    #[serde(rename = "aborted_409")]
    Aborted409,
    Garbage,
    Empty,
    #[serde(rename = "unauthenticated_401")]
    Unauthenticated401,
    #[serde(rename = "scope_403")]
    Scope403,
    #[serde(rename = "forbidden_403")]
    Forbidden403,
    #[serde(rename = "api_disabled_403")]
    ApiDisabled403,
    #[serde(rename = "photos_disabled_403")]
    PhotosDisabled403,
    #[serde(rename = "not_found_404")]
    NotFound404,
    #[serde(rename = "too_large_413")]
    TooLarge413,
    #[serde(rename = "checksum_400")]
    Checksum400,
    BadUploadToken,
    InvalidAlbum,
    AlbumGone,
    AlbumForbidden,
}

impl Canned {
    /// The answer as it goes out for `method`.
    pub(super) fn answer(self, method: Method, settings: &Settings) -> Answer {
        match self.refusal(settings) {
            Some(refusal) => refusal.answer(Some(method), settings.error_details),
            None => match self {
                Self::Html502 => Answer::text(
                    502,
                    "text/html; charset=UTF-8",
                    "<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n\
                     <p><b>502.</b> <ins>That's an error.</ins>\n<p>The server encountered a \
                     temporary error and could not complete your request.\n",
                ),
                Self::Garbage if method.kind() == Kind::Upload => {
                    Answer::text(200, "text/plain", "<html><body>\u{1b}[0m")
                }
                Self::Garbage => Answer::text(
                    200,
                    "application/json; charset=UTF-8",
                    Bytes::from_static(b"{\"newMediaItemResults\": [{\"uploadTok"),
                ),
                _ => Answer::empty(200),
            },
        }
    }

    /// The refusal that it is; none for what is no status of the service.
    fn refusal(self, settings: &Settings) -> Option<Refusal> {
        let server = |rpc, message: &str| Refusal::new(rpc, Blame::Circumstance("script"), message);
        Some(match self {
            Self::Daily429 => Refusal::day_exhausted(settings.daily_limit.unwrap_or(10_000)),
            Self::Minute429 => Refusal::minute_exhausted(settings.writes_per_minute.unwrap_or(30)),
            Self::Concurrent429 => Refusal::concurrent(Blame::Circumstance("script")),
            Self::Quota400Flat => Refusal::upload_quota(),
            Self::Quota403 => Refusal {
                http: 403,
                rpc: Rpc(7, "PERMISSION_DENIED", 403),
                reason: "userRateLimitExceeded",
                ..Refusal::minute_exhausted(settings.writes_per_minute.unwrap_or(30))
            },
            Self::StorageFull => Refusal::storage_full(),
            Self::Server500 => server(Rpc::INTERNAL, "Internal error encountered."),
            Self::Unavailable503 => {
                server(Rpc::UNAVAILABLE, "The service is currently unavailable.")
            }
            Self::Aborted409 => server(Rpc::ABORTED, "The operation was aborted."),
            Self::Unauthenticated401 => Refusal::unauthenticated(Blame::Circumstance("script")),
            Self::Scope403 => Refusal::scope_missing(),
            Self::Forbidden403 => Refusal::forbidden("script"),
            Self::ApiDisabled403 => Refusal::api_disabled(),
            Self::PhotosDisabled403 => Refusal::photos_disabled(),
            Self::NotFound404 => Refusal::not_found("script"),
            Self::TooLarge413 => Refusal {
                http: 413,
                ..Refusal::bad(
                    "script",
                    "The request exceeded the max file size limit of 20 GB.",
                )
            },
            Self::Checksum400 => Refusal::bad(
                "script",
                "Checksum from header does not match received payload content.",
            ),
            Self::BadUploadToken => {
                Refusal::bad("script", "Request must contain a valid upload token.")
            }
            Self::InvalidAlbum => Refusal::bad("script", "Invalid album ID."),
            Self::AlbumGone => Refusal::bad("script", "The provided ID does not match any albums"),
            Self::AlbumForbidden => {
                Refusal::bad("script", "No permission to add media items to this album.")
            }
            Self::Html502 | Self::Garbage | Self::Empty => return None,
        })
    }
}
