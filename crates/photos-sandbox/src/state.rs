//! The state of the simulated account, behind one lock: media items, albums, upload tokens and sessions,
//! sign-in, quotas, scripted faults, and the log.
//!
//! Methods that only touch memory hold the lock from their first check to their last change, so that no
//! request sees half of another. Bytes identify an item: the same bytes are the same item, whatever
//! their name (fact sheet, section 3.5). An album is an ordered list of items and enrichments, without
//! duplicates.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clock::{Millis, later, machine_time, rfc3339},
    discovery::Method,
    errors::{Blame, Refusal, Response},
    faults::{self, ALBUM_CAPACITY, Effect, Rule, Settings},
    media_type::Media,
    oauth::{Bearer, Oauth, random_text, secret},
    persistence::{Blobs, IncomingFile},
    quota::{Quota, Ticket},
    rule_log::RuleLog,
};

/// Random bytes of an id: 100 characters, as in logs of the service (fact sheet, section 4.3).
const ID_BYTES: usize = 75;

/// Characters of an upload token (fact sheet, section 2.1).
const TOKEN_CHARS: usize = 510;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    pub(crate) blobs: Blobs,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// All of the state except the bytes.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The shifted time at which the lock was taken.
    pub(crate) now: Millis,
    /// Milliseconds by which scripts have advanced the clock.
    pub(crate) clock_shift: Millis,
    pub(crate) settings: Settings,
    pub(crate) rules: Vec<Rule>,
    pub(crate) library: Library,
    pub(crate) oauth: Oauth,
    pub(crate) quota: Quota,
    pub(crate) log: RuleLog,
    /// The sandbox's own address, for URLs in responses.
    pub(crate) address: String,
    pub(crate) bytes_received: u64,
    /// The files of open sessions, by session.
    pub(crate) incoming_files: HashMap<String, Arc<SessionFile>>,
    /// Whether something changed since the state was stored.
    pub(crate) is_dirty: bool,
}

/// The file of an upload session; one request at a time works on it.
pub(crate) type SessionFile = tokio::sync::Mutex<Option<IncomingFile>>;

/// The part of the state that a sandbox with a data folder keeps.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stored<L, O> {
    pub(crate) library: L,
    pub(crate) oauth: O,
}

/// A request for a method of the service.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static Method,
    pub(crate) arrival: Instant,
    pub(crate) effect: Effect,
    /// For a write: that it is in flight, or that another one is.
    pub(crate) ticket: Result<Option<Ticket>, Refusal>,
    /// Cancelled when the client has hung up.
    pub(crate) gone: CancellationToken,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock was reported when it happened; other requests go on.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = machine_time().saturating_add(state.clock_shift);
        state
    }

    /// Sleeps in real time, until the sandbox stops at the latest.
    pub(crate) async fn sleep(&self, millis: u64) {
        if millis > 0 {
            let sleep = tokio::time::sleep(Duration::from_millis(millis));
            self.stop.run_until_cancelled(sleep).await;
        }
    }
}

impl State {
    /// A request arrives: it is counted, scripted effects are taken, and a write begins.
    pub(crate) fn begin(
        &mut self,
        method: &'static Method,
        arrival: Instant,
        gone: &CancellationToken,
    ) -> Call {
        self.log.count_call(method);
        let effect = faults::take(&mut self.rules, method);
        self.oauth.apply(&effect);
        let times = (self.now, arrival);
        let ticket = self
            .quota
            .arrived(method, times, gone, &self.settings, &mut self.log);
        Call {
            method,
            arrival,
            effect,
            ticket,
            gone: gone.clone(),
        }
    }

