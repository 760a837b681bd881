//! How long the program waits when the service asks it to, measured by the service's own log.

use serde_json::{Value, json};

use super::support::{
    child::Running,
    home::{Home, LOOK, names},
};

const CREATE: &str = "mediaItems.batchCreate";

/// The wait that all others are multiples of, in milliseconds: 30 s for a person.
const BASE: u64 = 20;

/// How much later than owed a call may be, on a machine with other work.
const LATE: u64 = 1500;

/// A home with that base, whose service expects no more.
async fn hurried(rules: &str) -> Home {
    let mut home = Home::with_folder(rules).await;
    home.set("retry.rate_limit_base", &format!("'{BASE}ms'"));
    let scale = BASE as f64 / 30_000.0;
    home.script(json!({"settings": {"rate_limit_scale": scale}}))
        .await;
    home
}

/// When requests for these methods came, in milliseconds, and what they were answered with.
async fn log(home: &Home, methods: &[&str]) -> Vec<(u64, u64)> {
    let state = home.get("/sandbox/state").await;
    let requests = state["requests"].as_array().unwrap();
    let is_one = |request: &&Value| methods.iter().any(|method| request["method"] == *method);
    requests
        .iter()
        .filter(is_one)
        .map(|request| {
            let at = request["at_ms"].as_u64().unwrap();
            (at, request["status"].as_u64().unwrap())
        })
        .collect()
}

/// The pauses after refusals for these methods, as multiples of the base that each surely reached.
#[track_caller]
fn check_pauses(log: &[(u64, u64)], multiples: &[u64]) {
    let pauses: Vec<u64> = log
        .windows(2)
        .filter(|pair| pair[0].1 == 429)
        .map(|pair| pair[1].0 - pair[0].0)
        .collect();
    assert_eq!(pauses.len(), multiples.len(), "{pauses:?}");
    for (pause, multiple) in pauses.iter().zip(multiples) {
        let owed = multiple * BASE;
        let kept = (owed..=owed + LATE).contains(pause);
        assert!(kept, "{multiple} × {BASE} ms: {pauses:?}");
    }
}

