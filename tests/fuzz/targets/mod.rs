//! What is fed, by where it comes from: files of a person, of another uploader, photos, names, the
//! service, the database, clients of the sandbox. Only public paths of the crate are used.

pub(crate) mod database;
pub(crate) mod files;
pub(crate) mod imports;
pub(crate) mod media;
pub(crate) mod names;
pub(crate) mod sandbox;
pub(crate) mod service;

/// How an error ends, without what is only in this input: numbers, and what it quotes.
fn end(error: &dyn std::fmt::Display) -> String {
    let mut words = String::new();
    let mut quoted = false;
    for c in error.to_string().chars() {
        quoted ^= c == '`' || c == '"';
        if !quoted && (c.is_ascii_alphabetic() || c == ' ') {
            words.push(c);
        }
        if words.len() > 100 {
            break;
        }
    }
    words
}

/// The first line, and what follows it.
fn first_line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, b""),
    }
}