    /// Checks the bearer, its scopes, the rule of one write at a time, and the quotas.
    pub(crate) fn admit(&mut self, call: &Call, headers: &HeaderMap) -> Result<(), Refusal> {
        let method = call.method;
        let bearer = self
            .oauth
            .bearer(headers, self.now, call.arrival, &mut self.log);
        // The upload address answers the same for a bad token and for a missing scope.
        let unauthenticated = if method.is_upload() {
            "upload_unauthenticated_401"
        } else {
            "unauthenticated_401"
        };
        let scopes = match bearer {
            Bearer::Good(scopes) => scopes,
            Bearer::Missing => {
                return Err(Refusal::canned(unauthenticated, Blame::Rule("no_bearer")));
            }
            Bearer::Bad(token) => {
                self.oauth.reject(token);
                let blame = Blame::Circumstance("access_token");
                return Err(Refusal::canned(unauthenticated, blame));
            }
        };
        let is_open = method.name == "sharedAlbums.leave" && self.settings.shared_leave_works;
        if method.is_retired() && !is_open {
            let blame = Blame::Circumstance("retired_method");
            return Err(Refusal::canned("forbidden_403", blame));
        }
        let is_enough = |scope: &&str| scopes.iter().any(|granted| granted == *scope);
        if !method.scopes.is_empty() && !method.scopes.iter().any(is_enough) {
            let word = if method.is_upload() {
                unauthenticated
            } else {
                "scope_403"
            };
            return Err(Refusal::canned(word, Blame::Circumstance("scope")));
        }
        if let Err(refusal) = &call.ticket {
            return Err(refusal.clone());
        }
        self.quota.admit(method, self.now, &self.settings)
    }

    /// Logs a refusal, and gives the response for it.
    pub(crate) fn refuse(&mut self, call: &Call, refusal: &Refusal) -> Response {
        self.log.refused_request(call.method, refusal);
        refusal.response(call.method.is_upload(), self.settings.error_details)
    }

    /// Notes that a response is sent. A client that does not get to read it is not bound by it.
    pub(crate) fn answered(&mut self, call: &Call, path: &str, response: &Response) {
        let (now, status) = (self.now, response.status);
        let is_lost = call.effect.cut_after || call.effect.hang || call.gone.is_cancelled();
        if !is_lost {
            let sent = (status, &response.body[..]);
            self.quota.answered(call.method, now, sent, &self.settings);
        }
        self.log.answered(now, Some(call.method.name), path, status);
    }

    /// The body of `GET /sandbox/state`.
    pub(crate) fn describe(&self) -> Value {
        let item = |item: &Item| {
            json!({
                "id": item.id,
                "filename": item.filename,
                "description": item.description,
                "mime": item.media.mime,
                "size": item.size,
                "sha256": item.sha256,
            })
        };
        let album = |album: &Album| {
            let enrichments = album.entries.iter().filter_map(|entry| match entry {
                Entry::Enrichment { id, content } => Some(json!({"id": id, "content": content})),
                Entry::Item(_) => None,
            });
            json!({
                "id": album.id,
                "title": album.title,
                "items": album.item_ids().collect::<Vec<_>>(),
                "enrichments": enrichments.collect::<Vec<_>>(),
            })
        };
        let stop = self.quota.daily_stop();
        let stop = stop.filter(|(until, _)| self.now < *until);
        let mut state = json!({
            "items": self.library.items_in_order().map(item).collect::<Vec<_>>(),
            "albums": self.library.albums_in_order().map(album).collect::<Vec<_>>(),
            "bytes_received": self.bytes_received,
            "bytes_stored": self.library.stored_bytes,
            "quota_used": self.quota.used_today(self.now),
            "daily_stop": stop.map(|(until, ago)| json!({"until": rfc3339(until), "told_ms_ago": ago})),
            "now": rfc3339(self.now),
        });
        self.log.describe(&mut state);
        state
    }

    /// The item as other methods see it: not before it is visible.
    pub(crate) fn visible_item(&self, id: &str) -> Option<&Item> {
        let item = self.library.items.get(id)?;
        (self.now >= later(item.created, self.settings.items_visible_after_s)).then_some(item)
    }

    pub(crate) fn is_visible(&self, album: &Album) -> bool {
        self.now >= later(album.created, self.settings.album_visible_after_s)
    }
}

/// A photo or video in the library.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) filename: String,
    pub(crate) description: String,
    pub(crate) media: Media,
    pub(crate) created: Millis,
    /// Whether a script has let the processing of this video fail.
    #[serde(default)]
    pub(crate) has_failed: bool,
}

