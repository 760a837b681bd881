//! No secret leaves the places made for it. Whatever a test is about: all that the program said, and
//! all that it left in its state folder, is searched when the test is over.
//!
//! Every secret that the sandbox makes, and every secret of a [`Home`](super::home::Home), has
//! [`MARK`] in it, over and over, so that a part of one is found as well.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, thread};

pub(crate) use photos_sandbox::SECRET_MARK as MARK;

/// What is shown around a secret that was found.
const AROUND: usize = 120;

/// Files of the state folder that are made to hold secrets: the sign-in, and the database with its
/// journal and its backups, which hold upload tokens and addresses of sessions.
const MADE_FOR_THEM: [&str; 2] = ["token.json", "albumen.db"];

/// Fails the test if a file tells a secret; `what` is who wrote it. Not if it fails already: that
/// would end all tests.
pub(crate) fn are_not_in(file: &Path, what: &str) {
    if thread::panicking() {
        return;
    }
    let Ok(bytes) = fs::read(file) else { return };
    let told = told(&bytes);
    let at = file.display();
    assert!(told.is_none(), "{what} tells a secret in {at}: {told:?}");
}

/// The words around the first secret in it.
pub(crate) fn told(bytes: &[u8]) -> Option<String> {
    let mark = MARK.as_bytes();
    let at = bytes.windows(mark.len()).position(|part| part == mark)?;
    let from = at.saturating_sub(AROUND);
    let to = bytes.len().min(at + AROUND);
    Some(String::from_utf8_lossy(&bytes[from..to]).into_owned())
}

/// Looks through a state folder that a program has left: no secret where none belongs, and nothing
/// that others could read.
pub(crate) fn are_kept_in(state: &Path) {
    if thread::panicking() {
        return;
    }
    for entry in fs::read_dir(state).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            are_kept_in(&path);
        }
        // A socket is guarded by its folder.
        if !metadata.is_file() {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_made_for_them = MADE_FOR_THEM.iter().any(|made| name.starts_with(made));
        if !is_made_for_them {
            are_not_in(&path, "the state folder");
        }
        let mode = metadata.permissions().mode() & 0o777;
        let wide = mode & 0o077 != 0;
        assert!(!wide, "{} can be read by others: {mode:o}", path.display());
    }
}
