//! Hands out access tokens, and keeps the account signed in.
//!
//! An access token is renewed some minutes before it expires, by one request however many callers wait,
//! and once after the service rejected it. If the new token is rejected too, the sign-in is dead: only
//! the user can help, and no request is made until the token file changes. `albumen login` in another
//! process replaces that file; the next request notices it. Errors of this machine (an unreadable file,
//! another client's secret) are checked again at each request.
//!
//! A client sees and changes only what the same OAuth client made (fact sheet, section 1.4). So
//! nothing is sent with a sign-in of another client before the user has agreed to it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderValue;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::{
    clock::{self, Clock},
    escape::Escaped,
};

use super::{
    super::{
        classify,
        error::{Error, Kind},
        transport::{self, SMALL_LIMIT, Settings},
    },
    client_secret::ClientSecret,
    token_endpoint::{self, SCOPES, TokenEndpoint},
    token_file::{self, Tokens},
    watched_file::{FileVersion, WatchedFile, changed_at},
};

/// An access token is renewed so long before it expires, so that an upload begun with it can finish.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// Between two attempts to write a token file, on a full disk for example.
const SAVE_AGAIN: Duration = Duration::from_secs(5);

/// What can be done about a sign-in of another client.
const OTHER_CLIENT_HINT: &str = "only the old client can change what it made: put its client secret file back and run `albumen login`; \
     or go on with the new one: `albumen login --new-client`, which leaves what is in the library as it is and makes albums anew";

/// The paths of an account's two secrets.
#[derive(Debug, Clone)]
pub struct AuthFiles {
    /// The client secret file, downloaded from the Cloud console.
    pub client_secret: PathBuf,
    /// The token file, written by a sign-in; its directory is created if it is missing.
    pub token: PathBuf,
}

/// What a token file says about the sign-in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// When the user consented.
    pub since: Timestamp,
    /// The OAuth client that the user consented to.
    pub client_id: String,
    /// The granted scopes.
    pub scopes: Vec<String>,
}

impl SignedIn {
    /// Reads a token file; blocking.
    pub fn read(token: &Path) -> Result<Self, Error> {
        let tokens = Tokens::read(token)?;
        Ok(Self {
            since: tokens.obtained_at,
            client_id: tokens.client_id,
            scopes: tokens.scopes,
        })
    }
}

/// The error for a sign-in of another client than the one that made the library.
pub fn other_client(library_client_id: &str, now_with: &str) -> Error {
    let words = format!(
        "the library was filled by the OAuth client {library_client_id}, and this is {now_with}"
    );
    Error::new(Kind::LoginNeeded, &words).with_hint(OTHER_CLIENT_HINT)
}

/// The two kinds of endpoints. A token without the right scope gets 401 from uploads
/// while JSON calls accept it (fact sheet, section 2.5).
#[derive(Debug, Clone, Copy)]
pub(in crate::photos_api) enum Surface {
    Json = 0,
    Uploads = 1,
}

/// An access token, ready for a header.
#[derive(Debug, Clone)]
pub struct Bearer {
    header: HeaderValue,
    generation: u64,
}

impl Bearer {
    pub(in crate::photos_api) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// The access token itself.
    pub(in crate::photos_api) fn token(&self) -> Option<&str> {
        self.header.to_str().ok()?.strip_prefix("Bearer ")
    }
}

/// The access token in use.
#[derive(Debug)]
struct Access {
    /// None if the file holds no token that fits into a header.
    header: Option<HeaderValue>,
    renew_at: Timestamp,
    /// The service rejected this token.
    rejected: bool,
    /// This token replaced a rejected one.
    after_rejection: bool,
    /// On which [`Surface`] the service accepted this token.
    accepted_on: [bool; 2],
}

#[derive(Debug, Default)]
enum SignIn {
    /// The token file is to be read.
    #[default]
    Unread,
    Usable(Box<Tokens>, Access),
    /// Requests are useless until the token file changes.
    Dead(Error),
}