/// An album.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Album {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) created: Millis,
    pub(crate) entries: Vec<Entry>,
    pub(crate) cover: Option<String>,
    #[serde(skip)]
    members: HashSet<String>,
}

/// One entry of an album.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Entry {
    Item(String),
    Enrichment { id: String, content: Value },
}

/// Stored bytes with a token, which can become an item.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) media: Option<Media>,
    pub(crate) born: Millis,
    /// From the header `X-Goog-Upload-File-Name`.
    pub(crate) file_name: String,
    pub(crate) used: bool,
}

/// A resumable upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) total: Option<u64>,
    pub(crate) file_name: String,
    pub(crate) born: Millis,
    pub(crate) status: SessionStatus,
    /// The upload token, once the session is final.
    pub(crate) token: Option<String>,
}

/// The values of `X-Goog-Upload-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SessionStatus {
    Active,
    Final,
    Cancelled,
}

/// What the account holds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Library {
    pub(crate) items: HashMap<String, Item>,
    /// Ids in the order of their creation.
    pub(crate) item_order: Vec<String>,
    by_content: HashMap<String, String>,
    pub(crate) albums: HashMap<String, Album>,
    /// Ids in the order of their creation.
    pub(crate) album_order: Vec<String>,
    pub(crate) uploads: HashMap<String, Upload>,
    pub(crate) sessions: HashMap<String, Session>,
    pub(crate) stored_bytes: u64,
    /// Ids of deleted items and albums.
    pub(crate) deleted: HashSet<String>,
}

/// A new opaque id.
pub(crate) fn new_id() -> String {
    random_text(ID_BYTES)
}

/// Whether a text has the form of an id of the service.
pub(crate) fn looks_like_id(id: &str) -> bool {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (20..=200).contains(&id.len()) && id.bytes().all(is_safe)
}

impl Library {
    /// Rebuilds what is not stored.
    pub(crate) fn restored(mut self) -> Self {
        for album in self.albums.values_mut() {
            album.members = album.item_ids().map(str::to_owned).collect();
        }
        self
    }

    pub(crate) fn items_in_order(&self) -> impl DoubleEndedIterator<Item = &Item> {
        self.item_order.iter().filter_map(|id| self.items.get(id))
    }

    pub(crate) fn albums_in_order(&self) -> impl Iterator<Item = &Album> {
        self.album_order.iter().filter_map(|id| self.albums.get(id))
    }

    pub(crate) fn item_with_content(&self, sha256: &str) -> Option<&Item> {
        self.items.get(self.by_content.get(sha256)?)
    }

    /// Gives uploaded bytes a token.
    pub(crate) fn add_upload(&mut self, upload: Upload) -> String {
        let token = secret("CAIS", TOKEN_CHARS);
        self.uploads.insert(token.clone(), upload);
        token
    }

    /// Adds a new item.
    pub(crate) fn add_item(&mut self, item: Item) {
        self.stored_bytes = self.stored_bytes.saturating_add(item.size);
        self.by_content.insert(item.sha256.clone(), item.id.clone());
        self.item_order.push(item.id.clone());
        self.items.insert(item.id.clone(), item);
    }

    /// Deletes an item as a user does: from the library and from all albums.
    pub(crate) fn delete_item(&mut self, id: &str) {
        let Some(item) = self.items.remove(id) else {
            return;
        };
        self.stored_bytes = self.stored_bytes.saturating_sub(item.size);
        self.by_content.remove(&item.sha256);
        self.item_order.retain(|other| other != id);
        self.deleted.insert(item.id);
        for album in self.albums.values_mut() {
            album.remove(id);
        }
    }

    /// Deletes an album as a user does: its items stay in the library.
    pub(crate) fn delete_album(&mut self, id: &str) {
        if self.albums.remove(id).is_some() {
            self.album_order.retain(|other| other != id);
            self.deleted.insert(id.to_owned());
        }
    }

    pub(crate) fn add_album(&mut self, title: String, now: Millis) -> &Album {
        let id = new_id();
        self.album_order.push(id.clone());
        self.albums.entry(id.clone()).or_insert(Album {
            id,
            title,
            created: now,
            ..Album::default()
        })
    }
}

