//! The task that works once a second: writes the running uploads for `status`, notifies systemd, watches the
//! database, the sign-in and the clock.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    clock_watch::ClockWatch,
    systemd::{self, State},
};
use crate::{
    clock,
    context::Context,
    progress::Rate,
    status::sign_in,
    store::{self, AccountState, Reader, Transfer},
};

/// One turn of the task.
const TURN: Duration = Duration::from_secs(1);

/// The line for systemd is sent every so many turns.
const STATUS_TURNS: u32 = 10;

/// The database file is checked every so many turns, so that an idle daemon notices within seconds that it was
/// removed. While it cannot be written it is checked every turn, to go on soon after the user made room.
const CHECK_TURNS: u32 = 3;

/// The age of the sign-in is checked every so many turns.
const SIGN_IN_TURNS: u32 = 30;

/// The interval between two warnings that the sign-in will expire.
const WARNING_INTERVAL: Duration = Duration::from_hours(24);

#[derive(Debug)]
struct Reporter {
    context: Context,
    rate: Rate,
    /// The uploads and the bytes that were written last.
    written: (Vec<Transfer>, u64),
    warned_at: Option<Timestamp>,
}

/// Runs until the stop.
pub(super) async fn run(context: Context) -> anyhow::Result<()> {
    let watchdog_turns = systemd::watchdog_timeout().map(|timeout| {
        let turns = timeout.as_secs() / 2 / TURN.as_secs();
        u32::try_from(turns).unwrap_or(u32::MAX).max(1)
    });
    let mut clock_watch = ClockWatch::default();
    let mut reporter = Reporter {
        context: context.clone(),
        rate: Rate::default(),
        written: (Vec::new(), 0),
        warned_at: None,
    };
    for turn in 1_u32.. {
        tokio::select! {
            () = context.stop.cancelled() => break,
            () = tokio::time::sleep(TURN) => {}
        }
        unless_transient(reporter.write_transfers().await)?;
        if turn.is_multiple_of(CHECK_TURNS) || context.store.trouble().is_some() {
            context.store.look_after().await?;
        }
        // A sign-in in another terminal changes only the token file.
        match context.account.look_for_sign_in().await {
            Err(error) if error.is_transient() => {}
            looked => looked?,
        }
        // The watchdog covers the async runtime, which runs this task, and the writer thread of the store, but
        // nothing that a dead network file system could block.
        if watchdog_turns.is_some_and(|turns| turn.is_multiple_of(turns))
            && context.store.is_alive().await
        {
            systemd::notify(State::Watchdog);
        }
        if turn % SIGN_IN_TURNS == 1 {
            reporter.warn_of_expiry().await?;
        }
        clock_watch.check(&context).await?;
        if turn.is_multiple_of(STATUS_TURNS) {
            unless_transient(
                status_line(&context).map(|line| systemd::notify(State::Status(&line))),
            )?;
        }
    }
    Ok(())
}

/// Ignores a transient error: `status` is outdated until the store can be written again.
fn unless_transient(result: store::Result<()>) -> store::Result<()> {
    match result {
        Err(error) if error.is_transient() => Ok(()),
        result => result,
    }
}

impl Reporter {
    /// Writes the running uploads and their rate for `status`, if they have changed.
    async fn write_transfers(&mut self) -> store::Result<()> {
        let running = self.context.progress.transfers();
        let transfer = |it: &crate::progress::Transferring| Transfer {
            path: it.path.clone(),
            sent: it.sent,
            size: it.size,
        };
        let transfers: Vec<Transfer> = running.iter().map(transfer).collect();
        let now = (transfers, self.context.progress.bytes_sent());
        if now == self.written {
            if now.0.is_empty() {
                self.rate.reset();
            }
            return Ok(());
        }
        self.rate.add(Instant::now(), now.1);
        let rows = running
            .iter()
            .map(|it| it.file)
            .zip(now.0.clone())
            .collect();
        self.context
            .store
            .transfers_are(rows, self.rate.bytes_per_second())
            .await?;
        self.written = now;
        Ok(())
    }

    /// Warns once a day that the sign-in will expire soon.
    async fn warn_of_expiry(&mut self) -> anyhow::Result<()> {
        let now = self.context.clock.now();
        let is_recent = |at: Timestamp| at <= now && clock::until(at, now) < WARNING_INTERVAL;
        if self.warned_at.is_some_and(is_recent) {
            return Ok(());
        }
        let Ok(signed_in) = self.context.client.auth().signed_in().await else {
            return Ok(());
        };
        let Some(reader) = Reader::open(&self.context.config.state_dir)? else {
            return Ok(());
        };
        if let Some(warning) = sign_in::warning(signed_in.since, reader.is_published()?, now) {
            tracing::warn!("{}\nhint: {}", warning.message, warning.hint);
            self.warned_at = Some(now);
        }
        Ok(())
    }
}

/// The line that `systemctl status` shows.
fn status_line(context: &Context) -> store::Result<String> {
    if let Some(trouble) = context.store.trouble() {
        return Ok(format!("waiting: {trouble}"));
    }
    let Some(reader) = Reader::open(&context.config.state_dir)? else {
        return Ok(String::new());
    };
    let overview = reader.overview(context.clock.now())?;
    let sum = |kind, states: [&str; 2]| {
        states
            .map(|state| overview.count(kind, state))
            .iter()
            .sum::<u64>()
    };
    let waiting = sum("file", ["queued", "settling"]);
    let created = sum("item", ["created", "verified"]);
    let failed = sum("item", ["failed", "missing"]);
    let mut line = format!("{created} in Google Photos, {waiting} waiting, {failed} failed");
    let account = &overview.account;
    if account.state != AccountState::Ready {
        line.push_str("; paused: ");
        line.push_str(account.reason.as_deref().unwrap_or(account.state.as_str()));
    }
    Ok(line)
}
