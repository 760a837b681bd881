//! Quotas, waits, and the rule of one write at a time: what is refused, and what is blamed.

use serde_json::{Value, json};

use crate::support::{media, stand::Stand};

async fn create_album(stand: &Stand) -> (u16, Value) {
    stand
        .post("/v1/albums", &json!({"album": {"title": "a"}}))
        .await
}

#[tokio::test]
async fn two_writes_at_once_are_refused_and_blamed() {
    let stand = Stand::start().await;
    stand
        .script(json!({"settings": {"latency_ms": {"albums.create": 200}}}))
        .await;
    let (first, second) = tokio::join!(create_album(&stand), create_album(&stand));
    let mut seen = [first.0, second.0];
    seen.sort_unstable();
    assert_eq!(seen, [200, 429]);
    assert_eq!(stand.broken_rules().await, ["overlapping_writes"]);
}

#[tokio::test]
async fn who_hung_up_on_a_write_is_refused_and_not_blamed() {
    let stand = Stand::start().await;
    stand
        .script(json!({"settings": {"latency_ms": {"albums.create": 2000}}}))
        .await;
    let patience = std::time::Duration::from_millis(100);
    assert!(
        tokio::time::timeout(patience, create_album(&stand))
            .await
            .is_err()
    );
    // The sandbox hears of it a moment later.
    while create_album(&stand).await.0 == 429 {
        if stand.state().await["refusals"] != json!([]) {
            break;
        }
    }
    let state = stand.state().await;
    assert_eq!(state["refusals"][0]["what"], "overlap_after_hanging_up");
}

#[tokio::test]
async fn reads_and_uploads_may_overlap_with_a_write() {
    let stand = Stand::start().await;
    stand
        .script(json!({"settings": {"latency_ms": {"*": 50}}}))
        .await;
    let upload = async |seed| stand.upload(media::photo(seed)).await;
    let (write, read, ..) = tokio::join!(
        create_album(&stand),
        stand.get("/v1/albums"),
        upload(1),
        upload(2)
    );
    assert_eq!((write.0, read.0), (200, 200));
    assert!(stand.broken_rules().await.is_empty());
}

#[tokio::test]
async fn the_lane_may_stay_closed_after_an_overlap() {
    let stand = Stand::start().await;
    let settings = json!({
        "latency_ms": {"albums.create": 100}, "sticky_concurrent_s": 600, "rate_limit_scale": 0,
    });
    stand.script(json!({"settings": settings})).await;
    tokio::join!(create_album(&stand), create_album(&stand));
    assert_eq!(create_album(&stand).await.0, 429);
    stand
        .script(json!({"command": "advance_clock_s", "seconds": 600}))
        .await;
    assert_eq!(create_album(&stand).await.0, 200);
}

#[tokio::test]
async fn a_write_too_soon_after_a_429_is_blamed() {
    let stand = Stand::start().await;
    let rule = json!({"method": "albums.create", "action": "concurrent_429"});
    stand
        .script(json!({"rules": [rule], "settings": {"rate_limit_scale": 1}}))
        .await;
    assert_eq!(create_album(&stand).await.0, 429);
    assert!(stand.broken_rules().await.is_empty());
    assert_eq!(stand.get("/v1/albums").await.0, 200);
    assert_eq!(create_album(&stand).await.0, 200);
    assert_eq!(stand.broken_rules().await, ["too_soon_after_429"]);
    stand
        .script(json!({"command": "advance_clock_s", "seconds": 30}))
        .await;
    assert_eq!(create_album(&stand).await.0, 200);
    assert_eq!(stand.broken_rules().await.len(), 1);
}

#[tokio::test]
async fn the_minute_has_so_many_writes() {
    let stand = Stand::start().await;
    stand
        .script(json!({"settings": {"writes_per_minute": 2, "rate_limit_scale": 0}}))
        .await;
    // A minute may turn between two of them, but not between all.
    let mut refused = 0;
    for _ in 0..6 {
        refused += u32::from(create_album(&stand).await.0 == 429);
    }
    assert!(refused >= 2, "{refused}");
    stand
        .script(json!({"command": "advance_clock_s", "seconds": 60}))
        .await;
    assert_eq!(create_album(&stand).await.0, 200);
}

#[tokio::test]
async fn the_day_has_so_many_requests_and_ends_at_midnight_pacific() {
    let mut stand = Stand::start().await;
    // Noon, so that the stop is none of the early ones after midnight.
    let now: jiff::Timestamp = stand.state().await["now"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let pacific = now.in_tz("America/Los_Angeles").unwrap();
    let noon = pacific
        .tomorrow()
        .unwrap()
        .with()
        .hour(12)
        .minute(0)
        .build()
        .unwrap();
    let seconds = noon.timestamp().as_second() - now.as_second();
    stand
        .script(json!({"command": "advance_clock_s", "seconds": seconds}))
        .await;
    stand.sign_in().await;
    stand.script(json!({"settings": {"daily_limit": 3}})).await;
    stand.upload(media::photo(1)).await;
    assert_eq!(stand.get("/v1/albums").await.0, 200);
    assert_eq!(create_album(&stand).await.0, 200);
    assert_eq!(stand.state().await["quota_used"], 3);
    let (status, answer) = stand.get("/v1/albums").await;
    assert_eq!(status, 429);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("per day")
    );
    assert!(stand.broken_rules().await.is_empty());
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(stand.get("/v1/albums").await.0, 429);
    assert_eq!(stand.broken_rules().await, ["request_after_daily_stop"]);
    stand
        .script(json!({"command": "advance_clock_s", "seconds": 12 * 3600 + 60}))
        .await;
    stand.sign_in().await;
    assert_eq!(stand.get("/v1/albums").await.0, 200);
    assert_eq!(stand.broken_rules().await.len(), 1);
    assert_eq!(stand.state().await["quota_used"], 1);
}

#[tokio::test]
async fn uploads_count_toward_the_day_or_not() {
    let stand = Stand::start().await;
    stand
        .script(json!({"settings": {"daily_limit": 1, "uploads_count": false}}))
        .await;
    stand.upload(media::photo(1)).await;
    stand.upload(media::photo(2)).await;
    assert_eq!(stand.get("/v1/albums").await.0, 200);
    stand
        .script(json!({"settings": {"uploads_count": true}}))
        .await;
    assert_eq!(
        stand
            .raw_upload(media::photo(3))
            .send()
            .await
            .unwrap()
            .status(),
        429
    );
    stand.script(json!({"settings": {"lifted": true}})).await;
    stand.upload(media::photo(4)).await;
}

#[tokio::test]
async fn addresses_and_parameters_that_are_not_there_are_blamed() {
    let stand = Stand::start().await;
    assert_eq!(stand.get("/v1/photos").await.0, 404);
    assert_eq!(stand.get("/v1/albums?size=5").await.0, 400);
    assert_eq!(
        stand.broken_rules().await,
        ["unknown_address", "unknown_parameter"]
    );
}

#[tokio::test]
async fn the_sandbox_listens_on_loopback_only() {
    let options = photos_sandbox::Options {
        listen: ([0, 0, 0, 0], 0).into(),
        data_dir: None,
    };
    let error = photos_sandbox::Sandbox::start(options).await.unwrap_err();
    assert!(error.to_string().contains("hint:"));
}
