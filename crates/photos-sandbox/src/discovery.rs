//! The methods of the service, interpreted from its discovery document: HTTP verb and path, scopes,
//! query parameters, and the schema of the request body.
//!
//! The service refuses unknown names, wrong types and wrong enum values before it looks at what a
//! request means. Uploads and OAuth are not in the document; they get names in the same style.

use std::sync::LazyLock;

use http::{HeaderMap, Method as Verb};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::errors::Refusal;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../photoslibrary-v1.json")).unwrap_or_default()
});

static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
    let resources = fields(&DOCUMENT["resources"]).values();
    let documented = resources.flat_map(|resource| fields(&resource["methods"]).values());
    let others = UPLOADS
        .iter()
        .map(|name| Method::undocumented(name, Kind::Upload));
    let oauth = OAUTH
        .iter()
        .map(|name| Method::undocumented(name, Kind::Oauth));
    documented
        .map(Method::documented)
        .chain(others)
        .chain(oauth)
        .collect()
});

const UPLOADS: &[&str] = &[
    "uploads.raw",
    "uploads.start",
    "uploads.upload",
    "uploads.finalize",
    "uploads.query",
    "uploads.cancel",
    "uploads.unknown",
];

const OAUTH: &[&str] = &[
    "oauth.auth",
    "oauth.token",
    "oauth.revoke",
    "oauth.userinfo",
    "oauth.discovery",
];

/// What scopes of the service begin with.
pub(crate) const SCOPE_PREFIX: &str = "https://www.googleapis.com/auth/";

/// The scopes that still work, without their prefix (fact sheet, section 1.4).
pub(crate) const SCOPES: [&str; 3] = [SCOPE_APPEND, SCOPE_READ, SCOPE_EDIT];
const SCOPE_APPEND: &str = "photoslibrary.appendonly";
const SCOPE_READ: &str = "photoslibrary.readonly.appcreateddata";
const SCOPE_EDIT: &str = "photoslibrary.edit.appcreateddata";

/// Names and values of a query string or a form.
pub(crate) type Pairs = Vec<(String, String)>;

/// Which quotas and rules apply to a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes, or a command of an upload session.
    Upload,
    /// A JSON call that changes something: one at a time.
    Write,
    /// A JSON call that only reads.
    Read,
    /// Sign-in; outside of all quotas.
    Oauth,
}

/// A method of the service.
#[derive(Debug)]
pub(crate) struct Method {
    /// As counted in `calls` and as used in scripts: `mediaItems.batchCreate`.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    verb: &'static str,
    /// The path; for a method of one album or item, what precedes the id and what follows it.
    path: (&'static str, Option<&'static str>),
    parameters: &'static Value,
    /// The schema of the request body; none if it takes no body.
    pub(crate) request: Option<&'static str>,
    /// Scopes, any of which is enough. Empty if no scope that still works would do.
    pub(crate) scopes: Vec<&'static str>,
}

impl Method {
    fn documented(entry: &'static Value) -> Self {
        let text = |name: &str| entry[name].as_str().unwrap_or("");
        let name = text("id").strip_prefix("photoslibrary.").unwrap_or("");
        let verb = text("httpMethod");
        let path = text("path");
        let path = match (path.split_once('{'), path.split_once('}')) {
            (Some((before, _)), Some((_, after))) => (before, Some(after)),
            _ => (path, None),
        };
        let is_read = verb == "GET" || name == "mediaItems.search";
        let scopes = match name {
            // The document was not updated for these when scopes were retired (fact sheet, section 1.4).
            "albums.batchRemoveMediaItems" => vec![SCOPE_EDIT],
            "albums.batchAddMediaItems" | "albums.addEnrichment" => vec![SCOPE_APPEND, SCOPE_EDIT],
            _ => {
                let all = entry["scopes"].as_array().into_iter().flatten();
                let short = all.filter_map(|scope| scope.as_str()?.strip_prefix(SCOPE_PREFIX));
                short.filter(|scope| SCOPES.contains(scope)).collect()
            }
        };
        Self {
            name,
            kind: if is_read { Kind::Read } else { Kind::Write },
            verb,
            path,
            parameters: &entry["parameters"],
            request: entry["request"]["$ref"].as_str(),
            scopes,
        }
    }

