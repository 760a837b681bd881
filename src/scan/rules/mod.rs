//! Which files of a folder are to be taken: junk list, `include`, `exclude`, type by name.
//!
//! Compiled once for a folder, asked for every entry of a scan and by `explain`, which is why each
//! answer names its rule. Rules are asked in this order: junk, `exclude`, `include`, type. What
//! stands in a folder that is junk or excluded is not taken either; nothing brings it back.
//!
//! Patterns are globs relative to the folder's root, and `*` stops at `/`. Without a `/` a pattern
//! is for names in any depth (`*.mov`), with one it counts from the root (`2024/raw`). `/` at the end
//! is for folders only. A pattern that meets a folder is for all that is below it, too. Upper and
//! lower case are the same: cameras write `.JPG`, people write `*.jpg`.
//!
//! Hidden folders are junk, hidden files are judged like others: programs keep thumbnails, trash
//! and caches in hidden folders, while a hidden file with a photo's name is a photo that somebody
//! named so. Who wants the photos of a hidden folder makes it a folder of the configuration: rules
//! never look at the root's own name.

use std::{ffi::OsStr, fmt, path::Path};

use crate::config::{Globs, PatternError};
use crate::media::file_type;

mod junk;

use junk::Sort;

/// The rules of one folder.
#[derive(Debug, Clone)]
pub struct Rules {
    include: Globs,
    exclude: Globs,
}

/// What the rules say about one entry, and which of them says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is to be taken; a folder is to be looked into.
    Take,
    /// It is, or is in something, on the built-in junk list.
    Junk {
        /// The line of the list.
        pattern: &'static str,
        /// Who makes such files.
        whose: &'static str,
    },
    /// A pattern of `exclude` meets it, or a folder that it is in.
    Excluded {
        /// The pattern as it was written.
        glob: &'a str,
    },
    /// There are patterns in `include`, and none of them meets it.
    NotIncluded,
    /// By its name it is no photo or video that the service takes.
    OtherKind,
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Take => f.write_str("it is to be taken"),
            Self::Junk { pattern, whose } => {
                write!(f, "`{pattern}` is on the built-in junk list: {whose}")
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
    /// Compiles the patterns of a folder; the built-in junk list is always part of the rules.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        Ok(Self {
            include: Globs::new("include", include)?,
            exclude: Globs::new("exclude", exclude)?,
        })
    }

    /// What becomes of `relative`, a path below the folder's root, with all folders that it is in.
    pub fn verdict(&self, relative: &Path, is_dir: bool) -> Verdict<'_> {
        let mut folders: Vec<&Path> = relative.ancestors().collect();
        // The last ancestor is the root itself, on which no rule has a say.
        folders.pop();
        while let Some(path) = folders.pop() {
            let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            let verdict = self.entry(dir, name, is_dir || !folders.is_empty());
            if verdict != Verdict::Take {
                return verdict;
            }
        }
        Verdict::Take
    }

    /// What becomes of the entry `name` of the folder `dir` (relative to the root; empty for the
    /// root), when `dir` itself is known to be taken.
    pub fn entry(&self, dir: &Path, name: &OsStr, is_dir: bool) -> Verdict<'_> {
        let sort = if is_dir { Sort::Dir } else { Sort::File };
        if let Some(junk) = junk::find(name.as_encoded_bytes(), sort) {
            return Verdict::Junk {
                pattern: junk.pattern,
                whose: junk.whose,
            };
        }
        if let Some(glob) = self.exclude.find(dir, name, is_dir) {
            return Verdict::Excluded { glob };
        }
        if is_dir {
            // Whether anything below is included is not known before its names are.
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

#[cfg(test)]
mod tests;
