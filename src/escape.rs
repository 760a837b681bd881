//! How names that others chose are shown: on a terminal, in a log, on a page.
//!
//! A file name is bytes. It may hold an escape sequence that repaints the terminal, a newline that
//! forges a log line, or a bidirectional mark that turns the text around. Everything that is not
//! plainly printable is shown as an escape, nothing is left out, and no name is ever refused.

use std::{
    fmt::{self, Write as _},
    path::Path,
};

/// Shows a path with control characters, bidi controls and invalid bytes escaped.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Escaped<'a> {
    /// For a path, or the name of a file.
    pub fn path(path: &'a Path) -> Self {
        Self(path.as_os_str().as_encoded_bytes())
    }

    /// For text that came from elsewhere: a message of the service, a title.
    pub fn text(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if is_unsafe(c) {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    f.write_char(c)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// For `#[serde(serialize_with)]` of a text that came from elsewhere.
pub fn serialize<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Escaped::text(text))
}

/// Control characters (ESC and newline among them) and what Unicode calls bidi controls:
/// U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069; and the line separators.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    fn shown(bytes: &[u8]) -> String {
        Escaped::path(Path::new(OsStr::from_bytes(bytes))).to_string()
    }

    #[test]
    fn plain_names_are_shown_as_they_are() {
        assert_eq!(shown("Ferien/Bär 1.jpg".as_bytes()), "Ferien/Bär 1.jpg");
    }

    #[test]
    fn what_could_fool_a_terminal_is_escaped() {
        assert_eq!(shown(b"a\x1b[2Jb\n.jpg"), "a\\u{1b}[2Jb\\n.jpg");
        assert_eq!(shown("gpj\u{202e}exe".as_bytes()), "gpj\\u{202e}exe");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_as_hex() {
        assert_eq!(shown(b"caf\xe9.jpg"), "caf\\xe9.jpg");
    }
}
