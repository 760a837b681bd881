//! To be filled.

pub mod intake;
