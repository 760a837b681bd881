//! What cannot be watched, and why: file systems without events, and the limits of the system.

use std::{fmt, fs, path::Path};

/// Why a directory is not watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// It is on a file system where changes by other machines, or by the server, raise no events.
    Network(&'static str),
    /// All watches that the system, or [`super::Options::max_watches`], allows are in use.
    Limit {
        /// How many directories want to be watched; at least so many.
        needed: usize,
        /// How many watches there are for all programs of this user, if the system tells.
        present: Option<usize>,
    },
    /// It is a folder's root, and it is not there: it raises no event when it comes.
    Missing,
    /// There can be no watcher at all.
    NoWatcher(String),
    /// The system refused, in its own words.
    Refused(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(name) => write!(
                f,
                "it is on a {name} file system, where not every change raises an event"
            ),
            Self::Limit { needed, present } => {
                write!(f, "{needed} or more directories are to be watched")?;
                match present {
                    Some(present) => write!(
                        f,
                        ", and the system has {present} watches for all programs of this user"
                    ),
                    None => f.write_str(", more than there are watches"),
                }
            }
            Self::Missing => f.write_str("it is not there"),
            Self::NoWatcher(why) => write!(f, "the system gives no watcher: {why}"),
            Self::Refused(why) => write!(f, "the system refused to watch it: {why}"),
        }
    }
}

impl Lost {
    /// What the user can do about it: the text of a `hint:` line.
    pub fn hint(&self) -> Option<String> {
        match self {
            // Twice as much leaves room for other programs and for the folders to grow.
            Self::Limit { needed, .. } => Some(format!(
                "raise the limit with `sudo sysctl fs.inotify.max_user_watches={}`, and in \
                 /etc/sysctl.d to keep it",
                needed.saturating_mul(2).next_power_of_two().max(65_536)
            )),
            Self::NoWatcher(_) if cfg!(target_os = "linux") => {
                Some("raise the limit with `sudo sysctl fs.inotify.max_user_instances=512`".into())
            }
            Self::Network(_) => {
                Some("set `poll = \"never\"` in [watch] to rely on the events all the same".into())
            }
            Self::Missing | Self::NoWatcher(_) | Self::Refused(_) => None,
        }
    }
}

/// How many directories the system lets all programs of this user watch, if it tells.
pub(super) fn present() -> Option<usize> {
    fs::read_to_string("/proc/sys/fs/inotify/max_user_watches")
        .ok()
        .and_then(|text| text.trim().parse().ok())
}

/// What an error of the library means.
pub(super) fn lost(error: &notify::Error) -> Lost {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => Lost::Limit {
            needed: 0,
            present: present(),
        },
        notify::ErrorKind::Io(error) => Lost::Refused(error.to_string()),
        other => Lost::Refused(format!("{other:?}")),
    }
}

/// Why the directory has to be polled rather than watched, if it has to: the type of its file system.
///
/// An error or an unknown type is no reason: then watching is tried.
#[cfg(target_os = "linux")]
pub fn must_poll(dir: &Path) -> Option<Lost> {
    let kind = rustix::fs::statfs(dir).ok()?.f_type;
    // The type is a signed or unsigned word of varying width; its numbers have 32 bits.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the numbers of the table have 32 bits, and some machines extend their sign"
    )]
    let kind = kind as u32;
    NETWORK
        .iter()
        .find(|(number, _)| *number == kind)
        .map(|(_, name)| Lost::Network(name))
}

/// Why the directory has to be polled rather than watched: not known on this system.
#[cfg(not(target_os = "linux"))]
pub fn must_poll(_: &Path) -> Option<Lost> {
    None
}

/// File systems whose changes need not pass through this kernel (numbers: `statfs(2)` and
/// `linux/magic.h`; the last four from the modules that bring them).
///
/// FUSE is on the list because nobody can tell sshfs or rclone from a local one.
#[cfg(target_os = "linux")]
const NETWORK: &[(u32, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x7375_7245, "Coda"),
    (0x564c, "NCP"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x0bd0_0bd0, "Lustre"),
    (0x786f_4256, "VirtualBox shared folders"),
    (0xbacb_acbc, "VMware shared folders"),
    (0x1983_0326, "BeeGFS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_directory_need_not_be_polled() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(must_poll(dir.path()), None);
        assert_eq!(must_poll(&dir.path().join("nope")), None);
    }

    #[test]
    fn the_limit_is_told_with_numbers_and_remedy() {
        let lost = Lost::Limit {
            needed: 120_000,
            present: Some(65_536),
        };
        assert_eq!(
            lost.to_string(),
            "120000 or more directories are to be watched, and the system has 65536 watches for \
             all programs of this user"
        );
        let hint = lost.hint().unwrap();
        assert!(
            hint.contains("fs.inotify.max_user_watches=262144"),
            "{hint}"
        );
    }
}
