//! Sign-in: consent without a question, PKCE, tokens and their revocation (fact sheet, section 1).
//!
//! Any client id is accepted, and any refresh token that was not revoked, so that a test can bring its
//! own. Access tokens are only those that were issued here.

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

use crate::{
    clock::{Millis, SECOND, later},
    discovery::{Pairs, SCOPE_PREFIX, SCOPES, header_text, param, percent_decoded},
    errors::Response,
    faults::Effect,
    rule_log::RuleLog,
};

/// How long requests may still arrive with a token that was just rejected.
const GRACE: Duration = Duration::from_millis(250);

/// How long a code can be exchanged; the service's documentation says only "short".
const CODE_LIFETIME: Millis = 600 * SECOND;

/// Every secret that the sandbox makes consists of this text, repeated: a test can search for it in
/// all that a client prints and stores, and finds a part of a secret as well.
pub const SECRET_MARK: &str = "SeCrEt";

/// Random bytes between two marks: 12 characters.
const BETWEEN_MARKS: usize = 9;

/// A new secret of so many characters: a token, a code, the id of a session.
pub(crate) fn secret(prefix: &str, n_chars: usize) -> String {
    let mut secret = prefix.to_owned();
    while secret.len() < n_chars {
        secret.push_str(SECRET_MARK);
        secret.push_str(&random_text(BETWEEN_MARKS));
    }
    secret.truncate(n_chars);
    secret
}

/// Random text. It need not be unpredictable: the sandbox protects nothing.
pub(crate) fn random_text(n_bytes: usize) -> String {
    let bytes: Vec<u8> = (0..n_bytes).map(|_| fastrand::u8(..)).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Tokens and codes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Oauth {
    access: HashMap<String, Access>,
    refresh: HashMap<String, Vec<String>>,
    revoked: HashSet<String>,
    /// Whether refresh tokens that were not issued here are rejected.
    only_known_refresh: bool,
    #[serde(skip)]
    codes: HashMap<String, Code>,
    #[serde(skip)]
    rejected: HashMap<String, Instant>,
    #[serde(skip)]
    pub(crate) withdrawn_scopes: HashSet<String>,
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
    /// The challenge, and whether it is hashed.
    challenge: Option<(String, bool)>,
    is_offline: bool,
    born: Millis,
}

/// What a bearer token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bearer {
    /// These scopes, without their prefix.
    Good(Vec<String>),
    Missing,
    /// Unknown, expired or revoked.
    Bad(String),
}

impl Oauth {
    /// The consent page, which consents at once.
    pub(crate) fn auth(
        &mut self,
        query: &Pairs,
        effect: &Effect,
        now: Millis,
        log: &mut RuleLog,
    ) -> Response {
        let get = |name| param(query, name);
        let redirect = Url::parse(get("redirect_uri")).ok().filter(is_loopback);
        let Some(mut redirect) = redirect else {
            log.broken("redirect_uri", get("redirect_uri"));
            return page_error("redirect_uri_mismatch");
        };
        if get("client_id").is_empty() || get("response_type") != "code" || get("scope").is_empty()
        {
            let message = "client_id, response_type=code and scope are needed";
            log.broken("oauth_parameters", message);
            return page_error("invalid_request");
        }
        let challenge = match (get("code_challenge"), get("code_challenge_method")) {
            ("", _) => None,
            (challenge, "S256") => Some((challenge.to_owned(), true)),
            (challenge, "plain" | "") => Some((challenge.to_owned(), false)),
            _ => return page_error("invalid_request"),
        };
        let mut back = redirect.query_pairs_mut();
        if effect.deny_consent {
            back.append_pair("error", "access_denied");
            back.append_pair("state", get("state"));
        } else {
            let scopes = words(get("scope"));
            let code = secret("4/0A", 70);
            if !get("state").is_empty() {
                back.append_pair("state", get("state"));
            }
            back.append_pair("code", &code);
            back.append_pair("scope", &self.granted(&scopes).join(" "));
            let new = Code {
                client_id: get("client_id").to_owned(),
                redirect_uri: get("redirect_uri").to_owned(),
                scopes,
                challenge,
                is_offline: get("access_type") == "offline",
                born: now,
            };
            self.codes.insert(code, new);
        }
        drop(back);
        Response::empty(302).with(header::LOCATION, redirect.as_str())
    }

