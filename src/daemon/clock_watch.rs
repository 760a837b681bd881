//! Looks after stored waits when the clock was set back: an instant that lay a minute ahead may then
//! lie a year ahead.
//!
//! At the start nobody knows what the clock did meanwhile, so what waits for longer than any wait
//! lasts is due ([`longest`]). While the program runs, the wall clock is compared with the machine's steady one.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Context;
use crate::{clock, context::pause};

/// A difference that a clock being set right by its time server may show, and nobody has to act on.
const DRIFT: Duration = Duration::from_mins(1);

/// What the two clocks said at the last look.
#[derive(Debug, Default)]
pub(super) struct Waits {
    last: Option<(Timestamp, Instant)>,
}

impl Waits {
    /// Shortens stored waits at the first look, and whenever the wall clock has gone back since the
    /// last one.
    pub(super) async fn look(&mut self, context: &Context) -> anyhow::Result<()> {
        let (now, steady) = (context.clock.now(), Instant::now());
        let is_first = self.last.is_none();
        let went_back = self.last.is_none_or(|(then, then_steady)| {
            let passed = steady.duration_since(then_steady);
            clock::until(now, clock::after(then, passed)) > DRIFT
        });
        self.last = Some((now, steady));
        if !went_back {
            return Ok(());
        }
        let (row, asked) = (
            pause::max_row_wait(&context.config),
            pause::max_verify_wait(&context.config),
        );
        // While this runs it is known that the clock went back, and a minute's wait of before may look like
        // an hour's: files and their tokens are tried, which is all that it costs.
        let of_files = if is_first { row } else { Duration::ZERO };
        match context.store.shorten_waits(row, of_files, asked, now).await {
            Ok(false) => Ok(()),
            Ok(true) => {
                tracing::warn!("the clock was set back; what waited for a later time is due now");
                context.account.wake_all();
                context.wakes.scan.notify();
                Ok(())
            }
            // It is looked again at the next change, or at the next start.
            Err(error) if error.is_transient() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
