//! What the account holds: media items, albums, upload tokens and sessions.
//!
//! Bytes are what an item is: the same bytes are the same item, whatever they are called (fact sheet,
//! section 3.5). An album is a row of items and enrichments in order; no item is in it twice.

use std::collections::{HashMap, HashSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    answer::Refusal,
    clock::{Millis, later},
    media::Media,
    settings::Settings,
};

/// Items that an album can hold (fact sheet, section 5.2).
pub(super) const ALBUM_CAPACITY: usize = 20_000;

/// Random bytes of an id: 100 characters, as in logs of the service (fact sheet, section 4.3).
const ID_BYTES: usize = 75;

/// Characters of an upload token (fact sheet, section 2.1).
const TOKEN_CHARS: usize = 510;

/// What stands in every secret that is made here, over and over: whoever tests a client can search for
/// it in all that the client says and keeps, and finds a part of a secret as well.
pub const SECRET_MARK: &str = "SeCrEt";

/// Random bytes between two marks: 12 characters.
const BETWEEN_MARKS: usize = 9;

/// A photo or video in the library.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) filename: String,
    pub(super) description: String,
    pub(super) media: Media,
    pub(super) created: Millis,
    /// Whether a script has let the processing of this video fail.
    #[serde(default)]
    pub(super) has_failed: bool,
}

/// An album.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Album {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) created: Millis,
    pub(super) entries: Vec<Entry>,
    pub(super) cover: Option<String>,
    #[serde(skip)]
    members: HashSet<String>,
}

/// What stands at one place of an album.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Entry {
    Item(String),
    Enrichment { id: String, content: Value },
}

/// Bytes with a token, waiting to become an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) media: Option<Media>,
    pub(super) born: Millis,
    /// From the old header that named the file at upload.
    pub(super) file_name: String,
    pub(super) used: bool,
}

/// A resumable upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) total: Option<u64>,
    pub(super) file_name: String,
    pub(super) born: Millis,
    pub(super) status: SessionStatus,
    /// The token that it ended with.
    pub(super) token: Option<String>,
}

/// Where a session stands, by the words of `X-Goog-Upload-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SessionStatus {
    Active,
    Final,
    Cancelled,
}

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Library {
    pub(super) items: HashMap<String, Item>,
    /// Ids in the order of their creation.
    pub(super) item_order: Vec<String>,
    by_content: HashMap<String, String>,
    pub(super) albums: HashMap<String, Album>,
    /// Ids in the order of their creation.
    pub(super) album_order: Vec<String>,
    pub(super) uploads: HashMap<String, Upload>,
    pub(super) sessions: HashMap<String, Session>,
    pub(super) stored_bytes: u64,
    /// Ids of items and albums that are no more.
    pub(super) deleted: HashSet<String>,
}

/// A new opaque id.
pub(super) fn new_id() -> String {
    random_text(ID_BYTES)
}

/// A new upload token.
pub(super) fn new_upload_token() -> String {
    secret("CAIS", TOKEN_CHARS)
}

/// A new secret of so many characters: a token, a code, the id of a session.
pub(super) fn secret(begins: &str, n_chars: usize) -> String {
    let mut secret = begins.to_owned();
    while secret.len() < n_chars {
        secret.push_str(SECRET_MARK);
        secret.push_str(&random_text(BETWEEN_MARKS));
    }
    secret.truncate(n_chars);
    secret
}

