//! Files that nobody can send: whatever one of them does to the service, the others arrive.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};

use super::support::{home::Home, media};

const CREATE: &str = "mediaItems.batchCreate";

/// Eight photos, of which the service cannot take one; the others arrive, the one is set aside with
/// a reason, and `retry` brings it once the service can.
async fn one_of_eight(method: &str, action: Value) {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("retry.max_attempts", "2");
    home.set("retry.server_error_base", "'5ms'");
    home.set("retry.rate_limit_base", "'5ms'");
    let mut files: Vec<PathBuf> = home.photos("photos", 7);
    let poison = home.taken("photos/poison.png", 3, &png());
    home.fault(method, None, action.clone()).await;
    let daemon = home.daemon().await;
    let mut n = 0;
    // Others go on coming: a service that fails at everything would be no fault of this one.
    while home.status().await["items"]["failed"] != 1 {
        n += 1;
        assert!(n < 200, "{action} {:#}", home.status().await);
        files.push(home.taken(
            format!("photos/more{n}.jpg"),
            60 + n,
            &media::photo(1000 + n),
        ));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let all = files.len() as u64;
    home.until_status("the others arrive", |status| {
        status["items"]["created"] == all
    })
    .await;
    let failure = home.status().await["failures"][0].clone();
    assert!(
        failure["path"].as_str().unwrap().ends_with("poison.png"),
        "{action} {failure}"
    );
    assert!(
        !failure["reason"].as_str().unwrap().is_empty(),
        "{action} {failure}"
    );
    daemon.stop().await.expect(0);
    home.no_faults().await;
    home.run(&["retry", "--all"]).await.expect(0);
    home.backfill().await;
    files.push(poison);
    home.library().await.has_exactly(&files);
}

fn png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x28\0\0\0\x1e\x08\0\0\0\0".to_vec();
    bytes.extend(media::photo(4));
    bytes
}

#[tokio::test]
async fn an_item_that_makes_the_whole_call_refused() {
    let body = json!({"error": {"code": 400, "message": "Never.", "status": "INVALID_ARGUMENT"}});
    let answer = json!({"answer": {"status": 400, "body": body}, "only_with": "poison.png"});
    one_of_eight(CREATE, answer).await;
}

#[tokio::test]
async fn an_item_that_makes_the_service_fail_at_the_whole_call() {
    let action = json!({"canned": "server_500", "only_with": "poison.png"});
    one_of_eight(CREATE, action).await;
}

#[tokio::test]
async fn an_item_whose_call_is_never_answered() {
    let action = json!({"cut_before": true, "only_with": "poison.png"});
    one_of_eight(CREATE, action).await;
}

#[tokio::test]
async fn a_file_whose_upload_always_fails() {
    let action = json!({"canned": "server_500", "only_with": "image/png"});
    one_of_eight("uploads.raw", action).await;
}
