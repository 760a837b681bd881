//! Albumen takes folders of photos and videos to Google Photos and keeps them in step.
//!
//! The architecture, in reading order:
//!
//! - Words: [`ids`], [`shown`], [`clock`], [`cli`], [`config`]; and [`crash`], the moments at which tests pull the plug.
//! - The pure cores: [`item`] (the state machine), [`album`] (order and positions).
//! - The truth: [`store`], all SQL, one writer.
//! - The service: [`api`], the client; the crate `photos_sandbox` is a stand-in that shares no code with it.
//! - The work: [`pipeline`], stages that claim from the store and ring bells; [`run`] puts them together,
//!   under the [`lock`] of the state folder.
//! - The edge: [`commands`], [`status`], [`progress`].

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
