//! Makes foreign text safe to print, log and store: one bounded line without secrets.
//!
//! A service or a proxy may repeat the request in its refusal. So the secrets of the request are removed
//! from the text, and then everything that looks like a secret.

use std::io;

/// The most characters of a text; enough for any of the fact sheet.
const CHARS_MAX: usize = 500;

/// A longer word is a token: ids have about 100 characters, upload tokens several hundred (fact sheet,
/// sections 2.1 and 4.3).
const WORD_CHARS_MAX: usize = 160;

/// The prefixes of secrets of the service: access tokens, refresh tokens, authorization codes, client secrets,
/// upload tokens, and the secret in a session's address (fact sheet, sections 1.1, 2.1 and 2.2).
const PREFIXES: [&str; 6] = ["ya29.", "1//0", "4/0", "GOCSPX-", "CAIS", "upload_id="];

/// A shorter text with such a prefix is no secret, but a date or a word.
const SECRET_CHARS_MIN: usize = 20;

/// A shorter secret of the request is not removed: it could be part of any word.
const SENT_CHARS_MIN: usize = 6;

/// Replaces a secret.
const REDACTED: &str = "…";

/// The text without secrets; `sent` are those that it may repeat.
pub fn redact(text: &str, sent: &[&str]) -> String {
    let mut text = std::borrow::Cow::Borrowed(text);
    for secret in sent.iter().filter(|secret| secret.len() >= SENT_CHARS_MIN) {
        if text.contains(secret) {
            text = text.replace(secret, REDACTED).into();
        }
    }
    let mut kept = String::new();
    let mut n_chars = 0;
    for word in text.split_whitespace() {
        let word = redact_word(word);
        n_chars += word.chars().count() + usize::from(!kept.is_empty());
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(&word);
        if n_chars > CHARS_MAX {
            kept = kept.chars().take(CHARS_MAX - 1).collect();
            kept.push_str(REDACTED);
            break;
        }
    }
    kept
}

/// Why no connection could be made: the message of the innermost error, of the network, the DNS resolver
/// or the TLS library. The outer errors do not name the reason.
pub fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
        if cause.is::<io::Error>() {
            break;
        }
    }
    let words = cause.to_string();
    // A prefix of the TLS library for errors that it has no kind for.
    words
        .strip_prefix("unexpected error: ")
        .unwrap_or(&words)
        .to_owned()
}

/// A word without anything that looks like a secret.
fn redact_word(word: &str) -> String {
    if word.chars().count() > WORD_CHARS_MAX {
        return REDACTED.to_owned();
    }
    let mut shown = String::new();
    let mut rest = word;
    while let Some(at) = PREFIXES.iter().filter_map(|it| rest.find(it)).min() {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !may_be_in_secret(c)).unwrap_or(from.len());
        let (found, after) = from.split_at(end);
        shown.push_str(before);
        shown.push_str(if end < SECRET_CHARS_MIN {
            found
        } else {
            REDACTED
        });
        rest = after;
    }
    shown + rest
}

fn may_be_in_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./+=%~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_bounded_line_without_anything_like_a_token() {
        let text = format!("bad\n token {} x", "A".repeat(700));
        assert_eq!(redact(&text, &[]), "bad token … x");
        assert_eq!(redact(&"ab ".repeat(9_000), &[]).chars().count(), CHARS_MAX);
    }

    #[test]
    fn the_secrets_of_the_request_are_removed() {
        let sent = ["short-one", "another_one", "x"];
        let text = "short-one is no token, nor is `another_one` of xylophones";
        assert_eq!(
            redact(text, &sent),
            "… is no token, nor is `…` of xylophones"
        );
    }

    #[test]
    fn text_with_the_prefix_of_a_secret_is_removed() {
        for secret in [
            "ya29.a0AfH6SMBx-1234567890",
            "1//0gAbCdEfGhIjKlMnOpQrStUv",
            "4/0AfJohXmAbCdEfGhIjKlMnOp",
            "GOCSPX-AbCdEfGhIjKlMnOpQrStUvWx",
            "CAISiQMAbCdEfGhIjKlMnOpQr",
            "upload_id=AbCdEfGhIjKlMnOpQrStUv",
        ] {
            for (before, after) in [("", ""), ("token=", "&x"), ("\"", "\".")] {
                let text = format!("no {before}{secret}{after}");
                assert_eq!(redact(&text, &[]), format!("no {before}…{after}"));
            }
        }
        let date = "on 4/01/2026 the CAIS said no, 1//0 and ya29.";
        assert_eq!(redact(date, &[]), date);
    }
}
