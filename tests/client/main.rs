//! The client against the sandbox, over real HTTP: neither knows the other's types.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod rig;

use albumen::{
    model::ids::{ContentHash, MediaItemId, UploadToken},
    photos_api::{
        Call, Kind, Limit, Part, SessionAnswer,
        wire::{Album, BatchCreated, BatchGot, MediaItemsPage, NewItem, Position},
    },
};
use serde_json::json;

use rig::{Rig, file, picture, stretch, whole};

#[tokio::test]
async fn items_are_made_placed_read_moved_and_described() {
    let rig = Rig::new().await;
    let client = &rig.client;
    let album: Album = client
        .send(&Call::album_create("Rome"))
        .await
        .unwrap()
        .parse()
        .unwrap();
    let ab = rig
        .create(&["a", "b"], Some((&album.id, Position::LastInAlbum)))
        .await;
    let c = rig
        .create(&["c"], Some((&album.id, Position::FirstInAlbum)))
        .await;
    let after = Position::AfterMediaItem(ab[0].clone());
    let d = rig.create(&["d"], Some((&album.id, after))).await;
    let ordered = [&c[0], &ab[0], &d[0], &ab[1]];

    let search = Call::media_items_search(&album.id, "");
    let page: MediaItemsPage = client.send(&search).await.unwrap().parse().unwrap();
    let found: Vec<_> = page.media_items.iter().map(|item| &item.id).collect();
    assert_eq!(found, ordered);

    client
        .send(&Call::album_remove(&album.id, &ab))
        .await
        .unwrap();
    client
        .send(&Call::album_add(&album.id, &ab[1..]))
        .await
        .unwrap();
    client
        .send(&Call::media_item_patch(&ab[0], "the forum"))
        .await
        .unwrap();
    let got: Album = client
        .send(&Call::album_get(&album.id))
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!((got.title.as_str(), got.items()), ("Rome", 3));
    let ids = [ab[0].clone(), MediaItemId::new("unknown")];
    let got: BatchGot = client
        .send(&Call::batch_get(&ids))
        .await
        .unwrap()
        .parse()
        .unwrap();
    let first = got.media_item_results[0].media_item.as_ref().unwrap();
    assert_eq!(
        (first.filename.as_str(), first.description.as_str()),
        ("a", "the forum")
    );
    assert_ne!(got.media_item_results[1].status.code, 0);
    client.send(&Call::albums_list("")).await.unwrap();
    client.send(&Call::media_items_list("")).await.unwrap();

    let state = rig.state().await;
    assert_eq!(state["broken_rules"], json!([]));
    // The id that nobody knows, and nothing else.
    let refusals = state["refusals"].as_array().map_or(0, Vec::len);
    assert_eq!(refusals, 1, "{state}");
}

#[tokio::test]
async fn an_interrupted_session_is_asked_and_goes_on_where_it_stands() {
    let rig = Rig::new().await;
    let client = &rig.client;
    let mut content = picture("large");
    content.resize(3 << 20, 7);
    let (file, size) = (file(&content), content.len() as u64);
    let session = client.start_session("image/png", size).await.unwrap();
    rig.rule("uploads.*", json!({"cut_body_after": 1_000_000}))
        .await;
    let cut = client
        .send_part(&session.url, 0, Part::Last, stretch(&file, 0, size))
        .await;
    assert_eq!(cut.unwrap_err().kind(), Kind::Unanswered);
    let answer = client.query_session(&session.url).await.unwrap();
    let SessionAnswer::Active {
        received: Some(offset),
    } = answer
    else {
        panic!("{answer:?}");
    };
    assert!(offset > 0 && offset < size, "{offset}");
    let wrong = client
        .send_part(&session.url, 5, Part::Last, stretch(&file, 5, size - 5))
        .await;
    assert_eq!(wrong.unwrap_err().kind(), Kind::OffsetMismatch);
    let rest = stretch(&file, offset, size - offset);
    let answer = client
        .send_part(&session.url, offset, Part::Last, rest)
        .await
        .unwrap();
    let SessionAnswer::Final(Some(upload_token)) = answer else {
        panic!("{answer:?}");
    };
    let item = NewItem {
        upload_token,
        file_name: "large.png".into(),
        description: None,
    };
    let answer = client
        .send(&Call::batch_create(&[item], None))
        .await
        .unwrap();
    let created: BatchCreated = answer.parse().unwrap();
    assert!(created.new_media_item_results[0].created().is_some());
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&content);
    let hash = ContentHash(hash.into()).to_string();
    assert_eq!(rig.state().await["items"][0]["sha256"], hash);
}

