//! What the service has, as it tells the tests.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The answer of `GET /sandbox/state`.
#[derive(Debug)]
pub(crate) struct Library(pub(crate) Value);

impl Library {
    /// How many media items there are.
    pub(crate) fn n_items(&self) -> usize {
        self.list("items").len()
    }

    /// How often a method was called.
    pub(crate) fn calls(&self, method: &str) -> u64 {
        self.0["calls"][method].as_u64().unwrap_or(0)
    }

    /// How many requests came, other than those for access tokens.
    pub(crate) fn requests(&self) -> u64 {
        let calls = self.0["calls"].as_object().unwrap();
        calls
            .iter()
            .filter(|(method, _)| !method.starts_with("oauth."))
            .filter_map(|(_, n)| n.as_u64())
            .sum()
    }

    /// Bytes of all upload bodies.
    pub(crate) fn bytes_received(&self) -> u64 {
        self.0["bytes_received"].as_u64().unwrap()
    }

    /// The titles of all albums, sorted.
    pub(crate) fn titles(&self) -> Vec<&str> {
        let mut titles: Vec<_> = self
            .list("albums")
            .iter()
            .map(|album| text(&album["title"]))
            .collect();
        titles.sort_unstable();
        titles
    }

    /// File names of the items of an album, in order; none if there is no such album.
    pub(crate) fn names_in(&self, title: &str) -> Vec<&str> {
        let albums = self.list("albums");
        let Some(album) = albums.iter().find(|album| album["title"] == title) else {
            return Vec::new();
        };
        let ids = album["items"].as_array().unwrap();
        ids.iter()
            .map(|id| text(&self.item(id)["filename"]))
            .collect()
    }

    /// File names of all items, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .list("items")
            .iter()
            .map(|item| text(&item["filename"]))
            .collect();
        names.sort_unstable();
        names
    }

    /// The names of the rules that were broken, with what happened.
    pub(crate) fn broken_rules(&self) -> Vec<String> {
        self.list("broken_rules")
            .iter()
            .map(|broken| format!("{}: {}", text(&broken["rule"]), text(&broken["detail"])))
            .collect()
    }

    /// Fails unless the service has the bytes of these files and no others, each once; equal files
    /// are one.
    #[track_caller]
    pub(crate) fn has_exactly(&self, files: &[PathBuf]) {
        let mut there: BTreeMap<&str, usize> = BTreeMap::new();
        for item in self.list("items") {
            *there.entry(text(&item["sha256"])).or_default() += 1;
        }
        let wanted: BTreeMap<String, &Path> = files
            .iter()
            .map(|file| (sha256(&fs::read(file).unwrap()), file.as_path()))
            .collect();
        for (hash, file) in &wanted {
            let n = there.remove(hash.as_str()).unwrap_or(0);
            assert_eq!(n, 1, "media items of {}\n{self:#?}", file.display());
        }
        assert!(there.is_empty(), "nobody wanted {there:?}\n{self:#?}");
    }

    /// Whether any item has these bytes.
    pub(crate) fn has_bytes(&self, bytes: &[u8]) -> bool {
        let hash = sha256(bytes);
        self.list("items").iter().any(|item| item["sha256"] == hash)
    }

    fn item(&self, id: &Value) -> &Value {
        let items = self.list("items");
        items.iter().find(|item| item["id"] == *id).unwrap()
    }

    fn list(&self, name: &str) -> &Vec<Value> {
        self.0[name].as_array().unwrap()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
