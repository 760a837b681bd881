//! Photos, videos and what lies beside them: types, times, descriptions.

use std::{
    ffi::OsStr,
    fs,
    io::Cursor,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use albumen::media::{
    capture_time,
    description::{self, sidecars::SidecarIndex},
    dimensions,
    file_type::{self, HEAD_BYTES},
};
use jiff::{Timestamp, tz::TimeZone};

use super::{end, first_line};
use crate::runner::Target;

/// Files as real programs write them, each behind its name.
fn real() -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut entries: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    entries.sort();
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap().as_bytes();
        [name, b"\n", &fs::read(path).unwrap()].concat()
    };
    entries.iter().map(named).collect()
}

/// What a file is: its name in the first line, its head behind it.
pub(crate) fn kinds() -> Target {
    let mut target = Target::new(|input| {
        let (name, content) = first_line(input);
        let name = OsStr::from_bytes(name);
        let head = &content[..content.len().min(HEAD_BYTES)];
        let by_name = file_type::by_name(name).map(|kind| kind.class);
        match file_type::by_content(head, name) {
            Ok(kind) => {
                let _ = kind.check_size(content.len() as u64);
                format!("{by_name:?} {kind:?}")
            }
            Err(error) => format!("{by_name:?} {}", end(&error)),
        }
    });
    target.seeds = real();
    target
}

/// When it was taken: its name in the first line, its content behind it.
pub(crate) fn taken() -> Target {
    let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
    let zone = TimeZone::get("America/New_York").unwrap();
    let mut target = Target::new(move |input| {
        let (name, content) = first_line(input);
        // Any time of the disk, the impossible ones among them.
        let mtime_ns = i64::from_le_bytes(*blake3::hash(input).as_bytes().first_chunk().unwrap());
        let name = OsStr::from_bytes(name);
        let taken = capture_time::taken(&mut Cursor::new(content), name, mtime_ns, &zone, now);
        format!("{:?} {}", taken.source, taken.instant.as_second() >> 28)
    });
    target.seeds = real();
    target.may_catch = true;
    target
}

/// How large it is, whatever its name says it is: its name in the first line, its content behind it.
pub(crate) fn dimensions() -> Target {
    let mut target = Target::new(|input| {
        let (name, content) = first_line(input);
        let name = OsStr::from_bytes(name);
        let head = &content[..content.len().min(HEAD_BYTES)];
        let by_content = file_type::by_content(head, name).ok();
        let Some(kind) = by_content.or_else(|| file_type::by_name(name)) else {
            return "none".to_owned();
        };
        match dimensions::pixels(&mut Cursor::new(content), kind) {
            Some((wide, high)) => format!("{} {} {}", kind.mime, wide.ilog2(), high.ilog2()),
            None => format!("{} unknown", kind.mime),
        }
    });
    target.seeds = real();
    target.may_catch = true;
    target
}

/// What a person wrote about it: in the first line what the rest is, the photo itself or a sidecar.
pub(crate) fn descriptions() -> Target {
    let dir = tempfile::tempdir().unwrap();
    let names = [
        "p.jpg",
        "p.jpg.xmp",
        "p.jpg.json",
        "p.jpg.supplemental-metadata.json",
    ];
    let mut target = Target::new(move |input| {
        let (which, content) = first_line(input);
        let which = which.first().map_or(0, |byte| usize::from(*byte)) % names.len();
        for (n, name) in names.iter().enumerate() {
            let path = dir.path().join(name);
            if n == which {
                fs::write(path, content).unwrap();
            } else if n == 0 {
                fs::write(path, b"no photo").unwrap();
            } else if path.exists() {
                fs::remove_file(path).unwrap();
            }
        }
        let beside = SidecarIndex::read(dir.path()).unwrap();
        let photo = dir.path().join(names[0]);
        let found = description::find(&photo, &beside);
        match found.description {
            Some(description) => {
                let source = description.source.to_string();
                format!("{which} {source} {}", description.text.len().ilog2())
            }
            None => format!("{which} nothing"),
        }
    });
    let as_photo = |named: Vec<u8>| [b"\x00\n", first_line(&named).1].concat();
    target.seeds = real().into_iter().map(as_photo).collect();
    target
}
