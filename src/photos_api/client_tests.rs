use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    model::ids::{AlbumId, MediaItemId},
    photos_api::{
        requests::Method,
        testing::{Account, answer, granted, json, raw, read_head, serve, write},
    },
};

use super::*;

fn calls() -> Vec<(Call, &'static str, &'static str)> {
    let album = AlbumId::new("AL-b_um");
    let items = [MediaItemId::new("i1"), MediaItemId::new("i2")];
    vec![
        (
            Call::album_create("Été"),
            "POST /v1/albums",
            r#"{"album":{"title":"Été"}}"#,
        ),
        (
            Call::album_add(&album, &items),
            "POST /v1/albums/AL-b_um:batchAddMediaItems",
            r#"{"mediaItemIds":["i1","i2"]}"#,
        ),
        (
            Call::album_remove(&album, &items),
            "POST /v1/albums/AL-b_um:batchRemoveMediaItems",
            r#"{"mediaItemIds":["i1","i2"]}"#,
        ),
        (
            Call::media_item_patch(&items[0], "d"),
            "PATCH /v1/mediaItems/i1?updateMask=description",
            r#"{"description":"d","id":"i1"}"#,
        ),
        (
            Call::shared_leave("share"),
            "POST /v1/sharedAlbums:leave",
            r#"{"shareToken":"share"}"#,
        ),
        (Call::album_get(&album), "GET /v1/albums/AL-b_um", ""),
        (Call::albums_list(""), "GET /v1/albums?pageSize=50", ""),
        (
            Call::albums_list("a b"),
            "GET /v1/albums?pageSize=50&pageToken=a+b",
            "",
        ),
        (
            Call::batch_get(&items),
            "GET /v1/mediaItems:batchGet?mediaItemIds=i1&mediaItemIds=i2",
            "",
        ),
        (
            Call::media_items_list("p"),
            "GET /v1/mediaItems?pageSize=100&pageToken=p",
            "",
        ),
        (
            Call::media_items_search(&album, ""),
            "POST /v1/mediaItems:search",
            r#"{"albumId":"AL-b_um","pageSize":100}"#,
        ),
        (
            Call::media_items_search(&album, "p"),
            "POST /v1/mediaItems:search",
            r#"{"albumId":"AL-b_um","pageSize":100,"pageToken":"p"}"#,
        ),
    ]
}

#[tokio::test]
async fn every_call_arrives_with_the_verb_path_and_body_of_the_reference() {
    let server = serve(|_| json(200, "{}")).await;
    let account = Account::signed_in(&server.url);
    for (call, _, _) in calls() {
        account.client.send(&call).await.unwrap();
    }
    let seen = server.seen();
    for ((_, line, body), seen) in calls().iter().zip(&seen) {
        assert_eq!(&format!("{} {}", seen.method, seen.path), line);
        assert_eq!(seen.body, body.as_bytes(), "{line}");
        assert_eq!(seen.header("authorization"), "Bearer at-0");
        let agent = concat!("albumen/", env!("CARGO_PKG_VERSION"));
        assert_eq!(seen.header("user-agent"), agent);
        let json = if body.is_empty() {
            ""
        } else {
            "application/json"
        };
        assert_eq!(seen.header("content-type"), json, "{line}");
    }
    assert_eq!(seen.len(), calls().len());
}

#[test]
fn an_odd_id_cannot_change_the_path() {
    let call = Call::album_get(&AlbumId::new("../x?y#z ü"));
    assert_eq!(call.path, "/v1/albums/..%2Fx%3Fy%23z%20%C3%BC");
}

