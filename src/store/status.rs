//! What `status` and `albums` show, from counters and short index reads.

use std::{collections::HashMap, os::unix::ffi::OsStrExt as _, path::PathBuf};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use super::{
    AccountState, Ledger, Pause, Reader, Result, UploadsState, WriterState, albums, byte_sources,
    pauses, placements, quota_usage,
    row::{amount, joined, path_from},
    source_actions,
};
use crate::{
    clock,
    escape::{self, Escaped},
    model::ids::AlbumRow,
};

/// The most failures and albums that `status` lists (the design, section 4).
const LISTED: u32 = 100;

/// Files that have no item yet, and items, by state. The `items` of `status --json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ItemCounts {
    /// Files that may still be written to.
    pub settling: u64,
    /// Files waiting for their upload.
    pub queued: u64,
    /// Items whose bytes are being sent.
    pub uploading: u64,
    /// Items with an upload token.
    pub uploaded: u64,
    /// Items in a batchCreate without an answer.
    pub creating: u64,
    /// Items that are in the library.
    pub created: u64,
    /// Items in the library that a batchGet confirmed.
    pub verified: u64,
    /// Items whose attempts are used up.
    pub failed: u64,
    /// Items that the service no longer has.
    pub missing: u64,
    /// Files that are no photo or video, and items without a file.
    pub skipped: u64,
}

impl ItemCounts {
    /// What is still on its way.
    pub fn pending(&self) -> u64 {
        self.settling + self.queued + self.uploading + self.uploaded + self.creating
    }

    /// What is in the library.
    pub fn done(&self) -> u64 {
        self.created + self.verified
    }

    /// What is not in the library and needs the user.
    pub fn in_trouble(&self) -> u64 {
        self.failed + self.missing
    }
}

/// Placements in albums by state. The `placements` of `status --json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PlacementCounts {
    /// Not in the album yet.
    pub wanted: u64,
    /// In the album.
    pub placed: u64,
    /// To be removed from the album.
    pub leaving: u64,
    /// Removed from the album.
    pub gone: u64,
    /// Refused by the service.
    pub refused: u64,
    /// Those of `wanted` whose item is in the library already.
    #[serde(skip)]
    pub joining: u64,
    /// Placements of deleted files: so many at once that the user has to confirm their removal.
    pub held: u64,
}

/// Files of folders with `after_upload`. The `after_upload` of `status --json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FileActionCounts {
    /// To be moved or deleted.
    pub waiting: u64,
    /// Kept where they are, for a reason that `explain` tells.
    pub staying: u64,
    /// Moved or deleted.
    pub done: u64,
}

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
    pub lane: Pause<WriterState>,
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
    /// Uploads in progress.
    pub transfers: Vec<TransferView>,
    /// The busiest albums, at most 100.
    pub albums: Vec<AlbumView>,
    /// Failed, missing and refused, newest first, at most 100.
    pub failures: Vec<Failure>,
    /// Descriptions that the service is still to be told; counted up to ten thousand.
    pub to_describe: u64,
    /// Roots that are away, and directories where a disk was mounted and none is.
    pub away: Vec<PathBuf>,
    /// Files in the queue below roots that nobody watches.
    pub unwatched: Vec<byte_sources::UnavailableFiles>,
}

/// An upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The file.
    pub path: PathBuf,
    /// Bytes sent so far.
    pub sent: u64,
    /// Size of the file in bytes.
    pub size: u64,
}

/// An upload in progress, as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransferView {
    /// The file, unsafe characters escaped.
    pub path: String,
    /// Bytes sent so far.
    pub sent: u64,
    /// Size of the file in bytes.
    pub size: u64,
}

/// An album, as `status` and `albums` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlbumView {
    /// Its row.
    #[serde(skip)]
    pub row: AlbumRow,
    /// Its title, with "(2)" and so on for further parts.
    #[serde(serialize_with = "escape::serialize")]
    pub title: String,
    /// The service's id, once it was created.
    pub id: Option<String>,
    /// How many items are in it.
    pub items: u64,
    /// Why nothing goes into it at the moment; null if nothing is wrong with it.
    pub reason: Option<String>,
    /// Its address for a browser.
    #[serde(skip)]
    pub product_url: Option<String>,
    /// Placements that are wanted, and queued files that will want one.
    #[serde(skip)]
    pub wanted: u64,
    /// Placements in it that are not at their place in the order.
    #[serde(skip)]
    pub out_of_sequence: u64,
}