impl Album {
    pub(crate) fn item_ids(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Item(id) => Some(id.as_str()),
            Entry::Enrichment { .. } => None,
        })
    }

    pub(crate) fn n_items(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.members.contains(id)
    }

    /// Whether `n_new` more items fit. A client can know only the documented limit.
    pub(crate) fn check_room(&self, n_new: usize, limit: usize) -> Result<(), Refusal> {
        let n = self.n_items() + n_new;
        let message = format!("The album would hold more than {limit} media items.");
        match n {
            _ if n <= limit => Ok(()),
            _ if n > ALBUM_CAPACITY => Err(Refusal::broken("album_full", message)),
            _ => Err(Refusal::bad("album_full", message)),
        }
    }

    /// Inserts items at an index, in their order. Items that are in the album already are not moved.
    pub(crate) fn insert(&mut self, index: usize, mut ids: Vec<String>) {
        ids.retain(|id| self.members.insert(id.clone()));
        let index = index.min(self.entries.len());
        self.entries
            .splice(index..index, ids.into_iter().map(Entry::Item));
    }

    pub(crate) fn remove(&mut self, id: &str) -> bool {
        if !self.members.remove(id) {
            return false;
        }
        self.entries
            .retain(|entry| !matches!(entry, Entry::Item(other) if other == id));
        self.cover.take_if(|cover| cover == id);
        true
    }

    /// The index for the `albumPosition` of a request.
    pub(crate) fn index_of(&self, position: &Value) -> Result<usize, Refusal> {
        let kind = position["position"].as_str().unwrap_or("");
        let (field, what) = match kind {
            "FIRST_IN_ALBUM" => return Ok(0),
            "AFTER_MEDIA_ITEM" => ("relativeMediaItemId", "media item"),
            "AFTER_ENRICHMENT_ITEM" => ("relativeEnrichmentItemId", "enrichment item"),
            _ => return Ok(self.entries.len()),
        };
        let wanted = position[field].as_str().unwrap_or("");
        if wanted.is_empty() {
            let message = format!("Request must have a {field} for position {kind}.");
            return Err(Refusal::broken("position_incomplete", message));
        }
        let is_wanted = |entry: &Entry| match entry {
            Entry::Item(id) => kind == "AFTER_MEDIA_ITEM" && id == wanted,
            Entry::Enrichment { id, .. } => kind == "AFTER_ENRICHMENT_ITEM" && id == wanted,
        };
        let found = self.entries.iter().position(is_wanted);
        found.map(|index| index + 1).ok_or_else(|| {
            let message = format!("The {what} is not in the album.");
            Refusal::bad("relative_item_not_in_album", message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn album(ids: &[&str]) -> Album {
        let mut album = Album::default();
        album.insert(0, ids.iter().map(|id| (*id).to_owned()).collect());
        album
    }

    #[test]
    fn items_keep_their_order_and_items_already_there_are_not_moved() {
        let mut album = album(&["a", "b", "c"]);
        let after = |id: &str| json!({"position": "AFTER_MEDIA_ITEM", "relativeMediaItemId": id});
        let after_a = album.index_of(&after("a")).unwrap();
        album.insert(after_a, ["x", "c", "y"].map(String::from).to_vec());
        let ids: Vec<_> = album.item_ids().collect();
        assert_eq!(ids, ["a", "x", "y", "b", "c"]);
        let first = json!({"position": "FIRST_IN_ALBUM"});
        assert_eq!(album.index_of(&first).unwrap(), 0);
        assert_eq!(album.index_of(&json!({})).unwrap(), 5);
        assert!(album.index_of(&after("z")).is_err());
    }

    #[test]
    fn ids_are_long_and_safe_in_an_address() {
        let id = new_id();
        assert_eq!(id.len(), 100);
        assert!(looks_like_id(&id));
        assert!(!looks_like_id("https://photos.google.com/album/1"));
        assert!((500..520).contains(&secret("CAIS", TOKEN_CHARS).len()));
    }
}
