//! Everything that can go wrong, at random and all at once, with the plug pulled in between. The
//! seeds are fixed, so that a failure can be repeated; `ALBUMEN_STORM=SEED` adds one.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{path::PathBuf, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};

use support::{
    home::{Home, names},
    media::{photo, video},
    service::RATE_LIMIT_MS,
};

/// Longer than the wait that the service expects here after a 429.
const PAUSE: Duration = Duration::from_millis(2 * RATE_LIMIT_MS);

/// Troubles of a method, each of which the service or the network could make.
fn troubles(method: &str) -> Vec<Value> {
    let lines = [
        "cut_before",
        "cut_after",
        "unavailable_503",
        "html_502",
        "minute_429",
    ];
    let mut all: Vec<Value> = lines.into_iter().map(Value::from).collect();
    all.push(json!({"canned": "server_500", "commit": true}));
    match method {
        "uploads.raw" => all.extend([json!("empty"), json!({"cut_body_after": 20})]),
        "uploads.upload" => all.push(json!({"cut_body_after": 60_000})),
        "mediaItems.batchCreate" => all.extend([
            json!("garbage"),
            json!("empty"),
            json!("concurrent_429"),
            json!("aborted_409"),
            json!("bad_upload_token"),
            json!("shuffle_results"),
            json!("status_207"),
            json!({"drop_results": [0, 3]}),
            json!({"item_codes": {"1": 13, "2": 14, "4": 3, "5": 8}}),
            json!({"item_codes": {"0": 6}}),
        ]),
        "albums.create" => all.push(json!("garbage")),
        _ => {}
    }
    all
}

/// Some rules for each method; no call meets two. (If some items of a call fail and its answer is
/// lost as well, its repetition makes those at the end: nobody can tell, and no order could be kept.)
fn storm(rng: &mut Rng) -> Value {
    let methods = [
        ("uploads.raw", 7),
        ("uploads.start", 1),
        ("uploads.upload", 2),
        ("uploads.query", 1),
        ("mediaItems.batchCreate", 4),
        ("albums.create", 2),
        ("albums.list", 1),
    ];
    let mut rules = Vec::new();
    for (method, n) in methods {
        let mut turns: Vec<u64> = (0..8).collect();
        rng.shuffle(&mut turns);
        for skip in turns.into_iter().take(n) {
            let action = rng.choice(troubles(method)).unwrap();
            rules.push(json!({"method": method, "skip": skip, "action": action}));
        }
    }
    json!({ "rules": rules })
}

async fn weathers(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut home = Home::new().await;
    home.set("upload.resumable_above", "'100kB'");
    let mut albums: Vec<(String, Vec<PathBuf>)> = Vec::new();
    for (album, n) in [("Oslo", 70), ("Rome", 20), ("Wien", 3)] {
        home.folder(album, "album = 'folder'");
        let mut files = Vec::new();
        for i in 0..n {
            let bytes = if i % 25 == 7 {
                video(seed + n + i, 150_000)
            } else {
                photo(seed * 1000 + n * 100 + i)
            };
            let kind = if i % 25 == 7 { "mp4" } else { "jpg" };
            files.push(home.taken(format!("{album}/p{i:04}.{kind}"), i, &bytes));
        }
        albums.push((album.to_owned(), files));
    }
    home.script(storm(&mut rng)).await;
    for _ in 0..3 {
        let pulled_at = home.library().await.requests() + rng.u64(5..60);
        let mut running = home.start(&["backfill"]);
        while running.runs() && home.library().await.requests() < pulled_at {
            tokio::time::sleep(support::home::LOOK).await;
        }
        running.kill();
        // A pause that the service asked for in the very last moment is over before the next start:
        // a process that dies before it can write it down cannot keep it.
        tokio::time::sleep(PAUSE).await;
    }
    home.backfill().await;
    let all: Vec<PathBuf> = albums.iter().flat_map(|(_, files)| files.clone()).collect();
    let library = home.all_there(&all).await;
    assert_eq!(library.titles(), ["Oslo", "Rome", "Wien"]);
    for (album, files) in &albums {
        assert_eq!(library.names_in(album), names(files), "{album}");
    }
    let status = home.status().await;
    assert_eq!(status["items"]["created"], all.len(), "{status:#}");
}

#[tokio::test]
async fn nothing_is_lost_or_made_twice_in_the_first_storm() {
    weathers(1).await;
}

#[tokio::test]
async fn nothing_is_lost_or_made_twice_in_the_second_storm() {
    weathers(2).await;
}

#[tokio::test]
async fn nothing_is_lost_or_made_twice_in_a_storm_of_ones_own() {
    if let Some(seed) = std::env::var_os("ALBUMEN_STORM") {
        weathers(seed.to_str().unwrap().parse().unwrap()).await;
    }
}
