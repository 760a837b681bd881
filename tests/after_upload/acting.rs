//! Files that are moved or deleted, and how.

use std::{fs, path::Path};

use crate::{
    DELETE, MOVE, below, contents, explained, has_all, home,
    support::{
        home::{Home, names},
        media::{photo, video},
    },
};

#[tokio::test]
async fn a_backfill_deletes_what_was_read_back_and_nothing_else() {
    let home = home(DELETE).await;
    let files = home.photos("photos", 60);
    home.write("photos/notes.txt", b"keep me");
    let bytes = contents(&files);
    home.backfill().await;
    assert_eq!(below(&home, "photos"), ["notes.txt"]);
    let library = home.library().await;
    has_all(&library, &bytes);
    assert_eq!(library.names_in("Rome"), names(&files));
    assert_eq!(library.calls("mediaItems.batchGet"), 2, "50 and 10");
    let status = home.status().await;
    assert_eq!(status["after_upload"]["done"], 60);
    assert_eq!(status["after_upload"]["waiting"], 0);
    // A second run finds nothing to do, and takes nothing for deleted by somebody.
    let requests = library.requests();
    home.backfill().await;
    assert_eq!(home.library().await.requests(), requests);
}

#[tokio::test]
async fn a_moved_file_keeps_its_folders_its_time_and_its_bytes() {
    let home = home(MOVE).await;
    let one = home.taken("photos/2024/May/a.jpg", 1, &photo(1));
    home.taken("photos/b.jpg", 2, &photo(2));
    let modified = fs::metadata(&one).unwrap().modified().unwrap();
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert_eq!(below(&home, "done"), ["2024/May/a.jpg", "b.jpg"]);
    let moved = home.path("done/2024/May/a.jpg");
    assert_eq!(fs::read(&moved).unwrap(), photo(1));
    assert_eq!(fs::metadata(&moved).unwrap().modified().unwrap(), modified);
    let said = explained(&home, &one).await;
    assert!(
        said.contains("There is no such file any more.\nIt is in Google Photos.\n")
            && said.contains("Albumen moved it to HOME/done/2024/May/a.jpg (at "),
        "{said}"
    );
}

#[tokio::test]
async fn nothing_is_overwritten_and_the_reason_is_told() {
    let home = home(MOVE).await;
    let file = home.taken("photos/a.jpg", 1, &photo(1));
    home.write("done/a.jpg", b"another picture");
    let ran = home.backfill().await;
    assert_eq!(
        fs::read(home.path("done/a.jpg")).unwrap(),
        b"another picture"
    );
    assert_eq!(fs::read(&file).unwrap(), photo(1));
    let reason = "done/a.jpg is there already, and nothing is overwritten";
    assert_eq!(ran.stderr.matches(reason).count(), 1, "{}", ran.stderr);
    let said = explained(&home, &file).await;
    assert!(
        said.contains(&format!("The file stays where it is: HOME/{reason}.")),
        "{said}"
    );
    assert_eq!(home.status().await["after_upload"]["staying"], 1);
    // Once there is room it goes.
    fs::remove_file(home.path("done/a.jpg")).unwrap();
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert_eq!(fs::read(home.path("done/a.jpg")).unwrap(), photo(1));
}