#[tokio::test]
async fn a_refused_access_token_is_renewed_for_the_next_call_and_only_once() {
    let n = Arc::new(AtomicUsize::new(0));
    let server = serve(move |seen| match seen.path.as_str() {
        "/token" => granted(&format!("at-{}", 1 + n.fetch_add(1, Ordering::SeqCst))),
        _ if seen.header("authorization") == "Bearer at-1" => json(200, "{}"),
        _ => json(401, r#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#),
    })
    .await;
    let account = Account::signed_in(&server.url);
    let call = Call::albums_list("");
    let refused = account.client.send(&call).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::AccessTokenRefused);
    account.client.send(&call).await.unwrap();
    account.client.send(&call).await.unwrap();
    assert_eq!(server.token_requests().len(), 1);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_refused_successor_needs_a_sign_in_and_nothing_is_sent_until_then() {
    let server = serve(|seen| match seen.path.as_str() {
        "/token" => granted("at-new"),
        _ => json(401, "{}"),
    })
    .await;
    let account = Account::signed_in(&server.url);
    let mut kinds = Vec::new();
    for _ in 0..4 {
        let error = account.client.send(&Call::albums_list("")).await;
        kinds.push(error.unwrap_err().kind());
    }
    let last = [Kind::LoginNeeded; 3];
    assert_eq!(kinds[0], Kind::AccessTokenRefused);
    assert_eq!(kinds[1..], last);
    assert_eq!((server.seen().len(), server.token_requests().len()), (2, 1));
}

#[tokio::test]
async fn nothing_is_redirected() {
    let elsewhere = serve(|_| json(200, "{}")).await;
    let to = format!("{}page?of=what-was-asked", elsewhere.url);
    let server = serve(move |_| answer(307, &[("location", to.as_str())], "")).await;
    let account = Account::signed_in(&server.url);
    let error = account.client.send(&Call::album_create("x")).await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.http_status()),
        (Kind::Unreachable, Some(307))
    );
    let place = elsewhere.url.as_str().trim_end_matches('/');
    assert_eq!(
        error.message(),
        format!("the answer is a redirect to {place}, which is not followed")
    );
    assert!(error.hint().unwrap().contains("`[api]`"));
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_refusal_carries_the_words_and_the_wait_of_the_service() {
    let server = serve(|_| {
        answer(
            429,
            &[("retry-after", "45")],
            r#"{"error":{"code":429,"message":"Quota exceeded for quota 'concurrent write request' of service 'photoslibrary.googleapis.com'."}}"#,
        )
    })
    .await;
    let account = Account::signed_in(&server.url);
    let error = account.client.send(&Call::album_create("x")).await;
    let error = error.unwrap_err();
    assert_eq!(
        error.kind(),
        Kind::RateLimited(crate::photos_api::Limit::Concurrent)
    );
    assert_eq!(error.retry_after().unwrap().as_secs(), 45);
    assert_eq!(
        error.to_string(),
        "the service sees another write in progress (HTTP 429): Quota exceeded for quota 'concurrent write request' of service 'photoslibrary.googleapis.com'."
    );
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let account = Account::signed_in(&url.parse().unwrap());
    let error = account.client.send(&Call::album_create("x")).await;
    assert_eq!(error.unwrap_err().kind(), Kind::Unreachable);
}

#[tokio::test]
async fn a_cut_connection_leaves_the_outcome_open_and_is_not_repeated() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let url = raw(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            read_head(&mut stream).await;
        }
    })
    .await;
    let account = Account::signed_in(&url);
    let error = account.client.send(&Call::album_create("x")).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::Unanswered);
    assert!(error.kind().outcome_unknown());
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_silent_or_half_answer_leaves_the_outcome_open() {
    let silent = raw(|mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let half = raw(|mut stream| async move {
        read_head(&mut stream).await;
        write(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\":",
        )
        .await;
    })
    .await;
    for url in [silent, half] {
        let account = Account::signed_in(&url).impatient();
        let error = account.client.send(&Call::album_create("x")).await;
        assert_eq!(error.unwrap_err().kind(), Kind::Unanswered);
    }
}

#[tokio::test]
async fn a_success_that_is_no_json_object_is_garbled() {
    for body in ["", "<html>hotel wifi</html>", "[]", "\"x\"", "{\"a\":"] {
        let server = serve(move |_| answer(200, &[], body)).await;
        let account = Account::signed_in(&server.url);
        let error = account.client.send(&Call::album_create("x")).await;
        assert_eq!(error.unwrap_err().kind(), Kind::Garbled, "{body}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let server = serve(|_| json(200, "x".repeat(JSON_LIMIT + 1))).await;
    let account = Account::signed_in(&server.url);
    let error = account.client.send(&Call::albums_list("")).await;
    assert_eq!(error.unwrap_err().kind(), Kind::Garbled);
    let server = serve(|_| json(503, "x".repeat(JSON_LIMIT))).await;
    let account = Account::signed_in(&server.url);
    let error = account.client.send(&Call::albums_list("")).await;
    assert_eq!(error.unwrap_err().kind(), Kind::Server);
}

#[test]
fn what_could_hold_tokens_is_not_in_debug() {
    let call = Call {
        method: Method::MediaItemsBatchCreate,
        path: "/v1/x".into(),
        body: "hush".into(),
    };
    let answer = Answer::journalled(200, "hush".into());
    assert!(!format!("{call:?} {answer:?}").contains("hush"));
}
