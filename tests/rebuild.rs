//! `rebuild`: a database that was lost is made again, and nothing goes up twice, nothing twice into an
//! album, and nothing to the wrong place.
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

#[path = "support/mod.rs"]
mod support;

use std::{fs, path::PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use support::{
    child::Ran,
    dated::{dated, dated_of, movie},
    home::{Home, names},
    library::Library,
    media::photo,
};

trait Photographer {
    async fn access_token(&self) -> String;
    fn shot(&self, path: &str, minute: u64) -> PathBuf;
    fn shots(&self, folder: &str, n: u64) -> Vec<PathBuf>;
}

impl Photographer for Home {
    async fn access_token(&self) -> String {
        let form = [
            ("client_id", "c"),
            ("client_secret", "s"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "the first"),
        ];
        let url = format!("{}/token", self.sandbox.url());
        let answer = self.http.post(url).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    fn shot(&self, path: &str, minute: u64) -> PathBuf {
        self.taken(path, minute, &dated(minute, minute))
    }

    fn shots(&self, folder: &str, n: u64) -> Vec<PathBuf> {
        let minute = |i| 2 * i;
        let initial = &folder.rsplit('/').next().unwrap()[..1];
        (0..n)
            .map(|i| {
                let path = format!("{folder}/{initial}{i:04}.jpg");
                let seed = 1_000 * folder.len() as u64 + minute(i);
                self.taken(path, minute(i), &dated(minute(i), seed))
            })
            .collect()
    }
}

/// The database is lost; the sign-in is not.
fn lose(home: &Home) {
    for entry in fs::read_dir(home.path("state")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("albumen.db")
        {
            fs::remove_file(path).unwrap();
        }
    }
}

fn uploads(library: &Library) -> u64 {
    library.calls("uploads.raw") + library.calls("uploads.start")
}

async fn rebuild(home: &Home) -> Ran {
    home.run(&["rebuild"]).await.expect(0)
}

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
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let home = Home::with_folder("album = 'folder'").await;
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
async fn it_waits_out_a_429_and_goes_on_after_an_interruption() {
    let home = Home::with_folder("album = 'folder'").await;
    let files = home.shots("photos/a", 5);
    home.backfill().await;
    let before = home.library().await;
    lose(&home);
    home.script(json!({"settings": {"latency_ms": {"mediaItems.list": 60_000}}}))
        .await;
    let running = home.start(&["rebuild", "-v"]);
    home.until("the library is being listed", |library| {
        library.calls("mediaItems.list") > 0
    })
    .await;
    running.signal(Signal::INT);
    let ran = running.ended().await.expect(130);
    assert!(
        ran.stdout.contains("Stopped: interrupted"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("1 album was taken over"),
        "{}",
        ran.stdout
    );

    home.script(json!({"settings": {"latency_ms": {}}})).await;
    home.fault("mediaItems.list", Some(2), "minute_429".into())
        .await;
    let ran = rebuild(&home).await;
    assert!(
        ran.stdout.contains("5 files were found again"),
        "{}",
        ran.stdout
    );
    home.backfill().await;
    let after = home.all_there(&files).await;
    assert_eq!(uploads(&after), uploads(&before));
    assert_eq!(after.titles(), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_day_ends_it_with_5_and_the_albums_are_kept() {
    let home = Home::with_folder("album = 'folder'").await;
    home.shots("photos/a", 5);
    home.backfill().await;
    lose(&home);
    home.fault("mediaItems.list", Some(1), "daily_429".into())
        .await;
    let ran = home.run(&["rebuild"]).await.expect(5);
    assert!(
        ran.stdout.contains("1 album was taken over"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("run it again"), "{}", ran.stdout);
    // The day's stop is kept, and nothing is asked before its end.
    let before = home.library().await;
    home.run(&["rebuild"]).await.expect(5);
    assert_eq!(home.library().await.requests(), before.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_it_does_nothing() {
    let home = Home::with_folder("").await;
    home.shots("photos", 1);
    let daemon = home.daemon().await;
    let ran = home.run(&["rebuild"]).await.expect(4);
    assert!(
        ran.stderr.contains("needs the state folder for itself"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    daemon.stop().await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_time_leaves_no_second_item() {
    let home = Home::with_folder("album = 'folder'").await;
    let files = home.shots("photos/a", 200);
    home.backfill().await;
    let before = home.library().await;
    lose(&home);
    for wait_ms in [5, 20, 40, 60, 80, 120] {
        let running = home.start(&["rebuild"]);
        // Wherever that is: every moment is as good as another.
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        running.kill();
    }
    rebuild(&home).await;
    home.backfill().await;
    let after = home.all_there(&files).await;
    assert_eq!(uploads(&after), uploads(&before));
    assert_eq!(after.titles(), ["a"]);
    assert_eq!(after.names_in("a"), names(&files));
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
