//! Which files of a folder are uploaded: built-in excludes, `exclude`, `include`, type by name.
//!
//! Compiled once for a folder. Every answer names the rule that decided, because `explain` prints it.
//! The order is: built-in excludes, `exclude`, type, `include`. Nothing inside an excluded folder is uploaded;
//! no pattern can bring it back.
//!
//! Patterns are globs relative to the folder's root, and `*` stops at `/`. A pattern without a `/` matches
//! names at any depth (`*.mov`), one with a `/` counts from the root (`2024/raw`). A `/` at the end matches
//! folders only. A pattern that matches a folder also covers everything below it. Case is ignored: cameras
//! write `.JPG`, people write `*.jpg`.
//!
//! Hidden folders are excluded, because programs keep thumbnails, trash and caches in them. A hidden file is
//! treated like any other. To upload the photos of a hidden folder, make it a folder of the configuration: the
//! rules never look at the root's own name.

use std::{ffi::OsStr, fmt, path::Path, sync::LazyLock};

use crate::{
    config::{Globs, PatternError},
    media::file_type,
};

/// The rules of one folder.
#[derive(Debug, Clone)]
pub struct Rules {
    include: Globs,
    exclude: Globs,
}

/// What the rules say about a file or folder, and which rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// A file is uploaded, a folder is searched.
    Take,
    /// A built-in exclude matches it or a folder above it.
    Junk {
        /// The pattern.
        pattern: &'static str,
        /// Who makes such files.
        origin: &'static str,
    },
    /// A pattern of `exclude` matches it or a folder above it.
    Excluded {
        /// The pattern as it was written.
        glob: &'a str,
    },
    /// There are patterns in `include`, and none of them matches it.
    NotIncluded,
    /// Its name is not that of a photo or video that the service accepts.
    OtherKind,
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Take => f.write_str("it is to be taken"),
            Self::Junk { pattern, origin } => {
                write!(f, "`{pattern}` is on the built-in junk list: {origin}")
            }
            Self::Excluded { glob } => write!(f, "`exclude` names it: \"{}\"", glob.escape_debug()),
            Self::NotIncluded => f.write_str("no pattern of `include` names it"),
            Self::OtherKind => {
                f.write_str("its name is not that of a type that Google Photos takes")
            }
        }
    }
}

impl Rules {
    /// Compiles the patterns of a folder.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        Ok(Self {
            include: Globs::new("include", include)?,
            exclude: Globs::new("exclude", exclude)?,
        })
    }

    /// Checks `relative`, a path below the folder's root, and all folders above it.
    pub fn check_path(&self, relative: &Path, is_dir: bool) -> Verdict<'_> {
        let mut folders: Vec<&Path> = relative.ancestors().collect();
        // The last ancestor is the root itself, to which no rule applies.
        folders.pop();
        while let Some(path) = folders.pop() {
            let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            let verdict = self.check_entry(dir, name, is_dir || !folders.is_empty());
            if verdict != Verdict::Take {
                return verdict;
            }
        }
        Verdict::Take
    }

    /// Checks the entry `name` of the folder `dir` (relative to the root; empty for the root), which itself
    /// has passed.
    pub fn check_entry(&self, dir: &Path, name: &OsStr, is_dir: bool) -> Verdict<'_> {
        if let Some((pattern, origin)) = default_exclude(name, is_dir) {
            return Verdict::Junk { pattern, origin };
        }
        if let Some(glob) = self.exclude.find(dir, name, is_dir) {
            return Verdict::Excluded { glob };
        }
        if is_dir {
            // `include` may match something below it.
            return Verdict::Take;
        }
        if file_type::by_name(name).is_none() {
            return Verdict::OtherKind;
        }
        if self.include.is_empty() || self.is_included(dir, name) {
            Verdict::Take
        } else {
            Verdict::NotIncluded
        }
    }

    fn is_included(&self, dir: &Path, name: &OsStr) -> bool {
        self.include.find(dir, name, false).is_some()
            || dir.ancestors().any(|folder| {
                let above = folder.parent().unwrap_or(Path::new(""));
                folder
                    .file_name()
                    .is_some_and(|name| self.include.find(above, name, true).is_some())
            })
    }
}

/// The built-in excludes for files or for folders.
struct DefaultExcludes {
    globs: Globs,
    /// Patterns with their origins.
    lines: Vec<(&'static str, &'static str)>,
}

/// The first built-in exclude that matches `name`: its pattern and its origin.
fn default_exclude(name: &OsStr, is_dir: bool) -> Option<(&'static str, &'static str)> {
    static FILES: LazyLock<Option<DefaultExcludes>> = LazyLock::new(|| DefaultExcludes::of("file"));
    static DIRS: LazyLock<Option<DefaultExcludes>> = LazyLock::new(|| DefaultExcludes::of("dir"));
    let excludes = if is_dir { &DIRS } else { &FILES }.as_ref()?;
    let pattern = excludes.globs.find(Path::new(""), name, is_dir)?;
    let mut lines = excludes.lines.iter();
    lines.find(|(known, _)| *known == pattern).copied()
}

impl DefaultExcludes {
    /// Those of the list whose first word is `kind`. The list compiles: a test looks each of its lines up.
    fn of(kind: &str) -> Option<Self> {
        let lines: Vec<_> = include_str!("default_excludes.txt")
            .lines()
            .filter_map(|line| line.strip_prefix(kind)?.trim_start().split_once("  "))
            .map(|(pattern, origin)| (pattern, origin.trim_start()))
            .collect();
        let patterns: Vec<String> = lines.iter().map(|line| line.0.to_owned()).collect();
        let globs = Globs::new("default_excludes", &patterns).ok()?;
        Some(Self { globs, lines })
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