    /// The token endpoint.
    pub(crate) fn token(
        &mut self,
        headers: &HeaderMap,
        form: &Pairs,
        now: Millis,
        lifetime_s: i64,
    ) -> Response {
        let Some(client_id) = client_id(headers, form) else {
            let message = "Could not determine client ID from request.";
            return error(400, "invalid_request", message);
        };
        let granted = match param(form, "grant_type") {
            "authorization_code" => self.exchange(&client_id, form, now, lifetime_s),
            "refresh_token" => self.refresh(form, now, lifetime_s),
            other => Err((
                "unsupported_grant_type",
                format!("Invalid grant_type: {other}"),
            )),
        };
        match granted {
            Ok((mut answer, scopes)) => {
                if scopes.iter().any(|scope| scope == "openid") {
                    answer["id_token"] = id_token(&client_id, now).into();
                }
                Response::json(&answer)
            }
            Err((code, message)) => error(400, code, &message),
        }
    }

    fn exchange(&mut self, client_id: &str, form: &Pairs, now: Millis, lifetime_s: i64) -> Grant {
        let invalid = |message: &str| Err(("invalid_grant", message.to_owned()));
        // A code is used up by its first exchange, even by one that fails.
        let Some(code) = self.codes.remove(param(form, "code")) else {
            return invalid("Malformed auth code.");
        };
        if code.redirect_uri != param(form, "redirect_uri") {
            return Err(("redirect_uri_mismatch", "Bad Request".to_owned()));
        }
        if code.client_id != client_id || now.saturating_sub(code.born) > CODE_LIFETIME {
            return invalid("Bad Request");
        }
        if let Some((challenge, is_hashed)) = &code.challenge {
            let verifier = param(form, "code_verifier");
            let hashed = || URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
            if verifier.is_empty() {
                return invalid("Missing code verifier.");
            }
            if *challenge
                != if *is_hashed {
                    hashed()
                } else {
                    verifier.to_owned()
                }
            {
                return invalid("Invalid code verifier.");
            }
        }
        let refresh = code.is_offline.then(|| secret("1//0", 100));
        if let Some(refresh) = &refresh {
            self.refresh.insert(refresh.clone(), code.scopes.clone());
        }
        let mut answer = self.grant(&code.scopes, refresh.as_deref(), now, lifetime_s);
        if let Some(refresh) = refresh {
            answer["refresh_token"] = refresh.into();
        }
        Ok((answer, code.scopes))
    }

    fn refresh(&mut self, form: &Pairs, now: Millis, lifetime_s: i64) -> Grant {
        let refresh = param(form, "refresh_token");
        if refresh.is_empty() {
            let message = "Missing required parameter: refresh_token";
            return Err(("invalid_request", message.to_owned()));
        }
        let known = self.refresh.get(refresh);
        if self.revoked.contains(refresh) || (self.only_known_refresh && known.is_none()) {
            return Err((
                "invalid_grant",
                "Token has been expired or revoked.".to_owned(),
            ));
        }
        let all = known.cloned();
        let all = all.unwrap_or_else(|| {
            SCOPES
                .map(|scope| format!("{SCOPE_PREFIX}{scope}"))
                .to_vec()
        });
        let asked = words(param(form, "scope"));
        if asked.iter().any(|scope| !all.contains(scope)) {
            let message = "Some requested scopes were not granted.";
            return Err(("invalid_scope", message.to_owned()));
        }
        let scopes = if asked.is_empty() { all } else { asked };
        let answer = self.grant(&scopes, Some(refresh), now, lifetime_s);
        Ok((answer, scopes))
    }

    fn grant(
        &mut self,
        scopes: &[String],
        refresh: Option<&str>,
        now: Millis,
        lifetime_s: i64,
    ) -> Value {
        self.access
            .retain(|_, access| now < later(access.expires, 24 * 3600));
        let scopes = self.granted(scopes);
        let token = secret("ya29.", 205);
        let answer = json!({
            "access_token": token,
            "expires_in": lifetime_s,
            "scope": scopes.join(" "),
            "token_type": "Bearer",
        });
        let access = Access {
            scopes,
            expires: later(now, lifetime_s),
            refresh: refresh.map(str::to_owned),
        };
        self.access.insert(token, access);
        answer
    }

