//! Signs an account in: the browser consents, this machine gets a code, the code becomes tokens.
//!
//! The flow is the one for installed apps (fact sheet, section 1.1): a redirect to a port of this
//! machine, PKCE with S256, a state that is compared in constant time, offline access. Opening the
//! browser is the command's business; so is reading a pasted address.

use std::{net::Ipv4Addr, time::Duration};

use oauth2::{
    AuthUrl, AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
};
use secrecy::ExposeSecret as _;
use tokio::{net::TcpListener, task::JoinSet};
use url::{Url, form_urlencoded};

use crate::clock;

use super::{
    auth::Auth,
    client_secret::{ClientSecret, Redirect},
    error::{Error, Kind},
    redirect_listener::{self, Visitor},
    sign_in_checks,
    token_endpoint::{self, Given},
    token_file::Tokens,
};

/// The scopes that still work, all of which Albumen needs (fact sheet, section 1.4): upload, read
/// back what it made, edit what it made.
pub const SCOPES: [&str; 3] = [
    "https://www.googleapis.com/auth/photoslibrary.appendonly",
    "https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata",
    "https://www.googleapis.com/auth/photoslibrary.edit.appcreateddata",
];

/// A sign-in under way.
#[derive(Debug)]
pub struct Login {
    auth: Auth,
    secret: ClientSecret,
    listener: TcpListener,
    redirect: Url,
    /// The redirect as it was sent: the exchange must repeat it to the letter.
    redirect_text: String,
    address: Url,
    state: CsrfToken,
    verifier: PkceCodeVerifier,
    new_client: bool,
}

/// A sign-in that succeeded and is kept.
#[derive(Debug, Clone)]
pub struct Granted {
    /// What the user granted.
    pub scopes: Vec<String>,
}

impl Login {
    /// Opens a port of this machine and writes the address at which the user consents.
    pub async fn begin(auth: &Auth) -> Result<Self, Error> {
        let secret = auth.client_secret().await?;
        let (listener, redirect_text) = listen(&secret.redirect).await?;
        let invalid = |error| Error::new(Kind::Setup, "not an address").with_source(error);
        let redirect = Url::parse(&redirect_text).map_err(invalid)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (address, state) = auth
            .server()
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

    /// The user wants to go on with this client although another one made what is in the library.
    #[must_use]
    pub fn with_new_client(mut self, new_client: bool) -> Self {
        self.new_client = new_client;
        self
    }

    /// Where the user consents.
    pub fn address(&self) -> &Url {
        &self.address
    }

    /// Waits for the browser to come back, for at most `limit`, and signs in.
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

    /// Signs in with the address to which a browser elsewhere was sent back.
    pub async fn finish_with(&self, pasted: &str) -> Result<Granted, Error> {
        let pasted = pasted.trim();
        let query = pasted.split_once('?').map_or(pasted, |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        match Returned::of(query) {
            returned if self.is_ours(&returned) => self.conclude(returned).await,
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
            let visitor = redirect_listener::next(&self.listener, &mut connections)
                .await
                .map_err(|error| {
                    Error::new(Kind::Setup, "the port for the sign-in failed").with_source(error)
                })?;
            let (path, query) = visitor
                .target
                .split_once('?')
                .unwrap_or((visitor.target.as_str(), ""));
            let returned = Returned::of(query);
            if path != self.redirect.path() || !self.is_ours(&returned) {
                visitor
                    .answer("404 Not Found", "Nothing here", "This is not the sign-in.")
                    .await;
                continue;
            }
            let result = self.conclude(returned).await;
            tell(visitor, &result).await;
            return result;
        }
    }

    /// Compares the state by hashes, whose comparison takes the same time wherever they differ.
    fn is_ours(&self, returned: &Returned) -> bool {
        blake3::hash(returned.state.as_bytes()) == blake3::hash(self.state.secret().as_bytes())
    }

    async fn conclude(&self, returned: Returned) -> Result<Granted, Error> {
        if let Some(code) = returned.error {
            return Err(token_endpoint::sign_in_refused(
                &code,
                &returned.description,
            ));
        }
        let Some(code) = returned.code else {
            return Err(Error::new(
                Kind::LoginNeeded,
                "the sign-in page gave no code",
            ));
        };
        let given = self.exchange(code).await?;
        self.keep(given).await
    }

    async fn exchange(&self, code: String) -> Result<Given, Error> {
        let server = self.auth.server();
        let redirect = RedirectUrl::new(self.redirect_text.clone())
            .map_err(|error| Error::new(Kind::Setup, "not an address").with_source(error))?;
        server
            .oauth(&self.secret)
            .set_redirect_uri(redirect)
            .exchange_code(AuthorizationCode::new(code.clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(self.verifier.secret().clone()))
            .request_async(server)
            .await
            .map(|response| token_endpoint::given(&response))
            .map_err(|error| {
                let secret = self.secret.secret.expose_secret();
                token_endpoint::refused(error, &[&code, self.verifier.secret(), secret])
            })
    }

    /// Keeps what was given, if it is enough: the user can untick scopes one by one.
    async fn keep(&self, given: Given) -> Result<Granted, Error> {
        // An answer that does not name scopes grants what was asked (RFC 6749, section 5.1).
        let scopes = given
            .scopes
            .unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec());
        if let Some(error) = sign_in_checks::missing_scopes(&scopes) {
            return Err(error);
        }
        let Some(refresh_token) = given.refresh_token else {
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
            access_token: given.access_token,
            expires_at: clock::after(now, given.lifetime),
            new_client: self.new_client,
        };
        self.auth.keep(tokens).await?;
        Ok(Granted { scopes })
    }
}

/// What came back with the browser.
#[derive(Debug, Default)]
struct Returned {
    code: Option<String>,
    state: String,
    error: Option<String>,
    description: String,
}

impl Returned {
    fn of(query: &str) -> Self {
        let mut returned = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "code" => returned.code = Some(value.into_owned()),
                "state" => returned.state = value.into_owned(),
                "error" => returned.error = Some(value.into_owned()),
                "error_description" => returned.description = value.into_owned(),
                _ => {}
            }
        }
        returned
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

async fn tell(visitor: Visitor, result: &Result<Granted, Error>) {
    match result {
        Ok(_) => {
            let text = "Albumen may now upload. You can close this page.";
            visitor.answer("200 OK", "You are signed in", text).await;
        }
        Err(error) => {
            let text = format!("{error}. {}", error.hint().unwrap_or_default());
            visitor
                .answer("400 Bad Request", "You are not signed in", &text)
                .await;
        }
    }
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
