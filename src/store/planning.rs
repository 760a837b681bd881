//! What the lane shall do next: finds the stretches of every album that has ready items and lets
//! [`crate::album::plan`] decide.
//!
//! Windows of the album are asked for by index, so an album of 20,000 costs no more than one of 20.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{AlbumTask, Result, Store, albums, items};
use crate::{
    album::plan::{Decision, Patience, Position, Stretch},
    clock,
    ids::{AlbumId, AlbumRow, ItemId, MediaItemId, UploadToken},
    item::Event,
};

/// How long a token is used. It lives a day; peers plan with 23 hours (fact sheet, section 2.6).
pub const TOKEN_LIFE: Duration = Duration::from_secs(23 * 3600);

/// The most items in one album (fact sheet, section 5.2).
const ALBUM_LIMIT: u64 = 20_000;

/// Stretches of one album looked at in one planning: a bound on work, far above what occurs.
const STRETCHES: usize = 64;

/// What the configuration and the day say about planning.
#[derive(Debug, Clone, Copy)]
pub struct PlanRules {
    /// When a batch leaves that is not full; `hurried` is found out here.
    pub patience: Patience,
    /// Uploads stop while so many tokens wait.
    pub ready_tokens: u64,
    /// A larger file is not waited for, bytes.
    pub resumable_above: u64,
    /// Calls that only order asks for, still allowed today.
    pub order_calls_left: u64,
    /// Whether some folder is still being scanned, so that anything may still join.
    pub scanning: bool,
    /// Whether this turn belongs to the backfill rather than to fresh files.
    pub backfill_turn: bool,
    /// Whether only fresh files may still spend the requests of the day.
    pub fresh_only: bool,
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

/// Media items that join a further album.
#[derive(Debug, Clone)]
pub struct Addition {
    /// Which album.
    pub album: AlbumRow,
    /// Its id.
    pub album_id: AlbumId,
    /// What joins it, in order.
    pub items: Vec<(ItemId, MediaItemId)>,
}

/// What the lane shall do next.
#[derive(Debug, Clone)]
pub enum Planned {
    /// Send this batch.
    Batch(PlannedBatch),
    /// First find out the id of this album.
    Album(AlbumTask),
    /// Put these into a further album.
    Add(Addition),
    /// Nothing now.
    Wait {
        /// When something will be due without anything happening; none if nothing will.
        until: Option<Timestamp>,
        /// Whether something waits for tomorrow's calls for the sake of order.
        order_bound: bool,
    },
}

struct Group {
    album: AlbumRow,
    title_ready: bool,
    not_before: Timestamp,
    placed: u64,
}

struct Ready {
    item: BatchItem,
    key: Vec<u8>,
    since: Timestamp,
    fresh: bool,
    alone: bool,
    append: bool,
}

struct Candidate {
    group: usize,
    from: usize,
    n: usize,
    stretch: Stretch,
    fresh: bool,
}

impl Store {
    /// What the lane shall do next. Tokens that have died are dropped on the way.
    pub async fn plan(&self, rules: PlanRules, now: Timestamp) -> Result<Planned> {
        self.write(move |db| plan(db, rules, now)).await
    }

    /// The smallest ready item, by itself: to see whether a full storage has room again.
    pub async fn plan_probe(&self, now: Timestamp) -> Result<Option<PlannedBatch>> {
        self.write(move |db| {
            drop_dead_tokens(db, now)?;
            let smallest: Option<(i64, i64)> = db
                .prepare_cached(
                    "SELECT items.id, placements.album_id FROM items
                     JOIN placements ON placements.item_id = items.id AND placements.state = 'wanted'
                     JOIN albums ON albums.id = placements.album_id AND (albums.id = 0 OR albums.album_id IS NOT NULL)
                     WHERE items.state = 'uploaded' ORDER BY items.size, placements.album_id DESC LIMIT 1",
                )?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            smallest
                .map(|(item, album)| plan_part(db, AlbumRow(album), &[ItemId(item)]))
                .transpose()
        })
        .await
    }

    /// How many tokens wait for the lane.
    pub async fn tokens_ready(&self) -> Result<u64> {
        self.write(|db| Ok(tokens_ready(db)?)).await
    }

