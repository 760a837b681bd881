use std::collections::HashMap;

use base64::Engine as _;
use secrecy::ExposeSecret as _;
use sha2::Digest as _;

use crate::photos_api::testing::{Account, Server, json, serve, settings};

use super::*;

/// A sign-in server that grants these scopes.
async fn granting(scope: &'static str, refresh_token: &'static str) -> Server {
    serve(move |seen| {
        assert_eq!(seen.path, "/token");
        json(
            200,
            format!(
                r#"{{"access_token":"at-1","expires_in":3599,"token_type":"Bearer","scope":"{scope}"{refresh_token}}}"#
            ),
        )
    })
    .await
}

const ALL: &str = "https://www.googleapis.com/auth/photoslibrary.edit.appcreateddata https://www.googleapis.com/auth/photoslibrary.appendonly https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata openid";
const LASTING: &str = r#","refresh_token":"refresh-1""#;

fn asked(login: &Login) -> HashMap<String, String> {
    login.address().query_pairs().into_owned().collect()
}

/// What the browser does after the consent: asks this machine, with these parameters.
async fn come_back(login: &Login, query: &str) -> (u16, String) {
    let url = format!("{}?{query}", asked(login)["redirect_uri"]);
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap();
    let response = http.get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn the_user_consents_and_the_account_is_signed_in() {
    let server = granting(ALL, LASTING).await;
    let account = Account::new(settings(&server.url));
    let login = Login::begin(&account.auth).await.unwrap();
    let asked = asked(&login);
    for (name, value) in [
        ("client_id", "client-1"),
        ("response_type", "code"),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("code_challenge_method", "S256"),
        ("scope", &SCOPES.join(" ")),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    assert!(!asked.contains_key("include_granted_scopes"));
    assert!(asked["redirect_uri"].starts_with("http://127.0.0.1:"));

    let query = format!("state={}&code=code-1&scope=x", asked["state"]);
    let (granted, (status, page)) = tokio::join!(login.finish(None), come_back(&login, &query));
    assert_eq!(granted.unwrap().scopes.len(), 4);
    assert_eq!(status, 200);
    assert!(page.contains("You are signed in"), "{page}");

    let exchange = &server.token_requests()[0];
    for (name, value) in [
        ("grant_type", "authorization_code"),
        ("code", "code-1"),
        ("client_id", "client-1"),
        ("client_secret", "hush"),
        ("redirect_uri", &asked["redirect_uri"]),
    ] {
        assert_eq!(exchange.form(name), value, "{name}");
    }
    let verifier = exchange.form("code_verifier");
    let hash = sha2::Sha256::digest(verifier.as_bytes());
    let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash);
    assert_eq!(asked["code_challenge"], challenge);

    let kept = Tokens::read(&account.token_file()).unwrap();
    assert_eq!(kept.refresh_token.expose_secret(), "refresh-1");
    let bearer = account.auth.bearer().await.unwrap();
    assert_eq!(bearer.header().to_str().unwrap(), "Bearer at-1");
}

#[tokio::test]
async fn strangers_who_knock_do_not_end_the_sign_in() {
    let server = granting(ALL, LASTING).await;
    let account = Account::new(settings(&server.url));
    let login = Login::begin(&account.auth).await.unwrap();
    let state = asked(&login)["state"].clone();
    let visits = async {
        // A browser opens connections that it never uses.
        let address = login.listener.local_addr().unwrap();
        let _idle = tokio::net::TcpStream::connect(address).await.unwrap();
        assert_eq!(come_back(&login, "code=evil&state=wrong").await.0, 404);
        assert_eq!(come_back(&login, "error=access_denied").await.0, 404);
        come_back(&login, &format!("code=good&state={state}"))
            .await
            .0
    };
    let (granted, status) = tokio::join!(login.finish(None), visits);
    granted.unwrap();
    assert_eq!(status, 200);
    assert_eq!(server.token_requests().len(), 1);
    assert_eq!(server.token_requests()[0].form("code"), "good");
}

#[tokio::test]
async fn a_declined_consent_says_so_here_and_in_the_browser() {
    let server = granting(ALL, LASTING).await;
    let account = Account::new(settings(&server.url));
    let login = Login::begin(&account.auth).await.unwrap();
    let query = format!("state={}&error=access_denied", asked(&login)["state"]);
    let (error, (status, page)) = tokio::join!(login.finish(None), come_back(&login, &query));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::LoginNeeded);
    assert!(error.message().contains("test users"));
    assert_eq!(status, 400);
    assert!(page.contains("test users"), "{page}");
    assert!(!account.token_file().exists());
}

