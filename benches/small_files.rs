//! Five thousand small files to a service without latency: what one upload costs us.
//!
//! `cargo bench --bench small_files`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench reports and gives up loudly"
)]

mod support;

use serde_json::json;
use support::{Yard, photo, report};

const FILES: usize = 5000;

fn main() {
    let yard = Yard::new(&json!({"settings": {}}));
    std::fs::create_dir_all(yard.photos()).unwrap();
    for n in 0..FILES {
        photo(
            &yard.photos().join(format!("IMG_{n:05}.jpg")),
            n as u64,
            2000,
        );
    }
    yard.configure(
        None,
        "",
        "[upload]\nparallel = 12\n[quota]\nwrites_per_minute = 1000000\n[watch]\nsettle = \"0s\"",
    );
    let mut rates: Vec<f64> = (0..3)
        .map(|_| {
            yard.new_state();
            FILES as f64 / yard.run(&["backfill"], &[]).wall.as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    report(
        "uploads a second, from start to end of the process, sandbox on the same cores",
        &format!(
            "{:.0} (of 3 runs {:.0} to {:.0})",
            rates[1], rates[0], rates[2]
        ),
        "2,000",
    );
}
