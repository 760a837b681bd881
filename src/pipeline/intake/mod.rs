//! Intake: which files there are, which of them are ours to take, and when each was taken.
//!
//! The parts here touch the disk and know no database: [`kinds`] (what the service accepts),
//! [`rules`] (what the folder's owner wants), [`walk`] (what is there), [`watch`] (where to look
//! again) and [`taken`] (the instant that orders an album). A full scan is the truth, what the
//! watcher says is only a hint where to scan next.

pub mod kinds;
pub mod rules;
pub mod stage;
pub mod taken;
pub mod walk;
pub mod watch;