    fn undocumented(name: &'static str, kind: Kind) -> Self {
        let is_upload = kind == Kind::Upload;
        Self {
            name,
            kind,
            verb: "",
            path: ("", None),
            parameters: &Value::Null,
            request: None,
            scopes: if is_upload {
                vec![SCOPE_APPEND]
            } else {
                Vec::new()
            },
        }
    }

    pub(crate) fn is_upload(&self) -> bool {
        self.kind == Kind::Upload
    }

    /// Whether the service refuses this method to everyone (fact sheet, section 6).
    pub(crate) fn is_retired(&self) -> bool {
        self.name.starts_with("sharedAlbums.")
            || matches!(self.name, "albums.share" | "albums.unshare")
    }

    /// The id in the path; `Some("")` for a path without one, `None` if the request is not for this method.
    fn matched<'a>(&self, verb: &Verb, path: &'a str) -> Option<&'a str> {
        if self.verb != verb.as_str() {
            return None;
        }
        let rest = path.strip_prefix(self.path.0)?;
        match self.path.1 {
            None => rest.is_empty().then_some(""),
            Some(after) => rest.strip_suffix(after).filter(|id| !id.contains(':')),
        }
    }

    /// Checks names and types of query parameters.
    pub(crate) fn check_query(&self, query: &Pairs) -> Result<(), Refusal> {
        for (name, value) in query {
            let own = &self.parameters[name];
            if own["location"] != "query" && DOCUMENT["parameters"][name].is_null() {
                let message = format!(
                    "Invalid JSON payload received. Unknown name \"{name}\": Cannot bind query \
                     parameter. Field '{name}' could not be found in request message."
                );
                return Err(Refusal::broken("unknown_parameter", message));
            }
            let is_wrong = match own["type"].as_str() {
                Some("integer") => !value.is_empty() && value.parse::<i32>().is_err(),
                _ => false,
            };
            if is_wrong {
                return Err(wrong_type(
                    &snake_case("", name),
                    "TYPE_INT32",
                    &value.as_str().into(),
                ));
            }
        }
        Ok(())
    }
}

/// The method that a request is for, and the decoded id in its path; none if the service has no such
/// address or verb.
pub(crate) fn route(
    verb: &Verb,
    path: &str,
    query: &Pairs,
    headers: &HeaderMap,
) -> Option<(&'static Method, String)> {
    let is_get = *verb == Verb::GET || *verb == Verb::HEAD;
    let is_post = *verb == Verb::POST;
    let name = match path {
        "/o/oauth2/v2/auth" | "/o/oauth2/auth" if is_get => "oauth.auth",
        "/token" if is_post => "oauth.token",
        "/revoke" if is_post => "oauth.revoke",
        "/oauth2/v3/userinfo" | "/v1/userinfo" if is_get => "oauth.userinfo",
        "/.well-known/openid-configuration" if is_get => "oauth.discovery",
        "/v1/uploads" if is_post => upload_method(query, headers),
        _ => {
            let path = path.strip_prefix('/')?;
            let matched = |method: &'static Method| {
                let id = method.matched(verb, path)?;
                Some((method, percent_decoded(id)))
            };
            return METHODS.iter().find_map(matched);
        }
    };
    let method = METHODS.iter().find(|method| method.name == name)?;
    Some((method, String::new()))
}

/// All upload requests share one address; headers say which step is meant (fact sheet, sections 2.1, 2.2).
fn upload_method(query: &Pairs, headers: &HeaderMap) -> &'static str {
    let lower = |name| header_text(headers, name).to_ascii_lowercase();
    let command = lower("x-goog-upload-command").replace(char::is_whitespace, "");
    let has_session = query.iter().any(|(name, _)| name == "upload_id");
    match command.as_str() {
        "start" if !has_session => "uploads.start",
        "upload" | "upload,finalize" if has_session => "uploads.upload",
        "finalize" if has_session => "uploads.finalize",
        "query" if has_session => "uploads.query",
        "cancel" if has_session => "uploads.cancel",
        "" if !has_session && lower("x-goog-upload-protocol") == "raw" => "uploads.raw",
        _ => "uploads.unknown",
    }
}

