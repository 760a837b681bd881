//! What is not sure is not taken for known.

use std::fs;

use serde_json::json;

use crate::{
    Photographer, lose, rebuild,
    support::{dated::dated, home::Home, media::photo},
    uploads,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sure_goes_up_again_and_becomes_no_second_item() {
    let home = Home::with_folder("album = 'folder'").await;
    let mut files = home.shots("photos/a", 3);
    // Two of one name, time and size; one that does not say when it was taken; one under a second name.
    files.push(home.taken("photos/b/twin.jpg", 5, &dated(5, 501)));
    files.push(home.taken("photos/c/twin.jpg", 5, &dated(5, 502)));
    files.push(home.taken("photos/a/undated.jpg", 6, &photo(6)));
    files.push(home.taken("photos/a/zzz.jpg", 8, &dated(8, 8)));
    home.backfill().await;
    files.push(home.taken("photos/a/again.jpg", 8, &dated(8, 8)));
    home.backfill().await;
    let before = home.all_there(&files).await;
    assert_eq!(uploads(&before), 7);

    // One is here no more, and one is new.
    fs::remove_file(home.path("photos/a/a0002.jpg")).unwrap();
    lose(&home);
    let new = home.taken("photos/a/new.jpg", 9, &dated(9, 9));
    let ran = rebuild(&home).await;
    let told = &ran.stdout;
    assert!(told.contains("4 files were found again"), "{told}");
    assert!(
        told.contains("2 files not found again, several items or several files"),
        "{told}"
    );
    assert!(
        told.contains("1 file not found again, the file does not say when"),
        "{told}"
    );
    assert!(
        told.contains("1 file not found again, no item in Google Photos has this name"),
        "{told}"
    );
    assert!(
        told.contains("new.jpg") && told.contains("undated.jpg"),
        "{told}"
    );
    assert!(
        told.contains("4 media items without a file for certain:"),
        "{told}"
    );
    home.backfill().await;
    let after = home.library().await;
    assert_eq!(after.n_items(), before.n_items() + 1);
    assert_eq!(uploads(&after), uploads(&before) + 4);
    assert_eq!(after.titles(), ["a", "b", "c"]);
    assert!(after.has_bytes(&fs::read(new).unwrap()));
    home.clean(&after).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_albums_of_one_title_the_fuller_is_taken_and_no_third_is_made() {
    let home = Home::with_folder("album = 'folder'").await;
    home.shots("photos/a", 3);
    home.backfill().await;
    lose(&home);
    // Somebody else with the same client made another one.
    let url = format!("{}/v1/albums", home.sandbox.url());
    let token = home.access_token().await;
    let body = json!({"album": {"title": "a"}});
    let answer = home
        .http
        .post(url)
        .bearer_auth(token)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
    let ran = rebuild(&home).await;
    assert!(
        ran.stdout.contains("another album has the same title"),
        "{}",
        ran.stdout
    );
    home.shot("photos/a/later.jpg", 50);
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(library.titles(), ["a", "a"]);
    assert_eq!(library.names_in("a").len(), 4);
}
