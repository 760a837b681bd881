//! `mediaItems.batchCreate`: upload tokens become media items (fact sheet, section 3).
//!
//! A call is refused whole, or answers each of its items. What is wrong with the request, a token, the
//! album, or the storage refuses it whole; what is wrong with the bytes is told item by item.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal},
    clock::{Millis, SECOND, later},
    faults::Effect,
    fields::Mask,
    library::{Item, Upload, looks_like_id, new_id},
    media_items,
    world::World,
};

/// Items of one call (fact sheet, section 3.1).
const MAX_ITEMS: usize = 50;

/// Characters of a file name with its extension (fact sheet, section 3.1).
const MAX_FILE_NAME: usize = 255;

/// A description has to be shorter than so many characters (fact sheet, section 3.1).
pub(super) const DESCRIPTION_LIMIT: usize = 1000;

/// Bytes of a photo; a video may be as large as an upload (fact sheet, section 2.3).
const MAX_PHOTO_BYTES: u64 = 200_000_000;

/// How long an upload token lives (fact sheet, section 2.6).
const KNOWN_LIFETIME: Millis = 24 * 3600 * SECOND;

/// An item that the request asks for.
struct Wanted {
    token: String,
    file_name: String,
    description: String,
    upload: Upload,
}

pub(super) fn batch_create(
    world: &mut World,
    body: &Value,
    effect: &Effect,
    now: Millis,
    mask: &Mask,
) -> Result<Answer, Refusal> {
    let wanted = wanted(world, body, now)?;
    let album_id = body["albumId"].as_str().filter(|id| !id.is_empty());
    let place = match album_id {
        Some(id) => Some((id, place(world, id, &body["albumPosition"], &wanted, now)?)),
        None if !body["albumPosition"].is_null() => {
            return Err(Refusal::broken(
                "position_without_album",
                "Request must have an album ID if it has an album position.",
            ));
        }
        None => None,
    };
    check_storage(world, &wanted)?;

    let mut results = Vec::new();
    let mut placed = Vec::new();
    let mut seen = HashSet::new();
    for (index, wanted) in wanted.into_iter().enumerate() {
        let token = wanted.token.clone();
        let is_twin = !seen.insert(wanted.upload.sha256.clone());
        match create(world, wanted, index, is_twin, effect, now) {
            Ok(item) => {
                let settings = &world.settings;
                let mut status = json!({"message": settings.success_message});
                if settings.explicit_code_0 {
                    status["code"] = 0.into();
                }
                let media_item = media_items::to_json(&item, now, settings, None);
                results
                    .push(json!({"uploadToken": token, "status": status, "mediaItem": media_item}));
                placed.push(item.id);
            }
            Err((code, message)) => results.push(json!({
                "uploadToken": token,
                "status": {"code": code, "message": message},
            })),
        }
    }
    if let Some((id, place)) = place
        && let Some(album) = world.library.albums.get_mut(id)
    {
        album.insert(place, placed);
    }
    Ok(answered(results, effect, mask))
}

/// Checks the request itself, and finds its uploads.
fn wanted(world: &mut World, body: &Value, now: Millis) -> Result<Vec<Wanted>, Refusal> {
    let items = body["newMediaItems"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        return Err(Refusal::broken(
            "empty_batch",
            "Request must have at least one new media item.",
        ));
    }
    if items.len() > MAX_ITEMS {
        return Err(Refusal::broken(
            "over_50",
            "Request must have less than 50 items.",
        ));
    }
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut wanted = Vec::with_capacity(items.len());
    for item in items {
        let simple = &item["simpleMediaItem"];
        let (file_name, description) = (text(&simple["fileName"]), text(&item["description"]));
        if file_name.chars().count() > MAX_FILE_NAME {
            return Err(Refusal::broken(
                "file_name_too_long",
                "File name must not be longer than 255 characters.",
            ));
        }
        if description.chars().count() >= DESCRIPTION_LIMIT {
            return Err(Refusal::broken(
                "description_too_long",
                "Description must be shorter than 1000 characters.",
            ));
        }
        let token = text(&simple["uploadToken"]);
        let upload = valid_upload(world, &token, now)?;
        wanted.push(Wanted {
            token,
            file_name,
            description,
            upload,
        });
    }
    Ok(wanted)
}

/// One bad token refuses the whole call (fact sheet, section 2.6).
fn valid_upload(world: &World, token: &str, now: Millis) -> Result<Upload, Refusal> {
    const MESSAGE: &str = "Request must contain a valid upload token.";
    let settings = &world.settings;
    match world.library.uploads.get(token) {
        _ if token.is_empty() => Err(Refusal::broken("empty_upload_token", MESSAGE)),
        None => Err(Refusal::bad("unknown_upload_token", MESSAGE)),
        Some(upload) if now >= later(upload.born, settings.upload_token_lifetime_s) => {
            // A script may let tokens die sooner than is known of them.
            let is_known = now >= upload.born.saturating_add(KNOWN_LIFETIME);
            Err(if is_known {
                Refusal::broken("expired_upload_token", MESSAGE)
            } else {
                Refusal::bad("lost_upload_token", MESSAGE)
            })
        }
        Some(upload) if upload.used && settings.single_use_tokens => {
            Err(Refusal::bad("used_upload_token", MESSAGE))
        }
        Some(upload) => Ok(upload.clone()),
    }
}

