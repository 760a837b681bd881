//! Reading, searching and describing media items (fact sheet, section 4).

use std::{cmp::Reverse, collections::HashSet};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};

use crate::{
    clock::{Millis, SECOND, later, rfc3339},
    discovery::{Pairs, param},
    errors::Refusal,
    pages::{PageRequest, page},
    state::{Item, State},
};

/// Ids of one batchGet (fact sheet, section 4.1).
const MAX_IDS: usize = 50;

/// Default and greatest page of lists of items (fact sheet, section 4.1).
const PAGE_SIZES: (usize, usize) = (25, 100);

/// Lifetime of a `baseUrl` (fact sheet, section 4.3).
const BASE_URL_LIFETIME: Millis = 60 * 60 * SECOND;

/// A description has to be shorter than so many characters (fact sheet, section 3.1).
const DESCRIPTION_LIMIT: usize = 1000;

/// A media item as the service writes it. The response that creates an item has no `baseUrl` yet.
pub(crate) fn to_json(state: &State, item: &Item, is_new: bool) -> Value {
    let media = &item.media;
    let mut metadata = json!({"creationTime": rfc3339(media.taken.unwrap_or(item.created))});
    if let (Some(width), Some(height)) = (media.width, media.height) {
        metadata["width"] = width.to_string().into();
        metadata["height"] = height.to_string().into();
    }
    let mut details = Map::new();
    let mut set = |name: &str, text: &str| {
        if !text.is_empty() {
            details.insert(name.to_owned(), text.into());
        }
    };
    if let Some((make, model)) = &media.camera {
        set("cameraMake", make);
        set("cameraModel", model);
    }
    if media.is_video {
        let ready = later(item.created, state.settings.video_processing_s);
        // The response that creates a video never calls it ready: processing has only begun.
        let status = match is_new {
            false if item.has_failed => "FAILED",
            false if state.now >= ready => "READY",
            _ => "PROCESSING",
        };
        set("status", status);
        metadata["video"] = details.into();
    } else {
        metadata["photo"] = details.into();
    }
    let mut fields = json!({
        "id": item.id,
        "productUrl": format!("https://photos.google.com/lr/photo/{}", item.id),
        "mimeType": media.mime,
        "mediaMetadata": metadata,
    });
    for (name, text) in [
        ("description", &item.description),
        ("filename", &item.filename),
    ] {
        if !text.is_empty() {
            fields[name] = text.as_str().into();
        }
    }
    if !is_new {
        fields["baseUrl"] = base_url(state, &item.id).into();
    }
    fields
}

/// The address of an item's bytes for the next hour.
pub(crate) fn base_url(state: &State, id: &str) -> String {
    format!(
        "{}/lr/{id}/{}",
        state.address,
        state.now + BASE_URL_LIFETIME
    )
}

pub(crate) fn get(state: &State, id: &str) -> Result<Value, Refusal> {
    let item = state.visible_item(id);
    let item = item.ok_or_else(|| Refusal::not_found("unknown_media_item"))?;
    Ok(to_json(state, item, false))
}

pub(crate) fn batch_get(state: &mut State, query: &Pairs) -> Result<Value, Refusal> {
    let named = query.iter().filter(|(name, _)| name == "mediaItemIds");
    let ids: Vec<&str> = named.map(|(_, id)| id.as_str()).collect();
    check_ids(&ids)?;
    let mut results = Vec::new();
    for id in ids {
        if let Some(item) = state.visible_item(id) {
            results.push(json!({"mediaItem": to_json(state, item, false)}));
            continue;
        }
        let detail = format!("batchGet of {id}");
        state.log.refused("unknown_media_item", detail);
        // An id that was deleted is not found; one that never existed is invalid.
        let existed = state.library.items.contains_key(id) || state.library.deleted.contains(id);
        results.push(if existed {
            json!({"status": {"code": 5, "message": "Requested entity was not found."}})
        } else {
            json!({"status": {"code": 3, "message": "Invalid media item ID."}})
        });
    }
    Ok(json!({ "mediaItemResults": results }))
}

