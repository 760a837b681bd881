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
    let home = Home::with_folder("album = 'name:Rome'").await;
    home.until_noon().await;
    home
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
    insta::assert_snapshot!(tells(&home, &["status"]).await, @r"
    not running, 3 files waiting

      in Google Photos  0
      waiting           3  159 B
      failed            0
      not yet in album  3

      0 of 10,000 requests of the day

    Albums:
      Rome  0 items
    ");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/p0001.jpg"]).await, @r#"
    ~/photos/p0001.jpg
    It belongs to the folder `~/photos` of the configuration.
    It goes up, as a photo (JPEG, 53 B).
    Its album is "Rome", in which it stands by the time when it was taken.
    It is in the queue.
    It is to be put into the album "Rome".
    "#);
    insta::assert_snapshot!(tells(&home, &["albums"]).await, @r"
    TITLE  ITEMS  TO COME  OUT OF ORDER  LINK
    Rome       0        3             0  not made yet
    ");
}

#[tokio::test]
async fn a_sign_in_that_is_waited_for() {
    let home = trip().await;
    home.photos("photos", 2);
    home.fault("oauth.token", None, "refresh_dies".into()).await;
    let daemon = home.daemon().await;
    home.until_status("the sign-in is dead", |status| {
        status["account"]["state"] == "login_needed"
            && status["items"]["queued"] == 2
            && status["placements"]["wanted"] == 2
    })
    .await;
    insta::assert_snapshot!(tells(&home, &["status"]).await, @r"
    stopped: a new sign-in is needed: the sign-in of SOME TIME ago has expired, or access was withdrawn
    hint: run `albumen login`

      in Google Photos  0
      waiting           2  106 B
      failed            0
      not yet in album  2

      daemon (process 1) since THEN
      0 of 10,000 requests of the day

    Albums:
      Rome  0 items
    ");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/p0001.jpg"]).await, @r#"
    ~/photos/p0001.jpg
    It belongs to the folder `~/photos` of the configuration.
    It goes up, as a photo (JPEG, 53 B).
    Its album is "Rome", in which it stands by the time when it was taken.
    It is in the queue.
    It is to be put into the album "Rome".
    Albumen waits: a new sign-in is needed: the sign-in of SOME TIME ago has expired, or access was withdrawn.
    "#);
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_photo_that_failed() {
    let mut home = trip().await;
    home.photos("photos", 3);
    home.set("retry.max_attempts", "2");
    let action = json!({"item_codes": {"p0001.jpg": 3}});
    home.fault(CREATE, None, action).await;
    home.run(&["backfill"]).await.expect(1);
    insta::assert_snapshot!(tells(&home, &["status"]).await, @r"
    done, but 1 file did not make it

      in Google Photos  2
      waiting           0
      failed            1

      4 of 10,000 requests of the day

    Not in Google Photos:
      ~/photos/p0001.jpg: failed after 2 attempts, the service cannot make a photo or video of this file, Failed: There was an error while trying to create this media item. (code 3)
    hint: `albumen retry --all` tries failed and missing ones again

    Albums:
      Rome  2 items
    ");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/p0001.jpg"]).await, @r#"
    ~/photos/p0001.jpg
    It belongs to the folder `~/photos` of the configuration.
    It is a photo (JPEG, 53 B).
    Its album is "Rome", in which it stands by the time when it was taken.
    It failed: the service cannot make a photo or video of this file (the service said: Failed: There was an error while trying to create this media item), after 2 attempts.
    It was to be put into the album "Rome".
    hint: `albumen retry PATH` puts it back into the queue
    "#);
}

#[tokio::test]
async fn a_photo_that_is_missing_and_is_sent_again() {
    let home = trip().await;
    home.photos("photos", 3);
    home.backfill().await;
    home.command(json!({"command": "delete_item", "filename": "p0001.jpg"}))
        .await;
    home.run(&["verify"]).await.expect(1);
    insta::assert_snapshot!(tells(&home, &["status"]).await, @r"
    done, but 1 file did not make it

      in Google Photos  2
        and read back   2
      waiting           0
      failed            0
      missing           1

      5 of 10,000 requests of the day

    Not in Google Photos:
      ~/photos/p0001.jpg: missing, the service no longer knows this media item
    hint: `albumen retry --all` tries failed and missing ones again

    Albums:
      Rome  3 items
    ");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/p0001.jpg"]).await, @r#"
    ~/photos/p0001.jpg
    It belongs to the folder `~/photos` of the configuration.
    It is a photo (JPEG, 53 B).
    Its album is "Rome", in which it stands by the time when it was taken.
    It was in Google Photos, which no longer has it.
    It stood in the album "Rome".
    hint: `albumen retry PATH` puts it back into the queue
    "#);
    home.run(&["retry", "--all"]).await.expect(0);
    home.backfill().await;
    let again = tells(&home, &["explain", "photos/p0001.jpg"]).await;
    insta::assert_snapshot!(again, @r#"
    ~/photos/p0001.jpg
    It belongs to the folder `~/photos` of the configuration.
    It is a photo (JPEG, 53 B).
    It is in Google Photos.
    https://photos.google.com/lr/photo/ID
    It stands in the album "Rome".
    It was in Google Photos before, was no longer there (THEN), and was sent again.
    "#);
}

