//! Large files over lines that break: no byte twice that the service has, and never the bytes of a
//! file that is another one by now.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{fs, io::Write as _, path::PathBuf, time::SystemTime};

use serde_json::json;

use support::{
    home::Home,
    library::Library,
    media::{photo, video},
};

/// Bytes of the video.
const SIZE: usize = 1_000_000;

/// The same as a number of the service.
const SIZE_U64: u64 = 1_000_000;

async fn film() -> (Home, PathBuf) {
    let mut home = Home::with_folder("").await;
    home.set("upload.resumable_above", "'100kB'");
    let file = home.write("photos/film.mp4", &video(1, SIZE));
    (home, file)
}

/// A backfill that is so slow that it can be met on its way; it has sent some of the film.
async fn on_its_way(home: &mut Home) -> support::child::Running {
    home.set("upload.bandwidth", "'200kB'");
    let running = home.start(&["backfill", "-v"]);
    home.until("a part of the film", |library| {
        library.bytes_received() > 150_000
    })
    .await;
    home.set("upload.bandwidth", "'0'");
    running
}

/// The design's bound for bytes that go up again: a fifth.
fn sent_hardly_twice(library: &Library) {
    let received = library.bytes_received();
    assert!(received <= SIZE_U64 * 12 / 10, "{received}");
}

#[tokio::test]
async fn an_upload_that_breaks_three_times_sends_nothing_twice() {
    let (home, file) = film().await;
    home.fault(
        "uploads.upload",
        Some(3),
        json!({"cut_body_after": 300_000}),
    )
    .await;
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.calls("uploads.start"), 1);
    assert_eq!(library.calls("uploads.query"), 3);
    sent_hardly_twice(&library);
}

#[tokio::test]
async fn an_upload_goes_on_where_a_killed_process_left_it() {
    let (mut home, file) = film().await;
    let running = on_its_way(&mut home).await;
    running.kill();
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.calls("uploads.start"), 1);
    sent_hardly_twice(&library);
}

#[tokio::test]
async fn an_upload_goes_on_after_an_interrupt() {
    let (mut home, file) = film().await;
    let running = on_its_way(&mut home).await;
    running.stop().await.expect(130);
    let ran = home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.calls("uploads.start"), 1);
    sent_hardly_twice(&library);
    // Only what this run has sent counts: not the whole megabyte.
    assert!(ran.stdout.contains("1 file went up"), "{}", ran.stdout);
    assert!(ran.stdout.contains(" kB"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_film_goes_up_in_chunks_of_the_size_that_was_asked_for() {
    let (mut home, file) = film().await;
    home.set("upload.chunk_size", "'300kB'");
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    // Rounded to two grains of 256 KiB.
    assert_eq!(library.calls("uploads.upload"), 2);
    assert_eq!(library.bytes_received(), SIZE_U64);
}

#[tokio::test]
async fn chunks_go_on_where_they_broke() {
    let (mut home, file) = film().await;
    home.set("upload.chunk_size", "'256KiB'");
    home.fault("uploads.upload", Some(2), "cut_after".into())
        .await;
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.calls("uploads.start"), 1);
    sent_hardly_twice(&library);
}

#[tokio::test]
async fn a_film_stops_between_chunks_when_the_day_is_spent_and_goes_on_the_next_day() {
    let mut home = Home::with_folder("").await;
    home.set("upload.resumable_above", "'100kB'");
    home.set("upload.chunk_size", "'256KiB'");
    home.until_noon().await;
    let chunks = 12;
    let film = home.write("photos/film.mp4", &video(1, 256 * 1024 * chunks));
    home.script(json!({
        "settings": {"latency_ms": {"uploads.upload": 400}},
        "rules": [{"method": "mediaItems.batchCreate", "times": null, "action": "daily_429"}],
    }))
    .await;
    let daemon = home.daemon().await;
    home.until("a part of the film", |library| {
        library.calls("uploads.upload") > 0
    })
    .await;
    let photo = home.write("photos/a.jpg", &photo(1));
    home.until_status("the stop", |status| {
        status["account"]["state"] == "quota_exhausted" && status["items"]["uploading"] == 0
    })
    .await;
    let library = home.library().await;
    assert!(
        library.calls("uploads.upload") < chunks as u64,
        "{library:#?}"
    );
    home.clean(&library).await;
    daemon.stop().await.expect(0);

    home.no_faults().await;
    home.pass(13 * 3600).await;
    home.backfill().await;
    let library = home.all_there(&[film, photo]).await;
    assert_eq!(library.calls("uploads.start"), 1);
    assert_eq!(library.calls("uploads.upload"), chunks as u64);
}

#[tokio::test]
async fn a_session_that_is_gone_is_begun_anew() {
    let (home, file) = film().await;
    home.script(json!({"rules": [
        {"method": "uploads.upload", "action": {"cut_body_after": 100_000}},
        {"method": "uploads.query", "action": "not_found_404"},
    ]}))
    .await;
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.calls("uploads.start"), 2);
}

