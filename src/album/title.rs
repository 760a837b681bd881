//! Which album a file goes to: the rule of its folder applied to its path.

use std::{ffi::OsStr, path::Path};

use unicode_normalization::UnicodeNormalization as _;

use crate::config::AlbumRule;

/// The longest title that the service takes, in characters (fact sheet, section 5.2).
pub const MAX_TITLE_CHARS: usize = 500;

/// The title of the album for a file at `relative` below `root`, or none.
///
/// Titles are kept in NFC, so that a name written by macOS (NFD) and the same name written by Linux
/// are one album. Bytes that are not UTF-8 become U+FFFD, because a title is text.
pub fn title_for(rule: &AlbumRule, root: &Path, relative: &Path) -> Option<String> {
    match rule {
        // Templates are refused by the configuration until they are built.
        AlbumRule::None | AlbumRule::Template(_) => None,
        AlbumRule::Name(name) => clean(name),
        AlbumRule::Folder => {
            let folder = relative
                .parent()
                .and_then(Path::file_name)
                .or_else(|| root.file_name())
                .map(OsStr::to_string_lossy)?;
            clean(&folder)
        }
    }
}

/// A title as the service shall get it: NFC, no control characters and none that turn text around (as
/// in the names of files), trimmed, at most
/// [`MAX_TITLE_CHARS`] characters; none if nothing is left.
pub fn clean(text: &str) -> Option<String> {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let title: String = text
        .nfc()
        .filter(|c| !c.is_control() && !turns(*c))
        .collect();
    let title: String = title.trim().chars().take(MAX_TITLE_CHARS).collect();
    let title = title.trim_end();
    (!title.is_empty()).then(|| title.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(relative: &str) -> Option<String> {
        title_for(
            &AlbumRule::Folder,
            Path::new("/photos/All"),
            Path::new(relative),
        )
    }

    #[test]
    fn a_folder_album_is_named_after_the_files_own_folder() {
        assert_eq!(folder("2024/Crete/a.jpg").as_deref(), Some("Crete"));
        assert_eq!(
            folder("a.jpg").as_deref(),
            Some("All"),
            "in the root: the root's name"
        );
    }

    #[test]
    fn decomposed_and_composed_names_are_one_album() {
        assert_eq!(folder("Ba\u{308}r/a.jpg"), folder("B\u{e4}r/a.jpg"));
    }

    #[test]
    fn a_title_is_cut_on_a_character_border() {
        let long = "ä".repeat(600);
        assert_eq!(clean(&long).unwrap().chars().count(), MAX_TITLE_CHARS);
        assert_eq!(clean(" \n\t "), None);
        assert_eq!(clean("a\u{1b}[2Jb").as_deref(), Some("a[2Jb"));
        assert_eq!(clean("\u{202e}emoR").as_deref(), Some("emoR"));
    }
}
