//! Which album a file goes into: the rule of its folder, applied to its path and to the day on which
//! it was taken. Pure.
//!
//! The root of a folder counts as a folder: for a file directly in the root, `{folder}` is the root's
//! name. Directories above the root are never used, because they say where a disk is mounted and not
//! what the pictures show; so for a file in the root `{parent}` and `{path}` are empty.
//!
//! Separators next to an empty placeholder are dropped: "{parent} - {folder}" gives "Crete", not
//! "- Crete". A separator is plain text without a letter or a digit. At an end of the title it is
//! removed; between two values that surround only empty placeholders it is written once. A title
//! without a letter or digit in which a placeholder was empty counts as no title.

use std::{ffi::OsStr, fmt, path::Path};

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization as _;

/// The longest title that the service takes, in characters (fact sheet, section 5.2).
pub const MAX_TITLE_CHARS: usize = 500;

/// The longest title that is asked for, in characters: the further parts of a full album have
/// " (2)" and so on behind it.
pub const TITLE_CHARS: usize = MAX_TITLE_CHARS - 10;

/// Which album a file goes into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlbumRule {
    /// No album.
    None,
    /// The one with this title.
    Name(String),
    /// The one named after the file's own folder; in the root, after the root.
    Folder,
    /// The one whose title this template gives.
    Template(Template),
}

/// A title with placeholders.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that is copied to the title.
    Plain(String),
    /// Text that depends on the file.
    Asked(Placeholder),
}

/// What a template may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The file's own folder.
    Folder,
    /// The folder that this one lies in.
    Parent,
    /// All folders below the root.
    Path,
    /// The year in which it was taken.
    Year,
    /// The month, as two digits.
    Month,
    /// The day of the month, as two digits.
    Day,
}

/// What is wrong with a template, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Mistake {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }
}

impl Placeholder {
    const ALL: [Self; 6] = [
        Self::Folder,
        Self::Parent,
        Self::Path,
        Self::Year,
        Self::Month,
        Self::Day,
    ];

    /// The word between the braces.
    fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Parent => "parent",
            Self::Path => "path",
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
        }
    }

    /// Whether it asks when the file was taken.
    pub fn is_of_time(self) -> bool {
        match self {
            Self::Folder | Self::Parent | Self::Path => false,
            Self::Year | Self::Month | Self::Day => true,
        }
    }
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        let mut pieces = Vec::new();
        let mut rest = text;
        loop {
            let (plain, behind) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
            if plain.contains('}') {
                return Err(Mistake::new("a `}` has no `{` before it"));
            }
            if !plain.is_empty() {
                pieces.push(Piece::Plain(plain.to_owned()));
            }
            let Some(behind) = behind.strip_prefix('{') else {
                return Ok(Self(pieces));
            };
            let Some((word, after)) = behind.split_once('}') else {
                return Err(Mistake::new("a `{` is not closed"));
            };
            let known = Placeholder::ALL.into_iter().find(|it| it.word() == word);
            pieces.push(Piece::Asked(known.ok_or_else(|| unknown(word))?));
            rest = after;
        }
    }

    /// Its parts, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether it asks when the file was taken.
    pub fn asks_for_time(&self) -> bool {
        let asks = |piece: &Piece| matches!(piece, Piece::Asked(it) if it.is_of_time());
        self.0.iter().any(asks)
    }
}

fn unknown(word: &str) -> Mistake {
    let all = Placeholder::ALL.map(|it| format!("{{{}}}", it.word()));
    Mistake {
        message: format!("`{{{word}}}` is not a placeholder"),
        hint: Some(format!("there are {}", all.join(", "))),
    }
}

/// As it was written.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Plain(text) => f.write_str(text),
            Piece::Asked(it) => write!(f, "{{{}}}", it.word()),
        })
    }
}

/// As it was written, too: the store notes the rule of a folder in this form.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// Whether the title needs the day on which the file was taken.
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

/// The value of a placeholder; none if it is empty.
fn value(asked: Placeholder, root: &Path, relative: &Path, day: Option<Date>) -> Option<String> {
    let dir = relative.parent().unwrap_or(Path::new(""));
    match asked {
        Placeholder::Folder => folder(root, relative),
        // None for a file in the root: directories above the root are not used.
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

/// The template with its values; none if that is no title.
fn filled(template: &Template, value: impl Fn(Placeholder) -> Option<String>) -> Option<String> {
    let mut title = String::new();
    // Separators that are not written yet, and whether an empty placeholder was between them.
    let (mut separators, mut after_empty): (Vec<&str>, bool) = (Vec::new(), false);
    let mut has_empty = false;
    for piece in template.pieces() {
        let text = match piece {
            Piece::Plain(text) if !has_words(text) => {
                separators.push(text);
                continue;
            }
            Piece::Plain(text) => text.clone(),
            Piece::Asked(asked) => {
                let Some(text) = value(*asked) else {
                    (after_empty, has_empty) = (true, true);
                    continue;
                };
                text
            }
        };
        match (after_empty, title.is_empty()) {
            (false, _) => title.extend(separators.iter().copied()),
            (true, true) => {}
            (true, false) => title.push_str(joined(&separators)),
        }
        title.push_str(&text);
        separators.clear();
        after_empty = false;
    }
    if !after_empty {
        title.extend(separators);
    }
    (has_words(&title) || !has_empty).then_some(title)
}

/// What is written for separators around empty placeholders: the separator, if they are all the same; a
/// blank, if they are not, as in "{year} ({parent}) {folder}".
fn joined<'a>(separators: &[&'a str]) -> &'a str {
    match separators {
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
    fn separators_beside_an_empty_placeholder_do_not_stand_there_for_nothing() {
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

    #[test]
    fn a_template_is_read_and_written_back() {
        for text in ["{year}-{month} {folder}", "{path}", "a {day} b", "plain"] {
            assert_eq!(Template::parse(text).unwrap().to_string(), text);
        }
        assert!(Template::parse("{folder} {day}").unwrap().asks_for_time());
        let of_folders = Template::parse("{folder}{parent}{path}").unwrap();
        assert!(!of_folders.asks_for_time());
        assert_eq!(of_folders.pieces().len(), 3);
    }

    #[test]
    fn a_mistake_is_named() {
        let wrong = |text: &str| Template::parse(text).unwrap_err().message;
        assert_eq!(wrong("{yaer}"), "`{yaer}` is not a placeholder");
        assert_eq!(wrong("{}"), "`{}` is not a placeholder");
        assert_eq!(wrong("a {year"), "a `{` is not closed");
        assert_eq!(wrong("year} {day}"), "a `}` has no `{` before it");
        assert_eq!(wrong("{day}}"), "a `}` has no `{` before it");
        let hint = Template::parse("{Year}").unwrap_err().hint;
        let all = "there are {folder}, {parent}, {path}, {year}, {month}, {day}";
        assert_eq!(hint.as_deref(), Some(all));
    }
}
