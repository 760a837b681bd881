//! What the store knows of one file or directory: for `explain`, `doctor`, `backfill --dry-run`, and for commands
//! that are given paths.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    Reader, Result, albums,
    row::{from_row, joined, params},
};
use crate::model::ids::{DirId, FileId, ItemId, MediaItemId, RootId};

/// What the store knows of one file, for `explain`.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Its row.
    pub file: FileId,
    /// The state of the file, a word of the schema.
    pub file_state: String,
    /// Why it was refused.
    pub file_reason: Option<String>,
    /// The state of its item, if its bytes are known.
    pub item_state: Option<String>,
    /// Why the item is in that state.
    pub item_reason: Option<String>,
    /// The service's message.
    pub message: Option<String>,
    /// Failed attempts that count against it.
    pub attempts: u32,
    /// When it is tried again.
    pub not_before: Option<Timestamp>,
    /// Its page in Google Photos.
    pub product_url: Option<String>,
    /// The description that the item is to have.
    pub description: Option<String>,
    /// The description that the service has.
    pub described: Option<String>,
    /// Why the service refused the description.
    pub describe_error: Option<String>,
    /// The albums it is in or goes to.
    pub albums: Vec<Membership>,
    /// What it was in the library before: its former content, or itself before it was uploaded again.
    pub former: Vec<Former>,
    /// Other files with the same bytes.
    pub copies: Vec<PathBuf>,
}

/// An album that a file is in or goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Its title.
    pub title: String,
    /// The state of the placement, a word of the schema.
    pub state: String,
    /// Why it is in that state.
    pub reason: Option<String>,
    /// Whether it is at its position in the order.
    pub is_in_order: bool,
    /// What is wrong with the album itself.
    pub album_reason: Option<String>,
}

/// A media item that a file was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Its id.
    pub media_item_id: MediaItemId,
    /// Its page in Google Photos.
    pub product_url: Option<String>,
    /// Until when.
    pub until: Timestamp,
    /// Whether it had another content; then it is still in the library.
    pub was_edited: bool,
}

from_row!(Former {
    media_item_id,
    product_url,
    until,
    was_edited
});

/// What `backfill --dry-run` asks about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStatus {
    /// Its name in its directory.
    pub name: OsString,
    /// Its size when it was last looked at, bytes.
    pub size: u64,
    /// The time of the last change of its content, as of then, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// The state of the file, a word of the schema.
    pub file_state: String,
    /// Why it was refused.
    pub file_reason: Option<String>,
    /// The state of its item, if its bytes are known.
    pub item_state: Option<String>,
    /// Whether `after_upload` keeps it where it is.
    pub stays: bool,
}

from_row!(FileStatus {
    name,
    size,
    mtime_ns,
    file_state,
    file_reason,
    item_state,
    stays
});

impl Reader {
    /// What is known of the file at this absolute path.
    pub fn explain(&self, path: &Path) -> Result<Option<Explained>> {
        type Placement = (String, i64, String, Option<String>, bool, Option<String>);
        let Some((mut explained, item)) = find(self, path)? else {
            return Ok(None);
        };
        // The oldest first.
        explained.former = self.all(
            "SELECT items.media_item_id, items.product_url, former_items.until AS until, 1
             FROM former_items JOIN items ON items.id = former_items.item_id
             WHERE former_items.file_id = ?1 AND items.media_item_id IS NOT NULL
             UNION ALL
             SELECT media_item_id, NULL, until, 0 FROM former_media_items WHERE item_id = ?2
             ORDER BY until",
            params![explained.file, item],
        )?;
        let copies = self.all(
            "SELECT roots.path, dirs.path, files.name FROM files
             JOIN dirs ON dirs.id = files.dir_id JOIN roots ON roots.id = files.root_id
             WHERE files.item_id = ?1 AND files.id <> ?2 AND files.state = 'attached'
             ORDER BY files.id LIMIT ?3",
            params![item, explained.file, MAX_COPIES],
        )?;
        let copies = copies.into_iter();
        explained.copies = copies
            .map(|(root, dir, name)| joined(root, dir, name))
            .collect();
        let placements: Vec<Placement> = self.all(
            "SELECT albums.title, albums.part, placements.state, placements.reason, placements.in_sequence,
                    albums.reason
             FROM placements JOIN albums ON albums.id = placements.album_id
             WHERE placements.item_id = ?1 AND albums.id <> 0 ORDER BY albums.title, albums.part",
            params![item],
        )?;
        let placements = placements.into_iter();
        explained.albums = placements
            .map(
                |(title, part, state, reason, is_in_order, album_reason)| Membership {
                    title: albums::part_title(&title, part),
                    state,
                    reason,
                    is_in_order,
                    album_reason,
                },
            )
            .collect();
        Ok(Some(explained))
    }

