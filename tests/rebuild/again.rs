//! What a rebuild makes again, and how it goes on from there.

use std::fs;

use serde_json::json;

use crate::{
    Photographer, lose, rebuild,
    support::{
        dated::{dated_of, movie},
        home::{Home, names},
        library::Library,
    },
    uploads,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_made_again_and_nothing_goes_up_twice() {
    let home = Home::with_folder("album = 'folder'\ntimezone = 'Europe/Berlin'").await;
    let mut files = home.shots("photos/Crete", 60);
    files.extend(home.shots("photos/Rome", 7));
    files.extend(home.shots("photos/Rome", 7).iter().map(|file| {
        let copy = home.path("photos/Crete").join(file.file_name().unwrap());
        fs::copy(file, &copy).unwrap();
        copy
    }));
    home.script(json!({"settings": {"list_oddities": true}}))
        .await;
    home.backfill().await;
    let before = home.all_there(&files).await;

    lose(&home);
    let ran = rebuild(&home).await;
    assert!(
        ran.stdout.contains("Google Photos has 67 media items"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("74 files were found again"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("2 albums were taken over:"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("without a file"), "{}", ran.stdout);
    home.backfill().await;
    let after = home.all_there(&files).await;
    assert_eq!(uploads(&after), uploads(&before));
    for method in [
        "albums.create",
        "albums.batchAddMediaItems",
        "mediaItems.batchCreate",
    ] {
        assert_eq!(after.calls(method), before.calls(method), "{method}");
    }
    home.run(&["verify"]).await.expect(0);
    let status = home.status().await;
    assert_eq!(status["items"]["verified"], 67);
    assert_eq!(status["placements"]["wanted"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_goes_to_its_place_in_an_album_that_was_taken_over() {
    let home = Home::with_folder("album = 'name:Summer'").await;
    home.shots("photos", 9);
    home.backfill().await;
    lose(&home);
    rebuild(&home).await;
    let late = home.shot("photos/late.jpg", 7);
    let last = home.shot("photos/last.jpg", 99);
    home.backfill().await;
    let library = home.library().await;
    let mut sorted = home.shots("photos", 9);
    sorted.insert(4, late);
    sorted.push(last);
    assert_eq!(library.names_in("Summer"), names(&sorted));
    assert_eq!(library.titles(), ["Summer"]);
    home.clean(&library).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let home = Home::with_folder("album = 'folder'").await;
    home.until_noon().await;
    home.shots("photos/a", 4);
    home.backfill().await;
    lose(&home);
    let ran = home.run(&["rebuild", "--dry-run"]).await.expect(0);
    assert!(
        ran.stdout.contains("4 files would be found again"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("1 album would be taken over"),
        "{}",
        ran.stdout
    );
    let status = home.status().await;
    assert_eq!(status["items"]["created"], 0);
    assert_eq!(status["albums"].as_array().unwrap().len(), 0);
    assert_eq!(status["quota"]["requests"], 3, "what was asked is counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_knows_some_is_filled_and_what_it_knows_stays() {
    let home = Home::with_folder("album = 'folder'").await;
    home.shots("photos/a", 4);
    home.backfill().await;
    home.run(&["verify"]).await.expect(0);
    let kept = fs::read(home.path("state/albumen.db")).unwrap();
    let more = home.shot("photos/a/more.jpg", 50);
    home.backfill().await;
    let before = home.library().await;
    // An old copy of the database is put back.
    lose(&home);
    fs::write(home.path("state/albumen.db"), kept).unwrap();
    let ran = rebuild(&home).await;
    assert!(
        ran.stdout.contains("1 file was found again"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("4 files had theirs before"),
        "{}",
        ran.stdout
    );
    home.backfill().await;
    let after = home.library().await;
    assert_eq!(uploads(&after), uploads(&before));
    assert_eq!(after.n_items(), 5);
    assert_eq!(home.status().await["items"]["verified"], 4);
    let told = home
        .run(&["explain", more.to_str().unwrap()])
        .await
        .expect(0);
    assert!(told.stdout.contains("Google Photos"), "{}", told.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_every_order_the_album_goes_on_as_if_nothing_had_happened() {
    for (order, expected) in [
        ("taken", ["c2.jpg", "c1.jpg", "b.jpg", "a.jpg", "d.jpg"]),
        ("modified", ["c2.jpg", "c1.jpg", "b.jpg", "a.jpg", "d.jpg"]),
        ("name", ["a.jpg", "b.jpg", "c1.jpg", "c2.jpg", "d.jpg"]),
        ("arrival", ["d.jpg", "c2.jpg", "a.jpg", "b.jpg", "c1.jpg"]),
    ] {
        let home = Home::with_folder(&format!("album = 'name:It'\norder = '{order}'")).await;
        for (name, minute) in [("d", 40), ("c2", 10), ("a", 30), ("b", 20)] {
            home.shot(&format!("photos/{name}.jpg"), minute);
            home.backfill().await;
        }
        lose(&home);
        let ran = rebuild(&home).await;
        assert!(
            ran.stdout.contains("4 files were found again"),
            "{}",
            ran.stdout
        );
        home.shot("photos/c1.jpg", 15);
        home.backfill().await;
        let library = home.library().await;
        assert_eq!(library.names_in("It"), expected, "{order}");
        home.clean(&library).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn videos_are_known_by_their_header_and_upright_photos_by_either_side() {
    let home = Home::with_folder("").await;
    let files = [
        home.taken("photos/a.mp4", 1, &movie(1920, 1080, 1_714_564_860, 1)),
        home.taken("photos/b.mp4", 2, &movie(1920, 1080, 0, 2)),
        home.taken(
            "photos/c.jpg",
            3,
            &dated_of(30, 40, "2024:05:01 12:03:00", 3),
        ),
    ];
    home.backfill().await;
    lose(&home);
    let ran = rebuild(&home).await;
    let told = &ran.stdout;
    assert!(told.contains("2 files were found again"), "{told}");
    assert!(
        told.contains("does not say when it was taken:\n  ") && told.contains("b.mp4"),
        "{told}"
    );
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn words_that_the_service_was_told_are_not_told_again() {
    let home = Home::with_folder("album = 'folder'\ndescription = 'sidecar'").await;
    for file in home.shots("photos/Crete", 3) {
        let words = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
            xmlns:dc="http://purl.org/dc/elements/1.1/"><rdf:Description><dc:description><rdf:Alt>
            <rdf:li xml:lang="x-default">By the sea</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF>
            </x:xmpmeta>"#;
        fs::write(format!("{}.xmp", file.display()), words).unwrap();
    }
    home.backfill().await;
    let told = |library: &Library| {
        let items = library.0["items"].as_array().unwrap().iter();
        items
            .filter(|item| item["description"] == "By the sea")
            .count()
    };
    assert_eq!(told(&home.library().await), 3);
    lose(&home);
    rebuild(&home).await;
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(told(&library), 3);
    assert_eq!(library.calls("mediaItems.patch"), 0);
    assert_eq!(library.n_items(), 3);
}
