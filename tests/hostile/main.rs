//! Names that nobody would give, and a service that does what no service should, through the built
//! program: everything goes up once, nothing is shown raw, memory and time stay bounded.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod mouth;
mod names;
mod service;
