//! Uploads bytes and returns upload tokens: the raw protocol in one request, the resumable one in a
//! session (fact sheet, sections 2.1 and 2.2).
//!
//! A session that has ended, or cannot be queried, is [`Kind::SessionGone`]. A session that expects
//! another offset is [`Kind::OffsetMismatch`]: it must be queried before more is sent.

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
};
use url::Url;

use crate::model::ids::{SessionUrl, UploadToken};

use super::{
    auth::{Bearer, Surface},
    classify::{About, SessionStatus},
    client::Client,
    error::{Error, Kind},
    transport::{self, Reply, SMALL_LIMIT},
    upload_body::{FileBody, Sent, with_stall_timeout},
};

/// The granularity if the service names none: what Google calls its standard.
const GRANULARITY: u64 = 256 << 10;

/// A new resumable session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The address for its bytes. A secret.
    pub url: SessionUrl,
    /// Offset and length of every part but the last are multiples of it.
    pub granularity: u64,
}

/// Whether a part is the last of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// More follows: the length is a multiple of the granularity.
    More,
    /// The last part.
    Last,
}

/// The state of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionAnswer {
    /// It expects more bytes.
    Active {
        /// How many bytes the service has: always present in the answer to a query.
        received: Option<u64>,
    },
    /// It is complete. The answer to a query does not always have the token.
    Final(Option<UploadToken>),
}

impl Client {
    /// Uploads a whole file in one request.
    pub async fn upload_raw(&self, mime: &str, body: FileBody) -> Result<UploadToken, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("x-goog-upload-protocol", HeaderValue::from_static("raw"));
        headers.insert("x-goog-upload-content-type", value(mime)?);
        let url = self.url("/v1/uploads")?;
        let (reply, bearer) = self.post(url, headers, Some(body)).await?;
        let reply = self.check(reply, About::Upload, Surface::Uploads, &bearer, &[])?;
        token(&reply)?.ok_or_else(|| Error::new(Kind::EmptyToken, "").with_status(reply.status))
    }

    /// Starts a resumable session for `size` bytes.
    pub async fn start_session(&self, mime: &str, size: u64) -> Result<Session, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("x-goog-upload-command", HeaderValue::from_static("start"));
        headers.insert(
            "x-goog-upload-protocol",
            HeaderValue::from_static("resumable"),
        );
        headers.insert("x-goog-upload-content-type", value(mime)?);
        headers.insert("x-goog-upload-raw-size", HeaderValue::from(size));
        let url = self.url("/v1/uploads")?;
        let (reply, bearer) = self.post(url, headers, None).await?;
        let reply = self.check(reply, About::Upload, Surface::Uploads, &bearer, &[])?;
        if SessionStatus::of(&reply.headers) == Some(SessionStatus::Final) {
            let refused = Error::new(Kind::BadRequest, "the service refused to begin the upload");
            return Err(refused.with_status(reply.status));
        }
        let url = text(&reply.headers, "x-goog-upload-url")
            .ok_or_else(|| garbled(&reply, "no session address"))?;
        let session = SessionUrl::new(url);
        session_url(&session)?;
        Ok(Session {
            url: session,
            granularity: number(&reply.headers, "x-goog-upload-chunk-granularity")
                .filter(|granularity| *granularity > 0)
                .unwrap_or(GRANULARITY),
        })
    }

    /// Sends the part of the file that begins at `offset`; an empty last part only completes the session.
    pub async fn send_part(
        &self,
        session: &SessionUrl,
        offset: u64,
        part: Part,
        body: FileBody,
    ) -> Result<SessionAnswer, Error> {
        let command = match part {
            Part::More => "upload",
            Part::Last if body.size() == 0 => "finalize",
            Part::Last => "upload, finalize",
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-goog-upload-command", HeaderValue::from_static(command));
        headers.insert("x-goog-upload-offset", HeaderValue::from(offset));
        let body = (body.size() > 0).then_some(body);
        let reply = self.post_to_session(session, headers, body).await?;
        let answer = session_answer(&reply)?;
        match (&answer, part) {
            (SessionAnswer::Final(None), _) => {
                Err(Error::new(Kind::EmptyToken, "").with_status(reply.status))
            }
            (SessionAnswer::Active { .. }, Part::Last) => Err(garbled(
                &reply,
                "the session is still open after the last byte",
            )),
            _ => Ok(answer),
        }
    }

    /// Queries the state of a session.
    pub async fn query_session(&self, session: &SessionUrl) -> Result<SessionAnswer, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("x-goog-upload-command", HeaderValue::from_static("query"));
        let reply = self.post_to_session(session, headers, None).await;
        let reply = reply.map_err(|error| match error.kind() {
            // Nothing else in a query can be wrong but the address of the session.
            Kind::BadRequest | Kind::Forbidden | Kind::NotFound => {
                error.with_kind(Kind::SessionGone)
            }
            _ => error,
        })?;
        let answer = session_answer(&reply)?;
        if answer == (SessionAnswer::Active { received: None }) {
            return Err(garbled(&reply, "the session does not say where it stands"));
        }
        Ok(answer)
    }

    async fn post_to_session(
        &self,
        session: &SessionUrl,
        headers: HeaderMap,
        body: Option<FileBody>,
    ) -> Result<Reply, Error> {
        let url = session_url(session)?;
        let (reply, bearer) = self.post(url.clone(), headers, body).await?;
        let about = About::Session(SessionStatus::of(&reply.headers));
        let upload_id = upload_id(&url).unwrap_or_default();
        let sent = [session.reveal(), &upload_id];
        self.check(reply, about, Surface::Uploads, &bearer, &sent)
    }

    /// One POST, with the stall timeout.
    async fn post(
        &self,
        url: Url,
        headers: HeaderMap,
        body: Option<FileBody>,
    ) -> Result<(Reply, Bearer), Error> {
        let bearer = self.auth.bearer().await?;
        let sent = body.as_ref().map_or_else(Sent::nothing, FileBody::sent);
        let size = body.as_ref().map_or(0, FileBody::size);
        let mut request = self.uploads.post(url.clone()).headers(headers);
        // The service chose the session address; the access token goes to the configured origin only.
        if url.origin() == self.api.origin() {
            request = request.header(AUTHORIZATION, bearer.header());
        }
        request = request.header(CONTENT_LENGTH, size);
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, "application/octet-stream")
                .body(reqwest::Body::wrap(body));
        }
        let request = request.build().map_err(transport::failure)?;
        let exchange = transport::exchange(&self.uploads, request, SMALL_LIMIT);
        match with_stall_timeout(exchange, &sent, &self.timeouts).await {
            Ok(reply) => Ok((reply, bearer)),
            Err(error) => Err(match sent.take_error() {
                Some(source) => Error::new(Kind::Body, "").with_source(source),
                None => error,
            }),
        }
    }
}

