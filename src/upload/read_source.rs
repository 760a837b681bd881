//! Opens, checks and hashes a claimed file. Blocking: run on the blocking pool.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::Arc,
};

use crate::{
    config::Config,
    media::{
        description::{self, sidecar_cache::Dirs, sidecars::SidecarIndex},
        file_type::{self, Kind},
    },
    model::ids::ContentHash,
    safe_open,
    store::{Claimed, Content, DescriptionSource, FileStat},
};

/// Bytes that are read at once: so many that the system calls do not count.
const BUFFER: usize = 256 << 10;

/// An open file that is unchanged since it was queued.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: Arc<File>,
    pub(super) stat: FileStat,
    pub(super) kind: Kind,
    pub(super) hash: ContentHash,
    /// Its description; none if the configuration wants none.
    pub(super) words: Option<DescriptionSource>,
}

/// The result of opening and hashing a claimed file.
#[derive(Debug)]
pub(super) enum Read {
    /// It can be sent.
    Source(Source),
    /// It has changed, and must settle again.
    Changed(FileStat),
    /// It is not uploaded: a word for the rule, and the rule in words.
    Refused(&'static str, String),
    /// It does not exist.
    NotFound,
    /// The root does not exist or is empty: its disk is not mounted.
    RootAway,
    /// It could not be read.
    Unreadable(io::Error),
}

/// The size, times and inode of an open file, and its number of links.
pub(crate) fn stat_of(file: &File) -> io::Result<(FileStat, u64)> {
    let meta = file.metadata()?;
    let nanos =
        |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
    let stat = FileStat {
        size: meta.size(),
        mtime_ns: nanos(meta.mtime(), meta.mtime_nsec()),
        ctime_ns: nanos(meta.ctime(), meta.ctime_nsec()),
        dev: meta.dev(),
        inode: meta.ino(),
    };
    Ok((stat, meta.nlink()))
}

/// Whether the content is the same, as far as size and mtime can tell.
pub(crate) fn same_content(one: FileStat, other: FileStat) -> bool {
    one.size == other.size && one.mtime_ns == other.mtime_ns
}

/// Whether symbolic links below the root are followed; not for PATHs outside the configuration.
pub(super) fn follows_links(config: &Config, root: &Path) -> bool {
    let folder = config.folder_at(root);
    folder.is_some_and(|folder| folder.follow_symlinks)
}

/// Opens a claimed file.
pub(super) fn open(claim: &Claimed, follow_links: bool) -> io::Result<File> {
    let below = claim.path.strip_prefix(&claim.root_path);
    safe_open::file(
        &claim.root_path,
        below.unwrap_or(Path::new(&claim.name)),
        follow_links,
    )
}

/// Opens, checks and hashes a claimed file. With `dirs` a description is looked for.
pub(super) fn read(claim: &Claimed, follow_links: bool, dirs: Option<&Dirs>) -> Read {
    match open(claim, follow_links).and_then(|file| try_read(file, &claim.name, claim.stat)) {
        Ok(Read::Source(source)) => Read::Source(Source {
            words: dirs.map(|dirs| words(claim, dirs)),
            ..source
        }),
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if is_away(&claim.root_path) {
                Read::RootAway
            } else {
                Read::NotFound
            }
        }
        Err(error) => Read::Unreadable(error),
    }
}

/// A folder that cannot be listed has no sidecars for now; the next scan may find some.
fn words(claim: &Claimed, dirs: &Dirs) -> DescriptionSource {
    let beside = claim.path.parent().map(|dir| dirs.beside(dir));
    let found = match beside {
        Some(Ok(beside)) => description::find(&claim.path, &beside),
        Some(Err(_)) | None => description::find(&claim.path, &SidecarIndex::default()),
    };
    found.words()
}

/// Whether the root is missing or empty, as a mount point without its mount is.
pub(crate) fn is_away(root: &Path) -> bool {
    match std::fs::read_dir(root) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => true,
    }
}

/// The content of an open file; none if it is not what `seen` says any more, or is not uploaded.
pub(super) fn content(file: File, name: &OsStr, seen: FileStat) -> io::Result<Option<Content>> {
    Ok(match try_read(file, name, seen)? {
        Read::Source(source) => Some(Content {
            hash: source.hash,
            size: source.stat.size,
            mime: source.kind.mime,
            file_name: file_name(name),
            words: None,
        }),
        _ => None,
    })
}

