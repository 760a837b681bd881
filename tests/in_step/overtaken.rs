//! A media item that goes missing while a call is under way that brings it to a further album.

use serde_json::json;

use crate::{
    CREATE,
    support::{child::Running, home::Home, media::photo},
};

/// Photos in an album, one of which is to join another by its token; the service dawdles at that until
/// the media item was deleted, and found missing.
async fn missing_under_way() -> (Home, Running) {
    let mut home = Home::new().await;
    home.folder("rome", "album = 'name:Rome'");
    home.folder("best", "album = 'name:Best'");
    home.taken("rome/p0.jpg", 0, &photo(0));
    home.taken("rome/p1.jpg", 1, &photo(1));
    let daemon = home.daemon().await;
    home.until_status("both are made", |status| status["items"]["created"] == 2)
        .await;
    home.fault(CREATE, Some(1), json!({"delay_ms": 4000})).await;
    home.taken("best/copy.jpg", 0, &photo(0));
    home.until("the copy is on its way", |library| {
        library.calls(CREATE) == 2
    })
    .await;
    home.command(json!({"command": "delete_item", "filename": "p0.jpg"}))
        .await;
    let told = home.run(&["verify"]).await.expect(1).stdout;
    assert!(told.contains("p0.jpg"), "{told}");
    (home, daemon)
}

/// The one that was asked for is verified, the one that was missing is made once more.
async fn back_again(home: &Home) {
    home.until_status("all is there again", |status| {
        status["items"]["created"] == 1
            && status["items"]["verified"] == 1
            && status["placements"]["placed"] == 3
    })
    .await;
}

#[tokio::test]
async fn an_answer_about_a_media_item_that_went_missing_meanwhile_ends_nothing() {
    let (home, daemon) = missing_under_way().await;
    home.until_status("the answer came", |status| {
        status["lane"]["state"] != "calling"
    })
    .await;
    assert_eq!(home.status().await["items"]["missing"], 1);
    home.run(&["retry", "--all"]).await.expect(0);
    back_again(&home).await;
    daemon.stop().await.expect(0);
    let library = home.library().await;
    assert_eq!(library.names_in("Best"), ["p0.jpg"]);
    assert_eq!(library.n_items(), 2);
    home.clean(&library).await;
}

#[tokio::test]
async fn an_answer_about_a_media_item_that_is_sent_again_meanwhile_ends_nothing() {
    let (home, daemon) = missing_under_way().await;
    home.run(&["retry", "--all"]).await.expect(0);
    back_again(&home).await;
    daemon.stop().await.expect(0);
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(library.n_items(), 2);
    let mut rome = library.names_in("Rome");
    rome.sort_unstable();
    assert_eq!(rome, ["p0.jpg", "p1.jpg"]);
    home.clean(&library).await;
}
