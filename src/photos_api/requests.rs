//! Calls as data: complete before they are sent, so that the journal can keep them word for word
//! and send them again unchanged.

use serde_json::json;
use url::form_urlencoded;

use crate::model::ids::{AlbumId, MediaItemId, UploadToken};

use super::wire::{BatchCreate, NewItem, NewMediaItem, Position, SimpleMediaItem};

/// The page sizes of albums.list and of the media item lists: the largest that the service takes
/// (fact sheet, sections 4.1 and 5.1).
const ALBUMS_PAGE: u32 = 50;
const MEDIA_ITEMS_PAGE: u32 = 100;

/// The methods of the service that Albumen calls with JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `mediaItems.batchCreate`
    MediaItemsBatchCreate,
    /// `mediaItems.patch`
    MediaItemsPatch,
    /// `mediaItems.get`
    MediaItemsGet,
    /// `mediaItems.batchGet`
    MediaItemsBatchGet,
    /// `mediaItems.list`
    MediaItemsList,
    /// `mediaItems.search`
    MediaItemsSearch,
    /// `albums.create`
    AlbumsCreate,
    /// `albums.patch`
    AlbumsPatch,
    /// `albums.get`
    AlbumsGet,
    /// `albums.list`
    AlbumsList,
    /// `albums.batchAddMediaItems`
    AlbumsBatchAdd,
    /// `albums.batchRemoveMediaItems`
    AlbumsBatchRemove,
    /// `sharedAlbums.leave`
    SharedAlbumsLeave,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::MediaItemsBatchCreate,
        Self::MediaItemsPatch,
        Self::MediaItemsGet,
        Self::MediaItemsBatchGet,
        Self::MediaItemsList,
        Self::MediaItemsSearch,
        Self::AlbumsCreate,
        Self::AlbumsPatch,
        Self::AlbumsGet,
        Self::AlbumsList,
        Self::AlbumsBatchAdd,
        Self::AlbumsBatchRemove,
        Self::SharedAlbumsLeave,
    ];

    /// The service's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MediaItemsBatchCreate => "mediaItems.batchCreate",
            Self::MediaItemsPatch => "mediaItems.patch",
            Self::MediaItemsGet => "mediaItems.get",
            Self::MediaItemsBatchGet => "mediaItems.batchGet",
            Self::MediaItemsList => "mediaItems.list",
            Self::MediaItemsSearch => "mediaItems.search",
            Self::AlbumsCreate => "albums.create",
            Self::AlbumsPatch => "albums.patch",
            Self::AlbumsGet => "albums.get",
            Self::AlbumsList => "albums.list",
            Self::AlbumsBatchAdd => "albums.batchAddMediaItems",
            Self::AlbumsBatchRemove => "albums.batchRemoveMediaItems",
            Self::SharedAlbumsLeave => "sharedAlbums.leave",
        }
    }

    /// The method of that name, for a call that comes out of the journal.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether it changes anything, and so belongs to the one lane of writes.
    pub fn mutates(self) -> bool {
        match self {
            Self::MediaItemsBatchCreate
            | Self::MediaItemsPatch
            | Self::AlbumsCreate
            | Self::AlbumsPatch
            | Self::AlbumsBatchAdd
            | Self::AlbumsBatchRemove
            | Self::SharedAlbumsLeave => true,
            Self::MediaItemsGet
            | Self::MediaItemsBatchGet
            | Self::MediaItemsList
            | Self::MediaItemsSearch
            | Self::AlbumsGet
            | Self::AlbumsList => false,
        }
    }

    /// Whether its path names an album, so that a 404 is the album's.
    pub(super) fn names_album(self) -> bool {
        matches!(
            self,
            Self::AlbumsPatch | Self::AlbumsGet | Self::AlbumsBatchAdd | Self::AlbumsBatchRemove
        )
    }

    /// The verb that carries it.
    pub fn http(self) -> http::Method {
        match self {
            Self::MediaItemsPatch | Self::AlbumsPatch => http::Method::PATCH,
            Self::MediaItemsGet
            | Self::MediaItemsBatchGet
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

/// A call, word for word.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// What it does.
    pub method: Method,
    /// Path and query, from `/v1` on.
    pub path: String,
    /// The JSON body; empty where there is none. It holds upload tokens: not for logs.
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
    /// A call that comes out of the journal; none if its method is not known here.
    pub fn again(method_name: &str, path: String, body: String) -> Option<Self> {
        Some(Self {
            method: Method::from_name(method_name)?,
            path,
            body,
        })
    }

    /// Makes media items of uploaded bytes, at most [`super::wire::BATCH_MAX`], all at one place of
    /// an album or of none.
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

    /// The request inside a `mediaItems.batchCreate`, read back; none for any other call.
    pub fn as_batch_create(&self) -> Option<BatchCreate> {
        if self.method != Method::MediaItemsBatchCreate {
            return None;
        }
        serde_json::from_str(&self.body).ok()
    }

    /// The upload tokens that it carries: secrets, which an answer may repeat.
    pub(super) fn upload_tokens(&self) -> Vec<UploadToken> {
        let request = self.as_batch_create();
        let items = request.map_or_else(Vec::new, |request| request.new_media_items);
        items
            .into_iter()
            .map(|item| item.simple_media_item.upload_token)
            .collect()
    }

    /// Makes an album, also if one of that title exists.
    pub fn album_create(title: &str) -> Self {
        let body = json!({"album": {"title": title}});
        Self::with_body(Method::AlbumsCreate, "/v1/albums".to_owned(), &body)
    }

    /// Gives an album another title.
    pub fn album_patch(album_id: &AlbumId, title: &str) -> Self {
        Self::with_body(
            Method::AlbumsPatch,
            format!("{}?updateMask=title", album_path(album_id)),
            &json!({"id": album_id, "title": title}),
        )
    }

    /// Appends media items to an album, all or none, at most [`super::wire::BATCH_MAX`].
    pub fn album_add(album_id: &AlbumId, media_item_ids: &[MediaItemId]) -> Self {
        Self::with_body(
            Method::AlbumsBatchAdd,
            format!("{}:batchAddMediaItems", album_path(album_id)),
            &json!({"mediaItemIds": media_item_ids}),
        )
    }

    /// Takes media items out of an album, all or none, at most [`super::wire::BATCH_MAX`].
    pub fn album_remove(album_id: &AlbumId, media_item_ids: &[MediaItemId]) -> Self {
        Self::with_body(
            Method::AlbumsBatchRemove,
            format!("{}:batchRemoveMediaItems", album_path(album_id)),
            &json!({"mediaItemIds": media_item_ids}),
        )
    }

    /// Gives a media item another description.
    pub fn media_item_patch(media_item_id: &MediaItemId, description: &str) -> Self {
        Self::with_body(
            Method::MediaItemsPatch,
            format!("{}?updateMask=description", item_path(media_item_id)),
            &json!({"id": media_item_id, "description": description}),
        )
    }

    /// Leaves a shared album; the service retired this in 2025.
    pub fn shared_leave(share_token: &str) -> Self {
        Self::with_body(
            Method::SharedAlbumsLeave,
            "/v1/sharedAlbums:leave".to_owned(),
            &json!({"shareToken": share_token}),
        )
    }

    /// Asks for an album.
    pub fn album_get(album_id: &AlbumId) -> Self {
        Self::without_body(Method::AlbumsGet, album_path(album_id))
    }

    /// Asks for a page of the albums that this client made; the first has an empty page token.
    pub fn albums_list(page_token: &str) -> Self {
        let query = page(ALBUMS_PAGE, page_token);
        Self::without_body(Method::AlbumsList, format!("/v1/albums?{query}"))
    }

    /// Asks for a media item.
    pub fn media_item_get(media_item_id: &MediaItemId) -> Self {
        Self::without_body(Method::MediaItemsGet, item_path(media_item_id))
    }

    /// Asks for media items by id, at most [`super::wire::BATCH_MAX`], each once.
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

    /// Asks for a page of the media items that this client made.
    pub fn media_items_list(page_token: &str) -> Self {
        let query = page(MEDIA_ITEMS_PAGE, page_token);
        Self::without_body(Method::MediaItemsList, format!("/v1/mediaItems?{query}"))
    }

    /// Asks for a page of an album's media items, in the album's order.
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

/// An id as a path segment. The service's ids need no escape; anything else must not change the path.
fn segment(id: &str) -> String {
    let mut segment = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~.".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.extend(percent_encoding_of(byte));
        }
    }
    segment
}

fn percent_encoding_of(byte: u8) -> [char; 3] {
    let digit = |nibble| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    ['%', digit(byte >> 4), digit(byte & 15)].map(|c| c.to_ascii_uppercase())
}

fn page(size: u32, page_token: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("pageSize", &size.to_string());
    if !page_token.is_empty() {
        query.append_pair("pageToken", page_token);
    }
    query.finish()
}
