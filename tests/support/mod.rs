//! What several integration tests use. Each test file takes what it needs.
#![allow(
    dead_code,
    reason = "every test file compiles this folder and uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

pub(crate) mod between;
pub(crate) mod child;
pub(crate) mod clocks;
pub(crate) mod dated;
pub(crate) mod discovery;
pub(crate) mod disk;
pub(crate) mod front;
pub(crate) mod home;
pub(crate) mod library;
pub(crate) mod media;
pub(crate) mod said;
pub(crate) mod secrets;
pub(crate) mod service;
pub(crate) mod stand;
