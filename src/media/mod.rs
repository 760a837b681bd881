//! What is in a file: its type, when it was taken, its dimensions, its description.

pub mod capture_time;
pub mod container;
pub mod description;
pub mod dimensions;
pub mod file_type;
