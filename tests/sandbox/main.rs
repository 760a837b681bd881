//! The sandbox, from outside: over real HTTP, with a client that shares nothing with it.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod albums;
mod create;
mod faults;
mod oauth;
mod pages;
mod rules;
mod uploads;
