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
