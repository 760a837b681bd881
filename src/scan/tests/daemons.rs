//! A daemon whose folders change.

use super::*;
use crate::config::Poll;

async fn count(site: &Site, state: &str, n: usize) {
    site.until(&format!("{n} are {state}"), |rows| {
        rows.values().filter(|row| row.state == state).count() == n
    })
    .await;
}

#[tokio::test]
async fn files_written_right_after_mkdir_are_all_queued_and_fresh() {
    let site = Site::new();
    let run = site.daemon().await;
    site.scanned().await;
    for n in 0..40 {
        site.write(&format!("photos/a{n}/b/c/x.jpg"), "x");
        site.write(&format!("photos/a{n}/b/y.jpg"), "x");
    }
    count(&site, "queued", 80).await;
    assert!(site.rows().values().all(|row| row.fresh));
    run.end().await;
}

#[tokio::test]
async fn a_storm_of_more_events_than_the_queue_holds_misses_nothing() {
    let site = Site::new();
    let run = site.daemon().await;
    site.scanned().await;
    for n in 0..5_000 {
        site.write(&format!("photos/{}/{n}/x.jpg", n % 50), "x");
    }
    count(&site, "queued", 5_000).await;
    run.end().await;
}

#[tokio::test]
async fn a_folder_moved_in_and_a_renamed_file_are_queued() {
    let site = Site::new();
    site.write("outside/trip/day/a.jpg", "x");
    site.write("photos/b.jpg", "x");
    let run = site.daemon().await;
    site.scanned().await;
    fs::rename(site.path("outside/trip"), site.path("photos/trip")).unwrap();
    fs::rename(site.path("photos/b.jpg"), site.path("photos/c.jpg")).unwrap();
    let is = |rows: &BTreeMap<String, Row>, path: &str, state: &str| {
        rows.get(path).is_some_and(|row| row.state == state)
    };
    site.until("the new names are queued and the old one is gone", |rows| {
        is(rows, "photos/trip/day/a.jpg", "queued")
            && is(rows, "photos/c.jpg", "queued")
            && is(rows, "photos/b.jpg", "gone")
    })
    .await;

    fs::rename(site.path("photos/trip"), site.path("outside/trip")).unwrap();
    site.until("what left with its folder is gone", |rows| {
        is(rows, "photos/trip/day/a.jpg", "gone")
    })
    .await;
    fs::rename(site.path("outside/trip"), site.path("photos/trip")).unwrap();
    site.until("what came back is queued", |rows| {
        is(rows, "photos/trip/day/a.jpg", "queued")
    })
    .await;
    run.end().await;
}

#[tokio::test]
async fn it_takes_two_scans_to_miss_a_file_and_one_to_find_it_again() {
    let mut site = Site::new();
    site.config.watch.poll = Poll::Always;
    let path = site.write("photos/a.jpg", "x");
    site.write("photos/b.jpg", "x");
    let run = site.daemon().await;
    site.scanned().await;
    let kept = site.path("kept.jpg");
    fs::rename(&path, &kept).unwrap();
    run.requests.scan(Vec::new()).await.unwrap();
    let missed = |site: &Site| {
        let row = &site.rows()["photos/a.jpg"];
        (row.state.clone(), row.missed)
    };
    assert_eq!(missed(&site), ("queued".to_owned(), 1));
    fs::rename(&kept, &path).unwrap();
    run.requests.scan(Vec::new()).await.unwrap();
    assert_eq!(missed(&site), ("queued".to_owned(), 0));
    fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        run.requests.scan(Vec::new()).await.unwrap();
    }
    assert_eq!(missed(&site), ("gone".to_owned(), 0));
    run.end().await;
}

#[tokio::test]
async fn what_is_below_an_unreadable_folder_is_not_missed() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut site = Site::new();
    site.config.watch.poll = Poll::Always;
    site.write("photos/a/b/c.jpg", "x");
    site.write("photos/d.jpg", "x");
    let run = site.daemon().await;
    site.scanned().await;
    let mode = |mode| {
        fs::set_permissions(site.path("photos/a"), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o000);
    // Whoever may read everything cannot be kept out.
    let is_kept_out = fs::read_dir(site.path("photos/a")).is_err();
    for _ in 0..3 {
        run.requests.scan(Vec::new()).await.unwrap();
    }
    mode(0o755);
    let row = site.rows()["photos/a/b/c.jpg"].clone();
    assert_eq!(
        (row.state.as_str(), row.missed),
        ("queued", 0),
        "kept out: {is_kept_out}"
    );
    run.end().await;
}

#[tokio::test]
async fn what_raises_no_events_is_found_by_the_rescan() {
    let mut site = Site::new();
    site.config.watch.poll = Poll::Always;
    site.config.watch.rescan = Duration::from_millis(200);
    let run = site.daemon().await;
    site.scanned().await;
    site.write("photos/new/a.jpg", "x");
    count(&site, "queued", 1).await;
    run.end().await;
}

#[tokio::test]
async fn a_root_that_goes_away_and_comes_back_is_noticed_by_the_rescan() {
    let mut site = Site::new();
    site.config.watch.rescan = Duration::from_millis(300);
    site.write("photos/a.jpg", "x");
    let run = site.daemon().await;
    site.scanned().await;
    site.until("open", |rows| {
        rows.values().all(|row| row.open) && rows.len() == 1
    })
    .await;
    fs::rename(site.path("photos"), site.path("elsewhere")).unwrap();
    site.until("away", |rows| rows["photos/a.jpg"].away).await;
    fs::write(site.path("elsewhere/b.jpg"), "x").unwrap();
    fs::rename(site.path("elsewhere"), site.path("photos")).unwrap();
    count(&site, "queued", 2).await;
    site.until("open again", |rows| {
        rows.values().all(|row| row.open && !row.away)
    })
    .await;
    run.end().await;
}

#[tokio::test]
async fn a_root_that_is_replaced_is_watched_again() {
    let site = Site::new();
    site.write("photos/a.jpg", "x");
    site.write("other/b.jpg", "x");
    let run = site.daemon().await;
    site.scanned().await;
    count(&site, "queued", 1).await;
    fs::rename(site.path("photos"), site.path("elsewhere")).unwrap();
    fs::rename(site.path("other"), site.path("photos")).unwrap();
    site.until("the other one is scanned", |rows| {
        rows.contains_key("photos/b.jpg")
    })
    .await;
    site.write("photos/c.jpg", "x");
    site.until("and watched", |rows| rows.contains_key("photos/c.jpg"))
        .await;
    run.end().await;
}

#[tokio::test]
async fn a_restarted_daemon_opens_what_it_knows_at_once_and_finds_what_is_new() {
    let site = Site::new();
    site.write("photos/a.jpg", "x");
    site.backfill().await;
    site.write("photos/b.jpg", "x");
    let run = site.daemon().await;
    site.until("open", |rows| rows["photos/a.jpg"].open).await;
    count(&site, "queued", 2).await;
    assert!(site.rows()["photos/b.jpg"].fresh);
    run.end().await;
}

#[tokio::test]
async fn an_order_scans_a_path_that_the_daemon_did_not_know() {
    let site = Site::new();
    site.write("elsewhere/a.jpg", "x");
    let run = site.daemon().await;
    site.scanned().await;
    run.requests
        .scan(vec![site.path("elsewhere")])
        .await
        .unwrap();
    let row = site.rows()["elsewhere/a.jpg"].clone();
    assert_eq!((row.state.as_str(), row.open), ("queued", true));
    let error = run
        .requests
        .scan(vec![site.path("nowhere")])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nowhere"));
    run.end().await;
}
