//! `mediaItems.batchCreate`: upload tokens become media items (fact sheet, section 3).
//!
//! A call is refused as a whole, or has a result for each of its items. A fault in the request, a token,
//! the album, or the storage refuses the whole call; a fault in the bytes refuses one item.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::{
    clock::{Millis, SECOND, later},
    errors::{Blame, Refusal, Response},
    faults::Effect,
    media_items::{check_description, to_json},
    state::{Item, State, Upload, looks_like_id, new_id},
};

/// Items of one call (fact sheet, section 3.1).
const MAX_ITEMS: usize = 50;

/// Characters of a file name with its extension (fact sheet, section 3.1).
const MAX_FILE_NAME: usize = 255;

/// Bytes of a photo; a video may be as large as an upload (fact sheet, section 2.3).
const MAX_PHOTO_BYTES: u64 = 200_000_000;

/// The documented lifetime of an upload token (fact sheet, section 2.6).
const KNOWN_LIFETIME: Millis = 24 * 3600 * SECOND;

/// One entry of `newMediaItems`, with its upload.
struct NewItem {
    token: String,
    file_name: String,
    description: String,
    upload: Upload,
}

pub(crate) fn batch_create(
    state: &mut State,
    body: &Value,
    effect: &Effect,
) -> Result<Response, Refusal> {
    let new_items = new_items(state, body)?;
    let album_id = body["albumId"].as_str().unwrap_or("");
    let position = &body["albumPosition"];
    let mut index = None;
    if !album_id.is_empty() {
        index = Some(album_index(state, album_id, position, &new_items)?);
    } else if !position.is_null() {
        return Err(Refusal::rule("position_without_album"));
    }
    check_storage(state, &new_items)?;

    let mut results = Vec::new();
    let mut created = Vec::new();
    let mut contents = HashSet::new();
    for (n, new_item) in new_items.into_iter().enumerate() {
        let token = new_item.token.clone();
        let is_duplicate = !contents.insert(new_item.upload.sha256.clone());
        results.push(match create(state, new_item, is_duplicate, effect, n) {
            Ok(item) => {
                let mut status = json!({"message": state.settings.success_message});
                if state.settings.explicit_code_0 {
                    status["code"] = 0.into();
                }
                let media_item = to_json(state, &item, true);
                created.push(item.id);
                json!({"uploadToken": token, "status": status, "mediaItem": media_item})
            }
            Err((code, message)) => {
                json!({"uploadToken": token, "status": {"code": code, "message": message}})
            }
        });
    }
    if let Some(index) = index
        && let Some(album) = state.library.albums.get_mut(album_id)
    {
        album.insert(index, created);
    }
    Ok(response(results, effect))
}

/// Checks the request itself, and finds its uploads.
fn new_items(state: &State, body: &Value) -> Result<Vec<NewItem>, Refusal> {
    let items = body["newMediaItems"].as_array();
    let items = items.map_or(&[][..], Vec::as_slice);
    match items.len() {
        0 => return Err(Refusal::rule("empty_batch")),
        n if n > MAX_ITEMS => return Err(Refusal::rule("over_50")),
        _ => {}
    }
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut new_items = Vec::with_capacity(items.len());
    for item in items {
        let simple = &item["simpleMediaItem"];
        let (file_name, description) = (text(&simple["fileName"]), text(&item["description"]));
        if file_name.chars().count() > MAX_FILE_NAME {
            return Err(Refusal::rule("file_name_too_long"));
        }
        check_description(&description)?;
        let token = text(&simple["uploadToken"]);
        let upload = valid_upload(state, &token)?;
        new_items.push(NewItem {
            token,
            file_name,
            description,
            upload,
        });
    }
    Ok(new_items)
}

/// The upload of a token. One bad token refuses the whole call (fact sheet, section 2.6).
fn valid_upload(state: &State, token: &str) -> Result<Upload, Refusal> {
    let settings = &state.settings;
    let bad = |what| {
        Err(Refusal::canned(
            "bad_upload_token",
            Blame::Circumstance(what),
        ))
    };
    match state.library.uploads.get(token) {
        _ if token.is_empty() => Err(Refusal::rule("empty_upload_token")),
        None => bad("unknown_upload_token"),
        Some(upload) if state.now >= later(upload.born, settings.upload_token_lifetime_s) => {
            // A script can shorten the lifetime; the client knows only the documented one.
            if state.now >= upload.born.saturating_add(KNOWN_LIFETIME) {
                Err(Refusal::rule("expired_upload_token"))
            } else {
                bad("lost_upload_token")
            }
        }
        Some(upload) if upload.used && settings.single_use_tokens => bad("used_upload_token"),
        Some(upload) => Ok(upload.clone()),
    }
}