    /// The place of these items in their album, for a batch that is sent in parts.
    pub async fn plan_part(&self, album: AlbumRow, items: Vec<ItemId>) -> Result<PlannedBatch> {
        self.write(move |db| plan_part(db, album, &items)).await
    }
}

fn tokens_ready(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT count(*) FROM items WHERE state = 'uploaded'")?
        .query_row([], |row| row.get::<_, i64>(0).map(|n| n as u64))
}

fn plan(db: &Connection, mut rules: PlanRules, now: Timestamp) -> Result<Planned> {
    drop_dead_tokens(db, now)?;
    rules.patience.hurried = tokens_ready(db)? >= rules.ready_tokens;
    let mut wake: Option<Timestamp> = None;
    let mut order_bound = false;
    let groups = groups(db, now)?;
    let mut best: Option<Candidate> = None;
    let mut lists: Vec<Vec<Ready>> = Vec::with_capacity(groups.len());
    for (index, group) in groups.iter().enumerate() {
        if group.not_before > now {
            sooner(&mut wake, group.not_before);
            lists.push(Vec::new());
            continue;
        }
        let ready = ready_in(db, group.album, now)?;
        for (from, stretch) in stretches(db, group.album, &ready, rules, now)? {
            let alone = ready.get(from).is_some_and(|first| first.alone);
            let decision = if alone {
                Decision::Leave(1)
            } else {
                stretch.decide(rules.patience, now)
            };
            match decision {
                Decision::Wait(due) => sooner(&mut wake, due),
                Decision::Leave(0) => {}
                Decision::Leave(n) if stretch.costs_order(n) && rules.order_calls_left == 0 => {
                    order_bound = true;
                    sooner(&mut wake, clock::service_day_ends(now));
                    let _ = n;
                }
                Decision::Leave(n) => {
                    let fresh = ready.iter().skip(from).take(n).any(|ready| ready.fresh);
                    if rules.fresh_only && !fresh {
                        sooner(&mut wake, clock::service_day_ends(now));
                        continue;
                    }
                    let candidate = Candidate {
                        group: index,
                        from,
                        n,
                        stretch,
                        fresh,
                    };
                    if best
                        .as_ref()
                        .is_none_or(|best| better(&candidate, best, rules))
                    {
                        best = Some(candidate);
                    }
                }
            }
        }
        lists.push(ready);
    }
    if let Some(candidate) = best
        && let Some(group) = groups.get(candidate.group)
        && let Some(ready) = lists.get_mut(candidate.group)
    {
        if !group.title_ready
            && let Some(task) = albums::task(db, group.album)?
        {
            return Ok(Planned::Album(task));
        }
        let room = if group.album == albums::LIBRARY {
            u64::MAX
        } else {
            ALBUM_LIMIT.saturating_sub(group.placed)
        };
        if room == 0 {
            roll_over(db, group.album)?;
            return plan(db, rules, now);
        }
        let n = candidate.n.min(usize::try_from(room).unwrap_or(usize::MAX));
        let for_order = candidate.stretch.costs_order(n);
        let items = ready
            .drain(candidate.from..candidate.from + n)
            .map(|ready| ready.item)
            .collect();
        return Ok(Planned::Batch(batch(
            db,
            group.album,
            &candidate.stretch,
            items,
            for_order,
        )?));
    }
    if let Some(next) = addition(db, now, &mut wake)? {
        return Ok(next);
    }
    if let Some(held) = next_held_back(db, now)? {
        sooner(&mut wake, held);
    }
    Ok(Planned::Wait {
        until: wake,
        order_bound,
    })
}

fn batch(
    db: &Connection,
    album: AlbumRow,
    stretch: &Stretch,
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

/// Full batches first; among others fresh files, unless it is the backfill's turn; then the fullest
/// where uploads stand still, and otherwise the album that comes first.
fn better(one: &Candidate, other: &Candidate, rules: PlanRules) -> bool {
    let full = |c: &Candidate| c.n >= crate::album::plan::MAX_BATCH;
    let preferred = |c: &Candidate| c.fresh != rules.backfill_turn;
    let size = |c: &Candidate| if rules.patience.hurried { c.n } else { 0 };
    (preferred(one), full(one), size(one)) > (preferred(other), full(other), size(other))
}

fn sooner(wake: &mut Option<Timestamp>, then: Timestamp) {
    *wake = Some(wake.map_or(then, |known| known.min(then)));
}

fn drop_dead_tokens(db: &Connection, now: Timestamp) -> Result<()> {
    let born_before = now
        .saturating_sub(TOKEN_LIFE)
        .unwrap_or(Timestamp::MIN)
        .as_millisecond();
    // A token from the future is a clock that was set back: nobody knows how old it is.
    let born_after = clock::after(now, clock::LOOK_AGAIN).as_millisecond();
    let dead: Vec<i64> = db
        .prepare_cached(
            "SELECT id FROM items WHERE state = 'uploaded' AND (token_at <= ?1 OR token_at > ?2)",
        )?
        .query_map(params![born_before, born_after], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for item in dead {
        let because = items::Because {
            reason: Some(
                "its upload token was a day old before a batch could take it; the bytes go up again",
            ),
            ..Default::default()
        };
        items::apply(db, ItemId(item), Event::TokenDied, &because, now)?;
        items::requeue_bytes(db, ItemId(item), None, clock::from_millis(0), now)?;
    }
    Ok(())
}

/// A wanted placement whose item has a token that lives: made by batchCreate. ?1 is now, ?2 the birth
/// of the oldest token that lives. An item that also goes to an album does not go to the library alone.
const READY: &str =
    "items.state = 'uploaded' AND items.not_before <= ?1 AND placements.state = 'wanted'
    AND (placements.album_id <> 0 OR NOT EXISTS (
         SELECT 1 FROM placements AS other WHERE other.item_id = items.id AND other.state = 'wanted'
                                              AND other.album_id <> 0))";
const READY_TWICE: &str = "placements.state = 'wanted' AND placements.not_before <= ?1
    AND items.state IN ('created', 'verified') AND items.token_at > ?2";

fn oldest_token(now: Timestamp) -> i64 {
    now.saturating_sub(TOKEN_LIFE)
        .unwrap_or(Timestamp::MIN)
        .as_millisecond()
}

fn groups(db: &Connection, now: Timestamp) -> Result<Vec<Group>> {
    let rows = db
        .prepare_cached(&format!(
            "SELECT albums.id, albums.album_id IS NOT NULL OR albums.id = 0, albums.not_before, albums.placed
             FROM albums WHERE albums.id IN (
                 SELECT placements.album_id FROM items
                 JOIN placements ON placements.item_id = items.id WHERE {READY}
                 UNION
                 SELECT placements.album_id FROM placements
                 JOIN items ON items.id = placements.item_id WHERE {READY_TWICE})
             ORDER BY albums.id"
        ))?
        .query_map(params![now.as_millisecond(), oldest_token(now)], |row| {
            Ok(Group {
                album: AlbumRow(row.get(0)?),
                title_ready: row.get(1)?,
                not_before: clock::from_millis(row.get(2)?),
                placed: row.get::<_, i64>(3)? as u64,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

fn ready_in(db: &Connection, album: AlbumRow, now: Timestamp) -> Result<Vec<Ready>> {
    const COLUMNS: &str =
        "items.id, items.upload_token, items.file_name, placements.order_key AS order_key,
                           items.token_at, items.fresh, items.alone,
                           placements.append AS append";
    let rows = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM items JOIN placements ON placements.item_id = items.id
             WHERE {READY} AND placements.album_id = ?3
             UNION ALL
             SELECT {COLUMNS} FROM placements JOIN items ON items.id = placements.item_id
             WHERE {READY_TWICE} AND placements.album_id = ?3
             ORDER BY order_key"
        ))?
        .query_map(
            params![now.as_millisecond(), oldest_token(now), album.0],
            |row| {
                Ok(Ready {
                    item: BatchItem {
                        item: ItemId(row.get(0)?),
                        upload_token: UploadToken::new(row.get::<_, String>(1)?),
                        file_name: row.get(2)?,
                    },
                    key: row.get(3)?,
                    since: clock::from_millis(row.get(4)?),
                    fresh: row.get(5)?,
                    alone: row.get(6)?,
                    append: row.get(7)?,
                })
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// The stretches of an album that have ready items, each with the index of its first.
fn stretches(
    db: &Connection,
    album: AlbumRow,
    ready: &[Ready],
    rules: PlanRules,
    now: Timestamp,
) -> Result<Vec<(usize, Stretch)>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(first) = ready.get(from) {
        if found.len() >= STRETCHES {
            break;
        }
        let rest = ready.get(from..).unwrap_or_default();
        // What the service would not take at its place goes behind everything, in order.
        let around = if first.append {
            Around::end()
        } else {
            neighbours(db, album, &first.key)?
        };
        let until_neighbour = match &around.successor {
            Some(successor) => rest.partition_point(|ready| ready.key < *successor),
            None => rest.len(),
        }
        .max(1);
        // One that must go alone ends the company before it.
        let n = if first.alone {
            1
        } else {
            rest.iter()
                .take(until_neighbour)
                .position(|ready| ready.alone || ready.append != first.append)
                .unwrap_or(until_neighbour)
        };
        let here = rest.get(..n).unwrap_or_default();
        let gap = awaited(db, album, &around, rules.resumable_above, now)?;
        let ordered = album != albums::LIBRARY;
        let before_gap = match &gap {
            Some(gap) if ordered => here.partition_point(|ready| ready.key < *gap),
            _ => n,
        };
        let oldest = here.iter().map(|ready| ready.since).min().unwrap_or(now);
        let stretch = Stretch {
            ready: n,
            before_gap,
            pending: gap.is_some() || rules.scanning,
            oldest,
            predecessor: around.predecessor.map(|(_, id)| id),
            followed: around.successor.is_some(),
        };
        found.push((from, stretch));
        from += n;
    }
    Ok(found)
}

struct Around {
    predecessor: Option<(Vec<u8>, MediaItemId)>,
    successor: Option<Vec<u8>>,
}

impl Around {
    /// The place behind everything.
    fn end() -> Self {
        Self {
            predecessor: None,
            successor: None,
        }
    }
}

fn neighbours(db: &Connection, album: AlbumRow, key: &[u8]) -> Result<Around> {
    let predecessor = db
        .prepare_cached(
            "SELECT placements.order_key, items.media_item_id FROM placements
             JOIN items ON items.id = placements.item_id
             WHERE placements.album_id = ?1 AND placements.in_sequence = 1 AND placements.order_key < ?2
                   AND items.media_item_id IS NOT NULL
             ORDER BY placements.order_key DESC LIMIT 1",
        )?
        .query_row(params![album.0, key], |row| Ok((row.get(0)?, MediaItemId::new(row.get::<_, String>(1)?))))
        .optional()?;
    let successor = db
        .prepare_cached(
            "SELECT order_key FROM placements WHERE album_id = ?1 AND in_sequence = 1 AND order_key > ?2
             ORDER BY order_key LIMIT 1",
        )?
        .query_row(params![album.0, key], |row| row.get(0))
        .optional()?;
    Ok(Around {
        predecessor,
        successor,
    })
}

/// The lowest order key between the neighbours that is still to come and is waited for.
fn awaited(
    db: &Connection,
    album: AlbumRow,
    around: &Around,
    resumable_above: u64,
    now: Timestamp,
) -> Result<Option<Vec<u8>>> {
    let from = around.predecessor.as_ref().map_or(&[][..], |(key, _)| key);
    let to = around.successor.as_deref();
    let queued: Option<Vec<u8>> = db
        .prepare_cached(
            "SELECT files.order_key FROM files JOIN roots ON roots.id = files.root_id
             WHERE files.state IN ('queued', 'claimed') AND files.large = 0 AND files.album_id = ?1
                   AND files.order_key > ?2 AND (?3 IS NULL OR files.order_key < ?3)
                   AND files.not_before <= ?4 AND roots.open = 1 AND roots.away = 0
             ORDER BY files.order_key LIMIT 1",
        )?
        .query_row(params![album.0, from, to, now.as_millisecond()], |row| {
            row.get(0)
        })
        .optional()?;
    let uploading: Option<Vec<u8>> = db
        .prepare_cached(
            "SELECT placements.order_key FROM items JOIN placements ON placements.item_id = items.id
             WHERE items.state = 'uploading' AND items.size <= ?4 AND placements.state = 'wanted'
                   AND placements.album_id = ?1 AND placements.order_key > ?2
                   AND (?3 IS NULL OR placements.order_key < ?3)
             ORDER BY placements.order_key LIMIT 1",
        )?
        .query_row(params![album.0, from, to, resumable_above as i64], |row| row.get(0))
        .optional()?;
    Ok([queued, uploading].into_iter().flatten().min())
}

/// The album is full: what is still wanted in it goes to its next part.
fn roll_over(db: &Connection, album: AlbumRow) -> Result<()> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO albums (title, part)
         SELECT title, (SELECT max(part) + 1 FROM albums AS parts WHERE parts.title = albums.title)
         FROM albums WHERE id = ?1",
    )?
    .execute([album.0])?;
    let next: i64 = db
        .prepare_cached(
            "SELECT id FROM albums WHERE title = (SELECT title FROM albums WHERE id = ?1)
             ORDER BY part DESC LIMIT 1",
        )?
        .query_row([album.0], |row| row.get(0))?;
    for sql in [
        "UPDATE OR IGNORE placements SET album_id = ?2 WHERE album_id = ?1 AND state = 'wanted'",
        "UPDATE files SET album_id = ?2 WHERE album_id = ?1 AND state IN ('queued', 'claimed')",
    ] {
        db.prepare_cached(sql)?.execute([album.0, next])?;
    }
    Ok(())
}

/// Media items that want a further album and have no token for it: up to 50 of one album.
fn addition(
    db: &Connection,
    now: Timestamp,
    wake: &mut Option<Timestamp>,
) -> Result<Option<Planned>> {
    let album: Option<(i64, Option<String>, i64)> = db
        .prepare_cached(
            "SELECT albums.id, albums.album_id, albums.not_before FROM placements
             JOIN items ON items.id = placements.item_id AND items.state IN ('created', 'verified')
             JOIN albums ON albums.id = placements.album_id
             WHERE placements.state = 'wanted' AND placements.album_id <> 0 AND placements.not_before <= ?1
             ORDER BY albums.not_before, albums.id LIMIT 1",
        )?
        .query_row([now.as_millisecond()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((album, album_id, not_before)) = album else {
        return Ok(None);
    };
    let (album, not_before) = (AlbumRow(album), clock::from_millis(not_before));
    if not_before > now {
        sooner(wake, not_before);
        return Ok(None);
    }
    let Some(album_id) = album_id else {
        return Ok(albums::task(db, album)?.map(Planned::Album));
    };
    // One that was refused before goes by itself: the call is all or nothing.
    let items: Vec<(ItemId, MediaItemId)> = db
        .prepare_cached(
            "SELECT items.id, items.media_item_id FROM placements
             JOIN items ON items.id = placements.item_id AND items.state IN ('created', 'verified')
             WHERE placements.album_id = ?1 AND placements.state = 'wanted' AND placements.not_before <= ?2
                   AND placements.attempts = 0
             ORDER BY placements.order_key LIMIT ?3",
        )?
        .query_map(params![album.0, now.as_millisecond(), crate::album::plan::MAX_BATCH as i64], |row| {
            Ok((ItemId(row.get(0)?), MediaItemId::new(row.get::<_, String>(1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let items = if items.is_empty() {
        refused_before(db, album, now)?
    } else {
        items
    };
    Ok(Some(Planned::Add(Addition {
        album,
        album_id: AlbumId::new(album_id),
        items,
    })))
}

fn refused_before(
    db: &Connection,
    album: AlbumRow,
    now: Timestamp,
) -> Result<Vec<(ItemId, MediaItemId)>> {
    let one = db
        .prepare_cached(
            "SELECT items.id, items.media_item_id FROM placements
             JOIN items ON items.id = placements.item_id AND items.state IN ('created', 'verified')
             WHERE placements.album_id = ?1 AND placements.state = 'wanted' AND placements.not_before <= ?2
             ORDER BY placements.attempts, placements.order_key LIMIT 1",
        )?
        .query_map(params![album.0, now.as_millisecond()], |row| {
            Ok((ItemId(row.get(0)?), MediaItemId::new(row.get::<_, String>(1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(one)
}

/// When the next item or placement that is held back may move.
fn next_held_back(db: &Connection, now: Timestamp) -> Result<Option<Timestamp>> {
    let item: Option<i64> = db
        .prepare_cached(
            "SELECT min(not_before) FROM items WHERE state = 'uploaded' AND not_before > ?1",
        )?
        .query_row([now.as_millisecond()], |row| row.get(0))?;
    let placement: Option<i64> = db
        .prepare_cached(
            "SELECT min(not_before) FROM placements WHERE state = 'wanted' AND not_before > ?1",
        )?
        .query_row([now.as_millisecond()], |row| row.get(0))?;
    Ok([item, placement]
        .into_iter()
        .flatten()
        .min()
        .map(clock::from_millis))
}

fn plan_part(db: &Connection, album: AlbumRow, wanted: &[ItemId]) -> Result<PlannedBatch> {
    let mut items = Vec::with_capacity(wanted.len());
    let mut first_key: Option<Vec<u8>> = None;
    for item in wanted {
        let row = db
            .prepare_cached(
                "SELECT items.upload_token, items.file_name, placements.order_key FROM items
                 JOIN placements ON placements.item_id = items.id AND placements.album_id = ?2
                 WHERE items.id = ?1 AND items.upload_token IS NOT NULL AND placements.state = 'wanted'",
            )?
            .query_row(params![item.0, album.0], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))
            })
            .optional()?;
        let Some((upload_token, file_name, key)) = row else {
            continue;
        };
        first_key.get_or_insert(key);
        items.push(BatchItem {
            item: *item,
            upload_token: UploadToken::new(upload_token),
            file_name,
        });
    }
    let around = neighbours(db, album, &first_key.unwrap_or_default())?;
    let stretch = Stretch {
        ready: items.len(),
        before_gap: items.len(),
        pending: false,
        oldest: Timestamp::UNIX_EPOCH,
        predecessor: around.predecessor.map(|(_, id)| id),
        followed: around.successor.is_some(),
    };
    let for_order = stretch.costs_order(items.len());
    batch(db, album, &stretch, items, for_order)
}
