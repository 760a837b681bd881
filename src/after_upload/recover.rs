//! What came of an act that a crash cut short. Blocking.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use super::{
    checked_unlink::{self, Recovered},
    execute,
    precheck::{self, Look},
};
use crate::{
    store::{Act, Intended, Source},
    upload::read_source,
};

/// What is to be recorded of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recovery {
    /// It was done, or is now.
    Done,
    /// It was not: the file is looked at again.
    Retry(&'static str),
    /// The root is not there to be looked at: the question stays open.
    Away,
}

/// Looks what came of an act, and ends it where only its last step is missing.
pub(super) fn aftermath(intended: &Intended) -> Recovery {
    let source = &intended.source;
    let Ok(recovered) = checked_unlink::recover(intended) else {
        return Recovery::Away;
    };
    let is_there = match fs::symlink_metadata(source.path()) {
        Ok(_) => true,
        Err(error) if is_nothing(&error) => false,
        Err(_) => return Recovery::Away,
    };
    match &intended.act {
        // For a move it comes to that only once the target is there.
        _ if recovered == Recovered::Taken => Recovery::Done,
        _ if recovered == Recovered::Kept => Recovery::Retry("its name was another file's"),
        Act::Delete if is_there => Recovery::Retry("it was cut short before anything was done"),
        Act::Delete if was_unmounted(source) => Recovery::Away,
        Act::Delete => Recovery::Done,
        Act::Move(target) => {
            clean_up(intended, target);
            match (is_there, is_what_was_sent(source, target)) {
                (true, true) => finish(intended),
                (true, false) => Recovery::Retry("it was cut short before anything was moved"),
                (false, true) => Recovery::Done,
                (false, false) if was_unmounted(source) => Recovery::Away,
                // Somebody else took it: that is for the scan to find out.
                (false, false) => Recovery::Retry("it was gone before it could be moved"),
            }
        }
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// An empty root is one that is not mounted, or one whose last file went: then it is on the device
/// that the file was on.
fn was_unmounted(source: &Source) -> bool {
    let same_device = fs::metadata(&source.root).is_ok_and(|root| root.dev() == source.stat.dev);
    read_source::is_away(&source.root) && !same_device
}

/// Whether the target holds what was to be moved there.
fn is_what_was_sent(source: &Source, target: &Path) -> bool {
    let is_file = fs::symlink_metadata(target).is_ok_and(|metadata| metadata.is_file());
    is_file
        && fs::File::open(target)
            .and_then(|file| read_source::hash_prefix(&file, u64::MAX))
            .is_ok_and(|hasher| *hasher.finalize().as_bytes() == source.hash.0)
}

/// The target is whole and the source still there: a copy, or a second name, before the last step.
fn finish(intended: &Intended) -> Recovery {
    match precheck::look(&intended.source, &Act::Delete) {
        Look::CheckedFile(fit) => match execute::delete(intended.id, &intended.source, &fit) {
            Ok(()) => Recovery::Done,
            Err(_) => Recovery::Retry("it was moved, but its old name could not be deleted"),
        },
        Look::Stays(_) => Recovery::Retry("it was moved, and is not what it was any more"),
        Look::Away => Recovery::Away,
    }
}

/// A copy that did not become whole.
fn clean_up(intended: &Intended, target: &Path) {
    if let Some(folder) = target.parent() {
        // Usually there is none.
        let _ = fs::remove_file(folder.join(execute::unfinished(intended.id)));
    }
}
