//! Writes that the service never takes: whatever one of them carries, it holds no other up, and it is
//! not tried for ever.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use super::{
    all_there_by_daemon,
    support::{home::Home, library::Library, media::photo},
};

const ADD: &str = "albums.batchAddMediaItems";
const REMOVE: &str = "albums.batchRemoveMediaItems";
const PATCH: &str = "mediaItems.patch";

/// What a service does that never takes a call with these words.
fn never(words: &str) -> [Value; 2] {
    [
        json!({"canned": "server_500", "only_with": words}),
        json!({"cut_before": true, "only_with": words}),
    ]
}

fn id_of(library: &Library, name: &str) -> String {
    let items = library.0["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["filename"] == name).unwrap();
    item["id"].as_str().unwrap().to_owned()
}

async fn explained(home: &Home, file: &str) -> String {
    home.run(&["explain", file]).await.expect(0).stdout
}

/// Photos go on coming, and arrive, until this is said of the file.
async fn others_arrive_until(home: &Home, files: &mut Vec<PathBuf>, file: &str, said: &str) {
    for n in 200.. {
        files.push(home.taken(format!("photos/more{n}.jpg"), n, &photo(n)));
        all_there_by_daemon(home, files).await;
        let explained = explained(home, file).await;
        if explained.contains(said) {
            return;
        }
        assert!(n < 260, "{explained}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_description_that_is_never_taken_holds_no_photo_up_and_is_given_up() {
    let words = "words at which it fails";
    for action in never(words) {
        let mut home = Home::with_folder("description = 'sidecar'").await;
        home.set("retry.max_attempts", "2");
        let mut files = home.photos("photos", 3);
        home.backfill().await;
        home.fault(PATCH, None, action.clone()).await;
        let daemon = home.daemon().await;
        let takeout = json!({"title": "p0001.jpg", "description": words, "imageViews": "0",
            "photoTakenTime": {"timestamp": "1714558272"}, "url": "https://photos.google.com/photo/x"});
        home.write("photos/p0001.jpg.json", takeout.to_string().as_bytes());
        home.until("it was told", |library| library.calls(PATCH) > 0)
            .await;
        let given_up = "Google Photos did not take a change of it";
        others_arrive_until(&home, &mut files, "photos/p0001.jpg", given_up).await;
        // The first time tells nothing about it, and two more are its own.
        let tried = 6;
        for n in 300.. {
            if home.library().await.calls(PATCH) == tried {
                break;
            }
            assert!(n < 360, "{action}");
            files.push(home.taken(format!("photos/more{n}.jpg"), n, &photo(n)));
            all_there_by_daemon(&home, &files).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        home.until_status("nothing is left to do", |status| {
            status["lane"]["state"] == "idle"
        })
        .await;
        daemon.stop().await.expect(0);
        home.backfill().await;
        let library = home.all_there(&files).await;
        assert_eq!(library.calls(PATCH), tried, "{action}");
    }
}

#[tokio::test]
async fn a_removal_that_is_never_taken_holds_no_photo_up_and_is_given_up() {
    for action in never("mediaItemIds") {
        let home = Home::with_folder("album = 'name:Rome'").await;
        let mut files = home.photos("photos", 3);
        home.backfill().await;
        home.fault(REMOVE, None, action.clone()).await;
        let daemon = home.daemon().await;
        let asked = home.start(&["album", "remove", "Rome", "photos/p0001.jpg", "--yes"]);
        home.until("it was asked for", |library| library.calls(REMOVE) > 0)
            .await;
        let given_up = "the service would not take it out of the album";
        others_arrive_until(&home, &mut files, "photos/p0001.jpg", given_up).await;
        let asked = asked.ended().await;
        assert_eq!(asked.code, Some(1), "{action} {asked:?}");
        daemon.stop().await.expect(0);
        let tried = home.library().await.calls(REMOVE);
        assert!(tried <= 8, "{action} {tried}");
        assert_eq!(home.library().await.names_in("Rome").len(), files.len());
    }
}

#[tokio::test]
async fn an_addition_that_is_never_taken_holds_no_photo_up_and_is_given_up() {
    for kind in 0..2 {
        let mut home = Home::with_folder("album = 'name:Rome'").await;
        home.set("retry.max_attempts", "2");
        home.folder("best", "album = 'name:Best'");
        let mut files = home.photos("photos", 3);
        home.backfill().await;
        let action = never(&id_of(&home.library().await, "p0001.jpg"))[kind].clone();
        // Without a token that lives it can only be added.
        home.pass(26 * 3600).await;
        home.fault(ADD, None, action.clone()).await;
        let daemon = home.daemon().await;
        for name in ["p0000.jpg", "p0001.jpg"] {
            fs::copy(home.path("photos").join(name), home.path("best").join(name)).unwrap();
        }
        home.until("it was asked for", |library| library.calls(ADD) > 0)
            .await;
        for n in 200.. {
            files.push(home.taken(format!("photos/more{n}.jpg"), n, &photo(n)));
            let all = files.len() as u64;
            let status = home
                .until_status("others arrive", |status| status["items"]["created"] == all)
                .await;
            if status["placements"]["refused"] == 1 {
                break;
            }
            assert!(n < 260, "{action} {status:#}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        daemon.stop().await.expect(0);
        let library = home.all_there(&files).await;
        assert_eq!(library.names_in("Best"), ["p0000.jpg"], "{action}");
        let explained = explained(&home, "best/p0001.jpg").await;
        assert!(
            explained.contains("never answers") || explained.contains("500"),
            "{explained}"
        );
    }
}

#[tokio::test]
async fn an_album_that_cannot_be_read_holds_no_other_album_up() {
    let mut home = Home::new().await;
    home.folder("photos/a", "album = 'name:A'\norder = 'name'");
    home.folder("photos/b", "album = 'name:B'\norder = 'name'");
    let mut files = home.photos("photos/a", 4);
    // What failed the first time, whose answer was lost, stands who knows where.
    let lost = json!({"item_codes": {"p0001.jpg": 13}, "cut_after": true});
    home.script(
        json!({"rules": [{"method": "mediaItems.batchCreate", "action": lost},
        {"method": "mediaItems.search", "times": null, "action": "server_500"}]}),
    )
    .await;
    let daemon = home.daemon().await;
    home.until_status("all are made", |status| status["items"]["created"] == 4)
        .await;
    files.push(home.taken("photos/a/p0005.jpg", 5, &photo(5)));
    home.until("it was to be read", |library| {
        library.calls("mediaItems.search") > 0
    })
    .await;
    for n in 10..13 {
        files.push(home.taken(format!("photos/b/q{n}.jpg"), n, &photo(n)));
        home.until_status("it arrives", |status| {
            status["items"]["created"].as_u64() == Some(n - 5)
        })
        .await;
    }
    assert_eq!(home.library().await.names_in("B").len(), 3);
    home.no_faults().await;
    let library = all_there_by_daemon(&home, &files).await;
    let in_order = [
        "p0000.jpg",
        "p0001.jpg",
        "p0002.jpg",
        "p0003.jpg",
        "p0005.jpg",
    ];
    assert_eq!(library.names_in("A").len(), in_order.len());
    daemon.stop().await.expect(0);
}
