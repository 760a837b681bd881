//! `daemon` on folders that change under it, with a service that comes and goes.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{fs, io::Write as _, os::unix::fs::symlink, path::PathBuf};

use serde_json::json;

use support::{
    home::{Home, names},
    media::{photo, video},
};

const CREATE: &str = "mediaItems.batchCreate";

/// A home whose daemon runs on an empty folder; albums by folder.
async fn empty() -> (Home, support::child::Running) {
    let home = Home::with_folder("album = 'folder'").await;
    let daemon = home.daemon().await;
    (home, daemon)
}

/// Stops the daemon, and checks that all these files are there once.
async fn ends_with(home: &Home, daemon: support::child::Running, files: &[PathBuf]) {
    let n = files.len();
    home.until("all items", |library| library.n_items() >= n)
        .await;
    home.until_status("nothing moves", |status| status["items"]["created"] == n)
        .await;
    daemon.stop().await.expect(0);
    home.all_there(files).await;
}

#[tokio::test]
async fn files_that_are_dropped_into_a_folder_go_up() {
    let (home, daemon) = empty().await;
    let files = home.photos("photos", 5);
    ends_with(&home, daemon, &files).await;
    let library = home.library().await;
    assert_eq!(library.names_in("photos"), names(&files));
}

#[tokio::test]
async fn a_file_that_is_written_slowly_goes_up_whole_and_once() {
    let (home, daemon) = empty().await;
    let bytes = video(3, 50_000);
    let path = home.path("photos/slow.mp4");
    let mut file = fs::File::create(&path).unwrap();
    for part in bytes.chunks(10_000) {
        file.write_all(part).unwrap();
        // Slower than the daemon looks, and faster than it takes for standing still.
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    drop(file);
    ends_with(&home, daemon, &[path]).await;
    let library = home.library().await;
    assert_eq!(library.bytes_received(), 50_000);
}

#[tokio::test]
async fn files_in_folders_that_were_just_made_go_up() {
    let (home, daemon) = empty().await;
    let mut files = Vec::new();
    for n in 0..6 {
        files.push(home.write(format!("photos/a/b/c{n}/p.jpg"), &photo(n)));
    }
    ends_with(&home, daemon, &files).await;
}

#[tokio::test]
async fn a_folder_that_is_moved_in_goes_up() {
    let (home, daemon) = empty().await;
    home.photos("elsewhere/trip", 3);
    fs::rename(home.path("elsewhere/trip"), home.path("photos/trip")).unwrap();
    let files: Vec<_> = (0..3)
        .map(|n| home.path(format!("photos/trip/p{n:04}.jpg")))
        .collect();
    ends_with(&home, daemon, &files).await;
    let library = home.library().await;
    assert_eq!(library.names_in("trip"), names(&files));
}

#[tokio::test]
async fn a_renamed_file_costs_no_byte_and_makes_no_item() {
    let (home, daemon) = empty().await;
    let files = home.photos("photos", 2);
    home.until_status("made", |status| status["items"]["created"] == 2)
        .await;
    let before = home.library().await;
    let new = home.path("photos/renamed.jpg");
    fs::rename(&files[0], &new).unwrap();
    // What comes later is there when what came before was dealt with.
    let later = home.write("photos/later.jpg", &photo(77));
    home.until("the later one", |library| library.n_items() == 3)
        .await;
    let files = [new, files[1].clone(), later.clone()];
    ends_with(&home, daemon, &files).await;
    let sent = fs::metadata(later).unwrap().len();
    assert_eq!(
        home.library().await.bytes_received(),
        before.bytes_received() + sent
    );
}

#[tokio::test]
async fn a_link_out_of_the_folder_is_not_followed() {
    let (home, daemon) = empty().await;
    let outside = home.write("elsewhere/secret.jpg", &photo(1));
    symlink(&outside, home.path("photos/link.jpg")).unwrap();
    symlink(outside.parent().unwrap(), home.path("photos/dir")).unwrap();
    let files = home.photos("photos", 1);
    ends_with(&home, daemon, &files).await;
}

#[tokio::test]
async fn what_comes_while_the_network_is_away_goes_up_when_it_is_back() {
    let (home, daemon) = empty().await;
    home.fault("*", None, "cut_before".into()).await;
    let files = home.photos("photos", 4);
    home.until("it tries", |library| {
        library.requests() + library.calls("oauth.token") >= 3
    })
    .await;
    assert_eq!(home.library().await.n_items(), 0);
    home.no_faults().await;
    ends_with(&home, daemon, &files).await;
    let status = home.status().await;
    assert_eq!(status["account"]["state"], "ready");
}

#[tokio::test]
async fn what_comes_late_goes_to_its_place_in_the_album() {
    let (home, daemon) = empty().await;
    home.taken("photos/b.jpg", 10, &photo(1));
    home.taken("photos/d.jpg", 30, &photo(2));
    home.until_status("made", |status| status["items"]["created"] == 2)
        .await;
    home.taken("photos/c.jpg", 20, &photo(3));
    home.until_status("made", |status| status["items"]["created"] == 3)
        .await;
    home.taken("photos/a.jpg", 5, &photo(4));
    home.until_status("made", |status| status["items"]["created"] == 4)
        .await;
    home.taken("photos/e.jpg", 40, &photo(5));
    let files: Vec<_> = "abcde"
        .chars()
        .map(|c| home.path(format!("photos/{c}.jpg")))
        .collect();
    ends_with(&home, daemon, &files).await;
    let library = home.library().await;
    assert_eq!(
        library.names_in("photos"),
        ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]
    );
}

