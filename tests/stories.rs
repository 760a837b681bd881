//! What `status`, `explain` and `albums` say, word for word, in the stories that a person meets: a queue,
//! a failure, a photo that is missing, late, out of order, edited, moved; an album that is waited for.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::fs;

use serde_json::json;

use support::{home::Home, media::photo, said::without_times};

const CREATE: &str = "mediaItems.batchCreate";

async fn trip() -> Home {
    Home::with_folder("album = 'name:Rome'").await
}

/// A command's words without what only the clock knows.
async fn tells(home: &Home, arguments: &[&str]) -> String {
    without_times(&home.said(arguments, 0).await)
}

#[tokio::test]
async fn a_queue_that_nobody_works_on() {
    let home = trip().await;
    home.photos("photos", 3);
    home.fault("uploads.raw", None, "hang".into()).await;
    let daemon = home.daemon().await;
    home.until_status("one is being sent", |status| {
        status["items"]["uploading"] == 3
    })
    .await;
    daemon.stop().await.expect(0);
    insta::assert_snapshot!(tells(&home, &["status"]).await, @"");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/p0001.jpg"]).await, @"");
    insta::assert_snapshot!(tells(&home, &["albums"]).await, @"");
}

#[tokio::test]
async fn a_sign_in_that_is_waited_for() {
    let home = trip().await;
    home.photos("photos", 2);
    home.fault("oauth.token", None, "refresh_dies".into()).await;
    let daemon = home.daemon().await;
    home.until_status("the sign-in is dead", |status| {
        status["account"]["state"] == "login_needed"
    })
    .await;
    insta::assert_snapshot!(tells(&home, &["status"]).await, @"");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/p0001.jpg"]).await, @"");
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_photo_that_failed() {
    let mut home = trip().await;
    home.photos("photos", 3);
    home.set("retry.max_attempts", "2");
    let action = json!({"item_codes": {"1": 3}});
    home.fault(CREATE, Some(1), action).await;
    home.fault(CREATE, Some(1), json!({"item_codes": {"0": 3}}))
        .await;
    home.run(&["backfill"]).await.expect(1);
    insta::assert_snapshot!(tells(&home, &["status"]).await, @"");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/p0001.jpg"]).await, @"");
}

#[tokio::test]
async fn a_photo_that_is_missing_and_is_sent_again() {
    let home = trip().await;
    home.photos("photos", 3);
    home.backfill().await;
    home.command(json!({"command": "delete_item", "filename": "p0001.jpg"}))
        .await;
    home.run(&["verify"]).await.expect(1);
    insta::assert_snapshot!(tells(&home, &["status"]).await, @"");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/p0001.jpg"]).await, @"");
    home.run(&["retry", "--all"]).await.expect(0);
    home.backfill().await;
    let again = tells(&home, &["explain", "photos/p0001.jpg"]).await;
    insta::assert_snapshot!(again, @"");
}

#[tokio::test]
async fn a_photo_that_was_edited() {
    let home = trip().await;
    let files = home.photos("photos", 2);
    home.backfill().await;
    fs::write(&files[1], photo(99)).unwrap();
    support::home::set_taken(&files[1], 1);
    home.backfill().await;
    let edited = tells(&home, &["explain", "photos/p0001.jpg"]).await;
    insta::assert_snapshot!(edited, @"");
    insta::assert_snapshot!(tells(&home, &["albums"]).await, @"");
}

#[tokio::test]
async fn a_photo_that_was_moved() {
    let home = Home::with_folder("album = 'folder'").await;
    let files = [
        home.taken("photos/Rome/a.jpg", 1, &photo(1)),
        home.taken("photos/Rome/b.jpg", 2, &photo(2)),
    ];
    home.backfill().await;
    fs::create_dir(home.path("photos/Oslo")).unwrap();
    fs::rename(&files[1], home.path("photos/Oslo/c.jpg")).unwrap();
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(library.n_items(), 2);
    assert_eq!(library.calls("uploads.raw"), 2);
    let here = tells(&home, &["explain", "photos/Oslo/c.jpg"]).await;
    insta::assert_snapshot!(here, @"");
    let gone = tells(&home, &["explain", "photos/Rome/b.jpg"]).await;
    insta::assert_snapshot!(gone, @"");
}

#[tokio::test]
async fn a_photo_that_is_there_twice() {
    let home = Home::with_folder("album = 'folder'").await;
    home.taken("photos/Rome/a.jpg", 1, &photo(1));
    home.taken("photos/Best of/a.jpg", 1, &photo(1));
    home.backfill().await;
    let copy = tells(&home, &["explain", "photos/Rome/a.jpg"]).await;
    insta::assert_snapshot!(copy, @"");
}

#[tokio::test]
async fn an_album_that_is_waited_for() {
    let mut home = trip().await;
    // So long that it is seen.
    home.set("retry.rate_limit_base", "'10s'");
    home.photos("photos", 2);
    home.backfill().await;
    home.command(json!({"command": "delete_album", "title": "Rome"}))
        .await;
    home.pass(3600).await;
    home.taken("photos/z.jpg", 9, &photo(9));
    let daemon = home.daemon().await;
    home.until("the album was asked for", |library| {
        library.calls("albums.get") == 1
    })
    .await;
    home.until_status("it waits", |status| status["lane"]["state"] != "calling")
        .await;
    insta::assert_snapshot!(tells(&home, &["status"]).await, @"");
    insta::assert_snapshot!(tells(&home, &["albums"]).await, @"");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/z.jpg"]).await, @"");
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_late_photo_whose_place_costs_too_much_today() {
    let mut home = trip().await;
    home.set("batch.order_calls", "1");
    home.taken("photos/a.jpg", 1, &photo(1));
    home.taken("photos/c.jpg", 3, &photo(3));
    home.taken("photos/e.jpg", 5, &photo(5));
    home.backfill().await;
    home.taken("photos/b.jpg", 2, &photo(2));
    home.taken("photos/d.jpg", 4, &photo(4));
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    insta::assert_snapshot!(tells(&home, &["status"]).await, @"");
    let waits = tells(&home, &["explain", "photos/d.jpg"]).await;
    insta::assert_snapshot!(waits, @"");
    insta::assert_snapshot!(tells(&home, &["albums"]).await, @"");
}
