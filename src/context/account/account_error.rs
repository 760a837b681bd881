//! What a failure says of the account, and in which words it is told. Pure.

use crate::{
    photos_api::{self, Kind, Limit},
    store::AccountState,
};

/// The state of the account that a failure tells of; none if it is not the account's affair.
///
/// What this machine lacks is a person's affair as a missing sign-in is, and has its state. It differs
/// in having an end: Albumen looks again by itself, because nobody need sign in for it.
pub(super) fn ails(error: &photos_api::Error) -> Option<AccountState> {
    match error.kind() {
        Kind::LoginNeeded | Kind::ScopeMissing | Kind::Setup => Some(AccountState::LoginNeeded),
        Kind::StorageFull => Some(AccountState::StorageFull),
        Kind::RateLimited(Limit::Day) => Some(AccountState::QuotaExhausted),
        Kind::ApiDisabled => Some(AccountState::ApiDisabled),
        Kind::PhotosDisabled => Some(AccountState::PhotosDisabled),
        Kind::Unreachable => Some(AccountState::Unreachable),
        _ => None,
    }
}

/// The error and its cause in one line.
pub fn error_chain(error: &photos_api::Error) -> String {
    use std::error::Error as _;
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let told = next.to_string();
        // An error that carries one of its own kind need not name the kind twice.
        let new = match told.split_once(": ") {
            Some((kind, rest)) if words.starts_with(kind) => rest,
            _ => &told,
        };
        words = format!("{words}: {new}");
        cause = next.source();
    }
    words
}
