//! The patterns of `include` and `exclude`, compiled so that most entries cost one match of the name.
//!
//! Only this file decides what a pattern matches; the scan and the check of `after_upload` use it.

use std::{ffi::OsStr, path::Path};

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` has a pattern that cannot be used, \"{}\": {reason}", glob.escape_debug())]
pub struct PatternError {
    /// The key of the configuration that holds it.
    pub key: &'static str,
    /// The pattern as it was written.
    pub glob: String,
    /// What is wrong with it, in words.
    pub reason: String,
}

/// One list of patterns.
#[derive(Debug, Clone)]
pub struct Globs {
    /// Patterns without a `/`, matched with the name alone.
    names: Set,
    /// Patterns with a `/`, matched with the path from the root.
    paths: Set,
}

#[derive(Debug, Clone)]
struct Set {
    matcher: GlobSet,
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    written: String,
    /// It ended in `/` or `/**`: it matches a folder and everything in it, but no file of that name.
    dirs_only: bool,
}

impl Globs {
    /// Compiles the patterns of the key `key`.
    pub fn new(key: &'static str, globs: &[String]) -> Result<Self, PatternError> {
        let mut names = (GlobSetBuilder::new(), Vec::new());
        let mut paths = (GlobSetBuilder::new(), Vec::new());
        let error = |glob: &str, reason: String| PatternError {
            key,
            glob: glob.to_owned(),
            reason,
        };
        for written in globs {
            let (text, from_root, dirs_only) = parts(written);
            if text.is_empty() {
                return Err(error(written, "it names nothing".to_owned()));
            }
            let glob = GlobBuilder::new(text)
                .literal_separator(true)
                .case_insensitive(true)
                .build()
                .map_err(|e| error(written, e.kind().to_string()))?;
            let (builder, patterns) = if from_root { &mut paths } else { &mut names };
            builder.add(glob);
            patterns.push(Pattern {
                written: written.clone(),
                dirs_only,
            });
        }
        let set = |(builder, patterns): (GlobSetBuilder, Vec<Pattern>)| {
            let matcher = builder
                .build()
                .map_err(|e| error(e.glob().unwrap_or_default(), e.kind().to_string()))?;
            Ok(Set { matcher, patterns })
        };
        Ok(Self {
            names: set(names)?,
            paths: set(paths)?,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.patterns.is_empty() && self.paths.patterns.is_empty()
    }

    /// The first pattern that matches the entry `name` of `dir`, as it was written.
    pub fn find(&self, dir: &Path, name: &OsStr, is_dir: bool) -> Option<&str> {
        self.names.find(Path::new(name), is_dir).or_else(|| {
            // The path is built only when there is a pattern that needs it.
            if self.paths.patterns.is_empty() {
                None
            } else {
                self.paths.find(&dir.join(name), is_dir)
            }
        })
    }
}

impl Set {
    fn find(&self, path: &Path, is_dir: bool) -> Option<&str> {
        if self.patterns.is_empty() {
            return None;
        }
        let candidate = Candidate::new(path);
        if !self.matcher.is_match_candidate(&candidate) {
            return None;
        }
        self.matcher
            .matches_candidate(&candidate)
            .into_iter()
            .filter_map(|index| self.patterns.get(index))
            .find(|pattern| is_dir || !pattern.dirs_only)
            .map(|pattern| pattern.written.as_str())
    }
}

/// The glob of a pattern, whether it is relative to the root, and whether it is for folders only.
fn parts(written: &str) -> (&str, bool, bool) {
    let text = written.strip_prefix("./").unwrap_or(written);
    let (text, mut dirs_only) = match text.strip_suffix('/') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let from_root = text.contains('/');
    let mut text = text.strip_prefix('/').unwrap_or(text);
    // "X/**" matches everything below X, so X need not be scanned.
    while let Some(folder) = text.strip_suffix("/**") {
        text = folder;
        dirs_only = true;
    }
    (text, from_root, dirs_only)
}
