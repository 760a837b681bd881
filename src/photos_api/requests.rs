//! Calls as data: the journal stores them byte for byte and sends them again unchanged.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde_json::json;
use url::form_urlencoded;

use crate::model::ids::{AlbumId, MediaItemId, UploadToken};

use super::wire::{BatchCreate, NewItem, NewMediaItem, Position, SimpleMediaItem};

/// The largest page sizes of albums.list and of the media item lists (fact sheet, sections 4.1 and 5.1).
const ALBUMS_PAGE: u32 = 50;
const MEDIA_ITEMS_PAGE: u32 = 100;

/// What is escaped in a path segment: all but the unreserved characters (RFC 3986, section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'~')
    .remove(b'.');

/// The JSON methods of the service that Albumen calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
pub enum Method {
    /// Creates media items from uploaded bytes.
    #[strum(serialize = "mediaItems.batchCreate")]
    MediaItemsBatchCreate,
    /// Changes a media item.
    #[strum(serialize = "mediaItems.patch")]
    MediaItemsPatch,
    /// Gets media items by id.
    #[strum(serialize = "mediaItems.batchGet")]
    MediaItemsBatchGet,
    /// Lists all media items of this client.
    #[strum(serialize = "mediaItems.list")]
    MediaItemsList,
    /// Lists the media items of an album.
    #[strum(serialize = "mediaItems.search")]
    MediaItemsSearch,
    /// Creates an album.
    #[strum(serialize = "albums.create")]
    AlbumsCreate,
    /// Gets an album.
    #[strum(serialize = "albums.get")]
    AlbumsGet,
    /// Lists all albums of this client.
    #[strum(serialize = "albums.list")]
    AlbumsList,
    /// Appends media items to an album.
    #[strum(serialize = "albums.batchAddMediaItems")]
    AlbumsBatchAdd,
    /// Removes media items from an album.
    #[strum(serialize = "albums.batchRemoveMediaItems")]
    AlbumsBatchRemove,
    /// Leaves a shared album.
    #[strum(serialize = "sharedAlbums.leave")]
    SharedAlbumsLeave,
}

impl Method {
    /// The service's name for it.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether it changes anything; only the writer task calls such methods.
    pub fn mutates(self) -> bool {
        self != Self::MediaItemsSearch && self.http() != http::Method::GET
    }

    /// Whether its path names an album, so that a 404 is about the album.
    pub(super) fn names_album(self) -> bool {
        matches!(
            self,
            Self::AlbumsGet | Self::AlbumsBatchAdd | Self::AlbumsBatchRemove
        )
    }

    /// The HTTP method.
    pub fn http(self) -> http::Method {
        match self {
            Self::MediaItemsPatch => http::Method::PATCH,
            Self::MediaItemsBatchGet
            | Self::MediaItemsList
            | Self::AlbumsGet
            | Self::AlbumsList => http::Method::GET,
            Self::MediaItemsBatchCreate
            | Self::MediaItemsSearch
            | Self::AlbumsCreate
            | Self::AlbumsBatchAdd
            | Self::AlbumsBatchRemove
            | Self::SharedAlbumsLeave => http::Method::POST,
        }
    }
}

