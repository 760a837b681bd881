//! SIGINT and SIGTERM: the first asks the work to stop, the second ends it at once.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::output::Screen;

/// Listens for both signals until it is dropped.
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

impl Drop for Signals {
    fn drop(&mut self) {
        self.task.abort();
    }
}
