//! Where the places stand in this run: which are scanned, which may be claimed from, which are away.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::place::{Away, Part, Place};
use crate::{model::ids::RootId, store::RootRow};

/// A place that is part of this run.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) place: Arc<Place>,
    pub(super) root: RootId,
    /// Whether it was scanned whole, in this run or an earlier one: what is new now is fresh.
    pub(super) is_scanned: bool,
    /// Whether what is queued was decided under another rule.
    pub(super) requeue: bool,
    /// Whether files may be claimed.
    pub(super) is_open: bool,
    pub(super) away: Option<Away>,
    /// Directories, relative to the root, on which something was mounted that is not.
    pub(super) without_disk: Vec<PathBuf>,
    /// Which directory the root was when it was last looked at: its file system, and its number there.
    pub(super) identity: Option<(u64, u64)>,
    /// What is to be scanned before it is opened.
    pub(super) first: Vec<Part>,
    /// Held until it is opened or found away.
    pub(super) counted: Option<Counted>,
}

impl Standing {
    pub(super) fn new(place: Arc<Place>, row: &RootRow, counted: Option<Counted>) -> Self {
        Self {
            place,
            root: row.id,
            is_scanned: row.scanned_at.is_some(),
            requeue: row.rule_changed,
            is_open: false,
            away: None,
            without_disk: Vec::new(),
            identity: None,
            first: Vec::new(),
            counted,
        }
    }
}

/// One place in [`crate::context::Context::scanning`], for as long as this lives.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn new(scanning: &Arc<AtomicUsize>) -> Self {
        scanning.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(scanning))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// All standings, by the number of the place.
pub(super) type Standings = HashMap<usize, Standing>;
