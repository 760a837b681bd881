//! Raw and resumable uploads.

use reqwest::Method;
use serde_json::json;

use crate::support::{media, stand::Stand};

const CHUNK: usize = 262_144;

/// Begins a session for so many bytes; the answer is its path.
async fn begin(stand: &Stand, size: usize) -> String {
    let request = stand
        .request(Method::POST, "/v1/uploads")
        .header("content-length", "0")
        .header("x-goog-upload-command", "start")
        .header("x-goog-upload-content-type", "video/mp4")
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-raw-size", size);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-goog-upload-status"), "active");
    assert_eq!(header("x-goog-upload-chunk-granularity"), "262144");
    let url = header("x-goog-upload-url");
    url.strip_prefix(&stand.sandbox.url()).unwrap().to_owned()
}

struct Reply {
    status: u16,
    upload_status: String,
    received: String,
    body: String,
}

/// Sends a command to a session; none if the connection broke.
async fn send(
    stand: &Stand,
    session: &str,
    command: &str,
    chunk: Option<(usize, &[u8])>,
) -> Option<Reply> {
    let mut request = stand
        .request(Method::POST, session)
        .header("x-goog-upload-command", command);
    request = match chunk {
        Some((offset, bytes)) => request
            .header("x-goog-upload-offset", offset)
            .body(bytes.to_vec()),
        None => request.header("content-length", "0"),
    };
    let response = request.send().await.ok()?;
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    Some(Reply {
        status: response.status().as_u16(),
        upload_status: header("x-goog-upload-status"),
        received: header("x-goog-upload-size-received"),
        body: response.text().await.ok()?,
    })
}

#[tokio::test]
async fn a_raw_upload_gives_a_token_and_makes_nothing() {
    let stand = Stand::start().await;
    let token = stand.upload(media::photo(1)).await;
    assert!((500..520).contains(&token.len()) && token.starts_with("CAIS"));
    let state = stand.state().await;
    assert_eq!(state["items"], json!([]));
    assert_eq!(state["calls"]["uploads.raw"], 1);
    assert_eq!(state["bytes_received"], media::photo(1).len());
    assert_eq!(state["broken_rules"], json!([]));
}

#[tokio::test]
async fn errors_of_uploads_are_flat_and_called_html() {
    let stand = Stand::start().await;
    let response = stand.raw_upload(Vec::new()).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.headers()["content-type"],
        "text/html; charset=UTF-8"
    );
    let text = response.text().await.unwrap();
    assert_eq!(
        text,
        "{\n  \"code\": 3,\n  \"message\": \"Payload must not be empty\"\n}\n"
    );

    let request = stand
        .client
        .post(stand.url("/v1/uploads"))
        .bearer_auth("nobody");
    let request = request
        .header("x-goog-upload-protocol", "raw")
        .body("x".repeat(3_000_000));
    let (status, body) = crate::support::stand::both(request.send().await.unwrap()).await;
    assert_eq!(status, 401);
    assert_eq!(body["code"], 16);
    assert_eq!(body["message"], "Authentication session is not defined.");
}

#[tokio::test]
async fn a_missing_content_type_is_noted_and_not_refused() {
    let stand = Stand::start().await;
    let request = stand.request(Method::POST, "/v1/uploads");
    let request = request
        .header("x-goog-upload-protocol", "raw")
        .body(media::photo(1));
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(
        stand.broken_rules().await,
        ["upload_content_type", "content_type"]
    );
}

#[tokio::test]
async fn a_session_takes_chunks_and_ends_with_a_token() {
    let stand = Stand::start().await;
    let bytes = media::video(1, CHUNK + 1000);
    let session = begin(&stand, bytes.len()).await;
    let reply = send(&stand, &session, "upload", Some((0, &bytes[..CHUNK])))
        .await
        .unwrap();
    assert_eq!((reply.status, &*reply.upload_status), (200, "active"));
    let reply = send(&stand, &session, "query", None).await.unwrap();
    assert_eq!(reply.received, CHUNK.to_string());
    let last = Some((CHUNK, &bytes[CHUNK..]));
    let reply = send(&stand, &session, "upload, finalize", last)
        .await
        .unwrap();
    assert_eq!((reply.status, &*reply.upload_status), (200, "final"));
    let again = send(&stand, &session, "query", None).await.unwrap();
    assert_eq!((again.status, again.upload_status.as_str()), (200, "final"));
    assert_eq!(again.body, reply.body);

    let item = crate::support::stand::new_item(&reply.body, "a.mp4");
    let (status, answer) = stand.create_items(vec![item], json!({})).await;
    assert_eq!(status, 200);
    let item = &answer["newMediaItemResults"][0]["mediaItem"];
    assert_eq!(item["mimeType"], "video/mp4");
    assert_eq!(item["mediaMetadata"]["video"]["status"], "PROCESSING");
    assert_eq!(stand.state().await["items"][0]["size"], bytes.len());
    assert!(stand.broken_rules().await.is_empty());
}

