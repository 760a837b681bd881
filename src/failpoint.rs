//! Named moments at which a test has the program killed: between every two steps that touch the
//! service, the store, or a file that somebody would miss.
//!
//! `ALBUMEN_CRASH=NAME:N` kills the process, without a word and without a last write, when the moment
//! NAME comes for the Nth time. Like `ALBUMEN_CLOCK` it is honoured only with a loopback endpoint, and
//! where nobody asks for it a moment costs one look at an empty cell.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// A moment at which the program may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before a transaction is committed.
    BeforeCommit,
    /// After it was committed, before anybody was told.
    AfterCommit,
    /// Before a request is sent.
    BeforeRequest,
    /// After its answer came, before anything is made of it.
    AfterRequest,
    /// While the bytes of an upload are on their way.
    MidBody,
    /// The file of the database is there, and not a table in it.
    BeforeSchema,
    /// The tables are made, or brought up to date.
    AfterSchema,
    /// A new access token is on the disk, beside the file that it is to replace.
    BeforeTokenFile,
    /// It has replaced that file.
    AfterTokenFile,
    /// A backup is written, and the older ones stand where they stood.
    BeforeBackup,
    /// The older ones have moved on, and none is the newest.
    MidBackup,
    /// The backup is in its place, and nobody knows.
    AfterBackup,
    /// A person's file is to be moved or deleted: that is journalled, and nothing is done.
    BeforeAct,
    /// A part of it is copied to another file system.
    MidCopy,
    /// It is there under both names.
    MidAct,
    /// It has gone, and that is not recorded.
    AfterAct,
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::BeforeRequest,
        Self::AfterRequest,
        Self::MidBody,
        Self::BeforeSchema,
        Self::AfterSchema,
        Self::BeforeTokenFile,
        Self::AfterTokenFile,
        Self::BeforeBackup,
        Self::MidBackup,
        Self::AfterBackup,
        Self::BeforeAct,
        Self::MidCopy,
        Self::MidAct,
        Self::AfterAct,
    ];

    /// The name that `ALBUMEN_CRASH` knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::BeforeRequest => "before-request",
            Self::AfterRequest => "after-request",
            Self::MidBody => "mid-body",
            Self::BeforeSchema => "before-schema",
            Self::AfterSchema => "after-schema",
            Self::BeforeTokenFile => "before-token-file",
            Self::AfterTokenFile => "after-token-file",
            Self::BeforeBackup => "before-backup",
            Self::MidBackup => "mid-backup",
            Self::AfterBackup => "after-backup",
            Self::BeforeAct => "before-act",
            Self::MidCopy => "mid-copy",
            Self::MidAct => "mid-act",
            Self::AfterAct => "after-act",
        }
    }
}

/// Which moment it shall be, and how many of it are still survived.
struct Plan {
    moment: Moment,
    left: AtomicU64,
}

static PLAN: OnceLock<Plan> = OnceLock::new();

/// Arms the plan `NAME:N`; one that cannot be read is no plan.
pub fn arm(plan: &str) {
    let Some((name, number)) = plan.split_once(':') else {
        return;
    };
    let moment = Moment::ALL.into_iter().find(|it| it.name() == name);
    if let (Some(moment), Ok(number)) = (moment, number.parse::<u64>()) {
        let left = AtomicU64::new(number.max(1));
        let _ = PLAN.set(Plan { moment, left });
    }
}

/// The moment has come; if it is the one that was asked for, this does not return.
pub fn point(moment: Moment) {
    let Some(plan) = PLAN.get().filter(|plan| plan.moment == moment) else {
        return;
    };
    if plan.left.fetch_sub(1, Ordering::SeqCst) == 1 {
        die();
    }
}

/// As `kill -9` would: no destructor, no flush.
#[cfg(unix)]
fn die() {
    use rustix::process::{Signal, getpid, kill_process};
    let _ = kill_process(getpid(), Signal::KILL);
    // The signal may reach another thread first; this one must not go a step further.
    loop {
        std::thread::park();
    }
}

#[cfg(not(unix))]
fn die() {
    std::process::abort();
}
