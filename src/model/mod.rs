//! Albums: which one a file goes to, in what order, and at which positions. Pure.
//!
//! - [`title`] — the album rule of a folder, and what a title may be.
//! - [`order`] — the order key, bytes that sort as the album shall stand.
//! - [`plan`] — which of the ready items leave in one call, and at which position.
//!
//! A *placement* is an item in an album. The store keeps it, and each of its statements says from which
//! state to which:
//!
//! ```text
//! wanted → placed     a call put it there, or the album was read and has it
//!        → gone       its file left, or a person took it out, before it was there
//!        → refused    the service will not have it there; a reason stands beside
//! placed → leaving    its file left, or a person took it out
//!        → wanted     the album was deleted and is made anew, or the item was sent again
//! leaving → gone      a call took it out, or it is not there any more
//!         → placed    a file brought it back before it had left
//!         → refused   the service will not take it out
//! gone → wanted       a file brings it anew, unless a person took it out
//!      → leaving      a call that was under way put it there all the same
//! refused → wanted    somebody asked for another try
//!         → leaving, gone   a person took it out
//! ```
//!
//! It is `in_sequence` only while it stands at its planned place: it was created there, or was added
//! to the end behind all that stands in sequence, or the album was read and stands so. What goes to the
//! end for want of a better place is not.

pub mod album_title;
pub mod backoff;
pub mod batch_plan;
pub mod call;
pub mod ids;
pub mod item;
pub mod order_key;
