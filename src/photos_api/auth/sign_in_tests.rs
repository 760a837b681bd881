use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use secrecy::ExposeSecret as _;

use crate::photos_api::testing::{Account, Server, granted, json, serve, settings};

use super::*;

const LONG_AGO: &str = "2020-01-01T00:00:00Z";
const FAR: &str = "2100-01-01T00:00:00Z";

async fn granting() -> Server {
    let n = Arc::new(AtomicUsize::new(1));
    serve(move |_| granted(&format!("at-{}", n.fetch_add(1, Ordering::SeqCst)))).await
}

fn text(bearer: Result<Bearer, Error>) -> String {
    bearer.unwrap().header().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_valid_token_is_used_without_a_request() {
    let server = granting().await;
    let account = Account::signed_in(&server.url);
    assert_eq!(text(account.auth.bearer().await), "Bearer at-0");
    assert!(server.token_requests().is_empty());
    assert!(!account.auth.changed());
}

#[tokio::test]
async fn files_that_were_not_read_yet_have_not_changed() {
    let server = granting().await;
    let account = Account::signed_in(&server.url);
    account.write_tokens("refresh-0", "at-0", FAR);
    assert!(!account.auth.changed() && !account.auth.client_secret_changed());
    account.auth.look();
    assert!(!account.auth.changed() && !account.auth.client_secret_changed());
    // A file that is to be checked again has not changed.
    account.auth.library_client_id(Some("client-1".to_owned()));
    assert!(!account.auth.changed());
    account.write_tokens("refresh-1", "at-1", FAR);
    assert!(account.auth.changed());
    let secret = &account.auth.0.files.client_secret;
    std::fs::write(secret, std::fs::read(secret).unwrap()).unwrap();
    assert!(account.auth.client_secret_changed());
}

#[tokio::test]
async fn a_token_file_that_could_not_be_read_for_a_moment_is_read_again() {
    let server = granting().await;
    let account = Account::signed_in(&server.url);
    account.write_tokens("refresh-0", "at-0", FAR);
    account.auth.look();
    let failed = Error::new(Kind::Setup, "too many open files");
    account.auth.state().sign_in = SignIn::Dead(failed);
    assert_eq!(text(account.auth.bearer().await), "Bearer at-0");
}

#[tokio::test]
async fn concurrent_callers_cause_one_refresh() {
    let server = granting().await;
    let account = Account::signed_in(&server.url);
    account.write_tokens("refresh-0", "at-0", LONG_AGO);
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let auth = account.auth.clone();
        all.spawn(async move { text(auth.bearer().await) });
    }
    for bearer in all.join_all().await {
        assert_eq!(bearer, "Bearer at-1");
    }
    let [request] = &server.token_requests()[..] else {
        panic!("{}", server.token_requests().len());
    };
    assert_eq!(request.form("grant_type"), "refresh_token");
    assert_eq!(request.form("refresh_token"), "refresh-0");
    assert_eq!(request.form("client_id"), "client-1");
    assert_eq!(request.form("client_secret"), "hush");
    assert_eq!(
        request.header("content-type"),
        "application/x-www-form-urlencoded"
    );
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_the_new_one_is_saved() {
    let server = granting().await;
    let account = Account::signed_in(&server.url);
    let soon = clock::after(Clock::system().now(), std::time::Duration::from_secs(290));
    account.write_tokens("refresh-0", "at-0", &soon.to_string());
    assert_eq!(text(account.auth.bearer().await), "Bearer at-1");
    let kept = Tokens::read(&account.token_file()).unwrap();
    assert_eq!(kept.access_token.expose_secret(), "at-1");
    assert_eq!(kept.refresh_token.expose_secret(), "refresh-0");
    assert_eq!(kept.obtained_at.to_string(), "2026-01-01T00:00:00Z");
    // Another process finds it there.
    let files = account.auth.0.files.clone();
    let other = Auth::new(&account.settings, files, Clock::system()).unwrap();
    assert_eq!(text(other.bearer().await), "Bearer at-1");
    assert_eq!(server.token_requests().len(), 1);
    assert!(!account.auth.changed());
}

#[tokio::test]
async fn a_dead_sign_in_causes_one_request_until_the_file_changes() {
    let server = serve(|seen| match seen.form("refresh_token").as_str() {
        "refresh-0" => json(
            400,
            r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#,
        ),
        _ => granted("at-1"),
    })
    .await;
    let account = Account::signed_in(&server.url);
    account.write_tokens("refresh-0", "at-0", LONG_AGO);
    for _ in 0..3 {
        let error = account.auth.bearer().await.unwrap_err();
        assert_eq!(error.kind(), Kind::LoginNeeded);
        assert!(error.message().contains("days ago"), "{error}");
    }
    assert_eq!(server.token_requests().len(), 1);
    account.write_tokens("refresh-1", "at-0", LONG_AGO);
    assert!(account.auth.changed());
    assert_eq!(text(account.auth.bearer().await), "Bearer at-1");
}

#[tokio::test]
async fn an_error_of_the_sign_in_server_is_transient_and_no_unknown_outcome() {
    let healthy = Arc::new(AtomicBool::new(false));
    let seen_by_server = Arc::clone(&healthy);
    let server = serve(move |_| {
        if seen_by_server.load(Ordering::SeqCst) {
            granted("at-1")
        } else {
            json(503, "<html>sorry</html>")
        }
    })
    .await;
    let account = Account::signed_in(&server.url);
    account.write_tokens("refresh-0", "at-0", LONG_AGO);
    let error = account.auth.bearer().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.http_status()),
        (Kind::Unreachable, Some(503))
    );
    healthy.store(true, Ordering::SeqCst);
    assert_eq!(text(account.auth.bearer().await), "Bearer at-1");
}