/// The rules for lists of ids: 1 to 50, none empty, no duplicates.
pub(crate) fn check_ids(ids: &[&str]) -> Result<(), Refusal> {
    if ids.is_empty() || ids.iter().any(|id| id.is_empty()) {
        return Err(Refusal::rule("no_ids"));
    }
    if ids.len() > MAX_IDS {
        return Err(Refusal::rule("over_50"));
    }
    let mut seen = HashSet::new();
    if !ids.iter().all(|id| seen.insert(id)) {
        return Err(Refusal::rule("duplicate_ids"));
    }
    Ok(())
}

pub(crate) fn check_description(description: &str) -> Result<(), Refusal> {
    if description.chars().count() >= DESCRIPTION_LIMIT {
        return Err(Refusal::rule("description_too_long"));
    }
    Ok(())
}

pub(crate) fn list(state: &mut State, query: &Pairs) -> Result<Value, Refusal> {
    let ids = newest_first(state, |_| true);
    items_page(state, &PageRequest::of_query(query, "mediaItems"), &ids)
}

fn newest_first(state: &State, matches: impl Fn(&Item) -> bool) -> Vec<String> {
    let items = state.library.items_in_order().rev();
    let visible = items.filter(|item| state.visible_item(&item.id).is_some() && matches(item));
    visible.map(|item| item.id.clone()).collect()
}

fn items_page(state: &mut State, request: &PageRequest, ids: &[String]) -> Result<Value, Refusal> {
    page(
        state,
        request,
        PAGE_SIZES,
        ("mediaItems", ids),
        |state, id| {
            let item = state.library.items.get(id)?;
            Some(to_json(state, item, false))
        },
    )
}

pub(crate) fn patch(
    state: &mut State,
    id: &str,
    query: &Pairs,
    body: &Value,
) -> Result<Value, Refusal> {
    if param(query, "updateMask") != "description" {
        let message = "Request must have an update mask of 'description'.";
        return Err(Refusal::broken("update_mask", message));
    }
    let description = body["description"].as_str().unwrap_or("");
    check_description(description)?;
    get(state, id)?;
    if let Some(item) = state.library.items.get_mut(id) {
        description.clone_into(&mut item.description);
    }
    get(state, id)
}

/// Searches an album, or the library by filters (fact sheet, section 4.2).
///
/// The sandbox knows dates and kinds, not what a picture shows: a required category other than `NONE`
/// matches nothing, an excluded one excludes nothing, and there are no favourites.
pub(crate) fn search(state: &mut State, body: &Value) -> Result<Value, Refusal> {
    let album_id = body["albumId"].as_str().unwrap_or("");
    let filters = &body["filters"];
    let has_filters = filters
        .as_object()
        .is_some_and(|filters| !filters.is_empty());
    let ids = if album_id.is_empty() {
        filtered(state, filters, body["orderBy"].as_str().unwrap_or(""))?
    } else if has_filters {
        return Err(Refusal::rule("album_with_filters"));
    } else {
        let album = state.library.albums.get(album_id);
        let album = album.filter(|album| state.is_visible(album));
        let album = album.ok_or_else(|| Refusal::not_found("unknown_album"))?;
        album.item_ids().map(str::to_owned).collect()
    };
    items_page(state, &PageRequest::of_body(body), &ids)
}

fn filtered(state: &State, filters: &Value, order_by: &str) -> Result<Vec<String>, Refusal> {
    let dates = &filters["dateFilter"];
    let date_matches = date_filter(dates)?;
    let is_ascending = match order_by {
        "" => None,
        "MediaMetadata.creation_time" => Some(true),
        "MediaMetadata.creation_time desc" => Some(false),
        _ => return Err(bad_search("Invalid order by.")),
    };
    let others = ["contentFilter", "mediaTypeFilter", "featureFilter"];
    let has_others = others.iter().any(|name| !filters[*name].is_null());
    if is_ascending.is_some() && (dates.is_null() || has_others) {
        let message = "Order by needs a date filter, and works with no other.";
        return Err(bad_search(message));
    }
    let is_video = media_type_filter(&filters["mediaTypeFilter"])?;
    let is_empty = excludes_everything(&filters["contentFilter"])?
        || texts(&filters["featureFilter"]["includedFeatures"]).contains(&"FAVORITES");
    let mut ids = newest_first(state, |item| {
        let is_kind = is_video.is_none_or(|is_video| is_video == item.media.is_video);
        // An item without a date of its own matches no date.
        let is_dated = dates.is_null() || item.media.taken.is_some_and(&date_matches);
        is_kind && is_dated && !is_empty
    });
    let taken = |id: &String| {
        state
            .library
            .items
            .get(id)
            .and_then(|item| item.media.taken)
    };
    match is_ascending {
        Some(true) => ids.sort_by_key(taken),
        Some(false) => ids.sort_by_key(|id| Reverse(taken(id))),
        None => {}
    }
    Ok(ids)
}

