//! The folders of the configuration: there, readable, and few enough to be watched.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::fs::Access;

use crate::{
    config::{Config, Poll},
    escape::Escaped,
    scan::{
        folder::{Folder, Folders},
        walk::{RootState, Scope},
        watcher,
    },
    status::format,
};

use super::Finding;

/// How long all folders together are looked through at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// Checks all folders.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let folders = match Folders::new(config.folders.iter().cloned()) {
        Ok(folders) => folders,
        Err(error) => {
            let remedy = "put it right in the configuration";
            return vec![Finding::fault("folder", error.to_string(), remedy)];
        }
    };
    let mut findings = Vec::new();
    let mut dirs = 0;
    let mut whole = true;
    let begin = Instant::now();
    for folder in folders.iter() {
        let path = Escaped::path(&folder.settings.path);
        match folder.tree.root_state() {
            RootState::Missing => findings.push(Finding::fault(
                "folder",
                format!("{path} is not there"),
                "mount the disk or correct the path; until then nothing in it is taken for deleted",
            )),
            RootState::Empty => findings.push(Finding::note(
                "folder",
                format!("{path} is empty"),
                "is a disk to be mounted there?",
            )),
            RootState::Unreadable(error) => findings.push(Finding::fault(
                "folder",
                format!("{path} cannot be read: {error}"),
                "let the user who runs albumen read it",
            )),
            RootState::Present => {
                let look = Look::at(folder, begin + PATIENCE);
                whole &= look.whole;
                if must_be_watched(config, folder) {
                    dirs += look.dirs;
                }
                findings.push(look.finding(&path.to_string()));
            }
        }
    }
    if dirs > 0 && config.watch.poll != Poll::Always {
        findings.extend(watches(dirs, whole));
    }
    findings
}

fn must_be_watched(config: &Config, folder: &Folder) -> bool {
    config.watch.poll == Poll::Never
        || watcher::network_file_system(&folder.settings.path).is_none()
}

/// What a walk saw.
#[derive(Debug, Default)]
struct Look {
    dirs: u64,
    files: u64,
    unreadable: u64,
    /// One of them.
    example: Option<PathBuf>,
    /// It came to its end.
    whole: bool,
}

impl Look {
    fn at(folder: &Folder, deadline: Instant) -> Self {
        let mut look = Self {
            whole: true,
            ..Self::default()
        };
        for listing in folder.tree.walk(&Scope::Folder) {
            look.dirs += 1;
            look.files += listing.files.len() as u64;
            let dir = folder.tree.root.join(&listing.dir);
            if listing.problem.is_some() {
                look.cannot_read(dir.clone());
            }
            for (name, _) in &listing.unreadable {
                look.cannot_read(dir.join(name));
            }
            for file in &listing.files {
                let path = dir.join(&file.name);
                // Who may read is the system's to say: modes, lists of access and mounts decide.
                if rustix::fs::access(&path, Access::READ_OK).is_err() {
                    look.cannot_read(path);
                }
            }
            if Instant::now() >= deadline {
                look.whole = false;
                break;
            }
        }
        look
    }

    fn cannot_read(&mut self, path: PathBuf) {
        self.unreadable += 1;
        self.example.get_or_insert(path);
    }

    fn finding(self, path: &str) -> Finding {
        let more = if self.whole { "" } else { "at least " };
        let what = format!(
            "{path}: {more}{} in {}",
            format::files(self.files),
            format::count(self.dirs, "folder", "folders")
        );
        match self.example {
            None => Finding::good("folder", what),
            Some(example) => Finding::fault(
                "folder",
                format!(
                    "{what}; {} cannot be read, such as {}",
                    format::number(self.unreadable),
                    Escaped::path(&example)
                ),
                "let the user who runs albumen read them, or name them in `exclude`",
            ),
        }
    }
}

/// One watch for each directory, of a number that all programs of the user share.
fn watches(dirs: u64, whole: bool) -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok()?;
    let limit: u64 = text.trim().parse().ok()?;
    let more = if whole { "" } else { "at least " };
    let words = format!(
        "{more}{} to watch, and the system allows {}",
        format::count(dirs, "folder", "folders"),
        format::number(limit)
    );
    Some(if dirs < limit {
        Finding::good("watching", words)
    } else {
        let wanted = (dirs * 2).next_power_of_two();
        let line = format!("fs.inotify.max_user_watches={wanted}");
        let remedy = format!(
            "sudo sysctl {line}, and the same line in /etc/sysctl.d/90-albumen.conf; what is not watched is looked through hourly"
        );
        Finding::note("watching", words, remedy)
    })
}