/// A call, exactly as it is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Path and query, from `/v1` on.
    pub path: String,
    /// The JSON body, or empty. It can hold upload tokens: not for logs.
    pub body: String,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method.name())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Call {
    /// Creates media items, at most [`super::wire::BATCH_MAX`], at one position of an album or in no
    /// album.
    pub fn batch_create(items: &[NewItem], album: Option<(&AlbumId, Position)>) -> Self {
        let (album_id, album_position) = album.map(|(id, position)| (id.clone(), position)).unzip();
        let request = BatchCreate {
            album_id,
            album_position,
            new_media_items: items
                .iter()
                .map(|item| NewMediaItem {
                    description: item.description.clone(),
                    simple_media_item: SimpleMediaItem {
                        upload_token: item.upload_token.clone(),
                        file_name: item.file_name.clone(),
                    },
                })
                .collect(),
        };
        Self::with_body(
            Method::MediaItemsBatchCreate,
            "/v1/mediaItems:batchCreate".to_owned(),
            &json!(request),
        )
    }

    /// The parsed body of a `mediaItems.batchCreate`; none for other calls.
    pub fn as_batch_create(&self) -> Option<BatchCreate> {
        if self.method != Method::MediaItemsBatchCreate {
            return None;
        }
        serde_json::from_str(&self.body).ok()
    }

    /// The upload tokens in it: secrets that an answer may repeat.
    pub(super) fn upload_tokens(&self) -> Vec<UploadToken> {
        let request = self.as_batch_create();
        let items = request.map_or_else(Vec::new, |request| request.new_media_items);
        items
            .into_iter()
            .map(|item| item.simple_media_item.upload_token)
            .collect()
    }

    /// Creates an album, even if one of that title exists.
    pub fn album_create(title: &str) -> Self {
        let body = json!({"album": {"title": title}});
        Self::with_body(Method::AlbumsCreate, "/v1/albums".to_owned(), &body)
    }

    /// Appends media items to an album, all or none, at most [`super::wire::BATCH_MAX`].
    pub fn album_add(album_id: &AlbumId, media_item_ids: &[MediaItemId]) -> Self {
        Self::with_body(
            Method::AlbumsBatchAdd,
            format!("{}:batchAddMediaItems", album_path(album_id)),
            &json!({"mediaItemIds": media_item_ids}),
        )
    }

    /// Removes media items from an album, all or none, at most [`super::wire::BATCH_MAX`].
    pub fn album_remove(album_id: &AlbumId, media_item_ids: &[MediaItemId]) -> Self {
        Self::with_body(
            Method::AlbumsBatchRemove,
            format!("{}:batchRemoveMediaItems", album_path(album_id)),
            &json!({"mediaItemIds": media_item_ids}),
        )
    }

    /// Changes the description of a media item.
    pub fn media_item_patch(media_item_id: &MediaItemId, description: &str) -> Self {
        Self::with_body(
            Method::MediaItemsPatch,
            format!("{}?updateMask=description", item_path(media_item_id)),
            &json!({"id": media_item_id, "description": description}),
        )
    }

    /// Leaves a shared album; the service retired this method in 2025.
    pub fn shared_leave(share_token: &str) -> Self {
        Self::with_body(
            Method::SharedAlbumsLeave,
            "/v1/sharedAlbums:leave".to_owned(),
            &json!({"shareToken": share_token}),
        )
    }

    /// Gets an album.
    pub fn album_get(album_id: &AlbumId) -> Self {
        Self::without_body(Method::AlbumsGet, album_path(album_id))
    }

    /// Lists a page of the albums that this client made; the token of the first page is empty.
    pub fn albums_list(page_token: &str) -> Self {
        let query = page(ALBUMS_PAGE, page_token);
        Self::without_body(Method::AlbumsList, format!("/v1/albums?{query}"))
    }

    /// Gets media items by id, at most [`super::wire::BATCH_MAX`], each once.
    pub fn batch_get(media_item_ids: &[MediaItemId]) -> Self {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(
                media_item_ids
                    .iter()
                    .map(|id| ("mediaItemIds", id.as_str())),
            )
            .finish();
        Self::without_body(
            Method::MediaItemsBatchGet,
            format!("/v1/mediaItems:batchGet?{query}"),
        )
    }

    /// Lists a page of the media items that this client made.
    pub fn media_items_list(page_token: &str) -> Self {
        let query = page(MEDIA_ITEMS_PAGE, page_token);
        Self::without_body(Method::MediaItemsList, format!("/v1/mediaItems?{query}"))
    }

    /// Lists a page of an album's media items, in the album's order.
    pub fn media_items_search(album_id: &AlbumId, page_token: &str) -> Self {
        let mut body = json!({"albumId": album_id, "pageSize": MEDIA_ITEMS_PAGE});
        if !page_token.is_empty() {
            body["pageToken"] = json!(page_token);
        }
        Self::with_body(
            Method::MediaItemsSearch,
            "/v1/mediaItems:search".to_owned(),
            &body,
        )
    }

    fn with_body(method: Method, path: String, body: &serde_json::Value) -> Self {
        Self {
            method,
            path,
            body: body.to_string(),
        }
    }

    fn without_body(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            body: String::new(),
        }
    }
}

fn album_path(album_id: &AlbumId) -> String {
    format!("/v1/albums/{}", segment(album_id.as_str()))
}

fn item_path(media_item_id: &MediaItemId) -> String {
    format!("/v1/mediaItems/{}", segment(media_item_id.as_str()))
}

/// An id as a path segment. The service's ids need no escapes; any other text must not change the path.
fn segment(id: &str) -> String {
    percent_encoding::utf8_percent_encode(id, SEGMENT).to_string()
}

fn page(size: u32, page_token: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("pageSize", &size.to_string());
    if !page_token.is_empty() {
        query.append_pair("pageToken", page_token);
    }
    query.finish()
}