/// The text of a header; empty if it is missing or no text.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or("").trim()
}

/// The decoded parameters of a query string or a form.
pub(crate) fn pairs(text: &[u8]) -> Pairs {
    form_urlencoded::parse(text).into_owned().collect()
}

/// The last value of a parameter, or an empty text.
pub(crate) fn param<'a>(pairs: &'a Pairs, name: &str) -> &'a str {
    let found = pairs.iter().rev().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}

/// A decoded path segment; a plus sign stays one.
pub(crate) fn percent_decoded(text: &str) -> String {
    let escaped = text.replace('+', "%2B").replace('&', "%26");
    let mut pairs = pairs(format!("x={escaped}").as_bytes());
    pairs.pop().map_or_else(String::new, |(_, value)| value)
}

/// Reads a request body of the given schema; an empty body is an empty object.
pub(crate) fn read_body(body: &[u8], schema: &str) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Map::new().into());
    }
    let value = serde_json::from_slice(body).map_err(|_| Refusal::rule("malformed_json"))?;
    check_object(&value, schema, "")?;
    Ok(value)
}

fn check_object(value: &Value, schema: &str, place: &str) -> Result<(), Refusal> {
    let Value::Object(found) = value else {
        return Err(wrong_type(place, "message", value));
    };
    for (name, value) in found {
        let Some(property) = fields(&DOCUMENT["schemas"][schema]["properties"]).get(name) else {
            let at = if place.is_empty() {
                String::new()
            } else {
                format!(" at '{place}'")
            };
            let message = format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field."
            );
            return Err(Refusal::broken("unknown_field", message));
        };
        if !value.is_null() {
            check_property(value, property, name, &snake_case(place, name))?;
        }
    }
    Ok(())
}

fn check_property(value: &Value, property: &Value, name: &str, place: &str) -> Result<(), Refusal> {
    if let Some(schema) = property["$ref"].as_str() {
        return check_object(value, schema, place);
    }
    if let Some(choices) = property["enum"].as_array() {
        return check_enum(value, choices, name, place);
    }
    let is_int64 = property["format"] == "int64";
    let (expected, is_right) = match property["type"].as_str() {
        Some("array") => return check_array(value, &property["items"], name, place),
        Some("boolean") => ("TYPE_BOOL", value.is_boolean()),
        Some("integer") => {
            let is_int32 = value.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
            ("TYPE_INT32", is_int32)
        }
        Some("number") => ("TYPE_DOUBLE", value.is_number()),
        // A 64 bit integer is written as text, and read as a number too.
        _ if is_int64 => {
            let is_number = |text: &str| text.parse::<i64>().is_ok();
            (
                "TYPE_INT64",
                value.is_i64() || value.as_str().is_some_and(is_number),
            )
        }
        _ => ("TYPE_STRING", value.is_string()),
    };
    if is_right {
        Ok(())
    } else {
        Err(wrong_type(place, expected, value))
    }
}

fn check_array(value: &Value, items: &Value, name: &str, place: &str) -> Result<(), Refusal> {
    let Value::Array(values) = value else {
        let message = format!(
            "Invalid JSON payload received. Proto field is not repeating, cannot start list. \
             Field: '{place}'"
        );
        return Err(Refusal::broken("wrong_type", message));
    };
    for (index, value) in values.iter().enumerate() {
        check_property(value, items, name, &format!("{place}[{index}]"))?;
    }
    Ok(())
}

fn check_enum(value: &Value, choices: &[Value], name: &str, place: &str) -> Result<(), Refusal> {
    if choices.contains(value) {
        return Ok(());
    }
    // The document does not name its enums.
    let kind = match name {
        "position" => "AlbumPosition.PositionType",
        "status" => "VideoProcessingStatus",
        "mediaTypes" => "MediaType",
        "includedFeatures" => "Feature",
        _ => "ContentCategory",
    };
    let message = format!(
        "Invalid value at '{place}' (type.googleapis.com/google.photos.library.v1.{kind}), {value}"
    );
    Err(Refusal::broken("unknown_enum_value", message))
}

