//! What a backfill shows: its progress while it runs, and its summary at the end.
//!
//! The store knows what any process does. If this process does the work, its own counters are newer than the
//! store by the bytes under way.

use std::{sync::Arc, time::Instant};

use super::{
    app::local_time,
    read_state::{overview, reader, status_inputs},
};
use crate::{
    clock::Clock,
    config::Config,
    daemon::clients,
    escape::Escaped,
    exit_code::ExitCode,
    progress::{Progress, Rate, Transferring},
    status::{
        Status, Transfer, format,
        summary::{Summary, Tally},
        text,
    },
    store::{Reader, RootFilter},
    ui::{
        output::Screen,
        progress::{Display, FILE_BAR, LABELLED_BAR, Row, Snapshot, TEXT},
    },
};

/// So many uploads have a bar of their own; more would leave no room for the log.
const MAX_TRANSFERS: usize = 8;

/// A backfill that is about to begin: compares the store with its state now.
#[derive(Debug)]
pub(crate) struct BackfillView {
    config: Arc<Config>,
    clock: Clock,
    before: Tally,
    reach: RootFilter,
    began: Instant,
}

impl BackfillView {
    /// Reads the state of the store before the backfill.
    pub(crate) fn new(config: &Arc<Config>, reach: RootFilter) -> anyhow::Result<Self> {
        let clock = clients::clock(config);
        let overview = match reader(config)? {
            Some(reader) => overview(&reader, &clock)?,
            None => None,
        };
        let before = overview.as_ref().map(Tally::of).unwrap_or_default();
        Ok(Self {
            config: Arc::clone(config),
            clock,
            before,
            reach,
            began: Instant::now(),
        })
    }

    /// Shows the progress. `progress` has the counters of this process, if it does the work.
    pub(crate) fn show(&self, screen: &Screen, progress: Option<Progress>) -> Display {
        let mut sampler = Sampler {
            config: Arc::clone(&self.config),
            clock: self.clock.clone(),
            reader: None,
            before: self.before,
            progress,
            rate: Rate::default(),
        };
        Display::start(screen, move || sampler.sample())
    }

    /// The summary; none if there is no database. `bytes` are those that this process sent; without them the
    /// store says how many were sent.
    pub(crate) fn summary(
        &self,
        bytes: Option<u64>,
        code: ExitCode,
    ) -> anyhow::Result<Option<String>> {
        let Some(reader) = reader(&self.config)? else {
            return Ok(None);
        };
        let Some(overview) = overview(&reader, &self.clock)? else {
            return Ok(None);
        };
        let local = local_time(&self.clock);
        let before = self.before;
        let bytes = bytes.unwrap_or_else(|| overview.bytes_sent.saturating_sub(before.bytes_sent));
        let took = self.began.elapsed();
        let mut summary = Summary::new(before, &overview, &reader, self.reach, bytes, took)?;
        if matches!(
            code,
            ExitCode::LoginNeeded | ExitCode::Unusable | ExitCode::WorkLeft
        ) {
            // It stopped because of the wait that the status shows while a process runs.
            let inputs = status_inputs(&self.config, &self.clock, true, None);
            summary = summary.stopped(&Status::new(Some(&overview), inputs), &local);
        }
        Ok(Some(summary.text(&local)))
    }
}

/// Takes snapshots of a running backfill.
#[derive(Debug)]
struct Sampler {
    config: Arc<Config>,
    clock: Clock,
    reader: Option<Reader>,
    before: Tally,
    progress: Option<Progress>,
    rate: Rate,
}

impl Sampler {
    /// A snapshot; none if there is no database yet.
    fn sample(&mut self) -> anyhow::Result<Option<Snapshot>> {
        if self.reader.is_none() {
            self.reader = reader(&self.config)?;
        }
        let Some(reader) = &self.reader else {
            return Ok(None);
        };
        let Some(overview) = overview(reader, &self.clock)? else {
            return Ok(None);
        };
        let rate = self.rate.bytes_per_second();
        let inputs = status_inputs(&self.config, &self.clock, true, rate);
        let mut status = Status::new(Some(&overview), inputs);
        let sent = if let Some(progress) = &self.progress {
            status.transfers = progress.transfers().iter().map(transfer).collect();
            progress.bytes_sent()
        } else {
            let running: u64 = status.transfers.iter().map(|it| it.sent).sum();
            (overview.bytes_sent + running).saturating_sub(self.before.bytes_sent)
        };
        self.rate.add(Instant::now(), sent);
        let done = status.items.done().saturating_sub(self.before.done);
        Ok(Some(self.snapshot(&status, done, sent)))
    }

    /// `done` items and `sent` bytes since the beginning.
    fn snapshot(&self, status: &Status, done: u64, sent: u64) -> Snapshot {
        let sentence = sentence(status, &self.clock);
        let files = done + status.items.pending();
        let unsent = status
            .transfers
            .iter()
            .map(|it| it.size.saturating_sub(it.sent));
        let bytes = sent + unsent.sum::<u64>() + status.bytes.queued;
        let mut of_bytes = format!("{} of {}", format::bytes(sent), format::bytes(bytes));
        if let Some(rate) = self.rate.bytes_per_second() {
            of_bytes += &format!(", {}/s", format::bytes(whole(rate)));
        }
        let line = if files == 0 {
            sentence.clone()
        } else {
            let of_bytes = if bytes > 0 {
                format!(", {of_bytes}")
            } else {
                String::new()
            };
            format!(
                "{} of {}{of_bytes}: {sentence}",
                format::number(done),
                format::files(files)
            )
        };
        let bar = |label: &str, position, length, message| Row {
            key: label.to_owned(),
            template: LABELLED_BAR,
            prefix: label.to_owned(),
            position,
            length,
            message,
        };
        let of_files = format!("{} of {}", format::number(done), format::number(files));
        let mut rows = vec![
            bar("files", done, files, of_files),
            bar("bytes", sent, bytes, of_bytes),
            Row {
                key: "sentence".to_owned(),
                template: TEXT,
                message: sentence,
                ..Row::default()
            },
        ];
        rows.extend(status.transfers.iter().take(MAX_TRANSFERS).map(|it| Row {
            key: it.path.clone(),
            template: FILE_BAR,
            prefix: it.path.rsplit('/').next().unwrap_or_default().to_owned(),
            position: it.sent,
            length: it.size,
            message: format::bytes(it.size),
        }));
        Snapshot { rows, line }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from float to integer saturates, which is what is wanted"
)]
fn whole(rate: f64) -> u64 {
    rate as u64
}

/// What happens now, or what is waited for.
fn sentence(status: &Status, clock: &Clock) -> String {
    let nothing_left = status.items.pending() == 0
        && status.placements.wanted == 0
        && status.after_upload.waiting == 0
        && !status.needs_user();
    if nothing_left {
        return "looking for files".to_owned();
    }
    let local = local_time(clock);
    let headline = text::headline(status, &local);
    // While files are uploaded, the headline does not mention that the writer waits.
    match text::waits_for(status, &local) {
        Some(wait) if !headline.contains(&wait) => format!("{headline}; {wait}"),
        _ => headline,
    }
}

fn transfer(it: &Transferring) -> Transfer {
    Transfer {
        path: Escaped::path(&it.path).to_string(),
        sent: it.sent,
        size: it.size,
    }
}