#[derive(Debug)]
struct State {
    token_file: WatchedFile,
    secret_file: WatchedFile,
    sign_in: SignIn,
    /// Counts the access tokens, so that a late rejection of an old one is recognised.
    generation: u64,
    /// The client that made what is in the library; none if nothing is there yet.
    library_client_id: Option<String>,
    /// The token file is older than the memory; when it was tried to be written last.
    unsaved: Option<Instant>,
    /// The user was warned that others can read the client secret file.
    warned: bool,
}

impl State {
    fn set(&mut self, tokens: Tokens, renew_at: Timestamp, after_rejection: bool) {
        self.generation += 1;
        let mut header =
            HeaderValue::from_str(&format!("Bearer {}", tokens.access_token.expose_secret())).ok();
        if let Some(header) = &mut header {
            header.set_sensitive(true);
        }
        let access = Access {
            header,
            renew_at,
            rejected: false,
            after_rejection,
            accepted_on: [false; 2],
        };
        self.sign_in = SignIn::Usable(Box::new(tokens), access);
    }

    /// Reads the token file, if it has changed, or if the last read failed for a reason of this machine.
    fn load(&mut self) {
        let is_due = match &self.sign_in {
            SignIn::Unread => true,
            SignIn::Usable(..) => false,
            SignIn::Dead(error) => error.kind() == Kind::Setup,
        };
        if !self.token_file.update() && !is_due {
            return;
        }
        self.unsaved = None;
        let tokens =
            Tokens::read(self.token_file.path()).and_then(|tokens| match &self.library_client_id {
                Some(id) if *id != tokens.client_id => Err(other_client(id, &tokens.client_id)),
                _ => token_endpoint::check_scopes(&tokens.scopes).map(|()| tokens),
            });
        match tokens {
            Ok(tokens) => {
                let renew_at = tokens.expires_at.saturating_sub(RENEW_BEFORE);
                self.set(tokens, renew_at.unwrap_or(Timestamp::MIN), false);
            }
            Err(error) => self.sign_in = SignIn::Dead(error),
        }
    }

    /// The access token, unless it has to be renewed.
    fn usable(&self, now: Timestamp) -> Option<Bearer> {
        let SignIn::Usable(_, access) = &self.sign_in else {
            return None;
        };
        let header = access.header.clone()?;
        let generation = self.generation;
        let is_usable = !access.rejected && now < access.renew_at;
        is_usable.then_some(Bearer { header, generation })
    }

    /// The access token that `bearer` is, if it is still in use.
    fn access(&mut self, bearer: &Bearer) -> Option<&mut Access> {
        match &mut self.sign_in {
            SignIn::Usable(_, access) if self.generation == bearer.generation => Some(access),
            _ => None,
        }
    }

    fn client_id(&self) -> Option<&str> {
        match &self.sign_in {
            SignIn::Usable(tokens, _) => Some(&tokens.client_id),
            _ => None,
        }
    }
}

/// The sign-in of one account; cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: AuthFiles,
    endpoint: TokenEndpoint,
    settings: Settings,
    clock: Clock,
    state: Mutex<State>,
    /// Held during a renewal; how the last one failed, and when.
    renewal: tokio::sync::Mutex<Option<(Instant, Error)>>,
}

impl Auth {
    /// The sign-in in `files`. Nothing is read yet: a missing sign-in is an error of [`Auth::bearer`].
    pub fn new(settings: &Settings, files: AuthFiles, clock: Clock) -> Result<Self, Error> {
        settings.endpoints.check()?;
        Ok(Self(Arc::new(Inner {
            endpoint: TokenEndpoint {
                http: transport::json_client(&settings.endpoints.token, &settings.timeouts)?,
                url: settings.endpoints.token.clone(),
                timeout: settings.timeouts.read,
            },
            settings: settings.clone(),
            clock,
            state: Mutex::new(State {
                token_file: WatchedFile::new(files.token.clone()),
                secret_file: WatchedFile::new(files.client_secret.clone()),
                sign_in: SignIn::Unread,
                generation: 0,
                library_client_id: None,
                unsaved: None,
                warned: false,
            }),
            files,
            renewal: tokio::sync::Mutex::default(),
        })))
    }

