//! The second look at files that were too young at the first: have they stopped changing?

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    folder::{Candidate, Folder, settle_time},
    walk::{Look, is_not_found},
};
use crate::{
    clock,
    config::Config,
    escape::Escaped,
    model::ids::RootId,
    store::{self, Change, FileDecision, Reader, Settling},
};

/// Files of one pass: even if their heads are read, it takes well under a second on a warm disk.
const BATCH: usize = 256;

/// A file that could not be looked at is looked at again after this time.
const RETRY: Duration = Duration::from_mins(1);

/// A file settles for at most this long (the design, Upload: "up to 1 h"). A later time in the store means that
/// the clock was set back.
const MAX_SETTLE: Duration = Duration::from_hours(1);

/// The result of a pass.
#[derive(Debug, Default)]
pub(super) struct SettleOutcome {
    /// To be recorded.
    pub(super) changes: Vec<Change>,
    /// Whether a folder turned out to be unavailable.
    pub(super) is_unavailable: bool,
    /// When the next file may have settled, before `changes` are recorded; none if no file is settling.
    pub(super) next: Option<Timestamp>,
}

/// Whether a pass is due if the next file settles at `next`.
pub(super) fn is_due(next: Timestamp, config: &Config, now: Timestamp) -> bool {
    next <= now || next > clock::after(now, MAX_SETTLE.max(settle_time(config, 0)))
}

/// Looks at the files of `folders` whose settle time is over. Blocks.
pub(super) fn check_settled(
    reader: &Reader,
    folders: &HashMap<RootId, Arc<Folder>>,
    config: &Config,
    now: Timestamp,
) -> store::Result<SettleOutcome> {
    let roots: Vec<RootId> = folders.keys().copied().collect();
    let mut outcome = SettleOutcome {
        next: reader.next_settled(&roots)?,
        ..SettleOutcome::default()
    };
    let until = match outcome.next {
        Some(next) if is_due(next, config, now) => next.max(now),
        Some(_) | None => return Ok(outcome),
    };
    let mut candidates: HashMap<RootId, Vec<Candidate>> = HashMap::new();
    for Settling { root, dir, file } in reader.settled(&roots, until, BATCH)? {
        let Some(folder) = folders.get(&root) else {
            continue;
        };
        let path = dir.join(&file.name);
        let (id, confirmed) = (file.id, true);
        let gone = Change::Missing {
            file: id,
            confirmed,
        };
        match folder.tree.look(&path) {
            Ok(Look::File(entry)) => {
                let (seen, known) = (&entry.stat, &file.stat);
                let is_same = seen.size == known.size && seen.mtime_ns == known.mtime_ns;
                candidates.entry(root).or_default().push(Candidate {
                    is_new_arrival: file.fresh,
                    row: Some(file),
                    dir,
                    entry,
                    is_stable: Some(is_same),
                });
            }
            // The rules do not take it any more, or it has become something else.
            Ok(Look::Dir | Look::Refused(_) | Look::Nothing) => outcome.changes.push(gone),
            Err(error) if is_not_found(&error) => {
                if folder.unavailable(root, reader)?.is_none() {
                    outcome.changes.push(gone);
                } else {
                    outcome.is_unavailable = true;
                }
            }
            Err(error) => {
                let path = folder.root().join(&path);
                tracing::debug!("cannot look at {}: {error}", Escaped::path(&path));
                let decision = FileDecision::Settle {
                    due_at: clock::after(now, RETRY),
                    settle_ms: file.settle_ms,
                };
                let (file, stat) = (id, file.stat);
                outcome.changes.push(Change::Modified {
                    file,
                    stat,
                    decision,
                });
            }
        }
    }
    for (root, candidates) in candidates {
        if let Some(folder) = folders.get(&root) {
            let decisions = folder.classify_all(&candidates, config, now);
            let changes = candidates.into_iter().zip(decisions);
            let changes =
                changes.map(|(candidate, decision)| candidate.into_change(root, decision));
            outcome.changes.extend(changes);
        }
    }
    Ok(outcome)
}
