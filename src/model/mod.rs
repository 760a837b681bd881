//! The rules that need no clock, no database and no disk. Pure: uses no other module.
//!
//! - [`ids`]: the service's ids and ours as types.
//! - [`item`]: the state machine of an item.
//! - [`order_key`]: the place of an item in its album, as bytes that sort.
//! - [`batch_plan`]: which ready items are sent in one call, when, and at which position.
//! - [`album_title`]: the album rule of a folder, templates, and valid titles.
//! - [`call`]: the kinds of mutating call, and what follows when one fails.
//! - [`backoff`]: how long to wait after failures.
//!
//! A *placement* is an item in an album. The store keeps its state, and each of its statements says from
//! which state to which:
//!
//! ```text
//! wanted → placed     a call put it there, or the album was listed and has it
//!        → gone       its file is gone, or a user removed it, before it was there
//!        → refused    the service does not put it there; the reason is stored
//! placed → leaving    its file is gone, or a user removed it
//!        → wanted     the album was deleted and is made again, or the item was uploaded again
//! leaving → gone      a call removed it, or it is not there any more
//!         → placed    its file came back before it was removed
//!         → refused   the service does not remove it
//! gone → wanted       a file brings it back, unless a user removed it
//!      → leaving      a call that was under way put it there after all
//! refused → wanted    a user asked for another try
//!         → leaving, gone   a user removed it
//! ```
//!
//! It is `in_sequence` only at its planned place: it was created there, or was added to the end behind all
//! that is in sequence, or the album was listed and has it there. An item that is appended because it has no
//! better place is not.

pub mod album_title;
pub mod backoff;
pub mod batch_plan;
pub mod call;
pub mod ids;
pub mod item;
pub mod order_key;
