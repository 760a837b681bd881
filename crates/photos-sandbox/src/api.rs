//! JSON calls and sign-in: from the body to the answer, with the script's faults in between.

use std::borrow::Cow;

use axum::body::Body;
use http::{HeaderMap, header, request::Parts};
use serde_json::{Value, json};

use super::{
    albums,
    answer::{Answer, Refusal},
    batch_create,
    clock::Millis,
    fields::Mask,
    log::{Record, harmless},
    media_items,
    oauth::value,
    route::{self, Kind, Method, Route},
    schema,
    server::{Outcome, Shared, read_all},
    world::{Visit, World},
};

/// Query parameters that every method takes (fact sheet, section 0).
const COMMON_PARAMETERS: &[&str] = &[
    "$.xgafv",
    "access_token",
    "alt",
    "callback",
    "fields",
    "key",
    "oauth_token",
    "prettyPrint",
    "quotaUser",
    "uploadType",
    "upload_protocol",
];

/// What a call has to say, beside who makes it.
struct Call<'a> {
    route: &'a Route,
    headers: &'a HeaderMap,
    query: Vec<(String, String)>,
    body: &'a [u8],
}

pub(super) async fn serve(
    shared: &Shared,
    visit: &Visit,
    route: &Route,
    parts: &Parts,
    body: Body,
) -> Outcome {
    let Some(body) = read_all(body).await else {
        return Outcome::Cut;
    };
    let effect = &visit.effect;
    // What a call without a body asks for stands in its query.
    let asked = match parts.uri.query() {
        Some(query) if body.is_empty() => query.as_bytes(),
        _ => &body,
    };
    let is_met = effect.meets(asked);
    if effect.cut_before && is_met {
        return Outcome::Cut;
    }
    let (latency, stand_in) = {
        let settings = &shared.world().settings;
        let latency = settings.latency_ms(visit.method);
        (latency, effect.stand_in(visit.method, asked, settings))
    };
    if visit.ticket.is_ok() {
        shared.rest(latency).await;
    }
    if effect.hang && is_met && !effect.commit.unwrap_or(false) {
        return Outcome::Hang;
    }
    let call = Call {
        route,
        headers: &parts.headers,
        query: route::pairs(parts.uri.query()),
        body: &body,
    };
    let answer = match stand_in {
        Some((answer, false)) => answer,
        Some((answer, true)) => {
            answer_of(shared, visit, &call);
            answer
        }
        None => answer_of(shared, visit, &call),
    };
    shared.rest(effect.delay_ms.unwrap_or(0)).await;
    shared.note(visit, parts.uri.path(), &answer);
    if visit.method.kind() != Kind::Oauth {
        record(shared, visit.method, parts, &body, &answer);
    }
    if effect.cut_after && is_met {
        return Outcome::Cut;
    }
    if effect.hang && is_met {
        return Outcome::Hang;
    }
    Outcome::Answer(answer)
}

/// Does what the call asks.
fn answer_of(shared: &Shared, visit: &Visit, call: &Call<'_>) -> Answer {
    let now = shared.clock.now();
    let world = &mut *shared.world();
    shared.changed();
    if visit.method.kind() == Kind::Oauth {
        return oauth(world, visit, call, now);
    }
    match done(world, visit, call, now) {
        Ok(answer) => answer,
        Err(refusal) => {
            world.log.refused(Some(visit.method), &refusal);
            refusal.answer(Some(visit.method), world.settings.error_details)
        }
    }
}

fn oauth(world: &mut World, visit: &Visit, call: &Call<'_>, now: Millis) -> Answer {
    match visit.method {
        Method::OauthAuth => world
            .oauth
            .auth(&call.query, &visit.effect, now, &mut world.log),
        Method::OauthToken => {
            let form = form(call.body);
            world.oauth.token(call.headers, &form, now, &world.settings)
        }
        Method::OauthRevoke => {
            let token = token_to_revoke(call);
            world.oauth.revoke(&token)
        }
        Method::OauthUserinfo => {
            match world
                .oauth
                .bearer(call.headers, now, visit.arrival, &mut world.log)
            {
                super::oauth::Bearer::Good(_) => Answer::json(&json!({
                    "sub": "sandbox",
                    "name": "Sandbox",
                    "given_name": "Sandbox",
                    "picture": format!("{}/", world.address),
                })),
                _ => Answer::json(&json!({
                    "error": "invalid_request",
                    "error_description": "Invalid Credentials",
                }))
                .with_status(401),
            }
        }
        _ => discovery(&world.address),
    }
}

