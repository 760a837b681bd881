use super::*;
use crate::photos_api::{Answer, Call};

fn item(token: &str, name: &str) -> NewItem {
    NewItem {
        upload_token: UploadToken::new(token),
        file_name: name.into(),
        description: None,
    }
}

#[test]
fn a_batch_is_written_as_the_reference_says_and_read_back_from_the_journal() {
    let album = AlbumId::new("ALBUM_ID");
    let after = Position::AfterMediaItem(MediaItemId::new("ITEM_ID"));
    let mut first = item("TOKEN", "IMG_0001.JPG");
    first.description = Some("text a person wrote".into());
    let call = Call::batch_create(&[first], Some((&album, after.clone())));
    let expected = serde_json::json!({
        "albumId": "ALBUM_ID",
        "newMediaItems": [
            {"description": "text a person wrote",
             "simpleMediaItem": {"uploadToken": "TOKEN", "fileName": "IMG_0001.JPG"}}],
        "albumPosition": {"position": "AFTER_MEDIA_ITEM", "relativeMediaItemId": "ITEM_ID"}
    });
    let written: serde_json::Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(written, expected);
    let read = call.as_batch_create().unwrap();
    assert_eq!(read.album_position, Some(after));
    assert_eq!(serde_json::json!(read), expected);
}

#[test]
fn a_batch_without_an_album_sends_neither_album_nor_position() {
    let call = Call::batch_create(&[item("T", "a.jpg")], None);
    assert_eq!(
        call.body,
        r#"{"newMediaItems":[{"simpleMediaItem":{"fileName":"a.jpg","uploadToken":"T"}}]}"#
    );
    for (position, name) in [
        (Position::LastInAlbum, "LAST_IN_ALBUM"),
        (Position::FirstInAlbum, "FIRST_IN_ALBUM"),
    ] {
        let written = serde_json::json!(position);
        assert_eq!(written, serde_json::json!({"position": name}));
        assert_eq!(
            serde_json::from_value::<Position>(written).unwrap(),
            position
        );
    }
}

#[test]
fn results_are_created_by_code_and_id_and_never_by_their_message() {
    let answer = Answer::journalled(
        207,
        r#"{"newMediaItemResults": [
            {"uploadToken": "1", "status": {"message": "Success"},
             "mediaItem": {"id": "I1", "productUrl": "https://photos.google.com/lr/photo/I1", "mimeType": "image/jpeg",
               "mediaMetadata": {"creationTime": "2024-05-01T10:00:00Z", "width": "4032", "height": "3024", "photo": {}},
               "filename": "IMG_0001.JPG", "newField": [1]}},
            {"uploadToken": "2", "status": {"code": 3, "message": "Success"}},
            {"uploadToken": "3", "status": {"code": 0, "message": "OK"}, "mediaItem": {"id": "I3"}},
            {"uploadToken": "4", "mediaItem": {"id": "I4"}},
            {"uploadToken": "5", "status": {"message": "Success"}},
            {"status": {"code": 13}}]}"#
            .into(),
    );
    let results = answer
        .parse::<BatchCreated>()
        .unwrap()
        .new_media_item_results;
    let created: Vec<_> = results
        .iter()
        .map(|result| result.created().map_or("-", |item| item.id.as_str()))
        .collect();
    assert_eq!(created, ["I1", "-", "I3", "I4", "-", "-"]);
    assert_eq!(results[1].status.code, 3);
    assert_eq!(results[0].created().unwrap().media_metadata.width, "4032");
}

#[test]
fn absent_defaults_are_read_as_empty() {
    let parse = |body: &str| Answer::journalled(200, body.into());
    let page: AlbumsPage = parse("{}").parse().unwrap();
    assert!(page.albums.is_empty() && page.next_page_token.is_empty());
    let album: Album = parse(r#"{"id":"A","mediaItemsCount":"12"}"#)
        .parse()
        .unwrap();
    assert_eq!((album.items(), album.title.as_str()), (12, ""));
    let none: BatchCreated = parse("{}").parse().unwrap();
    assert!(none.new_media_item_results.is_empty());
    let got: BatchGot = parse(
        r#"{"mediaItemResults":[{"mediaItem":{"id":"V","mediaMetadata":{"video":{"status":"PROCESSING"}}}},
            {"status":{"code":3,"message":"Invalid media item ID."}}]}"#,
    )
    .parse()
    .unwrap();
    let video = got.media_item_results[0].media_item.as_ref().unwrap();
    assert_eq!(
        video.media_metadata.video.as_ref().unwrap().status,
        "PROCESSING"
    );
    assert_eq!(got.media_item_results[1].status.code, 3);
}

#[test]
fn an_answer_of_another_shape_is_garbled_and_not_quoted() {
    let error = Answer::journalled(200, r#"{"newMediaItemResults":"hush-token"}"#.into())
        .parse::<BatchCreated>()
        .unwrap_err();
    assert_eq!(error.kind(), crate::photos_api::Kind::Garbled);
    assert!(!format!("{error:?} {error}").contains("hush"));
}
