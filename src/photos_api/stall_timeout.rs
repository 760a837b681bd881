//! Gives up an upload that does not move.
//!
//! A total timeout would kill large files on slow lines, and reqwest's read timeout runs while the
//! body is still being sent. So the byte counter is watched instead.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

use super::{
    endpoints::Timeouts,
    error::{Error, Kind},
    upload_body::Sent,
};

/// The most bytes that the system may hold of what was handed to it: the usual ceiling of
/// `net.ipv4.tcp_wmem`.
const HELD_MAX: u64 = 4 << 20;

/// No line is so slow that more patience than this is of use.
const EXTRA_MAX: Duration = Duration::from_mins(10);

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
    let started = Instant::now();
    let mut since = started;
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
        let extra = still_on_its_way(sent.bytes(), since.duration_since(started));
        if now.duration_since(since) >= patience + extra {
            return Err(Error::new(Kind::Unanswered, words));
        }
    }
}

/// How long the system may take to send what it holds, at the pace so far. The counter counts what
/// was handed over, which on a slow line is far ahead of what has left.
fn still_on_its_way(sent: u64, took: Duration) -> Duration {
    if sent == 0 {
        return Duration::ZERO;
    }
    let share = sent.min(HELD_MAX) as f64 / sent as f64;
    took.mul_f64(share).min(EXTRA_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_gets_the_time_to_send_what_the_system_holds() {
        let minutes = Duration::from_mins;
        // 40 MiB in 40 minutes: 4 MiB need 4 more.
        assert_eq!(still_on_its_way(40 << 20, minutes(40)), minutes(4));
        // 1 MiB in 2 minutes could be held whole.
        assert_eq!(still_on_its_way(1 << 20, minutes(2)), minutes(2));
        assert_eq!(still_on_its_way(1 << 20, minutes(60)), EXTRA_MAX);
        assert_eq!(still_on_its_way(0, minutes(1)), Duration::ZERO);
        assert!(still_on_its_way(10 << 30, minutes(60)) < Duration::from_secs(2));
    }
}
