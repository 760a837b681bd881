//! Files that are gone, on their way to taking their items out of albums.
//!
//! A deleted file and a moved one look alike until the other half of the move is seen, and a disk
//! that lost a folder looks like a person who deleted it. So a file that is gone only *departs*: its
//! row waits until nothing more disappears and no file of its size is on its way, and what is too
//! much at once is held until a person says so. Only then does the placement leave.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{
    Reader, Result, Store, Tx, albums,
    attach::{self, HELD_ELSEWHERE},
    backup, explain, next_call, row,
};
use crate::{
    clock,
    model::ids::{AlbumRow, FileId, ItemId, RootId},
};

/// Of a folder, more files than this and more than a tenth of it are not let go without a word.
const MANY: u64 = 100;

/// A folder that left the configuration may have been left out by mistake, which its owner sees within
/// a week; milliseconds.
const MISTAKE_MS: i64 = 7 * 24 * 3600 * 1000;

/// How many departures are settled in one step: the writer serves others too.
const STEP: u32 = 500;

/// Departures wait for quiet, but not longer than so many times the quiet that they wait for.
const LONGEST: u32 = 10;

/// The file is gone: if its folder wants so, its item shall leave the album. Not if it was us who
/// moved or deleted it after the upload, as an open act says, or as a database that was restored
/// may have forgotten.
pub(super) fn schedule_removal(db: &Tx, file: FileId, now: Timestamp) -> Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO departures (file_id, root_id, item_id, album_id, gone_at)
         SELECT files.id, files.root_id, files.item_id, files.album_id, ?2
         FROM files JOIN roots ON roots.id = files.root_id
         WHERE files.id = ?1 AND roots.removes = 1 AND files.item_id IS NOT NULL AND files.album_id <> 0
               AND NOT EXISTS (SELECT 1 FROM source_acts
                               WHERE file_id = files.id AND done_at IS NULL AND error IS NULL)
               AND NOT (roots.acts = 1 AND EXISTS (SELECT 1 FROM meta WHERE key = ?3))",
    )?
    .execute(params![file.0, now.as_millisecond(), backup::RESTORED_AT])?;
    Ok(())
}

/// A file that departs, with the bytes of its item.
struct Departure {
    file: FileId,
    item: ItemId,
    album: AlbumRow,
    size: i64,
}

