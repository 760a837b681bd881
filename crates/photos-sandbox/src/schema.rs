//! The shapes of request bodies, and the strict reading of JSON against them.
//!
//! The service refuses unknown names, wrong types and wrong enum values before it looks at what a
//! request means; the tables repeat its discovery document by hand.

use serde_json::Value;

use super::answer::Refusal;

/// The fields that a JSON object may have.
#[derive(Debug)]
pub(super) struct Shape {
    fields: &'static [(&'static str, Type)],
}

#[derive(Debug)]
enum Type {
    Text,
    Bool,
    Int,
    Number,
    /// Written as text, read also as a number, as all JSON forms of a 64 bit integer are.
    Int64,
    Choice(&'static str, &'static [&'static str]),
    Object(&'static Shape),
    Texts,
    Choices(&'static str, &'static [&'static str]),
    Objects(&'static Shape),
}

macro_rules! shape {
    ($(#[$meta:meta])* $name:ident { $($field:literal : $kind:expr),* $(,)? }) => {
        $(#[$meta])*
        pub(super) static $name: Shape = Shape { fields: &[$(($field, $kind)),*] };
    };
}

shape!(EMPTY {});
shape!(SHARE_TOKEN { "shareToken": Type::Text });
shape!(MEDIA_ITEM_IDS { "mediaItemIds": Type::Texts });
shape!(BATCH_CREATE {
    "albumId": Type::Text,
    "newMediaItems": Type::Objects(&NEW_MEDIA_ITEM),
    "albumPosition": Type::Object(&ALBUM_POSITION),
});
shape!(NEW_MEDIA_ITEM {
    "description": Type::Text,
    "simpleMediaItem": Type::Object(&SIMPLE_MEDIA_ITEM),
});
shape!(SIMPLE_MEDIA_ITEM { "uploadToken": Type::Text, "fileName": Type::Text });
shape!(ALBUM_POSITION {
    "position": Type::Choice("AlbumPosition.PositionType", &[
        "POSITION_TYPE_UNSPECIFIED", "FIRST_IN_ALBUM", "LAST_IN_ALBUM", "AFTER_MEDIA_ITEM",
        "AFTER_ENRICHMENT_ITEM",
    ]),
    "relativeMediaItemId": Type::Text,
    "relativeEnrichmentItemId": Type::Text,
});
shape!(CREATE_ALBUM { "album": Type::Object(&ALBUM) });
shape!(ALBUM {
    "id": Type::Text,
    "title": Type::Text,
    "productUrl": Type::Text,
    "isWriteable": Type::Bool,
    "shareInfo": Type::Object(&SHARE_INFO),
    "mediaItemsCount": Type::Int64,
    "coverPhotoBaseUrl": Type::Text,
    "coverPhotoMediaItemId": Type::Text,
});
shape!(SHARE_ALBUM { "sharedAlbumOptions": Type::Object(&SHARED_ALBUM_OPTIONS) });
shape!(SHARED_ALBUM_OPTIONS { "isCollaborative": Type::Bool, "isCommentable": Type::Bool });
shape!(SHARE_INFO {
    "sharedAlbumOptions": Type::Object(&SHARED_ALBUM_OPTIONS),
    "shareableUrl": Type::Text,
    "shareToken": Type::Text,
    "isJoined": Type::Bool,
    "isOwned": Type::Bool,
    "isJoinable": Type::Bool,
});
shape!(MEDIA_ITEM {
    "id": Type::Text,
    "description": Type::Text,
    "productUrl": Type::Text,
    "baseUrl": Type::Text,
    "mimeType": Type::Text,
    "filename": Type::Text,
    "mediaMetadata": Type::Object(&MEDIA_METADATA),
    "contributorInfo": Type::Object(&CONTRIBUTOR),
});
shape!(CONTRIBUTOR { "profilePictureBaseUrl": Type::Text, "displayName": Type::Text });
shape!(MEDIA_METADATA {
    "creationTime": Type::Text,
    "width": Type::Int64,
    "height": Type::Int64,
    "photo": Type::Object(&PHOTO),
    "video": Type::Object(&VIDEO),
});
shape!(PHOTO {
    "cameraMake": Type::Text,
    "cameraModel": Type::Text,
    "focalLength": Type::Number,
    "apertureFNumber": Type::Number,
    "isoEquivalent": Type::Int,
    "exposureTime": Type::Text,
});
shape!(VIDEO {
    "cameraMake": Type::Text,
    "cameraModel": Type::Text,
    "fps": Type::Number,
    "status": Type::Choice("VideoProcessingStatus", &[
        "UNSPECIFIED", "PROCESSING", "READY", "FAILED",
    ]),
});
shape!(ADD_ENRICHMENT {
    "newEnrichmentItem": Type::Object(&NEW_ENRICHMENT),
    "albumPosition": Type::Object(&ALBUM_POSITION),
});
shape!(NEW_ENRICHMENT {
    "textEnrichment": Type::Object(&TEXT_ENRICHMENT),
    "locationEnrichment": Type::Object(&LOCATION_ENRICHMENT),
    "mapEnrichment": Type::Object(&MAP_ENRICHMENT),
});
shape!(TEXT_ENRICHMENT { "text": Type::Text });
shape!(LOCATION_ENRICHMENT { "location": Type::Object(&LOCATION) });
shape!(MAP_ENRICHMENT { "origin": Type::Object(&LOCATION), "destination": Type::Object(&LOCATION) });
shape!(LOCATION { "locationName": Type::Text, "latlng": Type::Object(&LAT_LNG) });
shape!(LAT_LNG { "latitude": Type::Number, "longitude": Type::Number });
shape!(SEARCH {
    "albumId": Type::Text,
    "pageSize": Type::Int,
    "pageToken": Type::Text,
    "filters": Type::Object(&FILTERS),
    "orderBy": Type::Text,
});
shape!(FILTERS {
    "dateFilter": Type::Object(&DATE_FILTER),
    "contentFilter": Type::Object(&CONTENT_FILTER),
    "mediaTypeFilter": Type::Object(&MEDIA_TYPE_FILTER),
    "featureFilter": Type::Object(&FEATURE_FILTER),
    "includeArchivedMedia": Type::Bool,
    "excludeNonAppCreatedData": Type::Bool,
});
shape!(DATE_FILTER { "dates": Type::Objects(&DATE), "ranges": Type::Objects(&DATE_RANGE) });
shape!(DATE_RANGE { "startDate": Type::Object(&DATE), "endDate": Type::Object(&DATE) });
shape!(DATE { "year": Type::Int, "month": Type::Int, "day": Type::Int });
shape!(CONTENT_FILTER {
    "includedContentCategories": Type::Choices("ContentCategory", CATEGORIES),
    "excludedContentCategories": Type::Choices("ContentCategory", CATEGORIES),
});
shape!(MEDIA_TYPE_FILTER {
    "mediaTypes": Type::Choices("MediaType", &["ALL_MEDIA", "VIDEO", "PHOTO"]),
});
shape!(FEATURE_FILTER {
    "includedFeatures": Type::Choices("Feature", &["NONE", "FAVORITES"]),
});

static CATEGORIES: &[&str] = &[
    "NONE",
    "LANDSCAPES",
    "RECEIPTS",
    "CITYSCAPES",
    "LANDMARKS",
    "SELFIES",
    "PEOPLE",
    "PETS",
    "WEDDINGS",
    "BIRTHDAYS",
    "DOCUMENTS",
    "TRAVEL",
    "ANIMALS",
    "FOOD",
    "SPORT",
    "NIGHT",
    "PERFORMANCES",
    "WHITEBOARDS",
    "SCREENSHOTS",
    "UTILITY",
    "ARTS",
    "CRAFTS",
    "FASHION",
    "HOUSES",
    "GARDENS",
    "FLOWERS",
    "HOLIDAYS",
];

/// Reads a request body of the given shape; an empty body is an empty object.
pub(super) fn read(body: &[u8], shape: &Shape) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let value: Value = serde_json::from_slice(body).map_err(|_| {
        Refusal::broken(
            "malformed_json",
            "Invalid JSON payload received. Unexpected token.",
        )
    })?;
    check(&value, shape, "")?;
    Ok(value)
}

fn check(value: &Value, shape: &Shape, place: &str) -> Result<(), Refusal> {
    let Value::Object(fields) = value else {
        return Err(wrong_type(place, "message", value));
    };
    for (name, value) in fields {
        let Some((_, kind)) = shape.fields.iter().find(|(known, _)| known == name) else {
            let of = if place.is_empty() {
                String::new()
            } else {
                format!(" at '{place}'")
            };
            return Err(Refusal::broken(
                "unknown_field",
                format!(
                    "Invalid JSON payload received. Unknown name \"{name}\"{of}: Cannot find field."
                ),
            ));
        };
        if value.is_null() {
            continue;
        }
        check_field(value, kind, &inside(place, name))?;
    }
    Ok(())
}

fn check_field(value: &Value, kind: &Type, place: &str) -> Result<(), Refusal> {
    let is_right = match kind {
        Type::Text => value.is_string(),
        Type::Bool => value.is_boolean(),
        Type::Int => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        Type::Number => value.is_number(),
        Type::Int64 => {
            value.is_i64()
                || value
                    .as_str()
                    .is_some_and(|text| text.parse::<i64>().is_ok())
        }
        Type::Choice(name, choices) => return check_choice(value, name, choices, place),
        Type::Object(shape) => return check(value, shape, place),
        Type::Texts | Type::Choices(..) | Type::Objects(_) => {
            return check_list(value, kind, place);
        }
    };
    if is_right {
        return Ok(());
    }
    let wanted = match kind {
        Type::Text => "TYPE_STRING",
        Type::Bool => "TYPE_BOOL",
        Type::Int => "TYPE_INT32",
        Type::Int64 => "TYPE_INT64",
        _ => "TYPE_DOUBLE",
    };
    Err(wrong_type(place, wanted, value))
}

fn check_list(value: &Value, kind: &Type, place: &str) -> Result<(), Refusal> {
    let Value::Array(values) = value else {
        return Err(Refusal::broken(
            "wrong_type",
            format!(
                "Invalid JSON payload received. Proto field is not repeating, cannot start list. Field: '{place}'"
            ),
        ));
    };
    for (index, value) in values.iter().enumerate() {
        let place = format!("{place}[{index}]");
        match kind {
            Type::Choices(name, choices) => check_choice(value, name, choices, &place)?,
            Type::Objects(shape) => check(value, shape, &place)?,
            _ if value.is_string() => {}
            _ => return Err(wrong_type(&place, "TYPE_STRING", value)),
        }
    }
    Ok(())
}

fn check_choice(value: &Value, name: &str, choices: &[&str], place: &str) -> Result<(), Refusal> {
    if value.as_str().is_some_and(|text| choices.contains(&text)) {
        return Ok(());
    }
    Err(Refusal::broken(
        "unknown_enum_value",
        format!(
            "Invalid value at '{place}' (type.googleapis.com/google.photos.library.v1.{name}), {value}"
        ),
    ))
}

fn wrong_type(place: &str, wanted: &str, value: &Value) -> Refusal {
    Refusal::broken(
        "wrong_type",
        format!("Invalid value at '{place}' ({wanted}), {value}"),
    )
}

/// Places are written in snake case, as the service writes them.
fn inside(place: &str, name: &str) -> String {
    let mut snake = String::with_capacity(place.len() + name.len() + 4);
    if !place.is_empty() {
        snake.push_str(place);
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

    fn complaint(body: &str) -> String {
        read(body.as_bytes(), &BATCH_CREATE).unwrap_err().message
    }

    #[test]
    fn unknown_names_wrong_types_and_wrong_values_are_refused_with_their_place() {
        assert!(read(br#"{"albumId":null,"newMediaItems":[]}"#, &BATCH_CREATE).is_ok());
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
