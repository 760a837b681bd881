//! Sends calls, one request each, and returns the answers unchanged.

use serde::de::DeserializeOwned;
use url::Url;

use crate::model::ids::UploadToken;

use super::{
    auth::{Auth, Bearer, Surface},
    classify::{self, About},
    error::{Error, Kind},
    requests::Call,
    transport::{self, JSON_LIMIT, Reply, Settings, Timeouts},
};

/// The client of the Library API; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) api: Url,
    pub(super) json: reqwest::Client,
    pub(super) uploads: reqwest::Client,
    pub(super) timeouts: Timeouts,
    pub(super) auth: Auth,
}

/// A successful answer, unchanged.
#[derive(Clone)]
pub struct Answer {
    /// 200, or 207 where only some items succeeded; both mean the same.
    pub http_status: u16,
    /// The JSON body. It can hold upload tokens: not for logs.
    pub body: String,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("http_status", &self.http_status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// An answer from the journal.
    pub fn journalled(http_status: u16, body: String) -> Self {
        Self { http_status, body }
    }

    /// Parses the body as one of the types of [`super::wire`].
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.body).map_err(|error| {
            // The parser's message is dropped: it can quote the body.
            let place = format!("line {}, column {}", error.line(), error.column());
            let mut garbled = Error::new(Kind::Garbled, &place);
            if let Ok(status) = http::StatusCode::from_u16(self.http_status) {
                garbled = garbled.with_status(status);
            }
            garbled
        })
    }
}

impl Client {
    /// A client of the service at `settings.endpoints` with this sign-in.
    pub fn new(settings: &Settings, auth: Auth) -> Result<Self, Error> {
        settings.endpoints.check()?;
        Ok(Self {
            json: transport::json_client(&settings.endpoints.api, &settings.timeouts)?,
            uploads: transport::upload_client(settings)?,
            api: settings.endpoints.api.clone(),
            timeouts: settings.timeouts.clone(),
            auth,
        })
    }

    /// The sign-in of this client.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Sends a call once. After [`Kind::AccessTokenRefused`] the next attempt uses a new token.
    pub async fn send(&self, call: &Call) -> Result<Answer, Error> {
        let bearer = self.auth.bearer().await?;
        let timeout = if call.method.mutates() {
            self.timeouts.write
        } else {
            self.timeouts.read
        };
        let mut request = self
            .json
            .request(call.method.http(), self.url(&call.path)?)
            .header(http::header::AUTHORIZATION, bearer.header())
            .header(http::header::ACCEPT, "application/json")
            .timeout(timeout);
        if !call.body.is_empty() {
            request = request
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(call.body.clone());
        }
        let request = request.build().map_err(transport::failure)?;
        let reply = transport::exchange(&self.json, request, JSON_LIMIT).await?;
        let about = if call.method.names_album() {
            About::Album
        } else {
            About::Items
        };
        let tokens = if reply.status.is_success() {
            Vec::new()
        } else {
            call.upload_tokens()
        };
        let sent: Vec<&str> = tokens.iter().map(UploadToken::reveal).collect();
        answer(self.check(reply, about, Surface::Json, &bearer, &sent)?)
    }

    /// Turns a refusal into an error and reports the result to the sign-in. `sent` are the secrets of
    /// the request beside the access token.
    pub(super) fn check(
        &self,
        reply: Reply,
        about: About,
        surface: Surface,
        bearer: &Bearer,
        sent: &[&str],
    ) -> Result<Reply, Error> {
        if reply.status.is_success() {
            self.auth.accepted(bearer, surface);
            return Ok(reply);
        }
        let sent: Vec<&str> = sent.iter().copied().chain(bearer.token()).collect();
        let error = classify::refusal(
            about,
            reply.status,
            &reply.headers,
            &reply.body,
            &sent,
            self.auth.clock().now(),
        );
        Err(match error.kind() {
            Kind::AccessTokenRefused => self.auth.rejected(bearer, surface, error),
            _ => error,
        })
    }

    pub(super) fn url(&self, path: &str) -> Result<Url, Error> {
        let base = self.api.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}"))
            .map_err(|error| Error::new(Kind::Setup, "not an address").with_source(error))
    }
}

/// A success is a JSON object: anything else comes from a proxy.
fn answer(reply: Reply) -> Result<Answer, Error> {
    let answer = Answer {
        http_status: reply.status.as_u16(),
        body: String::from_utf8(reply.body.into())
            .map_err(|_| Error::new(Kind::Garbled, "not text").with_status(reply.status))?,
    };
    answer.parse::<serde_json::Map<String, serde_json::Value>>()?;
    Ok(answer)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
