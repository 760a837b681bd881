//! Shows the progress of a command: bars on a terminal, a line now and then elsewhere, nothing if quiet.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::output::Screen;

/// The interval between two updates of the bars.
const BARS_INTERVAL: Duration = Duration::from_millis(500);

/// The interval between two lines.
const LINES_INTERVAL: Duration = Duration::from_secs(10);

/// A bar without a label.
pub(crate) const BAR: &str = "{wide_bar} {msg}";
/// A bar with a label of up to six characters.
pub(crate) const LABELLED_BAR: &str = "{prefix:>6} {wide_bar} {msg}";
/// The bar of a file.
pub(crate) const FILE_BAR: &str = "  {prefix:36!} {wide_bar} {percent:>3}% {msg:>8}";
/// No bar, only the message.
pub(crate) const TEXT: &str = "{wide_msg}";

/// A row on the terminal.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Identifies the row in the next snapshot.
    pub(crate) key: String,
    /// One of the templates of this module.
    pub(crate) template: &'static str,
    /// The label before the bar.
    pub(crate) prefix: String,
    /// How far the bar is filled, of `length`.
    pub(crate) position: u64,
    pub(crate) length: u64,
    /// The text behind the bar.
    pub(crate) message: String,
}

/// The progress at one time.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// For a terminal.
    pub(crate) rows: Vec<Row>,
    /// The same for a file or a pipe.
    pub(crate) line: String,
}

/// Shows the progress until it is ended or dropped.
#[derive(Debug)]
pub(crate) struct Display {
    stop: DropGuard,
    task: Option<JoinHandle<()>>,
}

impl Display {
    /// Starts to show what `sample` returns; it may block, and returns none if there is nothing to show yet.
    pub(crate) fn start<F>(screen: &Screen, sample: F) -> Self
    where
        F: FnMut() -> anyhow::Result<Option<Snapshot>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let show = || tokio::spawn(show(screen.clone(), sample, stop.clone()));
        let task = (!screen.is_quiet()).then(show);
        Self {
            stop: stop.drop_guard(),
            task,
        }
    }

    /// Removes the bars.
    pub(crate) async fn end(self) {
        drop(self.stop);
        if let Some(task) = self.task
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the progress could not be shown");
        }
    }
}

async fn show<F>(screen: Screen, mut sample: F, stop: CancellationToken)
where
    F: FnMut() -> anyhow::Result<Option<Snapshot>> + Send + 'static,
{
    let mut bars = screen.bars().map(Bars::new);
    let mut last_line = String::new();
    let mut ticks = interval(if bars.is_some() {
        BARS_INTERVAL
    } else {
        LINES_INTERVAL
    });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let sampled = tokio::task::spawn_blocking(move || {
            let snapshot = sample();
            (sample, snapshot)
        });
        let Ok((returned, snapshot)) = sampled.await else {
            break;
        };
        sample = returned;
        match (snapshot, &mut bars) {
            (Ok(Some(snapshot)), Some(bars)) => bars.update(snapshot.rows),
            (Ok(Some(snapshot)), None) if snapshot.line != last_line => {
                screen.say(&snapshot.line);
                last_line = snapshot.line;
            }
            (Ok(_), _) => {}
            (Err(error), _) => tracing::debug!("the progress is not known: {error:#}"),
        }
    }
    if let Some(mut bars) = bars {
        bars.update(Vec::new());
    }
}

struct Bars<'a> {
    screen: &'a MultiProgress,
    shown: BTreeMap<String, ProgressBar>,
}

impl<'a> Bars<'a> {
    fn new(screen: &'a MultiProgress) -> Self {
        Self {
            screen,
            shown: BTreeMap::new(),
        }
    }

    /// Shows these rows, and removes all others.
    fn update(&mut self, rows: Vec<Row>) {
        self.shown.retain(|key, bar| {
            let stays = rows.iter().any(|row| row.key == *key);
            if !stays {
                bar.finish_and_clear();
                self.screen.remove(bar);
            }
            stays
        });
        for row in rows {
            let bar = self.shown.entry(row.key).or_insert_with(|| {
                let bar = ProgressBar::new(row.length).with_prefix(row.prefix);
                // An invalid template would leave the default style.
                if let Ok(style) = ProgressStyle::with_template(row.template) {
                    bar.set_style(style.progress_chars("━╸ "));
                }
                self.screen.add(bar)
            });
            bar.set_length(row.length);
            bar.set_position(row.position);
            bar.set_message(row.message);
        }
    }
}
