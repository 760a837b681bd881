//! `albumen rebuild`: restores a lost database from the folders and the service.
//!
//! - [`remote`] lists what this client made.
//! - [`local`] walks over the folders, and compares files with media items by [`matching`].
//! - [`apply`] runs the steps and writes to the store.
//! - [`report`] has the printed result.
//!
//! Each step is complete in itself: first albums, so that no second one of a title is created; then files,
//! in batches, after they were hashed; then the order of albums. So a rebuild can be interrupted and
//! repeated, and can run on a database that is not empty. A damaged database is renamed first. Rebuild
//! needs the state folder for itself. Files without a certain match are uploaded again, which costs time
//! but creates no second media item.

mod apply;
mod local;
mod matching;
mod remote;
mod report;

pub use apply::rebuild;
