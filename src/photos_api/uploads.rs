//! Bytes to upload tokens: the raw protocol in one request, the resumable one by session
//! (fact sheet, sections 2.1 and 2.2).
//!
//! A session that no longer exists is [`Kind::SessionGone`] from every call here, and so is one that
//! may not even be asked; one that stands at
//! another offset is [`Kind::OffsetMismatch`], after which it is asked before anything more is sent.

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
};
use url::Url;

use crate::model::ids::{SessionUrl, UploadToken};

use super::{
    auth::{Bearer, Endpoint},
    classify::{About, SessionStatus},
    client::Client,
    endpoints,
    error::{Error, Kind},
    stall_timeout::watched,
    transport::{self, Reply, SMALL_LIMIT},
    upload_body::{FileBody, Sent},
};

/// The granularity taken where the service names none: what Google calls its standard.
const GRANULARITY: u64 = 256 << 10;

/// A resumable session that was just begun.
#[derive(Debug, Clone)]
pub struct Session {
    /// Where its bytes go. A secret.
    pub url: SessionUrl,
    /// Every stretch but the last begins at, and is as long as, a multiple of it.
    pub granularity: u64,
}

/// Whether more of the file follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// More follows: the stretch is a multiple of the granularity.
    More,
    /// This is the end of the file.
    Last,
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionAnswer {
    /// It takes more; `received` is where to go on, and always there in the answer to a query.
    Active {
        /// How many bytes the service has, if it said so.
        received: Option<u64>,
    },
    /// It is complete. A query does not always repeat the token.
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
        let reply = self.accept(reply, About::Upload, Endpoint::Uploads, &bearer, &[])?;
        token(&reply)?.ok_or_else(|| Error::new(Kind::EmptyToken, "").with_status(reply.status))
    }

    /// Begins a resumable session for `size` bytes.
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
        let reply = self.accept(reply, About::Upload, Endpoint::Uploads, &bearer, &[])?;
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

    /// Sends the stretch of the file that begins at `offset`; an empty last one only completes.
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
        let reply = self.to_session(session, headers, body).await?;
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

    /// Asks a session where it stands.
    pub async fn query_session(&self, session: &SessionUrl) -> Result<SessionAnswer, Error> {
        let mut headers = HeaderMap::new();
        headers.insert("x-goog-upload-command", HeaderValue::from_static("query"));
        let reply = self.to_session(session, headers, None).await;
        let reply = reply.map_err(|error| match error.kind() {
            // A question carries nothing that could be refused but the address of the session.
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

    async fn to_session(
        &self,
        session: &SessionUrl,
        headers: HeaderMap,
        body: Option<FileBody>,
    ) -> Result<Reply, Error> {
        let url = session_url(session)?;
        let (reply, bearer) = self.post(url.clone(), headers, body).await?;
        let about = About::Session(SessionStatus::of(&reply.headers));
        let pass = upload_id(&url).unwrap_or_default();
        let sent = [session.reveal(), &pass];
        self.accept(reply, about, Endpoint::Uploads, &bearer, &sent)
    }

    /// One POST of bytes or of none, watched.
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
        // A session address is the service's own word; a token goes to the configured place only.
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
        match watched(exchange, &sent, &self.timeouts).await {
            Ok(reply) => Ok((reply, bearer)),
            Err(error) => Err(match sent.take_fault() {
                Some(fault) => Error::new(Kind::Body, "").with_source(fault),
                None => error,
            }),
        }
    }
}

/// The address of a session, which must be as safe as the configured one.
fn session_url(session: &SessionUrl) -> Result<Url, Error> {
    let url = Url::parse(session.reveal())
        .map_err(|_| Error::new(Kind::SessionGone, "the session has no valid address"))?;
    endpoints::check(&url)
        .map_err(|_| Error::new(Kind::SessionGone, "the session has no safe address"))?;
    Ok(url)
}

/// The part of a session's address that lets its bearer in.
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

/// The token in the body, trimmed; none in an empty one. What has blanks or markup in it is a page
/// of something in between, not a token.
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
#[path = "uploads_tests.rs"]
mod tests;
