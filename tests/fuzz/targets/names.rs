//! Names that others chose: of files, of albums; and the patterns that are held against them.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

use albumen::{
    escape::Escaped,
    media::description::sidecars::{self, SidecarIndex},
    model::{album_title, order_key::OrderKey},
    scan::rules::Rules,
    upload::file_name,
};

use super::{end, first_line};
use crate::runner::Target;

/// The names of a folder, one a line; no name has a slash or a zero in it.
pub(crate) fn names() -> Target {
    Target::new(|input| {
        let names: Vec<&OsStr> = input
            .split(|byte| matches!(byte, b'\n' | b'/' | 0))
            .filter(|name| !name.is_empty())
            .take(300)
            .map(OsStr::from_bytes)
            .collect();
        let beside = SidecarIndex::new(names.iter().map(|name| name.to_os_string()));
        let mut sidecars = 0;
        let mut longest = 0;
        let mut keys = Vec::new();
        for name in &names {
            sidecars += beside.of(name).len();
            let _ = sidecars::sort(name);
            let sent = file_name(name);
            assert!(!sent.contains('/') && !sent.is_empty(), "{sent:?}");
            longest = longest.max(sent.len());
            let shown = Escaped::path(Path::new(name)).to_string();
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            let _ = album_title::clean(&String::from_utf8_lossy(name.as_bytes()));
            keys.push(OrderKey::new(None, name.as_bytes(), Path::new(name)));
        }
        keys.sort();
        keys.dedup();
        let keys: Vec<&[u8]> = keys.iter().map(OrderKey::as_bytes).collect();
        assert!(
            albumen::model::order_key::in_sequence(&keys)
                .iter()
                .all(|is| *is)
        );
        format!("{} {sidecars} {}", names.len().min(9), longest / 32)
    })
}

/// A pattern to take in, one to leave out, and paths to hold against them, one a line.
pub(crate) fn patterns() -> Target {
    Target::new(|input| {
        let (include, rest) = first_line(input);
        let (exclude, paths) = first_line(rest);
        let pattern = |bytes: &[u8]| vec![String::from_utf8_lossy(bytes).into_owned()];
        let rules = match Rules::new(&pattern(include), &pattern(exclude)) {
            Ok(rules) => rules,
            Err(error) => return end(&error),
        };
        let mut verdicts = String::new();
        for path in paths.split(|byte| matches!(byte, b'\n' | 0)).take(50) {
            let path = Path::new(OsStr::from_bytes(path));
            let verdict = format!("{:?}", rules.check_path(path, false));
            verdicts += verdict.split(['(', '{']).next().unwrap_or_default();
            let _ = rules.check_path(path, true);
        }
        verdicts
    })
}
