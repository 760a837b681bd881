//! Reading one directory of a walk.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirEntry},
    io,
    path::Path,
};

use super::{Entry, Listing, PassedOver, Pending, Walk, dev_of};
use crate::{media::description::beside, scan::rules::Verdict};

impl Iterator for Walk<'_> {
    type Item = Listing;

    fn next(&mut self) -> Option<Listing> {
        let Pending { dir, linked, above } = self.pending.pop()?;
        let path = self.tree.root.join(&dir);
        self.dev = dev_of(&path).ok();
        let mut listing = Listing {
            dir,
            is_mount: self.dev.zip(above).is_some_and(|(dev, above)| dev != above),
            sidecars: self.tree.sidecars.then(Vec::new),
            ..Listing::default()
        };
        match fs::read_dir(path) {
            Ok(entries) => {
                for entry in entries {
                    match entry {
                        Ok(entry) => self.take_in(&entry, linked, &mut listing),
                        Err(error) => {
                            listing.problem = Some(error);
                            break;
                        }
                    }
                }
            }
            Err(error) => listing.problem = Some(error),
        }
        Some(listing)
    }
}

/// What a symbolic link leads to, if the walk follows it.
enum Target {
    Dir,
    File(fs::Metadata),
}

impl Walk<'_> {
    fn take_in(&mut self, entry: &DirEntry, linked: bool, listing: &mut Listing) {
        let name = entry.file_name();
        let sort = match entry.file_type() {
            Ok(sort) => sort,
            Err(error) => return note(listing, name, error),
        };
        if sort.is_symlink() {
            self.take_in_link(name, linked, listing);
        } else if sort.is_dir() {
            self.take_in_dir(name, linked, listing);
        } else if let Some(sidecars) = &mut listing.sidecars
            && sort.is_file()
            && beside::sort(&name).is_some()
        {
            sidecars.push(name);
        } else if sort.is_file() && self.is_wanted(&name, listing) {
            match entry.metadata() {
                // It may have been replaced since its name was read.
                Ok(meta) if meta.is_file() => listing.files.push(Entry::new(&name, &meta)),
                Ok(_) => {}
                Err(error) => note(listing, name, error),
            }
        }
    }

    fn take_in_dir(&mut self, name: OsString, linked: bool, listing: &mut Listing) {
        if !self.recursive {
            return;
        }
        let verdict = self.tree.rules.entry(&listing.dir, &name, true);
        if !count(&mut listing.passed_over, verdict) {
            return;
        }
        let dir = listing.dir.join(name);
        if self.tree.nested.is_empty() || !self.tree.is_nested(&self.tree.root.join(&dir)) {
            self.pending.push(Pending {
                dir,
                linked,
                above: self.dev,
            });
        }
    }

    fn take_in_link(&mut self, name: OsString, linked: bool, listing: &mut Listing) {
        let Some(real_root) = self.real_root.as_deref() else {
            return;
        };
        let path = self.tree.root.join(&listing.dir).join(&name);
        match self.follow(&path, linked, real_root) {
            Ok(Some(Target::Dir)) => self.take_in_dir(name, true, listing),
            Ok(Some(Target::File(meta))) => {
                if self.is_wanted(&name, listing) {
                    listing.files.push(Entry::new(&name, &meta));
                }
            }
            Ok(None) => {}
            // A link into nowhere is no file, and told like one that vanished: not at all.
            Err(error) => {
                if self.tree.rules.entry(&listing.dir, &name, false) == Verdict::Take {
                    note(listing, name, error);
                }
            }
        }
    }

    /// Where the link at `path` leads, if that is inside the root and no way in circles.
    fn follow(&self, path: &Path, linked: bool, real_root: &Path) -> io::Result<Option<Target>> {
        let target = path.canonicalize()?;
        if !target.starts_with(real_root) || self.tree.is_nested(&target) {
            return Ok(None);
        }
        let meta = fs::metadata(&target)?;
        if meta.is_file() {
            return Ok(Some(Target::File(meta)));
        }
        let above = path.parent().unwrap_or(Path::new("")).canonicalize()?;
        let is_walkable = meta.is_dir() && !linked && !above.starts_with(&target);
        Ok(is_walkable.then_some(Target::Dir))
    }

    /// Whether the rules take the file; counted if not.
    fn is_wanted(&self, name: &OsStr, listing: &mut Listing) -> bool {
        let verdict = self.tree.rules.entry(&listing.dir, name, false);
        count(&mut listing.passed_over, verdict)
    }
}

/// Whether the verdict is to take it; counts it otherwise.
fn count(passed_over: &mut PassedOver, verdict: Verdict<'_>) -> bool {
    let counter = match verdict {
        Verdict::Take => return true,
        Verdict::Junk { .. } => &mut passed_over.junk,
        Verdict::Excluded { .. } => &mut passed_over.excluded,
        Verdict::NotIncluded => &mut passed_over.not_included,
        Verdict::OtherKind => &mut passed_over.other_kind,
    };
    *counter += 1;
    false
}

/// What vanished between two looks was never there; everything else is told.
fn note(listing: &mut Listing, name: OsString, error: io::Error) {
    if error.kind() != io::ErrorKind::NotFound {
        listing.unreadable.push((name, error));
    }
}
