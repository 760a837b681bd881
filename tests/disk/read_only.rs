//! A state folder that cannot be written.

#![allow(clippy::print_stderr, reason = "a test that is left out says so")]

use serde_json::{Value, json};

use super::{
    all_made, stays_calm,
    support::{
        disk::{Disk, EROFS, Shim, may_mount},
        home::Home,
        media::photo,
    },
};

#[tokio::test]
async fn at_the_start_it_is_an_error_with_a_remedy_and_status_answers() {
    if !may_mount("read_only::at_the_start_it_is_an_error_with_a_remedy_and_status_answers") {
        return;
    }
    let home = Home::with_folder("").await;
    let disk = Disk::under_state(&home, 16);
    let files = home.photos("photos", 3);
    home.backfill().await;
    disk.remount("ro");
    for command in [&["daemon"][..], &["backfill"], &["retry", "--all"]] {
        let ran = home.run(command).await.expect(2);
        assert!(ran.stderr.contains("read-only"), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
        assert!(ran.stderr.contains("mount it anew"), "{}", ran.stderr);
    }
    assert_eq!(home.status().await["items"]["created"], 3);
    home.run(&["albums"]).await.expect(0);
    disk.remount("rw");
    home.backfill().await;
    home.all_there(&files).await;
}

fn says_that_it_is_read_only(home: &Home, status: &Value) {
    let path = home.path("state/albumen.db").display().to_string();
    let expected = json!({
        "state": "read_only",
        "reason": format!("{path} cannot be written: it is read-only; nothing is lost"),
        "remedy": "make that folder writable, or mount the disk anew; albumen goes on by itself",
    });
    assert_eq!(status["database"], expected);
}

#[tokio::test]
async fn a_file_system_that_gave_up_is_told_and_the_next_start_goes_on() {
    const NAME: &str = "read_only::a_file_system_that_gave_up_is_told_and_the_next_start_goes_on";
    if !may_mount(NAME) {
        return;
    }
    let home = Home::with_folder("").await;
    // What the system does to a file system that it found damaged, under whoever writes to it.
    let Some(disk) = Disk::of_ext4(&home, 16) else {
        eprintln!("{NAME} is left out: there is no ext4 here");
        return;
    };
    let daemon = home.daemon().await;
    let mut files = home.photos("photos", 3);
    all_made(&home, &files).await;
    disk.remount("abort");
    files.extend((10..15).map(|i| home.taken(format!("photos/p{i}.jpg"), i, &photo(i))));
    let status = home
        .until_status("it says so", |status| {
            status["database"]["state"] != "ready"
        })
        .await;
    says_that_it_is_read_only(&home, &status);
    stays_calm(&daemon).await;
    daemon.stop().await.expect(0);
    disk.mount_anew();
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn under_a_daemon_it_is_waited_for() {
    let mut home = Home::with_folder("").await;
    let Some(shim) = Shim::under(&mut home) else {
        return;
    };
    let daemon = home.daemon().await;
    let mut files = home.photos("photos", 3);
    all_made(&home, &files).await;
    shim.rules(&[
        ("write", EROFS, "albumen.db"),
        ("sync", EROFS, "albumen.db"),
    ]);
    files.extend((10..15).map(|i| home.taken(format!("photos/p{i}.jpg"), i, &photo(i))));
    let status = home
        .until_status("it says so", |status| {
            status["database"]["state"] != "ready"
        })
        .await;
    says_that_it_is_read_only(&home, &status);
    stays_calm(&daemon).await;
    shim.rules(&[]);
    all_made(&home, &files).await;
    daemon.stop().await.expect(0);
}
