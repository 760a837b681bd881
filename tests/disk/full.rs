//! A disk without room under the state folder.

use serde_json::json;

use super::{
    all_made, stays_calm,
    support::{
        disk::{Disk, may_mount},
        home::{Home, names},
        media::photo,
    },
};

/// MiB of the disk: the database is a few hundred kB.
const SIZE: u32 = 6;

/// KiB that a start needs, and that thirty photos use up. With half of it a start failed now and then.
const ENOUGH_TO_BEGIN: usize = 160;

async fn says_that_it_is_full(home: &Home) {
    let status = home
        .until_status("it says that the disk is full", |status| {
            status["database"]["state"] == "disk_full"
        })
        .await;
    let path = home.path("state/albumen.db").display().to_string();
    let reason = status["database"]["reason"].as_str().unwrap().to_owned();
    assert_eq!(
        reason,
        format!("{path} cannot be written: the disk is full; nothing is lost")
    );
    let shown = home.run(&["status"]).await.expect(0).stdout;
    assert!(shown.contains(&reason), "{shown}");
    assert!(shown.contains("hint: make room on that disk"), "{shown}");
}

#[tokio::test]
async fn a_daemon_waits_for_room_and_goes_on() {
    if !may_mount("full::a_daemon_waits_for_room_and_goes_on") {
        return;
    }
    let home = Home::with_folder("album = 'folder'").await;
    let disk = Disk::under_state(&home, SIZE);
    let mut daemon = home.daemon().await;
    let mut files = home.photos("photos", 3);
    all_made(&home, &files).await;
    disk.fill(0);
    files.extend((10..40).map(|i| home.taken(format!("photos/p{i:04}.jpg"), i, &photo(i))));
    says_that_it_is_full(&home).await;
    stays_calm(&daemon).await;
    assert!(daemon.runs());
    let said = daemon.stderr();
    let told = said.matches("the disk is full").count();
    assert!((1..=2).contains(&told), "{told} times\n{said}");
    disk.make_room();
    all_made(&home, &files).await;
    home.until_status("it is well again", |status| {
        status["database"]["state"] == "ready"
    })
    .await;
    daemon.stop().await.expect(0);
    let library = home.all_there(&files).await;
    assert_eq!(library.names_in("photos"), names(&files));
}

#[tokio::test]
async fn a_backfill_waits_for_room_and_ends_well() {
    if !may_mount("full::a_backfill_waits_for_room_and_ends_well") {
        return;
    }
    let home = Home::with_folder("album = 'folder'").await;
    let disk = Disk::under_state(&home, SIZE);
    home.run(&["backfill"]).await.expect(0);
    let files = home.photos("photos", 30);
    // Enough to begin with, and not for all of it.
    disk.fill(ENOUGH_TO_BEGIN);
    let backfill = home.start(&["backfill", "-v"]);
    says_that_it_is_full(&home).await;
    stays_calm(&backfill).await;
    disk.make_room();
    backfill.ended().await.expect(0);
    let library = home.all_there(&files).await;
    assert_eq!(library.names_in("photos"), names(&files));
}

