//! `mediaItems.batchCreate`.

use serde_json::{Value, json};

use crate::support::{
    media,
    stand::{Stand, ids, new_item},
};

fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or("")
}

#[tokio::test]
async fn the_same_bytes_are_the_same_item_and_the_first_name_stays() {
    let stand = Stand::start().await;
    let (status, first) = stand.create(&[("a.jpg", media::photo(1))], json!({})).await;
    assert_eq!(status, 200);
    let result = &first["newMediaItemResults"][0];
    assert_eq!(result["status"], json!({"message": "Success"}));
    assert_eq!(result["mediaItem"]["mediaMetadata"]["width"], "40");
    assert_eq!(result["mediaItem"]["mediaMetadata"]["photo"], json!({}));
    assert!(result["mediaItem"]["baseUrl"].is_null());
    let (_, again) = stand.create(&[("b.jpg", media::photo(1))], json!({})).await;
    assert_eq!(ids(&first), ids(&again));
    assert_eq!(
        again["newMediaItemResults"][0]["mediaItem"]["filename"],
        "a.jpg"
    );
    assert_eq!(stand.state().await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn equal_bytes_in_one_call_are_one_item_and_a_broken_rule() {
    let stand = Stand::start().await;
    let files = [("a.jpg", media::photo(1)), ("b.jpg", media::photo(1))];
    let (status, answer) = stand.create(&files, json!({})).await;
    assert_eq!(status, 200);
    let results = &answer["newMediaItemResults"];
    assert_eq!(results[0]["mediaItem"]["filename"], "a.jpg");
    assert_eq!(results[1]["status"]["code"], 6);
    assert!(results[1]["mediaItem"].is_null());
    assert_eq!(stand.broken_rules().await, ["equal_bytes_in_one_call"]);
}

#[tokio::test]
async fn what_is_no_media_is_refused_by_itself() {
    let stand = Stand::start().await;
    let files = [
        ("a.jpg", b"plain text".to_vec()),
        ("b.jpg", media::photo(1)),
    ];
    let (status, answer) = stand.create(&files, json!({})).await;
    assert_eq!(status, 200);
    let results = &answer["newMediaItemResults"];
    assert_eq!(results[0]["status"]["code"], 3);
    assert_eq!(results[1]["mediaItem"]["filename"], "b.jpg");
    let state = stand.state().await;
    assert_eq!(state["refusals"][0]["what"], "no_known_media");
    assert_eq!(state["broken_rules"], json!([]));
}

#[tokio::test]
async fn items_of_a_call_stand_together_at_their_place() {
    let stand = Stand::start().await;
    let album = stand.album("Rome").await;
    let photos = |names: &[&'static str]| -> Vec<(&'static str, Vec<u8>)> {
        let seed = |name: &str| u64::from(name.as_bytes()[0]);
        names
            .iter()
            .map(|name| (*name, media::photo(seed(name))))
            .collect()
    };
    let (_, first) = stand
        .create(&photos(&["b", "e"]), json!({"albumId": album}))
        .await;
    let b = &ids(&first)[0];
    let after_b = json!({"position": "AFTER_MEDIA_ITEM", "relativeMediaItemId": b});
    let place = json!({"albumId": album, "albumPosition": after_b});
    stand.create(&photos(&["c", "d"]), place).await;
    let place = json!({"albumId": album, "albumPosition": {"position": "FIRST_IN_ALBUM"}});
    stand.create(&photos(&["a", "e"]), place).await;
    stand
        .create(&photos(&["f"]), json!({"albumId": album}))
        .await;
    assert_eq!(stand.names_in("Rome").await, ["a", "b", "c", "d", "e", "f"]);
    assert!(stand.broken_rules().await.is_empty());
}

#[tokio::test]
async fn an_enrichment_is_a_place_too() {
    let stand = Stand::start().await;
    let album = stand.album("Rome").await;
    stand
        .create(
            &[("a", media::photo(1)), ("c", media::photo(3))],
            json!({"albumId": album}),
        )
        .await;
    let body = json!({
        "newEnrichmentItem": {"textEnrichment": {"text": "Monday"}},
        "albumPosition": {"position": "FIRST_IN_ALBUM"},
    });
    let path = format!("/v1/albums/{album}:addEnrichment");
    let (status, answer) = stand.post(&path, &body).await;
    assert_eq!(status, 200, "{answer}");
    let place = json!({"albumId": album, "albumPosition": {
        "position": "AFTER_ENRICHMENT_ITEM",
        "relativeEnrichmentItemId": answer["enrichmentItem"]["id"],
    }});
    stand.create(&[("b", media::photo(2))], place).await;
    assert_eq!(stand.names_in("Rome").await, ["b", "a", "c"]);
}

#[tokio::test]
async fn one_bad_token_refuses_the_whole_call() {
    let stand = Stand::start().await;
    let good = stand.upload(media::photo(1)).await;
    for bad in ["", "CAISnever"] {
        let items = vec![new_item(&good, "a.jpg"), new_item(bad, "b.jpg")];
        let (status, answer) = stand.create_items(items, json!({})).await;
        assert_eq!(status, 400);
        assert_eq!(
            message(&answer),
            "Request must contain a valid upload token."
        );
        assert_eq!(answer["error"]["status"], "INVALID_ARGUMENT");
    }
    let day = json!({"command": "advance_clock_s", "seconds": 86_400});
    stand.script(day).await;
    let mut stand = stand;
    stand.sign_in().await;
    let (status, _) = stand
        .create_items(vec![new_item(&good, "a.jpg")], json!({}))
        .await;
    assert_eq!(status, 400);
    assert_eq!(stand.state().await["items"], json!([]));
    assert_eq!(
        stand.broken_rules().await,
        ["empty_upload_token", "expired_upload_token"]
    );
}

#[tokio::test]
async fn requests_that_break_a_limit_are_refused_and_noted() {
    let stand = Stand::start().await;
    let token = stand.upload(media::photo(1)).await;
    let item = new_item(&token, "a.jpg");
    let check = async |body: Value, rule: &str, text: &str| {
        let (status, answer) = stand.post("/v1/mediaItems:batchCreate", &body).await;
        assert_eq!(status, 400, "{rule}");
        assert!(message(&answer).contains(text), "{rule}: {answer}");
        assert_eq!(stand.broken_rules().await.last().unwrap(), rule);
    };
    let of = |item: &Value| json!({"newMediaItems": [item]});
    let many = vec![item.clone(); 51];
    check(
        json!({"newMediaItems": many}),
        "over_50",
        "Request must have less than 50 items.",
    )
    .await;
    check(json!({}), "empty_batch", "").await;
    check(
        of(&new_item(&token, &"é".repeat(256))),
        "file_name_too_long",
        "",
    )
    .await;
    let mut talkative = item.clone();
    talkative["description"] = "x".repeat(1000).into();
    check(of(&talkative), "description_too_long", "").await;
    let mut body = of(&item);
    body["albumPosition"] = json!({"position": "FIRST_IN_ALBUM"});
    check(body.clone(), "position_without_album", "").await;
    body["albumId"] = stand.album("a").await.into();
    body["albumPosition"] = json!({"position": "AFTER_MEDIA_ITEM"});
    check(body.clone(), "position_incomplete", "relativeMediaItemId").await;
    body["albumId"] = "web id".into();
    check(body, "album_id", "Invalid album ID.").await;
    let mut body = of(&item);
    body["albumID"] = "x".into();
    check(
        body,
        "unknown_field",
        "Unknown name \"albumID\": Cannot find field.",
    )
    .await;
    let (status, _) = stand.create_items(vec![item; 1], json!({})).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_deleted_album_and_a_full_account_refuse_the_call() {
    let stand = Stand::start().await;
    let album = stand.album("gone").await;
    stand
        .script(json!({"command": "delete_album", "title": "gone"}))
        .await;
    let (status, answer) = stand
        .create(&[("a", media::photo(1))], json!({"albumId": album}))
        .await;
    assert_eq!(
        (status, message(&answer)),
        (400, "The provided ID does not match any albums")
    );
    stand
        .script(json!({"settings": {"storage_limit_bytes": 10}}))
        .await;
    let (status, answer) = stand.create(&[("a", media::photo(1))], json!({})).await;
    assert_eq!(status, 400);
    assert!(message(&answer).contains("remaining storage"));
    let state = stand.state().await;
    assert_eq!(state["items"], json!([]));
    assert_eq!(state["broken_rules"], json!([]));
    assert_eq!(state["refusals"][1]["what"], "storage_full");
}
