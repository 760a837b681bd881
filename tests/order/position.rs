//! Positions that the service refuses.
