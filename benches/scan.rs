//! The first scan of a large tree into the queue, a rescan of it, `status` on it, and the memory of a
//! backfill with a long queue; `find -printf` walks the same tree. The service is never reached: the
//! gate is closed by a daily stop before anything goes up.
//!
//! `cargo bench --bench scan`; `ALBUMEN_BENCH_FILES=100000` for a smaller tree.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench reports and gives up loudly"
)]

mod support;

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use serde_json::json;
use support::{Yard, report, timed};

const IN_A_FOLDER: usize = 1000;

fn main() {
    let files: usize = std::env::var("ALBUMEN_BENCH_FILES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000_000);
    let stop = json!({"rules": [{"method": ["uploads.*", "mediaItems.*", "albums.*"], "times": null, "action": "daily_429"}]});
    let yard = Yard::new(&stop);
    for n in 0..files {
        let dir = yard.photos().join(format!("{:04}", n / IN_A_FOLDER));
        if n % IN_A_FOLDER == 0 {
            std::fs::create_dir_all(&dir).unwrap();
        }
        std::fs::write(dir.join(format!("IMG_{n:07}.jpg")), b"\xff\xd8\xff\xe0").unwrap();
    }
    yard.configure(None, "", "[watch]\nsettle = \"0s\"");
    let find = || {
        let mut find = Command::new("find");
        find.arg(yard.photos())
            .args(["-type", "f", "-printf", "%p %s %T@ %i\n"])
            .stdout(Stdio::null());
        timed(find, 0).wall.as_secs_f64()
    };
    find();
    let walk = find();
    let first = backfill(&yard);
    let again = backfill(&yard);
    report(
        "first scan, files a second",
        &format!("{:.0}", files as f64 / first.0),
        "50,000",
    );
    report(
        "first scan over `find -printf`",
        &format!("{:.1}", first.0 / walk),
        "-",
    );
    report(
        "rescan with nothing changed, files a second",
        &format!("{:.0}", files as f64 / again.0),
        "150,000",
    );
    report(
        "rescan over `find -printf`",
        &format!("{:.1}", again.0 / walk),
        "-",
    );
    report(
        &format!("peak memory with {files} files queued"),
        &format!("{} kB", first.1.max(again.1)),
        "40,000 kB at 100,000",
    );
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let since = Instant::now();
            yard.run(&["status", "--json"], &[]);
            since.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    report(
        "status --json, whole process",
        &format!("{:.0} ms", times[2]),
        "50 ms",
    );
}

/// Seconds and peak memory of a backfill that only scans: `--no-wait` ends it with 5 at the stop.
fn backfill(yard: &Yard) -> (f64, u64) {
    let ran = yard.run_to(5, &["backfill", "--no-wait"], &[]);
    (ran.wall.as_secs_f64(), ran.peak_rss_kb)
}
