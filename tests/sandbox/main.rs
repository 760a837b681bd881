//! The sandbox, from outside: over real HTTP, with a client that shares nothing with it.

#[path = "../support/mod.rs"]
mod support;

mod albums;
mod create;
mod faults;
mod oauth;
mod pages;
mod rules;
mod uploads;
