//! A thousand photos into four albums of a slow service: how near to the floor of one call at a time?
//!
//! `cargo bench --bench albums`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench reports and gives up loudly"
)]

mod support;

use serde_json::json;
use support::{Yard, photo, report};

const ALBUMS: usize = 4;
const EACH: usize = 250;
/// What one `mediaItems.batchCreate` of the service takes, seconds.
const CREATE_S: f64 = 1.2;

fn main() {
    let yard = Yard::new(&json!({"settings": {"latency_ms": {
        "uploads.raw": 150, "mediaItems.batchCreate": 1200}}}));
    for album in 0..ALBUMS {
        let dir = yard.photos().join(format!("Album {album}"));
        std::fs::create_dir_all(&dir).unwrap();
        for n in 0..EACH {
            let name = format!("IMG_{n:04}.jpg");
            photo(&dir.join(name), (album * EACH + n) as u64, 200_000);
        }
    }
    yard.configure(
        None,
        "album = \"folder\"\norder = \"name\"",
        "[upload]\nparallel = 12\n[quota]\nwrites_per_minute = 100000\n[watch]\nsettle = \"0s\"",
    );
    let ran = yard.run(&["backfill"], &[]);
    let library = yard.library();
    let calls = library["calls"]["mediaItems.batchCreate"].as_u64().unwrap();
    let mut in_order = 0;
    for album in library["albums"].as_array().unwrap() {
        let names: Vec<&str> = album["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| {
                let item = library["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|item| item["id"] == *id);
                item.unwrap()["filename"].as_str().unwrap()
            })
            .collect();
        in_order += usize::from(names.len() == EACH && names.is_sorted());
    }
    let floor = CREATE_S * (ALBUMS * EACH) as f64 / 50.0;
    report(
        "wall time over the serial floor",
        &format!("{:.3}", ran.wall.as_secs_f64() / floor),
        "1.05",
    );
    report("calls of batchCreate", &calls.to_string(), "20");
    report(
        "albums complete and in order",
        &format!("{in_order} of {ALBUMS}"),
        "all",
    );
    report(
        "peak memory",
        &format!("{} kB", ran.peak_rss_kb),
        "40,000 kB",
    );
}
