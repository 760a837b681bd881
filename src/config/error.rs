//! What is wrong with a configuration, shown as compilers do: the message, the place, the line with a
//! caret below the value, and a hint.

use std::{
    fmt::{self, Write as _},
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize as _;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer},
};
use unicode_width::UnicodeWidthStr;

use super::{Config, Environment, value::HINT};
use crate::escape::Escaped;

/// A configuration that cannot be used; the process ends with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No file was found.
    #[error("{}", NotFound(.searched))]
    NotFound {
        /// Where it was searched, in this order.
        searched: Vec<PathBuf>,
    },
    /// The file exists, or was named, and cannot be read.
    #[error("cannot read the configuration `{}`", Escaped::path(.file))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A value is not possible.
    #[error(transparent)]
    Invalid(Box<Invalid>),
}

/// A message about a value, its place in the file and a hint.
#[derive(Debug)]
pub struct Invalid {
    message: String,
    place: Option<Place>,
    hint: Option<String>,
}

/// A position in a file, with its line as it is shown.
#[derive(Debug)]
struct Place {
    file: PathBuf,
    line: usize,
    column: usize,
    shown: String,
    caret_at: usize,
    caret_width: usize,
}

/// The parsed file, which knows the place of each key.
#[derive(Debug, Default)]
pub(super) struct Document<'a>(Option<Spanned<DeTable<'a>>>);

impl<'a> Document<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Problem> {
        let table = DeTable::parse(text).map_err(|error| Problem::of_toml(&error))?;
        Ok(Self(Some(table)))
    }

    /// The values of the file, each checked on its own; the defaults where there is no file.
    pub(super) fn values(&self) -> Result<Config, Problem> {
        let Some(table) = &self.0 else {
            return Ok(Config::default());
        };
        Config::deserialize(Deserializer::from(table.clone()))
            .map_err(|error| Problem::of_toml(&error))
    }

    /// Whether the file has this key, such as "quota.reserve".
    pub(super) fn has(&self, key: &str) -> bool {
        self.span(key).is_some()
    }

    /// Something that is wrong with the value of this key, such as "folder.0.path".
    pub(super) fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        Problem::at(self.span(key), message)
    }

    /// The absolute path for the value of `key`; `base` is where relative ones begin.
    pub(super) fn resolve(
        &self,
        key: &str,
        path: &Path,
        base: &Path,
        env: &Environment,
    ) -> Result<PathBuf, Problem> {
        let message = "`~` cannot be expanded: this user has no home";
        env.resolve(path, base)
            .ok_or_else(|| self.problem(key, message))
    }

    fn span(&self, key: &str) -> Option<Range<usize>> {
        let mut segments = key.split('.');
        let mut value = self.0.as_ref()?.get_ref().get(segments.next()?)?;
        for segment in segments {
            value = match value.get_ref() {
                DeValue::Table(table) => table.get(segment)?,
                DeValue::Array(array) => array.get(segment.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(value.span())
    }
}

/// What is wrong, before the name of the file is added.
#[derive(Debug)]
pub(super) struct Problem {
    span: Option<Range<usize>>,
    message: String,
    hint: Option<String>,
}

impl Problem {
    /// Something that is wrong at these bytes of the file, or at no place of it.
    pub(super) fn at(span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            hint: None,
        }
    }

    /// The same, with what can be done about it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// An error of the TOML parser or of a value, in words that are not about Rust.
    fn of_toml(error: &toml::de::Error) -> Self {
        let message = error.message().trim_end();
        if let Some((message, hint)) = message.split_once(HINT) {
            return Self::at(error.span(), message).hint(hint);
        }
        let mut message = message.to_owned();
        for (theirs, ours) in WORDS {
            message = message.replace(theirs, ours);
        }
        if let Some((start, _)) = message.split_once("expected struct") {
            message = format!("{start}expected a section with keys of its own");
        }
        let is_folder = message.contains("invalid type: map") && message.ends_with("a list");
        let problem = Self::at(error.span(), message);
        if is_folder {
            return problem.hint(
                "each folder begins with a line of its own, in double brackets: `[[folder]]`",
            );
        }
        problem
    }

    /// The error that is shown, for the file `file` with the content `text`.
    pub(super) fn in_file(self, file: Option<&Path>, text: &[u8]) -> Error {
        let place = file.zip(self.span);
        Error::Invalid(Box::new(Invalid {
            message: self.message,
            place: place.map(|(file, span)| Place::find(file.to_owned(), text, span)),
            hint: self.hint,
        }))
    }
}

/// Words of the parser, and ours for them.
const WORDS: &[(&str, &str)] = &[
    ("unknown field", "unknown key"),
    ("missing field", "missing key"),
    ("expected u64", "expected a whole number from 0 on"),
    ("expected a boolean", "expected `true` or `false`"),
    ("expected a string", "expected text in quotes"),
    ("expected a sequence", "expected a list"),
];

impl Place {
    fn find(file: PathBuf, text: &[u8], span: Range<usize>) -> Self {
        let start = span.start.min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.iter().rposition(|&byte| byte == b'\n');
        let line_start = line_start.map_or(0, |newline| newline + 1);
        let rest = text.get(line_start..).unwrap_or_default();
        let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);

        let (lead, tail) = line.split_at((start - line_start).min(line.len()));
        let marked = tail.get(..span.len()).unwrap_or(tail);
        let unmarked = tail.get(marked.len()..).unwrap_or_default();
        let (shown_lead, shown_marked) = (show(lead), show(marked));
        Self {
            file,
            line: before.split(|&byte| byte == b'\n').count(),
            column: String::from_utf8_lossy(lead).chars().count() + 1,
            caret_at: shown_lead.width(),
            caret_width: shown_marked.width().max(1),
            shown: shown_lead + &shown_marked + &show(unmarked),
        }
    }
}

