//! Reading: single items, lists, search, bytes and the gallery.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    media,
    stand::{Stand, ids},
};

/// All ids of a list, page after page, as they come.
async fn all(stand: &Stand, path: &str, key: &str, search: Option<Value>) -> Vec<String> {
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let (status, page) = match &search {
            Some(body) => {
                let mut body = body.clone();
                body["pageToken"] = token.as_str().into();
                stand.post(path, &body).await
            }
            None => stand.get(&format!("{path}&pageToken={token}")).await,
        };
        assert_eq!(status, 200, "{page}");
        let entries = page[key].as_array().cloned().unwrap_or_default();
        found.extend(
            entries
                .iter()
                .map(|entry| entry["id"].as_str().unwrap().to_owned()),
        );
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => return found,
        }
    }
}

async fn with_items(n: u64) -> (Stand, Vec<String>) {
    let stand = Stand::start().await;
    let files: Vec<_> = (0..n).map(|seed| ("a.jpg", media::photo(seed))).collect();
    let mut made = Vec::new();
    for batch in files.chunks(50) {
        made.extend(ids(&stand.create(batch, json!({})).await.1));
    }
    (stand, made)
}

#[tokio::test]
async fn lists_come_in_pages_newest_first_and_may_be_odd() {
    let (stand, mut made) = with_items(60).await;
    made.reverse();
    assert_eq!(
        all(&stand, "/v1/mediaItems?pageSize=7", "mediaItems", None).await,
        made
    );
    let search = Some(json!({"pageSize": 9}));
    assert_eq!(
        all(&stand, "/v1/mediaItems:search", "mediaItems", search).await,
        made
    );
    stand
        .script(json!({"settings": {"list_oddities": true}}))
        .await;
    let mut odd = all(&stand, "/v1/mediaItems?pageSize=7", "mediaItems", None).await;
    assert!(odd.len() > made.len());
    odd.dedup();
    assert_eq!(odd, made);
}

#[tokio::test]
async fn batch_get_answers_each_id_in_order() {
    let (stand, made) = with_items(2).await;
    stand
        .script(json!({"command": "delete_item", "id": made[0]}))
        .await;
    let path = format!(
        "/v1/mediaItems:batchGet?mediaItemIds={}&mediaItemIds=never&mediaItemIds={}",
        made[1], made[0]
    );
    let (status, answer) = stand.get(&path).await;
    assert_eq!(status, 200);
    let results = &answer["mediaItemResults"];
    assert_eq!(results[0]["mediaItem"]["id"], made[1]);
    assert_eq!(
        results[1]["status"],
        json!({"code": 3, "message": "Invalid media item ID."})
    );
    assert_eq!(results[2]["status"]["code"], 5);
    let twice = format!(
        "/v1/mediaItems:batchGet?mediaItemIds={0}&mediaItemIds={0}",
        made[1]
    );
    assert_eq!(stand.get(&twice).await.0, 400);
    assert_eq!(stand.get("/v1/mediaItems:batchGet").await.0, 400);
    assert_eq!(stand.broken_rules().await, ["duplicate_ids", "no_ids"]);
}

#[tokio::test]
async fn search_takes_an_album_or_filters_and_not_both() {
    let (stand, _) = with_items(1).await;
    let album = stand.album("Rome").await;
    let files = [
        ("b", media::photo(9)),
        ("v", media::video(1, 100)),
        ("c", media::photo(8)),
    ];
    let made = ids(&stand.create(&files, json!({"albumId": album})).await.1);
    let search =
        async |body: Value| all(&stand, "/v1/mediaItems:search", "mediaItems", Some(body)).await;
    assert_eq!(search(json!({"albumId": album})).await, made);
    let videos = json!({"filters": {"mediaTypeFilter": {"mediaTypes": ["VIDEO"]}}});
    assert_eq!(search(videos.clone()).await, made[1..2]);
    let mut both = videos;
    both["albumId"] = album.into();
    assert_eq!(stand.post("/v1/mediaItems:search", &both).await.0, 400);
    let unknown = json!({"filters": {"contentFilter": {"includedContentCategories": ["CATS"]}}});
    assert_eq!(stand.post("/v1/mediaItems:search", &unknown).await.0, 400);
    let order = json!({"orderBy": "MediaMetadata.creation_time"});
    assert_eq!(stand.post("/v1/mediaItems:search", &order).await.0, 400);
}

