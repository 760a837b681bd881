//! `backfill` on folders as people have them: everything once, in order, and nothing that does not
//! belong there; and what the other commands say about it.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

#[path = "../support/mod.rs"]
mod support;

mod days;
mod paths;
mod renamed;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt},
    path::PathBuf,
};

use serde_json::json;

use support::{
    home::{Home, names, set_taken},
    media::{photo, video},
};

const CREATE: &str = "mediaItems.batchCreate";

/// A folder as people have them. What belongs into the library, and where it is.
struct Tree {
    home: Home,
    wanted: Vec<PathBuf>,
}

/// Files that stay at home, by their place, and a word of the reason.
const STAY: [(&str, &[u8], &str); 7] = [
    ("photos/notes.txt", b"buy milk", "photo"),
    (
        "photos/letter.jpg",
        b"Dear Bob, this is no photo at all.\n",
        "photo",
    ),
    ("photos/empty.jpg", b"", "empty"),
    (
        "photos/@eaDir/p.jpg/SYNOPHOTO_THUMB.jpg",
        b"\xff\xd8\xff\xe0",
        "@eaDir",
    ),
    (
        "photos/Rome/.thumbnails/t.jpg",
        b"\xff\xd8\xff\xe0",
        ".thumbnails",
    ),
    ("photos/Rome/._p0001.jpg", b"\0\x05\x16\x07", "._"),
    ("photos/Rome/movie.mp4.part", b"\0\0\0\x18ftypmp42", "part"),
];

impl Tree {
    async fn plant() -> Self {
        let mut home = Home::new().await;
        home.until_noon().await;
        home.folder("photos", "album = 'folder'\nexclude = ['private']");
        home.folder("phone", "");
        home.folder("events", "album = 'name:Events'\norder = 'name'");
        let mut wanted = home.photos("photos/Rome", 60);
        // Names and times that disagree: the time decides.
        for (name, minute) in [("b", 2), ("a", 3), ("c", 1)] {
            let path = format!("photos/Oslo/{name}.jpg");
            wanted.push(home.taken(path, minute, &photo(200 + minute)));
        }
        wanted.push(home.taken("photos/Oslo/film.mp4", 4, &video(7, 90_000)));
        wanted.push(home.taken("photos/Oslo/raw.dng", 5, &tiff(9)));
        for n in [10, 9, 1] {
            wanted.push(home.write(format!("events/IMG_{n}.jpg"), &photo(300 + n)));
        }
        wanted.push(home.write("phone/2023/08/loose.jpg", &photo(400)));
        // The same bytes in two albums and without one: one media item.
        home.taken("photos/Oslo/p0000.jpg", 6, &photo(0));
        home.write("phone/p0000.jpg", &photo(0));
        for (path, bytes, _) in STAY {
            home.write(path, bytes);
        }
        home.write("photos/private/secret.jpg", &photo(500));
        Self { home, wanted }
    }
}

/// The head of a TIFF, which is what raw files of many cameras are.
fn tiff(seed: u8) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend([seed; 4000]);
    bytes
}

#[tokio::test]
async fn everything_is_there_once_and_in_order() {
    let tree = Tree::plant().await;
    let home = &tree.home;
    home.backfill().await;
    let library = home.all_there(&tree.wanted).await;
    assert_eq!(library.titles(), ["Events", "Oslo", "Rome"]);
    assert_eq!(library.names_in("Rome"), names(&tree.wanted[..60]));
    let oslo = [
        "c.jpg",
        "b.jpg",
        "a.jpg",
        "film.mp4",
        "raw.dng",
        "p0000.jpg",
    ];
    assert_eq!(library.names_in("Oslo"), oslo);
    let events = ["IMG_1.jpg", "IMG_9.jpg", "IMG_10.jpg"];
    assert_eq!(library.names_in("Events"), events);
    // Rome in two, Oslo, Events, the library; the copy that joined Oslo may cost one more.
    assert!(library.calls(CREATE) + library.calls("albums.batchAddMediaItems") <= 6);
    assert_eq!(library.calls("albums.create"), 3);
}

#[tokio::test]
async fn status_counts_what_is_there() {
    let tree = Tree::plant().await;
    tree.home.backfill().await;
    let status = tree.home.status().await;
    let n = tree.wanted.len();
    assert_eq!(status["items"]["created"], n, "{status:#}");
    for state in [
        "settling",
        "queued",
        "uploading",
        "uploaded",
        "creating",
        "failed",
        "missing",
    ] {
        assert_eq!(status["items"][state], 0, "{state}");
    }
    assert_eq!(status["process"]["running"], false);
    assert_eq!(status["account"]["state"], "ready");
    assert_eq!(status["lane"]["state"], "idle");
    assert_eq!(status["transfers"], json!([]));
    assert_eq!(status["placements"]["placed"], 60 + 6 + 3);
    assert_eq!(status["placements"]["wanted"], 0);
    let sent: u64 = tree
        .wanted
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert_eq!(status["bytes"]["sent"], sent);
    let library = tree.home.library().await;
    assert_eq!(
        status["quota"]["requests"],
        library.requests() - library.calls("uploads.raw")
    );
    let listed: Vec<_> = status["failures"].as_array().unwrap().iter().collect();
    assert!(
        listed.iter().all(|failure| failure["state"] == "skipped"),
        "{listed:#?}"
    );
}

