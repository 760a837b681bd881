//! Which method of the service a request means, and what the service asks of it: HTTP verb and
//! path (discovery document), scopes (fact sheet, section 1.4), query parameters.

use http::{HeaderMap, Method as Verb};
use url::form_urlencoded;

use super::schema::{self, Shape};

/// A method of the service, by the names of its discovery document; uploads and OAuth, which are
/// not in it, by names in the same style.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Method {
    UploadsRaw,
    UploadsStart,
    UploadsUpload,
    UploadsFinalize,
    UploadsQuery,
    UploadsCancel,
    UploadsUnknown,
    MediaItemsBatchCreate,
    MediaItemsBatchGet,
    MediaItemsGet,
    MediaItemsList,
    MediaItemsSearch,
    MediaItemsPatch,
    AlbumsCreate,
    AlbumsGet,
    AlbumsList,
    AlbumsPatch,
    AlbumsBatchAddMediaItems,
    AlbumsBatchRemoveMediaItems,
    AlbumsAddEnrichment,
    AlbumsShare,
    AlbumsUnshare,
    SharedAlbumsGet,
    SharedAlbumsJoin,
    SharedAlbumsLeave,
    SharedAlbumsList,
    OauthAuth,
    OauthToken,
    OauthRevoke,
    OauthUserinfo,
    OauthDiscovery,
}

/// What kind of request a method is, for the rules that hold for the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes, or a command of an upload session.
    Upload,
    /// A JSON call that changes something: one at a time.
    Write,
    /// A JSON call that only reads.
    Read,
    /// Sign-in; outside all quotas.
    Oauth,
}

/// The scopes that still work, without their common prefix.
pub(super) const SCOPE_APPEND: &str = "photoslibrary.appendonly";
/// See [`SCOPE_APPEND`].
pub(super) const SCOPE_READ: &str = "photoslibrary.readonly.appcreateddata";
/// See [`SCOPE_APPEND`].
pub(super) const SCOPE_EDIT: &str = "photoslibrary.edit.appcreateddata";