/// A file that did not go up, as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The file, unsafe characters escaped.
    pub path: String,
    /// `failed`, `missing` or `skipped`. `skipped` is a refused file here; an item of that state has no file.
    pub state: &'static str,
    /// Why, in Albumen's words.
    pub reason: Option<String>,
    /// The service's error code.
    pub code: Option<i32>,
    /// The service's error message.
    pub message: Option<String>,
    /// Attempts that counted against it.
    pub attempts: u32,
    /// When it is tried again; null if it is not.
    pub next_try_at: Option<Timestamp>,
    /// Whether reading it failed: it was not left out by a rule.
    #[serde(skip)]
    pub unreadable: bool,
}

impl Overview {
    /// How many rows stand there: `count("file", "queued")`.
    pub fn count(&self, of: &str, state: &str) -> u64 {
        self.counts
            .get(&format!("{of}.{state}"))
            .map_or(0, |(n, _)| amount(*n))
    }

    /// Files and items by state.
    pub fn items(&self) -> ItemCounts {
        let file = |state| self.count("file", state);
        let item = |state| self.count("item", state);
        ItemCounts {
            settling: file("settling"),
            queued: file("queued") + file("claimed"),
            uploading: item("uploading"),
            uploaded: item("uploaded"),
            creating: item("creating"),
            created: item("created"),
            verified: item("verified"),
            failed: item("failed"),
            missing: item("missing"),
            skipped: file("refused") + item("skipped"),
        }
    }

    /// Placements by state.
    pub fn placements(&self) -> PlacementCounts {
        let placement = |state| self.count("placement", state);
        PlacementCounts {
            wanted: placement("wanted"),
            placed: placement("placed"),
            leaving: placement("leaving"),
            gone: placement("gone"),
            refused: placement("refused"),
            joining: self.joining,
            held: self.count("removal", "unconfirmed"),
        }
    }

    /// Files of folders with `after_upload`, by what happens to them.
    pub fn file_actions(&self) -> FileActionCounts {
        let action = |state| self.count("action", state);
        FileActionCounts {
            waiting: action("waiting") + action("ready"),
            staying: action("kept"),
            done: action("done"),
        }
    }

    /// Size of the files whose upload has not begun.
    pub fn bytes_queued(&self) -> u64 {
        let states = ["settling", "queued", "claimed"].into_iter();
        states.map(|state| self.bytes("file", state)).sum()
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
        let _snapshot = self.connection.unchecked_transaction()?;
        let db = self;
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
        let (uploads, uploads_asked) = pauses::uploads(db)?;
        Ok(Overview {
            process,
            uploads,
            uploads_asked,
            bytes_sent,
            rate,
            account: pauses::account(db)?,
            account_since: pauses::since(db)?,
            account_hint: pauses::hint(db)?,
            is_published: db.is_published()?,
            lane: pauses::lane(db)?,
            counts,
            joining: db
                .query_row(JOINING, [], |row| row.get::<_, i64>(0))?
                .max(0) as u64,
            ledger: quota_usage::of_day(db, now)?,
            transfers: transfers(db)?,
            albums: albums_of(db, i64::from(LISTED))?,
            failures: failures(db)?,
            to_describe: db.query_row(TO_DESCRIBE, [], |row| row.get::<_, i64>(0))? as u64,
            away: db.unavailable_roots()?,
            unwatched: db.unavailable_files(byte_sources::RootFilter::Unwatched)?,
        })
    }

    /// All albums, the busiest first.
    pub fn albums(&self) -> Result<Vec<AlbumView>> {
        albums_of(self, -1)
    }
}

