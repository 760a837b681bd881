//! Ten thousand media items are asked for: in how many requests, and how fast?
//!
//! `cargo bench --bench verify`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench reports and gives up loudly"
)]

mod support;

use serde_json::json;
use support::{Yard, photo, report};

const ITEMS: usize = 10_000;
/// Ids of one `mediaItems.batchGet`.
const GROUP: usize = 50;

fn main() {
    let yard = Yard::new(&json!({}));
    for n in 0..ITEMS {
        let dir = yard.photos().join(format!("{:02}", n / 1000));
        std::fs::create_dir_all(&dir).unwrap();
        photo(&dir.join(format!("IMG_{n:05}.jpg")), n as u64, 2_000);
    }
    yard.configure(
        None,
        "",
        "[upload]\nparallel = 12\n[quota]\nwrites_per_minute = 100000\nrequests_per_day = 1000000\n\
         [watch]\nsettle = \"0s\"",
    );
    yard.run(&["backfill"], &[]);
    let before = calls(&yard);
    let ran = yard.run(&["verify"], &[]);
    let n_requests = calls(&yard) - before;
    assert_eq!(n_requests, (ITEMS / GROUP) as u64, "requests");
    report("requests for 10,000 items", &n_requests.to_string(), "200");
    report(
        "items a second",
        &format!("{:.0}", ITEMS as f64 / ran.wall.as_secs_f64()),
        "the service's time is what counts: 200 answers one after the other",
    );
    report(
        "wall time, whole process",
        &format!("{:.2} s", ran.wall.as_secs_f64()),
        "10 s",
    );
    report(
        "peak memory",
        &format!("{} kB", ran.peak_rss_kb),
        "40,000 kB",
    );
}

fn calls(yard: &Yard) -> u64 {
    yard.library()["calls"]["mediaItems.batchGet"]
        .as_u64()
        .unwrap_or(0)
}