#[tokio::test]
async fn concurrent_write_refusals_climb_the_ladder_and_bytes_go_on_up_to_the_bound() {
    let mut home = hurried("").await;
    home.set("upload.ready_tokens", "60");
    home.set("upload.parallel", "2");
    // Slow enough that they are still going up when the lane has long been refused.
    home.script(json!({"settings": {"latency_ms": {"uploads.raw": 30}}}))
        .await;
    let files = home.photos("photos", 150);
    home.fault(CREATE, Some(6), "concurrent_429".into()).await;
    home.backfill().await;
    let creates = log(&home, &[CREATE]).await;
    check_pauses(&creates, &[1, 10, 20, 30, 60, 120]);
    let (refused, passed) = (creates[0].0, creates[6].0);
    assert_eq!(creates[6].1, 200);
    let uploads = log(&home, &["uploads.raw"]).await;
    let before = uploads.iter().filter(|(at, _)| *at < refused).count();
    let by_then = uploads.iter().filter(|(at, _)| *at < passed).count();
    assert!(by_then > before, "{before} before, {by_then} by then");
    // As many tokens as may wait, and no more.
    assert!((60..=62).contains(&by_then), "{by_then}");
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_killed_lane_goes_on_where_it_stood_on_the_ladder() {
    let mut home = hurried("").await;
    let base = 5 * BASE;
    home.set("retry.rate_limit_base", &format!("'{base}ms'"));
    let files = home.photos("photos", 3);
    home.fault(CREATE, Some(4), "concurrent_429".into()).await;
    // The first wait is too short to be seen.
    for refusals in 2..=4 {
        let running = home.start(&["-v", "backfill"]);
        home.until("it was refused", |library| {
            library.calls(CREATE) == refusals
        })
        .await;
        running
            .says(&["the lane waits: the service sees another write"])
            .await;
        if refusals == 2 {
            until_said_twice(&running).await;
        }
        running.kill();
    }
    home.backfill().await;
    let creates = log(&home, &[CREATE]).await;
    let pauses: Vec<u64> = creates
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .collect();
    assert_eq!(pauses.len(), 4, "{creates:?}");
    for (pause, multiple) in pauses.iter().zip([1, 10, 20, 30]) {
        assert!(*pause >= multiple * base, "{multiple}: {pauses:?}");
    }
    home.all_there(&files).await;
}

async fn until_said_twice(running: &Running) {
    while running.stderr().matches("the lane waits: ").count() < 2 {
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn only_a_sustained_run_of_successes_leads_off_the_ladder() {
    let home = hurried("album = 'folder'").await;
    let writes = [CREATE, "albums.create"];
    let refused = |skip: u64, times: u64| json!({"method": writes, "skip": skip, "times": times, "action": "concurrent_429"});
    // Two refusals, nine successes, one refusal, ten successes, one refusal.
    home.script(json!({"rules": [refused(0, 2), refused(11, 1), refused(22, 1)]}))
        .await;
    let files: Vec<_> = (0..20)
        .map(|i| {
            let bytes = super::support::media::photo(i);
            home.taken(format!("photos/a{i}/p{i}.jpg"), i, &bytes)
        })
        .collect();
    home.backfill().await;
    check_pauses(&log(&home, &writes).await, &[1, 10, 20, 1]);
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_full_storage_is_probed_by_one_item_at_a_time_an_hour_apart() {
    let home = hurried("").await;
    let mut files = home.photos("photos", 60);
    home.fault(CREATE, Some(4), "storage_full".into()).await;
    let daemon = home.daemon().await;
    home.until_status("it is full", |status| {
        status["account"]["state"] == "storage_full"
    })
    .await;
    let uploads = home.library().await.calls("uploads.raw");
    files.push(home.taken("photos/more.jpg", 99, &super::support::media::photo(99)));
    super::all_there_by_daemon(&home, &files).await;
    let creates = log(&home, &[CREATE]).await;
    for pair in creates[..5].windows(2) {
        // An hour is 120 times the base.
        let pause = pair[1].0 - pair[0].0;
        assert!(
            (120 * BASE..=120 * BASE + LATE).contains(&pause),
            "{creates:?}"
        );
    }
    let probes = home.get("/sandbox/requests").await;
    let items = |record: &Value| record["request"]["newMediaItems"].as_array().unwrap().len();
    let probes: Vec<_> = probes.as_array().unwrap().iter().map(items).collect();
    assert_eq!(probes[1..5], [1, 1, 1, 1], "{probes:?}");
    let during = log(&home, &["uploads.raw"]).await;
    let during = during.iter().filter(|(at, _)| *at < creates[4].0).count() as u64;
    // Those that were under way when it was told.
    assert!(during <= uploads + 6, "{during} of which {uploads} before");
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_wait_that_a_question_was_asked_for_is_kept_by_whoever_asks_next() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("verify.after", "'0s'");
    home.set("retry.rate_limit_base", "'1500ms'");
    home.script(json!({"settings": {"rate_limit_scale": 0.05}}))
        .await;
    let files = home.photos("photos", 2);
    home.fault("mediaItems.batchGet", Some(1), "minute_429".into())
        .await;
    let daemon = home.daemon().await;
    home.until("it was refused", |library| {
        library.calls("mediaItems.batchGet") == 1
    })
    .await;
    let refused = log(&home, &["mediaItems.batchGet"]).await[0];
    assert_eq!(refused.1, 429);
    daemon.kill();
    let daemon = home.daemon().await;
    home.until_status("they are verified", |status| {
        status["items"]["verified"] == 2
    })
    .await;
    let asked = log(&home, &["mediaItems.batchGet"]).await;
    let pause = asked[1].0 - refused.0;
    assert!((1500..1500 + LATE).contains(&pause), "{asked:?}");
    daemon.stop().await.expect(0);
    home.all_there(&files).await;
}

#[tokio::test]
async fn what_is_left_of_a_day_is_kept_for_fresh_files() {
    // An album costs two requests more: whether it is there, and to make it.
    for (rules, requests) in [("", 8), ("album = 'name:Rome'", 10)] {
        let mut home = Home::with_folder(rules).await;
        home.until_noon().await;
        home.set("quota.requests_per_day", &requests.to_string());
        home.set("quota.reserve", "5");
        home.set("batch.max_wait", "'2s'");
        let mut files = home.photos("photos", 200);
        let daemon = home.daemon().await;
        let status = home
            .until_status("only the reserve is left", |status| {
                status["items"]["created"] == 150 && status["lane"]["state"] == "waiting"
            })
            .await;
        let reason = status["lane"]["reason"].as_str().unwrap();
        assert!(reason.contains("`quota.reserve`"), "{reason}");
        // Its place is behind many that wait.
        let fresh = home.taken("photos/zz.jpg", 195, &super::support::media::photo(999));
        files.insert(196, fresh);
        let status = home
            .until_status("the fresh one is there", |status| {
                status["items"]["created"].as_u64() > Some(150)
            })
            .await;
        assert_eq!(status["quota"]["requests"], requests - 4, "{status:#}");
        assert!(home.library().await.names().contains(&"zz.jpg"));
        daemon.stop().await.expect(0);
        home.pass(26 * 3600).await;
        home.backfill().await;
        let library = home.all_there(&files).await;
        if !rules.is_empty() {
            assert_eq!(library.names_in("Rome"), names(&files));
        }
    }
}

#[tokio::test]
async fn a_wait_that_comes_with_a_server_error_is_kept_each_time() {
    let home = hurried("album = 'name:Rome'").await;
    let files = home.photos("photos", 4);
    let error = json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "Later."}});
    let answer = json!({"status": 503, "body": error, "headers": {"retry-after": "1"}});
    home.fault(CREATE, Some(8), json!({"answer": answer})).await;
    home.backfill().await;
    let creates = log(&home, &[CREATE]).await;
    assert!(creates.len() > 8, "{creates:?}");
    for pair in creates.windows(2).filter(|pair| pair[0].1 == 503) {
        assert!(pair[1].0 - pair[0].0 >= 1000, "{creates:?}");
    }
    home.all_there(&files).await;
}
