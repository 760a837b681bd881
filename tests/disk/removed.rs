//! Somebody removes, replaces or damages the database while the daemon works with it.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

use super::{
    all_made,
    support::{
        child::{Ran, Running},
        home::Home,
        media::photo,
    },
};

/// A daemon that has made some items, and will make more.
async fn working() -> (Home, Running, Vec<PathBuf>) {
    let home = Home::with_folder("album = 'folder'").await;
    let daemon = home.daemon().await;
    let files = home.photos("photos", 5);
    all_made(&home, &files).await;
    (home, daemon, files)
}

fn another(home: &Home, files: &mut Vec<PathBuf>) {
    files.push(home.taken("photos/q.jpg", 90, &photo(90)));
}

/// It ends by itself, with words and a remedy.
async fn ends(daemon: Running, words: &str) -> Ran {
    let ran = daemon.ended().await.expect(2);
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    assert!(ran.stderr.lines().count() < 100, "{}", ran.stderr);
    ran
}

#[tokio::test]
async fn a_removed_database_is_noticed_and_comes_back_whole() {
    let (home, daemon, mut files) = working().await;
    let sent = home.library().await.bytes_received();
    fs::remove_file(home.path("state/albumen.db")).unwrap();
    let ran = ends(daemon, "was removed").await;
    assert!(
        ran.stderr.contains("saved as the newest backup"),
        "{}",
        ran.stderr
    );
    // It is not made anew: that one would know nothing.
    let ran = home.run(&["daemon"]).await.expect(2);
    assert!(ran.stderr.contains("albumen restore"), "{}", ran.stderr);
    home.run(&["restore"]).await.expect(0);
    another(&home, &mut files);
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["photos"]);
    let new = fs::metadata(files.last().unwrap()).unwrap().len();
    assert_eq!(
        library.bytes_received(),
        sent + new,
        "nothing went up again"
    );
}

#[tokio::test]
async fn a_replaced_database_is_not_written() {
    let (home, daemon, mut files) = working().await;
    let other = home.path("other.db");
    fs::copy(home.path("state/albumen.db"), &other).unwrap();
    fs::rename(&other, home.path("state/albumen.db")).unwrap();
    ends(daemon, "was removed, replaced").await;
    home.run(&["restore"]).await.expect(0);
    another(&home, &mut files);
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_removed_log_is_no_loss() {
    let (home, daemon, mut files) = working().await;
    fs::remove_file(home.path("state/albumen.db-wal")).unwrap();
    let ran = ends(daemon, "all that it held is in the database").await;
    assert!(ran.stderr.contains("start albumen again"), "{}", ran.stderr);
    assert_eq!(home.status().await["items"]["created"], 5);
    another(&home, &mut files);
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_database_that_is_cut_short_is_noticed() {
    let (home, daemon, mut files) = working().await;
    // What a daemon has only in its log is in the file after its end.
    daemon.stop().await.expect(0);
    let daemon = home.daemon().await;
    let file = File::options()
        .write(true)
        .open(home.path("state/albumen.db"));
    file.unwrap().set_len(8192).unwrap();
    another(&home, &mut files);
    ends(daemon, "cut short").await;
    recovers(&home, &files).await;
}

#[tokio::test]
async fn a_damaged_database_is_noticed() {
    let (home, daemon, mut files) = working().await;
    daemon.stop().await.expect(0);
    let path = home.path("state/albumen.db");
    let daemon = home.daemon().await;
    let file = File::options().write(true).open(&path).unwrap();
    let len = fs::metadata(&path).unwrap().len();
    file.write_all_at(&vec![0; usize::try_from(len).unwrap() - 4096], 4096)
        .unwrap();
    another(&home, &mut files);
    // What it has in memory is good; what it reads is not.
    home.photos("photos/more", 40);
    let ran = daemon.ended().await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("albumen restore"), "{}", ran.stderr);
    assert!(ran.stderr.lines().count() < 100, "{}", ran.stderr);
    fs::remove_dir_all(home.path("photos/more")).unwrap();
    for command in ["daemon", "backfill"] {
        let ran = home.run(&[command]).await.expect(2);
        assert!(ran.stderr.contains("albumen restore"), "{}", ran.stderr);
    }
}

/// A database that is lost for good is made anew from what the service has.
async fn recovers(home: &Home, files: &[PathBuf]) {
    for name in ["albumen.db", "albumen.db-wal", "albumen.db-shm"] {
        // Some of them may be gone already.
        let _ = fs::remove_file(home.path("state").join(name));
    }
    home.run(&["rebuild"]).await.expect(0);
    home.backfill().await;
    let library = home.all_there(files).await;
    assert_eq!(library.titles(), ["photos"]);
}

#[tokio::test]
async fn what_a_kill_left_is_copied_with_its_log_and_works_elsewhere() {
    let (home, daemon, mut files) = working().await;
    daemon.kill();
    let state = home.path("state");
    let copy = home.path("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(&state).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
    }
    // The index of the log is of no use elsewhere, and of no harm.
    let mut shm = File::options()
        .append(true)
        .open(copy.join("albumen.db-shm"))
        .unwrap();
    shm.write_all(&[7; 64]).unwrap();
    fs::rename(&state, home.path("old")).unwrap();
    fs::rename(&copy, &state).unwrap();
    assert_eq!(home.status().await["items"]["created"], 5);
    another(&home, &mut files);
    home.backfill().await;
    home.all_there(&files).await;
}