#[tokio::test]
async fn explain_names_the_rule_that_keeps_a_file_at_home() {
    let tree = Tree::plant().await;
    for run in ["before", "after"] {
        for (path, _, word) in STAY {
            let path = tree.home.path(path);
            let ran = tree
                .home
                .run(&[OsStr::new("explain"), path.as_os_str()])
                .await
                .expect(0);
            assert!(ran.stdout.contains(word), "{run}: {word}?\n{}", ran.stdout);
        }
        let ran = tree
            .home
            .run(&["explain", "photos/private/secret.jpg"])
            .await
            .expect(0);
        assert!(ran.stdout.contains("private"), "{}", ran.stdout);
        let ran = tree
            .home
            .run(&["explain", "photos/Rome/p0001.jpg"])
            .await
            .expect(0);
        assert!(ran.stdout.contains("Rome"), "{}", ran.stdout);
        if run == "before" {
            tree.home.backfill().await;
        }
    }
}

#[tokio::test]
async fn a_second_run_asks_the_service_nothing() {
    let tree = Tree::plant().await;
    tree.home.backfill().await;
    tree.home.command(json!({"command": "forget_log"})).await;
    tree.home.backfill().await;
    let library = tree.home.library().await;
    assert_eq!(library.requests(), 0, "{library:#?}");
    assert!(library.calls("oauth.token") <= 1);
}

#[tokio::test]
async fn a_dry_run_tells_and_changes_nothing() {
    let tree = Tree::plant().await;
    let before = fs::read_dir(tree.home.path("state")).unwrap().count();
    let ran = tree.home.run(&["backfill", "--dry-run"]).await.expect(0);
    assert!(ran.stdout.contains("Rome"), "{}", ran.stdout);
    let library = tree.home.library().await;
    assert_eq!(library.requests() + library.calls("oauth.token"), 0);
    assert_eq!(
        fs::read_dir(tree.home.path("state")).unwrap().count(),
        before
    );
    tree.home.backfill().await;
    tree.home.run(&["backfill", "--dry-run"]).await.expect(0);
}

#[tokio::test]
async fn any_name_that_a_file_system_allows_goes_up_under_a_valid_one() {
    let home = Home::with_folder("album = 'folder'").await;
    let long = format!("{}.jpg", "x".repeat(251));
    let wide = format!("{}.jpg", "ä".repeat(125));
    let all: [&[u8]; 6] = [
        b"caf\xe9.jpg",
        b"two\nlines.jpg",
        b"esc\x1b[2J.jpg",
        b" .jpg",
        long.as_bytes(),
        wide.as_bytes(),
    ];
    let mut files = Vec::new();
    for (seed, name) in (0..).zip(all) {
        let dir = home.path("photos").join(OsStr::from_bytes(b"b\xf6se\n"));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join(OsStr::from_bytes(name));
        fs::write(&path, photo(seed)).unwrap();
        set_taken(&path, seed);
        files.push(path);
    }
    home.backfill().await;
    let library = home.all_there(&files).await;
    for name in library.names() {
        assert!(!name.is_empty() && name.chars().count() <= 255, "{name:?}");
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
    assert_eq!(library.titles().len(), 1);
    let status = home.run(&["status"]).await.expect(0);
    assert!(!status.stdout.contains('\x1b'), "{:?}", status.stdout);
}

#[tokio::test]
async fn batches_are_full() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("upload.parallel", "12");
    let files = home.photos("photos", 120);
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.calls(CREATE), 3);
    assert_eq!(library.names_in("Rome"), names(&files));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_and_holds_up_nobody() {
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: root can read everything");
        return;
    }
    let home = Home::with_folder("album = 'name:Rome'").await;
    let mut files = home.photos("photos", 3);
    let closed = files.remove(1);
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
    home.backfill().await;
    home.all_there(&files).await;
    let status = home.status().await;
    assert_eq!(status["failures"][0]["state"], "skipped", "{status:#}");

    fs::set_permissions(&closed, PermissionsExt::from_mode(0o600)).unwrap();
    home.backfill().await;
    files.push(closed);
    home.all_there(&files).await;
}
