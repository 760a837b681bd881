//! What the user sees: data on stdout; progress, log and errors on stderr. Only this module prints.

pub(crate) mod error_report;
pub(crate) mod logging;
pub(crate) mod output;
pub(crate) mod progress;