#[tokio::test]
async fn an_unticked_box_is_named_and_nothing_is_kept() {
    let scope = "https://www.googleapis.com/auth/photoslibrary.appendonly";
    let server = granting(scope, LASTING).await;
    let account = Account::new(settings(&server.url));
    let login = Login::begin(&account.auth).await.unwrap();
    let pasted = format!(
        "http://127.0.0.1:1/?state={}&code=c",
        asked(&login)["state"]
    );
    let error = login.finish_with(&pasted).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ScopeMissing);
    assert_eq!(
        error.message(),
        "not granted: photoslibrary.readonly.appcreateddata, photoslibrary.edit.appcreateddata"
    );
    assert!(!account.token_file().exists());
}

#[tokio::test]
async fn a_pasted_address_signs_in_and_a_wrong_one_can_be_pasted_again() {
    let server = granting(ALL, LASTING).await;
    let account = Account::new(settings(&server.url));
    let login = Login::begin(&account.auth).await.unwrap();
    let asked = asked(&login);
    for wrong in ["", "http://127.0.0.1:1/?code=c", "code=c&state=x", "hello"] {
        let error = login.finish_with(wrong).await.unwrap_err();
        assert!(error.hint().unwrap().contains("paste"), "{wrong}");
    }
    let state = &asked["state"];
    let pasted = format!(
        "  {}/?state={state}&code=4%2F0A&scope=s#frag\n",
        asked["redirect_uri"]
    );
    login.finish_with(&pasted).await.unwrap();
    assert_eq!(server.token_requests()[0].form("code"), "4/0A");
}

#[tokio::test]
async fn a_refused_code_and_a_token_that_does_not_last_are_told_apart() {
    let refusing = serve(|_| {
        json(
            400,
            r#"{"error":"invalid_grant","error_description":"Malformed auth code."}"#,
        )
    })
    .await;
    let unknown = serve(|_| json(401, r#"{"error":"invalid_client"}"#)).await;
    let fleeting = granting(ALL, "").await;
    for (server, kind, words) in [
        (refusing, Kind::LoginNeeded, "Malformed auth code."),
        (unknown, Kind::Setup, "does not know the OAuth client"),
        (fleeting, Kind::LoginNeeded, "no lasting token"),
    ] {
        let account = Account::new(settings(&server.url));
        let login = Login::begin(&account.auth).await.unwrap();
        let pasted = format!("?state={}&code=c", asked(&login)["state"]);
        let error = login.finish_with(&pasted).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains(words), "{error}");
    }
}

#[tokio::test]
async fn nobody_waits_for_a_browser_for_ever() {
    let server = granting(ALL, LASTING).await;
    let account = Account::new(settings(&server.url));
    let login = Login::begin(&account.auth).await.unwrap();
    let error = login.finish(Some(Duration::from_millis(20))).await;
    assert!(error.unwrap_err().hint().unwrap().contains("--no-browser"));
}

#[tokio::test]
async fn a_web_client_without_a_redirect_to_this_machine_is_refused_before_the_browser_is() {
    let server = granting(ALL, LASTING).await;
    let account = Account::new(settings(&server.url));
    let secret =
        r#"{"web":{"client_id":"c","client_secret":"s","redirect_uris":["https://x.example"]}}"#;
    std::fs::write(account.dir.path().join("client_secret.json"), secret).unwrap();
    let error = Login::begin(&account.auth).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Setup);
    assert!(error.hint().unwrap().contains("Desktop app"));
}
