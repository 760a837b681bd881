//! Days of work in seconds: both clocks are moved together, files come, and what the process holds
//! does not grow.

use std::fs;

use super::{
    all_made,
    support::{disk::Usage, home::Home, media::photo},
};

/// Photos that come in an hour.
const AN_HOUR: u64 = 4;

/// What may be held more at the end than after the first hours: in kB, the allocator's and SQLite's
/// caches, which fill up to a bound.
const MORE_KB: u64 = 6_000;

/// A WAL is started over at 1,000 pages of 4 KiB; a reader may hold that up for a while.
pub(super) const LARGEST_LOG: u64 = 8 << 20;

#[allow(
    clippy::print_stderr,
    reason = "the numbers are what the long form is for"
)]
async fn works(hours: u64) {
    let mut home = Home::with_folder("album = 'folder'").await;
    home.set("verify.after", "'10m'");
    home.set("upload.parallel", "2");
    let daemon = home.daemon().await;
    let usage = Usage::of(daemon.pid());
    let mut files = Vec::new();
    let mut warm = None;
    let mut largest_log = 0;
    for hour in 0..hours {
        for n in 0..AN_HOUR {
            let i = hour * AN_HOUR + n;
            files.push(home.taken(format!("photos/day{}/p{i:05}.jpg", hour / 24), i, &photo(i)));
        }
        let n = files.len();
        home.until_status("this hour's", |status| {
            let items = &status["items"];
            items["created"].as_u64().unwrap() + items["verified"].as_u64().unwrap() == n as u64
        })
        .await;
        home.pass(3600).await;
        let now = (usage.rss(), usage.handles());
        if hour == hours / 4 {
            warm = Some(now);
        }
        let log = fs::metadata(home.path("state/albumen.db-wal"))
            .unwrap()
            .len();
        assert!(log <= LARGEST_LOG, "{log} bytes of log after {hour} hours");
        largest_log = log.max(largest_log);
    }
    let (rss, handles) = warm.unwrap();
    let (rss_now, handles_now) = (usage.rss(), usage.handles());
    eprintln!(
        "{hours} h: {rss} kB, {handles} handles; then {rss_now} kB, {handles_now} handles; the log had up to \
         {largest_log} bytes"
    );
    assert!(rss_now < rss + MORE_KB, "{rss} kB, then {rss_now} kB");
    // Connections to the service come and go; a watch is one handle for all folders.
    assert!(handles_now <= handles + 6, "{handles}, then {handles_now}");
    daemon.stop().await.expect(0);
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_day_leaves_nothing_behind() {
    works(24).await;
}

/// `cargo test --test disk -- --ignored a_week`: about a minute.
#[tokio::test]
#[ignore = "long"]
async fn a_week_leaves_nothing_behind() {
    works(7 * 24).await;
}

#[tokio::test]
async fn a_second_instance_says_which_process_holds_the_folder() {
    let home = Home::with_folder("").await;
    let daemon = home.daemon().await;
    let ran = home.run(&["daemon"]).await.expect(4);
    let pid = daemon.pid();
    assert_eq!(
        ran.stderr,
        format!(
            "error: another albumen (process {pid}) works in this state folder\n\
             hint: wait for its end, stop it, or name another folder with `--state-dir`\n"
        )
    );
    let files = [home.write("photos/p.jpg", &photo(1))];
    all_made(&home, &files).await;
}
