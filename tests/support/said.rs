//! What the program says to a person, with what differs from run to run written the same.

use std::ffi::OsStr;

use super::home::Home;

impl Home {
    /// Standard output of a command that ends with this code: the home is `~`, and ids at the end of
    /// links are `ID`.
    pub(crate) async fn said<S: AsRef<OsStr>>(&self, arguments: &[S], code: i32) -> String {
        let ran = self.run(arguments).await.expect(code);
        self.masked(&ran.stdout)
    }

    /// The same for a text that was said.
    pub(crate) fn masked(&self, text: &str) -> String {
        let home = self.path("");
        let home = home.to_str().unwrap().trim_end_matches('/');
        let real = self.path("").canonicalize().unwrap();
        let text = text.replace(home, "~");
        let text = text.replace(real.to_str().unwrap(), "~");
        without_ids(&text)
    }
}

/// The text with what only the clock knows left out: when something will be, how long it took, and
/// the number of a process.
pub(crate) fn without_times(text: &str) -> String {
    let mut text = text.to_owned();
    for (before, after, said) in [
        ("(until ", ")", "THEN"),
        ("(tried again at ", ")", "THEN"),
        ("is tried again at ", ".\n", "THEN"),
        ("done in about ", "\n", "SOME TIME"),
        ("(process ", "\n", "1) since THEN"),
        ("went up in ", ".\n", "SOME TIME"),
        ("the sign-in of ", " has expired", "SOME TIME ago"),
        ("it was changed (", ")", "THEN"),
        ("no longer there (", ")", "THEN"),
    ] {
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((head, tail)) = rest.split_once(before) {
            let cut = tail.find(after).unwrap_or(tail.len());
            out.extend([head, before, said]);
            rest = &tail[cut..];
        }
        text = out + rest;
    }
    text
}

/// Ids of the service have 100 characters; nothing else that is said has so long a word.
fn without_ids(text: &str) -> String {
    let is_of_id = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_of_id) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|c| !is_of_id(c)).unwrap_or(word.len()));
        out += before;
        out += if word.len() == 100 { "ID" } else { word };
        rest = after;
    }
    out + rest
}