impl Method {
    /// The name as counted in `calls` and as written in scripts.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::UploadsRaw => "uploads.raw",
            Self::UploadsStart => "uploads.start",
            Self::UploadsUpload => "uploads.upload",
            Self::UploadsFinalize => "uploads.finalize",
            Self::UploadsQuery => "uploads.query",
            Self::UploadsCancel => "uploads.cancel",
            Self::UploadsUnknown => "uploads.unknown",
            Self::MediaItemsBatchCreate => "mediaItems.batchCreate",
            Self::MediaItemsBatchGet => "mediaItems.batchGet",
            Self::MediaItemsGet => "mediaItems.get",
            Self::MediaItemsList => "mediaItems.list",
            Self::MediaItemsSearch => "mediaItems.search",
            Self::MediaItemsPatch => "mediaItems.patch",
            Self::AlbumsCreate => "albums.create",
            Self::AlbumsGet => "albums.get",
            Self::AlbumsList => "albums.list",
            Self::AlbumsPatch => "albums.patch",
            Self::AlbumsBatchAddMediaItems => "albums.batchAddMediaItems",
            Self::AlbumsBatchRemoveMediaItems => "albums.batchRemoveMediaItems",
            Self::AlbumsAddEnrichment => "albums.addEnrichment",
            Self::AlbumsShare => "albums.share",
            Self::AlbumsUnshare => "albums.unshare",
            Self::SharedAlbumsGet => "sharedAlbums.get",
            Self::SharedAlbumsJoin => "sharedAlbums.join",
            Self::SharedAlbumsLeave => "sharedAlbums.leave",
            Self::SharedAlbumsList => "sharedAlbums.list",
            Self::OauthAuth => "oauth.auth",
            Self::OauthToken => "oauth.token",
            Self::OauthRevoke => "oauth.revoke",
            Self::OauthUserinfo => "oauth.userinfo",
            Self::OauthDiscovery => "oauth.discovery",
        }
    }

    pub(super) fn kind(self) -> Kind {
        let name = self.name();
        if name.starts_with("uploads.") {
            return Kind::Upload;
        }
        if name.starts_with("oauth.") {
            return Kind::Oauth;
        }
        match self {
            Self::MediaItemsBatchGet
            | Self::MediaItemsGet
            | Self::MediaItemsList
            | Self::MediaItemsSearch
            | Self::AlbumsGet
            | Self::AlbumsList
            | Self::SharedAlbumsGet
            | Self::SharedAlbumsList => Kind::Read,
            _ => Kind::Write,
        }
    }

    /// The scopes of which one is enough; none means that no scope is left that would do.
    pub(super) fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::MediaItemsBatchCreate | Self::AlbumsCreate => &[SCOPE_APPEND],
            Self::AlbumsAddEnrichment | Self::AlbumsBatchAddMediaItems => {
                &[SCOPE_APPEND, SCOPE_EDIT]
            }
            Self::AlbumsBatchRemoveMediaItems | Self::AlbumsPatch | Self::MediaItemsPatch => {
                &[SCOPE_EDIT]
            }
            Self::AlbumsGet
            | Self::AlbumsList
            | Self::MediaItemsBatchGet
            | Self::MediaItemsGet
            | Self::MediaItemsList
            | Self::MediaItemsSearch => &[SCOPE_READ],
            _ if self.kind() == Kind::Upload => &[SCOPE_APPEND],
            _ => &[],
        }
    }

    /// Whether the service has closed this method for everybody (fact sheet, section 6).
    pub(super) fn is_retired(self) -> bool {
        matches!(
            self,
            Self::AlbumsShare
                | Self::AlbumsUnshare
                | Self::SharedAlbumsGet
                | Self::SharedAlbumsJoin
                | Self::SharedAlbumsLeave
                | Self::SharedAlbumsList
        )
    }

    /// The query parameters of its own.
    pub(super) fn query_names(self) -> &'static [&'static str] {
        match self {
            Self::MediaItemsBatchGet => &["mediaItemIds"],
            Self::MediaItemsList => &["pageSize", "pageToken"],
            Self::AlbumsList | Self::SharedAlbumsList => {
                &["pageSize", "pageToken", "excludeNonAppCreatedData"]
            }
            Self::MediaItemsPatch | Self::AlbumsPatch => &["updateMask"],
            _ => &[],
        }
    }

    /// The shape of its request body; none if it takes none.
    pub(super) fn request_shape(self) -> Option<&'static Shape> {
        match self {
            Self::MediaItemsBatchCreate => Some(&schema::BATCH_CREATE),
            Self::MediaItemsSearch => Some(&schema::SEARCH),
            Self::MediaItemsPatch => Some(&schema::MEDIA_ITEM),
            Self::AlbumsCreate => Some(&schema::CREATE_ALBUM),
            Self::AlbumsPatch => Some(&schema::ALBUM),
            Self::AlbumsBatchAddMediaItems | Self::AlbumsBatchRemoveMediaItems => {
                Some(&schema::MEDIA_ITEM_IDS)
            }
            Self::AlbumsAddEnrichment => Some(&schema::ADD_ENRICHMENT),
            Self::AlbumsShare => Some(&schema::SHARE_ALBUM),
            Self::AlbumsUnshare => Some(&schema::EMPTY),
            Self::SharedAlbumsJoin | Self::SharedAlbumsLeave => Some(&schema::SHARE_TOKEN),
            _ => None,
        }
    }
}

/// A request whose method is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) method: Method,
    /// The id in the path, decoded.
    pub(super) id: Option<String>,
}

impl Route {
    fn plain(method: Method) -> Self {
        Self { method, id: None }
    }
}