fn discovery(address: &str) -> Answer {
    Answer::json(&json!({
        "issuer": "https://accounts.google.com",
        "authorization_endpoint": format!("{address}/o/oauth2/v2/auth"),
        "token_endpoint": format!("{address}/token"),
        "userinfo_endpoint": format!("{address}/oauth2/v3/userinfo"),
        "revocation_endpoint": format!("{address}/revoke"),
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
    }))
}

fn form(body: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

/// The token comes as a form, as a query, or, from one client, as a part of a multipart body.
fn token_to_revoke(call: &Call<'_>) -> String {
    let in_query = value(&call.query, "token");
    if !in_query.is_empty() {
        return in_query.to_owned();
    }
    let content_type = call.headers.get(header::CONTENT_TYPE);
    let is_multipart =
        content_type.is_some_and(|value| value.as_bytes().starts_with(b"multipart/"));
    if !is_multipart {
        return value(&form(call.body), "token").to_owned();
    }
    let text = String::from_utf8_lossy(call.body);
    text.split_once("name=\"token\"")
        .and_then(|(_, rest)| rest.split_once("\r\n\r\n"))
        .and_then(|(_, rest)| rest.split("\r\n").next().map(str::to_owned))
        .unwrap_or_default()
}

fn done(world: &mut World, visit: &Visit, call: &Call<'_>, now: Millis) -> Result<Answer, Refusal> {
    let method = visit.method;
    world.admit(visit, call.headers, now)?;
    check_query(method, &call.query)?;
    let mask = Mask::of(value(&call.query, "fields"))?;
    let body = match method.request_shape() {
        Some(shape) => {
            note_content_type(world, call);
            schema::read(call.body, shape)?
        }
        None => Value::Null,
    };
    if method == Method::MediaItemsBatchCreate {
        return batch_create::batch_create(world, &body, &visit.effect, now, &mask);
    }
    let id = call.route.id.as_deref().unwrap_or("");
    let query = &call.query;
    let answer = match method {
        Method::MediaItemsBatchGet => media_items::batch_get(world, query, now),
        Method::MediaItemsGet => media_items::get(world, id, now),
        Method::MediaItemsList => media_items::list(world, query, now),
        Method::MediaItemsSearch => media_items::search(world, &body, now),
        Method::MediaItemsPatch => media_items::patch(world, id, query, &body, now),
        Method::AlbumsCreate => albums::create(world, &body, now),
        Method::AlbumsGet => albums::get(world, id, now),
        Method::AlbumsList => albums::list(world, query, now),
        Method::AlbumsPatch => albums::patch(world, id, query, &body, now),
        Method::AlbumsBatchAddMediaItems => albums::batch_add(world, id, &body, now),
        Method::AlbumsBatchRemoveMediaItems => albums::batch_remove(world, id, &body, now),
        Method::AlbumsAddEnrichment => albums::add_enrichment(world, id, &body, now),
        Method::SharedAlbumsLeave => albums::leave_shared(&body),
        _ => Err(Refusal::forbidden("retired_method")),
    };
    answer.map(|value| Answer::json(&mask.apply(&value)))
}

fn check_query(method: Method, query: &[(String, String)]) -> Result<(), Refusal> {
    let known = method.query_names();
    for (name, _) in query {
        let name = name.as_str();
        if !known.contains(&name) && !COMMON_PARAMETERS.contains(&name) {
            return Err(Refusal::broken(
                "unknown_parameter",
                format!(
                    "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query \
                     parameter. Field '{name}' could not be found in request message."
                ),
            ));
        }
    }
    Ok(())
}

/// A JSON body has to be called one; the service is believed to bear it if it is not.
fn note_content_type(world: &mut World, call: &Call<'_>) {
    let content_type = call
        .headers
        .get(header::CONTENT_TYPE)
        .map_or(Cow::Borrowed(""), |value| {
            String::from_utf8_lossy(value.as_bytes())
        });
    if !call.body.is_empty() && !content_type.starts_with("application/json") {
        let detail = format!("{}: `{content_type}`", call.route.method.name());
        world.log.broken("json_content_type", detail);
    }
}

fn record(shared: &Shared, method: Method, parts: &Parts, body: &[u8], answer: &Answer) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    shared.world().log.record(Record {
        method,
        http: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        headers: harmless(&parts.headers),
        request: text(body),
        status: answer.status,
        answer: text(&answer.body),
    });
}