fn try_read(mut file: File, name: &OsStr, seen: FileStat) -> io::Result<Read> {
    let (stat, _) = stat_of(&file)?;
    if !same_content(stat, seen) {
        return Ok(Read::Changed(stat));
    }
    let mut buffer = vec![0; BUFFER.min(usize::try_from(stat.size).unwrap_or(BUFFER).max(1))];
    let head_len = read_up_to(&mut file, &mut buffer)?;
    let head = buffer.get(..head_len).unwrap_or_default();
    let sniffed = head.get(..file_type::HEAD_BYTES).unwrap_or(head);
    let kind = match file_type::by_content(sniffed, name) {
        Ok(kind) => kind,
        Err(not_media) => return Ok(Read::Refused("not_media", not_media.to_string())),
    };
    if let Err(bad_size) = kind.check_size(stat.size) {
        return Ok(Read::Refused("size", bad_size.to_string()));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(head);
    hash_up_to(&mut file, &mut hasher, u64::MAX, &mut buffer)?;
    let hash = ContentHash(*hasher.finalize().as_bytes());
    let (after, _) = stat_of(&file)?;
    if !same_content(stat, after) {
        return Ok(Read::Changed(after));
    }
    Ok(Read::Source(Source {
        file: Arc::new(file),
        stat,
        kind,
        hash,
        words: None,
    }))
}

/// A hasher that has read the first `n` bytes of the file.
pub(crate) fn hash_prefix(file: &File, n: u64) -> io::Result<blake3::Hasher> {
    let mut file = file;
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER];
    hash_up_to(&mut file, &mut hasher, n, &mut buffer)?;
    Ok(hasher)
}

fn hash_up_to(
    file: &mut impl io::Read,
    hasher: &mut blake3::Hasher,
    mut left: u64,
    buffer: &mut [u8],
) -> io::Result<()> {
    while left > 0 {
        let want = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = match buffer.get_mut(..want) {
            Some(part) => read_up_to(file, part)?,
            None => 0,
        };
        if n == 0 {
            return Ok(());
        }
        hasher.update(buffer.get(..n).unwrap_or_default());
        left -= n as u64;
    }
    Ok(())
}

fn read_up_to(file: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The most characters of `fileName`, extension included (fact sheet, section 3.1).
pub(super) const MAX_CHARS: usize = 255;

/// The longest extension that is worth keeping whole when a name is cut, characters.
const MAX_EXTENSION: usize = 16;

/// The name under which a file appears in Google Photos. Bytes that are not UTF-8 become U+FFFD, control
/// characters and bidi controls are left out, and a long name is cut before its extension.
pub fn file_name(name: &OsStr) -> String {
    let text: String = name
        .to_string_lossy()
        .chars()
        .filter(|c| {
            !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        })
        .collect();
    let text = if text.trim().is_empty() {
        "unnamed".to_owned()
    } else {
        text
    };
    if text.chars().count() <= MAX_CHARS {
        return text;
    }
    let (stem, extension) = match text.rsplit_once('.') {
        Some((stem, extension)) if extension.chars().count() <= MAX_EXTENSION => {
            (stem, Some(extension))
        }
        _ => (text.as_str(), None),
    };
    let kept = MAX_CHARS - extension.map_or(0, |extension| extension.chars().count() + 1);
    let mut cut: String = stem.chars().take(kept).collect();
    if let Some(extension) = extension {
        cut.push('.');
        cut.push_str(extension);
    }
    cut
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_name_stays_as_it_is() {
        assert_eq!(file_name(OsStr::new("Bär am See.JPG")), "Bär am See.JPG");
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let long = format!("{}.jpeg", "ä".repeat(300));
        let name = file_name(OsStr::new(&long));
        assert_eq!(name.chars().count(), MAX_CHARS);
        assert!(name.ends_with("ä.jpeg"));
    }

    #[test]
    fn what_is_no_text_is_left_out() {
        assert_eq!(
            file_name(OsStr::from_bytes(b"a\n\x1b[2J\xff.jpg")),
            "a[2J\u{fffd}.jpg"
        );
        assert_eq!(file_name(OsStr::from_bytes(b"\n")), "unnamed");
    }

    proptest! {
        #[test]
        fn any_name_becomes_a_valid_one(bytes in proptest::collection::vec(1_u8..=255, 1..400)) {
            let name = file_name(OsStr::from_bytes(&bytes));
            prop_assert!(!name.is_empty() && name.chars().count() <= MAX_CHARS);
            prop_assert!(!name.chars().any(char::is_control));
        }
    }
}
