//! Disks that come and go inside of the folders, or over them.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use support::{
    child::Running,
    disk::{Disk, may_mount},
    home::{Home, LOOK, PATIENCE, names},
    media::photo,
};

const REMOVE: &str = "albums.batchRemoveMediaItems";
const REMOVES: &str = "album = 'folder'\non_delete = 'remove-from-album'";

/// A home that keeps albums in step and looks again every second, with a disk beside the folders.
async fn with_disk() -> (Home, Disk) {
    let mut home = Home::with_folder(REMOVES).await;
    home.set("watch.rescan", "'1s'");
    fs::create_dir(home.path("disk")).unwrap();
    let disk = Disk::over(&home, "disk");
    (home, disk)
}

async fn made(home: &Home, n: usize) {
    home.until_status("all is made", |status| {
        status["items"]["created"] == n && status["placements"]["wanted"] == 0
    })
    .await;
}

/// Waits until the folder is told as away.
async fn told_away(home: &Home, daemon: &Running, folder: &str) {
    let path = home.path(folder).display().to_string();
    home.until_status("it is told", |status| status["away"][0] == path)
        .await;
    daemon
        .says(&["is left alone for now: the disk that was mounted there is not"])
        .await;
}

/// Waits until these very files, as they are now, are known by their content.
async fn are_read(home: &Home, files: &[PathBuf]) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(home.path("state/albumen.db"), flags).unwrap();
    let sql = "SELECT count(*) FROM files WHERE state = 'attached' AND dev = ?1 AND inode = ?2";
    let is_read = |file: &PathBuf| {
        let there = fs::metadata(file).unwrap();
        let known = (there.dev() as i64, there.ino() as i64);
        db.query_row(sql, known, |row| row.get::<_, i64>(0)) == Ok(1)
    };
    let since = tokio::time::Instant::now();
    while !files.iter().all(is_read) {
        assert!(since.elapsed() < PATIENCE, "they are not read");
        tokio::time::sleep(LOOK).await;
    }
}

/// Deletes a file that the daemon sees, and waits until its photo has left: whatever was missed before
/// it would have left with it.
async fn deletes(home: &Home, file: &Path, album: &str, left: &[PathBuf]) {
    fs::remove_file(file).unwrap();
    home.until("it has left", |library| {
        library.names_in(album) == names(left)
    })
    .await;
}

