//! A database that is lost where no backup of it is: nothing of what an earlier one made is made again,
//! and every command says how things are.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{fs, path::PathBuf};

use serde_json::json;

use support::{
    home::{Home, names},
    media::photo,
};

const DB: &str = "state/albumen.db";

/// A home with three albums of two photos at the service.
async fn with_albums() -> (Home, Vec<PathBuf>) {
    let home = Home::with_folder("album = 'folder'\norder = 'name'").await;
    let files = ["Lima", "Oslo", "Rome"]
        .into_iter()
        .zip(0..)
        .flat_map(|(title, at)| (0..2).map(move |n| (title, at, n)))
        .map(|(title, at, n)| {
            let path = format!("photos/{title}/{title}{n}.jpg");
            home.taken(path, n, &photo(10 * at + n))
        })
        .collect();
    home.backfill().await;
    (home, files)
}

fn empty_the_database(home: &Home) {
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(home.path(format!("{DB}{end}")));
    }
    fs::write(home.path(DB), b"").unwrap();
}

#[tokio::test]
async fn an_empty_database_makes_no_second_album_and_reads_the_list_once() {
    let (home, mut files) = with_albums().await;
    assert_eq!(
        home.library().await.calls("albums.list"),
        1,
        "before the first"
    );
    let before = home.status().await["placements"].clone();
    empty_the_database(&home);
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["Lima", "Oslo", "Rome"]);
    assert_eq!(library.calls("albums.create"), 3);
    assert_eq!(library.calls("albums.list"), 2);
    assert_eq!(home.status().await["placements"], before);
    // Albums that are new are made, and the list need not be read for them.
    files.push(home.taken("photos/Bonn/b.jpg", 9, &photo(99)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["Bonn", "Lima", "Oslo", "Rome"]);
    assert_eq!(library.calls("albums.create"), 4);
    assert_eq!(library.calls("albums.list"), 2);
}

#[tokio::test]
async fn a_state_folder_that_is_lost_makes_no_second_album_either() {
    let (home, files) = with_albums().await;
    fs::remove_dir_all(home.path("state")).unwrap();
    fs::create_dir(home.path("state")).unwrap();
    home.sign_in("another");
    // Another disk holds what is in a second folder, and that comes later.
    fs::rename(home.path("photos/Rome"), home.path("Rome")).unwrap();
    home.backfill().await;
    fs::rename(home.path("Rome"), home.path("photos/Rome")).unwrap();
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["Lima", "Oslo", "Rome"]);
    assert_eq!(library.calls("albums.create"), 3);
}

#[tokio::test]
async fn a_list_that_cannot_be_had_or_ends_in_the_middle_is_not_believed() {
    let (home, files) = with_albums().await;
    empty_the_database(&home);
    home.script(json!({"settings": {"list_oddities": true}}))
        .await;
    home.fault("albums.list", Some(3), json!("unavailable_503"))
        .await;
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.calls("albums.create"), 3);
}