#[tokio::test]
async fn one_that_must_not_wait_ends_with_work_left() {
    if !may_mount("full::one_that_must_not_wait_ends_with_work_left") {
        return;
    }
    let home = Home::with_folder("").await;
    let disk = Disk::under_state(&home, SIZE);
    home.run(&["backfill"]).await.expect(0);
    let files = home.photos("photos", 30);
    disk.fill(ENOUGH_TO_BEGIN);
    let ran = home.run(&["backfill", "--no-wait"]).await;
    assert_eq!(ran.code, Some(5), "{ran:?}");
    disk.make_room();
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn one_that_must_not_wait_ends_also_if_a_daemon_does_the_work() {
    if !may_mount("full::one_that_must_not_wait_ends_also_if_a_daemon_does_the_work") {
        return;
    }
    // Not even the order can be left; or it can, and the files that it finds cannot.
    for room in [0, 160] {
        let home = Home::with_folder("album = 'folder'").await;
        let disk = Disk::under_state(&home, SIZE);
        let daemon = home.daemon().await;
        disk.fill(room);
        let files = home.photos("photos", 40);
        let ran = home.run(&["backfill", "--no-wait"]).await;
        assert_eq!(ran.code, Some(5), "{room}: {ran:?}");
        assert!(ran.stderr.contains("the disk is full"), "{ran:?}");
        assert!(ran.stderr.contains("hint: make room"), "{ran:?}");
        disk.make_room();
        all_made(&home, &files).await;
        daemon.stop().await.expect(0);
    }
}

#[tokio::test]
async fn one_that_a_daemon_does_waits_for_room_and_ends_well() {
    if !may_mount("full::one_that_a_daemon_does_waits_for_room_and_ends_well") {
        return;
    }
    for room in [0, 160] {
        let home = Home::with_folder("album = 'folder'").await;
        let disk = Disk::under_state(&home, SIZE);
        let daemon = home.daemon().await;
        disk.fill(room);
        let files = home.photos("photos", 40);
        let mut backfill = home.start(&["backfill"]);
        says_that_it_is_full(&home).await;
        stays_calm(&backfill).await;
        assert!(backfill.runs(), "{}", backfill.stderr());
        disk.make_room();
        let ran = backfill.ended().await.expect(0);
        let told = ran.stderr.matches("the disk is full").count();
        assert_eq!(told, usize::from(room == 0), "{ran:?}");
        home.all_there(&files).await;
        daemon.stop().await.expect(0);
    }
}

#[tokio::test]
async fn at_the_start_it_is_told_and_a_later_start_works() {
    if !may_mount("full::at_the_start_it_is_told_and_a_later_start_works") {
        return;
    }
    let home = Home::with_folder("").await;
    let disk = Disk::under_state(&home, SIZE);
    home.run(&["backfill"]).await.expect(0);
    let files = home.photos("photos", 5);
    disk.fill(0);
    // Not even the files that a reader needs beside the database can be made.
    home.status().await;
    // Not 2: the service manager is to start it again.
    for command in ["daemon", "backfill"] {
        let ran = home.run(&[command]).await.expect(70);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
        assert!(ran.stderr.contains("full"), "{}", ran.stderr);
    }
    home.status().await;
    disk.make_room();
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn the_only_upload_under_way_is_not_forgotten() {
    if !may_mount("full::the_only_upload_under_way_is_not_forgotten") {
        return;
    }
    let home = Home::with_folder("").await;
    let disk = Disk::under_state(&home, SIZE);
    let daemon = home.daemon().await;
    home.fault("uploads.raw", Some(1), json!({"delay_ms": 1500}))
        .await;
    let file = home.taken("photos/a.jpg", 1, &photo(1));
    home.until_status("it is on its way", |status| {
        status["items"]["uploading"] == 1
    })
    .await;
    disk.fill(0);
    daemon.says(&["uploads wait"]).await;
    disk.make_room();
    home.until_status("it is made", |status| status["items"]["created"] == 1)
        .await;
    home.all_there(&[file]).await;
}

#[tokio::test]
async fn killed_while_it_is_full_nothing_is_lost() {
    if !may_mount("full::killed_while_it_is_full_nothing_is_lost") {
        return;
    }
    let home = Home::with_folder("album = 'folder'").await;
    let disk = Disk::under_state(&home, SIZE);
    home.run(&["backfill"]).await.expect(0);
    let files = home.photos("photos", 30);
    // Less is told at the start, which ends there.
    for room in [120, 180, 240] {
        disk.fill(room);
        let mut backfill = home.start(&["backfill", "-v"]);
        while home.status().await["database"]["state"] != "disk_full" {
            assert!(backfill.runs(), "{room}: {}", backfill.stderr());
        }
        backfill.kill();
        disk.make_room();
    }
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["photos"]);
    assert_eq!(library.names_in("photos"), names(&files));
}
