use std::{
    fs::File,
    io::Write as _,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use tokio::io::AsyncReadExt as _;

use crate::photos_api::{
    Bandwidth,
    testing::{Account, Seen, answer, granted, raw, read_head, serve, write},
};

use super::*;

fn file(size: usize) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![7; size]).unwrap();
    Arc::new(file)
}

fn body(size: usize) -> FileBody {
    stretch(&file(size), 0, size as u64)
}

fn stretch(file: &Arc<File>, offset: u64, size: u64) -> FileBody {
    FileBody::new(
        Arc::clone(file),
        offset,
        size,
        blake3::Hasher::new(),
        Arc::new(AtomicU64::new(0)),
        Bandwidth::unlimited(),
    )
}

fn session(account: &Account) -> SessionUrl {
    let url = account
        .settings
        .endpoints
        .api
        .join("/v1/uploads?upload_id=hush&upload_protocol=resumable");
    SessionUrl::new(url.unwrap())
}

#[tokio::test]
async fn a_raw_upload_has_the_headers_of_the_guide_and_gives_the_token_trimmed() {
    let server = serve(|_| answer(200, &[("content-type", "text/plain")], " CAIS-token_1\n")).await;
    let account = Account::signed_in(&server.url);
    let body = body(700_000);
    let sent = body.sent();
    let token = account.client.upload_raw("image/jpeg", body).await.unwrap();
    assert_eq!(token.reveal(), "CAIS-token_1");
    assert_eq!(
        sent.hash().unwrap().0,
        *blake3::hash(&vec![7; 700_000]).as_bytes()
    );
    let seen = &server.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("POST", "/v1/uploads")
    );
    for (name, value) in [
        ("authorization", "Bearer at-0"),
        ("content-type", "application/octet-stream"),
        ("content-length", "700000"),
        ("x-goog-upload-content-type", "image/jpeg"),
        ("x-goog-upload-protocol", "raw"),
        ("transfer-encoding", ""),
        ("referer", ""),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert_eq!(seen.body.len(), 700_000);
}

#[tokio::test]
async fn an_empty_token_and_a_page_instead_of_one_are_told_apart() {
    for (text, kind) in [
        (" \n", Kind::EmptyToken),
        ("<html>sign in to the wifi</html>", Kind::Garbled),
        ("two words", Kind::Garbled),
    ] {
        let server = serve(move |_| answer(200, &[], text)).await;
        let account = Account::signed_in(&server.url);
        let error = account.client.upload_raw("image/png", body(10)).await;
        assert_eq!(error.unwrap_err().kind(), kind, "{text}");
    }
}

/// A resumable endpoint that takes anything in order.
fn resumable(seen: &Seen) -> axum::response::Response {
    let (host, path) = (seen.header("host"), &seen.path);
    match seen.header("x-goog-upload-command") {
        "start" => answer(
            200,
            &[
                (
                    "x-goog-upload-url",
                    &format!("http://{host}{path}?upload_id=hush"),
                ),
                ("x-goog-upload-chunk-granularity", "1024"),
                ("x-goog-upload-status", "active"),
            ],
            "",
        ),
        "query" => answer(
            200,
            &[
                ("x-goog-upload-status", "active"),
                ("x-goog-upload-size-received", "1024"),
            ],
            "",
        ),
        "upload" => answer(200, &[("x-goog-upload-status", "active")], ""),
        "upload, finalize" | "finalize" => {
            answer(200, &[("x-goog-upload-status", "final")], "token")
        }
        _ => answer(400, &[], ""),
    }
}

