//! Words that others wrote, made fit to be shown, logged and kept: one bounded line without a secret.
//!
//! A service, or whatever stands before it, may repeat in its refusal what it was sent. So a text loses
//! the secrets that went out with the request, whatever they look like, and then what looks like one.

use std::io;

/// The most characters kept of a text; enough for any of the fact sheet.
const MOST_CHARS: usize = 500;

/// A word longer than this is taken for a token; ids have about 100 characters, upload tokens several
/// hundred (fact sheet, sections 2.1 and 4.3).
const WORD_CHARS: usize = 160;

/// How secrets of the service begin: access tokens, refresh tokens, authorization codes, client secrets,
/// upload tokens, and the part of a session's address that lets its bearer in (fact sheet, sections 1.1,
/// 2.1 and 2.2).
const BEGINNINGS: [&str; 6] = ["ya29.", "1//0", "4/0", "GOCSPX-", "CAIS", "upload_id="];

/// What begins like a secret and is shorter than this is none: a date, a word.
const SECRET_CHARS: usize = 20;

/// A secret that was sent and is shorter than this is no secret, but it may be a part of any word.
const SENT_CHARS: usize = 6;

/// What stands where a secret stood.
const GONE: &str = "…";

/// The text as it may be shown; `sent` are the secrets that it may repeat.
pub fn kept(text: &str, sent: &[&str]) -> String {
    let mut text = std::borrow::Cow::Borrowed(text);
    for secret in sent.iter().filter(|secret| secret.len() >= SENT_CHARS) {
        if text.contains(secret) {
            text = text.replace(secret, GONE).into();
        }
    }
    let mut kept = String::new();
    let mut n_chars = 0;
    for word in text.split_whitespace() {
        let word = shown(word);
        n_chars += word.chars().count() + usize::from(!kept.is_empty());
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(&word);
        if n_chars > MOST_CHARS {
            kept = kept.chars().take(MOST_CHARS - 1).collect();
            kept.push_str(GONE);
            break;
        }
    }
    kept
}

/// Why nobody could be reached, in the words of whoever met it: the network, the resolver of names, the
/// TLS library. What lies around it says so without saying why.
pub fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
        if cause.is::<io::Error>() {
            break;
        }
    }
    let words = cause.to_string();
    // What the TLS library has no kind for is not unexpected to us.
    words
        .strip_prefix("unexpected error: ")
        .unwrap_or(&words)
        .to_owned()
}

/// A word without what looks like a secret.
fn shown(word: &str) -> String {
    if word.chars().count() > WORD_CHARS {
        return GONE.to_owned();
    }
    let mut shown = String::new();
    let mut rest = word;
    while let Some(at) = BEGINNINGS.iter().filter_map(|it| rest.find(it)).min() {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !is_of_secret(c)).unwrap_or(from.len());
        let (found, after) = from.split_at(end);
        shown.push_str(before);
        shown.push_str(if end < SECRET_CHARS { found } else { GONE });
        rest = after;
    }
    shown + rest
}

fn is_of_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./+=%~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_bounded_line_without_anything_like_a_token() {
        let text = format!("bad\n token {} x", "A".repeat(700));
        assert_eq!(kept(&text, &[]), "bad token … x");
        assert_eq!(kept(&"ab ".repeat(9_000), &[]).chars().count(), MOST_CHARS);
    }

    #[test]
    fn a_secret_that_was_sent_does_not_come_back() {
        let sent = ["short-one", "another_one", "x"];
        let text = "short-one is no token, nor is `another_one` of xylophones";
        assert_eq!(kept(text, &sent), "… is no token, nor is `…` of xylophones");
    }

    #[test]
    fn what_begins_like_a_secret_of_the_service_is_taken_for_one() {
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
                assert_eq!(kept(&text, &[]), format!("no {before}…{after}"));
            }
        }
        let date = "on 4/01/2026 the CAIS said no, 1//0 and ya29.";
        assert_eq!(kept(date, &[]), date);
    }
}
