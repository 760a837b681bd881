//! What is known of the present sign-in and its access token: the memory of [`super::auth::Auth`],
//! without files, network or clock.

use std::time::{Duration, Instant};

use http::HeaderValue;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use crate::clock;

use super::{
    error::{Error, Kind},
    file_version::Stamp,
    sign_in_checks,
    token_file::Tokens,
};

/// An access token is renewed so long before its end, so that an upload begun with it can end.
const RENEW_BEFORE: Duration = Duration::from_mins(5);

/// How long is waited before a token file is written that could not be: a disk that is full for long
/// is not to be busy, and a process that ends soon is to leave as much as it can.
const SAVE_AGAIN: Duration = Duration::from_secs(5);

/// The two kinds of endpoints; a token without the right scope is refused by uploads with 401
/// while JSON calls take it (fact sheet, section 2.5).
#[derive(Debug, Clone, Copy)]
pub(super) enum Endpoint {
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
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// A look at a file: its stamp, none if it was not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Looked(pub Option<Stamp>);

#[derive(Debug, Default)]
pub(super) struct State {
    /// Of the file as it was read; none when there was none, or nothing was read yet.
    pub stamp: Option<Stamp>,
    /// The token file was looked at: before that nobody can say that it has changed.
    pub is_read: bool,
    /// What the last look at the client secret file saw, if there was one.
    pub secret: Option<Looked>,
    pub tokens: Option<Tokens>,
    /// Why there is no point in trying, until the file changes.
    pub dead: Option<Error>,
    /// The client that made what is in the library; none if nothing is there yet.
    pub library_client_id: Option<String>,
    /// How many renewals were tried, and how the last one failed.
    pub renewals: u64,
    pub failure: Option<Error>,
    /// The file could not be written with what the memory has; when that was tried last.
    pub unsaved: Option<Instant>,
    bearer: Option<Bearer>,
    /// Of the bearer: no two have the same.
    generation: u64,
    renew_at: Timestamp,
    /// The service refused the present access token.
    stale: bool,
    /// The present access token replaced a refused one.
    after_rejection: bool,
    /// On which surface the present access token was taken.
    accepted_on: [bool; 2],
}

impl State {
    /// Takes over what the file holds, or why it holds nothing.
    pub(super) fn load(&mut self, stamp: Option<Stamp>, read: Result<Tokens, Error>) {
        self.generation += 1;
        self.stamp = stamp;
        self.is_read = true;
        self.unsaved = None;
        self.stale = false;
        self.after_rejection = false;
        self.accepted_on = [false; 2];
        (self.tokens, self.dead) = match read {
            Ok(tokens) => {
                let dead = sign_in_checks::objection(&tokens, self.library_client_id.as_deref());
                (Some(tokens), dead)
            }
            Err(error) => (None, Some(error)),
        };
        let generation = self.generation;
        self.bearer = self
            .tokens
            .as_ref()
            .and_then(|tokens| header(&tokens.access_token))
            .map(|header| Bearer { header, generation });
        self.renew_at = self.tokens.as_ref().map_or(Timestamp::MIN, |tokens| {
            tokens
                .expires_at
                .saturating_sub(RENEW_BEFORE)
                .unwrap_or(Timestamp::MIN)
        });
    }

    /// Whether the file is to be read although it has not changed: it was not read, is to be judged anew,
    /// or could not be read, which may pass without a change of the file.
    pub(super) fn is_to_be_read(&self) -> bool {
        match &self.dead {
            Some(dead) => dead.kind() == Kind::Setup,
            None => self.tokens.is_none(),
        }
    }

    /// Takes over a new access token that lives for `lifetime` from `now` on.
    pub(super) fn renewed(
        &mut self,
        stamp: Option<Stamp>,
        tokens: Tokens,
        now: Timestamp,
        lifetime: Duration,
    ) {
        let after_rejection = self.stale;
        self.load(stamp, Ok(tokens));
        self.after_rejection = after_rejection;
        // Five minutes of the usual hour; a fifth of a short life.
        let early = RENEW_BEFORE.min(lifetime / 5);
        self.renew_at = clock::after(now, lifetime.saturating_sub(early));
    }

    /// The present access token, if it lasts.
    pub(super) fn usable(&self, now: Timestamp) -> Option<Bearer> {
        self.bearer
            .clone()
            .filter(|_| !self.stale && now < self.renew_at)
    }

    /// What is to be written once more, if that was tried long enough ago: then this is the next try.
    pub(super) fn due_to_save(&mut self) -> Option<(Tokens, Option<Stamp>)> {
        let tried = self.unsaved.filter(|tried| tried.elapsed() >= SAVE_AGAIN);
        tried.and(self.tokens.clone()).map(|tokens| {
            self.unsaved = Some(Instant::now());
            (tokens, self.stamp.clone())
        })
    }

    /// The service took it.
    pub(super) fn accepted(&mut self, bearer: &Bearer, surface: Endpoint) {
        if self.generation == bearer.generation {
            self.accepted_on[surface as usize] = true;
        }
    }

    /// The service refused it with `error`; returns what that means.
    ///
    /// One that already was replaced means nothing. The successor of a refused one that was never
    /// taken on this surface means that new tokens do not help.
    pub(super) fn refused(&mut self, bearer: &Bearer, surface: Endpoint, error: Error) -> Error {
        if self.generation != bearer.generation {
            return error;
        }
        if self.after_rejection && !self.accepted_on[surface as usize] {
            let dead = Error::new(
                Kind::LoginNeeded,
                "the service refuses new access tokens of this sign-in as well",
            )
            .with_status(http::StatusCode::UNAUTHORIZED)
            .with_hint("run `albumen login` and leave every box ticked");
            self.dead = Some(dead.clone());
            return dead;
        }
        self.stale = true;
        error
    }
}

fn header(access_token: &SecretString) -> Option<HeaderValue> {
    let text = format!("Bearer {}", access_token.expose_secret());
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}
