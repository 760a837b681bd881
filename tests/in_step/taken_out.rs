//! What a person takes out of an album stays out, whatever else happens to it, and what is taken out
//! before it was made is made all the same.

use std::fs;

use serde_json::json;

use crate::{
    CREATE, REMOVE, REMOVES,
    support::{
        home::{Home, set_taken},
        media::photo,
    },
};

#[tokio::test]
async fn a_photo_that_is_taken_out_before_it_was_made_goes_to_the_library_alone() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let files = home.photos("photos", 4);
    home.fault(CREATE, None, json!("storage_full")).await;
    let daemon = home.daemon().await;
    home.until_status("all are up", |status| status["items"]["uploaded"] == 4)
        .await;
    let out = ["album", "remove", "Rome", "photos/p0001.jpg", "--yes"];
    let told = home.run(&out).await.expect(0).stdout;
    assert_eq!(
        told,
        "1 photo has left the album; in the library they stay\n"
    );
    daemon.stop().await.expect(0);
    home.no_faults().await;
    home.backfill().await;
    let library = home.all_there(&files).await;
    let rest = ["p0000.jpg", "p0002.jpg", "p0003.jpg"];
    assert_eq!(library.names_in("Rome"), rest);
    assert_eq!(library.calls("uploads.raw"), 4);
    let explained = home.said(&["explain", "photos/p0001.jpg"], 0).await;
    assert!(explained.contains("It is in Google Photos."), "{explained}");
}

#[tokio::test]
async fn a_photo_that_was_taken_out_and_then_deleted_is_sent_again_and_stays_out() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let files = home.photos("photos", 4);
    home.backfill().await;
    let out = ["album", "remove", "Rome", "photos/p0001.jpg", "--yes"];
    home.run(&out).await.expect(0);
    home.command(json!({"command": "delete_item", "filename": "p0001.jpg"}))
        .await;
    home.run(&["verify"]).await.expect(1);
    home.run(&["retry", "--all"]).await.expect(0);
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.names_in("Rome").len(), 3);
}

#[tokio::test]
async fn a_photo_whose_file_goes_while_its_album_waits_is_made_all_the_same() {
    let mut home = Home::with_folder(REMOVES).await;
    home.set("watch.rescan", "'1s'");
    home.taken("photos/Rome/p0.jpg", 0, &photo(0));
    home.backfill().await;
    // Long enough after it was made for a refusal to be no matter of its youth.
    home.pass(60).await;
    home.fault(CREATE, None, json!("album_forbidden")).await;
    let daemon = home.daemon().await;
    let file = home.taken("photos/Rome/p1.jpg", 1, &photo(1));
    home.until_status("the album waits", |status| {
        status["items"]["uploaded"] == 1 && status["albums"][0]["reason"].is_string()
    })
    .await;
    fs::remove_file(file).unwrap();
    home.until_status("it is wanted there no more", |status| {
        status["placements"]["gone"] == 1
    })
    .await;
    home.no_faults().await;
    let library = home
        .until("it is made", |library| library.n_items() == 2)
        .await;
    assert_eq!(library.names_in("Rome"), ["p0.jpg"]);
    daemon.stop().await.expect(0);
    home.backfill().await;
    assert_eq!(home.status().await["items"]["created"], 2);
    home.clean(&home.library().await).await;
}

/// Takes a photo out while the service takes no removals; meanwhile `happens`.
async fn taken_out_while(happens: impl AsyncFn(&Home)) {
    let home = Home::with_folder("album = 'name:Rome'").await;
    home.photos("photos", 3);
    home.backfill().await;
    home.fault(REMOVE, None, json!("concurrent_429")).await;
    let daemon = home.daemon().await;
    let out = ["album", "remove", "Rome", "photos/p0001.jpg", "--yes"];
    let removal = home.start(&out);
    home.until("it is asked for", |library| library.calls(REMOVE) > 0)
        .await;
    happens(&home).await;
    home.no_faults().await;
    let told = removal.ended().await.expect(0).stdout;
    assert_eq!(
        told,
        "1 photo has left the album; in the library they stay\n"
    );
    daemon.stop().await.expect(0);
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(library.names_in("Rome"), ["p0000.jpg", "p0002.jpg"]);
    assert_eq!(library.n_items(), 3);
    home.clean(&library).await;
}

#[tokio::test]
async fn a_touched_file_does_not_bring_back_what_is_being_taken_out() {
    taken_out_while(async |home| {
        let touched = home.path("photos/p0001.jpg");
        set_taken(&touched, 77);
        // Whoever comes later was read later.
        home.taken("photos/later.jpg", 1, &fs::read(touched).unwrap());
        until_known(home, "photos/later.jpg").await;
    })
    .await;
}

#[tokio::test]
async fn a_copy_does_not_bring_back_what_is_being_taken_out() {
    taken_out_while(async |home| {
        home.taken("photos/copy.jpg", 50, &photo(1));
        until_known(home, "photos/copy.jpg").await;
    })
    .await;
}

/// Waits until the file is known to hold what is in Google Photos.
async fn until_known(home: &Home, file: &str) {
    let since = std::time::Instant::now();
    while !home
        .said(&["explain", file], 0)
        .await
        .contains("It is in Google Photos.")
    {
        assert!(since.elapsed() < crate::support::home::PATIENCE, "{file}");
    }
}
