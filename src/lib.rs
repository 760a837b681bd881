//! Albumen takes folders of photos and videos to Google Photos and keeps them in step.
//!
//! The architecture, in reading order:
//!
//! - [`model`] — pure: the state machine of an item, order keys, batches, policies of calls;
//! - [`config`] — the configuration; [`media`] — what is in a photo or video file;
//! - [`store`] — the database: all SQL, one writer thread;
//! - [`photos_api`] — the client of the service; the crate `photos_sandbox` is a stand-in for the service that
//!   shares no code with it;
//! - [`scan`], [`upload`], [`writer`], [`verify`], [`after_upload`] — the tasks, in the order in which a photo passes
//!   them; each takes its work from the store and gets a [`context`];
//! - [`daemon`] — starts and stops the tasks and executes commands, under the [`lock`] of the state folder;
//! - [`rebuild`], [`status`], [`commands`], `ui` — what users call and see; [`cli`] is the command line,
//!   [`exit_code`] its result, [`progress`] has the counters that `ui` shows;
//! - [`clock`], [`escape`], [`failpoint`], [`safe_open`] — small helpers of all.

pub mod after_upload;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod context;
pub mod daemon;
pub mod escape;
pub mod exit_code;
pub mod failpoint;
pub mod lock;
pub mod media;
pub mod model;
pub mod photos_api;
pub mod progress;
pub mod rebuild;
pub mod safe_open;
pub mod scan;
pub mod status;
pub mod store;
mod ui;
pub mod upload;
pub mod verify;
pub mod writer;