    /// Those of the scopes that no script has withdrawn.
    fn granted(&self, scopes: &[String]) -> Vec<String> {
        let is_left = |scope: &&String| !self.withdrawn_scopes.contains(short(scope));
        scopes.iter().filter(is_left).cloned().collect()
    }

    /// Revokes an access token with its refresh token, or a refresh token with its access tokens.
    pub(crate) fn revoke(&mut self, token: &str) -> Response {
        if token.is_empty() || self.revoked.contains(token) {
            return error(400, "invalid_token", "Token expired or revoked");
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
        Response::json(&json!({}))
    }

    /// Revokes what the effects of a script name.
    pub(crate) fn apply(&mut self, effect: &Effect) {
        if effect.expire_tokens || effect.access_dies {
            self.access.clear();
        }
        if effect.refresh_dies {
            self.only_known_refresh = true;
            self.revoked
                .extend(self.refresh.drain().map(|(token, _)| token));
        }
        let names = effect.revoke_scopes.iter();
        self.withdrawn_scopes
            .extend(names.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()));
    }

    /// Undoes the scripted revocations.
    pub(crate) fn clear_faults(&mut self) {
        self.only_known_refresh = false;
        self.withdrawn_scopes.clear();
    }

    /// What the bearer of a request may do.
    pub(crate) fn bearer(
        &self,
        headers: &HeaderMap,
        now: Millis,
        arrival: Instant,
        log: &mut RuleLog,
    ) -> Bearer {
        let text = header_text(headers, header::AUTHORIZATION.as_str());
        let Some(token) = text.strip_prefix("Bearer ").map(str::trim) else {
            return Bearer::Missing;
        };
        if let Some(access) = self.access.get(token).filter(|access| now < access.expires) {
            let scopes = self.granted(&access.scopes);
            return Bearer::Good(scopes.iter().map(|scope| short(scope).to_owned()).collect());
        }
        let rejected = self.rejected.get(token);
        if rejected.is_some_and(|at| arrival > *at + GRACE) {
            log.broken("dead_token", "an access token was used again after its 401");
        }
        Bearer::Bad(token.to_owned())
    }

    /// Remembers that the client got a 401 for this access token.
    pub(crate) fn reject(&mut self, token: String) {
        if self.rejected.len() > 1000 {
            self.rejected.clear();
        }
        self.rejected.entry(token).or_insert_with(Instant::now);
    }

    /// The clients that got a 401 were killed, and may not have stored a new token before.
    pub(crate) fn forget_rejected(&mut self) {
        self.rejected.clear();
    }
}

/// The body of a response of the token endpoint with its scopes, or code and text of an error.
type Grant = Result<(Value, Vec<String>), (&'static str, String)>;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn short(scope: &str) -> &str {
    scope.strip_prefix(SCOPE_PREFIX).unwrap_or(scope)
}

/// The client id, from the form or from HTTP basic authentication.
fn client_id(headers: &HeaderMap, form: &Pairs) -> Option<String> {
    let in_form = param(form, "client_id");
    if !in_form.is_empty() {
        return Some(in_form.to_owned());
    }
    let basic = header_text(headers, header::AUTHORIZATION.as_str()).strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(basic.trim()).ok()?).ok()?;
    let id = text.split(':').next().unwrap_or("");
    (!id.is_empty()).then(|| percent_decoded(id))
}

fn is_loopback(redirect: &Url) -> bool {
    match redirect.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn page_error(error: &str) -> Response {
    let html =
        format!("<!DOCTYPE html><title>Error 400: {error}</title><h1>Error 400: {error}</h1>\n");
    Response::text(400, "text/html; charset=UTF-8", html)
}

/// An error of the token, revocation or userinfo endpoint.
pub(crate) fn error(status: u16, error: &str, description: &str) -> Response {
    Response::json(&json!({"error": error, "error_description": description})).with_status(status)
}

/// An OpenID Connect token without a signature.
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
