//! What `albumen status` shows: one value, built from one read of the store.
//!
//! The JSON field names are a fixed interface. [`build`] fills the value, [`eta`] estimates the end,
//! [`text`] turns it into sentences and tables, [`summary`] reports what a command did, [`sign_in`] knows
//! when a sign-in is about to expire, [`mod@format`] writes numbers, sizes and times.

mod build;
pub mod eta;
pub mod format;
pub mod sign_in;
pub mod summary;
pub mod text;
mod types;
mod unavailable_files;

#[cfg(test)]
mod tests;

pub use crate::store::{Failure, TransferView as Transfer};
pub use types::{DatabaseState, Process, Quota, Status, StatusInputs, Warning};