/// Lets leave what has waited for `quiet`, and says in `wake` when the next will have.
pub(super) fn settle(
    db: &Tx,
    quiet: Duration,
    now: Timestamp,
    wake: &mut Option<Timestamp>,
) -> Result<()> {
    let roots: Vec<(RootId, i64, i64, u64)> = db
        .prepare_cached(WAITING)?
        .query_map([], |row| {
            let n: i64 = row.get(3)?;
            Ok((RootId(row.get(0)?), row.get(1)?, row.get(2)?, n as u64))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (root, first, last, n) in roots {
        let due = clock::after(clock::from_millis(last), quiet)
            .min(clock::after(clock::from_millis(first), quiet * LONGEST));
        // A departure from the future is a clock that was set back.
        if due > now && clock::from_millis(last) <= now {
            next_call::sooner(wake, due);
            continue;
        }
        if n > MANY && is_much(db, root)? {
            db.prepare_cached(
                "UPDATE departures SET held = 1 WHERE root_id = ?1 AND held = 0 AND released = 0",
            )?
            .execute([root.0])?;
        }
        match step(db, root, now)? {
            Left::Nothing => {}
            Left::More => next_call::sooner(wake, now),
            Left::ToCome => next_call::sooner(wake, clock::after(now, quiet)),
        }
    }
    Ok(())
}

/// What a step left over.
enum Left {
    Nothing,
    /// The next step has more.
    More,
    /// Only what may be half of a move.
    ToCome,
}

/// Whether more than a tenth of the root departs without anybody having said so.
fn is_much(db: &Tx, root: RootId) -> Result<bool> {
    let departing: i64 = db
        .prepare_cached(
            "SELECT count(*) FROM departures WHERE root_id = ?1 AND held = 0 AND released = 0",
        )?
        .query_row([root.0], |row| row.get(0))?;
    if departing as u64 <= MANY {
        return Ok(false);
    }
    let there: i64 = db
        .prepare_cached(
            "SELECT count(*) FROM dirs CROSS JOIN files ON files.dir_id = dirs.id
             WHERE dirs.root_id = ?1 AND files.state <> 'gone'",
        )?
        .query_row([root.0], |row| row.get(0))?;
    Ok(departing * 10 > there + departing)
}

/// Settles some departures of a root.
fn step(db: &Tx, root: RootId, now: Timestamp) -> Result<Left> {
    let due: Vec<Departure> = db
        .prepare_cached(DUE)?
        .query_map(params![root.0, STEP], departure)?
        .collect::<rusqlite::Result<_>>()?;
    if due.is_empty() {
        return Ok(Left::Nothing);
    }
    let mut left = if due.len() < STEP as usize {
        Left::Nothing
    } else {
        Left::More
    };
    let coming = sizes_to_come(db)?;
    for departure in due {
        if coming.contains(&departure.size) {
            // Perhaps the other half of a move: it is asked again after another time of quiet.
            db.prepare_cached("UPDATE departures SET gone_at = ?2 WHERE file_id = ?1")?
                .execute(params![departure.file.0, now.as_millisecond()])?;
            if matches!(left, Left::Nothing) {
                left = Left::ToCome;
            }
            continue;
        }
        if !is_held_elsewhere(db, &departure, now)? {
            leave(db, departure.item, departure.album)?;
        }
        forget(db, departure.file)?;
    }
    Ok(left)
}

/// The sizes of all files that are not hashed yet.
fn sizes_to_come(db: &Tx) -> Result<HashSet<i64>> {
    let mut sizes = HashSet::new();
    for sql in TO_COME {
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            sizes.insert(row.get(0)?);
        }
    }
    Ok(sizes)
}

/// Whether another file brings the item to this album, whichever of its parts.
fn is_held_elsewhere(db: &Reader, departure: &Departure, now: Timestamp) -> Result<bool> {
    let Departure {
        file, item, album, ..
    } = departure;
    let dropped = now.as_millisecond().saturating_sub(MISTAKE_MS);
    Ok(db
        .prepare_cached(HELD_ELSEWHERE)?
        .query_row(params![item.0, album.0, file.0, dropped], |row| row.get(0))?)
}

/// The item shall not be in the album any more, whichever of its parts; gives whether it is there.
pub(super) fn leave(db: &Tx, item: ItemId, album: AlbumRow) -> Result<bool> {
    let n = db
        .prepare_cached(
            "UPDATE placements SET state = iif(state = 'placed' AND made = 1, 'leaving', 'gone'), in_sequence = 0,
                    attempts = 0, not_before = 0, reason = NULL
             WHERE item_id = ?1 AND state IN ('wanted', 'placed') AND album_id IN (
                 SELECT id FROM albums WHERE id <> 0 AND title = (SELECT title FROM albums WHERE id = ?2))",
        )?
        .execute(params![item.0, album.0])?;
    if n > 0 {
        attach::ensure_library_placement(db, item)?;
    }
    Ok(n > 0)
}

/// An item that a person takes out of an album, with a file that holds it or held it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlbumMembership {
    /// The file.
    pub path: PathBuf,
    /// Its item.
    pub item: ItemId,
    /// The album, or the part of it.
    pub album: AlbumRow,
    /// The title of that part.
    pub title: String,
    /// Where the placement stands, a word of the schema.
    pub state: String,
    /// Why it stands there.
    pub reason: Option<String>,
}

impl Reader {
    /// What of the files at these paths, or below them, is in the album with this title or id. None
    /// if no such album is known.
    pub fn leavers(&self, album: &str, paths: &[Vec<u8>]) -> Result<Option<Vec<AlbumMembership>>> {
        let db = self;
        let parts = albums::named(db, album)?;
        if parts.is_empty() {
            return Ok(None);
        }
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for path in paths {
            for below in explain::files_below(db, path)? {
                for part in &parts {
                    let Some(item) = below.item else { continue };
                    if seen.insert((item, *part)) {
                        found.extend(leaver(db, below.file, ItemId(item), *part)?);
                    }
                }
            }
        }
        Ok(Some(found))
    }

    /// What was held back because so many were gone at once.
    pub fn held_back(&self) -> Result<Vec<AlbumMembership>> {
        let held: Vec<(i64, i64, i64)> = self
            .connection
            .prepare(
                "SELECT file_id, item_id, album_id FROM departures WHERE held = 1 ORDER BY file_id",
            )?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut found = Vec::new();
        for (file, item, album) in held {
            found.extend(leaver(self, FileId(file), ItemId(item), AlbumRow(album))?);
        }
        Ok(found)
    }

    /// How the placements of these items in these albums stand.
    pub fn placements_of(&self, places: &[(ItemId, AlbumRow)]) -> Result<Vec<AlbumMembership>> {
        let mut found = Vec::new();
        for (item, album) in places {
            let file: Option<i64> = self
                .connection
                .prepare_cached("SELECT id FROM files WHERE item_id = ?1 LIMIT 1")?
                .query_row([item.0], |row| row.get(0))
                .optional()?;
            if let Some(file) = file {
                found.extend(leaver(self, FileId(file), *item, *album)?);
            }
        }
        Ok(found)
    }
}