#[tokio::test]
async fn every_scripted_refusal_arrives_as_its_kind() {
    let rig = Rig::new().await;
    let limit = Kind::RateLimited;
    for (action, kind) in [
        ("daily_429", limit(Limit::Day)),
        ("minute_429", limit(Limit::Minute)),
        ("concurrent_429", limit(Limit::Concurrent)),
        ("storage_full", Kind::StorageFull),
        ("html_502", Kind::Server),
        ("server_500", Kind::Server),
        ("unavailable_503", Kind::Server),
        ("aborted_409", Kind::Server),
        ("unauthenticated_401", Kind::AccessTokenRefused),
        ("scope_403", Kind::ScopeMissing),
        ("forbidden_403", Kind::Forbidden),
        ("api_disabled_403", Kind::ApiDisabled),
        ("photos_disabled_403", Kind::PhotosDisabled),
        ("bad_upload_token", Kind::BadUploadToken),
        ("invalid_album", Kind::AlbumRefused),
        ("album_gone", Kind::AlbumRefused),
        ("album_forbidden", Kind::AlbumRefused),
        ("garbage", Kind::Garbled),
        ("empty", Kind::Garbled),
        ("cut_before", Kind::Unanswered),
        ("cut_after", Kind::Unanswered),
    ] {
        rig.rule("mediaItems.batchCreate", json!(action)).await;
        let token = UploadToken::new("token");
        let item = NewItem {
            upload_token: token,
            file_name: "a.jpg".into(),
            description: None,
        };
        let error = rig.client.send(&Call::batch_create(&[item], None)).await;
        assert_eq!(error.unwrap_err().kind(), kind, "{action}");
    }
    for (action, kind) in [
        ("quota_400_flat", limit(Limit::Minute)),
        ("quota_403", limit(Limit::Unknown)),
        ("too_large_413", Kind::TooLarge),
        ("checksum_400", Kind::Checksum),
        ("unavailable_503", Kind::Server),
        ("empty", Kind::EmptyToken),
        ("cut_after", Kind::Unanswered),
    ] {
        rig.rule("uploads.raw", json!(action)).await;
        let error = rig.upload(&picture(action)).await.unwrap_err();
        if action == "quota_403" {
            assert!(matches!(error.kind(), Kind::RateLimited(_)), "{error}");
        } else {
            assert_eq!(error.kind(), kind, "{action}");
        }
    }
    let empty = rig.client.upload_raw("image/png", whole(&file(&[]))).await;
    assert_eq!(empty.unwrap_err().kind(), Kind::EmptyPayload);
}

#[tokio::test]
async fn an_access_token_that_dies_is_renewed_and_a_sign_in_that_dies_is_told() {
    let rig = Rig::new().await;
    for _ in 0..3 {
        rig.rule("albums.list", json!("access_dies")).await;
        let error = rig.client.send(&Call::albums_list("")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::AccessTokenRefused);
        rig.client.send(&Call::albums_list("")).await.unwrap();
    }
    rig.rule("albums.list", json!("access_dies")).await;
    rig.rule("oauth.token", json!("refresh_dies")).await;
    rig.client.send(&Call::albums_list("")).await.unwrap_err();
    let error = rig.client.send(&Call::albums_list("")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LoginNeeded);
    assert!(error.message().contains("less than an hour ago"), "{error}");
}

#[tokio::test]
async fn a_scope_that_was_taken_away_is_told_apart_from_a_dead_sign_in() {
    let rig = Rig::new().await;
    let taken = json!({"revoke_scopes": ["photoslibrary.edit.appcreateddata"]});
    rig.rule("*", taken).await;
    let item = MediaItemId::new("x");
    let error = rig.client.send(&Call::media_item_patch(&item, "d")).await;
    assert_eq!(error.unwrap_err().kind(), Kind::ScopeMissing);
    let left = rig
        .client
        .send(&Call::shared_leave("share"))
        .await
        .unwrap_err();
    assert!(
        matches!(left.kind(), Kind::Forbidden | Kind::ScopeMissing),
        "{left}"
    );
}

#[tokio::test]
async fn logout_ends_the_sign_in() {
    let rig = Rig::new().await;
    rig.client.auth().revoke().await.unwrap();
    let error = rig.client.send(&Call::albums_list("")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::LoginNeeded);
}
