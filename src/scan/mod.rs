//! Intake: which files there are, which of them are ours to take, and when each was taken.
//!
//! The stage is [`Intake`]; [`Requests`] asks it for a scan. It joins two kinds of parts:
//!
//! - Those that touch the disk and know no database: [`kinds`] (what the service accepts), [`rules`]
//!   (what the folder's owner wants), [`walk`] (what is there), [`watch`] (where to look again) and
//!   [`taken`] (the instant that orders an album).
//! - Those that know the store: places ([`place`]: whose file is it), scans (what is there, compared with what
//!   is known), fates (settle, queue or refuse), second looks at what settles, and the agenda of what
//!   is to be scanned when. [`survey`] is a scan for those who only want to know.
//!
//! A full scan is the truth, what the watcher says is only a hint where to scan next.

mod agenda;
mod fate;
pub mod place;
pub mod rules;
mod scan;
mod settle;
mod standing;
pub mod survey;
mod task;
pub mod walk;
pub mod watch;

pub use task::{Intake, Requests};

#[cfg(test)]
mod tests;
