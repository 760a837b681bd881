//! What the store knows of one path: `explain`, and what `retry` is asked for by path.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Reader, Result, albums, row};
use crate::{
    clock,
    model::ids::{FileId, MediaItemId},
};

/// What the store knows of one file, for `explain`.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Its row.
    pub file: FileId,
    /// The file's state, a word of the schema.
    pub file_state: String,
    /// Why it was refused.
    pub file_reason: Option<String>,
    /// The item's state, if its bytes are known.
    pub item_state: Option<String>,
    /// Why the item stands there.
    pub item_reason: Option<String>,
    /// The service's words.
    pub message: Option<String>,
    /// How often it was blamed.
    pub attempts: u32,
    /// When it moves again.
    pub not_before: Option<Timestamp>,
    /// Where a browser finds it.
    pub product_url: Option<String>,
    /// The description that the item shall have.
    pub description: Option<String>,
    /// The description that the service was told.
    pub described: Option<String>,
    /// Why the service would not take the description.
    pub describe_error: Option<String>,
    /// The albums it is in or goes to.
    pub albums: Vec<Membership>,
    /// What it was in the library before: its former content, or itself before it was sent again.
    pub former: Vec<Former>,
    /// Where else the same bytes are.
    pub copies: Vec<PathBuf>,
}

/// An album that a file is in or goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Its title.
    pub title: String,
    /// The state of the placement, a word of the schema.
    pub state: String,
    /// Why it stands there.
    pub reason: Option<String>,
    /// Whether it stands at its place in the order.
    pub is_in_order: bool,
    /// What is wrong with the album itself.
    pub album_reason: Option<String>,
}

/// A media item that a file was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Its id.
    pub media_item_id: MediaItemId,
    /// Where a browser finds it.
    pub product_url: Option<String>,
    /// Until when.
    pub until: Timestamp,
    /// Whether it was of another content, and is there still.
    pub was_edited: bool,
}

impl Reader {
    /// What is known of the file at this absolute path.
    pub fn explain(&self, path: &Path) -> Result<Option<Explained>> {
        explain(self, path)
    }
}

/// What one file row tells, and its item.
type Found = (Explained, FileId, Option<i64>);

/// The most copies that are named.
const COPIES: i64 = 10;

