//! Albums as a person meets them: templates, names, what happens to them on the other side, and what
//! `albumen albums` says of them. Trouble of single calls is in `faults`.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use serde_json::{Value, json};

use support::{
    home::{Home, names},
    media::{photo, photo_taken},
};

#[tokio::test]
async fn a_template_makes_titles_of_folders_and_of_the_day_in_the_folders_timezone() {
    let mut home = Home::new().await;
    home.folder(
        "days",
        "album = '{year}-{month}-{day}'\ntimezone = 'America/New_York'\norder = 'name'",
    );
    home.folder("trips", "album = '{parent}: {folder} {year}'");
    home.folder("paths", "album = '{path}'");
    let files = [
        // Noon at Greenwich is morning in New York; half past one is the day before.
        home.taken("days/noon.jpg", 0, &photo(1)),
        home.taken("days/night.jpg", 13 * 60 + 30, &photo(2)),
        home.taken("days/late.jpg", 17 * 60, &photo(3)),
        // The order asks for no time, the template does; the camera's has no zone.
        home.write("days/camera.jpg", &photo_taken(4, "2019:12:31 23:59:58")),
        home.write("days/IMG_20200229_120000.jpg", &photo(5)),
        home.taken("trips/Crete/Day 1/a.jpg", 1, &photo(6)),
        home.taken("trips/Crete/b.jpg", 2, &photo(7)),
        home.taken("trips/c.jpg", 3, &photo(8)),
        home.taken("paths/a/b/c.jpg", 4, &photo(9)),
        home.taken("paths/none.jpg", 5, &photo(10)),
    ];
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(
        library.titles(),
        [
            "2019-12-31",
            "2020-02-29",
            "2024-05-01",
            "2024-05-02",
            "Crete: Day 1 2024",
            "a / b",
            "trips 2024",
            "trips: Crete 2024",
        ]
    );
    let noon = ["night.jpg", "noon.jpg"];
    assert_eq!(
        library.names_in("2024-05-01"),
        noon,
        "in order of their names"
    );
    assert_eq!(library.names_in("2024-05-02"), ["late.jpg"]);
    assert_eq!(library.names_in("2019-12-31"), ["camera.jpg"]);
    assert_eq!(library.names_in("trips 2024"), ["c.jpg"]);
    let albums = library.0["albums"].as_array().unwrap();
    let placed: usize = albums
        .iter()
        .map(|album| album["items"].as_array().unwrap().len())
        .sum();
    assert_eq!(placed, files.len() - 1, "{{path}} of the root is empty");
}

#[tokio::test]
async fn a_dry_run_and_an_explanation_name_the_album_of_a_template() {
    let home = Home::with_folder("album = '{year} {folder}'\norder = 'arrival'").await;
    let file = home.write("photos/Crete/a.jpg", &photo_taken(1, "2019:06:01 12:00:00"));
    let dry = home.said(&["backfill", "--dry-run"], 0).await;
    assert!(dry.contains("album \"2019 Crete\"\n"), "{dry}");
    let explained = home.said(&["explain".as_ref(), file.as_os_str()], 0).await;
    let stands =
        "Its album is \"2019 Crete\", in which it stands by the time when it was first seen.\n";
    assert!(explained.contains(stands), "{explained}");
    let absent = home.said(&["explain", "photos/Crete/b.jpg"], 0).await;
    assert!(
        absent.contains("Its album depends on when it was taken.\n"),
        "{absent}"
    );
}

#[tokio::test]
async fn a_file_that_is_only_touched_stays_in_its_album() {
    let home = Home::with_folder("album = '{year}-{day}'").await;
    let daemon = home.daemon().await;
    let file = home.taken("photos/a.jpg", 0, &photo(1));
    home.until("made", |library| library.n_items() == 1).await;
    support::home::set_taken(&file, 24 * 60);
    let other = home.taken("photos/b.jpg", 0, &photo(2));
    home.until("made", |library| library.n_items() == 2).await;
    daemon.stop().await.expect(0);
    home.backfill().await;
    let library = home.all_there(&[file, other]).await;
    assert_eq!(library.titles(), ["2024-01"]);
    assert_eq!(library.calls("uploads.raw"), 2);
}

#[tokio::test]
async fn two_spellings_of_one_name_are_one_album() {
    let home = Home::with_folder("album = 'folder'").await;
    let files = [
        home.taken("photos/linux/B\u{e4}r/a.jpg", 1, &photo(1)),
        home.taken("photos/mac/Ba\u{308}r/b.jpg", 2, &photo(2)),
    ];
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["B\u{e4}r"]);
    assert_eq!(library.names_in("B\u{e4}r"), ["a.jpg", "b.jpg"]);
    assert_eq!(library.calls("albums.create"), 1);
}

#[tokio::test]
async fn an_album_of_another_spelling_that_was_made_before_a_crash_is_found() {
    let home = Home::with_folder("album = 'name:B\u{e4}r'").await;
    let files = home.photos("photos", 2);
    home.fault("albums.create", Some(1), "cut_after".into())
        .await;
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.calls("albums.create"), 1);
    assert_eq!(library.names_in("B\u{e4}r"), names(&files));
}

#[tokio::test]
async fn a_long_title_is_cut_on_a_character_border() {
    let home = Home::with_folder("album = '{path}'").await;
    let long = "\u{fc}".repeat(110);
    let files = [home.taken(
        format!("photos/{}/a.jpg", [&*long; 6].join("/")),
        1,
        &photo(1),
    )];
    home.backfill().await;
    let library = home.all_there(&files).await;
    let title = library.titles()[0];
    assert_eq!(title.chars().count(), 490);
    assert!([&*long; 6].join(" / ").starts_with(title));
}

