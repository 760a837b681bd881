//! The commands as a person types them: the built program, a home of its own, texts and exit codes.
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

mod home;
mod telling;
mod working;
