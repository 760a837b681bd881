//! Disks that are mounted on directories of a place, and what it means that one is not there.
//!
//! A directory on which something was mounted, and nothing is, does not show what it held: that is as
//! much away as a root that is missing. It is told from one on which nothing is to be mounted any more,
//! because somebody copied the files into the directory itself, by the files: then most are there.

use std::{fs, path::PathBuf};

use super::Place;
use crate::{
    model::ids::RootId,
    scan::rules::Verdict,
    store::{self, Reader},
};

/// So many files of a directory are looked for where something was mounted and nothing is: few enough
/// for each minute, and enough to tell a few that were left there from all.
const SAMPLE: usize = 100;

/// The directories of a place that were the top of another file system when they were last read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::scan) struct Mounts {
    /// Those that are so still.
    pub(in crate::scan) there: Vec<PathBuf>,
    /// Those on which nothing is mounted, and whose files are not there.
    pub(in crate::scan) away: Vec<PathBuf>,
    /// Those on which nothing is mounted, and whose files are there.
    pub(in crate::scan) plain: Vec<PathBuf>,
}

impl Place {
    /// How the mounts that are known stand at this moment; relative to the root, which is the empty
    /// path. A PATH was only lent: it has none.
    pub(in crate::scan) fn mounts(&self, id: RootId, reader: &Reader) -> store::Result<Mounts> {
        let mut mounts = Mounts::default();
        if !self.is_configured {
            return Ok(mounts);
        }
        for dir in reader.mounts_of(id)? {
            if self.tree.rules.verdict(&dir, true) != Verdict::Take
                || self.tree.is_nested(&self.root().join(&dir))
            {
                continue;
            }
            if self.tree.is_mount(&dir).unwrap_or(false) {
                mounts.there.push(dir);
                continue;
            }
            let sample = reader.some_below(id, &dir, SAMPLE)?;
            let is_file = |file: &&PathBuf| {
                let looked = fs::symlink_metadata(self.root().join(file));
                looked.is_ok_and(|meta| meta.is_file())
            };
            let found = sample.iter().filter(is_file).count();
            if found * 2 > sample.len() || sample.is_empty() {
                mounts.plain.push(dir);
            } else {
                mounts.away.push(dir);
            }
        }
        Ok(mounts)
    }
}
