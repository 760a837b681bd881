//! The browser flow: the user consents in a browser, which is redirected to this machine with a code,
//! and the code is exchanged for tokens.
//!
//! It is the flow for installed apps (fact sheet, section 1.1): a loopback redirect, PKCE with S256, a
//! state that is compared in constant time, offline access. The command opens the browser and reads
//! pasted addresses.

use std::{net::Ipv4Addr, time::Duration};

use oauth2::{
    AuthUrl, AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};
use secrecy::ExposeSecret as _;
use tokio::{net::TcpListener, task::JoinSet};
use url::{Url, form_urlencoded};

use crate::clock;

use super::{
    super::{
        classify,
        error::{Error, Kind},
    },
    client_secret::{ClientSecret, Redirect},
    redirect_listener::{self, Request},
    sign_in::Auth,
    token_endpoint::{self, Grant, SCOPES},
    token_file::Tokens,
};

/// A sign-in in progress.
#[derive(Debug)]
pub struct Login {
    auth: Auth,
    secret: ClientSecret,
    listener: TcpListener,
    redirect: Url,
    /// The redirect as it was sent: the exchange must repeat it byte for byte.
    redirect_text: String,
    address: Url,
    state: CsrfToken,
    verifier: PkceCodeVerifier,
    new_client: bool,
}

/// A successful sign-in.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The granted scopes.
    pub scopes: Vec<String>,
}

impl Login {
    /// Opens a port for the redirect and builds the address of the consent page.
    pub async fn begin(auth: &Auth) -> Result<Self, Error> {
        let secret = auth.client_secret().await?;
        let (listener, redirect_text) = listen(&secret.redirect).await?;
        let invalid = |error| Error::new(Kind::Setup, "not an address").with_source(error);
        let redirect = Url::parse(&redirect_text).map_err(invalid)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (address, state) = auth
            .endpoint()
            .oauth(&secret)
            .set_auth_uri(AuthUrl::from_url(auth.auth_url().clone()))
            .set_redirect_uri(RedirectUrl::new(redirect_text.clone()).map_err(invalid)?)
            .authorize_url(CsrfToken::new_random)
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(challenge)
            .add_extra_param("access_type", "offline")
            .add_extra_param("prompt", "consent")
            .url();
        Ok(Self {
            auth: auth.clone(),
            secret,
            listener,
            redirect,
            redirect_text,
            address,
            state,
            verifier,
            new_client: false,
        })
    }

    /// Records that the user wants to use this client although another one made the library.
    #[must_use]
    pub fn with_new_client(mut self, new_client: bool) -> Self {
        self.new_client = new_client;
        self
    }

    /// The address of the consent page.
    pub fn address(&self) -> &Url {
        &self.address
    }

    /// Waits for the redirect, for at most `limit`, and signs in.
    pub async fn finish(&self, limit: Option<Duration>) -> Result<Granted, Error> {
        let Some(limit) = limit else {
            return self.wait().await;
        };
        tokio::time::timeout(limit, self.wait())
            .await
            .unwrap_or_else(|_| {
                Err(Error::new(
                    Kind::LoginNeeded,
                    "the browser did not come back from the sign-in",
                )
                .with_hint("run `albumen login --no-browser` and open the address that it prints"))
            })
    }

