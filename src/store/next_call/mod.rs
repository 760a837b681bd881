//! What the lane shall do next: finds the stretches of every album that has ready items and lets
//! [`crate::model::batch_plan`] decide.
//!
//! - [`ready_tokens`]: living tokens by album.
//! - [`positions`]: where they can stand together, and what is still to come between them.
//! - [`additions`]: what joins a further album without a token.
//! - [`removals`]: what leaves an album.
//! - [`album_overflow`]: an album that is full goes on as "Title (2)".
//! - [`descriptions`]: what is to be told about what is there.
//! - [`earliest_retry`]: what waits because it was refused.
//!
//! Called by the lane after each answer and each bell, so nothing here may walk over what is done,
//! what is in a closed root, or what has failed: `tests::plans` holds the statements against that.

pub(super) mod additions;
pub(super) mod album_overflow;
pub(super) mod descriptions;
mod earliest_retry;
pub(super) mod positions;
pub(super) mod ready_tokens;
pub(super) mod removals;

use crate::store::Reader;
use crate::store::Tx;
use std::time::Duration;

use jiff::Timestamp;

use super::{AlbumTask, Result, Store, albums, membership, pending_removals, upload_queue};
use crate::{
    clock,
    model::{
        batch_plan::{Decision, FlushPolicy, InsertionRun, MAX_BATCH, Position},
        ids::{AlbumId, AlbumRow, ItemId, MediaItemId, UploadToken},
    },
};
use album_overflow::{ALBUM_LIMIT, roll_over, room};
pub use descriptions::Description;
pub use earliest_retry::EarliestRetry;
use ready_tokens::{Group, Ready};

/// What the configuration and the day say about planning.
#[derive(Debug, Clone, Copy)]
pub struct PlanRules {
    /// When a batch leaves that is not full; `backpressure` is found out here.
    pub patience: FlushPolicy,
    /// Uploads stop while so many tokens wait.
    pub ready_tokens: u64,
    /// A larger file is not waited for, bytes.
    pub resumable_above: u64,
    /// Calls that only order asks for, still allowed today. None if no day allows any: then late ones
    /// go to the end, for they would wait for ever.
    pub order_calls_left: Option<u64>,
    /// Whether some folder is still being scanned, so that anything may still join.
    pub scanning: bool,
    /// Whether this turn belongs to the backfill rather than to fresh files.
    pub backfill_turn: bool,
    /// Whether only fresh files may still spend the requests of the day.
    pub fresh_only: bool,
    /// Files that are gone leave their albums after so long without another one going; none if this
    /// process lets none leave.
    pub quiet: Option<Duration>,
}

/// One item of a planned batch.
#[derive(Debug, Clone)]
pub struct BatchItem {
    /// Which.
    pub item: ItemId,
    /// The token of its bytes.
    pub upload_token: UploadToken,
    /// The name under which it appears.
    pub file_name: String,
    /// What a person wrote about it.
    pub description: Option<String>,
}

/// A batch that may leave now.
#[derive(Debug, Clone)]
pub struct PlannedBatch {
    /// To which album.
    pub album: AlbumRow,
    /// Its id; none is the library.
    pub album_id: Option<AlbumId>,
    /// At which place; none is the library.
    pub position: Option<Position>,
    /// What it takes, in order.
    pub items: Vec<BatchItem>,
    /// Whether only the order of the album asks for a call of its own.
    pub for_order: bool,
}

/// Media items that join a further album, or leave one.
#[derive(Debug, Clone)]
pub struct Members {
    /// Which album.
    pub album: AlbumRow,
    /// Its id.
    pub album_id: AlbumId,
    /// What joins or leaves it, in order.
    pub items: Vec<(ItemId, MediaItemId)>,
}

/// A part of the day's requests that is used up until midnight Pacific.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// What order alone may cost: late items wait.
    Order,
    /// What is not kept for fresh files: the backfill waits.
    Reserve,
}

/// What the lane shall do next.
#[derive(Debug, Clone)]
pub enum Planned {
    /// Send this batch.
    Batch(PlannedBatch),
    /// First find out the id of this album.
    Album(AlbumTask),
    /// Put these into a further album.
    Add(Members),
    /// Take these out of an album.
    Remove(Members),
    /// First read how this album stands.
    Read(AlbumRow, AlbumId),
    /// Tell the service this description.
    Describe(Description),
    /// Nothing now.
    Wait {
        /// When something will be due without anything happening; none if nothing will.
        until: Option<Timestamp>,
        /// Which budget of the day something waits for, if it does.
        bound_by: Option<Budget>,
        /// What was refused before and waits, if nothing is expected to join anything meanwhile.
        held: Option<EarliestRetry>,
    },
}

