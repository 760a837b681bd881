//! Talks to the sign-in server: a code for tokens, a refresh token for an access token, an end to both.
//!
//! Whatever is transient here is [`Kind::Unreachable`]: the call that wanted the token was not sent,
//! and its outcome is not in doubt.

use std::{pin::Pin, time::Duration};

use http::StatusCode;
use jiff::Timestamp;
use oauth2::{
    AsyncHttpClient, AuthType, ClientId, HttpRequest, HttpResponse, RefreshToken,
    RequestTokenError, TokenResponse as _, TokenUrl,
    basic::{BasicClient, BasicErrorResponse, BasicTokenResponse},
};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    classify,
    client_secret::ClientSecret,
    error::{Error, Kind},
    error_patterns, redact,
    token_file::Tokens,
    transport::{self, SMALL_LIMIT},
};

/// Access tokens live about so long where the answer does not say (fact sheet, section 1.1).
const LIFETIME: Duration = Duration::from_secs(3599);

/// The way to the sign-in server.
#[derive(Debug, Clone)]
pub(super) struct SignInServer {
    pub http: reqwest::Client,
    pub token_url: Url,
    pub timeout: Duration,
}

/// What the sign-in server gave.
#[derive(Debug)]
pub(super) struct Given {
    pub access_token: SecretString,
    pub lifetime: Duration,
    /// At a sign-in; seldom at a refresh.
    pub refresh_token: Option<SecretString>,
    /// What was granted, if it said so.
    pub scopes: Option<Vec<String>>,
}

/// An OAuth client that knows where tokens come from.
pub(super) type TokenClient = BasicClient<
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointNotSet,
    oauth2::EndpointSet,
>;

impl SignInServer {
    pub(super) fn oauth(&self, secret: &ClientSecret) -> TokenClient {
        BasicClient::new(ClientId::new(secret.id.clone()))
            .set_client_secret(oauth2::ClientSecret::new(
                secret.secret.expose_secret().to_owned(),
            ))
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(TokenUrl::from_url(self.token_url.clone()))
    }

    /// A new access token.
    pub(super) async fn refresh(
        &self,
        secret: &ClientSecret,
        tokens: &Tokens,
        now: Timestamp,
    ) -> Result<Given, Error> {
        let refresh_token = RefreshToken::new(tokens.refresh_token.expose_secret().to_owned());
        self.oauth(secret)
            .exchange_refresh_token(&refresh_token)
            .request_async(self)
            .await
            .map(|response| given(&response))
            .map_err(|error| {
                if is_invalid_grant(&error) {
                    died(tokens.obtained_at, now)
                } else {
                    let sent = [
                        tokens.refresh_token.expose_secret(),
                        secret.secret.expose_secret(),
                    ];
                    refused(error, &sent)
                }
            })
    }

    /// Carries a request of the OAuth crate. What is no answer of the OAuth protocol ends here.
    async fn carry(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (parts, body) = request.into_parts();
        let request = self
            .http
            .request(parts.method, self.token_url.clone())
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
        if reply.status == StatusCode::OK || is_refusal(reply.status) {
            // Without headers: the body is judged by its content, not by its label.
            let mut response = HttpResponse::new(reply.body.to_vec());
            *response.status_mut() = reply.status;
            return Ok(response);
        }
        if reply.status.is_redirection() {
            return Err(classify::redirect(reply.status, &reply.headers));
        }
        Err(Error::new(
            Kind::Unreachable,
            "the sign-in server could not do it at the moment",
        )
        .with_status(reply.status))
    }
}

/// The way of the OAuth crate to our connections. The future is boxed, because the compiler cannot
/// see that one made of a closure may move between threads.
impl<'c> AsyncHttpClient<'c> for SignInServer {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.carry(request))
    }
}

/// Refusals of the OAuth protocol are 400 and 401; 403 comes for forbidden clients.
fn is_refusal(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403)
}

pub(super) fn given(response: &BasicTokenResponse) -> Given {
    Given {
        access_token: response.access_token().secret().as_str().into(),
        lifetime: response.expires_in().unwrap_or(LIFETIME),
        refresh_token: response
            .refresh_token()
            .map(|token| token.secret().as_str().into()),
        scopes: response.scopes().map(|scopes| {
            scopes
                .iter()
                .map(|scope| scope.as_str().to_owned())
                .collect()
        }),
    }
}

/// The error of a refused exchange; `sent` are the secrets that went out with it.
pub(super) fn refused(error: RequestTokenError<Error, BasicErrorResponse>, sent: &[&str]) -> Error {
    match error {
        RequestTokenError::Request(error) => error,
        RequestTokenError::ServerResponse(response) => {
            let description = response.error_description().map_or("", String::as_str);
            let code = redact::kept(response.error().as_ref(), sent);
            sign_in_refused(&code, &redact::kept(description, sent))
        }
        // Neither is passed on: they can quote tokens.
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => Error::new(
            Kind::Unreachable,
            "the answer is not one of the sign-in server",
        ),
    }
}

/// The refresh token, or the code, is dead.
fn is_invalid_grant(error: &RequestTokenError<Error, BasicErrorResponse>) -> bool {
    matches!(error, RequestTokenError::ServerResponse(response) if response.error().as_ref() == "invalid_grant")
}

/// The error for a code of the sign-in server, from its answer or from a redirect.
pub(super) fn sign_in_refused(code: &str, description: &str) -> Error {
    if code == "invalid_grant" {
        return Error::new(Kind::LoginNeeded, description);
    }
    if matches!(
        code,
        "temporarily_unavailable" | "server_error" | "rate_limit_exceeded"
    ) {
        return Error::new(Kind::Unreachable, description);
    }
    match error_patterns::by_sign_in_code(code) {
        Some((kind, sentence, hint)) if description.is_empty() => {
            Error::new(kind, sentence).with_hint(hint)
        }
        Some((kind, sentence, hint)) => {
            Error::new(kind, &format!("{sentence} ({description})")).with_hint(hint)
        }
        // What nobody has seen yet may be trouble of its own, and is tried again: a word that is taken
        // for a verdict would stop everything for good.
        None => Error::new(
            Kind::Unreachable,
            &format!("the sign-in server refused with `{code}` {description}"),
        ),
    }
}

/// Why a refresh token died, as far as its age tells (fact sheet, section 1.2).
fn died(obtained_at: Timestamp, now: Timestamp) -> Error {
    let hours = now.duration_since(obtained_at).as_hours();
    let age = match hours {
        ..1 => "less than an hour".to_owned(),
        1 => "an hour".to_owned(),
        2..48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    };
    // A token of a consent screen in Testing dies after 7 days, and is noticed at the next refresh:
    // an hour early by another clock, some days late by a machine that slept.
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
    use super::*;

    fn died_after(hours: i64) -> Error {
        let then: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        died(then, then + jiff::SignedDuration::from_hours(hours))
    }

    #[test]
    fn a_sign_in_that_died_after_a_week_is_told_about_testing() {
        assert!(died_after(7 * 24).hint().unwrap().contains("publish it"));
        assert!(died_after(7 * 24).message().contains("7 days"));
        assert_eq!(died_after(30).hint(), Some("run `albumen login`"));
        assert!(died_after(200 * 24).message().contains("200 days"));
        assert!(died_after(-3).message().contains("less than an hour ago"));
    }

    #[test]
    fn every_known_code_of_the_sign_in_has_its_own_sentence() {
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
