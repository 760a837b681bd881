//! Trouble while bytes go up.

use serde_json::json;

use super::{Trip, answer, support::media, three, unknown_429};

const RAW: &str = "uploads.raw";

#[tokio::test]
async fn uploads_are_repeated_while_the_service_is_overloaded() {
    let library = three(RAW, 4, "unavailable_503").await;
    assert_eq!(library.calls(RAW), 7);
}

#[tokio::test]
async fn an_upload_that_was_cut_before_it_arrived_goes_again() {
    three(RAW, 2, "cut_before").await;
}

#[tokio::test]
async fn an_upload_whose_token_was_lost_goes_again_and_makes_one_item() {
    three(RAW, 2, "cut_after").await;
}

#[tokio::test]
async fn an_upload_that_was_cut_in_the_middle_goes_again() {
    let trip = Trip::of(2).await;
    let action = json!({"cut_body_after": 30});
    trip.home.fault(RAW, Some(2), action).await;
    trip.backfill().await;
}

#[tokio::test]
async fn a_server_error_that_kept_the_bytes_makes_no_second_item() {
    three(RAW, 2, json!({"canned": "server_500", "commit": true})).await;
}

#[tokio::test]
async fn limits_on_uploads_are_waited_for() {
    three(RAW, 2, "minute_429").await;
    three(RAW, 2, unknown_429()).await;
    three(RAW, 1, "concurrent_429").await;
}