/// A piece of a line, safe for a terminal; a tab is four columns wide.
fn show(piece: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in piece.utf8_chunks() {
        shown += &Escaped::text(&chunk.valid().replace('\t', "    ")).to_string();
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Escaped::text(&self.message))?;
        if let Some(place) = &self.place {
            write!(f, "\n{place}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {}", Escaped::text(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = " ".repeat(self.line.to_string().len());
        let file = Escaped::path(&self.file);
        writeln!(f, "{gutter}--> {file}:{}:{}", self.line, self.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{} | {}", self.line, self.shown)?;
        let (indent, carets) = (" ".repeat(self.caret_at), "^".repeat(self.caret_width));
        write!(f, "{gutter} | {indent}{carets}")
    }
}

/// The message when no configuration was found.
struct NotFound<'a>(&'a [PathBuf]);

impl fmt::Display for NotFound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no configuration")?;
        for (index, file) in self.0.iter().enumerate() {
            let lead = if index == 0 { "; looked for" } else { " and" };
            write!(f, "{lead} `{}`", Escaped::path(file))?;
        }
        f.write_str("\nhint: `albumen init` writes one, `albumen --config FILE` names another")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8], span: Range<usize>) -> String {
        let problem = Problem::at(Some(span), "it is wrong");
        problem.in_file(Some(Path::new("c.toml")), text).to_string()
    }

    #[test]
    fn the_caret_is_below_the_value() {
        assert_eq!(
            shown(b"a = 1\r\nbb = 22 # no\r\n", 12..14),
            "it is wrong\n --> c.toml:2:6\n  |\n2 | bb = 22 # no\n  |      ^^"
        );
    }

    #[test]
    fn the_caret_is_right_after_wide_letters_tabs_and_control_characters() {
        let text = "\t\"写\u{1b}\" = 5".as_bytes();
        let value = text.len() - 1;
        assert_eq!(
            shown(text, value..value + 1),
            "it is wrong\n --> c.toml:1:9\n  |\n1 |     \"写\\u{1b}\" = 5\n  |                  ^"
        );
    }

    #[test]
    fn every_span_can_be_shown() {
        let text = "a = \"\"\"\nä\n\"\"\"\n\n".as_bytes();
        for start in 0..text.len() + 3 {
            for end in start..text.len() + 3 {
                assert!(shown(text, start..end).ends_with('^'));
            }
        }
        assert!(shown(b"", 0..0).contains("c.toml:1:1"));
    }
}
