//! Scripted faults.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    discovery, media,
    stand::{Stand, both, new_item},
};

const CREATE: &str = "/v1/mediaItems:batchCreate";

fn rule(action: &Value) -> Value {
    json!({"rules": [{"method": "mediaItems.batchCreate", "action": action}]})
}

/// The status of a batchCreate of one photo, or nothing if the connection broke.
async fn try_create(stand: &Stand, token: &str) -> Option<(u16, Value)> {
    let body = json!({"newMediaItems": [new_item(token, "a.jpg")]});
    let request = stand.request(Method::POST, CREATE).json(&body);
    Some(both(request.send().await.ok()?).await)
}

async fn n_items(stand: &Stand) -> usize {
    stand.state().await["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_rule_skips_applies_and_is_used_up() {
    let stand = Stand::start().await;
    let rule =
        json!({"method": ["albums.list"], "skip": 1, "times": 2, "action": "unavailable_503"});
    let script = stand.script(json!({"rules": [rule]})).await;
    assert_eq!(script["rules"][0]["skip"], 1);
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(stand.get("/v1/albums").await.0);
    }
    assert_eq!(seen, [200, 503, 503, 200]);
}

#[tokio::test]
async fn canned_answers_have_the_shapes_of_the_service() {
    let stand = Stand::start().await;
    stand
        .script(json!({"settings": {"rate_limit_scale": 0}}))
        .await;
    let token = stand.upload(media::photo(1)).await;
    let answer = async |word: &str| {
        stand.script(rule(&word.into())).await;
        try_create(&stand, &token).await.unwrap()
    };
    let (status, body) = answer("minute_429").await;
    assert_eq!(status, 429);
    let metadata = &body["error"]["details"][0]["metadata"];
    assert_eq!(metadata["quota_limit"], "WritesPerMinutePerUser");
    let (status, body) = answer("concurrent_429").await;
    assert_eq!(status, 429);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .contains("concurrent write request")
    );
    let (status, body) = answer("quota_403").await;
    assert_eq!(
        (status, &body["error"]["errors"][0]["reason"]),
        (403, &json!("userRateLimitExceeded"))
    );
    let (status, body) = answer("aborted_409").await;
    assert_eq!((status, &body["error"]["status"]), (409, &json!("ABORTED")));
    let (status, body) = answer("html_502").await;
    assert!(status == 502 && body.as_str().unwrap().starts_with("<!DOCTYPE html>"));
    let (status, body) = answer("daily_429").await;
    assert_eq!(status, 429);
    let metadata = &body["error"]["details"][0]["metadata"];
    assert_eq!(metadata["quota_limit"], "ApiCallsPerProjectPerDay");
    assert_eq!(n_items(&stand).await, 0);

    let upload = json!({"method": "uploads.*", "action": "quota_400_flat"});
    stand.script(json!({"rules": [upload]})).await;
    let (status, body) = both(stand.raw_upload(media::photo(1)).send().await.unwrap()).await;
    assert_eq!((status, &body["code"]), (400, &json!(3)));
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .starts_with("Insufficient tokens for quota")
    );
}

#[tokio::test]
async fn a_written_out_answer_comes_as_written() {
    let stand = Stand::start().await;
    let written =
        json!({"status": 429, "body": {"error": {"code": 429}}, "headers": {"Retry-After": "7"}});
    stand.script(rule(&json!({"answer": written}))).await;
    let response = stand.request(Method::POST, CREATE).send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(both(response).await, (429, json!({"error": {"code": 429}})));
}

#[tokio::test]
async fn a_cut_comes_before_or_after_the_deed() {
    let stand = Stand::start().await;
    let token = stand.upload(media::photo(1)).await;
    stand.script(rule(&"cut_before".into())).await;
    assert!(try_create(&stand, &token).await.is_none());
    assert_eq!(n_items(&stand).await, 0);
    stand.script(rule(&"cut_after".into())).await;
    assert!(try_create(&stand, &token).await.is_none());
    assert_eq!(n_items(&stand).await, 1);
    let (status, _) = try_create(&stand, &token).await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(n_items(&stand).await, 1);
}

#[tokio::test]
async fn a_damaged_success_is_done_and_an_error_is_not() {
    let stand = Stand::start().await;
    let mut expected = 0;
    let cases = [
        (json!("garbage"), 1),
        (json!("empty"), 1),
        (json!("server_500"), 0),
        (json!({"canned": "server_500", "commit": true}), 1),
        (json!({"canned": "garbage", "commit": false}), 0),
    ];
    for (seed, (action, n_made)) in (0..).zip(cases) {
        let token = stand.upload(media::photo(seed)).await;
        stand.script(rule(&action)).await;
        assert!(try_create(&stand, &token).await.is_some());
        expected += n_made;
        assert_eq!(n_items(&stand).await, expected, "{action}");
    }
}

