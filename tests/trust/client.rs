//! The OAuth client: a sign-in of another one, and one that was made on another machine.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{client, headline, signed_in, support::home::Home, write_private};

/// A library that the client `c` filled, and now the client secret and the sign-in of `d`.
async fn changed_hands() -> (Home, Vec<std::path::PathBuf>) {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let mut files = home.photos("photos", 2);
    home.backfill().await;
    client(&home, "d");
    signed_in(&home, "d", 1);
    files.push(home.taken("photos/new.jpg", 7, &crate::support::media::photo(70)));
    (home, files)
}

const CHOICES: &str = "only the old client can change what it made: put its client secret file back and run `albumen login`; \
     or go on with the new one: `albumen login --new-client`, which leaves what is in the library as it is and makes albums anew";

#[tokio::test]
async fn another_client_than_the_one_that_filled_the_library_sends_nothing_and_is_told_the_choices()
{
    let (home, _) = changed_hands().await;
    let before = home.library().await.requests();
    home.run(&["backfill"]).await.expect(3);
    assert_eq!(home.library().await.requests(), before);
    assert_eq!(
        headline(&home).await,
        format!(
            "stopped: a new sign-in is needed: the library was filled by the OAuth client c, and this is d\nhint: {CHOICES}"
        )
    );
    let login = home.run(&["login", "--no-browser"]).await.expect(3);
    assert!(
        login.stderr.ends_with(&format!("hint: {CHOICES}\n")),
        "{}",
        login.stderr
    );
    let doctor = home.run(&["doctor"]).await.expect(2);
    assert!(doctor.stdout.contains(CHOICES), "{}", doctor.stdout);
}

#[tokio::test]
async fn the_old_client_goes_on_where_it_was() {
    let (home, files) = changed_hands().await;
    home.run(&["backfill"]).await.expect(3);
    client(&home, "c");
    signed_in(&home, "c", 1);
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["Rome"]);
}

#[tokio::test]
async fn a_new_client_that_is_meant_makes_albums_anew_and_leaves_the_rest_alone() {
    let (home, files) = changed_hands().await;
    let daemon = home.daemon().await;
    home.until_status("it stops", |status| {
        status["account"]["state"] == "login_needed"
    })
    .await;
    // What the sign-in of another machine left there.
    let elsewhere = home.path("elsewhere.json");
    write_private(
        &elsewhere,
        &fs::read_to_string(home.path("state/token.json")).unwrap(),
    );
    let from = elsewhere.to_str().unwrap();
    home.run(&["login", "--from", from]).await.expect(3);
    home.run(&["login", "--new-client", "--from", from])
        .await
        .expect(0);
    let library = super::all_there_by_daemon(&home, &files).await;
    assert_eq!(
        library.titles(),
        ["Rome", "Rome"],
        "the old one and the new one"
    );
    let verified = home.run(&["verify"]).await.expect(0);
    assert_eq!(
        verified.stdout, "The one picture that went up is in Google Photos.\n",
        "what the old client made is not asked for"
    );
    assert_eq!(home.status().await["items"]["missing"], 0);
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_sign_in_that_was_made_elsewhere_is_carried_over_once_it_is_proven() {
    let home = Home::with_folder("").await;
    let files = home.photos("photos", 1);
    let carried = home.path("carried.json");
    fs::rename(home.path("state/token.json"), &carried).unwrap();
    let from = carried.to_str().unwrap();

    fs::set_permissions(&carried, fs::Permissions::from_mode(0o644)).unwrap();
    let wide = home.run(&["login", "--from", from]).await.expect(2);
    assert!(wide.stderr.contains("chmod 600"), "{}", wide.stderr);
    fs::set_permissions(&carried, fs::Permissions::from_mode(0o600)).unwrap();

    client(&home, "d");
    let foreign = home.run(&["login", "--from", from]).await.expect(2);
    assert!(
        foreign
            .stderr
            .ends_with("hint: copy the client secret file of that machine as well\n"),
        "{}",
        foreign.stderr
    );
    client(&home, "c");
    home.fault("oauth.token", Some(1), "refresh_dies".into())
        .await;
    home.run(&["login", "--from", from]).await.expect(3);
    assert!(!home.path("state/token.json").exists());
    home.no_faults().await;
    signed_in_elsewhere(&carried);
    home.run(&["login", "--from", from]).await.expect(0);
    let mode = fs::metadata(home.path("state/token.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    home.backfill().await;
    home.all_there(&files).await;
}

/// The same file with a refresh token that lives.
fn signed_in_elsewhere(file: &std::path::Path) {
    let text = fs::read_to_string(file).unwrap();
    write_private(file, &text.replace("the first", "the second"));
}
