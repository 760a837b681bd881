//! Named moments at which a test has the program killed: between every two steps that touch the
//! service or the store.
//!
//! `ALBUMEN_CRASH=NAME:N` kills the process, without a word and without a last write, when the moment
//! NAME comes for the Nth time. Like `ALBUMEN_CLOCK` it is honoured only with a loopback endpoint, and
//! where nobody asks for it a moment costs one look at an empty cell.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// A moment at which the program may be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

impl Moment {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::BeforeRequest,
        Self::AfterRequest,
        Self::MidBody,
    ];

    /// The name that `ALBUMEN_CRASH` knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::BeforeRequest => "before-request",
            Self::AfterRequest => "after-request",
            Self::MidBody => "mid-body",
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
