//! Failpoints: named points at which a test kills the program, between every two steps that touch the
//! service, the store or a file of the user.
//!
//! `ALBUMEN_CRASH=NAME:N` kills the process as `kill -9` does when it reaches the point NAME for the Nth
//! time. Like `ALBUMEN_CLOCK` it works only with a loopback endpoint. Without it a point costs one read of
//! an empty cell.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use strum::{EnumString, IntoStaticStr};

/// A point at which the program may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Moment {
    /// Before a transaction is committed.
    BeforeCommit,
    /// After a transaction was committed, before its caller gets the result.
    AfterCommit,
    /// Before a request is sent.
    BeforeRequest,
    /// After the answer to a request came, before it is used.
    AfterRequest,
    /// While the body of an upload is being sent.
    MidBody,
    /// The database file exists, without any table.
    BeforeSchema,
    /// The tables are created, or migrated.
    AfterSchema,
    /// A new access token is written to a temporary file.
    BeforeTokenFile,
    /// The temporary file has replaced the token file.
    AfterTokenFile,
    /// A backup is written to a temporary file; the older backups are not renamed yet.
    BeforeBackup,
    /// The older backups are renamed; the place of the newest is empty.
    MidBackup,
    /// The backup is in place; this is not recorded yet.
    AfterBackup,
    /// The move or deletion of a user's file is journalled and not begun.
    BeforeAct,
    /// A part of the file is copied to another file system.
    MidCopy,
    /// The file exists under both names.
    MidAct,
    /// The file is moved or deleted; this is not recorded yet.
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

    /// The name in `ALBUMEN_CRASH`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The point to be killed at, and how often it is still to be passed, this time included.
struct Plan {
    moment: Moment,
    left: AtomicU64,
}

static PLAN: OnceLock<Plan> = OnceLock::new();

/// Arms the plan `NAME:N`; a plan that does not parse is ignored.
pub fn arm(plan: &str) {
    let Some((name, number)) = plan.split_once(':') else {
        return;
    };
    if let (Ok(moment), Ok(number)) = (name.parse(), number.parse::<u64>()) {
        let left = AtomicU64::new(number.max(1));
        let _ = PLAN.set(Plan { moment, left });
    }
}

/// Passes a point. Does not return if the plan says that the process is killed here.
pub fn point(moment: Moment) {
    let Some(plan) = PLAN.get().filter(|plan| plan.moment == moment) else {
        return;
    };
    if plan.left.fetch_sub(1, Ordering::SeqCst) == 1 {
        kill_self();
    }
}

/// Kills the process as `kill -9` does: no destructor runs, nothing is flushed.
#[cfg(unix)]
fn kill_self() {
    use rustix::process::{Signal, getpid, kill_process};
    let _ = kill_process(getpid(), Signal::KILL);
    // The signal may be delivered to another thread first: this one must not do another step.
    loop {
        std::thread::park();
    }
}

#[cfg(not(unix))]
fn kill_self() {
    std::process::abort();
}
