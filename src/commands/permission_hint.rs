//! Whose a folder is, for those who may not read it.

use std::{fs, io, path::Path};

use super::error_report::quoted;

/// What to do about a state folder that cannot be used: who owns it, if that is somebody else.
pub(crate) fn hint(state_dir: &Path) -> Option<String> {
    let owner = owner(state_dir)?;
    Some(format!(
        "it belongs to {owner}: run albumen as that user, or name another folder with `--state-dir`"
    ))
}

/// Who owns the folder, or the first folder above it that can be looked at; none if it is us.
#[cfg(unix)]
fn owner(state_dir: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = state_dir
        .ancestors()
        .find_map(|folder| fs::metadata(folder).ok())?;
    let us = rustix::process::geteuid().as_raw();
    (metadata.uid() != us).then(|| name_of(metadata.uid()))
}

#[cfg(not(unix))]
fn owner(_: &Path) -> Option<String> {
    None
}

/// The name of a user: local ones are in a file; others have their number.
#[cfg(unix)]
pub(crate) fn name_of(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("user {uid}"))
}

/// Whether an error is that somebody may not.
pub(crate) fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The words for a state folder that may not be read.
pub(crate) fn words(state_dir: &Path) -> String {
    format!("the state folder {} may not be read", quoted(state_dir))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_name_where_the_system_has_one() {
        assert_eq!(name_of(0), "root");
        assert_eq!(name_of(4_000_123_456), "user 4000123456");
    }
}
