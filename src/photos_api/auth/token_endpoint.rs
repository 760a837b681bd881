//! Requests to the token endpoint: an authorization code for tokens, a refresh token for an access token.
//!
//! Every transient failure is [`Kind::Unreachable`]: the call that wanted the token was not sent.

use std::{pin::Pin, time::Duration};

use jiff::Timestamp;
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, HttpRequest, HttpResponse, RefreshToken,
    RequestTokenError, TokenResponse as _, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicTokenResponse},
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::clock;

use super::{
    super::{
        classify,
        error::{Error, Kind},
        redact,
        transport::{self, SMALL_LIMIT},
    },
    client_secret::ClientSecret,
    token_file::Tokens,
};

/// The scopes that still work, all of which Albumen needs (fact sheet, section 1.4): upload, read
/// what it made, edit what it made.
pub const SCOPES: [&str; 3] = [
    "https://www.googleapis.com/auth/photoslibrary.appendonly",
    "https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata",
    "https://www.googleapis.com/auth/photoslibrary.edit.appcreateddata",
];

/// The lifetime of access tokens if the response does not name it (fact sheet, section 1.1).
const LIFETIME: Duration = Duration::from_secs(3599);

/// An error that names the scopes which were not granted: users can untick them one by one.
pub(super) fn check_scopes(granted: &[String]) -> Result<(), Error> {
    let missing: Vec<_> = SCOPES
        .into_iter()
        .filter(|scope| !granted.iter().any(|granted| granted == scope))
        .map(|scope| scope.rsplit('/').next().unwrap_or(scope))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let words = format!("not granted: {}", missing.join(", "));
    Err(Error::new(Kind::ScopeMissing, &words))
}

/// The token endpoint.
#[derive(Debug, Clone)]
pub(super) struct TokenEndpoint {
    pub http: reqwest::Client,
    pub url: Url,
    pub timeout: Duration,
}

/// What the token endpoint granted.
#[derive(Debug)]
pub(super) struct Grant {
    pub access_token: SecretString,
    pub lifetime: Duration,
    /// At a sign-in; rarely at a refresh.
    pub refresh_token: Option<SecretString>,
    /// The granted scopes, if the response names them.
    pub scopes: Option<Vec<String>>,
}

/// An OAuth client that knows the token endpoint.
pub(super) type TokenClient = BasicClient<
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointSet,
>;

impl TokenEndpoint {
    pub(super) fn oauth(&self, secret: &ClientSecret) -> TokenClient {
        BasicClient::new(ClientId::new(secret.id.clone()))
            .set_client_secret(oauth2::ClientSecret::new(
                secret.secret.expose_secret().to_owned(),
            ))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(TokenUrl::from_url(self.url.clone()))
    }

    /// The tokens with a new access token, and its lifetime.
    pub(super) async fn refresh(
        &self,
        secret: &ClientSecret,
        mut tokens: Tokens,
        now: Timestamp,
    ) -> Result<(Tokens, Duration), Error> {
        let refresh_token = RefreshToken::new(tokens.refresh_token.expose_secret().to_owned());
        let oauth = self.oauth(secret);
        let response = oauth
            .exchange_refresh_token(&refresh_token)
            .request_async(self)
            .await;
        let grant = match response {
            Ok(response) => Grant::from(&response),
            Err(RequestTokenError::ServerResponse(response))
                if response.error().as_ref() == "invalid_grant" =>
            {
                return Err(expired(tokens.obtained_at, now));
            }
            Err(error) => {
                let secret = secret.secret.expose_secret();
                return Err(refused(error, &[refresh_token.secret(), secret]));
            }
        };
        if let Some(scopes) = &grant.scopes {
            check_scopes(scopes)?;
        }
        tokens.access_token = grant.access_token;
        tokens.expires_at = clock::after(now, grant.lifetime);
        if let Some(refresh_token) = grant.refresh_token {
            tokens.refresh_token = refresh_token;
        }
        Ok((tokens, grant.lifetime))
    }

    /// Sends a request of the OAuth crate; every response outside the OAuth protocol is an error.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (parts, body) = request.into_parts();
        let request = self
            .http
            .request(parts.method, self.url.clone())
            .headers(parts.headers)
            .timeout(self.timeout)
            .body(body)
            .build()
            .map_err(transport::failure)?;
        let reply = transport::exchange(&self.http, request, SMALL_LIMIT)
            .await
            .map_err(|error| match error.kind() {
                Kind::Setup => error,
                _ => error.with_kind(Kind::Unreachable),
            })?;
        // Refusals of the OAuth protocol are 400 and 401; forbidden clients get 403.
        if matches!(reply.status.as_u16(), 200 | 400 | 401 | 403) {
            // Without headers: bodies are parsed by their content, not by their content type.
            let mut response = HttpResponse::new(reply.body.to_vec());
            *response.status_mut() = reply.status;
            return Ok(response);
        }
        if reply.status.is_redirection() {
            return Err(classify::redirect(reply.status, &reply.headers));
        }
        let words = "the sign-in server could not do it at the moment";
        Err(Error::new(Kind::Unreachable, words).with_status(reply.status))
    }
}

