//! Reading and describing media items (fact sheet, section 4).

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    answer::Refusal,
    batch_create::DESCRIPTION_LIMIT,
    clock::{Millis, SECOND, later, rfc3339},
    library::Item,
    oauth::value,
    paging::{self, Wish},
    search,
    settings::Settings,
    world::World,
};

/// Ids of one batchGet (fact sheet, section 4.1).
const MAX_IDS: usize = 50;

/// Default and greatest page of lists of items (fact sheet, section 4.1).
const PAGE_SIZES: (usize, usize) = (25, 100);

/// How long a `baseUrl` is good (fact sheet, section 4.3).
pub(super) const BASE_URL_LIFETIME: Millis = 60 * 60 * SECOND;

/// A media item as the service writes it; with `address`, also where its bytes are.
pub(super) fn to_json(
    item: &Item,
    now: Millis,
    settings: &Settings,
    address: Option<&str>,
) -> Value {
    let media = &item.media;
    let mut metadata = json!({"creationTime": rfc3339(media.taken.unwrap_or(item.created))});
    if let (Some(width), Some(height)) = (media.width, media.height) {
        metadata["width"] = width.to_string().into();
        metadata["height"] = height.to_string().into();
    }
    let mut kind = Map::new();
    if let Some((make, model)) = &media.camera {
        for (name, text) in [("cameraMake", make), ("cameraModel", model)] {
            if !text.is_empty() {
                kind.insert(name.into(), text.as_str().into());
            }
        }
    }
    if media.is_video {
        let ready = later(item.created, settings.video_processing_s);
        // The answer that creates a video never calls it ready: its work has only begun.
        let status = match address {
            Some(_) if item.has_failed => "FAILED",
            Some(_) if now >= ready => "READY",
            _ => "PROCESSING",
        };
        kind.insert("status".into(), status.into());
        metadata["video"] = kind.into();
    } else {
        metadata["photo"] = kind.into();
    }
    let mut fields = json!({
        "id": item.id,
        "productUrl": format!("https://photos.google.com/lr/photo/{}", item.id),
        "mimeType": media.mime,
        "mediaMetadata": metadata,
    });
    if !item.description.is_empty() {
        fields["description"] = item.description.as_str().into();
    }
    if !item.filename.is_empty() {
        fields["filename"] = item.filename.as_str().into();
    }
    if let Some(address) = address {
        fields["baseUrl"] = base_url(address, &item.id, now).into();
    }
    fields
}

/// Where the bytes of an item are for the next hour.
pub(super) fn base_url(address: &str, id: &str, now: Millis) -> String {
    format!("{address}/lr/{id}/{}", now + BASE_URL_LIFETIME)
}

pub(super) fn get(world: &World, id: &str, now: Millis) -> Result<Value, Refusal> {
    world
        .library
        .visible_item(id, now, &world.settings)
        .map(|item| to_json(item, now, &world.settings, Some(&world.address)))
        .ok_or_else(|| Refusal::not_found("unknown_media_item"))
}

pub(super) fn batch_get(
    world: &mut World,
    query: &[(String, String)],
    now: Millis,
) -> Result<Value, Refusal> {
    let ids: Vec<&str> = query
        .iter()
        .filter(|(name, _)| name == "mediaItemIds")
        .map(|(_, id)| id.as_str())
        .collect();
    check_ids(&ids)?;
    let mut results = Vec::new();
    for id in ids {
        if let Some(item) = world.library.visible_item(id, now, &world.settings) {
            let item = to_json(item, now, &world.settings, Some(&world.address));
            results.push(json!({ "mediaItem": item }));
            continue;
        }
        world
            .log
            .refused_item("unknown_media_item", format!("batchGet of {id}"));
        // What was there once is not found; what never was is not even an id.
        let was_there = world.library.items.contains_key(id) || world.library.deleted.contains(id);
        results.push(if was_there {
            json!({"status": {"code": 5, "message": "Requested entity was not found."}})
        } else {
            json!({"status": {"code": 3, "message": "Invalid media item ID."}})
        });
    }
    Ok(json!({ "mediaItemResults": results }))
}

/// The rules for lists of ids: 1 to 50, none empty, none twice.
pub(super) fn check_ids(ids: &[&str]) -> Result<(), Refusal> {
    if ids.is_empty() || ids.iter().any(|id| id.is_empty()) {
        return Err(Refusal::broken(
            "no_ids",
            "Request must contain media item ids.",
        ));
    }
    if ids.len() > MAX_IDS {
        return Err(Refusal::broken(
            "over_50",
            "Request must have less than 50 items.",
        ));
    }
    let mut seen = HashSet::new();
    if !ids.iter().all(|id| seen.insert(id)) {
        return Err(Refusal::broken(
            "duplicate_ids",
            "Request must not contain duplicated ids",
        ));
    }
    Ok(())
}

