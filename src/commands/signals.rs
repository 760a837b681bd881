//! SIGINT, SIGTERM and SIGHUP: the first asks the work to stop, the second ends it at once.
//!
//! SIGHUP comes when a terminal is closed: what a command keeps for as long as it runs must go then,
//! too. Whoever starts it by `nohup` wants it to go on, and has told the system to ignore the signal.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::ui::output::Screen;

/// Listens for the signals until it is dropped.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: CancellationToken,
    at_once: CancellationToken,
    heard: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Signals {
    /// Listens from now on; `words` are said on stderr at the first signal.
    pub(crate) fn listen(screen: &Screen, words: &'static str) -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = hangup_ends()
            .then(|| signal(SignalKind::hangup()))
            .transpose()?;
        let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
        let heard = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let (stop, at_once, heard) = (stop.clone(), at_once.clone(), Arc::clone(&heard));
            let screen = screen.clone();
            async move {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        Some(()) = hear(&mut hangup) => {}
                    }
                    if heard.swap(true, Ordering::Relaxed) {
                        at_once.cancel();
                    } else {
                        screen.say(words);
                        stop.cancel();
                    }
                }
            }
        });
        Ok(Self {
            stop,
            at_once,
            heard,
            task,
        })
    }

    /// What the work looks at; it stays set.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether a signal came.
    pub(crate) fn heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Does the work, until it is done or a second signal came; then it gives nothing.
    pub(crate) async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.at_once.cancelled() => None,
        }
    }
}

/// Waits for a signal that may not be listened for.
async fn hear(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether a hangup would end this process. Where the system does not tell, it is left alone.
fn hangup_ends() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| !ignores_hangup(&status))
}

/// What `proc_pid_status(5)` says: a mask in hex of the signals that are ignored, the first bit being
/// SIGHUP. Nothing to be read there counts as ignored.
fn ignores_hangup(status: &str) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask & 1 == 1)
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_is_ignored_where_nohup_said_so_or_nobody_can_tell() {
        assert!(!ignores_hangup(
            "Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t1\n"
        ));
        assert!(ignores_hangup("SigIgn:\t0000000000000001\n"));
        assert!(ignores_hangup("SigIgn:\tnone\n"));
        assert!(ignores_hangup(""));
    }
}
