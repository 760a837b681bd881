//! Chooses the next mutating call. Finds the insertion runs of all albums that have ready items, lets
//! [`crate::model::batch_plan`] decide which of them leaves, and then looks for what needs no batch: items that
//! join a further album, items that leave one, albums to be listed, descriptions.
//!
//! This runs after each answer and each wake-up of the writer, so it must never walk over what is done, is in a
//! closed root, or has failed: `tests::plans` checks its statements.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Reader, Result, Tx,
    albums::{self, ALBUM_LIMIT, roll_over, room},
    pending_removals, placements,
    positions::{self, Awaiting, Neighbours},
    ready_tokens::{self, BatchItem, Group, Ready},
    remote_albums::{self, Before},
    row::{from_row, params},
    upload_queue,
    writer::store_methods,
};
use crate::{
    clock::{self, sooner},
    escape::Escaped,
    model::{
        batch_plan::{Decision, FlushPolicy, InsertionRun, MAX_BATCH, Position},
        ids::{AlbumId, AlbumRow, ItemId, MediaItemId},
    },
};

/// What the configuration and the quota of the day say about planning.
#[derive(Debug, Clone, Copy)]
pub struct PlanRules {
    /// When a batch leaves that is not full. Its `backpressure` is set here.
    pub patience: FlushPolicy,
    /// Uploads stop while so many tokens wait.
    pub ready_tokens: u64,
    /// Larger files are not waited for, bytes.
    pub resumable_above: u64,
    /// How many calls only for order are still allowed today. None if none are allowed on any day: then late
    /// items go to the end, because they would wait for ever.
    pub order_calls_left: Option<u64>,
    /// Whether a folder is still being scanned, so that any file may come.
    pub scanning: bool,
    /// Whether the backfill has priority over new arrivals this time.
    pub backfill_turn: bool,
    /// Whether only new arrivals may use the rest of the day's requests.
    pub fresh_only: bool,
    /// Deleted files leave their albums once no other file has disappeared for so long; none if this process
    /// removes nothing.
    pub quiet: Option<Duration>,
}

/// A batch that may leave now.
#[derive(Debug, Clone)]
pub struct PlannedBatch {
    /// Its album.
    pub album: AlbumRow,
    /// The id of the album; none is the library.
    pub album_id: Option<AlbumId>,
    /// The position in the album; none is the library.
    pub position: Option<Position>,
    /// Its items, in order.
    pub items: Vec<BatchItem>,
    /// Whether the call is needed only for the order of the album.
    pub for_order: bool,
}

/// Media items that join a further album or leave one.
#[derive(Debug, Clone)]
pub struct Members {
    /// The album.
    pub album: AlbumRow,
    /// Its id.
    pub album_id: AlbumId,
    /// The items, in order.
    pub items: Vec<(ItemId, MediaItemId)>,
}

/// An album that needs an id before a batch can go to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlbumTask {
    /// Its row.
    pub row: AlbumRow,
    /// Its title at the service.
    pub title: String,
    /// When its creation was last requested without an answer.
    pub asked_at: Option<Timestamp>,
    /// How often the service's list was read since.
    pub looked: u32,
    /// What existed at the service under this title before this database.
    pub before: Before,
}

/// A media item whose description is to be changed.
#[derive(Debug, Clone)]
pub struct Description {
    /// The item.
    pub item: ItemId,
    /// Its id.
    pub media_item_id: MediaItemId,
    /// The whole text.
    pub text: String,
}

from_row!(Description {
    item,
    media_item_id,
    text
});

/// A part of the day's requests that is used up until midnight Pacific time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// That of calls only for order: late items wait.
    Order,
    /// All but the reserve for new arrivals: the backfill waits.
    Reserve,
}

/// The first of the things that the service refused and that wait for their next attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarliestRetry {
    /// The end of the wait.
    pub until: Timestamp,
    /// What waits, and why.
    pub reason: String,
}

