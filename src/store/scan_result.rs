//! What a scan found out about files, recorded in batches.

use std::{ffi::OsString, path::PathBuf};

use jiff::Timestamp;

use super::{DescriptionSource, FileStat, Result, Store, apply_scan::Recording};
use crate::model::{
    ids::{FileId, RootId},
    order_key::OrderKey,
};

/// What becomes of a file that is new or has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileDecision {
    /// It may still be written to.
    Settle {
        /// When to look again.
        due_at: Timestamp,
        /// How long it must stand still, milliseconds.
        settle_ms: u64,
    },
    /// It is to be claimed.
    Queue {
        /// The title of its album; none is the library alone.
        album: Option<String>,
        /// Its place there.
        key: OrderKey,
        /// Whether its upload takes so long that no batch waits for it.
        large: bool,
        /// Whether it appeared after its folder's first full scan.
        fresh: bool,
    },
    /// It does not go up.
    Refuse {
        /// A word for the rule, `other_kind` among them.
        kind: &'static str,
        /// The rule in words.
        reason: String,
    },
    /// It was changed, and the folder says that edits do not go up: only its size and time are kept.
    KeepAsIs,
}

/// One thing that a scan found out.
#[derive(Debug, Clone)]
pub enum Change {
    /// A file that no row knows.
    Found {
        /// Its root.
        root: RootId,
        /// Its directory, relative to the root.
        dir: PathBuf,
        /// Its name there.
        name: OsString,
        /// What it looks like.
        stat: FileStat,
        /// What becomes of it.
        decision: FileDecision,
    },
    /// A known file that looks different now, or whose time to settle is over.
    Modified {
        /// Which.
        file: FileId,
        /// What it looks like.
        stat: FileStat,
        /// What becomes of it.
        decision: FileDecision,
    },
    /// A known file that was not there.
    Missing {
        /// Which.
        file: FileId,
        /// Whether an earlier scan missed it too, so that it is gone.
        confirmed: bool,
    },
    /// A known file that does not belong to its folder any more, whether it is there or not: nobody
    /// deleted it.
    Excluded(FileId),
    /// A file that was missed is there again, unchanged.
    Reappeared(FileId),
    /// A directory is, or is not, the top of another file system than the one above it.
    Mount {
        /// Its root.
        root: RootId,
        /// The directory, relative to the root.
        dir: PathBuf,
        /// Whether it is.
        is_mount: bool,
    },
    /// The sidecars of a known file are others than before.
    Described {
        /// Which.
        file: FileId,
        /// What was found of a person's words.
        words: DescriptionSource,
    },
}

impl Store {
    /// Records what a scan found out, in one transaction.
    pub async fn record(&self, changes: Vec<Change>, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            let mut recording = Recording::of_scan(db, now)?;
            changes
                .into_iter()
                .try_for_each(|change| recording.apply(change))
        })
        .await
    }
}