/// Finds the place in the album, if the album can take the items.
fn place(
    world: &World,
    id: &str,
    position: &Value,
    wanted: &[Wanted],
    now: Millis,
) -> Result<usize, Refusal> {
    if !looks_like_id(id) {
        return Err(Refusal::broken("album_id", "Invalid album ID."));
    }
    let Some(album) = world.library.albums.get(id) else {
        return Err(Refusal::bad(
            "unknown_album",
            "The provided ID does not match any albums",
        ));
    };
    if !album.is_visible(now, &world.settings) {
        return Err(Refusal::not_found("album_not_yet_visible"));
    }
    let place = album.place(position)?;
    let new: HashSet<&str> = wanted
        .iter()
        .map(|wanted| wanted.upload.sha256.as_str())
        .filter(|content| {
            let item = world.library.item_with_content(content);
            !item.is_some_and(|item| album.holds(&item.id))
        })
        .collect();
    album.check_room(new.len(), &world.settings)?;
    Ok(place)
}

fn check_storage(world: &World, wanted: &[Wanted]) -> Result<(), Refusal> {
    let Some(limit) = world.settings.storage_limit_bytes else {
        return Ok(());
    };
    let mut seen = HashSet::new();
    let new: u64 = wanted
        .iter()
        .filter(|wanted| seen.insert(&wanted.upload.sha256))
        .filter(|wanted| {
            world
                .library
                .item_with_content(&wanted.upload.sha256)
                .is_none()
        })
        .map(|wanted| wanted.upload.size)
        .fold(0_u64, u64::saturating_add);
    if new > 0 && world.library.stored_bytes.saturating_add(new) > limit {
        return Err(Refusal::storage_full());
    }
    Ok(())
}

/// Makes one item, or finds the one with its bytes; else the code and the text of its refusal.
fn create(
    world: &mut World,
    wanted: Wanted,
    index: usize,
    is_twin: bool,
    effect: &Effect,
    now: Millis,
) -> Result<Item, (u8, String)> {
    const FAILED: &str = "Failed: There was an error while trying to create this media item.";
    let Wanted {
        token,
        file_name,
        description,
        upload,
    } = wanted;
    if let Some(status) = effect.item_code(index, &file_name) {
        world
            .log
            .refused_item("script", format!("{file_name}: code {}", status.code()));
        return Err((status.code(), status.message().to_owned()));
    }
    if is_twin {
        world.log.broken("equal_bytes_in_one_call", file_name);
        return Err((6, FAILED.to_owned()));
    }
    let library = &mut world.library;
    let Some(media) = upload.media else {
        world.log.refused_item("no_known_media", file_name);
        return Err((3, FAILED.to_owned()));
    };
    if !media.is_video && upload.size > MAX_PHOTO_BYTES {
        world.log.broken("photo_too_large", file_name);
        return Err((3, FAILED.to_owned()));
    }
    if let Some(upload) = library.uploads.get_mut(&token) {
        upload.used = true;
    }
    // The first name stays, and so does the first description (fact sheet, section 3.5).
    if let Some(item) = library.item_with_content(&upload.sha256) {
        return Ok(item.clone());
    }
    let item = Item {
        id: new_id(),
        sha256: upload.sha256,
        size: upload.size,
        filename: if file_name.is_empty() {
            upload.file_name
        } else {
            file_name
        },
        description,
        media,
        created: now,
        has_failed: false,
    };
    library.add_item(item.clone());
    Ok(item)
}

/// The results, as far as the script lets them through.
fn answered(results: Vec<Value>, effect: &Effect, mask: &Mask) -> Answer {
    let mut results: Vec<Value> = results
        .into_iter()
        .enumerate()
        .filter(|(index, _)| !effect.drop_results.contains(index))
        .map(|(_, result)| result)
        .collect();
    if effect.shuffle_results {
        let in_order = results.clone();
        fastrand::shuffle(&mut results);
        // Chance may leave an order as it was; a test must not depend on it.
        if results == in_order && !results.is_empty() {
            results.rotate_left(1);
        }
    }
    let status = if effect.status_207 { 207 } else { 200 };
    let answer = json!({"newMediaItemResults": results});
    Answer::json(&mask.apply(&answer)).with_status(status)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{library::ALBUM_CAPACITY, media},
        *,
    };

    #[test]
    fn an_album_holds_twenty_thousand_items_and_no_more() {
        let mut world = World::default();
        let album_id = world.library.add_album("big".into(), 0).id.clone();
        for n in 0..=ALBUM_CAPACITY {
            let upload = Upload {
                sha256: format!("content {n}"),
                size: 1,
                media: media::of(b"\xff\xd8\xff"),
                born: 0,
                file_name: String::new(),
                used: false,
            };
            world.library.uploads.insert(n.to_string(), upload);
        }
        let mut create = |numbers: std::ops::Range<usize>| {
            let item = |n: usize| json!({"simpleMediaItem": {"uploadToken": n.to_string()}});
            let items: Vec<Value> = numbers.map(item).collect();
            let body = json!({"albumId": album_id, "newMediaItems": items});
            let effect = Effect::default();
            batch_create(&mut world, &body, &effect, 0, &Mask::default())
        };
        for start in (0..ALBUM_CAPACITY).step_by(MAX_ITEMS) {
            assert!(create(start..start + MAX_ITEMS).is_ok());
        }
        let refusal = create(ALBUM_CAPACITY..ALBUM_CAPACITY + 1).unwrap_err();
        assert_eq!(refusal.http, 400);
        // What is in it already takes no room.
        assert!(create(0..1).is_ok());
        assert!(create(ALBUM_CAPACITY - 1..ALBUM_CAPACITY + 1).is_err());
        let album = &world.library.albums[&album_id];
        assert_eq!(album.n_items(), ALBUM_CAPACITY);
    }
}
