//! What is wrong with a configuration, shown as compilers show it: the words, the place, the line
//! with a caret below it, and what can be done.

use std::{
    fmt::{self, Write as _},
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use toml::Spanned;
use unicode_width::UnicodeWidthStr;

use crate::escape::Escaped;

/// A configuration that cannot be used; the process ends with exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none.
    #[error("{}", NotFound(.searched))]
    NotFound {
        /// Where it was looked for, in this order.
        searched: Vec<PathBuf>,
    },
    /// It is there, or was named, and cannot be read.
    #[error("cannot read the configuration `{}`", Escaped::path(.file))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It says something that cannot be.
    #[error(transparent)]
    Wrong(Box<Wrong>),
}

/// One thing that cannot be, and where it is written.
#[derive(Debug)]
pub struct Wrong {
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

/// What a check finds, before it is known which file it speaks of.
#[derive(Debug)]
pub(super) struct Fault {
    span: Option<Range<usize>>,
    message: String,
    hint: Option<String>,
}

impl Fault {
    /// Something that is wrong, but not at any place of the file.
    pub(super) fn nowhere(message: impl Into<String>) -> Self {
        Self {
            span: None,
            message: message.into(),
            hint: None,
        }
    }

    /// Something that is wrong with `value`.
    pub(super) fn at<T>(value: &Spanned<T>, message: impl Into<String>) -> Self {
        Self::within(Some(value.span()), message)
    }

    /// Something that is wrong at these bytes of the file.
    pub(super) fn within(span: Option<Range<usize>>, message: impl Into<String>) -> Self {
        Self {
            span,
            ..Self::nowhere(message)
        }
    }

    /// The same, with what can be done about it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// What the TOML reader did not like, in words that do not speak of Rust.
    pub(super) fn of_toml(error: &toml::de::Error) -> Self {
        let mut message = error.message().trim_end().to_owned();
        for (theirs, ours) in WORDS {
            message = message.replace(theirs, ours);
        }
        if let Some((lead, _)) = message.split_once("expected struct") {
            message = format!("{lead}expected a section with keys of its own");
        }
        let hint =
            (message.contains("invalid type: map") && message.ends_with("a list")).then(|| {
                "each folder begins with a line of its own, in double brackets: `[[folder]]`"
                    .to_owned()
            });
        Self {
            span: error.span(),
            message,
            hint,
        }
    }

    /// The error that is shown, once file and text are known.
    pub(super) fn in_file(self, file: Option<&Path>, text: &[u8]) -> Error {
        let place = match (file, self.span) {
            (Some(file), Some(span)) => Some(Place::find(file.to_owned(), text, span)),
            _ => None,
        };
        Error::Wrong(Box::new(Wrong {
            message: self.message,
            place,
            hint: self.hint,
        }))
    }
}

/// Words of the deserializer, and ours for them.
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

/// A piece of a line as a terminal shall see it; four columns for a tab.
fn show(piece: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in piece.utf8_chunks() {
        shown += &Escaped::text(&chunk.valid().replace('\t', "    ")).to_string();
        for byte in chunk.invalid() {
            // A String takes everything that is written to it.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

impl fmt::Display for Wrong {
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

impl std::error::Error for Wrong {}

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

/// The words for a configuration that is nowhere.
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
        let fault = Fault::within(Some(span), "it is wrong");
        fault.in_file(Some(Path::new("c.toml")), text).to_string()
    }

    #[test]
    fn the_caret_stands_below_the_value() {
        assert_eq!(
            shown(b"a = 1\r\nbb = 22 # no\r\n", 12..14),
            "it is wrong\n --> c.toml:2:6\n  |\n2 | bb = 22 # no\n  |      ^^"
        );
    }

    #[test]
    fn the_caret_knows_wide_letters_tabs_and_what_a_terminal_must_not_see() {
        let text = "\t\"写\u{1b}\" = 5".as_bytes();
        let value = text.len() - 1;
        assert_eq!(
            shown(text, value..value + 1),
            "it is wrong\n --> c.toml:1:9\n  |\n1 |     \"写\\u{1b}\" = 5\n  |                  ^"
        );
    }

    #[test]
    fn every_span_has_a_place() {
        let text = "a = \"\"\"\nä\n\"\"\"\n\n".as_bytes();
        for start in 0..text.len() + 3 {
            for end in start..text.len() + 3 {
                assert!(shown(text, start..end).ends_with('^'));
            }
        }
        assert!(shown(b"", 0..0).contains("c.toml:1:1"));
    }
}
