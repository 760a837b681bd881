//! Files that are still written to.

use std::io::Write as _;

use super::*;

#[tokio::test]
async fn a_young_file_settles_before_it_is_queued_and_is_not_fresh_in_a_first_scan() {
    let site = Site::new();
    site.clock_is_ahead(0);
    site.write("photos/a.jpg", "x");
    site.write("photos/empty.jpg", "");
    let folders = site.config.folders.clone();
    let run = site.start(Mode::Backfill, folders, &[]).await.unwrap();
    site.until("settled", |rows| {
        rows.len() == 2 && rows["photos/a.jpg"].state == "queued"
    })
    .await;
    site.until("refused", |rows| {
        rows["photos/empty.jpg"].state == "refused"
    })
    .await;
    assert!(!site.rows()["photos/a.jpg"].fresh);
    run.end().await;
}

#[tokio::test]
async fn a_growing_file_is_queued_only_when_it_stands_still() {
    let mut site = Site::new();
    site.clock_is_ahead(0);
    site.config.watch.settle = Duration::from_secs(1);
    let path = site.write("photos/a.mp4", "x");
    let run = site.daemon().await;
    site.until("settling", |rows| rows.len() == 1).await;
    let began = std::time::Instant::now();
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    while began.elapsed() < Duration::from_secs(3) {
        file.write_all(b"more").unwrap();
        assert_eq!(site.in_state("settling"), ["photos/a.mp4"]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(file);
    site.until("queued", |rows| rows["photos/a.mp4"].state == "queued")
        .await;
    let stored: i64 = site
        .database()
        .query_row("SELECT size FROM files", [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored as u64, fs::metadata(&path).unwrap().len());
    run.end().await;
}

#[tokio::test]
async fn a_file_that_vanishes_while_it_settles_is_gone() {
    let mut site = Site::new();
    site.clock_is_ahead(0);
    site.config.watch.settle = Duration::from_secs(1);
    let path = site.write("photos/a.jpg", "x");
    site.write("photos/b.jpg", "x");
    let run = site.daemon().await;
    site.until("settling", |rows| rows.len() == 2).await;
    fs::remove_file(path).unwrap();
    site.until("gone", |rows| rows["photos/a.jpg"].state == "gone")
        .await;
    run.end().await;
}
