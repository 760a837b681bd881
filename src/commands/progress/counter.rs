//! How far a piece of work is that goes item by item: one bar on a terminal, a line now and then
//! elsewhere, nothing where quiet is wanted.

use indicatif::ProgressBar;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{progress::Count, status::format};

use super::super::app::App;
use super::{BARS_EVERY, LINES_EVERY, bars};

const WHOLE: &str = "{wide_bar} {msg}";

/// Shows a count until it is told to end.
#[derive(Debug)]
pub(crate) struct Counter {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Counter {
    /// Begins to show; `done` is what becomes of the items, as in "12 of 40 asked for".
    pub(crate) fn start(app: &App, count: Count, done: &'static str) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let screen = app.screen.clone();
        let task = (!screen.is_quiet()).then(|| {
            tokio::spawn(async move {
                let bar = screen
                    .bars()
                    .map(|bars| bars.add(bars::styled(ProgressBar::new(0), WHOLE)));
                let every = if bar.is_some() {
                    BARS_EVERY
                } else {
                    LINES_EVERY
                };
                let mut last = String::new();
                loop {
                    tokio::select! {
                        () = stopped.cancelled() => break,
                        () = tokio::time::sleep(every) => {}
                    }
                    let (n, all) = count.so_far();
                    let line = format!("{} of {} {done}", format::number(n), format::number(all));
                    match &bar {
                        Some(bar) => {
                            bar.set_length(all);
                            bar.set_position(n);
                            bar.set_message(line);
                        }
                        None if line != last => {
                            screen.say(&line);
                            last = line;
                        }
                        None => {}
                    }
                }
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                }
            })
        });
        Self { stop, task }
    }

    /// Clears the bar away.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // The work has been done; that it could not be shown changes nothing.
            let _ = task.await;
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // A second signal ends the work, and nobody calls `end`.
        self.stop.cancel();
    }
}