struct Candidate {
    group: usize,
    from: usize,
    n: usize,
    stretch: InsertionRun,
    fresh: bool,
    alone: bool,
}

impl Store {
    /// What the lane shall do next. Tokens that have died are dropped on the way.
    pub async fn plan(&self, rules: PlanRules, now: Timestamp) -> Result<Planned> {
        self.write(move |db| plan(db, rules, ALBUM_LIMIT, now))
            .await
    }

    /// The smallest ready item, by itself: to see whether a full storage has room again.
    pub async fn plan_probe(&self, now: Timestamp) -> Result<Option<PlannedBatch>> {
        self.write(move |db| {
            ready_tokens::drop_dead_tokens(db, now)?;
            let Some((album, item)) = ready_tokens::smallest(db, now)? else {
                return Ok(None);
            };
            let (stretch, items) = positions::of_part(db, album, &[item])?;
            batch(db, album, &stretch, items, false).map(Some)
        })
        .await
    }

    /// How many tokens wait for the lane.
    pub async fn tokens_ready(&self) -> Result<u64> {
        self.write(|db| Ok(ready_tokens::tokens_ready(db)?)).await
    }

    /// What of these still is to leave their album, for a removal that is sent in parts.
    pub async fn plan_removal(
        &self,
        album: AlbumRow,
        items: Vec<ItemId>,
    ) -> Result<Option<Members>> {
        self.write(move |db| removals::part(db, album, &items))
            .await
    }

    /// The place of these items in their album, for a batch that is sent in parts.
    pub async fn plan_part(&self, album: AlbumRow, items: Vec<ItemId>) -> Result<PlannedBatch> {
        self.write(move |db| {
            let (stretch, items) = positions::of_part(db, album, &items)?;
            let for_order = stretch.is_order_only(items.len());
            batch(db, album, &stretch, items, for_order)
        })
        .await
    }
}

/// `album_limit` is how many items an album may hold.
pub(super) fn plan(
    db: &Tx,
    mut rules: PlanRules,
    album_limit: u64,
    now: Timestamp,
) -> Result<Planned> {
    ready_tokens::drop_dead_tokens(db, now)?;
    rules.patience.backpressure = ready_tokens::tokens_ready(db)? >= rules.ready_tokens;
    let mut search = Search {
        rules,
        now,
        roots: upload_queue::open_roots(db)?,
        wake: None,
        held: None,
        bound_by: None,
        best: None,
        appended: false,
    };
    let groups = ready_tokens::groups(db, now)?;
    let mut lists: Vec<Vec<Ready>> = Vec::with_capacity(groups.len());
    for (index, group) in groups.iter().enumerate() {
        lists.push(search.look_at(db, index, group)?);
    }
    if search.appended {
        return plan(db, rules, album_limit, now);
    }
    if let Some(candidate) = search.best.take()
        && let Some(group) = groups.get(candidate.group)
        && let Some(ready) = lists.get_mut(candidate.group)
    {
        if !group.title_ready
            && let Some(task) = albums::task(db, group.album)?
        {
            return Ok(Planned::Album(task));
        }
        if let Some(album_id) = &group.unread {
            return Ok(Planned::Read(group.album, album_id.clone()));
        }
        let room = room(group.album, group.placed, album_limit);
        if room == 0 {
            roll_over(db, group.album)?;
            return plan(db, rules, album_limit, now);
        }
        let n = candidate.n.min(room);
        if let Some(last) = ready.get((candidate.from + n).saturating_sub(1))
            && candidate.stretch.position() == Position::Last
            && let Some(ahead) = additions::ahead_of(db, group.album, last, room, now)?
        {
            return Ok(Planned::Add(ahead));
        }
        let for_order = candidate.stretch.is_order_only(n);
        let items = ready
            .drain(candidate.from..candidate.from + n)
            .map(|ready| ready.item)
            .collect();
        let batch = batch(db, group.album, &candidate.stretch, items, for_order)?;
        return Ok(Planned::Batch(batch));
    }
    if let Some(next) = additions::next(db, album_limit, &mut search)? {
        return Ok(next);
    }
    if let Some((album, album_id)) = membership::in_doubt(db, now)? {
        return Ok(Planned::Read(album, album_id));
    }
    if let Some(quiet) = search.rules.quiet {
        pending_removals::settle(db, quiet, now, &mut search.wake)?;
    }
    if let Some(next) = removals::next(db, now, &mut search.held)? {
        return Ok(next);
    }
    if let Some(next) = descriptions::next(db, &mut search)? {
        return Ok(next);
    }
    if let Some(until) = ready_tokens::next_held_back(db, now)? {
        let reason = "what the service refused before is tried again";
        earliest_retry::hold(&mut search.held, until, reason);
    }
    let held_until = search.held.as_ref().map(|held| held.until);
    Ok(Planned::Wait {
        until: [search.wake, held_until].into_iter().flatten().min(),
        bound_by: search.bound_by,
        held: search.held.filter(|_| search.wake.is_none()),
    })
}