fn transfers(db: &Reader) -> Result<Vec<TransferView>> {
    let rows = db
        .prepare("SELECT path, sent, size FROM transfers ORDER BY file_id")?
        .query_map([], |row| {
            let path = path_from(row.get(0)?);
            Ok(TransferView {
                path: Escaped::path(&path).to_string(),
                sent: amount(row.get(1)?),
                size: amount(row.get(2)?),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

fn albums_of(db: &Reader, limit: i64) -> Result<Vec<AlbumView>> {
    let rows = db
        .prepare(ALBUMS)?
        .query_map([limit], |row| {
            let placed: i64 = row.get(5)?;
            let in_sequence: i64 = row.get(8)?;
            Ok(AlbumView {
                row: AlbumRow(row.get(0)?),
                title: albums::part_title(&row.get::<_, String>(1)?, row.get(2)?),
                id: row.get::<_, Option<String>>(3)?.map(escaped),
                product_url: row.get::<_, Option<String>>(4)?.map(escaped),
                items: amount(placed),
                wanted: amount(row.get(6)?),
                out_of_sequence: amount(placed.saturating_sub(in_sequence)),
                reason: row.get::<_, Option<String>>(7)?.map(escaped),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

fn failures(db: &Reader) -> Result<Vec<Failure>> {
    let mut all: Vec<(i64, Failure)> = Vec::new();
    for sql in [FAILED, REFUSED] {
        let mut statement = db.prepare(sql)?;
        let rows = statement.query_map([LISTED], |row| {
            let path = joined(row.get(0)?, row.get(1)?, row.get(2)?);
            let failure = Failure {
                path: Escaped::path(&path).to_string(),
                state: match row.get_ref(3)?.as_str()? {
                    "missing" => "missing",
                    "skipped" => "skipped",
                    _ => "failed",
                },
                reason: row.get::<_, Option<String>>(4)?.map(escaped),
                code: row.get(5)?,
                message: row.get::<_, Option<String>>(6)?.map(escaped),
                attempts: row.get(7)?,
                next_try_at: None,
                unreadable: row.get(9)?,
            };
            Ok((row.get(8)?, failure))
        })?;
        for row in rows {
            all.push(row?);
        }
    }
    all.sort_by_key(|(changed_at, _)| std::cmp::Reverse(*changed_at));
    all.truncate(LISTED as usize);
    Ok(all.into_iter().map(|(_, failure)| failure).collect())
}

/// Titles, reasons and messages may hold anything that the service or a file name put into them.
#[expect(clippy::needless_pass_by_value, reason = "passed to `map`")]
fn escaped(text: String) -> String {
    Escaped::text(&text).to_string()
}

/// Whether anything can still move. Each part stops at its first row, by an index.
pub(super) const CAN_MOVE: &str =
    "SELECT EXISTS (SELECT 1 FROM calls WHERE answered_at IS NULL)
         OR EXISTS (SELECT 1 FROM items WHERE state IN ('uploading', 'uploaded', 'creating'))
         OR EXISTS (SELECT 1 FROM files WHERE state = 'claimed')
         OR EXISTS (SELECT 1 FROM roots WHERE claimable = 1 AND away = 0 AND EXISTS (
                        SELECT 1 FROM files WHERE files.root_id = roots.id AND files.state = 'queued'))
         OR EXISTS (SELECT 1 FROM files CROSS JOIN roots ON roots.id = files.root_id
                    WHERE files.state = 'settling' AND roots.claimable = 1 AND roots.away = 0)
         OR EXISTS (SELECT 1 FROM placements WHERE state = 'wanted' AND item_exists = 1)
         OR EXISTS (SELECT 1 FROM placements WHERE state = 'leaving')
         OR EXISTS (SELECT 1 FROM items WHERE describe_at IS NOT NULL AND description IS NOT sent_description
                                              AND state IN ('created', 'verified'))";

/// Whether the lane has something to do.
const LANE_HAS_WORK: &str = "SELECT EXISTS (SELECT 1 FROM calls WHERE answered_at IS NULL)
         OR EXISTS (SELECT 1 FROM items WHERE state IN ('uploaded', 'creating'))
         OR EXISTS (SELECT 1 FROM placements WHERE state = 'wanted' AND item_exists = 1)
         OR EXISTS (SELECT 1 FROM placements WHERE state = 'leaving')
         OR EXISTS (SELECT 1 FROM items WHERE describe_at IS NOT NULL AND description IS NOT sent_description
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
                     WHERE files.state = 'settling' AND roots.claimable = 1 AND roots.away = 0",
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
            for sql in [CAN_MOVE, source_actions::SOURCES_MOVE, placements::TO_READ] {
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
     WHERE describe_at IS NOT NULL AND description IS NOT sent_description AND state IN ('created', 'verified')
     LIMIT 10000)";

/// Walks a partial index, which holds nothing else.
pub(super) const JOINING: &str =
    "SELECT count(*) FROM placements WHERE state = 'wanted' AND item_exists = 1";

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
                    trouble.attempts, trouble.changed_at, 0
             FROM (SELECT * FROM items WHERE state IN ('failed', 'missing') ORDER BY changed_at DESC LIMIT ?1) AS trouble
             LEFT JOIN files ON files.id = (SELECT min(id) FROM files WHERE item_id = trouble.id)
             LEFT JOIN dirs ON dirs.id = files.dir_id LEFT JOIN roots ON roots.id = files.root_id";

/// The newest files that were refused, but for other kinds of file and those that others have sent.
pub(super) const REFUSED: &str =
    "SELECT roots.path, dirs.path, files.name, 'skipped', files.reason, NULL, NULL, files.attempts, files.changed_at,
            files.reason_kind = 'unreadable'
             FROM files JOIN dirs ON dirs.id = files.dir_id JOIN roots ON roots.id = files.root_id
             WHERE files.state = 'refused' AND files.reason_kind NOT IN ('other_kind', 'imported')
             ORDER BY files.changed_at DESC LIMIT ?1";
