//! What `status` and `albums` show, from counters and short index reads.

use std::{collections::HashMap, os::unix::ffi::OsStrExt as _, path::PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    AccountState, AlbumView, LaneState, Ledger, Pause, Reader, Result, UploadsState, account,
    afterwards, albums, changes, client, ledger, membership, mounts, sources,
};
use crate::{
    clock,
    model::ids::{AlbumId, AlbumRow},
};

/// The most failures and albums that `status` lists (the design, section 4).
const LISTED: u32 = 100;

/// Everything that `status` tells.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The process that holds the state folder, or held it last: mode, pid, since.
    pub process: Option<(String, u32, Timestamp)>,
    /// Whether the account can be used.
    pub account: Pause<AccountState>,
    /// Since when that is so.
    pub account_since: Timestamp,
    /// What a person can do about that, where somebody knew.
    pub account_hint: Option<String>,
    /// Whether a sign-in is known to outlive a week, which those of a consent screen in Testing do not.
    pub is_published: bool,
    /// What the lane does.
    pub lane: Pause<LaneState>,
    /// Whether bytes go up.
    pub uploads: Pause<UploadsState>,
    /// Whether the service asked for their wait.
    pub uploads_asked: bool,
    /// Rows by state; keys such as `file.queued`, `item.created`, `placement.wanted`.
    counts: HashMap<String, (i64, i64)>,
    /// Media items that a further album waits for, while nothing else of them is to be done.
    pub joining: u64,
    /// Bytes that this process, or the last one, has sent.
    pub bytes_sent: u64,
    /// Bytes a second that it sent of late; none before anything moved.
    pub rate: Option<f64>,
    /// The service's day.
    pub ledger: Ledger,
    /// Bytes on their way.
    pub transfers: Vec<Transfer>,
    /// The busiest albums, at most 100.
    pub albums: Vec<AlbumView>,
    /// Failed, missing and refused, newest first, at most 100.
    pub failures: Vec<Failure>,
    /// Descriptions that the service is still to be told; counted up to ten thousand.
    pub to_describe: u64,
    /// Roots that are away, and directories where a disk was mounted and none is.
    pub away: Vec<PathBuf>,
    /// Files in the queue below roots that nobody watches.
    pub unwatched: Vec<sources::OutOfReach>,
}

/// Bytes on their way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Of which file.
    pub path: PathBuf,
    /// How many were sent.
    pub sent: u64,
    /// Of how many.
    pub size: u64,
}

/// Something that did not go up.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Where it is.
    pub path: PathBuf,
    /// `failed`, `missing` or `skipped`.
    pub state: &'static str,
    /// Why, in our words.
    pub reason: Option<String>,
    /// The service's code.
    pub code: Option<i32>,
    /// The service's words.
    pub message: Option<String>,
    /// How often it was blamed.
    pub attempts: u32,
    /// When it is tried again.
    pub next_try_at: Option<Timestamp>,
    /// Whether the disk does not give it out.
    pub unreadable: bool,
    changed_at: i64,
}

/// The most of anything: nothing has so many bytes, and sums of it stay numbers, also for who reads JSON
/// as floating point.
const MOST: i64 = 1 << 53;

/// A count or a size out of a row. What no version of Albumen writes must not end in an overflow where
/// it is added up.
pub(super) fn amount(stored: i64) -> u64 {
    stored.clamp(0, MOST) as u64
}

impl Overview {
    /// How many rows stand there: `count("file", "queued")`.
    pub fn count(&self, of: &str, state: &str) -> u64 {
        self.counts
            .get(&format!("{of}.{state}"))
            .map_or(0, |(n, _)| amount(*n))
    }

    /// How many bytes stand there.
    pub fn bytes(&self, of: &str, state: &str) -> u64 {
        self.counts
            .get(&format!("{of}.{state}"))
            .map_or(0, |(_, bytes)| amount(*bytes))
    }
}

impl Reader {
    /// Everything that `status` tells, from one snapshot.
    pub fn overview(&self, now: Timestamp) -> Result<Overview> {
        let db = self.connection.unchecked_transaction()?;
        let process = db
            .query_row(
                "SELECT mode, pid, since, bytes_sent, rate FROM process",
                [],
                |row| {
                    let since = clock::from_millis(row.get(2)?);
                    let sent = amount(row.get(3)?);
                    Ok(((row.get(0)?, row.get(1)?, since), sent, row.get(4)?))
                },
            )
            .optional()?;
        let (process, bytes_sent, rate) = match process {
            Some((process, sent, rate)) => (Some(process), sent, rate),
            None => (None, 0, None),
        };
        let counts = db
            .prepare("SELECT name, n, bytes FROM counters")?
            .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
            .collect::<rusqlite::Result<_>>()?;
        let (uploads, uploads_asked) = account::uploads(&db)?;
        Ok(Overview {
            process,
            uploads,
            uploads_asked,
            bytes_sent,
            rate,
            account: account::account(&db)?,
            account_since: account::since(&db)?,
            account_hint: account::hint(&db)?,
            is_published: client::is_published(&db)?,
            lane: account::lane(&db)?,
            counts,
            joining: db
                .query_row(JOINING, [], |row| row.get::<_, i64>(0))?
                .max(0) as u64,
            ledger: ledger::of_day(&db, now)?,
            transfers: transfers(&db)?,
            albums: albums_of(&db, i64::from(LISTED))?,
            failures: failures(&db)?,
            to_describe: db.query_row(TO_DESCRIBE, [], |row| row.get::<_, i64>(0))? as u64,
            away: mounts::away(&db)?,
            unwatched: sources::out_of_reach(&db, sources::Reach::Unwatched)?,
        })
    }

