//! What the service's JSON looks like.
//!
//! Reading is lenient: unknown fields are passed over and absent ones are empty, because the
//! service leaves out defaults. Writing is exact. Requests can be read back, because the journal
//! keeps them word for word.

use serde::{Deserialize, Serialize};

use crate::model::ids::{AlbumId, MediaItemId, UploadToken};

/// The most items of a batchCreate, and ids of batchGet, batchAdd and batchRemove (fact sheet,
/// sections 3.1, 4.1 and 5.1).
pub const BATCH_MAX: usize = 50;

/// The most characters of a `fileName`, its extension included (fact sheet, section 3.1).
pub const FILE_NAME_CHARS_MAX: usize = 255;

/// The most characters of a description: the reference says shorter than 1000 (fact sheet, section 3.1).
pub const DESCRIPTION_CHARS_MAX: usize = 999;

/// The most characters of an album's title (fact sheet, section 5.2).
pub const TITLE_CHARS_MAX: usize = 500;

/// The most items of an album (fact sheet, section 5.2).
pub const ALBUM_ITEMS_MAX: u64 = 20_000;

/// An item to be made of uploaded bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// The token of the bytes.
    pub upload_token: UploadToken,
    /// The name that the user sees.
    pub file_name: String,
    /// Text that a person wrote.
    pub description: Option<String>,
}

/// Where in the album all items of a call go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AlbumPosition", into = "AlbumPosition")]
pub enum Position {
    /// At the end.
    LastInAlbum,
    /// At the start.
    FirstInAlbum,
    /// Right behind this item.
    AfterMediaItem(MediaItemId),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AlbumPosition {
    #[serde(default)]
    position: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relative_media_item_id: Option<MediaItemId>,
}

impl From<AlbumPosition> for Position {
    fn from(wire: AlbumPosition) -> Self {
        match (wire.position.as_str(), wire.relative_media_item_id) {
            ("FIRST_IN_ALBUM", _) => Self::FirstInAlbum,
            ("AFTER_MEDIA_ITEM", Some(id)) => Self::AfterMediaItem(id),
            _ => Self::LastInAlbum,
        }
    }
}

impl From<Position> for AlbumPosition {
    fn from(position: Position) -> Self {
        let (position, relative_media_item_id) = match position {
            Position::LastInAlbum => ("LAST_IN_ALBUM", None),
            Position::FirstInAlbum => ("FIRST_IN_ALBUM", None),
            Position::AfterMediaItem(id) => ("AFTER_MEDIA_ITEM", Some(id)),
        };
        Self {
            position: position.to_owned(),
            relative_media_item_id,
        }
    }
}

/// The body of `mediaItems.batchCreate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchCreate {
    /// The album that the items also go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album_id: Option<AlbumId>,
    /// Their place in it; only together with an album.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub album_position: Option<Position>,
    /// The items, at most [`BATCH_MAX`].
    #[serde(default)]
    pub new_media_items: Vec<NewMediaItem>,
}

/// One item of a [`BatchCreate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewMediaItem {
    /// Text that a person wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Token and name.
    pub simple_media_item: SimpleMediaItem,
}

/// Token and name of a [`NewMediaItem`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SimpleMediaItem {
    /// The token of the bytes.
    pub upload_token: UploadToken,
    /// The name that the user sees.
    #[serde(default)]
    pub file_name: String,
}

/// The answer of `mediaItems.batchCreate`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchCreated {
    /// One result for each item, in no promised order; some may be missing, even all.
    #[serde(default)]
    pub new_media_item_results: Vec<NewMediaItemResult>,
}

/// What became of one item of a batchCreate.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewMediaItemResult {
    /// The token that tells which item this is about.
    #[serde(default = "no_token")]
    pub upload_token: UploadToken,
    /// How it went.
    #[serde(default)]
    pub status: Status,
    /// The item, only if it was created.
    #[serde(default)]
    pub media_item: Option<MediaItem>,
}

fn no_token() -> UploadToken {
    UploadToken::new("")
}

impl NewMediaItemResult {
    /// The created item: code 0 or absent, and an id. Never decided by the message.
    pub fn created(&self) -> Option<&MediaItem> {
        self.media_item
            .as_ref()
            .filter(|item| self.status.code == 0 && !item.id.as_str().is_empty())
    }
}

/// A `google.rpc.Status` inside an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The number of a `google.rpc.Code`; 0 is a success.
    pub code: i32,
    /// Words; never to be decided by.
    pub message: String,
}

/// A media item; only what Albumen looks at.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaItem {
    /// Its lasting name.
    pub id: MediaItemId,
    /// Text that a person wrote.
    #[serde(default)]
    pub description: String,
    /// A page that shows it to its signed-in owner.
    #[serde(default)]
    pub product_url: String,
    /// As the service sees it.
    #[serde(default)]
    pub mime_type: String,
    /// The first name that it was given; the service writes it in one word.
    #[serde(default)]
    pub filename: String,
    /// Size, time, and how far a video is.
    #[serde(default)]
    pub media_metadata: MediaMetadata,
}

/// What the service found in the bytes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MediaMetadata {
    /// When it was taken, RFC 3339.
    pub creation_time: String,
    /// In pixels, as text.
    pub width: String,
    /// In pixels, as text.
    pub height: String,
    /// Only of a video.
    pub video: Option<Video>,
}

/// What the service says of a video.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Video {
    /// `PROCESSING`, `READY`, `FAILED` or `UNSPECIFIED`.
    pub status: String,
}

/// An album; only what Albumen looks at.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Album {
    /// Its lasting name.
    pub id: AlbumId,
    /// What the user reads; not unique.
    #[serde(default)]
    pub title: String,
    /// A page that shows it to its signed-in owner.
    #[serde(default)]
    pub product_url: String,
    /// Whether this client may add to it.
    #[serde(default)]
    pub is_writeable: bool,
    /// How many items it holds: a number as text, absent when none.
    #[serde(default)]
    pub media_items_count: String,
}

impl Album {
    /// How many items the service counts in it.
    pub fn items(&self) -> u64 {
        self.media_items_count.parse().unwrap_or(0)
    }
}

/// A page of `albums.list`; it may be empty while more follow.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AlbumsPage {
    /// The albums of this page; the first may repeat the last of the page before.
    pub albums: Vec<Album>,
    /// Where the next page starts; empty at the end.
    pub next_page_token: String,
}

/// A page of `mediaItems.list` or `mediaItems.search`; it may be empty while more follow.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MediaItemsPage {
    /// The items of this page; the first may repeat the last of the page before.
    pub media_items: Vec<MediaItem>,
    /// Where the next page starts; empty at the end.
    pub next_page_token: String,
}

/// The answer of `mediaItems.batchGet`, in the order of the question.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchGot {
    /// One for each id.
    #[serde(default)]
    pub media_item_results: Vec<MediaItemResult>,
}

/// What is known of one id of a batchGet.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaItemResult {
    /// Set when the item cannot be had.
    #[serde(default)]
    pub status: Status,
    /// The item.
    #[serde(default)]
    pub media_item: Option<MediaItem>,
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