/// Chance does not have to be unguessable here: the sandbox guards nothing.
pub(super) fn random_text(n_bytes: usize) -> String {
    let bytes: Vec<u8> = (0..n_bytes).map(|_| fastrand::u8(..)).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether a text could be an id of the service at all.
pub(super) fn looks_like_id(id: &str) -> bool {
    (20..=200).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl Library {
    /// Builds what is not stored.
    pub(super) fn restored(mut self) -> Self {
        for album in self.albums.values_mut() {
            album.members = album.item_ids().map(str::to_owned).collect();
        }
        self
    }

    pub(super) fn item_with_content(&self, sha256: &str) -> Option<&Item> {
        self.items.get(self.by_content.get(sha256)?)
    }

    /// Adds an item that was not there.
    pub(super) fn add_item(&mut self, item: Item) {
        self.stored_bytes = self.stored_bytes.saturating_add(item.size);
        self.by_content.insert(item.sha256.clone(), item.id.clone());
        self.item_order.push(item.id.clone());
        self.items.insert(item.id.clone(), item);
    }

    /// Does what a user does by hand: the item goes from the library and from all albums.
    pub(super) fn delete_item(&mut self, id: &str) -> bool {
        let Some(item) = self.items.remove(id) else {
            return false;
        };
        self.stored_bytes = self.stored_bytes.saturating_sub(item.size);
        self.by_content.remove(&item.sha256);
        self.item_order.retain(|other| other != id);
        self.deleted.insert(item.id);
        for album in self.albums.values_mut() {
            album.remove(id);
        }
        true
    }

    /// Does what a user does by hand: the album goes, its items stay.
    pub(super) fn delete_album(&mut self, id: &str) -> bool {
        if self.albums.remove(id).is_none() {
            return false;
        }
        self.album_order.retain(|other| other != id);
        self.deleted.insert(id.to_owned());
        true
    }

    pub(super) fn add_album(&mut self, title: String, now: Millis) -> &Album {
        let id = new_id();
        self.album_order.push(id.clone());
        self.albums.entry(id.clone()).or_insert(Album {
            id,
            title,
            created: now,
            entries: Vec::new(),
            cover: None,
            members: HashSet::new(),
        })
    }

    /// The item as other methods see it: not before it is visible.
    pub(super) fn visible_item(&self, id: &str, now: Millis, settings: &Settings) -> Option<&Item> {
        self.items
            .get(id)
            .filter(|item| now >= later(item.created, settings.items_visible_after_s))
    }

    pub(super) fn is_album_visible(&self, id: &str, now: Millis, settings: &Settings) -> bool {
        self.albums
            .get(id)
            .is_some_and(|album| album.is_visible(now, settings))
    }

    /// The album with this id or, for scripts, the first one with this title.
    pub(super) fn album_named(&self, id: Option<&str>, title: Option<&str>) -> Option<&str> {
        if let Some(id) = id {
            return self.albums.get(id).map(|album| album.id.as_str());
        }
        self.album_order
            .iter()
            .find(|id| {
                self.albums
                    .get(*id)
                    .is_some_and(|album| Some(album.title.as_str()) == title)
            })
            .map(String::as_str)
    }
}

impl Album {
    pub(super) fn item_ids(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Item(id) => Some(id.as_str()),
            Entry::Enrichment { .. } => None,
        })
    }

    pub(super) fn n_items(&self) -> usize {
        self.members.len()
    }

    pub(super) fn holds(&self, id: &str) -> bool {
        self.members.contains(id)
    }

    /// Whether so many more can be in it. The documented limit is known to a client.
    pub(super) fn check_room(&self, n_new: usize, settings: &Settings) -> Result<(), Refusal> {
        let limit = settings.album_limit;
        if self.n_items() + n_new <= limit {
            return Ok(());
        }
        let message = format!("The album would hold more than {limit} media items.");
        Err(if self.n_items() + n_new > ALBUM_CAPACITY {
            Refusal::broken("album_full", message)
        } else {
            Refusal::bad("album_full", message)
        })
    }

    pub(super) fn is_visible(&self, now: Millis, settings: &Settings) -> bool {
        now >= later(self.created, settings.album_visible_after_s)
    }

    /// Puts items at a place, in their order; those that are here already stay where they are.
    pub(super) fn insert(&mut self, place: usize, ids: impl IntoIterator<Item = String>) {
        let mut new = Vec::new();
        for id in ids {
            if self.members.insert(id.clone()) {
                new.push(Entry::Item(id));
            }
        }
        let place = place.min(self.entries.len());
        self.entries.splice(place..place, new);
    }

    pub(super) fn remove(&mut self, id: &str) -> bool {
        if !self.members.remove(id) {
            return false;
        }
        self.entries
            .retain(|entry| !matches!(entry, Entry::Item(other) if other == id));
        if self.cover.as_deref() == Some(id) {
            self.cover = None;
        }
        true
    }

    /// The index at which the position of a request puts things.
    pub(super) fn place(&self, position: &Value) -> Result<usize, Refusal> {
        let kind = position["position"].as_str().unwrap_or("");
        let item = position["relativeMediaItemId"].as_str().unwrap_or("");
        let enrichment = position["relativeEnrichmentItemId"].as_str().unwrap_or("");
        match kind {
            "FIRST_IN_ALBUM" => Ok(0),
            "AFTER_MEDIA_ITEM" => {
                if item.is_empty() {
                    return Err(position_incomplete("relativeMediaItemId", kind));
                }
                let is_it = |entry: &Entry| matches!(entry, Entry::Item(id) if id == item);
                self.after(is_it, "The media item is not in the album.")
            }
            "AFTER_ENRICHMENT_ITEM" => {
                if enrichment.is_empty() {
                    return Err(position_incomplete("relativeEnrichmentItemId", kind));
                }
                let is_it = |entry: &Entry| matches!(entry, Entry::Enrichment { id, .. } if id == enrichment);
                self.after(is_it, "The enrichment item is not in the album.")
            }
            _ => Ok(self.entries.len()),
        }
    }

    fn after(&self, is_it: impl Fn(&Entry) -> bool, message: &str) -> Result<usize, Refusal> {
        self.entries
            .iter()
            .position(is_it)
            .map(|place| place + 1)
            .ok_or_else(|| Refusal::bad("relative_item_not_in_album", message))
    }
}

fn position_incomplete(field: &str, kind: &str) -> Refusal {
    Refusal::broken(
        "position_incomplete",
        format!("Request must have a {field} for position {kind}."),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn album(ids: &[&str]) -> Album {
        let mut library = Library::default();
        let id = library.add_album("a".into(), 0).id.clone();
        let mut album = library.albums.remove(&id).unwrap();
        album.insert(0, ids.iter().map(|id| (*id).to_owned()));
        album
    }

    #[test]
    fn items_keep_their_order_at_their_place_and_stay_where_they_are() {
        let mut album = album(&["a", "b", "c"]);
        let after_a = album
            .place(&json!({"position": "AFTER_MEDIA_ITEM", "relativeMediaItemId": "a"}))
            .unwrap();
        album.insert(after_a, ["x", "c", "y"].map(String::from));
        let ids: Vec<_> = album.item_ids().collect();
        assert_eq!(ids, ["a", "x", "y", "b", "c"]);
        assert_eq!(
            album.place(&json!({"position": "FIRST_IN_ALBUM"})).unwrap(),
            0
        );
        assert_eq!(album.place(&json!({})).unwrap(), 5);
        assert!(
            album
                .place(&json!({"position": "AFTER_MEDIA_ITEM", "relativeMediaItemId": "z"}))
                .is_err()
        );
    }

    #[test]
    fn ids_are_long_and_safe_in_an_address() {
        let id = new_id();
        assert_eq!(id.len(), 100);
        assert!(looks_like_id(&id));
        assert!(!looks_like_id("https://photos.google.com/album/1"));
        assert!((500..520).contains(&new_upload_token().len()));
    }
}
