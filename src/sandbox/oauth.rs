//! Sign-in: consent without a question, PKCE, tokens and their deaths (fact sheet, section 1).
//!
//! Any client is welcome, and any refresh token that was not revoked, so that a test or a stranger
//! can bring its own; access tokens are only those that were issued here.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    answer::Answer,
    clock::{Millis, SECOND},
    faults::Effect,
    library::random_text,
    log::Log,
    route::{SCOPE_APPEND, SCOPE_EDIT, SCOPE_READ},
    settings::Settings,
};

/// What scopes of the service begin with.
const SCOPE_PREFIX: &str = "https://www.googleapis.com/auth/";

/// How long a code can be exchanged; the service says no more than "short".
const CODE_LIFETIME: Millis = 600 * SECOND;

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

/// An error of the token address.
fn refused(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(&json!({"error": error, "error_description": description})).with_status(status)
}

impl Oauth {
    /// The consent page, which consents at once.
    pub(super) fn auth(
        &mut self,
        query: &[(String, String)],
        effect: &Effect,
        now: Millis,
        log: &mut Log,
    ) -> Answer {
        let get = |name| value(query, name);
        let redirect = Url::parse(get("redirect_uri")).ok().filter(is_loopback);
        let Some(mut redirect) = redirect else {
            log.broken("redirect_uri", get("redirect_uri"));
            return page_error("redirect_uri_mismatch");
        };
        if get("client_id").is_empty() || get("response_type") != "code" || get("scope").is_empty()
        {
            log.broken(
                "oauth_parameters",
                "client_id, response_type=code and scope are needed",
            );
            return page_error("invalid_request");
        }
        let challenge = match (get("code_challenge"), get("code_challenge_method")) {
            ("", _) => None,
            (challenge, "S256") => Some((challenge.to_owned(), true)),
            (challenge, "plain" | "") => Some((challenge.to_owned(), false)),
            _ => return page_error("invalid_request"),
        };
        let state = get("state").to_owned();
        let scopes: Vec<String> = get("scope").split_whitespace().map(str::to_owned).collect();
        if effect.deny_consent {
            redirect
                .query_pairs_mut()
                .append_pair("error", "access_denied")
                .append_pair("state", &state);
            return redirected(&redirect);
        }
        let code = format!("4/0A{}", random_text(45));
        let granted = self.granted(&scopes).join(" ");
        self.codes.insert(
            code.clone(),
            Code {
                client_id: get("client_id").to_owned(),
                redirect_uri: get("redirect_uri").to_owned(),
                scopes,
                challenge,
                is_offline: get("access_type") == "offline",
                born: now,
            },
        );
        {
            let mut pairs = redirect.query_pairs_mut();
            if !state.is_empty() {
                pairs.append_pair("state", &state);
            }
            pairs
                .append_pair("code", &code)
                .append_pair("scope", &granted);
        }
        redirected(&redirect)
    }

    /// The token address.
    pub(super) fn token(
        &mut self,
        headers: &HeaderMap,
        form: &[(String, String)],
        now: Millis,
        settings: &Settings,
    ) -> Answer {
        let Some(client_id) = client_id(headers, form) else {
            return refused(
                400,
                "invalid_request",
                "Could not determine client ID from request.",
            );
        };
        match value(form, "grant_type") {
            "authorization_code" => self.exchange(&client_id, form, now, settings),
            "refresh_token" => self.refresh(&client_id, form, now, settings),
            other => refused(
                400,
                "unsupported_grant_type",
                &format!("Invalid grant_type: {other}"),
            ),
        }
    }

    fn exchange(
        &mut self,
        client_id: &str,
        form: &[(String, String)],
        now: Millis,
        settings: &Settings,
    ) -> Answer {
        // A code is gone with its first use, whether that succeeds or not.
        let Some(code) = self.codes.remove(value(form, "code")) else {
            return refused(400, "invalid_grant", "Malformed auth code.");
        };
        if code.redirect_uri != value(form, "redirect_uri") {
            return refused(400, "redirect_uri_mismatch", "Bad Request");
        }
        if code.client_id != client_id || now - code.born > CODE_LIFETIME {
            return refused(400, "invalid_grant", "Bad Request");
        }
        if let Some((challenge, is_hashed)) = &code.challenge {
            let verifier = value(form, "code_verifier");
            let shown = if *is_hashed {
                URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
            } else {
                verifier.to_owned()
            };
            if verifier.is_empty() {
                return refused(400, "invalid_grant", "Missing code verifier.");
            }
            if shown != *challenge {
                return refused(400, "invalid_grant", "Invalid code verifier.");
            }
        }
        let refresh = code.is_offline.then(|| format!("1//0{}", random_text(60)));
        if let Some(refresh) = &refresh {
            self.refresh.insert(refresh.clone(), code.scopes.clone());
        }
        let mut answer = self.grant(&code.scopes, refresh.as_deref(), now, settings);
        if let Some(refresh) = refresh {
            answer["refresh_token"] = refresh.into();
        }
        if code.scopes.iter().any(|scope| scope == "openid") {
            answer["id_token"] = id_token(client_id, now).into();
        }
        Answer::json(&answer)
    }

