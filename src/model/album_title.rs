//! Which album a file goes to: the rule of its folder applied to its path and to the day on which it
//! was taken.
//!
//! The root of a folder counts as a folder: in the root, `{folder}` is the root's name, and of its
//! folders `{parent}` is. What lies above the root is never looked at, because it says where a disk is
//! mounted rather than what is in the pictures; so in the root `{parent}` and `{path}` are empty.
//!
//! Where a placeholder is empty, the signs and blanks around it would stand there for nothing:
//! "{parent} - {folder}" shall give "Crete" and not "- Crete". Plain text without a letter or digit is
//! therefore dropped where an empty placeholder leaves it at an end, and stands once where it would
//! stand twice. A title without a letter or digit in which a placeholder is empty is no title.

use std::{ffi::OsStr, path::Path};

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization as _;

use crate::config::{AlbumRule, Piece, Placeholder, Template};

/// The longest title that the service takes, in characters (fact sheet, section 5.2).
pub const MAX_TITLE_CHARS: usize = 500;

/// The longest title that is asked for, in characters: the further parts of a full album have
/// " (2)" and so on behind it.
pub const TITLE_CHARS: usize = MAX_TITLE_CHARS - 10;

/// Whether the title depends on when the file was taken.
pub fn asks_for_day(rule: &AlbumRule) -> bool {
    match rule {
        AlbumRule::None | AlbumRule::Name(_) | AlbumRule::Folder => false,
        AlbumRule::Template(template) => template.asks_for_time(),
    }
}

/// The title of the album for a file at `relative` below `root`, taken on this day; or none. The day
/// need be given only where [`asks_for_day`].
///
/// Titles are kept in NFC, so that a name written by macOS (NFD) and the same name written by Linux
/// are one album. Bytes that are not UTF-8 become U+FFFD, because a title is text.
pub fn title_for(
    rule: &AlbumRule,
    root: &Path,
    relative: &Path,
    day: Option<Date>,
) -> Option<String> {
    let title = match rule {
        AlbumRule::None => return None,
        AlbumRule::Name(name) => clean(name)?,
        AlbumRule::Folder => clean(&folder(root, relative)?)?,
        AlbumRule::Template(template) => {
            let value = |asked| clean(&value(asked, root, relative, day)?);
            clean(&filled(template, value)?)?
        }
    };
    let cut: String = title.chars().take(TITLE_CHARS).collect();
    Some(cut.trim_end().to_owned())
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

fn name(path: &Path) -> Option<String> {
    let name = path.file_name().map(OsStr::to_string_lossy)?;
    Some(name.into_owned())
}

/// The name of the folder that the file lies in.
fn folder(root: &Path, relative: &Path) -> Option<String> {
    relative.parent().and_then(name).or_else(|| name(root))
}

/// What a placeholder stands for; none where that is nothing.
fn value(asked: Placeholder, root: &Path, relative: &Path, day: Option<Date>) -> Option<String> {
    let dir = relative.parent().unwrap_or(Path::new(""));
    match asked {
        Placeholder::Folder => folder(root, relative),
        // In the root this is none: nothing above it counts.
        Placeholder::Parent => folder(root, Some(dir).filter(|dir| !dir.as_os_str().is_empty())?),
        Placeholder::Path => {
            let names: Vec<_> = dir.iter().map(OsStr::to_string_lossy).collect();
            Some(names.join(" / "))
        }
        Placeholder::Year => Some(format!("{:04}", day?.year())),
        Placeholder::Month => Some(format!("{:02}", day?.month())),
        Placeholder::Day => Some(format!("{:02}", day?.day())),
    }
}

/// The template with the values in it; none if it comes to nothing.
fn filled(template: &Template, value: impl Fn(Placeholder) -> Option<String>) -> Option<String> {
    let mut title = String::new();
    // Signs that are not written yet, and whether an empty placeholder stood among them.
    let (mut signs, mut beside_nothing): (Vec<&str>, bool) = (Vec::new(), false);
    let mut something_was_empty = false;
    for piece in template.pieces() {
        let text = match piece {
            Piece::Plain(text) if !has_words(text) => {
                signs.push(text);
                continue;
            }
            Piece::Plain(text) => text.clone(),
            Piece::Asked(asked) => {
                let Some(text) = value(*asked) else {
                    (beside_nothing, something_was_empty) = (true, true);
                    continue;
                };
                text
            }
        };
        match (beside_nothing, title.is_empty()) {
            (false, _) => title.extend(signs.iter().copied()),
            (true, true) => {}
            (true, false) => title.push_str(joined(&signs)),
        }
        title.push_str(&text);
        signs.clear();
        beside_nothing = false;
    }
    if !beside_nothing {
        title.extend(signs);
    }
    (has_words(&title) || !something_was_empty).then_some(title)
}

/// What stands in place of signs between which there was nothing: the sign, if they are all the
/// same; a blank, if they are not, as in "{year} ({parent}) {folder}".
fn joined<'a>(signs: &[&'a str]) -> &'a str {
    match signs {
        [] => "",
        [first, others @ ..] if others.iter().all(|other| other == first) => first,
        _ => " ",
    }
}