#[tokio::test]
async fn what_is_on_a_disk_inside_of_a_folder_is_away_with_it() {
    if !may_mount("what_is_on_a_disk_inside_of_a_folder_is_away_with_it") {
        return;
    }
    let (home, _disk) = with_disk().await;
    fs::create_dir(home.path("photos/card")).unwrap();
    let card = Disk::shown_at(&home, "disk", "photos/card");
    let files = home.photos("photos/Crete", 3);
    let on_card = home.photos("photos/card/Rome", 3);
    let daemon = home.daemon().await;
    made(&home, 3).await;
    let ends = home.until("both", |library| library.names_in("Rome").len() == 3);
    ends.await;
    drop(card);
    // What somebody leaves at the place of the disk is none of it.
    home.taken("photos/card/Rome/late.jpg", 9, &photo(9));
    home.write("photos/card/NOT_MOUNTED.txt", b"x");
    told_away(&home, &daemon, "photos/card").await;
    deletes(&home, &files[0], "Crete", &files[1..]).await;
    let library = home.library().await;
    assert_eq!(library.names_in("Rome"), names(&on_card));
    assert_eq!((library.calls(REMOVE), library.n_items()), (1, 3));
    let said = daemon.stderr();
    assert_eq!(said.matches("is left alone for now").count(), 1, "{said}");

    // A daemon that starts without the disk knows it, too.
    daemon.stop().await.expect(0);
    let daemon = home.daemon().await;
    told_away(&home, &daemon, "photos/card").await;
    let card = Disk::shown_at(&home, "disk", "photos/card");
    home.until_status("it is back", |status| {
        status["away"] == serde_json::json!([])
    })
    .await;
    deletes(&home, &on_card[0], "Rome", &on_card[1..]).await;
    drop(card);
    // The folder of the disk may go with it.
    fs::remove_dir_all(home.path("photos/card")).unwrap();
    told_away(&home, &daemon, "photos/card").await;
    deletes(&home, &files[1], "Crete", &files[2..]).await;
    let library = home.library().await;
    assert_eq!(library.names_in("Rome"), names(&on_card[1..]));
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_folder_whose_disk_is_not_mounted_is_away_whatever_is_below_it() {
    if !may_mount("a_folder_whose_disk_is_not_mounted_is_away_whatever_is_below_it") {
        return;
    }
    let (home, _disk) = with_disk().await;
    home.taken("photos/Crete/p0000.jpg", 0, &photo(700));
    let mounted = Disk::shown_at(&home, "disk", "photos");
    let files = home.photos("photos/Crete", 4);
    let daemon = home.daemon().await;
    made(&home, 4).await;
    drop(mounted);
    told_away(&home, &daemon, "photos").await;
    daemon.stop().await.expect(0);
    let daemon = home.daemon().await;
    told_away(&home, &daemon, "photos").await;
    let mounted = Disk::shown_at(&home, "disk", "photos");
    deletes(&home, &files[3], "Crete", &files[..3]).await;
    assert_eq!(home.library().await.n_items(), 4);

    // Copied into the plain folder, all is as it was.
    drop(mounted);
    let copied = fs::read_dir(home.path("disk/Crete")).unwrap();
    for entry in copied {
        let entry = entry.unwrap();
        fs::copy(
            entry.path(),
            home.path("photos/Crete").join(entry.file_name()),
        )
        .unwrap();
    }
    home.until_status("it is there", |status| {
        status["away"] == serde_json::json!([])
    })
    .await;
    // What is deleted before it was read here is nobody's: it could have been anything.
    are_read(&home, &files[..3]).await;
    deletes(&home, &files[2], "Crete", &files[..2]).await;
    assert_eq!(home.library().await.n_items(), 4);
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_folder_in_which_nothing_is_left_but_other_files_is_away() {
    let mut home = Home::with_folder(REMOVES).await;
    home.set("watch.rescan", "'1s'");
    home.write("photos/NOT_MOUNTED.txt", b"x");
    let files = home.photos("photos/Crete", 3);
    let daemon = home.daemon().await;
    made(&home, 3).await;
    fs::rename(home.path("photos/Crete"), home.path("elsewhere")).unwrap();
    daemon
        .says(&["it is empty, and there were files in it"])
        .await;
    fs::rename(home.path("elsewhere"), home.path("photos/Crete")).unwrap();
    deletes(&home, &files[0], "Crete", &files[1..]).await;
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_disk_that_is_mounted_over_a_folder_or_inside_of_it_is_noticed_at_once() {
    if !may_mount("a_disk_that_is_mounted_over_a_folder_or_inside_of_it_is_noticed_at_once") {
        return;
    }
    let mut home = Home::with_folder(REMOVES).await;
    home.folder("other", REMOVES);
    fs::create_dir(home.path("other/card")).unwrap();
    let first = home.taken("other/Crete/p0000.jpg", 0, &photo(100));
    let daemon = home.daemon().await;
    made(&home, 1).await;
    let _photos = Disk::over(&home, "photos");
    let _card = Disk::over(&home, "other/card");
    let mut files = vec![first];
    files.push(home.taken("photos/a.jpg", 1, &photo(101)));
    files.push(home.taken("other/card/b.jpg", 2, &photo(102)));
    made(&home, 3).await;
    // And it is watched: nothing else looks again before an hour is over.
    files.push(home.taken("photos/c.jpg", 3, &photo(103)));
    files.push(home.taken("other/card/d.jpg", 4, &photo(104)));
    made(&home, 5).await;
    daemon.stop().await.expect(0);
    home.all_there(&files).await;
}