#[tokio::test]
async fn what_stands_in_an_album_that_was_found_is_read_before_its_order_is_believed() {
    let home = Home::with_folder("album = 'folder'\norder = 'name'").await;
    let numbers = (0..10).chain(11..60);
    let mut files: Vec<PathBuf> = numbers
        .map(|n| home.taken(format!("photos/Rome/r{n:02}.jpg"), n, &photo(n)))
        .collect();
    home.backfill().await;
    empty_the_database(&home);
    // What is new belongs into the middle of what stands there, and nobody knows that yet.
    files.push(home.taken("photos/Rome/r10.jpg", 10, &photo(10)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["Rome"]);
    assert_eq!(library.names_in("Rome"), names(&files), "at the end");
    assert_eq!(
        library.calls("mediaItems.search"),
        1,
        "once, and not for each batch"
    );
    let said = home.run(&["albums"]).await.expect(0).stdout;
    let row: Vec<&str> = said.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["Rome", "60", "0", "1"], "{said}");
    // From then on the album is one like any other.
    files.insert(0, home.taken("photos/Rome/r00a.jpg", 61, &photo(61)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(
        library.names_in("Rome")[..3],
        ["r00.jpg", "r00a.jpg", "r01.jpg"]
    );
    assert_eq!(library.calls("mediaItems.search"), 1);
}

/// Every way in which a file of a database is damaged.
fn damages() -> [fn(Vec<u8>) -> Vec<u8>; 3] {
    [
        |mut bytes| {
            for page in bytes.chunks_mut(4096).skip(3).step_by(2) {
                page.fill(0x5a);
            }
            bytes
        },
        |bytes| bytes[..bytes.len() / 3].to_vec(),
        |mut bytes| {
            bytes[..4096].fill(0xff);
            bytes
        },
    ]
}

#[tokio::test]
async fn a_rebuild_keeps_a_damaged_database_aside_and_makes_a_new_one() {
    for damage in damages() {
        let (home, files) = with_albums().await;
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(home.path(format!("{DB}{end}")));
        }
        let damaged = damage(fs::read(home.path(DB)).unwrap());
        fs::write(home.path(DB), &damaged).unwrap();
        // A dry run changes nothing, and says how it goes on.
        let ran = home.run(&["rebuild", "--dry-run"]).await.expect(2);
        assert!(
            ran.stderr.contains("is damaged, so a rebuild would begin")
                && ran.stderr.contains("run `albumen rebuild`, which keeps"),
            "{}",
            ran.stderr
        );
        assert_eq!(fs::read(home.path(DB)).unwrap(), damaged);
        let ran = home.run(&["rebuild"]).await.expect(0);
        assert!(
            ran.stderr.contains("albumen.db.before-restore"),
            "{}",
            ran.stderr
        );
        let kept = fs::read(home.path(format!("{DB}.before-restore"))).unwrap();
        assert_eq!(kept, damaged);
        home.backfill().await;
        let library = home.all_there(&files).await;
        assert_eq!(library.titles(), ["Lima", "Oslo", "Rome"]);
        assert_eq!(library.calls("albums.create"), 3);
        assert_eq!(library.calls("albums.list"), 2, "the rebuild has read it");
    }
}

#[tokio::test]
async fn where_a_backup_is_no_command_says_that_there_is_nothing_yet() {
    let (home, _) = with_albums().await;
    fs::copy(home.path(DB), home.path(format!("{DB}.backup-1"))).unwrap();
    for is_empty in [true, false] {
        empty_the_database(&home);
        if !is_empty {
            fs::remove_file(home.path(DB)).unwrap();
        }
        for command in [
            &["status"][..],
            &["status", "--json"],
            &["albums"],
            &["retry", "--all"],
            &["explain", "photos/Rome/Rome0.jpg"],
            &["backfill", "--dry-run"],
        ] {
            let ran = home.run(command).await.expect(2);
            assert!(
                ran.stderr
                    .contains("the database is missing, and a backup of it is there: ")
                    && ran
                        .stderr
                        .contains("hint: `albumen restore` brings the backup back"),
                "{command:?}: {}",
                ran.stderr
            );
        }
        let ran = home.run(&["doctor"]).await.expect(2);
        assert!(
            ran.stdout
                .contains("BAD   database       the database is missing")
                && ran
                    .stdout
                    .contains("hint: `albumen restore` brings the backup back"),
            "{}",
            ran.stdout
        );
    }
    home.run(&["restore"]).await.expect(0);
    home.run(&["doctor"]).await.expect(0);
}

#[tokio::test]
async fn an_empty_database_is_none_yet() {
    let home = Home::with_folder("").await;
    home.backfill().await;
    empty_the_database(&home);
    let ran = home.run(&["doctor"]).await;
    assert!(
        ran.stdout
            .contains("ok    database       there is none yet"),
        "{}",
        ran.stdout
    );
    home.run(&["albums"]).await.expect(0);
    home.run(&["retry", "--all"]).await.expect(0);
}
