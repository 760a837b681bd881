//! The JSON that Google Takeout puts beside each picture.

use serde::{Deserialize, de::IgnoredAny};

/// What tells that it is one: other programs put JSON beside pictures, too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Takeout {
    #[serde(rename = "title")]
    _title: String,
    photo_taken_time: Option<IgnoredAny>,
    creation_time: Option<IgnoredAny>,
    #[serde(default)]
    description: String,
}

/// Its description; none if it is not of Takeout. An empty one says nothing.
pub(crate) fn description(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let takeout: Takeout = serde_json::from_slice(bytes).ok()?;
    let is_takeout = takeout.photo_taken_time.is_some() || takeout.creation_time.is_some();
    (is_takeout && !takeout.description.is_empty()).then_some(takeout.description)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_takeouts_own_description_counts() {
        let real = r#"{"title": "IMG_1.jpg", "description": "Anna's \"first\" day\nat school",
            "imageViews": "3", "creationTime": {"timestamp": "1714558272", "formatted": "May 1, 2024"},
            "photoTakenTime": {"timestamp": "1714558272"}, "geoData": {"latitude": 0.0},
            "people": [{"name": "Anna"}], "url": "https://photos.google.com/photo/x"}"#;
        let expected = "Anna's \"first\" day\nat school";
        assert_eq!(description(real.as_bytes()).as_deref(), Some(expected));
        for nothing in [
            r#"{"title": "a.jpg", "description": "", "photoTakenTime": {}}"#,
            r#"{"title": "a.jpg", "photoTakenTime": {}}"#,
            r#"{"title": "a.jpg", "description": "of an album"}"#,
            r#"{"description": "of some program", "photoTakenTime": {}}"#,
            r#"{"title": "a.jpg", "description": 7, "photoTakenTime": {}}"#,
            r#"["title", "photoTakenTime"]"#,
            r#"{"title": "a.jpg", "description": "cut of"#,
            "",
        ] {
            assert_eq!(description(nothing.as_bytes()), None, "{nothing}");
        }
        let deep = [b"[".repeat(500_000), b"]".repeat(500_000)].concat();
        assert_eq!(description(&deep), None);
    }
}