#[tokio::test]
async fn a_flat_quota_refusal_of_an_upload_is_waited_for() {
    three(RAW, 1, "quota_400_flat").await;
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_none() {
    three(RAW, 2, "empty").await;
    three(RAW, 2, "html_502").await;
}

#[tokio::test]
async fn a_checksum_that_differs_sends_the_bytes_again() {
    three(RAW, 1, "checksum_400").await;
}

#[tokio::test]
async fn a_daily_stop_of_uploads_ends_with_the_day() {
    let trip = Trip::of(3).await;
    trip.home.until_noon().await;
    trip.home.fault(RAW, Some(1), "daily_429".into()).await;
    trip.home.run(&["backfill", "--no-wait"]).await.expect(5);
    let status = trip.home.status().await;
    assert_eq!(status["account"]["state"], "quota_exhausted");
    trip.home.pass(26 * 3600).await;
    trip.backfill().await;
}

#[tokio::test]
async fn a_file_that_the_service_finds_too_large_fails_and_holds_up_nobody() {
    let trip = Trip::of(3).await;
    trip.home.fault(RAW, Some(1), "too_large_413".into()).await;
    trip.home.run(&["backfill"]).await.expect(1);
    let library = trip.home.library().await;
    assert_eq!(library.n_items(), 2);
    trip.home.clean(&library).await;
    let status = trip.home.status().await;
    assert_eq!(status["items"]["failed"], 1);
    assert!(
        status["failures"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("large")
    );
}

#[tokio::test]
async fn an_access_token_that_dies_on_the_way_is_renewed() {
    three(RAW, 2, "access_dies").await;
    let library = three("mediaItems.batchCreate", 1, "access_dies").await;
    assert!(library.calls("oauth.token") >= 2);
}

#[tokio::test]
async fn while_every_upload_is_refused_no_file_is_blamed() {
    // As a service does that blocks an address, or something in between that lets nothing through.
    for refusal in [
        "forbidden_403".into(),
        "not_found_404".into(),
        "empty".into(),
        answer(400, &json!({"code": 3, "message": "No."})),
    ] {
        let mut trip = Trip::of(3).await;
        trip.home.set("retry.rate_limit_base", "'10ms'");
        trip.home.fault("uploads.*", None, refusal).await;
        let daemon = trip.home.daemon().await;
        // As many as would fail each of the three for good.
        trip.home
            .until("many tries", |library| library.calls(RAW) > 30)
            .await;
        let items = &trip.home.status().await["items"];
        assert_eq!(items["failed"], 0, "{items}");
        daemon.stop().await.expect(0);
        trip.home.no_faults().await;
        trip.backfill().await;
    }
}

#[tokio::test]
async fn a_file_that_is_refused_beside_others_waits_longer_each_time_and_fails() {
    let mut trip = Trip::of(3).await;
    trip.home.set("retry.server_error_base", "'40ms'");
    trip.home.set("retry.rate_limit_base", "'1s'");
    trip.home.set("retry.max_attempts", "5");
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x28\0\0\0\x1e\x08\0\0\0\0";
    let png = [&png[..], &media::photo(9)].concat();
    trip.home.write("photos/other.png", &png);
    let refusal = json!({"answer": {"status": 400, "body": {"code": 3, "message": "No."}},
        "only_with": "image/png"});
    trip.home.fault(RAW, None, refusal).await;
    trip.home.run(&["backfill"]).await.expect(1);
    assert_eq!(trip.home.library().await.n_items(), 3);
    let requests = trip.home.get("/sandbox/state").await["requests"].take();
    let times: Vec<i64> = requests
        .as_array()
        .unwrap()
        .iter()
        .filter(|request| request["method"] == RAW && request["status"] == 400)
        .map(|request| request["at_ms"].as_i64().unwrap())
        .collect();
    // One of which nobody knew whose fault it was, and five that blame it.
    assert_eq!(times.len(), 6, "{times:?}");
    let last = times[5] - times[4];
    // At least half of 40 ms doubled four times.
    assert!(last >= 320, "{last} {times:?}");
}

#[tokio::test]
async fn a_pause_that_uploads_are_asked_for_is_told_and_not_sat_out() {
    let trip = Trip::of(3).await;
    let pause = json!({"answer": {"status": 429, "body": {"code": 8, "message": "Slow down."},
        "headers": {"retry-after": "3000"}}});
    trip.home.fault("uploads.*", None, pause).await;
    let ran = trip.home.run(&["backfill", "--no-wait"]).await.expect(5);
    let told = "Stopped: the service asks for a pause (HTTP 429): Slow down. (tried again at ";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    // The service is owed it also when nothing runs.
    let uploads = &trip.home.status().await["uploads"];
    assert_eq!(uploads["state"], "waiting");
    let until: jiff::Timestamp = uploads["until"].as_str().unwrap().parse().unwrap();
    let seconds = until.duration_since(trip.home.now()).as_secs();
    assert!((2900..=3000).contains(&seconds), "{uploads}");
    let said = trip.home.run(&["status"]).await.expect(0).stdout;
    let told = "not running, 3 files waiting; the service asks for a pause (HTTP 429)";
    assert!(said.starts_with(told), "{said}");

    trip.home.no_faults().await;
    trip.home.pass(3001).await;
    trip.backfill().await;
    assert_eq!(trip.home.status().await["uploads"]["state"], "open");
}

#[tokio::test]
async fn uploads_that_fail_are_told_and_long_waits_for_them_not_sat_out() {
    let mut trip = Trip::of(3).await;
    trip.home.set("retry.server_error_base", "'3m'");
    trip.home.set("retry.rate_limit_base", "'1m'");
    trip.home
        .fault("uploads.*", None, "unavailable_503".into())
        .await;
    let ran = trip.home.run(&["backfill", "--no-wait"]).await.expect(5);
    let told = "Stopped: an upload failed: the service could not do it at the moment (HTTP 503)";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    // A new process tries at once.
    let uploads = &trip.home.status().await["uploads"];
    assert_eq!(uploads["state"], "open");
    let daemon = trip.home.daemon().await;
    trip.home
        .until_status("the wait", |status| status["uploads"]["state"] == "waiting")
        .await;
    let said = trip.home.run(&["status"]).await.expect(0).stdout;
    assert!(said.starts_with("waiting: an upload failed: "), "{said}");
    assert!(said.contains("; 3 files to go\n"), "{said}");
    daemon.stop().await.expect(0);
    trip.home.no_faults().await;
    trip.backfill().await;
}
