//! Keeps the account signed in.
//!
//! Everybody asks for a [`Bearer`] before each request. The access token is renewed some minutes
//! before it ends, by one request however many ask, and once after it was refused; if its successor
//! is refused as well, only the user can help. A dead sign-in is not tried again until the token
//! file changes: `albumen login` in another terminal is noticed at the next request. What this machine
//! does not give out (a file that cannot be read, one that is another client's) is looked at anew each time
//! that somebody asks.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::{
    clock::{self, Clock},
    escape::Escaped,
};

use super::{
    client_secret::ClientSecret,
    endpoints::{Settings, Timeouts},
    error::{Error, Kind},
    file_version::{Stamp, changed_at},
    login::SCOPES,
    sign_in_checks,
    token_cache::{Looked, State},
    token_endpoint::{Given, SignInServer},
    token_file::Tokens,
    transport,
};

pub use super::token_cache::Bearer;
pub(super) use super::token_cache::Endpoint;

/// Where the two secrets of an account are.
#[derive(Debug, Clone)]
pub struct AuthFiles {
    /// What the Cloud console hands out.
    pub client_secret: PathBuf,
    /// What a sign-in leaves; its folder is made if it is missing.
    pub token: PathBuf,
}

/// A sign-in as it is kept.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// When the user consented.
    pub since: Timestamp,
    /// The OAuth client that was consented to.
    pub client_id: String,
    /// What was granted.
    pub scopes: Vec<String>,
}

impl SignedIn {
    /// Reads what a token file says; blocking.
    pub fn read(token: &Path) -> Result<Self, Error> {
        let tokens = Tokens::read(token)?;
        Ok(Self {
            since: tokens.obtained_at,
            client_id: tokens.client_id,
            scopes: tokens.scopes,
        })
    }
}

/// Which OAuth client a client secret file names; blocking.
pub fn client_id_of(client_secret: &Path) -> Result<String, Error> {
    ClientSecret::read(client_secret).map(|secret| secret.id)
}

/// The sign-in of one account; cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: AuthFiles,
    server: SignInServer,
    auth_url: Url,
    revoke_url: Url,
    timeouts: Timeouts,
    clock: Clock,
    state: Mutex<State>,
    renewing: tokio::sync::Mutex<()>,
    told_wide: AtomicBool,
}

impl Auth {
    /// The sign-in kept in `files`. Nothing is read yet: without a sign-in, [`Auth::bearer`] says so.
    pub fn new(settings: &Settings, files: AuthFiles, clock: Clock) -> Result<Self, Error> {
        settings.endpoints.check()?;
        let endpoints = &settings.endpoints;
        Ok(Self(Arc::new(Inner {
            files,
            server: SignInServer {
                http: transport::json_client(&endpoints.token, &settings.timeouts)?,
                token_url: endpoints.token.clone(),
                timeout: settings.timeouts.read,
            },
            auth_url: endpoints.auth.clone(),
            revoke_url: endpoints.revoke.clone(),
            timeouts: settings.timeouts.clone(),
            clock,
            state: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            told_wide: AtomicBool::new(false),
        })))
    }

    /// An access token that will last for a while.
    pub async fn bearer(&self) -> Result<Bearer, Error> {
        if let Some(bearer) = self.present()? {
            self.save_again().await;
            return Ok(bearer);
        }
        let renewals = self.state().renewals;
        let _turn = self.0.renewing.lock().await;
        // Somebody else may have renewed it, or failed to, while this one waited for its turn.
        if let Some(bearer) = self.present()? {
            return Ok(bearer);
        }
        {
            let state = self.state();
            if let Some(failure) = state
                .failure
                .as_ref()
                .filter(|_| state.renewals != renewals)
            {
                return Err(failure.clone());
            }
        }
        self.renew().await
    }

    /// Looks at both files for the first time, so that from now on it is seen whether they change.
    pub fn look(&self) {
        self.look_at_secret();
        // Whatever it is that speaks against the sign-in is told to the first who asks for a bearer.
        let _ = self.present();
    }

    /// Whether there is a token file, and another one than was read last; false as long as none was
    /// looked at. Cheap.
    pub fn changed(&self) -> bool {
        let stamp = Stamp::of(&self.0.files.token);
        let state = self.state();
        state.is_read && stamp.is_some() && stamp != state.stamp
    }

    /// The same of the client secret file.
    pub fn client_secret_changed(&self) -> bool {
        let stamp = Stamp::of(&self.0.files.client_secret);
        let last = self.state().secret.clone();
        stamp.is_some() && last.is_some_and(|last| last != Looked(stamp))
    }

    /// When the client secret file changed last.
    pub fn client_secret_changed_at(&self) -> Option<Timestamp> {
        changed_at(&self.0.files.client_secret)
    }

    /// The sign-in that is kept, without asking the service.
    pub async fn signed_in(&self) -> Result<SignedIn, Error> {
        let path = self.0.files.token.clone();
        blocking(move || SignedIn::read(&path)).await
    }

    /// Which OAuth client the client secret file names, without asking the service.
    pub async fn client_id(&self) -> Result<String, Error> {
        self.client_secret().await.map(|secret| secret.id)
    }

