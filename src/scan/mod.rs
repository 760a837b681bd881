//! Scanning: which files exist, which of them are uploaded, and when.
//!
//! The task is [`Scanner`]; [`ScanRequests`] asks it for a scan. In reading order:
//!
//! - [`folder`]: the folders, and [`folder::Folder::classify`]: what happens to a file.
//! - [`rules`]: which files of a folder are uploaded.
//! - [`walk`]: reads directories.
//! - `diff`: compares files with the store. `settle`: looks again at files that may still be written to.
//! - `availability`: roots and disks that are missing.
//! - [`watcher`]: events of the file system. `pending`: debounces them.
//! - `task`: the loop.
//!
//! The result of a full scan is the truth; an event only says where to scan next.

mod availability;
mod diff;
pub mod folder;
mod pending;
pub mod rules;
mod settle;
mod task;
pub mod walk;
pub mod watcher;

pub use task::{ScanRequests, Scanner};

#[cfg(test)]
mod tests;