/// One planning under way.
struct Search {
    rules: PlanRules,
    now: Timestamp,
    roots: Vec<upload_queue::OpenRoot>,
    /// When something is due that waits for company, or for another day.
    wake: Option<Timestamp>,
    held: Option<EarliestRetry>,
    bound_by: Option<Budget>,
    best: Option<Candidate>,
    /// Whether late ones were told to go to the end.
    appended: bool,
}

impl Search {
    /// Something is not fresh, and what is left of the day is kept for what is.
    fn waits_for_the_reserve(&mut self) {
        self.bound_by.get_or_insert(Budget::Reserve);
        sooner(&mut self.wake, clock::service_day_ends(self.now));
    }

    /// Looks for a batch of one album that may leave now; gives what is ready there.
    fn look_at(&mut self, db: &Tx, index: usize, group: &Group) -> Result<Vec<Ready>> {
        if group.not_before > self.now {
            earliest_retry::hold_album(db, &mut self.held, group.album, group.not_before)?;
            return Ok(Vec::new());
        }
        let ready = ready_tokens::ready_in(db, group.album, self.now)?;
        let found =
            positions::stretches(db, group.album, &ready, self.rules, &self.roots, self.now)?;
        for place in found {
            let place = if self.rules.fresh_only {
                positions::from_fresh(&ready, place.0, place.1)
            } else {
                Some(place)
            };
            let Some((from, stretch)) = place else {
                self.waits_for_the_reserve();
                continue;
            };
            let alone = ready.get(from).is_some_and(|first| first.alone);
            let decision = if alone {
                Decision::Leave(1)
            } else {
                stretch.decide(self.rules.patience, self.now)
            };
            let n = match decision {
                Decision::Wait(due) => {
                    sooner(&mut self.wake, due);
                    continue;
                }
                Decision::Leave(0) => continue,
                Decision::Leave(n) => n,
            };
            let order_calls_left = self.rules.order_calls_left;
            if stretch.is_order_only(n) && order_calls_left.unwrap_or(0) == 0 {
                if order_calls_left.is_none() {
                    let late = ready.iter().skip(from).take(n);
                    positions::append(db, group.album, late.map(|ready| ready.item.item))?;
                    self.appended = true;
                    continue;
                }
                self.bound_by = Some(Budget::Order);
                sooner(&mut self.wake, clock::service_day_ends(self.now));
                continue;
            }
            let fresh = ready.iter().skip(from).take(n).any(|ready| ready.fresh);
            let candidate = Candidate {
                group: index,
                from,
                n,
                stretch,
                fresh,
                alone,
            };
            if self
                .best
                .as_ref()
                .is_none_or(|best| better(&candidate, best, self.rules))
            {
                self.best = Some(candidate);
            }
        }
        Ok(ready)
    }
}

fn batch(
    db: &Reader,
    album: AlbumRow,
    stretch: &InsertionRun,
    items: Vec<BatchItem>,
    for_order: bool,
) -> Result<PlannedBatch> {
    let album_id: Option<String> = db
        .prepare_cached("SELECT album_id FROM albums WHERE id = ?1")?
        .query_row([album.0], |row| row.get(0))?;
    let position = (album != albums::LIBRARY).then(|| stretch.position());
    Ok(PlannedBatch {
        album,
        album_id: album_id.map(AlbumId::new),
        position,
        items,
        for_order,
    })
}

/// What may be made already and goes alone before all, so that nothing comes between it and its
/// neighbours. Fresh files first, unless it is the backfill's turn; among those full batches; then the fullest
/// where uploads stand still, and otherwise the album that comes first.
fn better(one: &Candidate, other: &Candidate, rules: PlanRules) -> bool {
    let full = |c: &Candidate| c.n >= MAX_BATCH;
    let preferred = |c: &Candidate| c.fresh != rules.backfill_turn;
    let size = |c: &Candidate| if rules.patience.backpressure { c.n } else { 0 };
    let rank = |c: &Candidate| (c.alone, preferred(c), full(c), size(c));
    rank(one) > rank(other)
}

pub(super) fn sooner(wake: &mut Option<Timestamp>, then: Timestamp) {
    *wake = Some(wake.map_or(then, |known| known.min(then)));
}