#[tokio::test]
async fn a_session_is_begun_filled_asked_and_completed() {
    let server = serve(resumable).await;
    let account = Account::signed_in(&server.url);
    let client = &account.client;
    let session = client.start_session("video/mp4", 3000).await.unwrap();
    assert_eq!(session.granularity, 1024);
    let file = file(3000);
    let part = stretch(&file, 0, 1024);
    let answer = client.send_part(&session.url, 0, Part::More, part).await;
    assert_eq!(answer.unwrap(), SessionAnswer::Active { received: None });
    let answer = client.query_session(&session.url).await;
    let active = SessionAnswer::Active {
        received: Some(1024),
    };
    assert_eq!(answer.unwrap(), active);
    let token = SessionAnswer::Final(Some(UploadToken::new("token")));
    let rest = stretch(&file, 1024, 1976);
    let answer = client.send_part(&session.url, 1024, Part::Last, rest).await;
    assert_eq!(answer.unwrap(), token);
    let nothing = stretch(&file, 3000, 0);
    let answer = client
        .send_part(&session.url, 3000, Part::Last, nothing)
        .await;
    assert_eq!(answer.unwrap(), token);

    let lines: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| {
            let header = |name| seen.header(name).to_owned();
            (
                header("x-goog-upload-command"),
                header("x-goog-upload-offset"),
                header("content-length"),
                seen.body.len(),
                header("authorization"),
            )
        })
        .collect();
    let line = |command: &str, offset: &str, length: usize| {
        (
            command.to_owned(),
            offset.to_owned(),
            length.to_string(),
            length,
            "Bearer at-0".to_owned(),
        )
    };
    assert_eq!(
        lines,
        [
            line("start", "", 0),
            line("upload", "0", 1024),
            line("query", "", 0),
            line("upload, finalize", "1024", 1976),
            line("finalize", "3000", 0),
        ]
    );
    let start = &server.seen()[0];
    assert_eq!(start.header("x-goog-upload-protocol"), "resumable");
    assert_eq!(start.header("x-goog-upload-content-type"), "video/mp4");
    assert_eq!(start.header("x-goog-upload-raw-size"), "3000");
}

#[tokio::test]
async fn sessions_that_ended_or_moved_say_what_to_do() {
    let active = "active";
    for (status, header, text, kind) in [
        (409, active, "wrong offset", Kind::OffsetMismatch),
        (400, active, "not a multiple", Kind::OffsetMismatch),
        (404, "", "no such session", Kind::SessionGone),
        (410, "cancelled", "", Kind::SessionGone),
        (200, "cancelled", "", Kind::SessionGone),
        (
            400,
            "",
            "Upload has already been terminated.",
            Kind::SessionGone,
        ),
        (200, "", "", Kind::Garbled),
        (200, active, "", Kind::Garbled),
        (503, active, "", Kind::Server),
    ] {
        // A plain text body has no message: give it the flat shape that the endpoint uses.
        let text = serde_json::json!({"code": 3, "message": text}).to_string();
        let server = serve(move |_| {
            let status_header = [("x-goog-upload-status", header)];
            let headers = if header.is_empty() {
                &[][..]
            } else {
                &status_header[..]
            };
            answer(status, headers, text.clone())
        })
        .await;
        let account = Account::signed_in(&server.url);
        let error = account.client.query_session(&session(&account)).await;
        assert_eq!(error.unwrap_err().kind(), kind, "{status} {header}");
    }
}

#[tokio::test]
async fn a_complete_session_may_or_may_not_repeat_its_token() {
    for (text, token) in [("", None), ("tok\n", Some(UploadToken::new("tok")))] {
        let server = serve(move |_| answer(200, &[("x-goog-upload-status", "final")], text)).await;
        let account = Account::signed_in(&server.url);
        let answer = account.client.query_session(&session(&account)).await;
        assert_eq!(answer.unwrap(), SessionAnswer::Final(token));
    }
}

#[tokio::test]
async fn an_access_token_goes_to_the_configured_place_only() {
    let elsewhere = serve(|_| answer(200, &[("x-goog-upload-status", "final")], "t")).await;
    let account = Account::signed_in(&serve(resumable).await.url);
    let session = SessionUrl::new(elsewhere.url.join("/v1/uploads?upload_id=1").unwrap());
    account.client.query_session(&session).await.unwrap();
    assert_eq!(elsewhere.seen()[0].header("authorization"), "");
    let open = SessionUrl::new("http://photos.example/v1/uploads?upload_id=1");
    let error = account.client.query_session(&open).await.unwrap_err();
    assert_eq!(error.kind(), Kind::SessionGone);
}