#[tokio::test]
async fn a_page_instead_of_a_token_is_an_error_and_not_quoted() {
    let server = serve(|_| json(200, "<html>hush wifi</html>")).await;
    let account = Account::signed_in(&server.url);
    account.write_tokens("refresh-0", "at-0", LONG_AGO);
    let error = account.auth.bearer().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unreachable);
    assert!(!format!("{error:?}").contains("hush"));
}

#[tokio::test]
async fn a_sign_in_by_another_process_is_noticed_and_not_overwritten_by_a_refresh() {
    // While the old token is being refreshed, `login` replaces the file.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token.json");
    let replaced = path.clone();
    let server = serve(move |_| {
        let mut tokens = Tokens::read(&replaced).unwrap();
        tokens.refresh_token = "refresh-new".into();
        tokens.access_token = "at-new".into();
        tokens.expires_at = FAR.parse().unwrap();
        tokens.save(&replaced).unwrap();
        granted("at-old")
    })
    .await;
    let account = Account::new(settings(&server.url));
    account.write_tokens("refresh-0", "at-0", LONG_AGO);
    std::fs::rename(account.token_file(), &path).unwrap();
    let files = AuthFiles {
        client_secret: account.auth.0.files.client_secret.clone(),
        token: path.clone(),
    };
    let auth = Auth::new(&account.settings, files, Clock::system()).unwrap();
    assert_eq!(text(auth.bearer().await), "Bearer at-old");
    let kept = Tokens::read(&path).unwrap();
    assert_eq!(kept.refresh_token.expose_secret(), "refresh-new");
    assert_eq!(text(auth.bearer().await), "Bearer at-new");
}

#[tokio::test]
async fn a_missing_sign_in_and_one_of_another_client_are_errors() {
    let server = granting().await;
    let account = Account::new(settings(&server.url));
    let error = account.auth.bearer().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (Kind::LoginNeeded, "nobody has signed in yet")
    );
    account.write_tokens("refresh-0", "at-0", LONG_AGO);
    let secret = r#"{"installed":{"client_id":"client-2","client_secret":"hush"}}"#;
    std::fs::write(&account.auth.0.files.client_secret, secret).unwrap();
    let error = account.auth.bearer().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Setup);
    assert!(error.message().contains("another OAuth client"));
    assert!(server.token_requests().is_empty());
    // The file is restored, and no sign-in is needed.
    let secret = r#"{"installed":{"client_id":"client-1","client_secret":"hush"}}"#;
    std::fs::write(&account.auth.0.files.client_secret, secret).unwrap();
    assert_eq!(text(account.auth.bearer().await), "Bearer at-1");
}

#[tokio::test]
async fn a_refresh_token_of_the_sandbox_signs_in() {
    let server = granting().await;
    let account = Account::new(settings(&server.url));
    account.auth.adopt("refresh-9".into()).await.unwrap();
    assert_eq!(text(account.auth.bearer().await), "Bearer at-1");
    assert_eq!(
        server.token_requests()[0].form("refresh_token"),
        "refresh-9"
    );
    let signed_in = account.auth.signed_in().await.unwrap();
    assert_eq!(signed_in.client_id, account.auth.client_id().await.unwrap());
    assert_eq!(signed_in.scopes.len(), 3);
}

#[tokio::test]
async fn the_cause_of_a_refusal_is_in_the_error() {
    let server = serve(|_| json(403, r#"{"error":"org_internal"}"#)).await;
    let account = Account::signed_in(&server.url);
    account.write_tokens("refresh-0", "at-0", LONG_AGO);
    let error = account.auth.bearer().await.unwrap_err();
    assert_eq!(error.kind(), Kind::LoginNeeded);
    assert!(error.hint().unwrap().contains("External"), "{error}");
}

#[tokio::test]
async fn logout_revokes_the_refresh_token_and_removes_the_file() {
    for (status, removed) in [(200, true), (400, true), (503, false)] {
        let revoked = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&revoked);
        let server = serve(move |seen| {
            assert_eq!(seen.path, "/revoke");
            *kept.lock().unwrap() = seen.form("token");
            json(status, "{}")
        })
        .await;
        let account = Account::signed_in(&server.url);
        assert_eq!(account.auth.revoke().await.is_ok(), removed);
        assert_eq!(*revoked.lock().unwrap(), "refresh-0");
        assert_eq!(!account.token_file().exists(), removed, "{status}");
    }
}

#[tokio::test]
async fn secrets_are_not_in_debug() {
    let server = granting().await;
    let account = Account::signed_in(&server.url);
    let bearer = account.auth.bearer().await.unwrap();
    let told = format!("{bearer:?} {:?} {:?}", account.auth, account.client);
    for secret in ["at-0", "refresh-0", "hush"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn reading_the_wanted_client_does_not_hide_a_change_of_the_file() {
    let server = granting().await;
    let account = Account::signed_in(&server.url);
    account.auth.library_client_id(Some("client-1".to_owned()));
    account.auth.bearer().await.unwrap();
    account.write_tokens("refresh-1", "at-9", FAR);
    assert_eq!(account.auth.wants_new_client(), None);
    assert!(account.auth.changed());
    account.auth.bearer().await.unwrap();
    assert!(!account.auth.changed());
}
