//! Albums: making, reading and changing them (fact sheet, section 5), and the retired methods of
//! shared ones (section 6).

use serde_json::{Map, Value, json};

use super::{
    answer::Refusal,
    clock::Millis,
    library::{Album, Entry, looks_like_id, new_id},
    media_items::{base_url, check_ids, page_size},
    oauth::value,
    paging::{self, Wish},
    world::World,
};

/// Characters of a title (fact sheet, section 5.2).
const MAX_TITLE: usize = 500;

/// Default and greatest page of the list of albums (fact sheet, section 5.1).
const PAGE_SIZES: (usize, usize) = (20, 50);

fn to_json(world: &World, album: &Album, now: Millis) -> Value {
    let mut fields = json!({
        "id": album.id,
        "title": album.title,
        "productUrl": format!("https://photos.google.com/lr/album/{}", album.id),
        "isWriteable": true,
    });
    if album.n_items() > 0 {
        fields["mediaItemsCount"] = album.n_items().to_string().into();
    }
    let cover = album.cover.as_deref().or_else(|| album.item_ids().next());
    if let Some(cover) = cover {
        fields["coverPhotoMediaItemId"] = cover.into();
        fields["coverPhotoBaseUrl"] = base_url(&world.address, cover, now).into();
    }
    fields
}

fn check_title(title: &str) -> Result<(), Refusal> {
    if title.is_empty() {
        return Err(Refusal::broken(
            "empty_title",
            "Request must have an album title.",
        ));
    }
    if title.chars().count() > MAX_TITLE {
        return Err(Refusal::broken(
            "title_too_long",
            "Album title must not be longer than 500 characters.",
        ));
    }
    Ok(())
}

/// The album in the path. An id that cannot be one is a bad request, an unknown one is not found.
fn find(world: &World, id: &str, now: Millis) -> Result<Album, Refusal> {
    if !looks_like_id(id) {
        return Err(Refusal::broken("album_id", "Invalid album ID."));
    }
    if !world.library.is_album_visible(id, now, &world.settings) {
        return Err(Refusal::not_found("unknown_album"));
    }
    world
        .library
        .albums
        .get(id)
        .cloned()
        .ok_or_else(|| Refusal::not_found("unknown_album"))
}

pub(super) fn create(world: &mut World, body: &Value, now: Millis) -> Result<Value, Refusal> {
    let title = body["album"]["title"].as_str().unwrap_or("");
    check_title(title)?;
    let album = world.library.add_album(title.to_owned(), now).clone();
    Ok(to_json(world, &album, now))
}

pub(super) fn get(world: &World, id: &str, now: Millis) -> Result<Value, Refusal> {
    Ok(to_json(world, &find(world, id, now)?, now))
}

pub(super) fn list(
    world: &mut World,
    query: &[(String, String)],
    now: Millis,
) -> Result<Value, Refusal> {
    let library = &world.library;
    let is_visible = |id: &&String| library.is_album_visible(id, now, &world.settings);
    let ids: Vec<String> = library
        .album_order
        .iter()
        .filter(is_visible)
        .cloned()
        .collect();
    let wish = Wish {
        page_size: page_size(query)?,
        page_token: value(query, "pageToken"),
        parameters: "albums",
    };
    let is_odd = world.settings.list_oddities;
    let page = paging::page(&ids, wish, PAGE_SIZES, is_odd, &mut world.log)?;
    let albums: Vec<Value> = page
        .ids
        .iter()
        .filter_map(|id| world.library.albums.get(id))
        .map(|album| to_json(world, album, now))
        .collect();
    let mut answer = Map::new();
    if !albums.is_empty() {
        answer.insert("albums".into(), albums.into());
    }
    if let Some(next) = page.next {
        answer.insert("nextPageToken".into(), next.into());
    }
    Ok(answer.into())
}

