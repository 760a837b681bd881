//! The database: all SQL.
//!
//! - One thread owns the one writing connection ([`writer`]). An operation is a method of [`Tx`] that runs in a
//!   savepoint; operations that wait together are committed together, and each is answered after the commit.
//! - Every operation is one transaction, and every change of an item's state goes through [`crate::model::item`].
//! - A [`Reader`] has a read-only connection of its own and never waits for the writer (WAL).
//! - [`row`] maps rows to types; each other file has the statements of one concept.
//!
//! The tables are the queue: nothing about an item is kept in memory that a crash must not lose, so a crash, a
//! restart and a lost wake-up are the same case.
//!
//! **Durability.** `synchronous = NORMAL`: a power cut may undo the last commits, which costs work (bytes sent
//! twice, an item asked for twice) but never consistency. What must survive a power cut is written with
//! `synchronous = FULL`: the intention of a mutating call ([`Store::journal`] and others), because a forgotten
//! `albums.create` would become a second album.

#![allow(
    clippy::needless_pass_by_value,
    reason = "a verb owns what it is given: it is moved to the writer thread"
)]

mod albums;
mod apply_scan;
mod attach;
mod backup;
mod byte_sources;
mod call_journal;
mod command_queue;
mod connection;
mod create_results;
mod descriptions;
mod disk_health;
mod error;
mod explain;
mod files;
mod items;
mod next_call;
mod oauth_client;
mod open;
mod pauses;
mod pending_removals;
mod placements;
mod positions;
mod quota_usage;
mod ready_tokens;
mod rebuild;
mod remote_albums;
mod renames;
mod roots;
mod row;
mod source_actions;
mod status;
mod upload_queue;
mod upload_results;
mod upload_sessions;
mod verification;
mod writer;

#[cfg(test)]
mod tests;

pub use crate::model::call::CallKind;
pub use albums::ALBUM_LIMIT;
pub use apply_scan::{Change, FileDecision};
pub use backup::{BACKUPS, BEFORE_RESTORE, BackedUp, Restored, lost, restore};
pub use byte_sources::{RootFilter, UnavailableFiles};
pub use call_journal::{Journalled, NewCall};
pub use command_queue::{NewOrder, Order, OrderKind, OrderView};
pub use create_results::{ItemOutcome, Outcome};
pub use descriptions::DescriptionSource;
pub use disk_health::{Cause, Trouble};
pub use error::{Error, Result, Saved};
pub use explain::{Explained, FileStatus, Former, Membership};
pub use files::{FileState, KnownFile, Settling};
pub use next_call::{
    AlbumTask, Budget, Description, EarliestRetry, Members, PlanRules, Planned, PlannedBatch,
};
pub use open::is_damaged;
pub use pauses::{AccountState, Pause, UploadsState, WriterState};
pub use pending_removals::AlbumMembership;
pub use placements::{RecordedCall, Uncertain};
pub use quota_usage::{Ledger, Sending};
pub use ready_tokens::BatchItem;
pub use rebuild::{AdoptedAlbum, ListedAlbum, RecoveredItem};
pub use remote_albums::{Before, RemoteAlbum};
pub use roots::{RootRow, RootSpec};
pub use row::{FileStat, Reader, Tx};
pub use source_actions::{Act, AfterView, Blockers, Intended, Source};
pub use status::{
    AlbumView, Failure, FileActionCounts, ItemCounts, Overview, PlacementCounts, Transfer,
    TransferView,
};
pub use upload_queue::{Claimed, Content, Hashed};
pub use upload_sessions::Session;
pub use verification::{ToVerify, Verdict};
pub use writer::{Store, retry_transient};

/// The `kind` of a refused file that another program has uploaded: it is not listed as a failure.
pub const IMPORTED: &str = "imported";

/// The `kind` of a refused file that cannot be read from its disk; all other kinds are rules.
pub const UNREADABLE: &str = "unreadable";

/// The name of the database in the state folder.
pub const FILE_NAME: &str = "albumen.db";