    /// What SQLite finds wrong with the database file. It reads the whole file.
    pub fn check(&self) -> Result<Vec<String>> {
        let mut lines: Vec<String> = self.all("PRAGMA quick_check(20)", params![])?;
        lines.retain(|line| line != "ok");
        Ok(lines)
    }

    /// How many files each rule refuses, the most frequent rule first, each with the reason of one file. Files
    /// that are no photos or videos are included.
    pub fn refusals(&self) -> Result<Vec<(String, u64, String)>> {
        self.all(
            "SELECT reason_kind, count(*), coalesce(max(reason), '') FROM files
             WHERE state = 'refused' GROUP BY reason_kind ORDER BY count(*) DESC, reason_kind",
            params![],
        )
    }

    /// The order keys of the items in sequence in the last part of the album with this title, ascending.
    pub fn sequence_of(&self, title: &str) -> Result<Vec<Vec<u8>>> {
        self.all(SEQUENCE, params![title])
    }

    /// What is known of the files of a directory, given relative to its root, except those that are gone.
    pub fn standing_in(&self, root: &Path, dir: &Path) -> Result<Vec<FileStatus>> {
        self.all(
            "SELECT files.name, files.size, files.mtime_ns, files.state, files.reason, items.state,
                    files.action_state IS 'kept'
             FROM roots JOIN dirs ON dirs.root_id = roots.id JOIN files ON files.dir_id = dirs.id
             LEFT JOIN items ON items.id = files.item_id
             WHERE roots.path = ?1 AND dirs.path = ?2 AND files.state <> 'gone'",
            params![root, dir],
        )
    }
}

/// The statement behind [`Reader::sequence_of`].
pub(super) const SEQUENCE: &str = "SELECT order_key FROM placements
     WHERE in_sequence = 1
           AND album_id = (SELECT id FROM albums WHERE title = ?1 ORDER BY part DESC LIMIT 1)
     ORDER BY order_key";

/// The most copies that are listed.
const MAX_COPIES: u32 = 10;

/// The row of this path in the innermost root that knows it, with its item. Roots that left the configuration may
/// lie further in, with rows that are gone: those only count if there is no other.
fn find(db: &Reader, path: &Path) -> Result<Option<(Explained, Option<ItemId>)>> {
    let mut gone = None;
    for ancestor in path.ancestors().skip(1) {
        let root = db.opt("SELECT id FROM roots WHERE path = ?1", params![ancestor])?;
        let (Some(root), Ok(relative)) = (root, path.strip_prefix(ancestor)) else {
            continue;
        };
        match find_in(db, root, relative)? {
            Some(found) if found.0.file_state == "gone" => {
                gone.get_or_insert(found);
            }
            Some(found) => return Ok(Some(found)),
            None => {}
        }
    }
    Ok(gone)
}

