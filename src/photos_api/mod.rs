//! The client of the Library API: one call in, one answer or one [`Error`] out.
//!
//! - [`calls`] writes requests word for word, so that they can be kept before they are sent;
//!   [`wire`] holds the types of their bodies and answers.
//! - [`client`] sends them, [`uploads`] sends bytes, [`body`] reads those from a file, hashes them
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
mod auth_state;
pub mod bandwidth;
pub mod body;
pub mod calls;
mod classify;
pub mod client;
mod client_secret;
pub mod endpoints;
pub mod error;
pub mod login;
mod logout;
mod loopback;
mod refresh;
mod stamp;
#[cfg(test)]
mod testing;
mod texts;
mod token_file;
mod transport;
pub mod uploads;
mod watchdog;
mod whose;
pub mod wire;
mod words;

pub use auth::{Auth, AuthFiles, Bearer, SignedIn, client_id_of};
pub use bandwidth::Bandwidth;
pub use body::{FileBody, Sent};
pub use calls::{Call, Method};
pub use classify::RETRY_AFTER_MAX;
pub use client::{Answer, Client};
pub use endpoints::{Endpoints, Settings, Timeouts};
pub use error::{Error, Kind, Limit, Scope};
pub use login::{Granted, Login};
pub use stamp::changed_at;
pub use uploads::{Part, Session, SessionAnswer};
pub use whose::other_client;
pub use words::{cause, kept as kept_words};
