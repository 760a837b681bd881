//! What several integration tests use. Each test file takes what it needs.
#![allow(
    dead_code,
    reason = "every test file compiles this folder and uses a part of it"
)]

pub(crate) mod discovery;
pub(crate) mod front;
pub(crate) mod media;
pub(crate) mod stand;
