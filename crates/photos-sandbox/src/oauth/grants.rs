//! Consent and the token address: how tokens come into the world (fact sheet, section 1.1).

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::super::{
    answer::Answer,
    clock::{Millis, SECOND, later},
    faults::Effect,
    library::secret,
    log::Log,
    route::{self, SCOPE_APPEND, SCOPE_EDIT, SCOPE_READ},
    settings::Settings,
};
use super::{Access, Code, Oauth, SCOPE_PREFIX, refused, value};

/// How long a code can be exchanged; the service says no more than "short".
const CODE_LIFETIME: Millis = 600 * SECOND;

impl Oauth {
    /// The consent page, which consents at once.
    pub(crate) fn auth(
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
        let code = secret("4/0A", 70);
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
    pub(crate) fn token(
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
        if code.client_id != client_id || now.saturating_sub(code.born) > CODE_LIFETIME {
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
        let refresh = code.is_offline.then(|| secret("1//0", 100));
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
            .retain(|_, access| now < later(access.expires, 24 * 3600));
        let scopes = self.granted(scopes);
        let token = secret("ya29.", 205);
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
                expires: later(now, settings.token_lifetime_s),
                refresh: refresh.map(str::to_owned),
            },
        );
        answer
    }
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
    (!id.is_empty()).then(|| route::percent_decoded(id))
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