#[tokio::test]
async fn a_session_address_is_in_no_error() {
    let url = raw(|mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let account = Account::signed_in(&url);
    let error = account.client.query_session(&session(&account)).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::Unanswered);
    let mut layer: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = layer {
        let told = format!("{error} {error:?}");
        assert!(!told.contains("hush"), "{told}");
        layer = error.source();
    }
}

#[tokio::test]
async fn an_upload_that_stops_moving_is_given_up() {
    let url = raw(|mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let account = Account::signed_in(&url).impatient();
    let large = account.client.upload_raw("video/mp4", body(30 << 20)).await;
    let error = large.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (Kind::Unanswered, "the upload does not move")
    );
    let small = account.client.upload_raw("image/jpeg", body(10)).await;
    let error = small.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (Kind::Unanswered, "no answer after the last byte")
    );
}

#[tokio::test]
async fn a_slow_upload_that_moves_is_not_given_up() {
    // Takes longer in all than the patience of the watchdog, but never stands still for so long.
    let url = raw(|mut stream| async move {
        let mut buffer = vec![0; 64 << 10];
        let mut left = 12 << 20;
        while left > 0 {
            let n = stream.read(&mut buffer).await.unwrap();
            left -= n.min(left);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        write(stream, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntok").await;
    })
    .await;
    let account = Account::signed_in(&url);
    let mut settings = account.settings.clone();
    settings.timeouts.stall = Duration::from_secs(1);
    let client = Client::new(&settings, account.auth.clone()).unwrap();
    let started = tokio::time::Instant::now();
    let token = client.upload_raw("video/mp4", body(12 << 20)).await;
    assert_eq!(token.unwrap().reveal(), "tok");
    assert!(started.elapsed() > settings.timeouts.stall);
}

#[tokio::test]
async fn a_limit_on_bandwidth_is_not_taken_for_a_standstill() {
    let server = serve(|_| answer(200, &[], "tok")).await;
    let account = Account::signed_in(&server.url).impatient();
    let file = file(4096);
    let bandwidth = Bandwidth::new(4096);
    let hasher = blake3::Hasher::new();
    let body = FileBody::new(file, 0, 4096, hasher, Arc::default(), bandwidth);
    account.client.upload_raw("image/jpeg", body).await.unwrap();
}

#[tokio::test]
async fn a_file_that_became_shorter_is_the_file_s_fault() {
    let server = serve(|_| answer(200, &[], "tok")).await;
    let account = Account::signed_in(&server.url);
    let file = file(600_000);
    let body = stretch(&file, 0, 600_000);
    file.set_len(100).unwrap();
    let error = account
        .client
        .upload_raw("image/jpeg", body)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Body);
    assert_eq!(
        error.io().unwrap().to_string(),
        "the file has become shorter"
    );
}

#[tokio::test]
async fn uploads_without_the_scope_end_in_a_sign_in_though_json_calls_pass() {
    let server = serve(|seen| match seen.path.as_str() {
        "/token" => granted("at-1"),
        "/v1/uploads" => answer(
            401,
            &[],
            r#"{"code":16,"message":"Authentication session is not defined."}"#,
        ),
        _ => answer(200, &[], "{}"),
    })
    .await;
    let account = Account::signed_in(&server.url);
    let list = crate::photos_api::Call::albums_list("");
    let mut kinds = Vec::new();
    for _ in 0..2 {
        account.client.send(&list).await.unwrap();
        let error = account.client.upload_raw("image/jpeg", body(1)).await;
        kinds.push(error.unwrap_err().kind());
    }
    assert_eq!(kinds, [Kind::AccessTokenRefused, Kind::LoginNeeded]);
}
