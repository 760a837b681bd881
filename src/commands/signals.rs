//! SIGINT, SIGTERM and SIGHUP: the first asks the command to stop, the second ends it at once.
//!
//! SIGHUP comes when the terminal is closed, and must stop a command, too. A process that was started with
//! `nohup` ignores it and goes on.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::ui::output::Screen;

/// Listens for the signals until it is dropped.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: CancellationToken,
    at_once: CancellationToken,
    received: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Signals {
    /// Starts to listen; `message` is printed to stderr at the first signal.
    pub(crate) fn listen(screen: &Screen, message: &'static str) -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = if is_hangup_ignored() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
        let received = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let (stop, at_once, received) = (stop.clone(), at_once.clone(), Arc::clone(&received));
            let screen = screen.clone();
            async move {
                loop {
                    let hung_up = async {
                        match &mut hangup {
                            Some(signal) => signal.recv().await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hung_up => {}
                    }
                    if received.swap(true, Ordering::Relaxed) {
                        at_once.cancel();
                    } else {
                        screen.say(message);
                        stop.cancel();
                    }
                }
            }
        });
        Ok(Self {
            stop,
            at_once,
            received,
            task,
        })
    }

    /// The token that the first signal cancels.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether a signal came.
    pub(crate) fn received(&self) -> bool {
        self.received.load(Ordering::Relaxed)
    }

    /// The result of `work`; none if a second signal came before its end.
    pub(crate) async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.at_once.run_until_cancelled(work).await
    }
}

/// Whether this process ignores SIGHUP, or the system does not say.
fn is_hangup_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").map_or(true, |status| ignores_hangup(&status))
}

/// Reads the mask of ignored signals in hexadecimal (`proc_pid_status(5)`): the first bit is SIGHUP.
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
    fn a_hangup_is_ignored_after_nohup_or_if_the_system_does_not_say() {
        assert!(!ignores_hangup(
            "Name:\tx\nSigIgn:\t0000000000001000\nSigCgt:\t1\n"
        ));
        assert!(ignores_hangup("SigIgn:\t0000000000000001\n"));
        assert!(ignores_hangup("SigIgn:\tnone\n"));
        assert!(ignores_hangup(""));
    }
}
