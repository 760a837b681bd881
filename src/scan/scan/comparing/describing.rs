//! Sidecars of files that went up already: where they are not what they were, the words are read anew.
//!
//! Only folders that send descriptions come here, and only when a directory is read as a whole: what
//! the watcher says about a sidecar leads to that.

use std::{path::Path, time::Duration};

use jiff::Timestamp;

use super::Comparing;
use crate::{
    clock,
    media::description::{self, beside::Beside},
    store::{Change, FileState, KnownFile},
};

/// A claimed file is read by its slot, which may have looked for sidecars before this one came. One
/// that is older than this was there when the slot looked; hashing takes no longer for most files.
const CLAIMED_AGO: Duration = Duration::from_mins(5);

impl Comparing<'_> {
    /// Compares the sidecars of a file that has a row and is as it was.
    pub(super) fn sidecars(&mut self, dir: &Path, row: &KnownFile, beside: &Beside) {
        let root = self.order.place.root();
        let in_dir = root.join(dir);
        let (number, youngest) = beside.look(&in_dir, &row.name);
        if row.sidecars == Some(number) {
            return;
        }
        let now = self.order.clock.now();
        let is_younger = |age| youngest.is_some_and(|changed| is_younger(changed, age, now));
        match row.state {
            FileState::Held => {
                // A backfill does not come by again.
                if self.order.tells_missing && is_younger(self.order.terms.settle) {
                    self.look_again(dir);
                    return;
                }
                let words = description::find(&in_dir.join(&row.name), beside).words();
                self.send(Change::Described {
                    file: row.id,
                    words,
                });
            }
            FileState::Claimed if is_younger(CLAIMED_AGO) => self.look_again(dir),
            FileState::Claimed
            | FileState::Settling
            | FileState::Queued
            | FileState::Refused
            | FileState::Gone => {}
        }
    }

    fn look_again(&mut self, dir: &Path) {
        if self.outcome.again.last().is_none_or(|last| last != dir) {
            self.outcome.again.push(dir.to_owned());
        }
    }
}

/// Whether something changed less than `age` ago. A time ahead of us says nothing.
fn is_younger(changed: Timestamp, age: Duration, now: Timestamp) -> bool {
    changed <= now && clock::after(changed, age) > now
}