fn leaver(
    db: &Reader,
    file: FileId,
    item: ItemId,
    album: AlbumRow,
) -> Result<Option<AlbumMembership>> {
    Ok(db
        .prepare_cached(
            "SELECT roots.path, dirs.path, files.name, albums.title, albums.part, placements.state,
                    placements.reason
             FROM files JOIN dirs ON dirs.id = files.dir_id JOIN roots ON roots.id = files.root_id
             JOIN placements ON placements.item_id = ?2 AND placements.album_id = ?3
             JOIN albums ON albums.id = placements.album_id
             WHERE files.id = ?1",
        )?
        .query_row(params![file.0, item.0, album.0], |row| {
            Ok(AlbumMembership {
                path: row::joined(row.get(0)?, row.get(1)?, row.get(2)?),
                item,
                album,
                title: albums::part_title(&row.get::<_, String>(3)?, row.get(4)?),
                state: row.get(5)?,
                reason: row.get(6)?,
            })
        })
        .optional()?)
}

impl Store {
    /// What was held back because so many were gone at once leaves now, unless it came back under
    /// another name; gives what leaves. What may be half of a move waits a little longer.
    pub async fn release_held(&self, now: Timestamp) -> Result<Vec<(ItemId, AlbumRow)>> {
        self.write_durably(move |db| {
            db.execute(
                "UPDATE departures SET held = 0, released = 1, gone_at = ?1 WHERE held = 1",
                [now.as_millisecond()],
            )?;
            let coming = sizes_to_come(db)?;
            let released: Vec<Departure> = db
                .prepare_cached(RELEASED)?
                .query_map([], departure)?
                .collect::<rusqlite::Result<_>>()?;
            let mut leaving = Vec::new();
            for one in released {
                if coming.contains(&one.size) {
                    continue;
                }
                if !is_held_elsewhere(db, &one, now)? && leave(db, one.item, one.album)? {
                    leaving.push((one.item, one.album));
                }
                forget(db, one.file)?;
            }
            Ok(leaving)
        })
        .await
    }

    /// A person takes these items out of these albums: in this part alone, and what is gone so stays
    /// gone. What is not made yet goes to the library alone.
    pub async fn remove_by_user(&self, places: Vec<(ItemId, AlbumRow)>) -> Result<()> {
        self.write_durably(move |db| {
            for (item, album) in places {
                db.prepare_cached(
                    "UPDATE placements SET state = iif(state IN ('placed', 'refused') AND made = 1, 'leaving', 'gone'),
                            in_sequence = 0, attempts = 0, not_before = 0,
                            reason = 'it was taken out with `albumen album remove`'
                     WHERE item_id = ?1 AND album_id = ?2 AND state IN ('wanted', 'placed', 'refused')",
                )?
                .execute(params![item.0, album.0])?;
                attach::ensure_library_placement(db, item)?;
            }
            Ok(())
        })
        .await
    }

    /// Whether anything still is to leave an album.
    pub async fn anything_leaving(&self) -> Result<bool> {
        self.write(|db| {
            Ok(db
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM placements WHERE state = 'leaving')")?
                .query_row([], |row| row.get(0))?)
        })
        .await
    }
}

fn departure(row: &Row<'_>) -> rusqlite::Result<Departure> {
    Ok(Departure {
        file: FileId(row.get(0)?),
        item: ItemId(row.get(1)?),
        album: AlbumRow(row.get(2)?),
        size: row.get(3)?,
    })
}

fn forget(db: &Tx, file: FileId) -> Result<()> {
    db.prepare_cached("DELETE FROM departures WHERE file_id = ?1")?
        .execute([file.0])?;
    Ok(())
}

/// Departures that a person let go.
pub(super) const RELEASED: &str =
    "SELECT departures.file_id, departures.item_id, departures.album_id, items.size
     FROM departures CROSS JOIN items ON items.id = departures.item_id WHERE departures.released = 1";

/// Roots with departures that wait: the first, the last, how many.
pub(super) const WAITING: &str =
    "SELECT root_id, min(gone_at), max(gone_at), count(*) FROM departures
     WHERE held = 0 GROUP BY root_id";

/// Those of one root, the longest waiting first.
pub(super) const DUE: &str =
    "SELECT departures.file_id, departures.item_id, departures.album_id, items.size
     FROM departures CROSS JOIN items ON items.id = departures.item_id
     WHERE departures.root_id = ?1 AND departures.held = 0 ORDER BY departures.gone_at LIMIT ?2";

/// Files that are not hashed yet, each by an index that holds little else.
pub(super) const TO_COME: [&str; 3] = [
    "SELECT size FROM files WHERE state = 'settling'",
    "SELECT size FROM files WHERE state = 'claimed'",
    "SELECT files.size FROM roots CROSS JOIN files ON files.root_id = roots.id WHERE files.state = 'queued'",
];
