//! Trouble while media items are made, of a whole call.

use serde_json::json;

use super::{ROME, Trip, three, unknown_429};
use crate::support::home::names;

const CREATE: &str = "mediaItems.batchCreate";

#[tokio::test]
async fn a_batch_is_repeated_while_the_service_is_overloaded() {
    let library = three(CREATE, 3, "unavailable_503").await;
    assert_eq!(library.calls(CREATE), 4);
    assert_eq!(library.calls("uploads.raw"), 3);
}

#[tokio::test]
async fn a_server_error_after_the_items_were_made_makes_none_twice() {
    three(CREATE, 2, json!({"canned": "server_500", "commit": true})).await;
}

#[tokio::test]
async fn a_lost_reply_is_repeated_word_for_word() {
    let trip = Trip::of(3).await;
    trip.home.fault(CREATE, Some(2), "cut_after".into()).await;
    trip.backfill().await;
    let records = trip.home.get("/sandbox/requests").await;
    let bodies: Vec<_> = records
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["method"] == CREATE)
        .map(|record| record["request"].to_string())
        .collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
}

#[tokio::test]
async fn a_call_that_never_arrived_is_repeated() {
    let library = three(CREATE, 2, "cut_before").await;
    assert_eq!(library.calls("uploads.raw"), 3);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_asked_for_again() {
    for damage in ["garbage", "empty"] {
        let library = three(CREATE, 1, damage).await;
        assert_eq!(library.calls("uploads.raw"), 3, "{damage}");
    }
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_answer() {
    three(CREATE, 2, "html_502").await;
}

#[tokio::test]
async fn limits_per_minute_are_waited_for() {
    for refusal in [json!("minute_429"), unknown_429(), json!("quota_400_flat")] {
        let library = three(CREATE, 2, refusal).await;
        assert_eq!(library.calls("uploads.raw"), 3);
    }
}

#[tokio::test]
async fn refusals_of_concurrent_writes_are_waited_for_longer_each_time() {
    three(CREATE, 2, "concurrent_429").await;
}

#[tokio::test]
async fn an_aborted_call_is_repeated() {
    three(CREATE, 2, "aborted_409").await;
}

#[tokio::test]
async fn the_end_of_the_day_is_waited_for_and_nothing_goes_up_twice() {
    let trip = Trip::of(3).await;
    trip.home.until_noon().await;
    trip.home.fault(CREATE, Some(1), "daily_429".into()).await;
    trip.home.run(&["backfill", "--no-wait"]).await.expect(5);
    let status = trip.home.status().await;
    assert_eq!(status["account"]["state"], "quota_exhausted");
    assert_eq!(status["items"]["created"], 0);
    assert!(status["quota"]["resumes_at"].is_string(), "{status:#}");
    trip.home.pass(26 * 3600).await;
    trip.backfill().await;
}

#[tokio::test]
async fn a_batch_that_is_refused_for_one_item_is_taken_apart() {
    let trip = Trip::of(8).await;
    let action = json!({"canned": "bad_upload_token", "only_with": "p0005.jpg"});
    trip.home.fault(CREATE, None, action).await;
    let running = trip.home.start(&["backfill"]);
    // The culprit was found when its bytes, and only its, go again.
    trip.home
        .until("fresh bytes", |library| library.calls("uploads.raw") == 9)
        .await;
    trip.home.no_faults().await;
    running.ended().await.expect(0);
    let library = trip.arrived().await;
    assert_eq!(library.calls("uploads.raw"), 9);
}

#[tokio::test]
async fn an_item_that_is_refused_for_ever_fails_alone() {
    let mut trip = Trip::of(8).await;
    let action = json!({"canned": "bad_upload_token", "only_with": "p0005.jpg"});
    trip.home.set("retry.max_attempts", "2");
    trip.home.fault(CREATE, None, action).await;
    trip.home.run(&["backfill"]).await.expect(1);
    let culprit = trip.files.remove(5);
    let library = trip.arrived().await;
    assert!(!library.has_bytes(&std::fs::read(&culprit).unwrap()));
    let status = trip.home.status().await;
    assert_eq!(status["items"]["failed"], 1);
    let path = status["failures"][0]["path"].as_str().unwrap();
    assert!(path.ends_with("p0005.jpg"), "{path}");

    trip.home.no_faults().await;
    trip.home.run(&["retry", "--all"]).await.expect(0);
    trip.home.backfill().await;
    trip.files.insert(5, culprit);
    let library = trip.home.all_there(&trip.files).await;
    assert_eq!(library.names_in(ROME), names(&trip.files));
}

#[tokio::test]
async fn results_may_be_missing_in_disorder_or_under_another_status() {
    three(CREATE, 1, json!({"drop_results": [0, 2]})).await;
    three(CREATE, 1, "shuffle_results").await;
    three(CREATE, 1, "status_207").await;
}
