//! Composition: starts the tasks of a process, executes commands, and stops everything.
//!
//! - [`mod@run`] — starts, supervises and stops the tasks of a daemon or of one command;
//! - [`context`] and [`clients`] — what the tasks share, built from the configuration;
//! - [`execute`] — executes one command, for this process or for another;
//! - [`control_socket`] — accepts commands of other processes;
//! - [`completion`] — when a backfill is finished;
//! - [`reporter`], [`systemd`] — progress for `status`, notifications for systemd;
//! - [`clock_watch`] — notices a clock that was set back;
//! - [`backups`] — the daily backup of the database.

mod album_remove;
mod backups;
pub mod clients;
mod clock_watch;
mod completion;
pub mod context;
pub mod control_socket;
mod execute;
mod reporter;
mod run;
mod systemd;
mod verify_all;

pub use control_socket::Error as SocketError;
pub use execute::{Report, reach};
pub use run::{Job, lock_for_daemon, run};