fn explain(db: &Reader, path: &Path) -> Result<Option<Explained>> {
    let Some((mut explained, file, item)) = find(db, path)? else {
        return Ok(None);
    };
    explained.former = former(db, file, item)?;
    explained.copies = copies(db, file, item)?;
    explained.albums = db
        .prepare(
            "SELECT albums.title, albums.part, placements.state, placements.reason, placements.in_sequence,
                    albums.reason FROM placements
             JOIN albums ON albums.id = placements.album_id
             WHERE placements.item_id = ?1 AND albums.id <> 0 ORDER BY albums.title, albums.part",
        )?
        .query_map([item], |row| {
            Ok(Membership {
                title: albums::part_title(&row.get::<_, String>(0)?, row.get(1)?),
                state: row.get(2)?,
                reason: row.get(3)?,
                is_in_order: row.get(4)?,
                album_reason: row.get(5)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(explained))
}

/// What the file, or its item, was before; the oldest first.
fn former(db: &Reader, file: FileId, item: Option<i64>) -> Result<Vec<Former>> {
    let rows = db
        .prepare(
            "SELECT items.media_item_id, items.product_url, former_items.until AS until, 1
             FROM former_items JOIN items ON items.id = former_items.item_id
             WHERE former_items.file_id = ?1 AND items.media_item_id IS NOT NULL
             UNION ALL
             SELECT media_item_id, NULL, until, 0 FROM former_media_items WHERE item_id = ?2
             ORDER BY until",
        )?
        .query_map(params![file.0, item], |row| {
            Ok(Former {
                media_item_id: MediaItemId::new(row.get::<_, String>(0)?),
                product_url: row.get(1)?,
                until: clock::from_millis(row.get(2)?),
                was_edited: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// Other files that hold the same item.
fn copies(db: &Reader, file: FileId, item: Option<i64>) -> Result<Vec<PathBuf>> {
    let rows = db
        .prepare(
            "SELECT roots.path, dirs.path, files.name FROM files
             JOIN dirs ON dirs.id = files.dir_id JOIN roots ON roots.id = files.root_id
             WHERE files.item_id = ?1 AND files.id <> ?2 AND files.state = 'held'
             ORDER BY files.id LIMIT ?3",
        )?
        .query_map(params![item, file.0, COPIES], |row| {
            let mut path = row::path_from(row.get(0)?);
            path.push(row::path_from(row.get(1)?));
            path.push(row::path_from(row.get(2)?));
            Ok(path)
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// The row of this path below the root that holds it most closely. Roots that the configuration had
/// once may hold it more closely still, with rows that are gone or none at all.
fn find(db: &Reader, path: &Path) -> Result<Option<Found>> {
    let mut gone = None;
    for ancestor in path.ancestors().skip(1) {
        let root: Option<i64> = db
            .prepare_cached("SELECT id FROM roots WHERE path = ?1")?
            .query_row([ancestor.as_os_str().as_bytes()], |row| row.get(0))
            .optional()?;
        let (Some(root), Ok(relative)) = (root, path.strip_prefix(ancestor)) else {
            continue;
        };
        match row_of(db, root, relative)? {
            Some(found) if found.0.file_state == "gone" => {
                gone.get_or_insert(found);
            }
            Some(found) => return Ok(Some(found)),
            None => {}
        }
    }
    Ok(gone)
}

fn row_of(db: &Reader, root: i64, relative: &Path) -> Result<Option<Found>> {
    let dir = relative.parent().unwrap_or(Path::new(""));
    let Some(name) = relative.file_name() else {
        return Ok(None);
    };
    Ok(db
        .prepare(
            "SELECT files.state, files.reason, files.item_id, max(files.not_before, coalesce(items.not_before, 0)),
                    items.state, items.reason, items.message, items.attempts, items.product_url, files.attempts,
                    items.description, items.described, items.describe_error, files.id
             FROM dirs CROSS JOIN files ON files.dir_id = dirs.id LEFT JOIN items ON items.id = files.item_id
             WHERE dirs.root_id = ?1 AND dirs.path = ?2 AND files.name = ?3",
        )?
        .query_row(params![root, dir.as_os_str().as_bytes(), name.as_bytes()], |row| {
            let not_before: i64 = row.get(3)?;
            let explained = Explained {
                file: FileId(row.get(13)?),
                file_state: row.get(0)?,
                file_reason: row.get(1)?,
                item_state: row.get(4)?,
                item_reason: row.get(5)?,
                message: row.get(6)?,
                attempts: row.get::<_, Option<u32>>(7)?.unwrap_or(0) + row.get::<_, u32>(9)?,
                not_before: (not_before > 0).then(|| clock::from_millis(not_before)),
                product_url: row.get(8)?,
                description: row.get(10)?,
                described: row.get(11)?,
                describe_error: row.get(12)?,
                albums: Vec::new(),
                former: Vec::new(),
                copies: Vec::new(),
            };
            Ok((explained, FileId(row.get(13)?), row.get(2)?))
        })
        .optional()?)
}

/// A file at a path or below it: its row, its item, and whether it was refused because it could not
/// be read.
pub(super) struct Below {
    pub(super) file: FileId,
    pub(super) item: Option<i64>,
    pub(super) unreadable: bool,
}

/// The directories at a path and below it: ?2 is the path, ?3 and ?4 enclose what begins with it and
/// a slash ('0' is the byte after '/').
pub(super) const DIRS_BELOW: &str =
    "SELECT id FROM dirs WHERE root_id = ?1 AND (path = ?2 OR (path > ?3 AND path < ?4))";
pub(super) const FILES_BELOW: &str =
    "SELECT id, item_id, state = 'refused' AND reason_kind = 'unreadable'
     FROM files WHERE dir_id = ?1 AND (?2 IS NULL OR name = ?2)";

/// The file at `path`, or all files below it, in whichever root.
pub(super) fn files_below(db: &Reader, path: &[u8]) -> Result<Vec<Below>> {
    let path = Path::new(OsStr::from_bytes(path));
    let roots: Vec<(i64, Vec<u8>)> = db
        .prepare_cached("SELECT id, path FROM roots")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut found = Vec::new();
    for (root, root_path) in roots {
        let root_path = Path::new(OsStr::from_bytes(&root_path));
        if root_path.starts_with(path) {
            let all = db
                .prepare_cached("SELECT id FROM dirs WHERE root_id = ?1")?
                .query_map([root], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            for dir in all {
                files_in(db, dir, None, &mut found)?;
            }
        } else if let Ok(relative) = path.strip_prefix(root_path) {
            let bytes = relative.as_os_str().as_bytes();
            let (from, to) = ([bytes, b"/"].concat(), [bytes, b"0"].concat());
            let below = db
                .prepare_cached(DIRS_BELOW)?
                .query_map(params![root, bytes, from, to], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            for dir in below {
                files_in(db, dir, None, &mut found)?;
            }
            let dir = relative.parent().unwrap_or(Path::new(""));
            let dir: Option<i64> = db
                .prepare_cached("SELECT id FROM dirs WHERE root_id = ?1 AND path = ?2")?
                .query_row(params![root, dir.as_os_str().as_bytes()], |row| row.get(0))
                .optional()?;
            if let (Some(dir), Some(name)) = (dir, relative.file_name()) {
                files_in(db, dir, Some(name), &mut found)?;
            }
        }
    }
    Ok(found)
}

fn files_in(db: &Reader, dir: i64, name: Option<&OsStr>, found: &mut Vec<Below>) -> Result<()> {
    let mut statement = db.prepare_cached(FILES_BELOW)?;
    let rows = statement.query_map(params![dir, name.map(OsStr::as_bytes)], |row| {
        Ok(Below {
            file: FileId(row.get(0)?),
            item: row.get(1)?,
            unreadable: row.get(2)?,
        })
    })?;
    for row in rows {
        found.push(row?);
    }
    Ok(())
}
