//! Sign-in, tokens and scopes.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    media,
    stand::{Stand, both},
};

const PREFIX: &str = "https://www.googleapis.com/auth/";
const REDIRECT: &str = "http://127.0.0.1:4711/back";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The query of the address that the browser is sent back to.
async fn consent(stand: &Stand, scope: &str, redirect: &str) -> Option<Vec<(String, String)>> {
    let query = [
        ("client_id", "c"),
        ("redirect_uri", redirect),
        ("response_type", "code"),
        ("scope", scope),
        ("state", "s&t"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
        ("prompt", "consent"),
    ];
    let request = stand
        .client
        .get(stand.url("/o/oauth2/v2/auth"))
        .query(&query);
    let response = request.send().await.unwrap();
    let location = response.headers().get("location")?.to_str().unwrap();
    let url = url::Url::parse(location).unwrap();
    Some(url.query_pairs().into_owned().collect())
}

async fn token(stand: &Stand, form: &[(&str, &str)]) -> (u16, Value) {
    both(
        stand
            .client
            .post(stand.url("/token"))
            .form(form)
            .send()
            .await
            .unwrap(),
    )
    .await
}

async fn exchange(stand: &Stand, code: &str, verifier: &str) -> (u16, Value) {
    let form = [
        ("client_id", "c"),
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", REDIRECT),
    ];
    token(stand, &form).await
}

async fn refresh(stand: &Stand, refresh_token: &str) -> (u16, Value) {
    let form = [
        ("client_id", "c"),
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
    ];
    token(stand, &form).await
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    let found = pairs.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}

#[tokio::test]
async fn a_code_is_good_once_and_only_with_its_verifier() {
    let stand = Stand::start().await;
    let scope = format!("openid {PREFIX}photoslibrary.appendonly");
    let back = consent(&stand, &scope, REDIRECT).await.unwrap();
    assert_eq!(value(&back, "state"), "s&t");
    assert_eq!(value(&back, "scope"), scope);
    let (status, answer) = exchange(&stand, value(&back, "code"), "wrong").await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    let back = consent(&stand, &scope, REDIRECT).await.unwrap();
    let (status, answer) = exchange(&stand, value(&back, "code"), VERIFIER).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 3599);
    assert_eq!(answer["scope"], scope);
    assert!(answer["id_token"].is_string());
    assert_eq!(
        exchange(&stand, value(&back, "code"), VERIFIER).await.0,
        400
    );
    let (status, again) = refresh(&stand, answer["refresh_token"].as_str().unwrap()).await;
    assert_eq!((status, &again["scope"]), (200, &json!(scope)));
    assert!(again["refresh_token"].is_null());
}

#[tokio::test]
async fn only_a_loopback_address_gets_a_code() {
    let stand = Stand::start().await;
    for redirect in ["http://[::1]:1/", "http://localhost:1"] {
        assert!(consent(&stand, "openid", redirect).await.is_some());
    }
    for redirect in ["https://example.com/", "urn:ietf:wg:oauth:2.0:oob"] {
        assert!(consent(&stand, "openid", redirect).await.is_none());
    }
    let deny = json!({"method": "oauth.auth", "action": "deny_consent"});
    stand.script(json!({"rules": [deny]})).await;
    let back = consent(&stand, "openid", REDIRECT).await.unwrap();
    assert_eq!(value(&back, "error"), "access_denied");
}

#[tokio::test]
async fn a_revoked_token_takes_its_family_with_it() {
    let stand = Stand::start().await;
    let (_, answer) = refresh(&stand, "mine").await;
    let access = answer["access_token"].as_str().unwrap();
    let revoke = async || {
        let request = stand
            .client
            .post(stand.url("/revoke"))
            .form(&[("token", access)]);
        request.send().await.unwrap().status()
    };
    assert_eq!(revoke().await, 200);
    let (status, answer) = refresh(&stand, "mine").await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    assert_eq!(
        answer["error_description"],
        "Token has been expired or revoked."
    );
    assert_eq!(refresh(&stand, "another").await.0, 200);
}

#[tokio::test]
async fn a_token_is_good_for_its_time_and_its_death_is_told_once() {
    let mut stand = Stand::start().await;
    assert_eq!(stand.get("/v1/albums").await.0, 200);
    stand
        .script(json!({"command": "advance_clock_s", "seconds": 3599}))
        .await;
    let (status, answer) = stand.get("/v1/albums").await;
    assert_eq!(
        (status, &answer["error"]["status"]),
        (401, &json!("UNAUTHENTICATED"))
    );
    assert!(stand.broken_rules().await.is_empty());
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(stand.get("/v1/albums").await.0, 401);
    assert_eq!(stand.broken_rules().await, ["dead_token"]);
    stand.sign_in().await;
    assert_eq!(stand.get("/v1/albums").await.0, 200);
}

#[tokio::test]
async fn each_method_asks_its_scope() {
    let mut stand = Stand::start().await;
    let script =
        |names: &[&str]| json!({"rules": [{"method": "*", "action": {"revoke_scopes": names}}]});
    stand.script(script(&["photoslibrary.appendonly"])).await;
    let (status, answer) = stand
        .post("/v1/albums", &json!({"album": {"title": "a"}}))
        .await;
    assert_eq!(status, 403);
    assert_eq!(
        answer["error"]["message"],
        "Request had insufficient authentication scopes."
    );
    assert_eq!(
        answer["error"]["details"][0]["reason"],
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    );
    assert_eq!(
        stand
            .raw_upload(media::photo(1))
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    assert_eq!(stand.get("/v1/albums").await.0, 200);
    stand.sign_in().await;
    assert_eq!(
        stand
            .raw_upload(media::photo(1))
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    stand
        .request(Method::DELETE, "/sandbox/faults")
        .send()
        .await
        .unwrap();
    stand.sign_in().await;
    assert_eq!(
        stand
            .raw_upload(media::photo(1))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn scripted_deaths_of_tokens() {
    let mut stand = Stand::start().await;
    let dies = json!({"method": "albums.list", "action": "access_dies"});
    stand.script(json!({"rules": [dies]})).await;
    assert_eq!(stand.get("/v1/albums").await.0, 401);
    stand.sign_in().await;
    assert_eq!(stand.get("/v1/albums").await.0, 200);
    let dies = json!({"method": "oauth.token", "action": "refresh_dies"});
    stand.script(json!({"rules": [dies]})).await;
    assert_eq!(refresh(&stand, "any").await.1["error"], "invalid_grant");
    assert_eq!(refresh(&stand, "any other").await.0, 400);
    let back = consent(&stand, "openid", REDIRECT).await.unwrap();
    let (_, answer) = exchange(&stand, value(&back, "code"), VERIFIER).await;
    let new = answer["refresh_token"].as_str().unwrap();
    assert_eq!(refresh(&stand, new).await.0, 200);
}