/// What the writer does next.
#[derive(Debug, Clone)]
pub enum Planned {
    /// Send this batch.
    Batch(PlannedBatch),
    /// First find out or create the id of this album.
    Album(AlbumTask),
    /// Add these items to a further album.
    Add(Members),
    /// Remove these items from an album.
    Remove(Members),
    /// First list this album.
    Read(AlbumRow, AlbumId),
    /// Send this description.
    Describe(Description),
    /// Nothing now.
    Wait {
        /// When something will be due by itself, if ever.
        until: Option<Timestamp>,
        /// The budget of the day that something waits for.
        bound_by: Option<Budget>,
        /// What waits for a retry, unless more items are waited for anyway.
        held: Option<EarliestRetry>,
    },
}

store_methods! {
    write fn plan(rules: PlanRules, now: Timestamp) -> Planned;
    write fn plan_probe(now: Timestamp) -> Option<PlannedBatch>;
    write fn plan_part(album: AlbumRow, items: Vec<ItemId>) -> PlannedBatch;
    write fn plan_removal(album: AlbumRow, items: Vec<ItemId>) -> Option<Members>;
    write fn tokens_ready() -> u64;
}

impl Tx {
    /// What the writer does next. Expired tokens are dropped on the way.
    pub fn plan(&self, rules: PlanRules, now: Timestamp) -> Result<Planned> {
        plan(self, rules, ALBUM_LIMIT, now)
    }

    /// The smallest ready item, by itself: to find out whether a full storage has room again.
    pub fn plan_probe(&self, now: Timestamp) -> Result<Option<PlannedBatch>> {
        ready_tokens::drop_expired(self, now)?;
        let Some((album, item)) = self.opt(ready_tokens::SMALLEST, params![now])? else {
            return Ok(None);
        };
        let (run, items) = positions::of_part(self, album, &[item])?;
        batch(self, album, &run, items, false).map(Some)
    }

    /// The position of these items in their album, for a batch that is sent in parts.
    pub fn plan_part(&self, album: AlbumRow, items: Vec<ItemId>) -> Result<PlannedBatch> {
        let (run, items) = positions::of_part(self, album, &items)?;
        let for_order = run.is_order_only(items.len());
        batch(self, album, &run, items, for_order)
    }

    /// Those of these items that are still to leave their album, for a removal that is sent in parts.
    pub fn plan_removal(&self, album: AlbumRow, items: Vec<ItemId>) -> Result<Option<Members>> {
        let mut leaving = Vec::with_capacity(items.len());
        for item in items {
            leaving.extend(self.opt::<(ItemId, MediaItemId)>(
                "SELECT items.id, items.media_item_id FROM items
                 JOIN placements ON placements.item_id = items.id
                 WHERE items.id = ?1 AND placements.album_id = ?2 AND placements.state = 'leaving'
                       AND items.media_item_id IS NOT NULL",
                params![item, album],
            )?);
        }
        let album_id = albums::id_of(self, album)?;
        Ok(members(album, album_id, leaving))
    }

    /// How many tokens wait for the writer.
    pub fn tokens_ready(&self) -> Result<u64> {
        ready_tokens::tokens_ready(self)
    }
}

fn members(
    album: AlbumRow,
    album_id: Option<AlbumId>,
    items: Vec<(ItemId, MediaItemId)>,
) -> Option<Members> {
    let album_id = album_id.filter(|_| !items.is_empty())?;
    Some(Members {
        album,
        album_id,
        items,
    })
}

