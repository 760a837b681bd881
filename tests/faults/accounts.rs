//! Trouble with the account as a whole.

use serde_json::json;

use super::{Trip, answer, three};

const CREATE: &str = "mediaItems.batchCreate";

#[tokio::test]
async fn a_full_storage_is_probed_until_there_is_room() {
    let mut trip = Trip::of(3).await;
    trip.home.set("retry.rate_limit_base", "'5ms'");
    trip.home
        .fault(CREATE, Some(2), "storage_full".into())
        .await;
    let running = trip.home.start(&["backfill"]);
    trip.home
        .until_status("the storage is full", |status| {
            status["account"]["state"] == "storage_full"
        })
        .await;
    running.ended().await.expect(0);
    trip.arrived().await;
    let status = trip.home.status().await;
    assert_eq!(status["account"]["state"], "ready");
}

#[tokio::test]
async fn without_a_sign_in_a_backfill_ends_with_3_and_keeps_its_queue() {
    let trip = Trip::of(3).await;
    trip.home
        .fault("oauth.token", None, "refresh_dies".into())
        .await;
    let ran = trip.home.run(&["backfill"]).await.expect(3);
    assert!(ran.stderr.contains("albumen login"), "{}", ran.stderr);
    let status = trip.home.status().await;
    assert_eq!(status["account"]["state"], "login_needed");
    trip.home.no_faults().await;
    trip.home.sign_in("the second");
    trip.backfill().await;
}

#[tokio::test]
async fn a_missing_token_file_is_a_missing_sign_in() {
    let trip = Trip::of(1).await;
    std::fs::remove_file(trip.home.path("state/token.json")).unwrap();
    trip.home.run(&["backfill"]).await.expect(3);
    trip.home.sign_in("the second");
    trip.backfill().await;
}

#[tokio::test]
async fn an_api_that_is_switched_off_ends_a_backfill_with_2() {
    for refusal in ["api_disabled_403", "photos_disabled_403"] {
        let trip = Trip::of(2).await;
        let methods = ["uploads.*", "mediaItems.*", "albums.*"];
        let rule = json!({"method": methods, "times": null, "action": refusal});
        trip.home.script(json!({"rules": [rule]})).await;
        trip.home.run(&["backfill"]).await.expect(2);
        trip.home.no_faults().await;
        trip.backfill().await;
    }
}

#[tokio::test]
async fn tokens_that_cannot_be_renewed_for_the_moment_are_waited_for() {
    three("oauth.token", 3, answer(503, &json!("later"))).await;
    three("oauth.token", 2, "cut_before").await;
}