pub(super) fn patch(
    world: &mut World,
    id: &str,
    query: &[(String, String)],
    body: &Value,
    now: Millis,
) -> Result<Value, Refusal> {
    let mut album = find(world, id, now)?;
    for field in value(query, "updateMask").split(',') {
        match field.trim() {
            "title" => {
                let title = body["title"].as_str().unwrap_or("");
                check_title(title)?;
                title.clone_into(&mut album.title);
            }
            "cover_photo_media_item_id" | "coverPhotoMediaItemId" => {
                let cover = body["coverPhotoMediaItemId"].as_str().unwrap_or("");
                if !album.holds(cover) {
                    return Err(Refusal::bad(
                        "cover_not_in_album",
                        "Request contains an invalid media item id.",
                    ));
                }
                album.cover = Some(cover.to_owned());
            }
            _ => {
                return Err(Refusal::broken(
                    "update_mask",
                    "Request must have an update mask of 'title' or 'cover_photo_media_item_id'.",
                ));
            }
        }
    }
    let answer = to_json(world, &album, now);
    world.library.albums.insert(album.id.clone(), album);
    Ok(answer)
}

/// The ids of a request that adds or removes: all of them are good, or nothing happens.
fn ids(body: &Value, is_good: impl Fn(&str) -> bool) -> Result<Vec<&str>, Refusal> {
    let all = body["mediaItemIds"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let ids: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
    check_ids(&ids)?;
    if ids.iter().all(|id| is_good(id)) {
        Ok(ids)
    } else {
        Err(Refusal::bad(
            "invalid_media_item_id",
            "Request contains an invalid media item id.",
        ))
    }
}

pub(super) fn batch_add(
    world: &mut World,
    id: &str,
    body: &Value,
    now: Millis,
) -> Result<Value, Refusal> {
    let album = find(world, id, now)?;
    let is_known = |id: &str| {
        world
            .library
            .visible_item(id, now, &world.settings)
            .is_some()
    };
    let ids = ids(body, is_known)?;
    let n_new = ids.iter().filter(|id| !album.holds(id)).count();
    album.check_room(n_new, &world.settings)?;
    if let Some(album) = world.library.albums.get_mut(id) {
        album.insert(usize::MAX, ids.into_iter().map(str::to_owned));
    }
    Ok(json!({}))
}

pub(super) fn batch_remove(
    world: &mut World,
    id: &str,
    body: &Value,
    now: Millis,
) -> Result<Value, Refusal> {
    let album = find(world, id, now)?;
    let ids = ids(body, |id| album.holds(id))?;
    if let Some(album) = world.library.albums.get_mut(id) {
        for id in ids {
            album.remove(id);
        }
    }
    Ok(json!({}))
}

pub(super) fn add_enrichment(
    world: &mut World,
    id: &str,
    body: &Value,
    now: Millis,
) -> Result<Value, Refusal> {
    let album = find(world, id, now)?;
    let content = &body["newEnrichmentItem"];
    let n_kinds = content.as_object().map_or(0, |kinds| {
        kinds.values().filter(|kind| !kind.is_null()).count()
    });
    if n_kinds != 1 {
        return Err(Refusal::broken(
            "enrichment",
            "Request must have exactly one enrichment.",
        ));
    }
    if body["albumPosition"].is_null() {
        return Err(Refusal::broken(
            "enrichment_without_position",
            "Request must have an album position.",
        ));
    }
    let place = album.place(&body["albumPosition"])?;
    let enrichment_id = new_id();
    if let Some(album) = world.library.albums.get_mut(id) {
        let entry = Entry::Enrichment {
            id: enrichment_id.clone(),
            content: content.clone(),
        };
        album.entries.insert(place, entry);
    }
    Ok(json!({"enrichmentItem": {"id": enrichment_id}}))
}

/// The shared albums that a script has opened again: only leaving.
pub(super) fn leave_shared(body: &Value) -> Result<Value, Refusal> {
    if body["shareToken"].as_str().unwrap_or("").is_empty() {
        return Err(Refusal::broken(
            "share_token",
            "Request must have a share token.",
        ));
    }
    Ok(json!({}))
}
