//! The name under which a media item appears: valid text of at most 255 characters.

use std::ffi::OsStr;

/// The most characters of `fileName`, extension included (fact sheet, section 3.1).
pub const MAX_CHARS: usize = 255;

/// The longest extension that is worth keeping whole when a name is cut, characters.
const MAX_EXTENSION: usize = 16;

/// The name of a file as the service shall show it. Bytes that are not UTF-8 become U+FFFD, control
/// characters and bidi controls are left out, and a long name is cut before its extension.
pub fn file_name(name: &OsStr) -> String {
    let text: String = name
        .to_string_lossy()
        .chars()
        .filter(|c| {
            !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
        .collect();
    let text = if text.trim().is_empty() {
        "unnamed".to_owned()
    } else {
        text
    };
    if text.chars().count() <= MAX_CHARS {
        return text;
    }
    let (stem, extension) = match text.rsplit_once('.') {
        Some((stem, extension)) if extension.chars().count() <= MAX_EXTENSION => {
            (stem, Some(extension))
        }
        _ => (text.as_str(), None),
    };
    let kept = MAX_CHARS - extension.map_or(0, |extension| extension.chars().count() + 1);
    let mut cut: String = stem.chars().take(kept).collect();
    if let Some(extension) = extension {
        cut.push('.');
        cut.push_str(extension);
    }
    cut
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_stays_as_it_is() {
        assert_eq!(file_name(OsStr::new("Bär am See.JPG")), "Bär am See.JPG");
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let long = format!("{}.jpeg", "ä".repeat(300));
        let name = file_name(OsStr::new(&long));
        assert_eq!(name.chars().count(), MAX_CHARS);
        assert!(name.ends_with("ä.jpeg"));
    }

    #[test]
    fn what_is_no_text_is_left_out() {
        assert_eq!(
            file_name(OsStr::from_bytes(b"a\n\x1b[2J\xff.jpg")),
            "a[2J\u{fffd}.jpg"
        );
        assert_eq!(file_name(OsStr::from_bytes(b"\n")), "unnamed");
    }

    proptest! {
        #[test]
        fn any_name_becomes_a_valid_one(bytes in proptest::collection::vec(1_u8..=255, 1..400)) {
            let name = file_name(OsStr::from_bytes(&bytes));
            prop_assert!(!name.is_empty() && name.chars().count() <= MAX_CHARS);
            prop_assert!(!name.chars().any(char::is_control));
        }
    }
}
