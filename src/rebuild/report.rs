//! What a rebuild came to, in words.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use super::matching::Unsure;
use crate::{escape::Escaped, status::format};

/// Files, items or albums that are listed one by one for each reason.
const LISTED: usize = 20;

/// So many, and the first of them.
#[derive(Debug)]
struct Several<T> {
    n: u64,
    first: Vec<T>,
}

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self {
            n: 0,
            first: Vec::new(),
        }
    }
}

impl<T> Several<T> {
    fn add(&mut self, one: impl FnOnce() -> T) {
        self.n += 1;
        if self.first.len() < LISTED {
            self.first.push(one());
        }
    }
}

/// What a rebuild came to.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Whether nothing was written.
    pub(super) is_dry: bool,
    /// Media items of the service; none if it was not asked to the end.
    pub(super) items: Option<u64>,
    /// Files whose media item was known before.
    pub(super) known: u64,
    /// Files that were matched.
    pub(super) matched: u64,
    unmatched: BTreeMap<Unsure, Several<PathBuf>>,
    orphans: Several<String>,
    albums: Several<String>,
    doubles: Several<String>,
    problems: Several<String>,
    left: Several<PathBuf>,
    /// Why it ended before its end.
    pub(super) stopped: Option<String>,
}

impl Report {
    /// A report of nothing yet.
    pub(super) fn new(is_dry: bool) -> Self {
        Self {
            is_dry,
            ..Self::default()
        }
    }

    /// A file that matched and was not recorded: it changed meanwhile, cannot be read, or is on its
    /// way already.
    pub(super) fn left(&mut self, path: impl FnOnce() -> PathBuf) {
        self.left.add(path);
    }

    /// A file that has no sure match.
    pub(super) fn unmatched(&mut self, why: Unsure, path: impl FnOnce() -> PathBuf) {
        self.unmatched.entry(why).or_default().add(path);
    }

    /// A media item that no file is.
    pub(super) fn orphan(&mut self, name: &str) {
        self.orphans.add(|| name.to_owned());
    }

    /// An album that is ours again.
    pub(super) fn album(&mut self, title: String) {
        self.albums.add(|| title);
    }

    /// An album whose title another one has already.
    pub(super) fn double(&mut self, title: &str) {
        self.doubles.add(|| title.to_owned());
    }

    /// What could not be read.
    pub(super) fn problem(&mut self, words: String) {
        self.problems.add(|| words);
    }

    /// Everything, as it is printed.
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
            list(&mut text, &self.albums, |title| {
                Escaped::text(title).to_string()
            });
        }
        if self.doubles.n > 0 {
            let _ = writeln!(
                text,
                "Left alone, because another album has the same title:"
            );
            list(&mut text, &self.doubles, |title| {
                Escaped::text(title).to_string()
            });
        }
        for why in Unsure::ALL {
            let Some(files) = self.unmatched.get(&why) else {
                continue;
            };
            let n = format::files(files.n);
            let _ = writeln!(text, "{n} not found again, {}:", why.words());
            list(&mut text, files, |path: &PathBuf| {
                Escaped::path(path).to_string()
            });
        }
        if self.left.n > 0 {
            let n = format::files(self.left.n);
            let _ = writeln!(
                text,
                "{n} left as before: changed, unreadable, or queued already:"
            );
            list(&mut text, &self.left, |path: &PathBuf| {
                Escaped::path(path).to_string()
            });
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
            list(&mut text, &self.orphans, |name| {
                Escaped::text(name).to_string()
            });
        }
        if self.problems.n > 0 {
            text.push_str("Could not be looked at:\n");
            list(&mut text, &self.problems, |words| {
                Escaped::text(words).to_string()
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

fn list<T>(text: &mut String, several: &Several<T>, show: impl Fn(&T) -> String) {
    for one in &several.first {
        let _ = writeln!(text, "  {}", show(one));
    }
    let more = several.n - several.first.len() as u64;
    if more > 0 {
        let _ = writeln!(text, "  and {} more", format::number(more));
    }
}
