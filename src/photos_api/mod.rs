//! The client of the Library API: one call in, one answer or one [`Error`] out.
//!
//! - [`requests`] writes requests word for word, so that they can be kept before they are sent;
//!   [`wire`] holds the types of their bodies and answers.
//! - [`client`] sends them, [`uploads`] sends bytes, [`upload_body`] reads those from a file, hashes them
//!   on the way and honours the common [`bandwidth`].
//! - [`auth`] keeps the account signed in by way of the token file; [`login`] signs it in; `whose`
//!   judges whether a sign-in is the right one.
//! - [`error`] says what went wrong; `classify` and `texts` decide that from an answer; `words` makes
//!   what the service said fit to be shown.
//!
//! Invariants: no request is repeated, redirected or sent twice here, because a ledger outside
//! counts each one before it is sent; no secret is in an error or a log; an answer is bounded in
//! size; plain http goes to this machine only. It knows no items, no files by name, no database.
//! Called by the pipeline, the commands and `run`.

pub mod auth;
pub mod bandwidth;
mod classify;
pub mod client;
mod client_secret;
pub mod endpoints;
pub mod error;
mod error_patterns;
mod file_version;
pub mod login;
mod logout;
mod redact;
mod redirect_listener;
pub mod requests;
mod sign_in_checks;
mod stall_timeout;
#[cfg(test)]
mod testing;
mod token_cache;
mod token_endpoint;
mod token_file;
mod transport;
pub mod upload_body;
pub mod uploads;
pub mod wire;

pub use auth::{Auth, AuthFiles, Bearer, SignedIn, client_id_of};
pub use bandwidth::Bandwidth;
pub use classify::RETRY_AFTER_MAX;
pub use client::{Answer, Client};
pub use endpoints::{Endpoints, Settings, Timeouts};
pub use error::{Error, Kind, Limit, Scope};
pub use file_version::changed_at;
pub use login::{Granted, Login};
pub use redact::{cause, kept as kept_words};
pub use requests::{Call, Method};
pub use sign_in_checks::other_client;
pub use upload_body::{FileBody, Sent};
pub use uploads::{Part, Session, SessionAnswer};
