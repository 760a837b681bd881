//! The printed result of a rebuild.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use super::matching::Unsure;
use crate::{escape::Escaped, status::format};

/// The most entries that are printed for each reason.
const PRINTED_MAX: usize = 20;

/// A count, and the first entries.
#[derive(Debug)]
struct Entries<T> {
    n: u64,
    first: Vec<T>,
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self {
            n: 0,
            first: Vec::new(),
        }
    }
}

impl<T> Entries<T> {
    fn add(&mut self, one: impl FnOnce() -> T) {
        self.n += 1;
        if self.first.len() < PRINTED_MAX {
            self.first.push(one());
        }
    }
}

/// The result of a rebuild.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// A dry run: nothing was written.
    pub(super) is_dry: bool,
    /// The number of media items; none if the list was not read to its end.
    pub(super) items: Option<u64>,
    /// The number of files that had an item before.
    pub(super) known: u64,
    /// The number of matched files.
    pub(super) matched: u64,
    unmatched: BTreeMap<Unsure, Entries<PathBuf>>,
    orphans: Entries<String>,
    albums: Entries<String>,
    doubles: Entries<String>,
    problems: Entries<String>,
    left: Entries<PathBuf>,
    /// Why it ended early.
    pub(super) stopped: Option<String>,
}

impl Report {
    /// An empty report.
    pub(super) fn new(is_dry: bool) -> Self {
        Self {
            is_dry,
            ..Self::default()
        }
    }

    /// Adds a matched file that was not recorded: it changed, cannot be read, or is queued already.
    pub(super) fn left(&mut self, path: impl FnOnce() -> PathBuf) {
        self.left.add(path);
    }

    /// Adds a file without a match.
    pub(super) fn unmatched(&mut self, why: Unsure, path: impl FnOnce() -> PathBuf) {
        self.unmatched.entry(why).or_default().add(path);
    }

    /// Adds a media item without a file.
    pub(super) fn orphan(&mut self, name: &str) {
        self.orphans.add(|| name.to_owned());
    }

    /// Adds an album that got its row.
    pub(super) fn album(&mut self, title: String) {
        self.albums.add(|| title);
    }

    /// Adds an album whose title another one has already.
    pub(super) fn double(&mut self, title: &str) {
        self.doubles.add(|| title.to_owned());
    }

    /// Adds what could not be read.
    pub(super) fn problem(&mut self, words: String) {
        self.problems.add(|| words);
    }

    /// The printed text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let (was, were, left) = if self.is_dry {
            ("would be", "would be", "would go up again")
        } else {
            ("was", "were", "go up again")
        };
        if let Some(items) = self.items {
            let items = format::count(items, "media item", "media items");
            let _ = writeln!(text, "Google Photos has {items} from this client.");
            let verb = if self.matched == 1 { was } else { were };
            let _ = writeln!(text, "{} {verb} found again.", format::files(self.matched));
        }
        if self.known > 0 {
            let _ = writeln!(text, "{} had theirs before.", format::files(self.known));
        }
        let albums = format::count(self.albums.n, "album", "albums");
        if self.albums.n > 0 {
            let verb = if self.albums.n == 1 { was } else { were };
            let _ = writeln!(text, "{albums} {verb} taken over:");
            list(&mut text, &self.albums, |it| Escaped::text(it).to_string());
        }
        if self.doubles.n > 0 {
            let _ = writeln!(
                text,
                "Left alone, because another album has the same title:"
            );
            list(&mut text, &self.doubles, |it| Escaped::text(it).to_string());
        }
        for why in Unsure::ALL {
            let Some(files) = self.unmatched.get(&why) else {
                continue;
            };
            let n = format::files(files.n);
            let _ = writeln!(text, "{n} not found again, {}:", why.words());
            list(&mut text, files, |it| Escaped::path(it).to_string());
        }
        if self.left.n > 0 {
            let n = format::files(self.left.n);
            let _ = writeln!(
                text,
                "{n} left as before: changed, unreadable, or queued already:"
            );
            list(&mut text, &self.left, |it| Escaped::path(it).to_string());
        }
        if !self.unmatched.is_empty() {
            let _ = writeln!(
                text,
                "These {left}; Google Photos makes no second item of equal bytes."
            );
        }
        if self.orphans.n > 0 {
            let n = format::count(self.orphans.n, "media item", "media items");
            let _ = writeln!(text, "{n} without a file for certain:");
            list(&mut text, &self.orphans, |it| Escaped::text(it).to_string());
        }
        if self.problems.n > 0 {
            text.push_str("Could not be looked at:\n");
            list(&mut text, &self.problems, |it| {
                Escaped::text(it).to_string()
            });
        }
        if self.is_dry {
            text.push_str("Nothing was written.\n");
        }
        if let Some(why) = &self.stopped {
            let _ = writeln!(text, "Stopped: {why}");
        }
        text
    }
}

fn list<T>(text: &mut String, entries: &Entries<T>, show: impl Fn(&T) -> String) {
    for one in &entries.first {
        let _ = writeln!(text, "  {}", show(one));
    }
    let more = entries.n - entries.first.len() as u64;
    if more > 0 {
        let _ = writeln!(text, "  and {} more", format::number(more));
    }
}
