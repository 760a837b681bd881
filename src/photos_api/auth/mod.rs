//! OAuth: the sign-in of one account.
//!
//! - [`sign_in`] hands out access tokens, and renews them with the refresh token of the token file.
//! - [`login`] runs the browser flow; [`redirect_listener`] receives its redirect.
//! - [`token_endpoint`] talks to the sign-in server.
//! - [`token_file`] and [`client_secret`] read and write the two files, [`watched_file`] notices that
//!   one was replaced.

mod client_secret;
mod login;
mod redirect_listener;
mod sign_in;
mod token_endpoint;
mod token_file;
mod watched_file;

#[cfg(test)]
pub(super) use token_file::Tokens;

pub use client_secret::client_id_of;
pub use login::{Granted, Login};
pub use sign_in::{Auth, AuthFiles, Bearer, SignedIn, other_client};
pub use token_endpoint::SCOPES;
pub use watched_file::changed_at;

pub(super) use sign_in::Surface;
