//! Trouble with one item of a batch.

use serde_json::json;

use super::{Trip, three};

const CREATE: &str = "mediaItems.batchCreate";

#[tokio::test]
async fn an_item_that_failed_for_the_moment_is_tried_again_with_the_same_token() {
    for code in [13, 14, 8, 4, 10] {
        let library = three(CREATE, 2, json!({"item_codes": {"p0001.jpg": code}})).await;
        assert_eq!(library.calls("uploads.raw"), 3, "code {code}");
    }
}

#[tokio::test]
async fn an_item_that_was_there_already_in_the_same_call_is_asked_for_alone() {
    three(CREATE, 1, json!({"item_codes": {"p0001.jpg": 6}})).await;
}

#[tokio::test]
async fn bytes_that_were_refused_once_go_up_once_more() {
    let library = three(CREATE, 1, json!({"item_codes": {"p0001.jpg": 3}})).await;
    assert_eq!(library.calls("uploads.raw"), 4);
}

#[tokio::test]
async fn bytes_that_were_refused_twice_fail_and_a_retry_heals_them() {
    let mut trip = Trip::of(3).await;
    let action = json!({"item_codes": {"p0001.jpg": 3}});
    trip.home.fault(CREATE, None, action).await;
    trip.home.run(&["backfill"]).await.expect(1);
    let refused = trip.files.remove(1);
    let library = trip.arrived().await;
    assert_eq!(library.calls("uploads.raw"), 4);
    let failure = &trip.home.status().await["failures"][0];
    assert_eq!(
        (&failure["state"], &failure["code"]),
        (&json!("failed"), &json!(3))
    );

    // The failure is told again by each run, and costs nothing.
    trip.home.command(json!({"command": "forget_log"})).await;
    trip.home.run(&["backfill"]).await.expect(1);
    assert_eq!(trip.home.library().await.requests(), 0);

    trip.home.no_faults().await;
    trip.home.run(&["retry", "--all"]).await.expect(0);
    trip.home.backfill().await;
    trip.files.insert(1, refused);
    trip.arrived().await;
}