/// `album_limit` is how many items an album may hold.
pub(super) fn plan(
    db: &Tx,
    mut rules: PlanRules,
    album_limit: u64,
    now: Timestamp,
) -> Result<Planned> {
    ready_tokens::drop_expired(db, now)?;
    rules.patience.backpressure = ready_tokens::tokens_ready(db)? >= rules.ready_tokens;
    let roots = upload_queue::open_roots(db)?;
    let mut search = Search {
        rules,
        now,
        awaiting: Awaiting {
            roots: roots.iter().map(|root| root.id).collect(),
            resumable_above: rules.resumable_above,
            scanning: rules.scanning,
            now,
        },
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
    if let Some(best) = search.best.take()
        && let Some(group) = groups.get(best.group)
        && let Some(ready) = lists.get_mut(best.group)
    {
        let album = group.album;
        if !group.exists
            && let Some(task) = album_task(db, album)?
        {
            return Ok(Planned::Album(task));
        }
        if let Some(album_id) = &group.to_read {
            return Ok(Planned::Read(album, album_id.clone()));
        }
        let room = room(album, group.placed, album_limit);
        if room == 0 {
            roll_over(db, album)?;
            return plan(db, rules, album_limit, now);
        }
        let n = best.n.min(room);
        if let Some(last) = ready.get((best.from + n).saturating_sub(1))
            && best.run.position() == Position::Last
            && let Some(ahead) = joining_before(db, album, last, room, now)?
        {
            return Ok(Planned::Add(ahead));
        }
        let for_order = best.run.is_order_only(n);
        let items = ready.drain(best.from..best.from + n);
        let items = items.map(|ready| ready.item).collect();
        return batch(db, album, &best.run, items, for_order).map(Planned::Batch);
    }
    if let Some(next) = next_join(db, album_limit, &mut search)? {
        return Ok(next);
    }
    if let Some((album, album_id)) = placements::next_to_read(db, now)? {
        return Ok(Planned::Read(album, album_id));
    }
    if let Some(quiet) = rules.quiet {
        pending_removals::settle(db, quiet, now, &mut search.wake)?;
    }
    if let Some(next) = next_removal(db, &mut search)? {
        return Ok(next);
    }
    if let Some(next) = next_description(db, &mut search)? {
        return Ok(next);
    }
    if let Some(until) = ready_tokens::next_delayed(db, now)? {
        search.hold(until, "what the service refused before is tried again");
    }
    let held_until = search.held.as_ref().map(|held| held.until);
    Ok(Planned::Wait {
        until: [search.wake, held_until].into_iter().flatten().min(),
        bound_by: search.bound_by,
        held: search.held.filter(|_| search.wake.is_none()),
    })
}

/// A run of which a batch may leave now.
struct Candidate {
    /// The index of the album.
    group: usize,
    /// The index of its first ready item.
    from: usize,
    /// How many leave.
    n: usize,
    run: InsertionRun,
    new_arrival: bool,
    alone: bool,
}

/// One planning under way.
struct Search {
    rules: PlanRules,
    now: Timestamp,
    awaiting: Awaiting,
    /// When something is due that waits for more items, or for another day.
    wake: Option<Timestamp>,
    held: Option<EarliestRetry>,
    bound_by: Option<Budget>,
    best: Option<Candidate>,
    /// Whether late items were sent to the end of their album.
    appended: bool,
}

impl Search {
    /// Only new arrivals may use what is left of the day, and something else waits.
    fn wait_for_reserve(&mut self) {
        self.bound_by.get_or_insert(Budget::Reserve);
        sooner(&mut self.wake, clock::service_day_ends(self.now));
    }

    /// Something that the service refused waits until then.
    fn hold(&mut self, until: Timestamp, reason: &str) {
        if self.held.as_ref().is_none_or(|known| until < known.until) {
            let reason = reason.to_owned();
            self.held = Some(EarliestRetry { until, reason });
        }
    }

    /// No call is made for an album until then.
    fn hold_album(&mut self, db: &Reader, album: AlbumRow, until: Timestamp) -> Result<()> {
        if self.held.as_ref().is_some_and(|known| known.until <= until) {
            return Ok(());
        }
        let sql = "SELECT title, part, reason FROM albums WHERE id = ?1";
        let (title, part, reason): (String, i64, Option<String>) = db.one(sql, params![album])?;
        let title = albums::part_title(&title, part);
        let reason = reason.map(|reason| format!(": {reason}"));
        let reason = reason.unwrap_or_default();
        let title = Escaped::text(&title);
        self.hold(until, &format!("the album \"{title}\" waits{reason}"));
        Ok(())
    }

    /// Looks for a batch of one album that may leave now; returns the ready items of the album.
    fn look_at(&mut self, db: &Tx, index: usize, group: &Group) -> Result<Vec<Ready>> {
        if group.not_before > self.now {
            self.hold_album(db, group.album, group.not_before)?;
            return Ok(Vec::new());
        }
        let ready = ready_tokens::ready_in(db, group.album, self.now)?;
        for (from, run) in positions::runs(db, group.album, &ready, &self.awaiting)? {
            let run = if self.rules.fresh_only {
                positions::from_new_arrival(&ready, from, run)
            } else {
                Some((from, run))
            };
            let Some((from, run)) = run else {
                self.wait_for_reserve();
                continue;
            };
            let alone = ready.get(from).is_some_and(|first| first.alone);
            let n = if alone {
                1
            } else {
                match run.decide(self.rules.patience, self.now) {
                    Decision::Wait(due) => {
                        sooner(&mut self.wake, due);
                        continue;
                    }
                    Decision::Leave(0) => continue,
                    Decision::Leave(n) => n,
                }
            };
            let leaving = || ready.iter().skip(from).take(n);
            if run.is_order_only(n) {
                match self.rules.order_calls_left {
                    None => {
                        let late = leaving().map(|ready| ready.item.item);
                        positions::append(db, group.album, late)?;
                        self.appended = true;
                        continue;
                    }
                    Some(0) => {
                        self.bound_by = Some(Budget::Order);
                        sooner(&mut self.wake, clock::service_day_ends(self.now));
                        continue;
                    }
                    Some(_) => {}
                }
            }
            let new_arrival = leaving().any(|ready| ready.new_arrival);
            let candidate = Candidate {
                group: index,
                from,
                n,
                run,
                new_arrival,
                alone,
            };
            let best = self.best.as_ref();
            if best.is_none_or(|best| self.rank(&candidate) > self.rank(best)) {
                self.best = Some(candidate);
            }
        }
        Ok(ready)
    }

    /// First an item that goes alone: it may exist already, and nothing must get between it and its
    /// neighbours. Then new arrivals, or the backfill if it is its turn; among those full batches; then the
    /// fullest, while uploads stand still; then the first album.
    fn rank(&self, candidate: &Candidate) -> (bool, bool, bool, usize) {
        let n = candidate.n;
        let backpressure = self.rules.patience.backpressure;
        (
            candidate.alone,
            candidate.new_arrival != self.rules.backfill_turn,
            n >= MAX_BATCH,
            if backpressure { n } else { 0 },
        )
    }
}

fn batch(
    db: &Reader,
    album: AlbumRow,
    run: &InsertionRun,
    items: Vec<BatchItem>,
    for_order: bool,
) -> Result<PlannedBatch> {
    Ok(PlannedBatch {
        album,
        album_id: albums::id_of(db, album)?,
        position: (album != albums::LIBRARY).then(|| run.position()),
        items,
        for_order,
    })
}

/// What is to be known before a batch can go to this album; none if it has an id.
fn album_task(db: &Reader, album: AlbumRow) -> Result<Option<AlbumTask>> {
    let row: Option<(String, i64, Option<Timestamp>, u32)> = db.opt(
        "SELECT title, part, create_sent_at, list_checks FROM albums
         WHERE id = ?1 AND id <> 0 AND album_id IS NULL",
        params![album],
    )?;
    let Some((title, part, asked_at, looked)) = row else {
        return Ok(None);
    };
    let title = albums::part_title(&title, part);
    Ok(Some(AlbumTask {
        row: album,
        before: remote_albums::before(db, &title)?,
        title,
        asked_at,
        looked,
    }))
}

// Items that join a further album without a token: `albums.batchAddMediaItems`, which can only append. An item
// that is later than all items in sequence is in sequence at the end, too. So an album that is filled this way
// (its folder was moved, or it was deleted and created again) is in order if earlier items are added first.

/// Albums that existing items are to join without a token, those that wait least first. An item with a usable
/// token is planned as a batch, which can give it its position. ?1 is now, ?2 and ?3 are
/// [`ready_tokens::living`].
pub(super) const JOINED: &str = "SELECT id, album_id, not_before, placed FROM albums
     WHERE id <> 0 AND wanted > 0 AND EXISTS (
         SELECT 1 FROM placements CROSS JOIN items ON items.id = placements.item_id
         WHERE placements.album_id = albums.id AND placements.state = 'wanted' AND placements.item_exists = 1
               AND placements.not_before <= ?1
               AND (items.token_at IS NULL OR items.token_at <= ?2 OR items.token_at > ?3))
     ORDER BY not_before, id";

/// The items that join one of them. One that was refused before goes by itself, because the call is all or
/// nothing.
pub(super) const JOINING: &str =
    "SELECT items.id, items.media_item_id, placements.attempts, placements.wanted_at,
            EXISTS (SELECT 1 FROM files WHERE files.item_id = items.id AND files.new_arrival = 1)
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?4 AND placements.state = 'wanted' AND placements.item_exists = 1
           AND placements.not_before <= ?1
           AND (items.token_at IS NULL OR items.token_at <= ?2 OR items.token_at > ?3)
     ORDER BY placements.attempts, placements.order_key LIMIT ?5";

/// Up to 50 items that join one album. They leave like a batch, so that the rest of a folder that is being
/// moved can come along.
fn next_join(db: &Tx, album_limit: u64, search: &mut Search) -> Result<Option<Planned>> {
    let (after, until) = ready_tokens::living(search.now);
    let joined: Vec<(AlbumRow, Option<AlbumId>, Timestamp, u64)> =
        db.all(JOINED, params![search.now, after, until])?;
    for (album, album_id, not_before, placed) in joined {
        if not_before > search.now {
            search.hold_album(db, album, not_before)?;
            continue;
        }
        if album_id.is_none() {
            return Ok(album_task(db, album)?.map(Planned::Album));
        }
        let room = room(album, placed, album_limit);
        if room == 0 {
            roll_over(db, album)?;
            return next_join(db, album_limit, search);
        }
        let items = joining(db, album, MAX_BATCH.min(room), search)?;
        if let Some(members) = members(album, album_id, items) {
            return Ok(Some(Planned::Add(members)));
        }
    }
    Ok(None)
}

/// The items that join an album now; none while they wait for more.
fn joining(
    db: &Reader,
    album: AlbumRow,
    most: usize,
    search: &mut Search,
) -> Result<Vec<(ItemId, MediaItemId)>> {
    let (after, until) = ready_tokens::living(search.now);
    let rows: Vec<((ItemId, MediaItemId), u32, Timestamp, bool)> =
        db.all(JOINING, params![search.now, after, until, album, most])?;
    let has_new_arrival = rows.iter().any(|(.., new_arrival)| *new_arrival);
    if search.rules.fresh_only && !rows.is_empty() && !has_new_arrival {
        search.wait_for_reserve();
        return Ok(Vec::new());
    }
    let untried = rows.iter().take_while(|(_, attempts, ..)| *attempts == 0);
    let untried = untried.count();
    let awaited = positions::awaited(db, album, &Neighbours::default(), &search.awaiting)?;
    let since = rows.iter().map(|(_, _, wanted_at, _)| *wanted_at).min();
    let run = InsertionRun {
        ready: untried,
        contiguous: untried,
        pending: awaited.is_some() || search.rules.scanning,
        oldest: since.unwrap_or(search.now),
        predecessor: None,
        has_successor: false,
    };
    let patience = FlushPolicy {
        backpressure: false,
        ..search.rules.patience
    };
    // An item that was refused before has waited enough.
    if untried > 0
        && untried < most
        && let Decision::Wait(due) = run.decide(patience, search.now)
    {
        sooner(&mut search.wake, due);
        return Ok(Vec::new());
    }
    let items = rows.into_iter().take(untried.max(1));
    Ok(items.map(|(item, ..)| item).collect())
}

/// Up to 50 items that can be in sequence at the end of an album only if they join it before the batch whose
/// last item this is. Items that were refused once do not hold up others.
fn joining_before(
    db: &Reader,
    album: AlbumRow,
    last: &Ready,
    room: usize,
    now: Timestamp,
) -> Result<Option<Members>> {
    if album == albums::LIBRARY || last.append_only {
        return Ok(None);
    }
    let (after, until) = ready_tokens::living(now);
    let most = MAX_BATCH.min(room);
    let items = db.all(
        JOINING_BEFORE,
        params![now, after, until, album, last.key, most],
    )?;
    Ok(members(album, albums::id_of(db, album)?, items))
}

/// The statement behind [`joining_before`]: ?5 is the key of the item, ?6 the most items.
pub(super) const JOINING_BEFORE: &str = "SELECT items.id, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?4 AND placements.state = 'wanted' AND placements.item_exists = 1
           AND placements.not_before <= ?1 AND placements.attempts = 0 AND placements.append_only = 0
           AND (items.token_at IS NULL OR items.token_at <= ?2 OR items.token_at > ?3)
           AND placements.order_key < ?5
           AND placements.order_key > coalesce((SELECT max(order_key) FROM placements
                                                WHERE album_id = ?4 AND in_sequence = 1), x'')
     ORDER BY placements.order_key LIMIT ?6";

/// The album that items leave and that waits least.
pub(super) const LEFT: &str = "SELECT id, album_id, not_before FROM albums
     WHERE album_id IS NOT NULL AND id IN (SELECT album_id FROM placements WHERE state = 'leaving')
     ORDER BY not_before, id LIMIT 1";

/// The items that leave it.
pub(super) const LEAVING: &str = "SELECT items.id, items.media_item_id
     FROM placements CROSS JOIN items ON items.id = placements.item_id
     WHERE placements.album_id = ?1 AND placements.state = 'leaving' AND items.media_item_id IS NOT NULL
     ORDER BY placements.order_key LIMIT ?2";

/// The next items that leave an album: `albums.batchRemoveMediaItems`, all or nothing, up to 50.
fn next_removal(db: &Reader, search: &mut Search) -> Result<Option<Planned>> {
    let found: Option<(AlbumRow, AlbumId, Timestamp)> = db.opt(LEFT, params![])?;
    let Some((album, album_id, not_before)) = found else {
        return Ok(None);
    };
    if not_before > search.now {
        search.hold_album(db, album, not_before)?;
        return Ok(None);
    }
    let items = db.all(LEAVING, params![album, MAX_BATCH])?;
    Ok(members(album, Some(album_id), items).map(Planned::Remove))
}

/// The description that is due longest.
pub(super) const NEXT_DESCRIPTION: &str =
    "SELECT id, media_item_id, description, describe_at FROM items
     WHERE describe_at IS NOT NULL AND description IS NOT sent_description AND state IN ('created', 'verified')
     ORDER BY describe_at LIMIT 1";

/// The next description that is to be sent (`mediaItems.patch`, one by one). The reserve for new arrivals is not
/// used for it.
fn next_description(db: &Reader, search: &mut Search) -> Result<Option<Planned>> {
    let found: Option<(Description, Timestamp)> = db.opt(NEXT_DESCRIPTION, params![])?;
    let Some((description, due)) = found else {
        return Ok(None);
    };
    if due > search.now {
        search.hold(due, "a description that the service refused is told again");
        return Ok(None);
    }
    if search.rules.fresh_only {
        search.wait_for_reserve();
        return Ok(None);
    }
    Ok(Some(Planned::Describe(description)))
}