    /// An access token that stays valid for a while.
    pub async fn bearer(&self) -> Result<Bearer, Error> {
        if let Some(bearer) = self.current()? {
            self.save_again().await;
            return Ok(bearer);
        }
        let asked = Instant::now();
        let mut last_failure = self.0.renewal.lock().await;
        // Another caller may have renewed it, or failed to, while this one waited for the lock.
        if let Some(bearer) = self.current()? {
            return Ok(bearer);
        }
        if let Some((at, failure)) = &*last_failure
            && *at >= asked
        {
            return Err(failure.clone());
        }
        let renewed = self.renew().await;
        *last_failure = renewed
            .as_ref()
            .err()
            .map(|error| (Instant::now(), error.clone()));
        renewed
    }

    /// Reads the versions of both files, so that changes are noticed from now on.
    pub fn look(&self) {
        self.state().secret_file.update();
        // An error is returned to the first caller of `bearer`.
        let _ = self.current();
    }

    /// Whether the token file was replaced since it was read last; false before the first read, or
    /// if there is no file. Cheap.
    pub fn changed(&self) -> bool {
        self.state().token_file.has_changed()
    }

    /// The same for the client secret file.
    pub fn client_secret_changed(&self) -> bool {
        self.state().secret_file.has_changed()
    }

    /// When the client secret file changed last.
    pub fn client_secret_changed_at(&self) -> Option<Timestamp> {
        changed_at(&self.0.files.client_secret)
    }

    /// What the token file says, without a request.
    pub async fn signed_in(&self) -> Result<SignedIn, Error> {
        let path = self.0.files.token.clone();
        blocking(move || SignedIn::read(&path)).await
    }

    /// The OAuth client of the client secret file, without a request.
    pub async fn client_id(&self) -> Result<String, Error> {
        self.client_secret().await.map(|secret| secret.id)
    }

    /// Signs in with a refresh token of the sandbox.
    pub async fn adopt(&self, refresh_token: SecretString) -> Result<(), Error> {
        let now = self.0.clock.now();
        self.save(Tokens {
            client_id: self.client_id().await?,
            obtained_at: now,
            scopes: SCOPES.map(str::to_owned).to_vec(),
            refresh_token,
            access_token: SecretString::default(),
            expires_at: now,
            new_client: false,
        })
        .await
    }

    /// Sets the client that made what is in the library; another one is refused.
    pub fn library_client_id(&self, client_id: Option<String>) {
        let mut state = self.state();
        let is_checked = state.client_id().is_some() && state.client_id() == client_id.as_deref();
        state.library_client_id = client_id;
        if !is_checked {
            state.sign_in = SignIn::Unread;
        }
    }

    /// The client of the token file, if the user wants to continue with it although another one made
    /// the library. Leaves the file marked as unread: who waits for a sign-in must still see that it changed.
    pub fn wants_new_client(&self) -> Option<String> {
        let library_client_id = {
            let state = self.state();
            let id = state.library_client_id.clone()?;
            if state.client_id() == Some(&id) && !state.token_file.has_changed() {
                return None;
            }
            id
        };
        let tokens = Tokens::read(&self.0.files.token).ok()?;
        (tokens.new_client && tokens.client_id != library_client_id).then_some(tokens.client_id)
    }

    /// The client of the sign-in in use, and when its user consented.
    pub fn in_use(&self) -> Option<(String, Timestamp)> {
        match &self.state().sign_in {
            SignIn::Usable(tokens, _) => Some((tokens.client_id.clone(), tokens.obtained_at)),
            _ => None,
        }
    }