fn has_words(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(relative: &str) -> Option<String> {
        title_for(
            &AlbumRule::Folder,
            Path::new("/photos/All"),
            Path::new(relative),
            None,
        )
    }

    fn template(text: &str) -> AlbumRule {
        AlbumRule::Template(Template::parse(text).unwrap())
    }

    fn titled(text: &str, relative: &str) -> String {
        let day = jiff::civil::date(2024, 5, 1);
        let (rule, root) = (template(text), Path::new("/photos/All"));
        title_for(&rule, root, Path::new(relative), Some(day)).unwrap_or_default()
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
        let path = |name| titled("{path}", &format!("{name}/x/a.jpg"));
        assert_eq!(path("Ba\u{308}r"), path("B\u{e4}r"));
    }

    #[test]
    fn a_title_is_cut_on_a_character_border() {
        let long = "ä".repeat(600);
        assert_eq!(clean(&long).unwrap().chars().count(), MAX_TITLE_CHARS);
        assert_eq!(clean(" \n\t "), None);
        assert_eq!(clean("a\u{1b}[2Jb").as_deref(), Some("a[2Jb"));
        assert_eq!(clean("\u{202e}emoR").as_deref(), Some("emoR"));
    }

    #[test]
    fn a_long_title_leaves_room_for_the_number_of_a_part() {
        let deep = "Wüste/".repeat(200) + "a.jpg";
        let title = titled("{path}", &deep);
        let n = title.chars().count();
        assert!((TITLE_CHARS - 3..=TITLE_CHARS).contains(&n), "{n}");
        assert!(title.chars().count() + " (2147483)".len() <= MAX_TITLE_CHARS);
    }

    #[test]
    fn placeholders_are_folders_of_the_file_and_the_day_on_which_it_was_taken() {
        let deep = "2024/Crete/Day 1/a.jpg";
        assert_eq!(titled("{folder}", deep), "Day 1");
        assert_eq!(titled("{parent}: {folder}", deep), "Crete: Day 1");
        assert_eq!(titled("{path}", deep), "2024 / Crete / Day 1");
        assert_eq!(titled("{year}-{month}-{day}", deep), "2024-05-01");
        assert_eq!(titled("In {month}/{year}!", deep), "In 05/2024!");
        assert!(asks_for_day(&template("{path} {day}")));
        assert!(!asks_for_day(&template("{path}")) && !asks_for_day(&AlbumRule::Folder));
    }

    #[test]
    fn nothing_above_the_root_is_looked_at() {
        assert_eq!(titled("{folder}", "a.jpg"), "All");
        assert_eq!(titled("{parent}", "Crete/a.jpg"), "All");
        assert_eq!(titled("{parent}", "a.jpg"), "");
        assert_eq!(titled("{path}", "a.jpg"), "");
        let above = title_for(
            &template("{folder}"),
            Path::new("/"),
            Path::new("a.jpg"),
            None,
        );
        assert_eq!(above, None);
    }

    #[test]
    fn signs_beside_an_empty_placeholder_do_not_stand_there_for_nothing() {
        let cases = [
            ("{parent} - {folder}", "All"),
            ("{folder} - {parent}", "All"),
            ("({parent}) {folder}", "All"),
            ("{folder} ({parent})", "All"),
            ("{year} {parent} {folder}", "2024 All"),
            ("{year} - {parent} - {folder}", "2024 - All"),
            ("{year} - {parent} - {path} - {folder}", "2024 - All"),
            ("{year} ({parent}) {folder}", "2024 All"),
            ("#{folder} {parent}", "#All"),
            ("{parent} / {path}", ""),
            ("...{path}...", ""),
            ("Trips {path}", "Trips"),
            ("{folder} ({year})", "All (2024)"),
        ];
        for (text, title) in cases {
            assert_eq!(titled(text, "a.jpg"), title, "{text}");
        }
        assert_eq!(titled("{folder}", "---/a.jpg"), "---", "it is called so");
    }
}