#[tokio::test]
async fn a_description_can_be_changed_with_its_mask_only() {
    let (stand, made) = with_items(1).await;
    let path = format!("/v1/mediaItems/{}", made[0]);
    let body = json!({"id": made[0], "description": "Anna, laughing"});
    let (status, item) = stand
        .patch(&format!("{path}?updateMask=description"), &body)
        .await;
    assert_eq!(
        (status, &item["description"]),
        (200, &json!("Anna, laughing"))
    );
    assert_eq!(
        stand
            .patch(&format!("{path}?updateMask=filename"), &body)
            .await
            .0,
        400
    );
    assert_eq!(
        stand.state().await["items"][0]["description"],
        "Anna, laughing"
    );
}

#[tokio::test]
async fn a_base_url_serves_the_bytes_for_an_hour() {
    let (stand, made) = with_items(1).await;
    let (_, item) = stand.get(&format!("/v1/mediaItems/{}", made[0])).await;
    let url = format!("{}=d", item["baseUrl"].as_str().unwrap());
    let response = stand.client.get(&url).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "image/jpeg");
    assert_eq!(response.bytes().await.unwrap(), media::photo(0));
    let part = stand
        .client
        .get(&url)
        .header("range", "bytes=0-2")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap(), &b"\xff\xd8\xff"[..]);
    stand
        .script(json!({"command": "advance_clock_s", "seconds": 3600}))
        .await;
    assert_eq!(stand.client.get(&url).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn videos_are_processed_for_a_while_and_may_fail() {
    let stand = Stand::start().await;
    stand
        .script(json!({"settings": {"video_processing_s": 60}}))
        .await;
    let made = ids(&stand
        .create(&[("v.mp4", media::video(1, 100))], json!({}))
        .await
        .1);
    let status = async || {
        let (_, item) = stand.get(&format!("/v1/mediaItems/{}", made[0])).await;
        item["mediaMetadata"]["video"]["status"].clone()
    };
    assert_eq!(status().await, "PROCESSING");
    stand
        .script(json!({"command": "advance_clock_s", "seconds": 60}))
        .await;
    assert_eq!(status().await, "READY");
    stand
        .script(json!({"command": "fail_video", "filename": "v.mp4"}))
        .await;
    assert_eq!(status().await, "FAILED");
}

#[tokio::test]
async fn the_gallery_shows_albums_in_order_and_runs_nothing() {
    let stand = Stand::start().await;
    let page = async || {
        let response = stand
            .client
            .get(stand.sandbox.gallery())
            .send()
            .await
            .unwrap();
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        (policy, response.text().await.unwrap())
    };
    assert!(page().await.1.contains("The library is empty"));
    let album = stand.album("<b>Rome").await;
    let files = [
        ("<script>.jpg", media::photo(1)),
        ("v.mp4", media::video(1, 99)),
    ];
    stand.create(&files, json!({"albumId": album})).await;
    stand
        .create(&[("loose.jpg", media::photo(2))], json!({}))
        .await;
    let (policy, html) = page().await;
    assert!(policy.starts_with("default-src 'none'"));
    assert!(html.contains("&lt;b&gt;Rome") && !html.contains("<script>"));
    assert!(html.contains("<video ") && html.contains("In no album"));
    let start = html.find("/sandbox/bytes/").unwrap();
    let path = html[start..].split('"').next().unwrap();
    let picture = stand.request(Method::GET, path).send().await.unwrap();
    assert_eq!(picture.bytes().await.unwrap(), media::photo(1));
}