    /// Takes over a token file that was made on another machine, after a test that it works here.
    pub async fn carry_over(&self, from: &Path, new_client: bool) -> Result<(), Error> {
        let path = from.to_owned();
        let tokens = blocking(move || Tokens::read_existing(&path)).await?;
        let secret = self.client_secret().await?;
        if tokens.client_id != secret.id {
            return Err(Error::new(
                Kind::Setup,
                "the token file was made with another OAuth client than the client secret file names",
            )
            .with_hint("copy the client secret file of that machine as well"));
        }
        token_endpoint::check_scopes(&tokens.scopes)?;
        let now = self.0.clock.now();
        let (mut tokens, _) = self.0.endpoint.refresh(&secret, tokens, now).await?;
        tokens.new_client = new_client;
        self.save(tokens).await
    }

    /// Revokes the sign-in at the service, then removes the token file. Also removes it if the service
    /// does not know the sign-in any more, or if others can read the file.
    pub async fn revoke(&self) -> Result<(), Error> {
        let tokens = Tokens::read_even_public(&self.0.files.token)?;
        let (url, timeouts) = (&self.0.settings.endpoints.revoke, &self.0.settings.timeouts);
        let http = transport::json_client(url, timeouts)?;
        let request = http
            .post(url.clone())
            .timeout(timeouts.read)
            .form(&[("token", tokens.refresh_token.expose_secret())])
            .build()
            .map_err(transport::failure)?;
        let reply = transport::exchange(&http, request, SMALL_LIMIT).await?;
        if reply.status.is_redirection() {
            return Err(classify::redirect(reply.status, &reply.headers));
        }
        if !reply.status.is_success() && reply.status != http::StatusCode::BAD_REQUEST {
            return Err(Error::new(Kind::Server, "the access was not withdrawn")
                .with_status(reply.status)
                .with_hint(
                    "try again, or remove the access at https://myaccount.google.com/connections",
                ));
        }
        self.forget()
    }

    /// Removes the token file without a request.
    pub fn forget(&self) -> Result<(), Error> {
        token_file::remove(&self.0.files.token).map_err(|error| {
            Error::new(Kind::Setup, "the token file cannot be removed").with_source(error)
        })
    }

    pub(in crate::photos_api) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn auth_url(&self) -> &Url {
        &self.0.settings.endpoints.auth
    }

    pub(super) fn endpoint(&self) -> &TokenEndpoint {
        &self.0.endpoint
    }

    /// Reads the client secret; warns once if others can read the file.
    pub(super) async fn client_secret(&self) -> Result<ClientSecret, Error> {
        let path = self.0.files.client_secret.clone();
        // Before the read, so that a replacement during it is noticed.
        self.state().secret_file.update();
        let secret = blocking(move || ClientSecret::read(&path)).await?;
        if secret.is_public && !std::mem::replace(&mut self.state().warned, true) {
            let path = Escaped::path(&self.0.files.client_secret);
            tracing::warn!(
                "the client secret file {path} can be read by others of this machine; chmod 600 would keep it private"
            );
        }
        Ok(secret)
    }

    /// Writes the token file; the next [`Auth::bearer`] reads it.
    pub(super) async fn save(&self, tokens: Tokens) -> Result<(), Error> {
        let path = self.0.files.token.clone();
        blocking(move || tokens.save(&path)).await
    }

    /// The service accepted the token.
    pub(in crate::photos_api) fn accepted(&self, bearer: &Bearer, surface: Surface) {
        if let Some(access) = self.state().access(bearer) {
            access.accepted_on[surface as usize] = true;
        }
    }

    /// The service rejected the token with this 401; returns the error for the caller.
    ///
    /// A 401 for an old token is ignored. If a new token that replaced a rejected one is rejected too,
    /// refreshing is useless: the user must sign in.
    pub(in crate::photos_api) fn rejected(
        &self,
        bearer: &Bearer,
        surface: Surface,
        error: Error,
    ) -> Error {
        let mut state = self.state();
        let Some(access) = state.access(bearer) else {
            return error;
        };
        if !access.after_rejection || access.accepted_on[surface as usize] {
            access.rejected = true;
            return error;
        }
        let dead = Error::new(
            Kind::LoginNeeded,
            "the service refuses new access tokens of this sign-in as well",
        )
        .with_status(http::StatusCode::UNAUTHORIZED)
        .with_hint("run `albumen login` and leave every box ticked");
        state.sign_in = SignIn::Dead(dead.clone());
        dead
    }

