//! The database is backed up, may be lost, and comes back; and nothing is there twice afterwards.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use serde_json::json;

use support::{
    home::{Home, LOOK, PATIENCE, names},
    media::photo,
};

const DB: &str = "state/albumen.db";

fn backup(n: u32) -> String {
    format!("{DB}.backup-{n}")
}

/// Runs the daemon until it has written the newest backup anew.
async fn let_daemon_back_up(home: &Home) {
    let newest = home.path(backup(1));
    let before = fs::metadata(&newest).and_then(|it| it.modified()).ok();
    let daemon = home.daemon().await;
    let since = tokio::time::Instant::now();
    while fs::metadata(&newest).and_then(|it| it.modified()).ok() == before {
        assert!(since.elapsed() < PATIENCE, "no backup; {}", daemon.stderr());
        tokio::time::sleep(LOOK).await;
    }
    daemon.stop().await.expect(0);
}

fn lose_the_database(home: &Home) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(home.path(format!("{DB}{end}")));
    }
}

/// A home with two albums at the service, of which the backup knows the first.
async fn with_a_backup() -> (Home, Vec<PathBuf>) {
    let home = Home::with_folder("album = 'folder'\norder = 'name'").await;
    home.until_noon().await;
    let mut files: Vec<PathBuf> = (0..3)
        .map(|n| home.taken(format!("photos/Rome/r{n}.jpg"), n, &photo(n)))
        .collect();
    home.backfill().await;
    let_daemon_back_up(&home).await;
    for n in 3..5 {
        files.push(home.taken(format!("photos/Rome/r{n}.jpg"), n, &photo(n)));
        files.push(home.taken(format!("photos/Oslo/o{n}.jpg"), n, &photo(100 + n)));
    }
    home.backfill().await;
    files.sort();
    (home, files)
}

/// What must be true however the database was lost.
async fn goes_on_as_if_nothing_had_been(home: &Home, files: &[PathBuf]) {
    home.backfill().await;
    let library = home.all_there(files).await;
    assert_eq!(library.titles(), ["Oslo", "Rome"]);
    assert_eq!(library.calls("albums.create"), 2);
    assert_eq!(library.names_in("Rome"), names(&files[2..]));
    assert_eq!(library.names_in("Oslo"), names(&files[..2]));
    let status = home.status().await;
    assert_eq!(status["items"]["created"], files.len());
    assert_eq!(status["placements"]["wanted"], 0);
    // Albums that come later are made once, too.
    let late = home.taken("photos/Lima/l.jpg", 9, &photo(999));
    home.backfill().await;
    let files: Vec<PathBuf> = files.iter().cloned().chain([late]).collect();
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["Lima", "Oslo", "Rome"]);
}

#[tokio::test]
async fn a_lost_database_is_not_made_anew_behind_a_backup_and_comes_back() {
    let (home, files) = with_a_backup().await;
    lose_the_database(&home);
    for command in ["backfill", "daemon", "verify"] {
        let ran = home.run(&[command]).await.expect(2);
        assert!(
            ran.stderr
                .contains("the database is missing, and a backup of it is there: ")
                && ran
                    .stderr
                    .contains("hint: `albumen restore` brings the backup back"),
            "{command}: {}",
            ran.stderr
        );
    }
    let ran = home.run(&["restore"]).await.expect(0);
    assert!(
        ran.stdout.contains("albumen.db.backup-1, written at "),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .contains("\n  3 items are known to be in Google Photos\n"),
        "{}",
        ran.stdout
    );
    goes_on_as_if_nothing_had_been(&home, &files).await;
}

#[tokio::test]
async fn a_damaged_database_names_the_remedy_and_is_kept_aside() {
    let (home, files) = with_a_backup().await;
    let damaged = vec![0x5a; 200_000];
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(home.path(format!("{DB}{end}")));
    }
    fs::write(home.path(DB), &damaged).unwrap();
    let ran = home.run(&["backfill"]).await.expect(2);
    assert!(
        ran.stderr
            .contains("hint: stop albumen; `albumen restore` brings its newest backup back"),
        "{}",
        ran.stderr
    );
    let ran = home.run(&["restore"]).await.expect(0);
    assert!(
        ran.stdout.contains("the database before is kept as "),
        "{}",
        ran.stdout
    );
    assert_eq!(
        fs::read(home.path(format!("{DB}.before-restore"))).unwrap(),
        damaged
    );
    goes_on_as_if_nothing_had_been(&home, &files).await;
}

