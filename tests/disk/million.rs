//! A queue far longer than anybody waits for: what the process holds depends on what it does, and not on
//! what is still to do.

#![allow(
    clippy::print_stderr,
    reason = "the numbers are what the long form is for"
)]

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    support::{disk::Usage, home::Home, media::photo},
    week::LARGEST_LOG,
};

/// What may be held more at the end than in the first quarter, in kB: caches that fill up to a bound.
const MORE_KB: u64 = 6_000;

/// SQLite gives a log back to the disk that was larger: the first scan writes much at once.
const LOG_OF_SCAN: u64 = 64 << 20;

/// How long `status` may take, in a debug build on a machine with other work: it counts no rows.
const STATUS: Duration = Duration::from_secs(2);

/// What the daemon holds at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    rss: u64,
    handles: usize,
    log: u64,
}

impl Held {
    fn now(home: &Home, usage: &Usage) -> Self {
        let log = fs::metadata(home.path("state/albumen.db-wal"));
        Self {
            rss: usage.rss(),
            handles: usage.handles(),
            log: log.map_or(0, |log| log.len()),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            rss: self.rss.max(other.rss),
            handles: self.handles.max(other.handles),
            log: self.log.max(other.log),
        }
    }
}

fn known(status: &Value) -> u64 {
    let there = [
        "settling",
        "queued",
        "uploading",
        "uploaded",
        "creating",
        "created",
    ];
    let count = |state: &&str| status["items"][*state].as_u64().unwrap();
    there.iter().map(count).sum()
}

/// So many files are queued, and so many of them go up, while the daemon is watched.
async fn works_with(queued: u64, uploads: u64) {
    let mut home = Home::with_folder("").await;
    home.set("upload.parallel", "4");
    home.set("batch.max_wait", "'1s'");
    home.script(json!({"settings": {"daily_limit": null}}))
        .await;
    for i in 0..queued {
        let path = home.path(format!("photos/{:04}/{:07}.jpg", i / 1000, i));
        if i % 1000 == 0 {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
        }
        fs::write(path, photo(i)).unwrap();
    }
    let began = Instant::now();
    let daemon = home.daemon().await;
    let usage = Usage::of(daemon.pid());
    // As long as it takes: a million files take minutes in a debug build.
    let mut status = home.status().await;
    while known(&status) < queued {
        assert!(began.elapsed() < Duration::from_mins(30), "{status:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        status = home.status().await;
    }
    let scanned = began.elapsed();
    let made_before = status["items"]["created"].as_u64().unwrap();
    let mut quarters = [Held::default(); 5];
    let mut slowest = Duration::ZERO;
    loop {
        let asked = Instant::now();
        let status = home.status().await;
        slowest = slowest.max(asked.elapsed());
        let made = status["items"]["created"].as_u64().unwrap() - made_before;
        let held = Held::now(&home, &usage);
        let quarter = usize::try_from(4 * made / uploads).unwrap().min(4);
        quarters[quarter] = quarters[quarter].max(held);
        if made >= uploads {
            break;
        }
        assert!(began.elapsed() < Duration::from_hours(1), "{status:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eprintln!(
        "{queued} queued in {scanned:.0?}, {uploads} made; status took {slowest:.0?}; {quarters:#?}"
    );
    let (first, last) = (quarters[0], quarters[3].max(quarters[4]));
    assert!(last.rss < first.rss + MORE_KB, "{first:?}, then {last:?}");
    assert!(
        last.handles <= first.handles + 6,
        "{first:?}, then {last:?}"
    );
    assert!(
        last.log <= LARGEST_LOG.max(first.log.min(LOG_OF_SCAN)),
        "{first:?}, then {last:?}"
    );
    assert!(slowest < STATUS, "{slowest:?}");
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_long_queue_is_no_burden() {
    works_with(10_000, 1_000).await;
}

/// `cargo test --test disk -- --ignored --nocapture a_million`: some minutes, and 4 GB of disk.
#[tokio::test]
#[ignore = "long"]
async fn a_million_queued_files_are_no_burden() {
    works_with(1_000_000, 20_000).await;
}
