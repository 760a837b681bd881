//! The limits of the service: kept without being told, and waited for once they are.

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::support::{clocks::service_zone, home::Home};

const CREATE: &str = "mediaItems.batchCreate";

#[tokio::test]
async fn a_steady_run_below_the_limit_of_writes_is_never_refused() {
    // A minute of six seconds, so 300 writes in a real one.
    let mut home = Home::with_folder("album = 'folder'").await;
    home.set("quota.writes_per_minute", "300");
    home.script(json!({"settings": {"writes_per_minute": 30, "minute_ms": 6000}}))
        .await;
    let files: Vec<_> = (0..35)
        .map(|i| {
            let bytes = super::support::media::photo(i);
            home.taken(format!("photos/a{i}/p{i}.jpg"), i, &bytes)
        })
        .collect();
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.calls(CREATE) + library.calls("albums.create"), 70);
    assert_eq!(library.0["refusals"], json!([]));
}

/// Half past midnight Pacific of a day that is not 24 hours long, the `nth` from `now` on.
fn morning_of_an_odd_day(now: Timestamp, nth: usize) -> Timestamp {
    let zone = service_zone();
    let change = zone.following(now).nth(nth).unwrap().timestamp();
    // The change is at two in the night; an hour before it is the day's too.
    let day = (change - SignedDuration::from_hours(1))
        .to_zoned(zone.clone())
        .date();
    day.at(0, 30, 0, 0).to_zoned(zone).unwrap().timestamp()
}