#[tokio::test]
async fn sessions_answer_mistakes_as_googles_mock_does() {
    let stand = Stand::start().await;
    let bytes = media::video(1, 2 * CHUNK);
    let session = begin(&stand, bytes.len()).await;
    let wrong_offset = send(&stand, &session, "upload", Some((7, &bytes[..CHUNK])))
        .await
        .unwrap();
    assert_eq!(
        (wrong_offset.status, &*wrong_offset.upload_status),
        (409, "active")
    );
    let odd = send(&stand, &session, "upload", Some((0, &bytes[..1000])))
        .await
        .unwrap();
    assert_eq!((odd.status, &*odd.upload_status), (400, "active"));
    let short = send(
        &stand,
        &session,
        "upload, finalize",
        Some((0, &bytes[..CHUNK])),
    )
    .await
    .unwrap();
    assert_eq!((short.status, &*short.upload_status), (400, "active"));
    let unknown = send(&stand, "/v1/uploads?upload_id=none", "query", None)
        .await
        .unwrap();
    assert_eq!((unknown.status, &*unknown.upload_status), (404, ""));
    let cancelled = send(&stand, &session, "cancel", None).await.unwrap();
    assert_eq!(
        (cancelled.status, &*cancelled.upload_status),
        (200, "cancelled")
    );
    let late = send(&stand, &session, "upload", Some((0, &bytes[..CHUNK])))
        .await
        .unwrap();
    assert_eq!((late.status, &*late.upload_status), (400, "cancelled"));
    let asked = send(&stand, &session, "query", None).await.unwrap();
    assert_eq!((asked.status, &*asked.upload_status), (410, "cancelled"));
    let command = send(&stand, &session, "fly", None).await.unwrap();
    assert_eq!(command.status, 400);
}

#[tokio::test]
async fn bytes_that_came_before_a_cut_are_kept_and_the_session_goes_on() {
    let stand = Stand::start().await;
    let bytes = media::video(1, 3_000_000);
    let session = begin(&stand, bytes.len()).await;
    let cut = json!({"method": "uploads.upload", "action": {"cut_body_after": 1_000_001}});
    stand.script(json!({"rules": [cut]})).await;
    let all = Some((0, &bytes[..]));
    assert!(
        send(&stand, &session, "upload, finalize", all)
            .await
            .is_none()
    );
    let reply = send(&stand, &session, "query", None).await.unwrap();
    assert_eq!(reply.received, "1000001");
    let rest = Some((1_000_001, &bytes[1_000_001..]));
    let reply = send(&stand, &session, "upload, finalize", rest)
        .await
        .unwrap();
    assert_eq!(reply.upload_status, "final");
    let item = crate::support::stand::new_item(&reply.body, "a.mp4");
    stand.create_items(vec![item], json!({})).await;
    let state = stand.state().await;
    assert_eq!(state["items"][0]["size"], bytes.len());
    assert_eq!(state["bytes_received"], bytes.len());
}

#[tokio::test]
async fn a_restarted_sandbox_still_knows_items_tokens_and_half_a_session() {
    let dir = tempfile::tempdir().unwrap();
    let mut stand = Stand::with(Some(dir.path().to_owned())).await;
    let waiting = stand.upload(media::photo(2)).await;
    let album = stand.album("kept").await;
    stand
        .create(&[("a.jpg", media::photo(1))], json!({"albumId": album}))
        .await;
    let bytes = media::video(1, 2 * CHUNK);
    let session = begin(&stand, bytes.len()).await;
    send(&stand, &session, "upload", Some((0, &bytes[..CHUNK])))
        .await
        .unwrap();
    let old = stand.token.clone();
    stand.sandbox.stop().await;

    stand = Stand::with(Some(dir.path().to_owned())).await;
    stand.token = old;
    assert_eq!(stand.names_in("kept").await, ["a.jpg"]);
    let reply = send(&stand, &session, "query", None).await.unwrap();
    assert_eq!(reply.received, CHUNK.to_string());
    let reply = send(
        &stand,
        &session,
        "upload, finalize",
        Some((CHUNK, &bytes[CHUNK..])),
    )
    .await
    .unwrap();
    let items = vec![
        crate::support::stand::new_item(&waiting, "b.jpg"),
        crate::support::stand::new_item(&reply.body, "c.mp4"),
    ];
    let (_, answer) = stand.create_items(items, json!({"albumId": album})).await;
    assert_eq!(
        answer["newMediaItemResults"][1]["status"]["message"],
        "Success"
    );
    assert_eq!(stand.names_in("kept").await, ["a.jpg", "b.jpg", "c.mp4"]);
}

#[tokio::test]
async fn what_is_not_known_of_sessions_can_be_switched() {
    let stand = Stand::start().await;
    let settings = json!({
        "final_query_returns_token": false, "offset_mismatch_status": 416, "single_use_tokens": true,
        "explicit_code_0": true, "success_message": "OK", "session_lifetime_s": 60,
    });
    stand.script(json!({"settings": settings})).await;
    let bytes = media::video(1, 1000);
    let session = begin(&stand, bytes.len()).await;
    let wrong = send(&stand, &session, "upload, finalize", Some((5, &bytes)))
        .await
        .unwrap();
    assert_eq!((wrong.status, &*wrong.upload_status), (416, "active"));
    let done = send(&stand, &session, "upload,finalize", Some((0, &bytes)))
        .await
        .unwrap();
    let asked = send(&stand, &session, "query", None).await.unwrap();
    assert_eq!(
        (asked.upload_status.as_str(), asked.body.as_str()),
        ("final", "")
    );
    stand
        .script(json!({"command": "advance_clock_s", "seconds": 60}))
        .await;
    assert_eq!(
        send(&stand, &session, "query", None).await.unwrap().status,
        404
    );

    let item = crate::support::stand::new_item(&done.body, "a.mp4");
    let (_, answer) = stand.create_items(vec![item.clone()], json!({})).await;
    let status = &answer["newMediaItemResults"][0]["status"];
    assert_eq!(*status, json!({"code": 0, "message": "OK"}));
    assert_eq!(stand.create_items(vec![item], json!({})).await.0, 400);
}
