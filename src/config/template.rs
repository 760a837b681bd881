//! Album templates: plain text with placeholders between, such as `{year} {folder}`.
//!
//! Whoever holds a [`Template`] holds one whose placeholders are known; what they stand for is up to
//! the `album` module.

use std::fmt;

/// A title with placeholders.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that stands in the title as it is.
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
    pub(super) message: String,
    pub(super) hint: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

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