fn wrong_type(place: &str, expected: &str, value: &Value) -> Refusal {
    let message = format!("Invalid value at '{place}' ({expected}), {value}");
    Refusal::broken("wrong_type", message)
}

fn fields(value: &'static Value) -> &'static Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    value.as_object().unwrap_or_else(|| &NONE)
}

/// `name` inside of `place`, in snake case as the service writes it.
fn snake_case(place: &str, name: &str) -> String {
    let mut snake = place.to_owned();
    if !place.is_empty() {
        snake.push('.');
    }
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(verb: &Verb, path: &str) -> Option<(&'static str, String)> {
        let found = route(verb, path, &Vec::new(), &HeaderMap::new());
        found.map(|(method, id)| (method.name, id))
    }

    #[test]
    fn every_method_of_the_document_is_known() {
        let names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
        assert_eq!(names.len(), 19 + UPLOADS.len() + OAUTH.len(), "{names:?}");
        let scopes = |name| {
            let found = METHODS.iter().find(|method| method.name == name);
            found.unwrap().scopes.clone()
        };
        assert_eq!(scopes("mediaItems.batchCreate"), [SCOPE_APPEND]);
        assert_eq!(scopes("mediaItems.search"), [SCOPE_READ]);
        assert_eq!(scopes("albums.patch"), [SCOPE_EDIT]);
    }

    #[test]
    fn a_path_with_an_action_names_its_method_and_its_id() {
        assert_eq!(
            routed(&Verb::POST, "/v1/albums/a-B_1:batchAddMediaItems"),
            Some(("albums.batchAddMediaItems", "a-B_1".into()))
        );
        assert_eq!(
            routed(&Verb::GET, "/v1/mediaItems/a%2Fb+c"),
            Some(("mediaItems.get", "a/b+c".into()))
        );
        assert_eq!(routed(&Verb::PUT, "/v1/mediaItems:batchCreate"), None);
        assert_eq!(routed(&Verb::GET, "/v2/albums"), None);
    }

    #[test]
    fn headers_say_which_step_of_an_upload_is_meant() {
        let step = |query: &str, command: &str, protocol: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-goog-upload-command", command.parse().unwrap());
            headers.insert("x-goog-upload-protocol", protocol.parse().unwrap());
            upload_method(&pairs(query.as_bytes()), &headers)
        };
        assert_eq!(step("", "", "raw"), "uploads.raw");
        assert_eq!(step("", "start", "resumable"), "uploads.start");
        let session = "upload_id=1&upload_protocol=resumable";
        assert_eq!(step(session, "upload, finalize", ""), "uploads.upload");
        assert_eq!(step(session, "UPLOAD,Finalize", ""), "uploads.upload");
        assert_eq!(step(session, "fly", ""), "uploads.unknown");
        assert_eq!(step("", "query", ""), "uploads.unknown");
    }

    #[test]
    fn unknown_names_wrong_types_and_wrong_values_are_refused_with_their_place() {
        let read = |body: &str| read_body(body.as_bytes(), "BatchCreateMediaItemsRequest");
        let complaint = |body: &str| read(body).unwrap_err().message;
        assert!(read(r#"{"albumId":null,"newMediaItems":[]}"#).is_ok());
        assert_eq!(
            complaint(r#"{"x":1}"#),
            "Invalid JSON payload received. Unknown name \"x\": Cannot find field."
        );
        assert_eq!(
            complaint(r#"{"newMediaItems":[{"simpleMediaItem":{"filename":"a"}}]}"#),
            "Invalid JSON payload received. Unknown name \"filename\" at \
             'new_media_items[0].simple_media_item': Cannot find field."
        );
        assert_eq!(
            complaint(r#"{"newMediaItems":[{"description":5}]}"#),
            "Invalid value at 'new_media_items[0].description' (TYPE_STRING), 5"
        );
        assert!(complaint(r#"{"albumPosition":{"position":"LAST"}}"#).contains("PositionType"));
        assert!(complaint("{").contains("Invalid JSON payload"));
    }
}
