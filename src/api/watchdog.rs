//! Gives up an upload that does not move.
//!
//! A total timeout would kill large files on slow lines, and reqwest's read timeout runs while the
//! body is still being sent. So the byte counter is watched instead.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

use super::{
    body::Sent,
    endpoints::Timeouts,
    error::{Error, Kind},
};

/// Runs an exchange for as long as its bytes move, and a little longer for the answer.
pub(super) async fn watched<T>(
    exchange: impl Future<Output = Result<T, Error>>,
    sent: &Sent,
    timeouts: &Timeouts,
) -> Result<T, Error> {
    tokio::pin!(exchange);
    // Often enough to be exact to an eighth.
    let look = timeouts.stall.min(timeouts.answer) / 8;
    let look = look.clamp(Duration::from_millis(1), Duration::from_secs(5));
    let mut seen = None;
    let mut since = Instant::now();
    loop {
        tokio::select! {
            biased;
            result = &mut exchange => return result,
            () = tokio::time::sleep(look) => {}
        }
        let now = Instant::now();
        let progress = (sent.bytes(), sent.is_whole());
        if seen != Some(progress) || sent.is_held_back() {
            seen = Some(progress);
            since = now;
        }
        let (patience, words) = if sent.is_whole() {
            (timeouts.answer, "no answer after the last byte")
        } else {
            (timeouts.stall, "the upload does not move")
        };
        if now.duration_since(since) >= patience {
            return Err(Error::new(Kind::Unanswered, words));
        }
    }
}