/// Lets the OAuth crate use our connections. The future is boxed, because the compiler cannot prove
/// that the future of a closure is `Send`.
impl<'c> AsyncHttpClient<'c> for TokenEndpoint {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl From<&BasicTokenResponse> for Grant {
    fn from(response: &BasicTokenResponse) -> Self {
        let scopes = response.scopes();
        Self {
            access_token: response.access_token().secret().as_str().into(),
            lifetime: response.expires_in().unwrap_or(LIFETIME),
            refresh_token: response
                .refresh_token()
                .map(|token| token.secret().as_str().into()),
            scopes: scopes.map(|all| all.iter().map(|scope| scope.as_str().to_owned()).collect()),
        }
    }
}

/// The error of a refused exchange; `sent` are the secrets that went out with it.
pub(super) fn refused(error: RequestTokenError<Error, BasicErrorResponse>, sent: &[&str]) -> Error {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(response) => {
            let description = response.error_description().map_or("", String::as_str);
            let code = redact::redact(response.error().as_ref(), sent);
            classify::sign_in_refused(&code, &redact::redact(description, sent))
        }
        // The parser's message is dropped: it can quote tokens.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => Error::new(
            Kind::Unreachable,
            "the answer is not one of the sign-in server",
        ),
    }
}

/// The error for a dead refresh token; its age hints at the cause (fact sheet, section 1.2).
fn expired(obtained_at: Timestamp, now: Timestamp) -> Error {
    let hours = now.duration_since(obtained_at).as_hours();
    let age = match hours {
        ..1 => "less than an hour".to_owned(),
        1 => "an hour".to_owned(),
        2..48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    };
    // Tokens of a consent screen in Testing expire after 7 days, which the next refresh notices:
    // an hour early if the clocks differ, some days late if the machine slept.
    if (167..24 * 10).contains(&hours) {
        let words = format!("the sign-in of {age} ago has expired");
        return Error::new(Kind::LoginNeeded, &words).with_hint(
            "a consent screen in Testing loses its sign-ins after 7 days: publish it in the Cloud console, then `albumen login`",
        );
    }
    // Six months without use.
    if hours > 24 * 180 {
        let words = format!("the sign-in of {age} ago has expired, or access was withdrawn");
        return Error::new(Kind::LoginNeeded, &words);
    }
    let words = format!("the access granted {age} ago was withdrawn");
    Error::new(Kind::LoginNeeded, &words)
}

#[cfg(test)]
mod tests {
    use super::{super::super::classify::sign_in_refused, *};

    fn expired_after(hours: i64) -> Error {
        let then: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        expired(then, then + jiff::SignedDuration::from_hours(hours))
    }

    #[test]
    fn the_hint_after_a_week_is_about_consent_screens_in_testing() {
        assert!(expired_after(7 * 24).hint().unwrap().contains("publish it"));
        assert!(expired_after(7 * 24).message().contains("7 days"));
        assert_eq!(expired_after(30).hint(), Some("run `albumen login`"));
        assert!(expired_after(200 * 24).message().contains("200 days"));
        assert!(
            expired_after(-3)
                .message()
                .contains("less than an hour ago")
        );
    }

    #[test]
    fn every_known_error_code_has_its_own_sentence() {
        let codes = [
            "access_denied",
            "admin_policy_enforced",
            "policy_enforced",
            "org_internal",
            "redirect_uri_mismatch",
            "invalid_client",
            "deleted_client",
            "invalid_scope",
            "invalid_request",
        ];
        let mut sentences: Vec<_> = codes
            .iter()
            .map(|code| sign_in_refused(code, "").message().to_owned())
            .collect();
        sentences.sort();
        sentences.dedup();
        assert_eq!(sentences.len(), codes.len());
        assert!(
            sign_in_refused("new_thing", "why")
                .message()
                .contains("new_thing")
        );
        for passes in ["server_error", "new_thing"] {
            assert_eq!(sign_in_refused(passes, "").kind(), Kind::Unreachable);
        }
    }
}
