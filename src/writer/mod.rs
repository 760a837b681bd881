//! Upload tokens to media items and albums: the one task that makes mutating calls.
//!
//! - [`task`]: the loop, and what may be sent next.
//! - [`send`]: rate limit, journal, send, replay; what follows from a failure.
//! - [`create_items`]: `mediaItems.batchCreate`, and the bisection of refused calls.
//! - [`create_album`]: ids of albums, found in the service's list or made by `albums.create`.
//! - [`membership`]: `albums.batchAddMediaItems`, `albums.batchRemoveMediaItems`, and the order of an album
//!   as the service lists it.
//! - [`describe`]: text of one item, by `mediaItems.patch`.
//! - [`item_results`]: what the result of one item means. Pure.
//! - [`bisect`]: which item made a whole call fail. Pure.
//!
//! The service allows one mutating call at a time per account, so there is one task and no lock. Each call
//! is journalled before it is sent. A call without an answer is repeated word for word before any other:
//! equal bytes give the same media item, so that is safe, and its outcome is known then. `albums.create` is
//! the exception: a repetition would make a second album, so the service's own list decides.

mod bisect;
mod create_album;
mod create_items;
mod describe;
mod item_results;
mod membership;
mod send;
mod task;

pub use task::Writer;
