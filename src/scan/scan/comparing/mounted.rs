//! What a scan finds out about disks that are mounted inside of a folder.

use std::path::Path;

use super::Comparing;
use crate::store::{self, Change};

impl Comparing<'_> {
    /// Finds out which mounts are not there: nothing is new, changed or gone on them.
    pub(super) fn look_at_mounts(&mut self) -> store::Result<()> {
        let root = self.order.root;
        self.mounts = self.order.place.mounts(root, &self.reader)?;
        self.unreadable.extend(self.mounts.away.iter().cloned());
        for dir in self.mounts.plain.clone() {
            self.send(Change::Mount {
                root,
                dir,
                is_mount: false,
            });
        }
        Ok(())
    }

    /// The directory that is read is the top of another file system.
    pub(super) fn is_mount(&mut self, dir: &Path) {
        let is_known = self.mounts.there.iter().any(|known| known == dir);
        if is_known || !self.order.place.is_configured {
            return;
        }
        self.new_mounts.push(dir.to_owned());
        self.send(Change::Mount {
            root: self.order.root,
            dir: dir.to_owned(),
            is_mount: true,
        });
    }

    /// Whether something was mounted on the directory, or above it, that is not there.
    pub(super) fn is_away(&self, dir: &Path) -> bool {
        self.mounts.away.iter().any(|away| dir.starts_with(away))
    }

    /// Whether what was known in the directory may only be hidden by what is mounted there now.
    pub(super) fn is_hidden(&self, dir: &Path) -> bool {
        self.new_mounts.iter().any(|top| dir.starts_with(top))
    }

    /// Whether a disk has come or gone since the scan began: then nothing is concluded from what was
    /// not come upon.
    pub(super) fn mounts_have_changed(&self) -> store::Result<bool> {
        let now = self.order.place.mounts(self.order.root, &self.reader)?;
        let was = &self.mounts;
        let is_away_now = |dir| was.there.contains(dir) || self.new_mounts.contains(dir);
        let is_there_now = |dir| was.away.contains(dir);
        Ok(now.away.iter().any(is_away_now) || now.there.iter().any(is_there_now))
    }
}