/// The address of a session, which must be as safe as a configured one.
fn session_url(session: &SessionUrl) -> Result<Url, Error> {
    let url = Url::parse(session.reveal())
        .map_err(|_| Error::new(Kind::SessionGone, "the session has no valid address"))?;
    transport::check(&url)
        .map_err(|_| Error::new(Kind::SessionGone, "the session has no safe address"))?;
    Ok(url)
}

/// The secret in a session's address.
fn upload_id(url: &Url) -> Option<String> {
    url.query_pairs()
        .find_map(|(name, value)| (name == "upload_id").then(|| value.into_owned()))
}

fn session_answer(reply: &Reply) -> Result<SessionAnswer, Error> {
    match SessionStatus::of(&reply.headers) {
        Some(SessionStatus::Active) => Ok(SessionAnswer::Active {
            received: number(&reply.headers, "x-goog-upload-size-received"),
        }),
        Some(SessionStatus::Final) => Ok(SessionAnswer::Final(token(reply)?)),
        Some(SessionStatus::Cancelled) => {
            Err(Error::new(Kind::SessionGone, "cancelled").with_status(reply.status))
        }
        None => Err(garbled(
            reply,
            "the session does not say whether it is open",
        )),
    }
}

/// The token in the body, trimmed; none if the body is empty. A text with spaces or markup is a page of
/// a proxy, not a token.
fn token(reply: &Reply) -> Result<Option<UploadToken>, Error> {
    let token = reply.body.trim_ascii();
    if token.is_empty() {
        return Ok(None);
    }
    std::str::from_utf8(token)
        .ok()
        .filter(|token| {
            token
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"<>{}\"".contains(&byte))
        })
        .map(|token| Some(UploadToken::new(token)))
        .ok_or_else(|| garbled(reply, "not an upload token"))
}

fn garbled(reply: &Reply, words: &str) -> Error {
    Error::new(Kind::Garbled, words).with_status(reply.status)
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text)
        .map_err(|error| Error::new(Kind::BadRequest, "not a media type").with_source(error))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim()).filter(|text| !text.is_empty())
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