pub(super) fn list(
    world: &mut World,
    query: &[(String, String)],
    now: Millis,
) -> Result<Value, Refusal> {
    let ids = newest_first(world, now);
    let wish = Wish {
        page_size: page_size(query)?,
        page_token: value(query, "pageToken"),
        parameters: "mediaItems",
    };
    page(world, &ids, wish, now)
}

/// The `pageSize` of a query string.
pub(super) fn page_size(query: &[(String, String)]) -> Result<i64, Refusal> {
    match value(query, "pageSize") {
        "" => Ok(0),
        text => text.parse::<i32>().map(i64::from).map_err(|_| {
            Refusal::broken(
                "wrong_type",
                format!("Invalid value at 'page_size' (TYPE_INT32), \"{text}\""),
            )
        }),
    }
}

fn newest_first(world: &World, now: Millis) -> Vec<String> {
    let library = &world.library;
    let is_visible = |id: &&String| library.visible_item(id, now, &world.settings).is_some();
    library
        .item_order
        .iter()
        .rev()
        .filter(is_visible)
        .cloned()
        .collect()
}

fn page(world: &mut World, ids: &[String], wish: Wish<'_>, now: Millis) -> Result<Value, Refusal> {
    let is_odd = world.settings.list_oddities;
    let page = paging::page(ids, wish, PAGE_SIZES, is_odd, &mut world.log)?;
    let items: Vec<Value> = page
        .ids
        .iter()
        .filter_map(|id| world.library.items.get(id))
        .map(|item| to_json(item, now, &world.settings, Some(&world.address)))
        .collect();
    // Nothing is written for an empty list (fact sheet, section 4.3).
    let mut answer = Map::new();
    if !items.is_empty() {
        answer.insert("mediaItems".into(), items.into());
    }
    if let Some(next) = page.next {
        answer.insert("nextPageToken".into(), next.into());
    }
    Ok(answer.into())
}

pub(super) fn search(world: &mut World, body: &Value, now: Millis) -> Result<Value, Refusal> {
    let album_id = body["albumId"].as_str().filter(|id| !id.is_empty());
    let filters = &body["filters"];
    let ids = match album_id {
        Some(_)
            if filters
                .as_object()
                .is_some_and(|filters| !filters.is_empty()) =>
        {
            return Err(Refusal::broken(
                "album_with_filters",
                "Album ID and filters cannot be set together.",
            ));
        }
        Some(id) => {
            let Some(album) = world
                .library
                .albums
                .get(id)
                .filter(|album| album.is_visible(now, &world.settings))
            else {
                return Err(Refusal::not_found("unknown_album"));
            };
            album.item_ids().map(str::to_owned).collect()
        }
        None => {
            let search = search::Search::of(filters, body["orderBy"].as_str().unwrap_or(""))?;
            search.run(&world.library, &newest_first(world, now))
        }
    };
    let mut parameters = body.clone();
    if let Some(fields) = parameters.as_object_mut() {
        fields.remove("pageToken");
        fields.remove("pageSize");
    }
    let wish = Wish {
        page_size: body["pageSize"].as_i64().unwrap_or(0),
        page_token: body["pageToken"].as_str().unwrap_or(""),
        parameters: &parameters.to_string(),
    };
    page(world, &ids, wish, now)
}

pub(super) fn patch(
    world: &mut World,
    id: &str,
    query: &[(String, String)],
    body: &Value,
    now: Millis,
) -> Result<Value, Refusal> {
    if value(query, "updateMask") != "description" {
        return Err(Refusal::broken(
            "update_mask",
            "Request must have an update mask of 'description'.",
        ));
    }
    let description = body["description"].as_str().unwrap_or("");
    if description.chars().count() >= DESCRIPTION_LIMIT {
        return Err(Refusal::broken(
            "description_too_long",
            "Description must be shorter than 1000 characters.",
        ));
    }
    if world
        .library
        .visible_item(id, now, &world.settings)
        .is_none()
    {
        return Err(Refusal::not_found("unknown_media_item"));
    }
    if let Some(item) = world.library.items.get_mut(id) {
        description.clone_into(&mut item.description);
    }
    get(world, id, now)
}