#[tokio::test]
async fn items_fail_results_vanish_and_change_places() {
    let stand = Stand::start().await;
    let mut items = Vec::new();
    for seed in 0..5 {
        items.push(new_item(
            &stand.upload(media::photo(seed)).await,
            &format!("{seed}.jpg"),
        ));
    }
    let action = json!({
        "item_codes": {"0": 13, "1.jpg": {"code": 3, "message": "BAD_IMAGE"}},
        "drop_results": [2], "shuffle_results": true, "status_207": true,
    });
    stand.script(rule(&action)).await;
    let (status, answer) = stand.create_items(items.clone(), json!({})).await;
    assert_eq!(status, 207);
    let results = answer["newMediaItemResults"].as_array().unwrap();
    let tokens: Vec<_> = results
        .iter()
        .map(|result| &result["uploadToken"])
        .collect();
    let sent: Vec<_> = items
        .iter()
        .map(|item| &item["simpleMediaItem"]["uploadToken"])
        .collect();
    assert_eq!(tokens.len(), 4);
    assert!(!tokens.contains(&sent[2]));
    assert_ne!(tokens, [sent[0], sent[1], sent[3], sent[4]]);
    let of = |token: &Value| {
        results
            .iter()
            .find(|result| result["uploadToken"] == *token)
            .unwrap()
    };
    assert_eq!(of(sent[0])["status"]["code"], 13);
    assert_eq!(
        of(sent[1])["status"],
        json!({"code": 3, "message": "BAD_IMAGE"})
    );
    assert_eq!(n_items(&stand).await, 3);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_undo_what_was_begun() {
    let stand = Stand::start().await;
    let token = stand.upload(media::photo(1)).await;
    stand
        .script(json!({"settings": {"latency_ms": {"mediaItems.batchCreate": 1000}}}))
        .await;
    let patience = Duration::from_millis(50);
    let given_up = tokio::time::timeout(patience, try_create(&stand, &token)).await;
    assert!(given_up.is_err());
    assert_eq!(n_items(&stand).await, 0);
    while n_items(&stand).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_hanging_call_holds_nobody_up_when_the_sandbox_stops() {
    let stand = Stand::start().await;
    stand
        .script(json!({"rules": [{"method": "albums.list", "action": "hang"}]}))
        .await;
    let hanging = tokio::spawn(stand.request(Method::GET, "/v1/albums").send());
    while stand.state().await["calls"]["albums.list"].is_null() {
        tokio::task::yield_now().await;
    }
    let stopped = tokio::time::timeout(Duration::from_secs(5), stand.sandbox.stop()).await;
    assert!(stopped.is_ok());
    assert!(hanging.await.unwrap().is_err());
}

#[tokio::test]
async fn a_script_with_a_mistake_is_refused_with_a_reason() {
    let stand = Stand::start().await;
    for (script, reason) in [
        (
            json!({"rules": [{"method": "*", "action": "explode"}]}),
            "explode",
        ),
        (
            json!({"rules": [{"method": "*", "action": {"delay": 5}}]}),
            "rules",
        ),
        (json!({"settings": {"daily_limt": 5}}), "daily_limt"),
        (json!({"command": "dance"}), "dance"),
        (json!({"faults": []}), "faults"),
        (json!([]), "object"),
    ] {
        let request = stand
            .client
            .post(stand.url("/sandbox/faults"))
            .json(&script);
        let (status, answer) = both(request.send().await.unwrap()).await;
        assert_eq!(status, 400, "{script}");
        assert!(
            answer["error"].as_str().unwrap().contains(reason),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn the_record_of_calls_is_as_the_service_documents_it() {
    let stand = Stand::start().await;
    let album = stand.album("Rome").await;
    let files = [("a", media::photo(1)), ("v", media::video(1, 99))];
    let made = stand.create(&files, json!({"albumId": album})).await.1;
    let id = made["newMediaItemResults"][0]["mediaItem"]["id"]
        .as_str()
        .unwrap();
    stand.get(&format!("/v1/mediaItems/{id}")).await;
    stand
        .get(&format!(
            "/v1/mediaItems:batchGet?mediaItemIds={id}&mediaItemIds=x"
        ))
        .await;
    stand.get("/v1/albums?pageSize=50").await;
    stand.get("/v1/mediaItems?pageSize=1").await;
    stand
        .post("/v1/mediaItems:search", &json!({"albumId": album}))
        .await;
    stand
        .post(
            &format!("/v1/albums/{album}:batchRemoveMediaItems"),
            &json!({"mediaItemIds": [id]}),
        )
        .await;
    stand
        .patch(
            &format!("/v1/albums/{album}?updateMask=title"),
            &json!({"title": "b"}),
        )
        .await;
    let (_, records) = stand.get("/sandbox/requests").await;
    assert_eq!(records.as_array().unwrap().len(), 9);
    assert_eq!(discovery::check_records(&records), Vec::<String>::new());
    assert!(records[0]["headers"]["authorization"].is_null());
}