#[tokio::test]
async fn links_are_left_alone_and_second_names_and_copies_go_each_by_itself() {
    let home = home("after_upload = 'move:done'\nfollow_symlinks = true").await;
    home.taken("photos/a.jpg", 1, &photo(1));
    home.taken("photos/copy.jpg", 2, &photo(1));
    home.taken("photos/real/b.jpg", 3, &photo(2));
    fs::hard_link(home.path("photos/a.jpg"), home.path("photos/name.jpg")).unwrap();
    fs::hard_link(home.path("photos/a.jpg"), home.path("outside.jpg")).unwrap();
    std::os::unix::fs::symlink("real/b.jpg", home.path("photos/link.jpg")).unwrap();
    home.backfill().await;
    assert_eq!(
        below(&home, "done"),
        ["a.jpg", "copy.jpg", "name.jpg", "real/b.jpg"]
    );
    assert_eq!(below(&home, "photos"), ["link.jpg"]);
    assert_eq!(fs::read(home.path("outside.jpg")).unwrap(), photo(1));
    assert_eq!(home.library().await.n_items(), 2);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_said_once_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        // Nothing is forbidden to root; a file system that is read-only would be.
        return;
    }
    let home = home(DELETE).await;
    let files = home.photos("photos", 20);
    fs::set_permissions(home.path("photos"), PermissionsExt::from_mode(0o500)).unwrap();
    let ran = home.backfill().await;
    assert_eq!(
        ran.stderr.matches("cannot take files out of").count(),
        1,
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("ReadWritePaths="), "{}", ran.stderr);
    assert_eq!(below(&home, "photos").len(), files.len());
    fs::set_permissions(home.path("photos"), PermissionsExt::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn a_file_goes_to_another_file_system_whole() {
    let shm = Path::new("/dev/shm");
    let Ok(elsewhere) = tempfile::tempdir_in(shm) else {
        return;
    };
    let target = elsewhere.path().to_str().unwrap();
    let home = home(&format!("after_upload = 'move:{target}'")).await;
    let file = home.taken("photos/2024/a.mp4", 1, &video(1, 3_000_000));
    let before = fs::metadata(&file).unwrap();
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    let moved = elsewhere.path().join("2024/a.mp4");
    assert_eq!(fs::read(&moved).unwrap(), video(1, 3_000_000));
    let after = fs::metadata(&moved).unwrap();
    assert_eq!(after.modified().unwrap(), before.modified().unwrap());
    assert_eq!(after.permissions(), before.permissions());
    assert_eq!(fs::read_dir(moved.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_daemon_does_it_quietly_when_the_grace_has_passed() {
    let mut home = home(MOVE).await;
    home.set("verify.after", "'10m'");
    let files = home.photos("photos", 3);
    let bytes = contents(&files);
    let daemon = home.daemon().await;
    home.until_status("made", |status| status["after_upload"]["waiting"] == 3)
        .await;
    assert_eq!(below(&home, "photos").len(), 3);
    // An early question proves nothing about the time of the grace.
    home.run(&["verify"]).await.expect(0);
    assert_eq!(below(&home, "photos").len(), 3);
    daemon.stop().await.expect(0);
    // Ten minutes, and an hour for company.
    home.pass(71 * 60).await;
    let daemon = home.daemon().await;
    home.until_status("moved", |status| status["after_upload"]["done"] == 3)
        .await;
    assert_eq!(below(&home, "done").len(), 3);
    daemon.stop().await.expect(0);
    has_all(&home.library().await, &bytes);
}

#[tokio::test]
async fn a_folder_that_is_told_to_act_later_has_everything_read_back_first() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.photos("photos", 3);
    home.backfill().await;
    home.set("verify.after", "'0s'");
    let rules = fs::read_to_string(home.path("config.toml")).unwrap();
    let rules = rules.replace("album = 'name:Rome'", DELETE);
    fs::write(home.path("config.toml"), rules).unwrap();
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert_eq!(home.library().await.calls("mediaItems.batchGet"), 1);
}

#[tokio::test]
async fn a_dry_run_says_which_files_would_go_and_touches_none() {
    for (rules, words) in [
        (DELETE, "3  deleted from HOME/photos"),
        (MOVE, "3  moved from HOME/photos to HOME/done"),
    ] {
        let home = home(rules).await;
        home.photos("photos", 3);
        let ran = home.run(&["backfill", "--dry-run"]).await.expect(0);
        let said = ran.stdout.replace(home.path("").to_str().unwrap(), "HOME/");
        assert!(
            said.contains("once Google Photos was asked for it"),
            "{said}"
        );
        assert!(said.contains(words), "{said}");
        assert_eq!(below(&home, "photos").len(), 3);
    }
}
