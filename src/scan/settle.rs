//! The second look at files that were still young at the first: have they stood still?

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    fate::{self, Candidate, Seen, Terms},
    place::Place,
    walk::{Entry, Look},
};
use crate::{
    clock,
    escape::Escaped,
    model::ids::RootId,
    store::{self, Change, Fate, Reader, Settling},
};

/// Files of one look: with the heads that may have to be read, well under a second on a warm disk.
const AT_ONCE: usize = 256;

/// After so long a file that the disk would not tell about is looked at again.
const UNREADABLE_AGAIN: Duration = Duration::from_mins(1);

/// A file waits at most so long to settle (the design, Upload: "up to 1 h"). A later time in the
/// store is of a clock that was set back since.
const LONGEST: Duration = Duration::from_hours(1);

/// What came of a look.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// To be recorded.
    pub(super) changes: Vec<Change>,
    /// Roots that turned out to be away.
    pub(super) away: Vec<RootId>,
    /// When the next file may have settled, seen before `changes` are recorded; none if nothing
    /// settles.
    pub(super) next: Option<Timestamp>,
}

/// Whether a look is due where the next file settles at `next`.
pub(super) fn is_due(next: Timestamp, terms: Terms, now: Timestamp) -> bool {
    next <= now || next > clock::after(now, LONGEST.max(terms.settle))
}

/// Looks at the files of `places` whose time is over. Blocks.
pub(super) fn look(
    reader: &Reader,
    places: &HashMap<RootId, Arc<Place>>,
    terms: Terms,
    now: Timestamp,
) -> store::Result<Looked> {
    let roots: Vec<RootId> = places.keys().copied().collect();
    let mut looked = Looked {
        next: reader.next_settled(&roots)?,
        ..Looked::default()
    };
    let until = match looked.next {
        Some(next) if is_due(next, terms, now) => next.max(now),
        Some(_) | None => return Ok(looked),
    };
    let mut candidates: HashMap<RootId, Vec<(Settling, Candidate)>> = HashMap::new();
    for settling in reader.settled(&roots, until, AT_ONCE)? {
        let Some(place) = places.get(&settling.root) else {
            continue;
        };
        let relative = settling.dir.join(&settling.file.name);
        match place.tree.look(&relative) {
            Ok(Look::File(entry)) => {
                let candidate = candidate(&settling, entry);
                let of_root = candidates.entry(settling.root).or_default();
                of_root.push((settling, candidate));
            }
            // Its folder's rules do not take it any more, or it became something else.
            Ok(Look::Dir | Look::Refused(_) | Look::Nothing) => {
                looked.changes.push(gone(&settling));
            }
            Err(error) if fate::is_gone(&error) => {
                if place.away(settling.root, reader)?.is_none() {
                    looked.changes.push(gone(&settling));
                } else if !looked.away.contains(&settling.root) {
                    looked.away.push(settling.root);
                }
            }
            Err(error) => {
                let path = place.root().join(&relative);
                tracing::debug!("cannot look at {}: {error}", Escaped::path(&path));
                looked.changes.push(later(&settling, now));
            }
        }
    }
    for (root, candidates) in candidates {
        let (settling, candidates): (Vec<_>, Vec<_>) = candidates.into_iter().unzip();
        if let Some(place) = places.get(&root) {
            let fates = fate::fates(place, terms, &candidates, now);
            let with_fates = settling.iter().zip(&candidates).zip(fates);
            looked
                .changes
                .extend(with_fates.map(|((settling, candidate), fate)| {
                    let stat = fate::stat(&candidate.entry);
                    let file = settling.file.id;
                    Change::Altered { file, stat, fate }
                }));
        }
    }
    Ok(looked)
}

fn candidate(settling: &Settling, entry: Entry) -> Candidate {
    let known = &settling.file.stat;
    let is_still = entry.size == known.size && entry.mtime_ns == known.mtime_ns;
    Candidate {
        dir: settling.dir.clone(),
        seen: if is_still { Seen::Still } else { Seen::Moving },
        entry,
        settle_ms: settling.file.settle_ms,
        is_fresh: settling.file.fresh,
    }
}

fn gone(settling: &Settling) -> Change {
    Change::Missed {
        file: settling.file.id,
        finally: true,
    }
}

fn later(settling: &Settling, now: Timestamp) -> Change {
    Change::Altered {
        file: settling.file.id,
        stat: settling.file.stat,
        fate: Fate::Settle {
            due_at: clock::after(now, UNREADABLE_AGAIN),
            settle_ms: settling.file.settle_ms,
        },
    }
}
