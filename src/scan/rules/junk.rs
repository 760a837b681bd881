//! The built-in junk list: what programs, cameras, phones and storage boxes leave among photos.
//!
//! Data, not code: a line is a pattern with at most one `*`, for which sort of entry it is, and whose
//! it is. Upper and lower case are the same. Where two lines meet a name, the first one is told.

use std::sync::LazyLock;

/// What a line of the list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Dir,
    File,
}

/// A line of the list.
#[derive(Debug)]
pub(super) struct Junk {
    sort: Sort,
    pub(super) pattern: &'static str,
    pub(super) whose: &'static str,
}

const fn dir(pattern: &'static str, whose: &'static str) -> Junk {
    Junk {
        sort: Sort::Dir,
        pattern,
        whose,
    }
}

const fn file(pattern: &'static str, whose: &'static str) -> Junk {
    Junk {
        sort: Sort::File,
        pattern,
        whose,
    }
}

const LIST: &[Junk] = &[
    dir("@eaDir", "thumbnails and metadata of Synology DSM"),
    dir("#recycle", "recycle bin of Synology DSM"),
    dir("#snapshot", "snapshots of Synology DSM"),
    dir("@tmp", "temporary files of Synology DSM"),
    dir("SYNOFILE_THUMB*", "thumbnails of Synology DSM"),
    dir("SYNOPHOTO_THUMB*", "thumbnails of Synology Photos"),
    dir("@__thumb", "thumbnails of QNAP"),
    dir(".@__thumb", "thumbnails of QNAP"),
    dir("@Recycle", "recycle bin of QNAP"),
    dir("@Recently-Snapshot", "snapshots of QNAP"),
    dir("$RECYCLE.BIN", "recycle bin of Windows"),
    dir("RECYCLER", "recycle bin of older Windows"),
    dir("System Volume Information", "housekeeping of Windows"),
    dir("FOUND.*", "pieces of files that chkdsk found"),
    dir("lost+found", "pieces of files that fsck found"),
    dir("LOST.DIR", "pieces of files that Android found on a card"),
    dir(".Trash*", "trash of the desktop"),
    dir(".dtrash", "trash of digiKam"),
    dir(".thumbnails", "thumbnails of Android and of older desktops"),
    dir(".photostructure", "data of PhotoStructure"),
    dir(".stfolder", "marker of Syncthing"),
    dir(".stversions", "old versions that Syncthing keeps"),
    dir(".sync", "data of Resilio Sync"),
    dir(".dropbox.cache", "cache of Dropbox"),
    dir(".git", "data of git"),
    dir(".snapshots", "snapshots of the file system"),
    dir(".zfs", "snapshots of ZFS"),
    dir(".Spotlight-V100", "search index of macOS"),
    dir(".fseventsd", "journal of macOS"),
    dir(".TemporaryItems", "temporary files of macOS"),
    dir("__MACOSX", "what macOS adds to ZIP files"),
    dir("*.lrdata", "previews of Adobe Lightroom"),
    dir("files_trashbin", "trash of Nextcloud"),
    dir("files_versions", "old versions that Nextcloud keeps"),
    dir(
        ".*",
        "a hidden folder, where programs keep caches and trash",
    ),
    file("._*", "file attributes of macOS"),
    file(".DS_Store", "folder view of macOS"),
    file("Icon\r", "folder icon of macOS"),
    file("Thumbs.db*", "thumbnails of Windows"),
    file("ehthumbs*.db", "thumbnails of Windows"),
    file("desktop.ini", "folder view of Windows"),
    file("SYNOFILE_THUMB*", "thumbnails of Synology DSM"),
    file("SYNOPHOTO_THUMB*", "thumbnails of Synology Photos"),
    file(".trashed-*", "a photo in the trash of Android"),
    file(".pending-*", "a photo that Android is still writing"),
    file(
        ".syncthing.*.tmp",
        "a file that Syncthing is still receiving",
    ),
    file(
        "~syncthing~*.tmp",
        "a file that Syncthing is still receiving",
    ),
    file(
        ".goutputstream-*",
        "a file that a GNOME program is still writing",
    ),
    file(
        ".fuse_hidden*",
        "a deleted file that a program still has open",
    ),
    file(".nfs*", "a deleted file that a program still has open"),
    file(
        ".~*",
        "a file that Nextcloud is still receiving, or a lock file",
    ),
    file("~$*", "lock file of an office program"),
    file("*.part", "a file that a program is still downloading"),
    file("*.partial", "a file that a program is still downloading"),
    file("*.crdownload", "a file that Chrome is still downloading"),
    file("*.download", "a file that Safari is still downloading"),
    file("*.opdownload", "a file that Opera is still downloading"),
    file("*.!qB", "a file that qBittorrent is still downloading"),
    file("*.!ut", "a file that uTorrent is still downloading"),
    file("*.!sync", "a file that Resilio Sync is still receiving"),
    file("*.filepart", "a file that WinSCP is still receiving"),
    file("*.tmp", "a temporary file"),
    file("*~", "a backup copy of an editor"),
];

