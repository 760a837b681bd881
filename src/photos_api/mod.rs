//! The client of the Library API: one call in, one answer or one [`Error`] out.
//!
//! - [`requests`] builds calls byte for byte, so that they can be journalled before they are sent;
//!   [`wire`] has the types of bodies and answers.
//! - [`client`] sends calls, [`upload`] sends bytes, which [`upload_body`] reads and hashes within the
//!   common [`bandwidth`] limit. `transport` has the connections, addresses and timeouts.
//! - [`auth`] keeps the account signed in.
//! - [`error`] has the kinds of errors, `classify` maps answers to them, `redact` removes secrets from
//!   foreign text.
//!
//! Invariants: no request is retried or redirected here, because the caller counts each one before it is
//! sent; no secret is in an error or a log; answers are bounded in size; plain http goes to this machine
//! only. The module knows ids, but no items and no database.

pub mod auth;
pub mod bandwidth;
mod classify;
pub mod client;
pub mod error;
mod redact;
pub mod requests;
#[cfg(test)]
mod testing;
mod transport;
pub mod upload;
pub mod upload_body;
pub mod wire;

pub use auth::{
    Auth, AuthFiles, Bearer, Granted, Login, SCOPES, SignedIn, changed_at, client_id_of,
    other_client,
};
pub use bandwidth::Bandwidth;
pub use classify::RETRY_AFTER_MAX;
pub use client::{Answer, Client};
pub use error::{Error, Kind, Limit};
pub use redact::{cause, redact};
pub use requests::{Call, Method};
pub use transport::{Endpoints, Settings, Timeouts};
pub use upload::{Part, Session, SessionAnswer};
pub use upload_body::{FileBody, Sent};
