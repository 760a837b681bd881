//! Signing in, with the command itself: in another terminal, on another machine, with less than all, not
//! at all.

use serde_json::json;

use super::{
    consent_address, headline,
    support::{child::Ran, home::Home, media::photo},
};

/// Signs in with a browser of this machine, which consents at once.
async fn sign_in(home: &Home) -> Ran {
    let login = home.start(&["login", "--no-browser"]);
    let address = consent_address(&login).await;
    home.http.get(address).send().await.unwrap();
    login.ended().await
}

/// Where the browser is sent back to, without going there.
async fn returns_to(home: &Home, address: &str) -> String {
    let stays = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().no_proxy().redirect(stays);
    let page = browser.build().unwrap().get(address).send().await.unwrap();
    assert_eq!(page.status(), 302, "{}", home.sandbox.url());
    page.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn after_a_sign_in_in_another_terminal_a_running_daemon_goes_on() {
    let home = Home::with_folder("").await;
    home.fault("oauth.token", Some(1), "refresh_dies".into())
        .await;
    let files = home.photos("photos", 3);
    let daemon = home.daemon().await;
    home.until_status("a sign-in is needed", |status| {
        status["account"]["state"] == "login_needed" && status["items"]["queued"] == 3
    })
    .await;
    // The old refresh token stays dead: only the new one lets it go on.
    let ran = sign_in(&home).await.expect(0);
    assert!(ran.stderr.contains("You are signed in."), "{}", ran.stderr);
    super::all_there_by_daemon(&home, &files).await;
    assert_eq!(home.status().await["account"]["state"], "ready");
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_sign_in_goes_on_although_the_first_call_with_it_meets_other_trouble() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    home.fault("oauth.token", Some(1), "refresh_dies".into())
        .await;
    let mut files = home.photos("photos", 2);
    let daemon = home.daemon().await;
    home.until_status("a sign-in is needed", |status| {
        status["account"]["state"] == "login_needed"
    })
    .await;
    home.fault("uploads.*", Some(3), "server_500".into()).await;
    sign_in(&home).await.expect(0);
    // What wakes everybody just then is a photo.
    files.push(home.taken("photos/more.jpg", 9, &photo(9)));
    super::all_there_by_daemon(&home, &files).await;
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn the_address_that_a_browser_elsewhere_ends_at_can_be_pasted() {
    let home = Home::with_folder("").await;
    std::fs::remove_file(home.path("state/token.json")).unwrap();
    let mut login = home.start(&["login", "--no-browser"]);
    let address = consent_address(&login).await;
    let back = returns_to(&home, &address).await;
    login.says(&["ssh -L "]).await;
    login.types("");
    login.types("http://127.0.0.1:1/?state=of-somebody-else&code=4/0A");
    login
        .says(&["this is not the address that this sign-in ends at"])
        .await;
    login.types(&back);
    login.ended().await.expect(0);
    let files = home.photos("photos", 1);
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_box_that_was_left_unticked_is_noticed_at_the_sign_in() {
    let home = Home::with_folder("").await;
    std::fs::remove_file(home.path("state/token.json")).unwrap();
    let less = json!({"revoke_scopes": ["photoslibrary.edit.appcreateddata"]});
    home.fault("oauth.auth", Some(1), less).await;
    let ran = sign_in(&home).await.expect(3);
    assert_eq!(
        ran.stderr.lines().rev().take(2).collect::<Vec<_>>(),
        [
            "hint: run `albumen login` and leave every box ticked",
            "error: a permission was not granted at the sign-in: not granted: photoslibrary.edit.appcreateddata",
        ]
    );
    assert!(!home.path("state/token.json").exists());
    home.no_faults().await;
    sign_in(&home).await.expect(0);
}

#[tokio::test]
async fn a_user_who_says_no_is_not_signed_in_and_what_was_there_stays() {
    let home = Home::with_folder("").await;
    home.fault("oauth.auth", Some(1), "deny_consent".into())
        .await;
    let ran = sign_in(&home).await;
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    let files = home.photos("photos", 1);
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_daemon_goes_on_by_itself_once_the_account_can_be_used() {
    for (refusal, state) in [
        ("api_disabled_403", "api_disabled"),
        ("photos_disabled_403", "photos_disabled"),
    ] {
        let mut home = Home::with_folder("").await;
        home.set("retry.rate_limit_base", "'20ms'");
        let files = home.photos("photos", 2);
        let every = ["uploads.*", "mediaItems.*", "albums.*"];
        let rule = json!({"method": every, "times": null, "action": refusal});
        home.script(json!({"rules": [rule]})).await;
        let daemon = home.daemon().await;
        home.until_status("it is noticed", |status| {
            status["account"]["state"] == state
        })
        .await;
        assert!(headline(&home).await.contains("\nhint: "));
        home.no_faults().await;
        super::all_there_by_daemon(&home, &files).await;
        daemon.stop().await.expect(0);
    }
}

#[tokio::test]
async fn a_token_that_others_could_read_is_withdrawn_by_a_logout() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::with_folder("").await;
    let file = home.path("state/token.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    home.photos("photos", 1);
    let ran = home.run(&["backfill"]).await.expect(2);
    assert!(ran.stdout.contains("`albumen logout`"), "{}", ran.stdout);
    home.run(&["logout"]).await.expect(0);
    assert!(!file.exists());
    assert_eq!(home.library().await.calls("oauth.revoke"), 1);
    sign_in(&home).await.expect(0);
    home.backfill().await;
}