#[tokio::test]
async fn a_backup_takes_the_place_of_a_good_database_and_that_one_comes_back() {
    let (home, files) = with_a_backup().await;
    let spent = home.status().await["quota"]["requests"].as_u64().unwrap();
    home.run(&["restore"]).await.expect(0);
    let status = home.status().await;
    assert_eq!(status["items"]["created"], 3);
    assert_eq!(
        status["quota"]["requests"].as_u64(),
        Some(spent),
        "the day goes on"
    );
    let before = home.path(format!("{DB}.before-restore"));
    let ran = home
        .run(&["restore", before.to_str().unwrap()])
        .await
        .expect(0);
    assert!(ran.stdout.contains("7 items are known"), "{}", ran.stdout);
    let requests = home.library().await.requests();
    home.backfill().await;
    assert_eq!(
        home.library().await.requests(),
        requests,
        "nothing was forgotten"
    );
    home.all_there(&files).await;
}

#[tokio::test]
async fn backups_roll_and_are_the_owners_alone() {
    let home = Home::with_folder("").await;
    let mut seen = Vec::new();
    for day in 0..5 {
        home.taken(format!("photos/p{day}.jpg"), day, &photo(day));
        home.backfill().await;
        home.clock(i64::try_from(day).unwrap() * 25 * 3600);
        let_daemon_back_up(&home).await;
        seen.push(fs::read(home.path(backup(1))).unwrap());
    }
    for n in 1..=3_u32 {
        let file = home.path(backup(n));
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read(&file).unwrap(), seen[5 - n as usize], "backup {n}");
    }
    let left: Vec<String> = fs::read_dir(home.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("backup"))
        .collect();
    assert_eq!(left.len(), 3, "{left:?}");
    // A damaged one is passed over.
    fs::write(home.path(backup(1)), b"torn").unwrap();
    let ran = home.run(&["restore"]).await.expect(0);
    assert!(ran.stdout.contains("backup-2"), "{}", ran.stdout);
    assert!(ran.stdout.contains("4 items are known"), "{}", ran.stdout);
}

#[tokio::test]
async fn what_is_no_backup_is_refused_and_nothing_changes() {
    let (home, files) = with_a_backup().await;
    let before = fs::read(home.path(DB)).unwrap();
    home.write("letter.txt", b"dear grandmother");
    let other = home.path("other.db");
    rusqlite::Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE recipes (name)")
        .unwrap();
    for (file, why) in [
        ("letter.txt", "it cannot be read: file is not a database"),
        ("other.db", "it is no database of Albumen"),
        ("nothing.db", "No such file"),
        ("photos", "it is no file"),
    ] {
        let ran = home.run(&["restore", file]).await.expect(2);
        assert!(ran.stderr.contains(why), "{file}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    }
    assert_eq!(fs::read(home.path(DB)).unwrap(), before);
    let daemon = home.daemon().await;
    let ran = home.run(&["restore"]).await.expect(4);
    assert!(
        ran.stderr.contains("works in this state folder"),
        "{}",
        ran.stderr
    );
    daemon.stop().await.expect(0);
    home.all_there(&files).await;
    let empty = Home::with_folder("").await;
    let ran = empty.run(&["restore"]).await.expect(2);
    assert!(
        ran.stderr.contains("there is no backup in "),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn a_restore_of_a_day_on_which_everything_failed_makes_nothing_twice() {
    let (home, files) = with_a_backup().await;
    lose_the_database(&home);
    home.run(&["restore"]).await.expect(0);
    // The list of albums cannot be had for a while: that is never "there is none".
    home.fault("albums.list", Some(2), json!("unavailable_503"))
        .await;
    goes_on_as_if_nothing_had_been(&home, &files).await;
}
