//! What has a row and was not come upon: gone, left out, or only not to be seen.
//!
//! A file counts as gone only if the disk says that there is nothing of its name. What is there and
//! does not belong to the folder any more (a pattern of `exclude` came, a nested folder, a link that is
//! not followed now) was deleted by nobody: its row is let go, and its photo stays in its albums.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::Comparing;
use crate::{
    model::ids::FileId,
    scan::{fate, place::Part, walk::Look},
    store::{self, Change, FileState, KnownFile},
};

/// A known file that was not come upon.
#[derive(Debug)]
pub(super) struct Missing {
    file: FileId,
    /// An earlier scan did not come upon it either.
    again: bool,
    /// Something of its name is there all the same.
    left_out: bool,
    /// Where only some names of a directory were looked at: its own, or that of the directory below
    /// which it was.
    name: Option<OsString>,
}

impl Comparing<'_> {
    /// A file that has a row and is not there, or not to be taken any more.
    pub(super) fn not_there(&mut self, dir: &Path, row: &KnownFile) {
        let tree = &self.order.place.tree;
        let path = dir.join(&row.name);
        let is_taken = tree.takes(&path);
        match row.state {
            FileState::Settling | FileState::Claimed | FileState::Gone => return,
            // No second scan is needed to know the rules.
            FileState::Queued if !is_taken => return self.left_out(row.id),
            FileState::Held | FileState::Queued | FileState::Refused => {}
        }
        if !self.order.tells_missing {
            return;
        }
        if !is_taken || self.is_hidden(dir) {
            return self.left_out(row.id);
        }
        let left_out = match tree.look(&path) {
            Err(error) if fate::is_gone(&error) => false,
            Ok(Look::Dir | Look::Refused(_) | Look::Nothing) => true,
            // It has come meanwhile, or nobody can say.
            Ok(Look::File(_)) | Err(_) => return,
        };
        self.missing.push(Missing {
            file: row.id,
            again: row.missed > 0,
            left_out,
            name: self.asked_name(&path),
        });
    }

    /// The name that was asked for, where names were, and that led to this path.
    fn asked_name(&self, path: &Path) -> Option<OsString> {
        let Part::Files { dir, .. } = &self.order.part else {
            return None;
        };
        let below = path.strip_prefix(dir).ok()?;
        Some(below.components().next()?.as_os_str().to_owned())
    }

    fn left_out(&mut self, file: FileId) {
        self.outcome.left_out += 1;
        self.send(Change::LeftOut(file));
    }

    /// What was known below the part that was scanned and was not come upon; and only now, whether
    /// any of what was not there is told at all.
    pub(super) fn absent(&mut self) -> store::Result<()> {
        if self.is_over() {
            return Ok(());
        }
        match &self.order.part {
            Part::Whole => self.absent_below(Path::new(""))?,
            Part::Below(dir) => self.absent_below(dir)?,
            Part::Only(_) => {}
            // What is not there any more under one of the names may have been a directory.
            Part::Files { dir, .. } => {
                for name in std::mem::take(&mut self.nothing_there) {
                    self.absent_below(&dir.join(name))?;
                }
            }
        }
        if self.missing.is_empty() {
            return Ok(());
        }
        self.outcome.away = self.order.place.away(self.order.root, &self.reader)?;
        if self.outcome.away.is_some() {
            return Ok(());
        }
        if self.mounts_have_changed()? {
            self.outcome.mounts_changed = true;
            return Ok(());
        }
        for missing in std::mem::take(&mut self.missing) {
            let Missing {
                file,
                again,
                left_out,
                name,
            } = missing;
            if !again {
                self.outcome.wants_second = true;
                self.outcome.second.extend(name);
            }
            if again && left_out {
                self.left_out(file);
            } else {
                self.outcome.missing += 1;
                let finally = again;
                self.send(Change::Missed { file, finally });
            }
        }
        Ok(())
    }

    fn absent_below(&mut self, top: &Path) -> store::Result<()> {
        self.visited.sort_unstable();
        let mut vanished = Vec::new();
        self.reader.each_dir(self.order.root, top, |id, path| {
            let is_unread = |dir: &PathBuf| path.starts_with(dir);
            if self.visited.binary_search(&id).is_err() && !self.unreadable.iter().any(is_unread) {
                vanished.push((id, path));
            }
            Ok(())
        })?;
        for (id, dir) in vanished {
            for row in self.reader.known_in(id)? {
                self.not_there(&dir, &row);
            }
        }
        Ok(())
    }
}
