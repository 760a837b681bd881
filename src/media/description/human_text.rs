//! Whether a person wrote a text, and how much of it the service takes.
//!
//! The service wants only text that a person wrote (fact sheet, section 9). Cameras and programs fill
//! the same fields with their own names; those are no description.

use std::{ffi::OsStr, path::Path};

use unicode_normalization::char::is_combining_mark;

use crate::photos_api::wire::DESCRIPTION_CHARS_MAX;

/// Texts that programs write, in lower case.
const BOILERPLATE: &[&str] = &[
    // makers' names for their cameras, in ImageDescription by default
    "olympus digital camera",
    "olympus camera",
    "sony dsc",
    "konica minolta digital camera",
    "minolta digital camera",
    "minolta dsc",
    "kodak digital still camera",
    "kodak easyshare",
    "samsung",
    "samsung digital camera",
    "samsung camera pictures",
    "digital camera",
    "digital stillcamera",
    "digital still camera",
    "digimax",
    "jenoptik digital camera",
    "medion digital camera",
    "rollei",
    "vivitar digital camera",
    "benq digital camera",
    "general imaging digital camera",
    "pentax digital camera",
    "ricoh digital camera",
    "sanyo digital camera",
    "toshiba digital camera",
    "traveler digital camera",
    "maginon",
    "dsc",
    // what stands in the field when nothing was filled in
    "picture",
    "pictures",
    "image",
    "photo",
    "default",
    "untitled",
    "title",
    "description",
    "no description",
    "comment",
    "user comment",
    "user comments",
    "ascii",
    "unicode",
    "binary comment",
    "none",
    "null",
    "undefined",
    "n/a",
    "exif_jpeg_picture",
    "exif jpeg picture",
    "exif_jpeg_t422",
    "jpeg",
    "jpeg_t422",
    "applemark",
    "screenshot",
    "screen recording",
    // modes of Huawei and Honor phones, of DJI and Vivo
    "cof",
    "dav",
    "edf",
    "hdr",
    "hdrpl",
    "rhdr",
    "sdr",
    "mde",
    "nor",
    "ptr",
    "fbt",
    "rbt",
    "btf",
    "dis",
    "oznor",
    "oznorwo",
    "vivi",
    "jpg2",
    "sprd",
    "mtk",
];

/// How texts begin that programs write, in lower case.
const BOILERPLATE_BEGINS: &[&str] = &[
    // Huawei's modes come in pairs
    "cof_",
    "dav_",
    "edf_",
    "hdr_",
    "mde_",
    "oznor_",
    "oznorwo_",
    "ptr_",
    "rhdr_",
    "vivi_",
    // programs that sign their work
    "created with gimp",
    "creator: gd-jpeg",
    "file written by adobe photoshop",
    "processed with vsco",
    "lead technologies",
    "charset=",
    "<digimax",
    "<kenox",
    "<samsung",
    "<mm-dualcam",
    "lavc",
    // folders of cameras
    "dcim",
];

/// The text as it may be sent; none if no person wrote it. `name` is that of the picture.
pub(crate) fn by_a_person(text: &str, name: &OsStr) -> Option<String> {
    let text = cleaned(text);
    let says_something = text.chars().any(|c| {
        !c.is_whitespace() && !c.is_ascii_punctuation() && c != char::REPLACEMENT_CHARACTER
    });
    if !says_something || is_boilerplate(&text) || repeats_name(&text, name) {
        return None;
    }
    Some(cut(&text).to_owned())
}

/// Without control characters, and without blanks around it; lines end as they should.
fn cleaned(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String = text
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect();
    kept.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
        .to_owned()
}

fn is_boilerplate(text: &str) -> bool {
    let lower = text.to_lowercase();
    let lower = lower.trim_end_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation());
    // Phones put their own notes there as JSON.
    let is_json = text.starts_with('{') && serde_json::from_str::<serde_json::Value>(text).is_ok();
    is_json
        || BOILERPLATE.contains(&lower)
        || BOILERPLATE_BEGINS
            .iter()
            .any(|begin| lower.starts_with(begin))
}

