//! Albums (fact sheet, section 5), and what is left of shared ones (section 6).

use serde_json::{Value, json};

use crate::{
    discovery::{Pairs, param},
    errors::Refusal,
    media_items::{base_url, check_ids},
    pages::{PageRequest, page},
    state::{Album, Entry, State, looks_like_id, new_id},
};

/// Characters of a title (fact sheet, section 5.2).
const MAX_TITLE: usize = 500;

/// Default and greatest page of the list of albums (fact sheet, section 5.1).
const PAGE_SIZES: (usize, usize) = (20, 50);

fn to_json(state: &State, album: &Album) -> Value {
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
        fields["coverPhotoBaseUrl"] = base_url(state, cover).into();
    }
    fields
}

/// The title in a request.
fn title(album: &Value) -> Result<&str, Refusal> {
    let title = album["title"].as_str().unwrap_or("");
    match title.chars().count() {
        0 => Err(Refusal::rule("empty_title")),
        n if n > MAX_TITLE => Err(Refusal::rule("title_too_long")),
        _ => Ok(title),
    }
}

/// The album in the path. A text that cannot be an id is a bad request, an unknown id is not found.
fn find<'a>(state: &'a State, id: &str) -> Result<&'a Album, Refusal> {
    if !looks_like_id(id) {
        return Err(Refusal::rule("album_id"));
    }
    let found = state.library.albums.get(id);
    found
        .filter(|album| state.is_visible(album))
        .ok_or_else(|| Refusal::not_found("unknown_album"))
}

pub(crate) fn create(state: &mut State, body: &Value) -> Result<Value, Refusal> {
    let title = title(&body["album"])?.to_owned();
    let album = state.library.add_album(title, state.now).clone();
    Ok(to_json(state, &album))
}

pub(crate) fn get(state: &State, id: &str) -> Result<Value, Refusal> {
    Ok(to_json(state, find(state, id)?))
}

pub(crate) fn list(state: &mut State, query: &Pairs) -> Result<Value, Refusal> {
    let visible = state.library.albums_in_order();
    let visible = visible.filter(|album| state.is_visible(album));
    let ids: Vec<String> = visible.map(|album| album.id.clone()).collect();
    let request = PageRequest::of_query(query, "albums");
    page(
        state,
        &request,
        PAGE_SIZES,
        ("albums", &ids),
        |state, id| {
            let album = state.library.albums.get(id)?;
            Some(to_json(state, album))
        },
    )
}

pub(crate) fn patch(
    state: &mut State,
    id: &str,
    query: &Pairs,
    body: &Value,
) -> Result<Value, Refusal> {
    let mut album = find(state, id)?.clone();
    for field in param(query, "updateMask").split(',') {
        match field.trim() {
            "title" => title(body)?.clone_into(&mut album.title),
            "cover_photo_media_item_id" | "coverPhotoMediaItemId" => {
                let cover = body["coverPhotoMediaItemId"].as_str().unwrap_or("");
                if !album.has(cover) {
                    return Err(invalid_item("cover_not_in_album"));
                }
                album.cover = Some(cover.to_owned());
            }
            _ => {
                let message =
                    "Request must have an update mask of 'title' or 'cover_photo_media_item_id'.";
                return Err(Refusal::broken("update_mask", message));
            }
        }
    }
    let answer = to_json(state, &album);
    state.library.albums.insert(album.id.clone(), album);
    Ok(answer)
}

fn invalid_item(what: &'static str) -> Refusal {
    Refusal::bad(what, "Request contains an invalid media item id.")
}

/// The ids of a request that adds or removes: one invalid id refuses the whole request.
fn ids(body: &Value, is_valid: impl Fn(&str) -> bool) -> Result<Vec<String>, Refusal> {
    let all = body["mediaItemIds"].as_array().into_iter().flatten();
    let ids: Vec<&str> = all.filter_map(Value::as_str).collect();
    check_ids(&ids)?;
    if !ids.iter().all(|id| is_valid(id)) {
        return Err(invalid_item("invalid_media_item_id"));
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

pub(crate) fn batch_add(state: &mut State, id: &str, body: &Value) -> Result<Value, Refusal> {
    let album = find(state, id)?;
    let ids = ids(body, |id| state.visible_item(id).is_some())?;
    let n_new = ids.iter().filter(|id| !album.has(id)).count();
    album.check_room(n_new, state.settings.album_limit)?;
    if let Some(album) = state.library.albums.get_mut(id) {
        album.insert(usize::MAX, ids);
    }
    Ok(json!({}))
}

pub(crate) fn batch_remove(state: &mut State, id: &str, body: &Value) -> Result<Value, Refusal> {
    let album = find(state, id)?;
    let ids = ids(body, |id| album.has(id))?;
    if let Some(album) = state.library.albums.get_mut(id) {
        for id in ids {
            album.remove(&id);
        }
    }
    Ok(json!({}))
}

pub(crate) fn add_enrichment(state: &mut State, id: &str, body: &Value) -> Result<Value, Refusal> {
    let album = find(state, id)?;
    let content = &body["newEnrichmentItem"];
    let kinds = content.as_object().into_iter().flatten();
    if kinds.filter(|(_, kind)| !kind.is_null()).count() != 1 {
        return Err(Refusal::rule("enrichment"));
    }
    if body["albumPosition"].is_null() {
        return Err(Refusal::rule("enrichment_without_position"));
    }
    let index = album.index_of(&body["albumPosition"])?;
    let entry_id = new_id();
    if let Some(album) = state.library.albums.get_mut(id) {
        let (id, content) = (entry_id.clone(), content.clone());
        album
            .entries
            .insert(index, Entry::Enrichment { id, content });
    }
    Ok(json!({"enrichmentItem": {"id": entry_id}}))
}

/// Leaves a shared album: the one method of shared albums that a script can make work.
pub(crate) fn leave_shared(body: &Value) -> Result<Value, Refusal> {
    if body["shareToken"].as_str().unwrap_or("").is_empty() {
        return Err(Refusal::rule("share_token"));
    }
    Ok(json!({}))
}