    /// Signs in with a refresh token of a sandbox, which grants any.
    pub async fn adopt(&self, refresh_token: SecretString) -> Result<(), Error> {
        let now = self.0.clock.now();
        self.keep(Tokens {
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

    pub(super) fn revoke_url(&self) -> &Url {
        &self.0.revoke_url
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.0.timeouts
    }

    pub(super) fn token_file(&self) -> &Path {
        &self.0.files.token
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn auth_url(&self) -> &Url {
        &self.0.auth_url
    }

    pub(super) fn server(&self) -> &SignInServer {
        &self.0.server
    }

    /// Reads the client secret; a file that others can read is told about once.
    pub(super) async fn client_secret(&self) -> Result<ClientSecret, Error> {
        let path = self.0.files.client_secret.clone();
        // Before the file is read: whoever replaces it meanwhile is noticed.
        self.look_at_secret();
        let secret = blocking(move || ClientSecret::read(&path)).await?;
        if secret.wide && !self.0.told_wide.swap(true, Ordering::Relaxed) {
            let path = Escaped::path(&self.0.files.client_secret);
            tracing::warn!(
                "the client secret file {path} can be read by others of this machine; chmod 600 would keep it private"
            );
        }
        Ok(secret)
    }

    fn look_at_secret(&self) {
        let looked = Looked(Stamp::of(&self.0.files.client_secret));
        self.state().secret = Some(looked);
    }

    /// Keeps what a sign-in brought; the next bearer is made of it.
    pub(super) async fn keep(&self, tokens: Tokens) -> Result<(), Error> {
        let path = self.0.files.token.clone();
        blocking(move || tokens.save(&path)).await.map(drop)
    }

    /// Learns that the service took the token.
    pub(super) fn accepted(&self, bearer: &Bearer, surface: Endpoint) {
        self.state().accepted(bearer, surface);
    }

    /// Learns that the service refused the token (401), and says what that means.
    pub(super) fn refused(&self, bearer: &Bearer, surface: Endpoint, error: Error) -> Error {
        self.state().refused(bearer, surface, error)
    }

    /// The present token, if it can be used; an error if there is no point in renewing it.
    pub(super) fn present(&self) -> Result<Option<Bearer>, Error> {
        let mut state = self.state();
        let stamp = Stamp::of(&self.0.files.token);
        if stamp != state.stamp || state.is_to_be_read() {
            state.load(stamp, Tokens::read(&self.0.files.token));
        }
        if let Some(dead) = &state.dead {
            return Err(dead.clone());
        }
        Ok(state.usable(self.0.clock.now()))
    }

    async fn renew(&self) -> Result<Bearer, Error> {
        let result = self.try_renew().await;
        let mut state = self.state();
        state.renewals += 1;
        state.failure = result.as_ref().err().cloned();
        result
    }

    async fn try_renew(&self) -> Result<Bearer, Error> {
        let secret = self.client_secret().await?;
        let (tokens, stamp) = {
            let state = self.state();
            (state.tokens.clone(), state.stamp.clone())
        };
        let Some(tokens) = tokens else {
            return Err(Error::new(Kind::LoginNeeded, "nobody has signed in yet"));
        };
        if tokens.client_id != secret.id {
            return Err(Error::new(
                Kind::Setup,
                "the sign-in was made with another OAuth client than the client secret file names",
            )
            .with_hint("put the old client secret file back, or run `albumen login`, which says what a new client means for what is in the library"));
        }
        let now = self.0.clock.now();
        let given = self.0.server.refresh(&secret, &tokens, now).await;
        // The user can take scopes back one by one; the sign-in server says what is left.
        let given = given.and_then(|given| {
            let missing = given
                .scopes
                .as_deref()
                .and_then(sign_in_checks::missing_scopes);
            missing.map_or(Ok(given), Err)
        });
        match given {
            Ok(given) => self.renewed(tokens, given, stamp).await,
            Err(error) => {
                if matches!(error.kind(), Kind::LoginNeeded | Kind::ScopeMissing) {
                    self.state().dead = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    async fn renewed(
        &self,
        mut tokens: Tokens,
        given: Given,
        stamp: Option<Stamp>,
    ) -> Result<Bearer, Error> {
        let now = self.0.clock.now();
        tokens.access_token = given.access_token;
        tokens.expires_at = clock::after(now, given.lifetime);
        if let Some(refresh_token) = given.refresh_token {
            tokens.refresh_token = refresh_token;
        }
        let written = self.save(tokens.clone(), stamp).await;
        let mut state = self.state();
        let (stamp, unsaved) = match written {
            Ok(Some(stamp)) => (Some(stamp), None),
            Ok(None) => (state.stamp.clone(), None),
            Err(error) => {
                tracing::warn!(
                    "{error}; the present access token is kept in memory, and the file is tried again"
                );
                (state.stamp.clone(), Some(Instant::now()))
            }
        };
        state.renewed(stamp, tokens, now, given.lifetime);
        state.unsaved = unsaved;
        state
            .usable(now)
            .ok_or_else(|| Error::new(Kind::Unreachable, "the access token cannot be used"))
    }

    /// Writes the file, if it still is the one of this stamp.
    async fn save(&self, tokens: Tokens, stamp: Option<Stamp>) -> Result<Option<Stamp>, Error> {
        let path = self.0.files.token.clone();
        blocking(move || tokens.save_over(&path, stamp.as_ref())).await
    }

    /// Writes what could not be written when it was new: the disk was full, perhaps.
    async fn save_again(&self) {
        let Some((tokens, stamp)) = self.state().due_to_save() else {
            return;
        };
        // That it cannot be written has been told.
        if let Ok(Some(stamp)) = self.save(tokens, stamp).await {
            let mut state = self.state();
            state.stamp = Some(stamp);
            state.unsaved = None;
            tracing::info!("the token file could be written again");
        }
    }

    /// A panic elsewhere leaves nothing half done here.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(Error::new(Kind::Setup, "a file could not be handled").with_source(error))
        })
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