/// Whether it is only the picture's name, with or without its end or the folders before it.
fn repeats_name(text: &str, name: &OsStr) -> bool {
    let last = text.rsplit(['/', '\\']).next().unwrap_or(text);
    let stem = Path::new(name).file_stem();
    [Some(name), stem]
        .into_iter()
        .flatten()
        .filter_map(OsStr::to_str)
        .any(|name| last.to_lowercase() == name.to_lowercase())
}

/// As much as the service takes. It does not say what a character is: what has at most so many UTF-16
/// units has no more of anything else that is counted as one. A letter is not parted from its marks.
fn cut(text: &str) -> &str {
    let mut units = 0;
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > DESCRIPTION_CHARS_MAX {
            end = at;
            break;
        }
    }
    let belongs = |at: usize| {
        let next = text.get(at..).and_then(|rest| rest.chars().next());
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        before == Some('\u{200d}')
            || next.is_some_and(|c| {
                is_combining_mark(c)
                    || matches!(
                        c,
                        '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}'
                    )
            })
    };
    let whole = end;
    while end < text.len() && end > 0 && belongs(end) {
        end = text.floor_char_boundary(end - 1);
    }
    // A heap of marks without end is no letter.
    if end == 0 {
        end = whole;
    }
    text.get(..end).unwrap_or(text).trim_end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_sent_is_short_enough_and_the_beginning_of_what_was_written(
            text in prop::collection::vec(any::<char>(), 0..3000),
        ) {
            let text: String = text.into_iter().collect();
            if let Some(sent) = of(&text) {
                prop_assert!(cleaned(&text).starts_with(&sent));
                prop_assert!(sent.encode_utf16().count() <= 999);
                prop_assert!(!sent.is_empty());
            }
        }
    }

    fn of(text: &str) -> Option<String> {
        by_a_person(text, OsStr::new("IMG_0815.JPG"))
    }

    #[test]
    fn what_a_person_wrote_is_sent_as_it_is() {
        for text in [
            "Oma at the lake",
            "Picture of the year",
            "The default of my heart",
            "Große Straße, Köln\nKarneval",
            "❤️",
            "1987",
            "IMG_0815 was the best of them",
            "Samsung sculpture park",
        ] {
            assert_eq!(of(text).as_deref(), Some(text));
        }
        assert_eq!(of(" \u{feff}a\r\nb\u{0}\u{7} \n").as_deref(), Some("a\nb"));
    }

    #[test]
    fn what_cameras_and_programs_write_is_no_description() {
        for text in [
            "",
            "   ",
            "\0\0\0\0",
            "- .",
            "\u{fffd}\u{fffd}",
            "OLYMPUS DIGITAL CAMERA         ",
            "SONY DSC",
            "Picture",
            "default",
            "DCIM\\100MEDIA\\DJI_0012.JPG",
            "Exif_JPEG_PICTURE",
            "<Digimax S500 / Kenox S500 / Digimax Cyber 530>",
            "cof_soft",
            "Created with GIMP",
            "img_0815.jpg",
            "IMG_0815",
            "/home/anna/IMG_0815.JPG",
            "C:\\Pictures\\img_0815.jpg",
            "{\"mirror\":false,\"sensor_type\":\"rear\"}",
        ] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let units = |text: &str| text.encode_utf16().count();
        let full = "a".repeat(999);
        assert_eq!(of(&full).unwrap(), full);
        assert_eq!(of(&"a".repeat(1000)).unwrap(), full);
        assert_eq!(units(&of(&"ß".repeat(5000)).unwrap()), 999);
        // Two units each: the last one does not fit.
        assert_eq!(units(&of(&"🌍".repeat(5000)).unwrap()), 998);
        let marked = format!("{}e\u{301}\u{302} and on", "a".repeat(997));
        assert_eq!(of(&marked).unwrap(), "a".repeat(997));
        let family = format!("{}👨\u{200d}👩\u{200d}👧", "a".repeat(994));
        assert_eq!(of(&family).unwrap(), "a".repeat(994));
        let spaced = format!("{}      b", "a".repeat(995));
        assert_eq!(of(&spaced).unwrap(), "a".repeat(995));
        let heap = "\u{301}".repeat(3000);
        assert_eq!(units(&of(&format!("a{heap}")).unwrap()), 999);
    }
}