#[tokio::test]
async fn a_stop_is_quick_and_leaves_all_for_the_next_start() {
    let (home, daemon) = empty().await;
    home.fault("uploads.raw", None, "hang".into()).await;
    let files = home.photos("photos", 3);
    home.until("uploads began", |library| library.calls("uploads.raw") == 3)
        .await;
    let since = std::time::Instant::now();
    daemon.stop().await.expect(0);
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
    let status = home.status().await;
    assert_eq!(status["process"]["running"], false);
    assert_eq!(status["items"]["uploading"], 0, "{status:#}");
    home.no_faults().await;
    let daemon = home.daemon().await;
    ends_with(&home, daemon, &files).await;
}

#[tokio::test]
async fn a_batch_under_way_at_the_stop_is_recorded() {
    let (home, daemon) = empty().await;
    home.fault(CREATE, None, json!({"delay_ms": 1500})).await;
    let files = home.photos("photos", 3);
    home.until("the call came", |library| library.calls(CREATE) == 1)
        .await;
    daemon.stop().await.expect(0);
    let library = home.all_there(&files).await;
    assert_eq!(library.calls(CREATE), 1);
    assert_eq!(home.status().await["items"]["created"], 3);
}

#[tokio::test]
async fn a_second_daemon_gives_up_and_the_first_goes_on() {
    let (home, daemon) = empty().await;
    let ran = home.run(&["daemon"]).await.expect(4);
    assert!(ran.stderr.contains("another albumen"), "{}", ran.stderr);
    let files = home.photos("photos", 1);
    ends_with(&home, daemon, &files).await;
}

#[tokio::test]
async fn a_dead_sign_in_is_waited_for_and_a_new_one_is_seen() {
    let (home, mut daemon) = empty().await;
    home.fault("oauth.token", None, "refresh_dies".into()).await;
    let files = home.photos("photos", 2);
    home.until_status("the sign-in is dead", |status| {
        status["account"]["state"] == "login_needed"
    })
    .await;
    assert!(daemon.runs());
    home.no_faults().await;
    home.sign_in("the second");
    ends_with(&home, daemon, &files).await;
    assert_eq!(home.status().await["account"]["state"], "ready");
}

#[tokio::test]
async fn what_was_made_is_asked_for_once() {
    let mut home = Home::with_folder("album = 'folder'").await;
    home.set("verify.after", "'0s'");
    let daemon = home.daemon().await;
    let files = home.photos("photos", 3);
    home.until_status("verified", |status| status["items"]["verified"] == 3)
        .await;
    daemon.stop().await.expect(0);
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_folder_that_goes_away_loses_nothing() {
    let (home, daemon) = empty().await;
    let files = home.photos("photos", 2);
    home.until_status("made", |status| status["items"]["created"] == 2)
        .await;
    fs::rename(home.path("photos"), home.path("away")).unwrap();
    daemon.stop().await.expect(0);
    let daemon = home.daemon().await;
    fs::rename(home.path("away"), home.path("photos")).unwrap();
    let later = home.write("photos/later.jpg", &photo(5));
    daemon.stop().await.expect(0);
    let daemon = home.daemon().await;
    let files = [files[0].clone(), files[1].clone(), later];
    ends_with(&home, daemon, &files).await;
    assert_eq!(home.library().await.calls("uploads.raw"), 3);
}