    /// The access token, unless it has to be renewed; an error if the sign-in is dead.
    fn current(&self) -> Result<Option<Bearer>, Error> {
        let mut state = self.state();
        state.load();
        match &state.sign_in {
            SignIn::Dead(error) => Err(error.clone()),
            _ => Ok(state.usable(self.0.clock.now())),
        }
    }

    async fn renew(&self) -> Result<Bearer, Error> {
        let secret = self.client_secret().await?;
        let (tokens, version) = {
            let state = self.state();
            let SignIn::Usable(tokens, _) = &state.sign_in else {
                return Err(Error::new(Kind::LoginNeeded, "nobody has signed in yet"));
            };
            (Tokens::clone(tokens), state.token_file.version().cloned())
        };
        if tokens.client_id != secret.id {
            return Err(Error::new(
                Kind::Setup,
                "the sign-in was made with another OAuth client than the client secret file names",
            )
            .with_hint("put the old client secret file back, or run `albumen login`, which says what a new client means for what is in the library"));
        }
        let now = self.0.clock.now();
        let (tokens, lifetime) = match self.0.endpoint.refresh(&secret, tokens, now).await {
            Ok(renewed) => renewed,
            Err(error) => {
                if matches!(error.kind(), Kind::LoginNeeded | Kind::ScopeMissing) {
                    self.state().sign_in = SignIn::Dead(error.clone());
                }
                return Err(error);
            }
        };
        let saved = self.save_over(tokens.clone(), version).await;
        let mut state = self.state();
        state.unsaved = None;
        match saved {
            Ok(Some(version)) => state.token_file.set_version(Some(version)),
            // A new sign-in took the place of the file: it is read at the next request.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    "{error}; the present access token is kept in memory, and the file is tried again"
                );
                state.unsaved = Some(Instant::now());
            }
        }
        let now = self.0.clock.now();
        // Five minutes of the usual hour; a fifth of a short lifetime.
        let early = RENEW_BEFORE.min(lifetime / 5);
        let renew_at = clock::after(now, lifetime.saturating_sub(early));
        let after_rejection =
            matches!(&state.sign_in, SignIn::Usable(_, access) if access.rejected);
        state.set(tokens, renew_at, after_rejection);
        state
            .usable(now)
            .ok_or_else(|| Error::new(Kind::Unreachable, "the access token cannot be used"))
    }

    /// Replaces the token file if it still has this version: a renewal must not overwrite a new sign-in.
    async fn save_over(
        &self,
        tokens: Tokens,
        version: Option<FileVersion>,
    ) -> Result<Option<FileVersion>, Error> {
        let path = self.0.files.token.clone();
        blocking(move || tokens.save_over(&path, version.as_ref())).await
    }

    /// Tries again to write a token file that could not be written, on a full disk for example.
    async fn save_again(&self) {
        let (tokens, version) = {
            let mut state = self.state();
            if state
                .unsaved
                .is_none_or(|tried| tried.elapsed() < SAVE_AGAIN)
            {
                return;
            }
            state.unsaved = Some(Instant::now());
            let SignIn::Usable(tokens, _) = &state.sign_in else {
                return;
            };
            (Tokens::clone(tokens), state.token_file.version().cloned())
        };
        // A failure was logged the first time.
        if let Ok(Some(version)) = self.save_over(tokens, version).await {
            let mut state = self.state();
            state.token_file.set_version(Some(version));
            state.unsaved = None;
            tracing::info!("the token file could be written again");
        }
    }

    /// The state is valid after a panic elsewhere: no update of it can stop half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(Error::new(Kind::Setup, "a file could not be handled").with_source(error))
        })
}

#[cfg(test)]
#[path = "sign_in_tests.rs"]
mod tests;
