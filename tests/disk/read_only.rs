//! A state folder that cannot be written.

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
    assert!(status["database"]["remedy"].is_string(), "{status:#}");
    stays_calm(&daemon).await;
    shim.rules(&[]);
    all_made(&home, &files).await;
    daemon.stop().await.expect(0);
}