#[tokio::test]
async fn a_session_that_refuses_to_be_asked_is_begun_anew() {
    for status in [400, 403] {
        let (home, file) = film().await;
        let body = json!({"code": 3, "message": "Invalid upload."});
        home.script(json!({"rules": [
            {"method": "uploads.upload", "action": {"cut_body_after": 100_000}},
            {"method": "uploads.query", "times": null, "action": {"answer": {"status": status, "body": body}}},
        ]}))
        .await;
        home.backfill().await;
        let library = home.all_there(&[file]).await;
        assert_eq!(library.calls("uploads.start"), 2);
        assert_eq!(library.calls("uploads.query"), 1);
    }
}

/// How many milliseconds lay between the first and the `n`th call of a method.
async fn took(home: &Home, method: &str, n: usize) -> i64 {
    let requests = home.get("/sandbox/state").await["requests"].take();
    let times: Vec<i64> = requests
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| request["method"] == method)
        .map(|request| request["at_ms"].as_i64().unwrap())
        .collect();
    times[n - 1] - times[0]
}

#[tokio::test]
async fn a_session_that_moves_back_and_forth_is_left_alone_for_longer_each_time() {
    let (home, file) = film().await;
    let mut rules = vec![json!({"method": "uploads.upload", "times": 20, "action":
        {"answer": {"status": 409, "body": "", "headers": {"x-goog-upload-status": "active"}}}})];
    for n in 0..20 {
        let received = if n % 2 == 0 { "0" } else { "500000" };
        let headers =
            json!({"x-goog-upload-status": "active", "x-goog-upload-size-received": received});
        rules.push(
            json!({"method": "uploads.query", "skip": n, "times": 1, "action":
            {"answer": {"status": 200, "body": "", "headers": headers}}}),
        );
    }
    home.script(json!({ "rules": rules })).await;
    home.backfill().await;
    let library = home.library().await;
    library.has_exactly(&[file]);
    // The waits from 20 ms on, doubled, at the least; and each file goes back into the queue at last.
    let ms = took(&home, "uploads.query", 8).await;
    assert!(ms >= 300, "{ms}");
    assert!(library.calls("uploads.start") > 1);
}

#[tokio::test]
async fn a_session_that_is_gone_again_and_again_is_begun_anew_after_a_wait() {
    let (mut home, file) = film().await;
    home.set("upload.chunk_size", "'256KiB'");
    let gone = |n| json!({"method": "uploads.upload", "skip": 2 * n + 1, "times": 1, "action": "not_found_404"});
    let rules: Vec<_> = (0..9).map(gone).collect();
    home.script(json!({ "rules": rules })).await;
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.calls("uploads.start"), 10);
    // Three in one go, and then the stage waits as for a service that fails.
    let ms = took(&home, "uploads.start", 10).await;
    assert!(ms >= 100, "{ms}");
}

#[tokio::test]
async fn a_token_that_was_lost_with_its_answer_is_asked_for() {
    let (home, file) = film().await;
    home.fault("uploads.upload", Some(1), "cut_after".into())
        .await;
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.bytes_received(), SIZE_U64);
}

#[tokio::test]
async fn a_token_that_the_service_does_not_tell_twice_costs_the_bytes_once_more() {
    let (home, file) = film().await;
    home.script(json!({"settings": {"final_query_returns_token": false}}))
        .await;
    home.fault("uploads.upload", Some(1), "cut_after".into())
        .await;
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.bytes_received(), 2 * SIZE_U64);
}

#[tokio::test]
async fn offsets_that_the_service_disputes_are_asked_for() {
    for status in [409, 400, 412, 416] {
        let (home, file) = film().await;
        home.script(json!({"rules": [
            {"method": "uploads.upload", "action": {"answer": {"status": status, "body": "offset"}}},
        ]}))
        .await;
        home.backfill().await;
        home.all_there(&[file]).await;
    }
}

#[tokio::test]
async fn an_access_token_that_dies_under_a_session_is_renewed() {
    let (home, file) = film().await;
    home.fault("uploads.upload", Some(1), "access_dies".into())
        .await;
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.calls("uploads.start"), 1);
}

#[tokio::test]
async fn a_film_that_was_replaced_on_its_way_starts_anew() {
    let (mut home, file) = film().await;
    let running = on_its_way(&mut home).await;
    running.kill();
    // As long as before, and as old.
    let old = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, video(2, SIZE)).unwrap();
    fs::File::options()
        .append(true)
        .open(&file)
        .unwrap()
        .set_modified(old)
        .unwrap();
    home.backfill().await;
    let library = home.all_there(&[file]).await;
    assert_eq!(library.calls("uploads.start"), 2);
}

#[tokio::test]
async fn a_film_that_was_touched_on_its_way_is_not_mixed_up() {
    let (mut home, file) = film().await;
    let running = on_its_way(&mut home).await;
    running.kill();
    let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    fs::File::options()
        .append(true)
        .open(&file)
        .unwrap()
        .set_modified(now)
        .unwrap();
    home.backfill().await;
    home.all_there(&[file]).await;
}

#[tokio::test]
async fn a_film_that_grows_while_it_is_sent_goes_up_when_it_stands_still() {
    let (mut home, file) = film().await;
    let running = on_its_way(&mut home).await;
    let mut growing = fs::File::options().append(true).open(&file).unwrap();
    growing.write_all(&[7; 5000]).unwrap();
    drop(growing);
    running.ended().await.expect(0);
    let library = home.all_there(&[file]).await;
    assert_eq!(library.n_items(), 1, "the shorter film was never made");
}