    fn refresh(
        &mut self,
        client_id: &str,
        form: &[(String, String)],
        now: Millis,
        settings: &Settings,
    ) -> Answer {
        let refresh = value(form, "refresh_token");
        if refresh.is_empty() {
            return refused(
                400,
                "invalid_request",
                "Missing required parameter: refresh_token",
            );
        }
        let known = self.refresh.get(refresh);
        if self.revoked.contains(refresh) || (self.only_known_refresh && known.is_none()) {
            return refused(400, "invalid_grant", "Token has been expired or revoked.");
        }
        let all = known.cloned().unwrap_or_else(|| {
            [SCOPE_APPEND, SCOPE_READ, SCOPE_EDIT]
                .map(|scope| format!("{SCOPE_PREFIX}{scope}"))
                .to_vec()
        });
        let asked: Vec<String> = value(form, "scope")
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        if asked.iter().any(|scope| !all.contains(scope)) {
            return refused(
                400,
                "invalid_scope",
                "Some requested scopes were not granted.",
            );
        }
        let scopes = if asked.is_empty() { all } else { asked };
        let mut answer = self.grant(&scopes, Some(refresh), now, settings);
        if scopes.iter().any(|scope| scope == "openid") {
            answer["id_token"] = id_token(client_id, now).into();
        }
        Answer::json(&answer)
    }

    fn grant(
        &mut self,
        scopes: &[String],
        refresh: Option<&str>,
        now: Millis,
        settings: &Settings,
    ) -> Value {
        self.access
            .retain(|_, access| now < access.expires + 24 * 3600 * SECOND);
        let scopes = self.granted(scopes);
        let token = format!("ya29.{}", random_text(150));
        let answer = json!({
            "access_token": token,
            "expires_in": settings.token_lifetime_s,
            "scope": scopes.join(" "),
            "token_type": "Bearer",
        });
        self.access.insert(
            token,
            Access {
                scopes,
                expires: now + settings.token_lifetime_s * SECOND,
                refresh: refresh.map(str::to_owned),
            },
        );
        answer
    }

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
}

/// The last value of a parameter, or nothing.
pub(super) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs
        .iter()
        .rev()
        .find(|(known, _)| known == name)
        .map_or("", |(_, value)| value)
}

/// The client's id, from the form or from HTTP basic authentication.
fn client_id(headers: &HeaderMap, form: &[(String, String)]) -> Option<String> {
    let in_form = value(form, "client_id");
    if !in_form.is_empty() {
        return Some(in_form.to_owned());
    }
    let basic = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(basic.trim()).ok()?).ok()?;
    let id = text.split_once(':').map_or(text.as_str(), |(id, _)| id);
    (!id.is_empty()).then(|| super::route::percent_decoded(id))
}

fn is_loopback(redirect: &Url) -> bool {
    match redirect.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn redirected(to: &Url) -> Answer {
    Answer::empty(302).with(header::LOCATION, to.as_str())
}

fn page_error(error: &str) -> Answer {
    Answer::text(
        400,
        "text/html; charset=UTF-8",
        format!("<!DOCTYPE html><title>Error 400: {error}</title><h1>Error 400: {error}</h1>\n"),
    )
}

/// Who the user is, unsigned: nobody here could check a signature.
fn id_token(client_id: &str, now: Millis) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(&json!({"alg": "none", "typ": "JWT"}));
    let claims = part(&json!({
        "iss": "https://accounts.google.com",
        "aud": client_id,
        "sub": "sandbox",
        "iat": now / SECOND,
        "exp": now / SECOND + 3600,
    }));
    format!("{header}.{claims}.")
}