fn find_in(
    db: &Reader,
    root: RootId,
    relative: &Path,
) -> Result<Option<(Explained, Option<ItemId>)>> {
    type Texts = (
        Option<String>,
        Option<String>,
        Option<String>,
        Option<String>,
    );
    type Ids = (FileId, Option<ItemId>);
    type FileColumns = (String, Option<String>);
    let dir = relative.parent().unwrap_or(Path::new(""));
    let Some(name) = relative.file_name() else {
        return Ok(None);
    };
    let row: Option<(Ids, FileColumns, Texts, Texts, u32, i64)> = db.opt(
        "SELECT files.id, files.item_id, files.state, files.reason,
                items.state, items.reason, items.message, items.product_url,
                items.description, items.sent_description, items.describe_error, NULL,
                files.attempts + coalesce(items.attempts, 0),
                max(files.not_before, coalesce(items.not_before, 0))
         FROM dirs CROSS JOIN files ON files.dir_id = dirs.id LEFT JOIN items ON items.id = files.item_id
         WHERE dirs.root_id = ?1 AND dirs.path = ?2 AND files.name = ?3",
        params![root, dir, name],
    )?;
    let Some(((file, item), (file_state, file_reason), about_item, texts, attempts, not_before)) =
        row
    else {
        return Ok(None);
    };
    let (item_state, item_reason, message, product_url) = about_item;
    let (description, described, describe_error, _) = texts;
    let explained = Explained {
        file,
        file_state,
        file_reason,
        item_state,
        item_reason,
        message,
        attempts,
        not_before: (not_before > 0).then(|| crate::clock::from_millis(not_before)),
        product_url,
        description,
        described,
        describe_error,
        albums: Vec::new(),
        former: Vec::new(),
        copies: Vec::new(),
    };
    Ok(Some((explained, item)))
}

/// A file at a path or below it.
pub(super) struct Below {
    pub(super) file: FileId,
    pub(super) item: Option<ItemId>,
    /// Whether it was refused because it could not be read.
    pub(super) unreadable: bool,
}

from_row!(Below {
    file,
    item,
    unreadable
});

/// The directories at a path (?2) and below it; ?3 and ?4 enclose what begins with it and a slash ('0' is the byte
/// after '/').
pub(super) const DIRS_BELOW: &str =
    "SELECT id FROM dirs WHERE root_id = ?1 AND (path = ?2 OR (path > ?3 AND path < ?4))";
pub(super) const FILES_BELOW: &str =
    "SELECT id, item_id, state = 'refused' AND reason_kind = 'unreadable'
     FROM files WHERE dir_id = ?1 AND (?2 IS NULL OR name = ?2)";

/// The file at `path`, or all files below it, in all roots.
pub(super) fn files_below(db: &Reader, path: &[u8]) -> Result<Vec<Below>> {
    let path = Path::new(OsStr::from_bytes(path));
    let mut found = Vec::new();
    for (root, root_path) in db.all::<(RootId, PathBuf)>("SELECT id, path FROM roots", params![])? {
        let dirs: Vec<DirId> = if root_path.starts_with(path) {
            db.all("SELECT id FROM dirs WHERE root_id = ?1", params![root])?
        } else if let Ok(relative) = path.strip_prefix(&root_path) {
            let dir = relative.parent().unwrap_or(Path::new(""));
            let sql = "SELECT id FROM dirs WHERE root_id = ?1 AND path = ?2";
            if let (Some(dir), Some(name)) = (
                db.opt::<DirId>(sql, params![root, dir])?,
                relative.file_name(),
            ) {
                found.extend(db.all(FILES_BELOW, params![dir, name])?);
            }
            let bytes = relative.as_os_str().as_bytes();
            let (from, to) = ([bytes, b"/"].concat(), [bytes, b"0"].concat());
            db.all(DIRS_BELOW, params![root, relative, from, to])?
        } else {
            continue;
        };
        for dir in dirs {
            found.extend(db.all(FILES_BELOW, params![dir, None::<&OsStr>])?);
        }
    }
    Ok(found)
}
