//! Sign-in: consent without a question, PKCE, tokens and their deaths (fact sheet, section 1).
//!
//! Any client is welcome, and any refresh token that was not revoked, so that a test or a stranger
//! can bring its own; access tokens are only those that were issued here.

mod grants;

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{answer::Answer, clock::Millis, log::Log};

/// What scopes of the service begin with.
const SCOPE_PREFIX: &str = "https://www.googleapis.com/auth/";

/// How long requests may still arrive with a token whose death was just told.
const GRACE: Duration = Duration::from_millis(250);

/// Tokens and codes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Oauth {
    access: HashMap<String, Access>,
    refresh: HashMap<String, Vec<String>>,
    revoked: HashSet<String>,
    /// Whether all refresh tokens but those that come are dead.
    only_known_refresh: bool,
    #[serde(skip)]
    codes: HashMap<String, Code>,
    #[serde(skip)]
    told_dead: HashMap<String, Instant>,
    #[serde(skip)]
    pub(super) withdrawn_scopes: HashSet<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Access {
    scopes: Vec<String>,
    expires: Millis,
    refresh: Option<String>,
}

#[derive(Debug)]
struct Code {
    client_id: String,
    redirect_uri: String,
    scopes: Vec<String>,
    challenge: Option<(String, bool)>,
    is_offline: bool,
    born: Millis,
}

/// What a bearer token is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bearer {
    Good(Vec<String>),
    Missing,
    /// Unknown, expired or dead.
    Bad(String),
}

impl Oauth {
    /// Those of the scopes that no script has taken away.
    fn granted(&self, scopes: &[String]) -> Vec<String> {
        let is_left = |scope: &&String| {
            let name = scope.strip_prefix(SCOPE_PREFIX).unwrap_or(scope);
            !self.withdrawn_scopes.contains(name)
        };
        scopes.iter().filter(is_left).cloned().collect()
    }

    /// Revokes an access token with its refresh token, or a refresh token with its access tokens.
    pub(super) fn revoke(&mut self, token: &str) -> Answer {
        if token.is_empty() || self.revoked.contains(token) {
            return refused(400, "invalid_token", "Token expired or revoked");
        }
        let refresh = match self.access.remove(token) {
            Some(access) => access.refresh,
            None => Some(token.to_owned()),
        };
        if let Some(refresh) = refresh {
            self.access
                .retain(|_, access| access.refresh.as_ref() != Some(&refresh));
            self.refresh.remove(&refresh);
            self.revoked.insert(refresh);
        }
        Answer::json(&json!({}))
    }

    /// All access tokens die.
    pub(super) fn access_dies(&mut self) {
        self.access.clear();
    }

    /// All refresh tokens die, also those that nobody has shown yet; new consents work.
    pub(super) fn refresh_dies(&mut self) {
        self.only_known_refresh = true;
        self.revoked
            .extend(self.refresh.drain().map(|(token, _)| token));
    }

    /// Takes the scripted deaths back.
    pub(super) fn heal(&mut self) {
        self.only_known_refresh = false;
        self.withdrawn_scopes.clear();
    }

    /// What the bearer of a request may do.
    pub(super) fn bearer(
        &self,
        headers: &HeaderMap,
        now: Millis,
        arrival: Instant,
        log: &mut Log,
    ) -> Bearer {
        let Some(token) = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.strip_prefix("Bearer "))
            .map(str::trim)
        else {
            return Bearer::Missing;
        };
        if let Some(access) = self.access.get(token).filter(|access| now < access.expires) {
            let names = self.granted(&access.scopes);
            let short =
                |scope: &String| scope.strip_prefix(SCOPE_PREFIX).unwrap_or(scope).to_owned();
            return Bearer::Good(names.iter().map(short).collect());
        }
        if self
            .told_dead
            .get(token)
            .is_some_and(|told| arrival > *told + GRACE)
        {
            log.broken("dead_token", "an access token was used again after its 401");
        }
        Bearer::Bad(token.to_owned())
    }

    /// The client is told that its access token is no good.
    pub(super) fn told_dead(&mut self, token: String) {
        if self.told_dead.len() > 1000 {
            self.told_dead.clear();
        }
        self.told_dead.entry(token).or_insert_with(Instant::now);
    }

    /// Whoever was told is dead, and may not have replaced the token on its disk before.
    pub(super) fn forget_told(&mut self) {
        self.told_dead.clear();
    }
}

/// The last value of a parameter, or nothing.
pub(super) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs
        .iter()
        .rev()
        .find(|(known, _)| known == name)
        .map_or("", |(_, value)| value)
}

/// An error of the token address.
fn refused(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(&json!({"error": error, "error_description": description})).with_status(status)
}
