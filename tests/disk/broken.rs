//! A disk that reports errors.

use std::fs;

use super::{
    all_made, stays_calm,
    support::{
        disk::{EIO, ENOSPC, Shim},
        home::Home,
        media::photo,
    },
};

#[tokio::test]
async fn a_file_that_cannot_be_read_is_set_aside_and_the_others_go_up() {
    let mut home = Home::with_folder("album = 'folder'").await;
    let Some(shim) = Shim::under(&mut home) else {
        return;
    };
    home.set("retry.max_attempts", "2");
    let mut files = home.photos("photos", 6);
    shim.rules(&[("read", EIO, "p0002.jpg")]);
    let daemon = home.daemon().await;
    home.until_status("the others", |status| status["items"]["created"] == 5)
        .await;
    // It is tried again a minute later; what comes then makes the daemon look at the clock.
    home.clock(600);
    files.push(home.taken("photos/q.jpg", 80, &photo(80)));
    let status = home
        .until_status("it is set aside", |status| {
            let failures = status["failures"].as_array().unwrap();
            failures.len() == 1 && status["items"]["queued"] == 0
        })
        .await;
    let failure = &status["failures"][0];
    assert!(failure["path"].as_str().unwrap().ends_with("p0002.jpg"));
    let reason = failure["reason"].as_str().unwrap();
    assert!(reason.contains("Input/output error"), "{reason}");
    stays_calm(&daemon).await;
    shim.rules(&[]);
    home.run(&["retry", "--all"]).await.expect(0);
    all_made(&home, &files).await;
    daemon.stop().await.expect(0);
}

/// A photo of 300 kB: its head can be read where the rest cannot.
fn long(seed: u64) -> Vec<u8> {
    let mut bytes = photo(seed);
    bytes.resize(300_000, 0x55);
    bytes
}

#[tokio::test]
async fn a_backfill_sets_a_file_aside_that_cannot_be_read_to_its_end_and_says_so() {
    let mut home = Home::with_folder("album = 'folder'").await;
    let Some(shim) = Shim::under(&mut home) else {
        return;
    };
    home.set("retry.max_attempts", "1");
    let mut files = home.photos("photos", 6);
    let broken = home.taken("photos/broken.jpg", 3, &long(80));
    shim.rules(&[("tail", EIO, "broken.jpg")]);
    let ran = home.run(&["backfill"]).await.expect(1);
    assert!(ran.stdout.contains("broken.jpg"), "{ran:?}");
    home.all_there(&files).await;
    let failures = home.status().await["failures"].clone();
    assert_eq!(failures.as_array().unwrap().len(), 1, "{failures}");
    let reason = failures[0]["reason"].as_str().unwrap();
    assert!(reason.contains("Input/output error"), "{reason}");
    // It is told again, and costs nothing.
    home.run(&["backfill"]).await.expect(1);
    shim.rules(&[]);
    home.run(&["retry", "--all"]).await.expect(0);
    home.backfill().await;
    files.push(broken);
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_file_whose_disk_fails_on_the_way_is_sent_once_it_can_be_read() {
    let mut home = Home::with_folder("").await;
    let Some(shim) = Shim::under(&mut home) else {
        return;
    };
    home.set("upload.bandwidth", "'150kB'");
    let daemon = home.daemon().await;
    let mut files = vec![home.taken("photos/broken.jpg", 3, &long(80))];
    home.until_status("its bytes go up", |status| {
        status["transfers"][0]["sent"].as_u64() > Some(0)
    })
    .await;
    shim.rules(&[("tail", EIO, "broken.jpg")]);
    home.until_status("it went wrong", |status| {
        status["transfers"].as_array().unwrap().is_empty()
    })
    .await;
    files.extend(home.photos("photos", 4));
    home.until_status("the others", |status| status["items"]["created"] == 4)
        .await;
    stays_calm(&daemon).await;
    shim.rules(&[]);
    home.clock(600);
    files.push(home.taken("photos/q.jpg", 80, &photo(81)));
    all_made(&home, &files).await;
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_slow_disk_is_waited_for() {
    let mut home = Home::with_folder("").await;
    let Some(shim) = Shim::under(&mut home) else {
        return;
    };
    let files = home.photos("photos", 4);
    shim.rules(&[("read", 0, "photos/")]);
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_database_that_cannot_be_synced_sends_no_call() {
    let mut home = Home::with_folder("album = 'folder'").await;
    let Some(shim) = Shim::under(&mut home) else {
        return;
    };
    let daemon = home.daemon().await;
    // The log can be written and not synced: bytes may go up, but what a power cut would make us forget
    // is not begun.
    shim.rules(&[("sync", EIO, "albumen.db")]);
    let files = home.photos("photos", 4);
    let status = home
        .until_status("it says so", |status| {
            status["database"]["state"] == "disk_error"
        })
        .await;
    assert!(status["database"]["remedy"].is_string());
    stays_calm(&daemon).await;
    let library = home.library().await;
    assert_eq!(library.calls("albums.create"), 0);
    assert_eq!(library.calls("mediaItems.batchCreate"), 0);
    shim.rules(&[]);
    all_made(&home, &files).await;
    daemon.stop().await.expect(0);
    assert_eq!(home.library().await.titles(), ["photos"]);
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_waited_for() {
    for (errno, word) in [(EIO, "disk_error"), (ENOSPC, "disk_full")] {
        let mut home = Home::with_folder("album = 'folder'").await;
        let Some(shim) = Shim::under(&mut home) else {
            return;
        };
        let daemon = home.daemon().await;
        // Only the log, and in the middle of things: the answer of a call cannot be recorded.
        home.fault(
            "mediaItems.batchCreate",
            Some(1),
            serde_json::json!({"delay_ms": 700}),
        )
        .await;
        let files = home.photos("photos", 4);
        home.until("the call came", |library| {
            library.calls("mediaItems.batchCreate") == 1
        })
        .await;
        shim.rules(&[("write", errno, "albumen.db-wal")]);
        home.until_status("it says so", |status| status["database"]["state"] == word)
            .await;
        stays_calm(&daemon).await;
        shim.rules(&[]);
        all_made(&home, &files).await;
        daemon.stop().await.expect(0);
        assert!(fs::metadata(home.path("state/albumen.db")).unwrap().len() > 0);
    }
}
