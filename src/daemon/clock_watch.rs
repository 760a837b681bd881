//! Notices that the wall clock was set back, and lets the store shorten the waits that have become too long.
//!
//! A stored wait is an instant: one that was a minute ahead may be a year ahead after the clock was set back.
//! While the process runs, the wall clock is compared with the monotonic clock. At the start the past of the
//! clock is unknown: every wait that is longer than the longest of its kind ([`pause`]) is shortened.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::{
    clock,
    context::{Context, pause},
};

/// A difference that a correction by a time server may cause, and that changes no wait noticeably.
const MAX_DRIFT: Duration = Duration::from_mins(1);

/// The two clocks at the last check.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    last: Option<(Timestamp, Instant)>,
}

impl ClockWatch {
    /// Shortens stored waits at the first call, and whenever the wall clock was set back since the last one.
    pub(super) async fn check(&mut self, context: &Context) -> anyhow::Result<()> {
        let (now, monotonic) = (context.clock.now(), Instant::now());
        let last = self.last.replace((now, monotonic));
        let was_set_back = last.is_none_or(|(then, then_monotonic)| {
            let passed = monotonic.duration_since(then_monotonic);
            clock::until(now, clock::after(then, passed)) > MAX_DRIFT
        });
        if !was_set_back {
            return Ok(());
        }
        let longest = pause::max_row_wait(&context.config);
        // If the clock is known to be set back, files and tokens are tried at once, which costs only a try.
        let of_files = if last.is_none() {
            longest
        } else {
            Duration::ZERO
        };
        let until_verified = pause::max_verify_wait(&context.config);
        match context
            .store
            .shorten_waits(longest, of_files, until_verified, now)
            .await
        {
            Ok(true) => {
                tracing::warn!("the clock was set back; what waited for a later time is due now");
                context.account.wake_all();
                context.wakes.scan.notify();
                Ok(())
            }
            Ok(false) => Ok(()),
            // Checked again at the next change of the clock or the next start.
            Err(error) if error.is_transient() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