    /// Signs in with the address to which a browser on another machine was redirected.
    pub async fn finish_with(&self, pasted: &str) -> Result<Granted, Error> {
        let pasted = pasted.trim();
        let query = pasted.split_once('?').map_or(pasted, |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        match Redirected::parse(query) {
            redirected if self.is_ours(&redirected) => self.complete(redirected).await,
            _ => Err(Error::new(
                Kind::LoginNeeded,
                "this is not the address that this sign-in ends at",
            )
            .with_hint("paste the whole address that the browser shows after you consented")),
        }
    }

    async fn wait(&self) -> Result<Granted, Error> {
        let mut connections = JoinSet::new();
        loop {
            let request = redirect_listener::next(&self.listener, &mut connections)
                .await
                .map_err(|error| {
                    Error::new(Kind::Setup, "the port for the sign-in failed").with_source(error)
                })?;
            let (path, query) = request
                .target
                .split_once('?')
                .unwrap_or((request.target.as_str(), ""));
            let redirected = Redirected::parse(query);
            if path != self.redirect.path() || !self.is_ours(&redirected) {
                request
                    .respond("404 Not Found", "Nothing here", "This is not the sign-in.")
                    .await;
                continue;
            }
            let result = self.complete(redirected).await;
            respond(request, &result).await;
            return result;
        }
    }

    /// Compares the state in constant time, which the comparison of hashes is.
    fn is_ours(&self, redirected: &Redirected) -> bool {
        blake3::hash(redirected.state.as_bytes()) == blake3::hash(self.state.secret().as_bytes())
    }

    async fn complete(&self, redirected: Redirected) -> Result<Granted, Error> {
        if let Some(code) = redirected.error {
            return Err(classify::sign_in_refused(&code, &redirected.description));
        }
        let Some(code) = redirected.code else {
            return Err(Error::new(
                Kind::LoginNeeded,
                "the sign-in page gave no code",
            ));
        };
        let grant = self.exchange(code).await?;
        self.save(grant).await
    }

    async fn exchange(&self, code: String) -> Result<Grant, Error> {
        let endpoint = self.auth.endpoint();
        let redirect = RedirectUrl::new(self.redirect_text.clone())
            .map_err(|error| Error::new(Kind::Setup, "not an address").with_source(error))?;
        endpoint
            .oauth(&self.secret)
            .set_redirect_uri(redirect)
            .exchange_code(AuthorizationCode::new(code.clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(self.verifier.secret().clone()))
            .request_async(endpoint)
            .await
            .map(|response| Grant::from(&response))
            .map_err(|error| {
                let secret = self.secret.secret.expose_secret();
                token_endpoint::refused(error, &[&code, self.verifier.secret(), secret])
            })
    }

    /// Writes the token file, if all scopes were granted.
    async fn save(&self, grant: Grant) -> Result<Granted, Error> {
        // A response without scopes grants the requested ones (RFC 6749, section 5.1).
        let scopes = grant
            .scopes
            .unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec());
        token_endpoint::check_scopes(&scopes)?;
        let Some(refresh_token) = grant.refresh_token else {
            return Err(Error::new(
                Kind::LoginNeeded,
                "the sign-in server gave no lasting token",
            )
            .with_hint("remove Albumen's access at https://myaccount.google.com/connections, then `albumen login`"));
        };
        let now = self.auth.clock().now();
        let tokens = Tokens {
            client_id: self.secret.id.clone(),
            obtained_at: now,
            scopes: scopes.clone(),
            refresh_token,
            access_token: grant.access_token,
            expires_at: clock::after(now, grant.lifetime),
            new_client: self.new_client,
        };
        self.auth.save(tokens).await?;
        Ok(Granted { scopes })
    }
}

/// The parameters of the redirect.
#[derive(Debug, Default)]
struct Redirected {
    code: Option<String>,
    state: String,
    error: Option<String>,
    description: String,
}

impl Redirected {
    fn parse(query: &str) -> Self {
        let mut redirected = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "code" => redirected.code = Some(value.into_owned()),
                "state" => redirected.state = value.into_owned(),
                "error" => redirected.error = Some(value.into_owned()),
                "error_description" => redirected.description = value.into_owned(),
                _ => {}
            }
        }
        redirected
    }
}

async fn listen(redirect: &Redirect) -> Result<(TcpListener, String), Error> {
    let port = match redirect {
        Redirect::AnyPort => 0,
        Redirect::Registered(Some(url)) => url.port_or_known_default().unwrap_or(80),
        Redirect::Registered(None) => {
            return Err(Error::new(
                Kind::Setup,
                "the OAuth client is of the type `Web application` and allows no redirect to this machine",
            )
            .with_hint("create an OAuth client of the type `Desktop app` and use its file"));
        }
    };
    let no_port = |error| {
        Error::new(
            Kind::Setup,
            "no port of this machine can be opened for the sign-in",
        )
        .with_source(error)
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(no_port)?;
    let text = match redirect {
        Redirect::Registered(Some(url)) => url.to_string(),
        _ => format!("http://{}", listener.local_addr().map_err(no_port)?),
    };
    Ok((listener, text))
}

async fn respond(request: Request, result: &Result<Granted, Error>) {
    match result {
        Ok(_) => {
            let text = "Albumen may now upload. You can close this page.";
            request.respond("200 OK", "You are signed in", text).await;
        }
        Err(error) => {
            let text = format!("{error}. {}", error.hint().unwrap_or_default());
            request
                .respond("400 Bad Request", "You are not signed in", &text)
                .await;
        }
    }
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