#[tokio::test]
async fn a_daily_stop_lasts_until_midnight_pacific_also_on_days_of_23_and_25_hours() {
    for nth in [0, 1] {
        let home = Home::with_folder("").await;
        let mut files = home.photos("photos", 2);
        let begin = morning_of_an_odd_day(home.now(), nth) + 2.hours();
        home.until_time(begin).await;
        home.fault(CREATE, Some(1), "daily_429".into()).await;
        home.run(&["backfill", "--no-wait"]).await.expect(5);
        let resumes: Timestamp = text(&home.status().await["quota"]["resumes_at"])
            .parse()
            .unwrap();
        let local = resumes.to_zoned(service_zone());
        assert_eq!(
            (local.hour(), (2..=10).contains(&local.minute())),
            (0, true),
            "{local}"
        );
        let hours = resumes.duration_since(begin).as_hours();
        assert!(hours == 20 || hours == 22, "{hours}");

        // Another process, a minute before, with more to do: not one request.
        let before = home.library().await.requests();
        files.push(home.taken("photos/more.jpg", 9, &super::support::media::photo(9)));
        home.until_time(resumes - SignedDuration::from_mins(12))
            .await;
        home.run(&["backfill", "--no-wait"]).await.expect(5);
        assert_eq!(home.library().await.requests(), before);
        home.until_time(resumes + 1.minutes()).await;
        home.backfill().await;
        home.all_there(&files).await;
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn a_full_storage_is_probed_once_an_hour_and_no_bytes_go_up_meanwhile() {
    let mut home = Home::with_folder("").await;
    home.set("retry.rate_limit_base", "'30s'");
    let mut files = home.photos("photos", 2);
    home.fault(CREATE, None, "storage_full".into()).await;
    let daemon = home.daemon().await;
    home.until_status("it is full", |status| {
        status["account"]["state"] == "storage_full"
    })
    .await;
    files.push(home.taken("photos/more.jpg", 9, &super::support::media::photo(9)));
    home.until_status("it is queued", |status| status["items"]["queued"] == 1)
        .await;
    let full = home.library().await;
    assert_eq!((full.calls("uploads.raw"), full.calls(CREATE)), (2, 1));
    daemon.stop().await.expect(0);

    let start = home.now();
    home.until_time(start + 50.minutes()).await;
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let same = home.library().await;
    assert_eq!((same.calls("uploads.raw"), same.calls(CREATE)), (2, 1));
    home.until_time(start + 61.minutes()).await;
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let probed = home.library().await;
    assert_eq!((probed.calls("uploads.raw"), probed.calls(CREATE)), (2, 2));
    home.no_faults().await;
    home.until_time(start + 122.minutes()).await;
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_holds_nothing_up() {
    let home = Home::with_folder("").await;
    let files = home.photos("photos", 3);
    home.clock(400 * 86_400);
    home.fault(CREATE, Some(1), json!({"item_codes": {"*": 13}}))
        .await;
    let running = home.start(&["backfill"]);
    home.until("the items failed once", |library| {
        library.calls(CREATE) == 1
    })
    .await;
    running.kill();
    home.clock(0);
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_while_the_service_is_away_holds_nothing_up() {
    let mut home = Home::with_folder("").await;
    // The longest waits are of an hour then, and the first ones are short.
    home.set("retry.rate_limit_base", "'30s'");
    let files = home.photos("photos", 3);
    home.fault("oauth.token", None, "unavailable_503".into())
        .await;
    let daemon = home.daemon().await;
    home.until_status("it waits for seconds", |status| {
        let until = status["account"]["until"].as_str();
        let until = until.and_then(|until| until.parse::<Timestamp>().ok());
        until.is_some_and(|until| until > home.now() + 1.seconds())
    })
    .await;
    home.clock(-3_000);
    home.no_faults().await;
    super::all_there_by_daemon(&home, &files).await;
    daemon.stop().await.expect(0);
}

/// An answer that asks for a wait of two hours.
fn two_hours() -> Value {
    let body =
        json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}});
    json!({"answer": {"status": 429, "body": body, "headers": {"retry-after": "7200"}}})
}

#[tokio::test]
async fn a_wait_of_hours_that_was_asked_for_is_kept_by_the_next_process() {
    let home = Home::with_folder("").await;
    home.until_noon().await;
    let files = home.photos("photos", 2);
    home.fault(CREATE, Some(1), two_hours()).await;
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    for seconds in [1, 3_700, 3_000] {
        home.pass(seconds).await;
        home.run(&["backfill", "--no-wait"]).await.expect(5);
        assert_eq!(home.library().await.calls(CREATE), 1, "{seconds}");
    }
    home.pass(600).await;
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn no_question_is_asked_again_within_the_hours_that_were_asked_for() {
    const GET: &str = "mediaItems.batchGet";
    let mut home = Home::with_folder("").await;
    home.until_noon().await;
    home.photos("photos", 2);
    home.backfill().await;
    home.set("verify.after", "'0s'");
    home.fault(GET, Some(1), two_hours()).await;
    for seconds in [1, 3_700, 3_000] {
        home.pass(seconds).await;
        let n = home.library().await.calls(CREATE);
        let daemon = home.daemon().await;
        // That takes longer than its first look at what is to be asked for.
        home.taken(
            format!("photos/n{seconds}.jpg"),
            seconds.unsigned_abs(),
            &super::support::media::photo(1_000 + seconds.unsigned_abs()),
        );
        home.until("another is made", |library| library.calls(CREATE) > n)
            .await;
        home.until("it was asked", |library| library.calls(GET) == 1)
            .await;
        daemon.stop().await.expect(0);
        assert_eq!(home.library().await.calls(GET), 1, "{seconds}");
    }
    home.pass(600).await;
    let daemon = home.daemon().await;
    // The first two were made while nothing was to be asked for.
    home.until_status("it is asked for", |status| status["items"]["verified"] == 3)
        .await;
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_daily_stop_outlasts_whatever_else_ails_the_account() {
    let home = Home::with_folder("").await;
    home.until_noon().await;
    let files = home.photos("photos", 2);
    let held_up = json!({"canned": "api_disabled_403", "delay_ms": 1500});
    home.script(json!({"rules": [
        {"method": CREATE, "action": "daily_429"},
        {"method": "uploads.raw", "skip": 1, "action": held_up},
    ]}))
    .await;
    let daemon = home.daemon().await;
    home.until("the account was refused after the stop", |library| {
        library.0["requests"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["status"] == 403))
    })
    .await;
    home.until_status("that was heard", |status| status["items"]["uploading"] == 0)
        .await;
    home.no_faults().await;
    daemon.stop().await.expect(0);
    let status = home.status().await;
    assert_eq!(status["account"]["state"], "quota_exhausted", "{status:#}");
    let before = home.library().await.requests();
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    assert_eq!(home.library().await.requests(), before);
    home.pass(26 * 3600).await;
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_full_storage_is_not_probed_against_an_album_that_refuses() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("retry.rate_limit_base", "'2s'");
    let mut files = home.photos("photos", 1);
    home.backfill().await;
    files.push(home.taken("photos/more.jpg", 9, &super::support::media::photo(9)));
    home.fault(CREATE, Some(1), "storage_full".into()).await;
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    home.fault(CREATE, None, "album_forbidden".into()).await;
    home.pass(300).await;
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let status = home.status().await;
    assert_eq!(status["account"]["state"], "storage_full", "{status:#}");
    let reason = text(&status["lane"]["reason"]);
    assert!(reason.starts_with("the album \"Rome\" waits: "), "{reason}");
    let asked = home.library().await;
    let calls = (asked.calls(CREATE), asked.calls("albums.get"));
    assert_eq!(calls, (3, 1), "made, full, and refused");
    home.no_faults().await;
    home.pass(300).await;
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn the_limit_of_the_day_holds_for_repetitions_and_questions_too() {
    for trouble in [
        json!([{"method": CREATE, "times": null, "action": "server_500"}]),
        json!([{"method": "albums.create", "times": null, "action": "cut_after"},
               {"method": "albums.list", "times": null, "action": "server_500"}]),
    ] {
        let mut home = Home::with_folder("album = 'name:Rome'").await;
        home.until_noon().await;
        home.set("quota.requests_per_day", "4");
        home.set("quota.reserve", "0");
        let files = home.photos("photos", 8);
        home.script(json!({"rules": trouble})).await;
        home.run(&["backfill", "--no-wait"]).await.expect(5);
        let status = home.status().await;
        assert_eq!(status["account"]["state"], "quota_exhausted", "{status:#}");
        let library = home.library().await;
        assert_eq!(library.requests() - library.calls("uploads.raw"), 4);
        home.no_faults().await;
        for _ in 0..2 {
            home.pass(26 * 3600).await;
            home.run(&["backfill", "--no-wait"]).await;
        }
        let library = home.all_there(&files).await;
        assert_eq!(library.titles(), ["Rome"]);
    }
}

#[tokio::test]
async fn a_backfill_that_must_not_wait_does_not_wait_for_an_album() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("retry.rate_limit_base", "'2s'");
    let mut files = home.photos("photos", 1);
    home.backfill().await;
    files.push(home.taken("photos/more.jpg", 9, &super::support::media::photo(9)));
    home.fault(CREATE, None, "album_forbidden".into()).await;
    home.pass(60).await;
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let status = home.status().await;
    assert_eq!(status["lane"]["state"], "waiting", "{status:#}");
    let reason = text(&status["lane"]["reason"]);
    assert!(
        reason.starts_with("the album \"Rome\" waits: ") && reason.contains("No permission"),
        "{reason}"
    );
    home.no_faults().await;
    home.pass(300).await;
    home.backfill().await;
    home.all_there(&files).await;
}
