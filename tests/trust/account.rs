//! The account: how a sign-in ends, how its end is told before, and each state in its own sentence.

use serde_json::json;

use super::{
    client, headline, signed_in,
    support::{child::Running, home::Home},
};

#[tokio::test]
async fn a_sign_in_that_ends_after_a_week_is_told_with_its_remedy_and_the_daemon_goes_on_after_another()
 {
    let home = Home::with_folder("").await;
    signed_in(&home, "c", 7);
    home.fault("oauth.token", None, "refresh_dies".into()).await;
    let files = home.photos("photos", 3);
    let daemon = home.daemon().await;
    home.until_status("a sign-in is needed", |status| {
        status["account"]["state"] == "login_needed"
    })
    .await;
    assert_eq!(
        headline(&home).await,
        "stopped: a new sign-in is needed: the sign-in of 7 days ago has expired\n\
         hint: a consent screen in Testing loses its sign-ins after 7 days: publish it in the Cloud console, \
         then `albumen login`"
    );
    let status = home.status().await;
    assert_eq!(status["items"]["queued"], 3, "{status:#}");
    home.no_faults().await;
    home.sign_in("the second");
    super::all_there_by_daemon(&home, &files).await;
    assert_eq!(home.status().await["hint"], json!(null));
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn the_end_of_a_sign_in_is_warned_of_from_its_fifth_day_until_it_is_known_to_live_longer() {
    const HINT: &str = "publish the consent screen in the Cloud console, then `albumen login`";
    let home = Home::with_folder("").await;
    home.photos("photos", 1);
    signed_in(&home, "c", 4);
    home.backfill().await;
    assert_eq!(home.status().await["warnings"], json!([]));

    signed_in(&home, "c", 5);
    let daemon = home.daemon().await;
    daemon.says(&[HINT]).await;
    let warnings = home.status().await["warnings"].clone();
    let message = warnings[0]["message"].as_str().unwrap();
    assert!(message.starts_with("the sign-in ends in "), "{message}");
    assert_eq!(warnings[0]["hint"], HINT);
    let said = home.run(&["status"]).await.expect(0).stdout;
    assert!(
        said.contains(&format!("\nwarning: {message}\nhint: {HINT}\n")),
        "{said}"
    );
    let doctor = home.run(&["doctor"]).await;
    assert!(doctor.stdout.contains(message), "{}", doctor.stdout);
    daemon.stop().await.expect(0);

    // One that still is renewed after a week is of a published consent screen, and so is the next.
    signed_in(&home, "c", 9);
    home.taken("photos/more.jpg", 9, &crate::support::media::photo(99));
    home.backfill().await;
    signed_in(&home, "c", 5);
    assert_eq!(home.status().await["warnings"], json!([]));
}

#[tokio::test]
async fn each_way_in_which_the_account_cannot_be_used_has_its_own_sentence() {
    let every = ["uploads.*", "mediaItems.*", "albums.*"];
    let cases = [
        (
            "api_disabled_403",
            2,
            "api_disabled",
            "the Photos Library API is not enabled in the Cloud project (HTTP 403)",
            "enable the Photos Library API for the project in the Google Cloud console, wait a few minutes",
        ),
        (
            "photos_disabled_403",
            2,
            "photos_disabled",
            "Google Photos is switched off for this account (HTTP 403)",
            "ask the administrator of the account to switch Google Photos on",
        ),
        (
            "scope_403",
            3,
            "login_needed",
            "a permission was not granted at the sign-in (HTTP 403)",
            "run `albumen login` and leave every box ticked",
        ),
    ];
    for (refusal, code, state, sentence, hint) in cases {
        let home = Home::with_folder("").await;
        let files = home.photos("photos", 1);
        let rule = json!({"method": every, "times": null, "action": refusal});
        home.script(json!({"rules": [rule]})).await;
        home.run(&["backfill"]).await.expect(code);
        assert_eq!(home.status().await["account"]["state"], state);
        let said = headline(&home).await;
        let (what, remedy) = said.split_once("\nhint: ").unwrap();
        assert!(
            what.starts_with(&format!("stopped: {sentence}: ")),
            "{what}"
        );
        assert_eq!(remedy, hint);
        home.no_faults().await;
        home.sign_in("another");
        home.backfill().await;
        home.all_there(&files).await;
    }
}

#[tokio::test]
async fn a_scope_that_was_taken_back_is_noticed_when_the_token_is_renewed() {
    let home = Home::with_folder("").await;
    home.photos("photos", 1);
    home.fault(
        "oauth.token",
        None,
        json!({"revoke_scopes": ["photoslibrary.edit.appcreateddata"]}),
    )
    .await;
    let ran = home.run(&["backfill"]).await.expect(3);
    let words = "a permission was not granted at the sign-in: not granted: photoslibrary.edit.appcreateddata";
    assert!(
        ran.stderr.contains(words) || ran.stdout.contains(words),
        "{ran:?}"
    );
    assert_eq!(home.library().await.requests(), 0);
    assert_eq!(
        headline(&home).await,
        format!("stopped: {words}\nhint: run `albumen login` and leave every box ticked")
    );
}

/// Waits until somebody has to see to the account.
async fn until_stopped(home: &Home) {
    home.until_status("it is stopped", |status| {
        status["account"]["state"] == "login_needed"
    })
    .await;
}

#[tokio::test]
async fn a_client_secret_that_is_put_back_is_noticed_by_a_running_daemon() {
    let home = Home::with_folder("").await;
    client(&home, "other");
    let files = home.photos("photos", 2);
    let daemon = home.daemon().await;
    until_stopped(&home).await;
    let said = headline(&home).await;
    assert!(
        said.contains("put the old client secret file back"),
        "{said}"
    );
    assert_eq!(home.library().await.calls("oauth.token"), 0);
    client(&home, "c");
    super::all_there_by_daemon(&home, &files).await;
    assert_eq!(home.status().await["account"]["state"], "ready");
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_backfill_without_a_client_secret_ends_as_one_with_a_wrong_configuration() {
    let home = Home::with_folder("").await;
    let files = home.photos("photos", 2);
    let (secret, away) = (home.path("client_secret.json"), home.path("away.json"));
    std::fs::rename(&secret, &away).unwrap();
    let ran = home.run(&["backfill"]).await.expect(2);
    assert!(ran.stdout.contains("client_secret.json"), "{}", ran.stdout);
    assert!(headline(&home).await.starts_with("stopped: "));
    home.run(&["doctor"]).await.expect(2);
    // Put back, it stands in nobody's way, also before anybody has asked the service.
    std::fs::rename(&away, &secret).unwrap();
    assert_eq!(home.status().await["account"]["state"], "ready");
    let doctor = home.run(&["doctor"]).await;
    assert!(!doctor.stdout.contains("account"), "{}", doctor.stdout);
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_word_of_the_sign_in_server_that_nobody_knows_is_no_verdict() {
    let home = Home::with_folder("").await;
    let files = home.photos("photos", 2);
    let odd = json!({"error": "internal_failure", "error_description": "Backend Error"});
    let answer = json!({"answer": {"status": 400, "body": odd}});
    home.fault("oauth.token", Some(1), answer).await;
    home.backfill().await;
    home.all_there(&files).await;
}

/// A daemon that has looked whether somebody has signed in: it warns of the age after that.
async fn started(home: &Home) -> Running {
    let daemon = home.daemon().await;
    daemon.says(&["the sign-in ends in "]).await;
    daemon
}

#[tokio::test]
async fn a_dead_sign_in_is_dead_after_a_restart_until_somebody_has_signed_in() {
    let home = Home::with_folder("").await;
    home.photos("photos", 1);
    signed_in(&home, "c", 5);
    home.fault("oauth.token", None, "refresh_dies".into()).await;
    let daemon = home.daemon().await;
    until_stopped(&home).await;
    daemon.stop().await.expect(0);
    // Nothing is to be sent, so nobody asks for a token.
    std::fs::rename(home.path("photos"), home.path("away")).unwrap();
    let daemon = started(&home).await;
    let account = home.status().await["account"].clone();
    assert_eq!(account["state"], "login_needed", "{account:#}");
    client(&home, "c");
    daemon.stop().await.expect(0);
    let daemon = started(&home).await;
    let account = home.status().await["account"].clone();
    assert_eq!(account["state"], "login_needed", "a secret is no sign-in");
    home.sign_in("another");
    home.until_status("that is noticed", |status| {
        status["account"]["state"] == "ready"
    })
    .await;
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_sign_in_that_was_made_while_nothing_ran_is_known_to_the_daemon() {
    let home = Home::with_folder("").await;
    home.photos("photos", 1);
    home.fault("oauth.token", None, "refresh_dies".into()).await;
    let daemon = home.daemon().await;
    until_stopped(&home).await;
    daemon.stop().await.expect(0);
    std::fs::rename(home.path("photos"), home.path("away")).unwrap();
    signed_in(&home, "c", 0);
    assert_eq!(home.status().await["account"]["state"], "ready");
    let daemon = home.daemon().await;
    home.until_status("it is ready", |status| {
        status["account"]["state"] == "ready"
    })
    .await;
    daemon.stop().await.expect(0);
}
