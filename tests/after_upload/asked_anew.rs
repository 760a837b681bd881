//! What the service said long ago lets no file go: it is asked anew.

use std::fs;

use serde_json::json;

use crate::{
    DELETE, MOVE, below, configure, home, kept_so_far,
    support::{home::Home, media::photo},
};

async fn delete_from_library(home: &Home, name: &str) {
    home.command(json!({"command": "delete_item", "filename": name}))
        .await;
}

/// The picture is nowhere else: the file stays, and goes up again when told to.
async fn is_missing_and_goes_up_again(home: &Home, file: &str) {
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    assert_eq!(below(home, "photos"), [file], "no such picture, once");
    home.pass(2 * 3600).await;
    home.run(&["backfill"]).await.expect(1);
    assert_eq!(below(home, "photos"), [file], "no such picture, twice");
    assert_eq!(home.status().await["items"]["missing"], 1);
    home.run(&["retry", "--all"]).await.expect(0);
    home.backfill().await;
    assert_eq!(below(home, "photos"), Vec::<String>::new());
    let there = home.library().await.has_bytes(&photo(0));
    assert!(there, "it went up again");
}

#[tokio::test]
async fn a_picture_that_comes_back_to_the_folder_is_asked_for_again() {
    let home = home(DELETE).await;
    home.taken("photos/a.jpg", 1, &photo(0));
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    delete_from_library(&home, "a.jpg").await;
    home.taken("photos/again.jpg", 1, &photo(0));
    is_missing_and_goes_up_again(&home, "again.jpg").await;
}

#[tokio::test]
async fn the_same_file_that_comes_back_is_asked_for_again() {
    let home = home(DELETE).await;
    let file = home.taken("photos/a.jpg", 1, &photo(0));
    fs::create_dir(home.path("trash")).unwrap();
    fs::hard_link(&file, home.path("trash/a.jpg")).unwrap();
    home.backfill().await;
    delete_from_library(&home, "a.jpg").await;
    fs::rename(home.path("trash/a.jpg"), &file).unwrap();
    is_missing_and_goes_up_again(&home, "a.jpg").await;
}

#[tokio::test]
async fn a_folder_that_is_told_to_act_much_later_has_everything_asked_for_again() {
    let home = kept_so_far(&["photos"]).await;
    home.pass(365 * 24 * 3600).await;
    delete_from_library(&home, "p0.jpg").await;
    configure(&home, &format!("[[folder]]\npath = 'photos'\n{DELETE}\n"));
    is_missing_and_goes_up_again(&home, "p0.jpg").await;
}

#[tokio::test]
async fn a_file_that_stayed_for_more_than_a_day_is_asked_for_again() {
    for (days, asked) in [(0, 1), (2, 2)] {
        let home = home(MOVE).await;
        home.taken("photos/a.jpg", 1, &photo(0));
        home.write("done/a.jpg", b"another picture");
        home.backfill().await;
        assert_eq!(below(&home, "photos"), ["a.jpg"]);
        home.pass(days * 24 * 3600).await;
        fs::remove_file(home.path("done/a.jpg")).unwrap();
        home.backfill().await;
        assert_eq!(below(&home, "photos"), Vec::<String>::new());
        let calls = home.library().await.calls("mediaItems.batchGet");
        assert_eq!(calls, asked, "after {days} days");
    }
}
