//! How far it is: bars on a terminal, a line now and then elsewhere, nothing where quiet is wanted.
//!
//! The core counts, this looks: at the store, which also knows what another process does, and at the
//! [`Progress`] of this process, which is ahead of the store by the bytes under way.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::Config,
    escape::Escaped,
    progress::{Progress, Rate},
    status::{Status, Transfer, summary::Tally},
    store::Reader,
};

use super::{app::App, read_state};
use crate::ui::output::Screen;

mod bars;
mod counter;
mod lines;

pub(crate) use counter::Counter;

use bars::Bars;
use lines::Lines;

/// From one look to the next where there are bars.
const BARS_EVERY: Duration = Duration::from_millis(500);

/// The same where there are lines.
const LINES_EVERY: Duration = Duration::from_secs(10);

/// One look, as the faces show it.
#[derive(Debug)]
struct Sight {
    status: Status,
    /// Items that came into the library since the work began.
    done: u64,
    /// Bytes that were sent since.
    sent: u64,
    rate: Option<f64>,
}

impl Sight {
    fn files_in_all(&self) -> u64 {
        self.done + self.status.items.pending()
    }

    fn bytes_in_all(&self) -> u64 {
        let moving = self.status.transfers.iter();
        let still: u64 = moving.map(|one| one.size.saturating_sub(one.sent)).sum();
        self.sent + still + self.status.bytes.queued
    }

    /// Whether nothing is known to be left, while the work goes on: it looks for files.
    fn is_looking(&self) -> bool {
        self.status.items.pending() == 0
            && self.status.placements.wanted == 0
            && self.status.after_upload.waiting == 0
            && !self.status.needs_user()
    }
}

/// Shows how far it is, until it is told to end.
#[derive(Debug)]
pub(crate) struct Follower {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Follower {
    /// Begins to show. `before` is how things stood when the work began; `progress` is there if this
    /// process does the work.
    pub(crate) fn start(
        app: &App,
        config: &Arc<Config>,
        clock: &Clock,
        before: Tally,
        progress: Option<Progress>,
    ) -> Self {
        let stop = CancellationToken::new();
        let looker = Looker {
            config: Arc::clone(config),
            clock: clock.clone(),
            reader: None,
            before,
            progress,
            pace: Rate::default(),
        };
        let face = Face::of(&app.screen, clock);
        let task = face.map(|face| tokio::spawn(follow(looker, face, stop.clone())));
        Self { stop, task }
    }

    /// Shows the end and clears the bars away.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::warn!(%error, "the progress could not be shown");
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // A second signal ends the work, and nobody calls `end`.
        self.stop.cancel();
    }
}

#[derive(Debug)]
enum Face {
    Bars(Bars),
    Lines(Lines),
}

impl Face {
    fn of(screen: &Screen, clock: &Clock) -> Option<Self> {
        if screen.is_quiet() {
            return None;
        }
        Some(match screen.bars() {
            Some(bars) => Self::Bars(Bars::new(bars, clock.clone())),
            None => Self::Lines(Lines::new(screen.clone(), clock.clone())),
        })
    }

    fn every(&self) -> Duration {
        match self {
            Self::Bars(_) => BARS_EVERY,
            Self::Lines(_) => LINES_EVERY,
        }
    }

    fn show(&mut self, sight: &Sight) {
        match self {
            Self::Bars(bars) => bars.show(sight),
            Self::Lines(lines) => lines.show(sight),
        }
    }

    fn end(self) {
        if let Self::Bars(bars) = self {
            bars.end();
        }
    }
}

async fn follow(mut looker: Looker, mut face: Face, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(face.every());
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let look = tokio::task::spawn_blocking(move || {
            let seen = looker.look();
            (looker, seen)
        });
        let Ok((same, seen)) = look.await else {
            break;
        };
        looker = same;
        match seen {
            Ok(Some(sight)) => face.show(&sight),
            Ok(None) => {}
            Err(error) => tracing::debug!("the progress is not known: {error:#}"),
        }
    }
    face.end();
}

/// Looks at the store and at this process.
#[derive(Debug)]
struct Looker {
    config: Arc<Config>,
    clock: Clock,
    reader: Option<Reader>,
    before: Tally,
    progress: Option<Progress>,
    pace: Rate,
}

impl Looker {
    /// One look; none if there is no database yet.
    fn look(&mut self) -> anyhow::Result<Option<Sight>> {
        if self.reader.is_none() {
            self.reader = read_state::reader(&self.config)?;
        }
        let Some(reader) = &self.reader else {
            return Ok(None);
        };
        let Some(overview) = read_state::overview(reader, &self.clock)? else {
            return Ok(None);
        };
        let sent_there = overview.bytes_sent;
        let around = read_state::around(
            &self.config,
            &self.clock,
            true,
            self.pace.bytes_per_second(),
        );
        let mut status = Status::new(Some(&overview), around);
        let sent = if let Some(progress) = &self.progress {
            status.transfers = progress.transfers().iter().map(transfer).collect();
            progress.bytes_sent()
        } else {
            let moving: u64 = status.transfers.iter().map(|one| one.sent).sum();
            (sent_there + moving).saturating_sub(self.before.bytes_sent)
        };
        self.pace.add(Instant::now(), sent);
        Ok(Some(Sight {
            done: status.items.done().saturating_sub(self.before.done),
            status,
            sent,
            rate: self.pace.bytes_per_second(),
        }))
    }
}

fn transfer(moving: &crate::progress::Transferring) -> Transfer {
    Transfer {
        path: Escaped::path(&moving.path).to_string(),
        sent: moving.sent,
        size: moving.size,
    }
}