    /// All albums, the busiest first.
    pub fn albums(&self) -> Result<Vec<AlbumView>> {
        albums_of(&self.connection, -1)
    }
}

fn transfers(db: &Connection) -> Result<Vec<Transfer>> {
    let rows = db
        .prepare("SELECT path, sent, size FROM transfers ORDER BY file_id")?
        .query_map([], |row| {
            Ok(Transfer {
                path: changes::path_from(row.get(0)?),
                sent: amount(row.get(1)?),
                size: amount(row.get(2)?),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

fn albums_of(db: &Connection, limit: i64) -> Result<Vec<AlbumView>> {
    let rows = db
        .prepare(ALBUMS)?
        .query_map([limit], |row| {
            let placed: i64 = row.get(5)?;
            let in_sequence: i64 = row.get(8)?;
            Ok(AlbumView {
                row: AlbumRow(row.get(0)?),
                title: albums::part_title(&row.get::<_, String>(1)?, row.get(2)?),
                album_id: row.get::<_, Option<String>>(3)?.map(AlbumId::new),
                product_url: row.get(4)?,
                placed: amount(placed),
                wanted: amount(row.get(6)?),
                out_of_sequence: amount(placed.saturating_sub(in_sequence)),
                reason: row.get(7)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

fn failures(db: &Connection) -> Result<Vec<Failure>> {
    let mut all: Vec<Failure> = db
        .prepare(FAILED)?
        .query_map([LISTED], |row| {
            let state: String = row.get(3)?;
            Ok(Failure {
                path: joined(row.get(0)?, row.get(1)?, row.get(2)?),
                state: if state == "missing" {
                    "missing"
                } else {
                    "failed"
                },
                reason: row.get(4)?,
                code: row.get(5)?,
                message: row.get(6)?,
                attempts: row.get(7)?,
                next_try_at: None,
                unreadable: false,
                changed_at: row.get(8)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let refused: Vec<Failure> = db
        .prepare(REFUSED)?
        .query_map([LISTED], |row| {
            Ok(Failure {
                path: joined(row.get(0)?, row.get(1)?, row.get(2)?),
                state: "skipped",
                reason: row.get(3)?,
                code: None,
                message: None,
                attempts: row.get(4)?,
                next_try_at: None,
                unreadable: row.get(6)?,
                changed_at: row.get(5)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    all.extend(refused);
    all.sort_by_key(|failure| std::cmp::Reverse(failure.changed_at));
    all.truncate(LISTED as usize);
    Ok(all)
}

/// An item may have outlived its files; then there is no path to show.
pub(super) fn joined(
    root: Option<Vec<u8>>,
    dir: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
) -> PathBuf {
    let mut path = root.map(changes::path_from).unwrap_or_default();
    for part in [dir, name]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
    {
        path.push(changes::path_from(part));
    }
    path
}

/// Whether anything can still move. Each part stops at its first row, by an index.
pub(super) const CAN_MOVE: &str =
    "SELECT EXISTS (SELECT 1 FROM calls WHERE answered_at IS NULL)
         OR EXISTS (SELECT 1 FROM items WHERE state IN ('uploading', 'uploaded', 'creating'))
         OR EXISTS (SELECT 1 FROM files WHERE state = 'claimed')
         OR EXISTS (SELECT 1 FROM roots WHERE open = 1 AND away = 0 AND EXISTS (
                        SELECT 1 FROM files WHERE files.root_id = roots.id AND files.state = 'queued'))
         OR EXISTS (SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id
                    WHERE files.state = 'settling' AND roots.open = 1 AND roots.away = 0)
         OR EXISTS (SELECT 1 FROM placements WHERE state = 'wanted' AND made = 1)
         OR EXISTS (SELECT 1 FROM placements WHERE state = 'leaving')
         OR EXISTS (SELECT 1 FROM items WHERE describe_at IS NOT NULL AND description IS NOT described
                                              AND state IN ('created', 'verified'))";

/// Whether the lane has something to do.
const LANE_HAS_WORK: &str = "SELECT EXISTS (SELECT 1 FROM calls WHERE answered_at IS NULL)
         OR EXISTS (SELECT 1 FROM items WHERE state IN ('uploaded', 'creating'))
         OR EXISTS (SELECT 1 FROM placements WHERE state = 'wanted' AND made = 1)
         OR EXISTS (SELECT 1 FROM placements WHERE state = 'leaving')
         OR EXISTS (SELECT 1 FROM items WHERE describe_at IS NOT NULL AND description IS NOT described
                                              AND state IN ('created', 'verified'))";

impl super::Store {
    /// The bytes on their way and how many go in a second, for `status`; without a rate the one
    /// that was told last stays.
    pub async fn transfers_are(
        &self,
        transfers: Vec<(crate::model::ids::FileId, Transfer)>,
        rate: Option<f64>,
    ) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached("UPDATE process SET rate = coalesce(?1, rate)")?
                .execute([rate])?;
            db.execute("DELETE FROM transfers", [])?;
            for (file, transfer) in transfers {
                db.prepare_cached("INSERT OR REPLACE INTO transfers (file_id, path, sent, size) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![
                        file.0,
                        transfer.path.as_os_str().as_bytes(),
                        transfer.sent as i64,
                        transfer.size as i64
                    ])?;
            }
            Ok(())
        })
        .await
    }

    /// When the next file that takes part may have settled; none if nothing settles.
    pub async fn next_settled(&self) -> Result<Option<Timestamp>> {
        self.write(|db| {
            let due: Option<i64> = db
                .prepare_cached(
                    "SELECT min(files.due_at) FROM files JOIN roots ON roots.id = files.root_id
                     WHERE files.state = 'settling' AND roots.open = 1 AND roots.away = 0",
                )?
                .query_row([], |row| row.get(0))?;
            Ok(due.map(clock::from_millis))
        })
        .await
    }

    /// Whether the lane has something to make or to place, now or later.
    pub async fn lane_has_work(&self) -> Result<bool> {
        self.write(|db| {
            Ok(db
                .prepare_cached(LANE_HAS_WORK)?
                .query_row([], |row| row.get(0))?)
        })
        .await
    }

    /// Whether anything can still move: files to settle or to send from roots that are present, items
    /// on their way, placements that are wanted of items that are made, files that are to be moved or
    /// deleted.
    pub async fn is_drained(&self) -> Result<bool> {
        self.write(|db| {
            for sql in [CAN_MOVE, afterwards::SOURCES_MOVE, membership::TO_READ] {
                let moving: bool = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
                if moving {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }
}

/// How many descriptions are due: a day of requests of them, at most.
pub(super) const TO_DESCRIBE: &str = "SELECT count(*) FROM (SELECT 1 FROM items
     WHERE describe_at IS NOT NULL AND description IS NOT described AND state IN ('created', 'verified')
     LIMIT 10000)";

/// Walks a partial index, which holds nothing else.
pub(super) const JOINING: &str =
    "SELECT count(*) FROM placements WHERE state = 'wanted' AND made = 1";

/// The busiest albums. A queued file whose item is wanted there already counts once, and what has
/// failed does not come.
pub(super) const ALBUMS: &str = "SELECT id, title, part, album_id, product_url, placed,
            queued + wanted - iif(wanted > 0, (
                SELECT count(*) FROM placements CROSS JOIN items ON items.id = placements.item_id
                WHERE placements.album_id = albums.id AND placements.state = 'wanted'
                      AND items.state IN ('queued', 'failed', 'skipped', 'missing')), 0),
            reason, in_sequence
             FROM albums WHERE id <> 0 ORDER BY queued + wanted DESC, placed DESC, id LIMIT ?1";

/// The newest items in trouble, each with one of its files.
pub(super) const FAILED: &str = "SELECT roots.path, dirs.path, files.name, trouble.state, trouble.reason, trouble.code, trouble.message,
                    trouble.attempts, trouble.changed_at
             FROM (SELECT * FROM items WHERE state IN ('failed', 'missing') ORDER BY changed_at DESC LIMIT ?1) AS trouble
             LEFT JOIN files ON files.id = (SELECT min(id) FROM files WHERE item_id = trouble.id)
             LEFT JOIN dirs ON dirs.id = files.dir_id LEFT JOIN roots ON roots.id = files.root_id";

/// The newest files that were refused, but for other kinds of file and those that others have sent.
pub(super) const REFUSED: &str =
    "SELECT roots.path, dirs.path, files.name, files.reason, files.attempts, files.changed_at,
            files.reason_kind = 'unreadable'
             FROM files JOIN dirs ON dirs.id = files.dir_id JOIN roots ON roots.id = files.root_id
             WHERE files.state = 'refused' AND files.reason_kind NOT IN ('other_kind', 'imported')
             ORDER BY files.changed_at DESC LIMIT ?1";