#[tokio::test]
async fn a_photo_that_was_edited() {
    let home = trip().await;
    let files = home.photos("photos", 2);
    home.backfill().await;
    fs::write(&files[1], photo(99)).unwrap();
    support::home::set_taken(&files[1], 7);
    home.backfill().await;
    let edited = tells(&home, &["explain", "photos/p0001.jpg"]).await;
    insta::assert_snapshot!(edited, @r#"
    ~/photos/p0001.jpg
    It belongs to the folder `~/photos` of the configuration.
    It is a photo (JPEG, 53 B).
    It is in Google Photos.
    https://photos.google.com/lr/photo/ID
    It stands in the album "Rome".
    Before it was changed (THEN) it was another picture, which stays in Google Photos:
    https://photos.google.com/lr/photo/ID
    "#);
    insta::assert_snapshot!(tells(&home, &["albums"]).await, @r"
    TITLE  ITEMS  TO COME  OUT OF ORDER  LINK
    Rome       3        0             0  https://photos.google.com/lr/album/ID
    ");
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
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(library.n_items(), 2);
    assert_eq!(library.calls("uploads.raw"), 2);
    let here = tells(&home, &["explain", "photos/Oslo/c.jpg"]).await;
    insta::assert_snapshot!(here, @r#"
    ~/photos/Oslo/c.jpg
    It belongs to the folder `~/photos` of the configuration.
    It is a photo (JPEG, 53 B).
    It is in Google Photos.
    https://photos.google.com/lr/photo/ID
    It stands in the album "Oslo".
    It stands in the album "Rome".
    "#);
    let gone = tells(&home, &["explain", "photos/Rome/b.jpg"]).await;
    insta::assert_snapshot!(gone, @r#"
    ~/photos/Rome/b.jpg
    It belongs to the folder `~/photos` of the configuration.
    There is no such file any more.
    It is in Google Photos.
    https://photos.google.com/lr/photo/ID
    It stands in the album "Oslo".
    It stands in the album "Rome".
    The same picture is at ~/photos/Oslo/c.jpg: it was moved there, or copied.
    "#);
}

#[tokio::test]
async fn a_photo_that_is_there_twice() {
    let home = Home::with_folder("album = 'folder'").await;
    home.taken("photos/Rome/a.jpg", 1, &photo(1));
    home.taken("photos/Best of/a.jpg", 1, &photo(1));
    home.backfill().await;
    let copy = tells(&home, &["explain", "photos/Rome/a.jpg"]).await;
    insta::assert_snapshot!(copy, @r#"
    ~/photos/Rome/a.jpg
    It belongs to the folder `~/photos` of the configuration.
    It is a photo (JPEG, 53 B).
    It is in Google Photos.
    https://photos.google.com/lr/photo/ID
    It stands in the album "Best of".
    It stands in the album "Rome".
    The same picture is at ~/photos/Best of/a.jpg: in Google Photos the two are one.
    "#);
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
    home.until_status("it waits", |status| {
        status["albums"][0]["reason"].is_string() && status["lane"]["state"] == "waiting"
    })
    .await;
    insta::assert_snapshot!(tells(&home, &["status"]).await, @r#"
    waiting: the album "Rome" waits: it may have been deleted in Google Photos; it is asked for once more before it is made again (until THEN); 1 file to go

      in Google Photos     2
      sent, to be created  1
      waiting              0
      failed               0
      not yet in album     1

      daemon (process 1) since THEN
      5 of 10,000 requests of the day

    Albums:
      Rome  2 items
      "Rome" waits: it may have been deleted in Google Photos; it is asked for once more before it is made again
    "#);
    insta::assert_snapshot!(tells(&home, &["albums"]).await, @r"
    TITLE  ITEMS  TO COME  OUT OF ORDER  LINK
    Rome       2        1             0  it may have been deleted in Google Photos; it is asked for once more before it is made again
    ");
    insta::assert_snapshot!(tells(&home, &["explain", "photos/z.jpg"]).await, @r#"
    ~/photos/z.jpg
    It belongs to the folder `~/photos` of the configuration.
    It goes up, as a photo (JPEG, 53 B).
    Its album is "Rome", in which it stands by the time when it was taken.
    It was sent, and is to appear in Google Photos.
    It is to be put into the album "Rome".
    The album waits: it may have been deleted in Google Photos; it is asked for once more before it is made again.
    "#);
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
    insta::assert_snapshot!(tells(&home, &["status"]).await, @r"
    not running, 1 file waiting; late photos wait for their places: today's `batch.order_calls` are used up (until THEN)

      in Google Photos     4
      sent, to be created  1
      waiting              0
      failed               0
      not yet in album     1

      4 of 10,000 requests of the day

    Albums:
      Rome  4 items
    ");
    let waits = tells(&home, &["explain", "photos/d.jpg"]).await;
    insta::assert_snapshot!(waits, @r#"
    ~/photos/d.jpg
    It belongs to the folder `~/photos` of the configuration.
    It goes up, as a photo (JPEG, 53 B).
    Its album is "Rome", in which it stands by the time when it was taken.
    It was sent, and is to appear in Google Photos.
    It is to be put into the album "Rome".
    Albumen waits: late photos wait for their places: today's `batch.order_calls` are used up (until THEN).
    "#);
    insta::assert_snapshot!(tells(&home, &["albums"]).await, @r"
    TITLE  ITEMS  TO COME  OUT OF ORDER  LINK
    Rome       4        1             0  https://photos.google.com/lr/album/ID
    ");
}
