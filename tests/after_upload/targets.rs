//! Folders that files are moved to and that are not there: nothing is made in their place.

use std::{fs, process::Command};

use crate::{
    MOVE, below, explained, home,
    support::{disk, media::photo},
};

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_made_and_its_files_go_once_it_is() {
    let home = home(MOVE).await;
    fs::remove_dir(home.path("done")).unwrap();
    let file = home.taken("photos/a.jpg", 1, &photo(1));
    home.taken("photos/b.jpg", 2, &photo(2));
    let said = home.run(&["backfill", "--dry-run"]).await.expect(0).stdout;
    assert!(said.contains("done, which is not there"), "{said}");
    let ran = home.backfill().await;
    assert_eq!(below(&home, "photos"), ["a.jpg", "b.jpg"]);
    assert!(!home.path("done").exists());
    let reason = "done is not there";
    assert_eq!(ran.stderr.matches(reason).count(), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: mount the disk"),
        "{}",
        ran.stderr
    );
    let said = explained(&home, &file).await;
    let stays = format!("The file stays where it is: the folder HOME/{reason}.");
    assert!(said.contains(&stays), "{said}");
    let daemon = home.daemon().await;
    home.until_status("they stay", |status| status["after_upload"]["staying"] == 2)
        .await;
    // It looks each minute, and when something moves.
    fs::create_dir(home.path("done")).unwrap();
    home.taken("photos/c.jpg", 3, &photo(3));
    home.until_status("moved", |status| status["after_upload"]["done"] == 3)
        .await;
    daemon.stop().await.expect(0);
    assert_eq!(below(&home, "done"), ["a.jpg", "b.jpg", "c.jpg"]);
}

#[tokio::test]
async fn nothing_is_moved_to_where_a_disk_is_not_mounted() {
    if !disk::may_mount("targets::nothing_is_moved_to_where_a_disk_is_not_mounted") {
        return;
    }
    for (folder, mount) in [("disk", "disk"), ("disk/archive", "disk")] {
        let home = home(&format!("after_upload = 'move:{folder}'")).await;
        fs::create_dir(home.path(mount)).unwrap();
        // There may be something below the mount.
        home.write(format!("{folder}/not mounted.txt"), b"");
        let at = home.path(mount);
        let mounted = |mounted: bool| {
            let mut command = if mounted {
                let mut command = Command::new("mount");
                command.args(["-t", "tmpfs", "none"]);
                command
            } else {
                Command::new("umount")
            };
            assert!(command.arg(&at).status().unwrap().success());
        };
        mounted(true);
        fs::create_dir_all(home.path(folder)).unwrap();
        home.taken("photos/a.jpg", 1, &photo(1));
        home.backfill().await;
        assert_eq!(below(&home, folder), ["a.jpg"]);
        mounted(false);
        home.taken("photos/b.jpg", 2, &photo(2));
        let ran = home.backfill().await;
        assert_eq!(below(&home, "photos"), ["b.jpg"]);
        assert_eq!(below(&home, folder), ["not mounted.txt"]);
        let reason = "disk, which is not mounted";
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
        mounted(true);
        fs::create_dir_all(home.path(folder)).unwrap();
        home.backfill().await;
        assert_eq!(below(&home, folder), ["b.jpg"]);
        mounted(false);
    }
}