/// Year, month and day; zero is any.
type Day = (i64, i64, i64);

/// Whether a time matches a filter of dates and ranges.
fn date_filter(filter: &Value) -> Result<impl Fn(Millis) -> bool + use<>, Refusal> {
    let all = |name: &str| filter[name].as_array().map_or(&[][..], Vec::as_slice);
    let (days, ranges) = (all("dates"), all("ranges"));
    if days.len() > 5 || ranges.len() > 5 {
        let message = "Date filter must have at most 5 dates and 5 ranges.";
        return Err(bad_search(message));
    }
    let range = |range: &Value| Ok((day(&range["startDate"])?, day(&range["endDate"])?));
    let days: Vec<Day> = days.iter().map(day).collect::<Result<_, _>>()?;
    let ranges: Vec<(Day, Day)> = ranges.iter().map(range).collect::<Result<_, _>>()?;
    Ok(move |taken: Millis| {
        let time = Timestamp::from_millisecond(taken).unwrap_or(Timestamp::UNIX_EPOCH);
        let date = time.to_zoned(TimeZone::UTC).date();
        let day: Day = (date.year().into(), date.month().into(), date.day().into());
        let any = |wanted: i64, is: i64| wanted == 0 || wanted == is;
        let is_day =
            |wanted: &Day| any(wanted.0, day.0) && any(wanted.1, day.1) && any(wanted.2, day.2);
        let in_range = |(start, end): &(Day, Day)| {
            // An open end of a range includes its whole month or year.
            let last = |n: i64| if n == 0 { i64::MAX } else { n };
            *start <= day && day <= (last(end.0), last(end.1), last(end.2))
        };
        days.iter().any(is_day) || ranges.iter().any(in_range)
    })
}

fn day(date: &Value) -> Result<Day, Refusal> {
    let part = |name: &str| date[name].as_i64().unwrap_or(0);
    let day = (part("year"), part("month"), part("day"));
    // Whole months, whole years, and days of every year; nothing else may be zero.
    let is_allowed = matches!(day, (1.., 1.., _) | (1.., 0, 0) | (0, 1.., 1..));
    let in_bounds =
        (0..=9999).contains(&day.0) && (0..=12).contains(&day.1) && (0..=31).contains(&day.2);
    if is_allowed && in_bounds {
        Ok(day)
    } else {
        Err(bad_search("Invalid date in date filter."))
    }
}

/// Whether only videos or only photos match.
fn media_type_filter(filter: &Value) -> Result<Option<bool>, Refusal> {
    match texts(&filter["mediaTypes"]).as_slice() {
        _ if filter.is_null() => Ok(None),
        ["ALL_MEDIA"] => Ok(None),
        ["VIDEO"] => Ok(Some(true)),
        ["PHOTO"] => Ok(Some(false)),
        _ => Err(bad_search(
            "Media type filter must have exactly one media type.",
        )),
    }
}

/// Whether a filter of categories matches no item.
fn excludes_everything(filter: &Value) -> Result<bool, Refusal> {
    let included = texts(&filter["includedContentCategories"]);
    let excluded = texts(&filter["excludedContentCategories"]);
    if included.len() > 10 || excluded.len() > 10 {
        let message = "Content filter must have at most 10 categories of a kind.";
        return Err(bad_search(message));
    }
    if included.iter().any(|category| excluded.contains(category)) {
        let message = "A content category must not be included and excluded.";
        return Err(bad_search(message));
    }
    Ok(!included.is_empty() && !included.contains(&"NONE"))
}

fn texts(value: &Value) -> Vec<&str> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

fn bad_search(message: &str) -> Refusal {
    Refusal::broken("search", message)
}