/// The first line that meets `name`.
pub(super) fn find(name: &[u8], sort: Sort) -> Option<&'static Junk> {
    static TABLE: LazyLock<Table> = LazyLock::new(Table::new);
    TABLE.find(name, sort)
}

/// The list, sorted by the first byte of what stands before the `*`, or else the last one of what
/// stands behind it: an ordinary name is compared with no line at all.
struct Table {
    by_first: Vec<Vec<Line>>,
    by_last: Vec<Vec<Line>>,
}

struct Line {
    place: usize,
    junk: &'static Junk,
    before: &'static [u8],
    /// None: there is no `*`, and the name must be `before`.
    behind: Option<&'static [u8]>,
}

impl Table {
    fn new() -> Self {
        let mut table = Self {
            by_first: Vec::new(),
            by_last: Vec::new(),
        };
        table.by_first.resize_with(256, Vec::new);
        table.by_last.resize_with(256, Vec::new);
        for (place, junk) in LIST.iter().enumerate() {
            let (before, behind) = match junk.pattern.split_once('*') {
                Some((before, behind)) => (before, Some(behind.as_bytes())),
                None => (junk.pattern, None),
            };
            let line = Line {
                place,
                junk,
                before: before.as_bytes(),
                behind,
            };
            let (side, byte) = match (
                before.as_bytes().first(),
                behind.and_then(|behind| behind.last()),
            ) {
                (Some(first), _) => (&mut table.by_first, first),
                (None, Some(last)) => (&mut table.by_last, last),
                (None, None) => continue,
            };
            if let Some(lines) = side.get_mut(usize::from(byte.to_ascii_lowercase())) {
                lines.push(line);
            }
        }
        table
    }

    fn find(&self, name: &[u8], sort: Sort) -> Option<&'static Junk> {
        let bucket = |side: &'_ [Vec<Line>], byte: Option<&u8>| {
            byte.and_then(|byte| side.get(usize::from(byte.to_ascii_lowercase())))
                .and_then(|lines| lines.iter().find(|line| line.meets(name, sort)))
                .map(|line| (line.place, line.junk))
        };
        [
            bucket(&self.by_first, name.first()),
            bucket(&self.by_last, name.last()),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(place, _)| *place)
        .map(|(_, junk)| junk)
    }
}

impl Line {
    fn meets(&self, name: &[u8], sort: Sort) -> bool {
        if self.junk.sort != sort {
            return false;
        }
        let Some(behind) = self.behind else {
            return name.eq_ignore_ascii_case(self.before);
        };
        name.len() >= self.before.len() + behind.len()
            && name
                .get(..self.before.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(self.before))
            && name
                .get(name.len() - behind.len()..)
                .is_some_and(|end| end.eq_ignore_ascii_case(behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_list_is_found_by_its_own_pattern() {
        for junk in LIST {
            assert!(junk.pattern.matches('*').count() <= 1, "{}", junk.pattern);
            let name = junk.pattern.replace('*', "x1");
            for name in [name.to_uppercase(), name.to_lowercase(), name] {
                let found = find(name.as_bytes(), junk.sort).unwrap();
                assert_eq!(found.pattern, junk.pattern, "{name}");
            }
        }
    }

    #[test]
    fn ordinary_names_meet_no_line() {
        for name in [
            "IMG_1.JPG",
            ".hidden.jpg",
            "party.jpg",
            "Trash.jpg",
            "~a.jpg",
            "a",
            "",
        ] {
            assert!(find(name.as_bytes(), Sort::File).is_none(), "{name}");
        }
        for name in ["2024", "Trash", "Recycle", "a.b", "lost", ""] {
            assert!(find(name.as_bytes(), Sort::Dir).is_none(), "{name}");
        }
    }
}
