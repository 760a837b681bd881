//! Albums, and the retired methods of shared ones.

use serde_json::json;

use crate::support::{
    media,
    stand::{Stand, ids},
};

#[tokio::test]
async fn an_album_counts_its_items_as_text_and_says_nothing_of_none() {
    let stand = Stand::start().await;
    let album = stand.album("Rome").await;
    let (_, empty) = stand.get(&format!("/v1/albums/{album}")).await;
    assert_eq!(empty["title"], "Rome");
    assert!(empty["mediaItemsCount"].is_null());
    stand
        .create(&[("a", media::photo(1))], json!({"albumId": album}))
        .await;
    let (_, full) = stand.get(&format!("/v1/albums/{album}")).await;
    assert_eq!(full["mediaItemsCount"], "1");
}

#[tokio::test]
async fn titles_need_not_differ_but_must_be_there_and_short() {
    let stand = Stand::start().await;
    assert_ne!(stand.album("twin").await, stand.album("twin").await);
    for title in [String::new(), "x".repeat(501)] {
        let (status, _) = stand
            .post("/v1/albums", &json!({"album": {"title": title}}))
            .await;
        assert_eq!(status, 400);
    }
    assert_eq!(
        stand.broken_rules().await,
        ["empty_title", "title_too_long"]
    );
}

#[tokio::test]
async fn adding_and_removing_is_all_or_nothing() {
    let stand = Stand::start().await;
    let album = stand.album("Rome").await;
    let files = [("a", media::photo(1)), ("b", media::photo(2))];
    let made = ids(&stand.create(&files, json!({})).await.1);
    let add = format!("/v1/albums/{album}:batchAddMediaItems");
    let remove = format!("/v1/albums/{album}:batchRemoveMediaItems");
    let (status, answer) = stand
        .post(&add, &json!({"mediaItemIds": [made[0], "other"]}))
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        answer["error"]["message"],
        "Request contains an invalid media item id."
    );
    assert!(stand.names_in("Rome").await.is_empty());
    let (status, answer) = stand.post(&add, &json!({"mediaItemIds": made})).await;
    assert_eq!((status, answer), (200, json!({})));
    assert_eq!(stand.names_in("Rome").await, ["a", "b"]);
    let twice = json!({"mediaItemIds": [made[0], made[0]]});
    let (status, answer) = stand.post(&remove, &twice).await;
    assert_eq!(status, 400);
    assert_eq!(
        answer["error"]["message"],
        "Request must not contain duplicated ids"
    );
    assert_eq!(
        stand
            .post(&remove, &json!({"mediaItemIds": [made[0]]}))
            .await
            .0,
        200
    );
    assert_eq!(stand.names_in("Rome").await, ["b"]);
    assert_eq!(stand.broken_rules().await, ["duplicate_ids"]);
}

#[tokio::test]
async fn a_title_and_a_cover_can_be_changed_with_a_mask() {
    let stand = Stand::start().await;
    let album = stand.album("Rom").await;
    let made = ids(&stand
        .create(&[("a", media::photo(1))], json!({"albumId": album}))
        .await
        .1);
    let path = format!("/v1/albums/{album}");
    let (status, answer) = stand
        .patch(
            &format!("{path}?updateMask=title"),
            &json!({"title": "Rome"}),
        )
        .await;
    assert_eq!((status, &answer["title"]), (200, &json!("Rome")));
    let mask = format!("{path}?updateMask=cover_photo_media_item_id");
    let (status, answer) = stand
        .patch(&mask, &json!({"coverPhotoMediaItemId": made[0]}))
        .await;
    assert_eq!(
        (status, &answer["coverPhotoMediaItemId"]),
        (200, &json!(made[0]))
    );
    assert_eq!(
        stand
            .patch(&mask, &json!({"coverPhotoMediaItemId": "x"}))
            .await
            .0,
        400
    );
    assert_eq!(stand.patch(&path, &json!({"title": "Oslo"})).await.0, 400);
    assert_eq!(stand.broken_rules().await, ["update_mask"]);
}

#[tokio::test]
async fn retired_methods_are_forbidden_and_leaving_can_be_opened_again() {
    let stand = Stand::start().await;
    let album = stand.album("Rome").await;
    let leave = json!({"shareToken": "t"});
    for path in [
        &format!("/v1/albums/{album}:share"),
        "/v1/sharedAlbums:join",
        "/v1/sharedAlbums:leave",
    ] {
        let (status, answer) = stand.post(path, &leave).await;
        assert_eq!(status, 403, "{path}");
        assert_eq!(answer["error"]["status"], "PERMISSION_DENIED");
        assert_eq!(
            answer["error"]["message"],
            "The caller does not have permission"
        );
    }
    assert_eq!(stand.get("/v1/sharedAlbums").await.0, 403);
    assert_eq!(stand.get("/v1/sharedAlbums/token").await.0, 403);
    stand
        .script(json!({"settings": {"shared_leave_works": true}}))
        .await;
    assert_eq!(
        stand.post("/v1/sharedAlbums:leave", &leave).await,
        (200, json!({}))
    );
}

#[tokio::test]
async fn what_is_new_may_not_be_visible_yet() {
    let stand = Stand::start().await;
    let delays = json!({"album_visible_after_s": 60, "items_visible_after_s": 60});
    stand.script(json!({"settings": delays})).await;
    let album = stand.album("new").await;
    let path = format!("/v1/albums/{album}");
    assert_eq!(stand.get(&path).await.0, 404);
    assert_eq!(stand.get("/v1/albums").await, (200, json!({})));
    let made = ids(&stand.create(&[("a", media::photo(1))], json!({})).await.1);
    assert_eq!(
        stand.get(&format!("/v1/mediaItems/{}", made[0])).await.0,
        404
    );
    stand
        .script(json!({"command": "advance_clock_s", "seconds": 61}))
        .await;
    assert_eq!(stand.get(&path).await.0, 200);
    assert_eq!(
        stand.get(&format!("/v1/mediaItems/{}", made[0])).await.0,
        200
    );
}
