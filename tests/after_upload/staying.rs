//! Files that stay where they are, and what is told of each.

use std::fs;

use serde_json::json;

use crate::{
    DELETE, below, explained, home,
    support::media::{photo, video},
};

#[tokio::test]
async fn what_the_service_does_not_have_or_cannot_play_stays() {
    let home = home(DELETE).await;
    let lost = home.taken("photos/lost.jpg", 1, &photo(1));
    let broken = home.taken("photos/broken.mp4", 2, &video(2, 5_000));
    home.taken("photos/good.jpg", 3, &photo(3));
    // Made, and gone or failed before it is read back.
    home.fault("mediaItems.batchGet", None, "hang".into()).await;
    let backfill = home.start(&["backfill", "-v"]);
    home.until("the question", |library| {
        library.calls("mediaItems.batchGet") > 0
    })
    .await;
    backfill.kill();
    home.no_faults().await;
    home.command(json!({"command": "delete_item", "filename": "lost.jpg"}))
        .await;
    home.command(json!({"command": "fail_video", "filename": "broken.mp4"}))
        .await;
    let ran = home.run(&["backfill", "--no-wait", "-v"]).await.expect(5);
    assert!(
        ran.stderr.contains("could not process this video"),
        "{}",
        ran.stderr
    );
    assert_eq!(below(&home, "photos"), ["broken.mp4", "lost.jpg"]);
    let said = explained(&home, &broken).await;
    assert!(
        said.contains("The file stays where it is: Google Photos could not process this video."),
        "{said}"
    );
    // The second "not known" comes an hour later; then it is missing, and its file is all there is.
    home.pass(2 * 3600).await;
    home.run(&["backfill"]).await.expect(1);
    assert_eq!(below(&home, "photos"), ["broken.mp4", "lost.jpg"]);
    assert_eq!(home.status().await["items"]["missing"], 1);
    home.run(&["retry", lost.to_str().unwrap()]).await.expect(0);
    home.backfill().await;
    assert_eq!(below(&home, "photos"), ["broken.mp4"]);
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_stays_and_goes_up_anew() {
    let mut home = home(DELETE).await;
    home.set("verify.after", "'1h'");
    let file = home.taken("photos/a.jpg", 1, &photo(1));
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    assert_eq!(below(&home, "photos"), ["a.jpg"]);
    let said = explained(&home, &file).await;
    assert!(
        said.contains("The file is deleted here once it was read back, which is asked for at "),
        "{said}"
    );
    // The same size and time, other bytes: only the hash can tell.
    home.taken("photos/a.jpg", 1, &photo(2));
    home.pass(3601).await;
    home.backfill().await;
    assert_eq!(fs::read(&file).unwrap(), photo(2));
    // A real edit is a picture of its own, with a grace of its own.
    home.taken("photos/a.jpg", 5, &photo(3));
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    assert!(home.library().await.has_bytes(&photo(3)));
    assert_eq!(below(&home, "photos"), ["a.jpg"]);
    home.clock(3601);
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
}

#[tokio::test]
async fn explain_and_status_tell_the_story_of_a_file() {
    let mut home = home("album = 'name:Rome'\nafter_upload = 'move:done'").await;
    home.set("verify.after", "'2h'");
    let file = home.taken("photos/a.jpg", 1, &photo(1));
    let mut tellings = vec![explained(&home, &file).await];
    let ran = home.run(&["backfill", "--no-wait"]).await.expect(5);
    assert!(
        ran.stdout
            .contains("1 is to be read back before it is moved or deleted here"),
        "{}",
        ran.stdout
    );
    tellings.push(explained(&home, &file).await);
    let status = home.run(&["status"]).await.expect(0).stdout;
    let headline = status.lines().next().unwrap();
    assert_eq!(
        headline,
        "everything is in Google Photos; 1 file here to be moved or deleted once read back"
    );
    home.pass(7201).await;
    let ran = home.backfill().await;
    assert!(
        ran.stdout.contains("1 was moved or deleted here"),
        "{}",
        ran.stdout
    );
    tellings.push(explained(&home, &file).await);
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"(tomorrow )?\d\d:\d\d(:\d\d)?", "TIME");
    settings.add_filter(r"https://\S+", "LINK");
    settings.bind(|| {
        insta::assert_snapshot!(tellings.join("--\n"), @r#"
        HOME/photos/a.jpg
        It belongs to the folder `HOME/photos` of the configuration.
        It goes up, as a photo (JPEG, 53 B).
        Its album is "Rome", in which it stands by the time when it was taken.
        Albumen has not seen it yet.
        Once it is safely in Google Photos, the file moves to HOME/done/a.jpg.
        --
        HOME/photos/a.jpg
        It belongs to the folder `HOME/photos` of the configuration.
        It is a photo (JPEG, 53 B).
        It is in Google Photos.
        LINK
        It stands in the album "Rome".
        The file moves to HOME/done/a.jpg once it was read back, which is asked for at TIME.
        --
        HOME/photos/a.jpg
        It belongs to the folder `HOME/photos` of the configuration.
        There is no such file any more.
        It is in Google Photos.
        LINK
        It stands in the album "Rome".
        Albumen moved it to HOME/done/a.jpg (at TIME), after it was read back.
        "#);
    });
}