/// The index in the album at which the items are inserted, if they fit.
fn album_index(
    state: &State,
    id: &str,
    position: &Value,
    new_items: &[NewItem],
) -> Result<usize, Refusal> {
    if !looks_like_id(id) {
        return Err(Refusal::rule("album_id"));
    }
    let Some(album) = state.library.albums.get(id) else {
        return Err(Refusal::canned(
            "album_gone",
            Blame::Circumstance("unknown_album"),
        ));
    };
    if !state.is_visible(album) {
        return Err(Refusal::not_found("album_not_yet_visible"));
    }
    let index = album.index_of(position)?;
    let contents = new_items.iter().map(|new| new.upload.sha256.as_str());
    let missing: HashSet<&str> = contents
        .filter(|content| {
            let item = state.library.item_with_content(content);
            !item.is_some_and(|item| album.has(&item.id))
        })
        .collect();
    album.check_room(missing.len(), state.settings.album_limit)?;
    Ok(index)
}

fn check_storage(state: &State, new_items: &[NewItem]) -> Result<(), Refusal> {
    let Some(limit) = state.settings.storage_limit_bytes else {
        return Ok(());
    };
    let library = &state.library;
    let mut seen = HashSet::new();
    let uploads = new_items.iter().map(|new| &new.upload);
    let bytes: u64 = uploads
        .filter(|upload| seen.insert(&upload.sha256))
        .filter(|upload| library.item_with_content(&upload.sha256).is_none())
        .fold(0, |sum, upload| sum.saturating_add(upload.size));
    if bytes > 0 && library.stored_bytes.saturating_add(bytes) > limit {
        return Err(Refusal::canned(
            "storage_full",
            Blame::Circumstance("storage_full"),
        ));
    }
    Ok(())
}

/// Creates the item, or finds the one with the same bytes; an error is code and message of its status.
fn create(
    state: &mut State,
    new: NewItem,
    is_duplicate: bool,
    effect: &Effect,
    n: usize,
) -> Result<Item, (u8, String)> {
    let failed = |code: u8| {
        let message = "Failed: There was an error while trying to create this media item.";
        (code, message.to_owned())
    };
    let upload = new.upload;
    if let Some((code, message)) = effect.item_code(n, &new.file_name) {
        let detail = format!("{}: code {code}", new.file_name);
        state.log.refused("script", detail);
        return Err((code, message));
    }
    if is_duplicate {
        state.log.broken("equal_bytes_in_one_call", new.file_name);
        return Err(failed(6));
    }
    let Some(media) = upload.media else {
        state.log.refused("no_known_media", new.file_name);
        return Err(failed(3));
    };
    if !media.is_video && upload.size > MAX_PHOTO_BYTES {
        state.log.broken("photo_too_large", new.file_name);
        return Err(failed(3));
    }
    if let Some(upload) = state.library.uploads.get_mut(&new.token) {
        upload.used = true;
    }
    // An existing item keeps its name and its description (fact sheet, section 3.5).
    if let Some(item) = state.library.item_with_content(&upload.sha256) {
        return Ok(item.clone());
    }
    let names = [new.file_name, upload.file_name];
    let item = Item {
        id: new_id(),
        sha256: upload.sha256,
        size: upload.size,
        filename: names
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default(),
        description: new.description,
        media,
        created: state.now,
        has_failed: false,
    };
    state.library.add_item(item.clone());
    Ok(item)
}

/// The response, with what the script does to its results.
fn response(mut results: Vec<Value>, effect: &Effect) -> Response {
    let mut index = 0..;
    results.retain(|_| {
        index
            .next()
            .is_some_and(|index| !effect.drop_results.contains(&index))
    });
    if effect.shuffle_results {
        let in_order = results.clone();
        fastrand::shuffle(&mut results);
        // A shuffle can leave the order as it was, which a test cannot use.
        if results == in_order && !results.is_empty() {
            results.rotate_left(1);
        }
    }
    let status = if effect.status_207 { 207 } else { 200 };
    Response::json(&json!({ "newMediaItemResults": results })).with_status(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{faults::ALBUM_CAPACITY, media_type};

    #[test]
    fn an_album_holds_twenty_thousand_items_and_no_more() {
        let mut state = State::default();
        let album_id = state.library.add_album("big".into(), 0).id.clone();
        for n in 0..=ALBUM_CAPACITY {
            let upload = Upload {
                sha256: format!("content {n}"),
                size: 1,
                media: media_type::recognise(b"\xff\xd8\xff"),
                born: 0,
                file_name: String::new(),
                used: false,
            };
            state.library.uploads.insert(n.to_string(), upload);
        }
        let mut create = |numbers: std::ops::Range<usize>| {
            let item = |n: usize| json!({"simpleMediaItem": {"uploadToken": n.to_string()}});
            let items: Vec<Value> = numbers.map(item).collect();
            let body = json!({"albumId": album_id, "newMediaItems": items});
            batch_create(&mut state, &body, &Effect::default())
        };
        for start in (0..ALBUM_CAPACITY).step_by(MAX_ITEMS) {
            assert!(create(start..start + MAX_ITEMS).is_ok());
        }
        let refusal = create(ALBUM_CAPACITY..ALBUM_CAPACITY + 1).unwrap_err();
        assert_eq!(refusal.blame, Blame::Rule("album_full"));
        // An item that is in the album already needs no room.
        assert!(create(0..1).is_ok());
        assert!(create(ALBUM_CAPACITY - 1..ALBUM_CAPACITY + 1).is_err());
        let album = &state.library.albums[&album_id];
        assert_eq!(album.n_items(), ALBUM_CAPACITY);
    }
}
