//! One video of 1 GiB over TLS: Albumen against curl, both to the same front and the same sandbox,
//! in turns. `ALBUMEN_BENCH_MIB=4096 cargo bench --bench video` sends a larger one.
//!
//! `cargo bench --bench video`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench reports and gives up loudly"
)]

#[path = "../tests/support/front.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod front;
mod support;

use std::process::{Command, Stdio};

use serde_json::json;
use support::{Yard, report, timed, video};

const ROUNDS: usize = 3;

fn main() {
    let mib: u64 = std::env::var("ALBUMEN_BENCH_MIB")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1024);
    let yard = Yard::new(&json!({"settings": {}}));
    let front = yard
        .runtime
        .block_on(front::Front::start(yard.sandbox.address()));
    let ca = yard.state().with_file_name("ca.pem");
    std::fs::write(&ca, &front.ca_pem).unwrap();
    let proxy = format!("http://{}", front.address);
    let film = yard.photos().join("film.mp4");
    video(&film, 1, mib << 20);
    yard.configure(
        Some("https://photoslibrary.googleapis.com"),
        "",
        "[quota]\nwrites_per_minute = 1000000\n[watch]\nsettle = \"0s\"",
    );
    let token = bearer(&yard);
    let (mut ratios, mut peak) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        yard.new_state();
        let env = [
            ("HTTPS_PROXY", proxy.as_str()),
            ("SSL_CERT_FILE", ca.to_str().unwrap()),
        ];
        let ours = yard.run(&["backfill"], &env);
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--fail",
            "--http1.1",
            "--proxy",
            &proxy,
            "--cacert",
        ])
        .arg(&ca);
        curl.args([
            "-H",
            &format!("Authorization: Bearer {token}"),
            "-H",
            "X-Goog-Upload-Protocol: raw",
        ]);
        curl.args([
            "-H",
            "X-Goog-Upload-Content-Type: video/mp4",
            "-H",
            "Expect:",
            "-X",
            "POST",
            "-T",
        ]);
        curl.arg(&film)
            .arg("https://photoslibrary.googleapis.com/v1/uploads")
            .stdout(Stdio::null());
        let theirs = timed(curl, 0);
        ratios.push(ours.wall.as_secs_f64() / theirs.wall.as_secs_f64());
        peak = peak.max(ours.peak_rss_kb);
    }
    ratios.sort_by(f64::total_cmp);
    let spread = format!(
        "{:.2} (of {ROUNDS} rounds {:.2} to {:.2})",
        ratios[ROUNDS / 2],
        ratios[0],
        ratios[ROUNDS - 1]
    );
    report(
        &format!("whole backfill of {mib} MiB over curl's upload"),
        &spread,
        "1.6",
    );
    report("peak memory", &format!("{peak} kB"), "48,000 kB for 4 GB");
}

fn bearer(yard: &Yard) -> String {
    let url = format!("{}/token", yard.sandbox.url());
    let scopes = "https://www.googleapis.com/auth/photoslibrary.appendonly";
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "curl"),
        ("client_id", "curl"),
        ("client_secret", "x"),
        ("scope", scopes),
    ];
    yard.runtime.block_on(async {
        let answer: serde_json::Value = reqwest::Client::new()
            .post(url)
            .form(&form)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    })
}