#[tokio::test]
async fn a_full_album_goes_on_as_another_one() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    home.script(json!({"settings": {"album_limit": 60}})).await;
    let mut files = home.photos("photos", 130);
    home.backfill().await;
    let library = home.all_there(&files).await;
    let titles = ["Rome", "Rome (2)", "Rome (3)"];
    assert_eq!(library.titles(), titles);
    let parts: Vec<&str> = titles
        .iter()
        .flat_map(|title| library.names_in(title))
        .collect();
    assert_eq!(parts, names(&files), "the order goes on from part to part");
    assert_eq!(library.calls("uploads.raw"), 130);
    // Late for a part that is full: it goes to the last one.
    files.push(home.taken("photos/early.jpg", 0, &photo(999)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), titles);
    assert_eq!(library.names_in("Rome (3)")[0], "early.jpg");
}

#[tokio::test]
async fn an_album_that_a_person_filled_by_hand_goes_on_as_another_one_in_words_of_any_kind() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let mut files = home.photos("photos", 3);
    home.backfill().await;
    // The service speaks in words that are on no list, but it counts.
    let album = home.library().await.0["albums"][0].clone();
    let refusal = json!({"answer": {"status": 400, "body": {"error":
        {"code": 400, "message": "Nope.", "status": "INVALID_ARGUMENT"}}}});
    let count = json!({"answer": {"status": 200, "body":
        {"id": album["id"], "title": "Rome", "mediaItemsCount": "19990"}}});
    home.script(json!({"rules": [
        {"method": "mediaItems.batchCreate", "times": 1, "action": refusal},
        {"method": "albums.get", "times": 1, "action": count},
    ]}))
    .await;
    files.push(home.taken("photos/z.jpg", 99, &photo(77)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["Rome", "Rome (2)"]);
    assert_eq!(library.names_in("Rome (2)"), ["z.jpg"]);
}

#[tokio::test]
async fn what_is_added_to_a_full_album_without_new_bytes_goes_on_in_the_next_part() {
    let mut home = Home::new().await;
    home.folder("one", "album = 'name:One'");
    home.folder("two", "album = 'name:Two'");
    home.script(json!({"settings": {"album_limit": 4}})).await;
    let first = home.photos("two", 3);
    let moved: Vec<_> = (10..13)
        .map(|i| home.taken(format!("one/p{i}.jpg"), i, &photo(i)))
        .collect();
    home.backfill().await;
    // Their tokens are over, so they can only be added.
    home.pass(25 * 3600).await;
    let mut files = first;
    for file in &moved {
        let to = home.path("two").join(file.file_name().unwrap());
        std::fs::rename(file, &to).unwrap();
        files.push(to);
    }
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.calls("uploads.raw"), 6);
    assert_eq!(
        library.names_in("Two"),
        ["p0000.jpg", "p0001.jpg", "p0002.jpg"]
    );
    assert_eq!(
        library.names_in("Two (2)"),
        ["p10.jpg", "p11.jpg", "p12.jpg"]
    );
    // One call that was refused, and one that was not.
    assert_eq!(library.calls("albums.batchAddMediaItems"), 2);
}

/// An album of three that was deleted by hand, and one photo more; gives what the service has then.
async fn deleted_by_hand(fault: Option<Value>) {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let mut files = home.photos("photos", 3);
    home.backfill().await;
    home.command(json!({"command": "delete_album", "title": "Rome"}))
        .await;
    if let Some(fault) = fault {
        home.fault("mediaItems.batchCreate", Some(1), fault).await;
    }
    home.pass(60).await;
    files.push(home.taken("photos/z.jpg", 99, &photo(77)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["Rome"]);
    assert_eq!(library.calls("albums.create"), 2);
    assert_eq!(
        library.names_in("Rome"),
        names(&files),
        "all of it, in order"
    );
    let status = home.status().await;
    assert_eq!(status["placements"]["placed"], 4);
}

#[tokio::test]
async fn an_album_deleted_by_hand_is_made_again_whatever_the_service_calls_it() {
    deleted_by_hand(None).await;
    for words in [
        "invalid_album",
        "album_gone",
        "album_forbidden",
        "not_found_404",
    ] {
        deleted_by_hand(Some(words.into())).await;
    }
}

#[tokio::test]
async fn an_album_that_is_only_refused_for_a_moment_is_not_made_again() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let mut files = home.photos("photos", 3);
    home.backfill().await;
    home.pass(60).await;
    home.fault("mediaItems.batchCreate", Some(2), "album_gone".into())
        .await;
    home.fault("albums.get", Some(1), "not_found_404".into())
        .await;
    files.push(home.taken("photos/z.jpg", 99, &photo(77)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.calls("albums.create"), 1);
    assert_eq!(library.names_in("Rome"), names(&files));
}

#[tokio::test]
async fn albums_are_listed_with_counts_parts_and_links() {
    let mut home = Home::new().await;
    home.folder("all", "album = 'folder'");
    home.script(json!({"settings": {"album_limit": 60}})).await;
    home.photos("all/Rome", 70);
    home.photos("all/Crete", 0);
    home.taken("all/Crete/a.jpg", 5, &photo(500));
    home.backfill().await;
    insta::assert_snapshot!(home.said(&["albums"], 0).await, @r"
    TITLE     ITEMS  TO COME  OUT OF ORDER  LINK
    Rome         50        0             0  https://photos.google.com/lr/album/ID
    Rome (2)     20        0             0  https://photos.google.com/lr/album/ID
    Crete         1        0             0  https://photos.google.com/lr/album/ID
    ");
}
