//! Albumen takes folders of photos and videos to Google Photos and keeps them in step.
//!
//! `docs/architecture.md` has the diagram and the way of one photo. In reading order:
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
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | account | the Google account of a state folder; its state is a circuit breaker for all tasks |
//! | attached | a file whose bytes are those of an item |
//! | away | a root or disk that is missing or suddenly empty; nothing in it counts as deleted |
//! | backfill | one scan, everything uploaded, then the end; the daemon watches instead |
//! | batch | one `mediaItems.batchCreate` call |
//! | bisection | halving a refused call until the item that made it fail is alone |
//! | call | one mutating request, journalled before it is sent |
//! | file | a path on disk, with its state |
//! | folder | a `[[folder]]` of the configuration, or a PATH given to `backfill` |
//! | gone | a file that two scans did not find |
//! | item | one content, identified by its BLAKE3 hash, on its way to being a media item |
//! | journal | the table of calls; a call without an answer is repeated from it word for word |
//! | lane | the name of the writer's state in `status --json`, which is a fixed interface |
//! | media item | what the service has in the library |
//! | new arrival | a file first seen after its folder's first full scan |
//! | order key | bytes that sort as the items of an album should |
//! | pause | a wait for the service, with a reason, until a time or until the user acts |
//! | placement | an item in an album, with its order key and state |
//! | refused | a file that a rule leaves out; a placement that the service does not allow |
//! | root | the directory of a folder, and its row |
//! | sequence | the items of an album that are at their planned place |
//! | settle | to wait until a file's size and time have not changed for a while |
//! | token | an upload token: proof of uploaded bytes, valid for a day |
//! | verified | an item that a batchGet found after its creation |
//! | writer | the one task that makes mutating calls |

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