/// The method that a request means; none if the service has no such address or verb.
pub(super) fn of(
    verb: &Verb,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Option<Route> {
    let get = *verb == Verb::GET || *verb == Verb::HEAD;
    let post = *verb == Verb::POST;
    let method = match path {
        "/o/oauth2/v2/auth" | "/o/oauth2/auth" if get => Method::OauthAuth,
        "/token" if post => Method::OauthToken,
        "/revoke" if post => Method::OauthRevoke,
        "/oauth2/v3/userinfo" | "/v1/userinfo" if get => Method::OauthUserinfo,
        "/.well-known/openid-configuration" if get => Method::OauthDiscovery,
        "/v1/uploads" if post => upload_method(query, headers),
        _ => return of_resource(verb, path.strip_prefix("/v1/")?),
    };
    Some(Route::plain(method))
}

/// Whether `path` belongs to the Library API.
pub(super) fn is_api(path: &str) -> bool {
    path.starts_with("/v1/")
}

fn of_resource(verb: &Verb, path: &str) -> Option<Route> {
    let (collection, rest) = match path.split_once('/') {
        Some((collection, rest)) => (collection, Some(rest)),
        None => (path, None),
    };
    let Some(rest) = rest else {
        let method = match (verb.as_str(), collection) {
            ("POST", "mediaItems:batchCreate") => Method::MediaItemsBatchCreate,
            ("GET", "mediaItems:batchGet") => Method::MediaItemsBatchGet,
            ("POST", "mediaItems:search") => Method::MediaItemsSearch,
            ("GET", "mediaItems") => Method::MediaItemsList,
            ("POST", "albums") => Method::AlbumsCreate,
            ("GET", "albums") => Method::AlbumsList,
            ("GET", "sharedAlbums") => Method::SharedAlbumsList,
            ("POST", "sharedAlbums:join") => Method::SharedAlbumsJoin,
            ("POST", "sharedAlbums:leave") => Method::SharedAlbumsLeave,
            _ => return None,
        };
        return Some(Route::plain(method));
    };
    let (id, action) = rest.rsplit_once(':').unwrap_or((rest, ""));
    let method = match (verb.as_str(), collection, action) {
        ("GET", "mediaItems", "") => Method::MediaItemsGet,
        ("PATCH", "mediaItems", "") => Method::MediaItemsPatch,
        ("GET", "albums", "") => Method::AlbumsGet,
        ("PATCH", "albums", "") => Method::AlbumsPatch,
        ("POST", "albums", "batchAddMediaItems") => Method::AlbumsBatchAddMediaItems,
        ("POST", "albums", "batchRemoveMediaItems") => Method::AlbumsBatchRemoveMediaItems,
        ("POST", "albums", "addEnrichment") => Method::AlbumsAddEnrichment,
        ("POST", "albums", "share") => Method::AlbumsShare,
        ("POST", "albums", "unshare") => Method::AlbumsUnshare,
        ("GET", "sharedAlbums", "") => Method::SharedAlbumsGet,
        _ => return None,
    };
    Some(Route {
        method,
        id: Some(percent_decoded(id)),
    })
}

/// Uploads share one address; headers say which step is meant (fact sheet, sections 2.1 and 2.2).
fn upload_method(query: Option<&str>, headers: &HeaderMap) -> Method {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
            .to_ascii_lowercase()
    };
    let command: String = text("x-goog-upload-command")
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let has_session = pairs(query).iter().any(|(name, _)| name == "upload_id");
    match command.as_str() {
        "start" if !has_session => Method::UploadsStart,
        "upload" | "upload,finalize" if has_session => Method::UploadsUpload,
        "finalize" if has_session => Method::UploadsFinalize,
        "query" if has_session => Method::UploadsQuery,
        "cancel" if has_session => Method::UploadsCancel,
        "" if !has_session && text("x-goog-upload-protocol") == "raw" => Method::UploadsRaw,
        _ => Method::UploadsUnknown,
    }
}

/// The parameters of a query string, decoded, in their order.
pub(super) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or("").as_bytes())
        .into_owned()
        .collect()
}

/// A path segment without its percent signs; a plus sign stays one.
pub(super) fn percent_decoded(text: &str) -> String {
    let escaped = text.replace('+', "%2B");
    form_urlencoded::parse(format!("x={}", escaped.replace('&', "%26")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(verb: &Verb, path: &str) -> Option<(Method, Option<String>)> {
        of(verb, path, None, &HeaderMap::new()).map(|route| (route.method, route.id))
    }

    #[test]
    fn a_path_with_an_action_names_its_method_and_its_id() {
        assert_eq!(
            method(&Verb::POST, "/v1/albums/a-B_1:batchAddMediaItems"),
            Some((Method::AlbumsBatchAddMediaItems, Some("a-B_1".into())))
        );
        assert_eq!(
            method(&Verb::GET, "/v1/mediaItems/a%2Fb+c"),
            Some((Method::MediaItemsGet, Some("a/b+c".into())))
        );
        assert_eq!(method(&Verb::PUT, "/v1/mediaItems:batchCreate"), None);
        assert_eq!(method(&Verb::GET, "/v2/albums"), None);
    }

    #[test]
    fn upload_steps_are_told_apart_by_their_headers() {
        let step = |query, command: &str, protocol: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-goog-upload-command", command.parse().unwrap());
            headers.insert("x-goog-upload-protocol", protocol.parse().unwrap());
            upload_method(query, &headers)
        };
        assert_eq!(step(None, "", "raw"), Method::UploadsRaw);
        assert_eq!(step(None, "start", "resumable"), Method::UploadsStart);
        let session = Some("upload_id=1&upload_protocol=resumable");
        assert_eq!(step(session, "upload, finalize", ""), Method::UploadsUpload);
        assert_eq!(step(session, "UPLOAD,Finalize", ""), Method::UploadsUpload);
        assert_eq!(step(session, "fly", ""), Method::UploadsUnknown);
        assert_eq!(step(None, "query", ""), Method::UploadsUnknown);
    }
}
