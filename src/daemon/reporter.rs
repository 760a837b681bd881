//! What the program tells while it runs: bytes on their way for `status`, and to systemd that it is
//! ready, what it does, that it lives, and that it stops.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    clock,
    context::Context,
    progress::Rate,
    status::sign_in,
    store::{self, AccountState, Reader, Transfer},
};

/// How often transfers are written for `status`, while there are any.
const TRANSFERS: Duration = Duration::from_secs(1);

/// How often systemd is told what the program does, in turns of [`TRANSFERS`].
const STATUS_TURNS: u32 = 10;

/// How often the store is looked after, in the same turns: an idle daemon is to notice within
/// seconds that its database is gone. In each turn while it cannot be written, so that whoever made
/// room sees soon that it was enough.
const LOOK_AFTER_TURNS: u32 = 3;

/// How often the age of the sign-in is looked at, in turns of [`TRANSFERS`].
const LOOK_TURNS: u32 = 30;

/// How long a warning that was told is not told again.
const WARNED: Duration = Duration::from_hours(24);

/// Runs until the stop.
pub(super) async fn tell(context: Context) -> anyhow::Result<()> {
    let mut told = Told::default();
    let mut turn = 0_u32;
    let watchdog = watchdog();
    let mut warnings = Warnings::default();
    let mut waits = super::clock_watch::Waits::default();
    loop {
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(TRANSFERS) => {}
        }
        turn = turn.wrapping_add(1);
        transfers(&context, &mut told).await?;
        if turn.is_multiple_of(LOOK_AFTER_TURNS) || context.store.trouble().is_some() {
            context.store.look_after().await?;
        }
        // A sign-in in another terminal changes the token file and nothing else.
        match context.account.look_for_sign_in().await {
            Err(error) if error.is_transient() => {}
            looked => looked?,
        }
        // The watchdog asks the runtime (this task runs) and the writer: nothing that a dead network
        // file system could hang.
        if watchdog.is_some_and(|every| turn.is_multiple_of(every))
            && context.store.is_alive().await
        {
            notify(&Note::Alive);
        }
        if turn % LOOK_TURNS == 1 {
            warnings.tell(&context).await?;
        }
        waits.look(&context).await?;
        if turn.is_multiple_of(STATUS_TURNS) {
            match line(&context) {
                Ok(line) => notify(&Note::Status(&line)),
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// When a warning was told last.
#[derive(Debug, Default)]
struct Warnings {
    told_at: Option<Timestamp>,
}

impl Warnings {
    /// Tells once a day that the sign-in may end soon.
    async fn tell(&mut self, context: &Context) -> anyhow::Result<()> {
        let now = context.clock.now();
        let told = self
            .told_at
            .is_some_and(|told_at| told_at <= now && clock::until(told_at, now) < WARNED);
        if told {
            return Ok(());
        }
        // Nobody may have asked for a token yet, and nobody may ever have signed in.
        let Ok(signed_in) = context.client.auth().signed_in().await else {
            return Ok(());
        };
        let Some(reader) = Reader::open(&context.config.state_dir)? else {
            return Ok(());
        };
        if let Some(warning) = sign_in::warning(signed_in.since, reader.is_published()?, now) {
            tracing::warn!("{}\nhint: {}", warning.message, warning.hint);
            self.told_at = Some(now);
        }
        Ok(())
    }
}

/// What was told about transfers, and what the next telling is reckoned from.
#[derive(Debug, Default)]
struct Told {
    transfers: Vec<Transfer>,
    bytes: u64,
    pace: Rate,
}

async fn transfers(context: &Context, told: &mut Told) -> anyhow::Result<()> {
    let moving = context.progress.transfers();
    let now: Vec<Transfer> = moving
        .iter()
        .map(|moving| Transfer {
            path: moving.path.clone(),
            sent: moving.sent,
            size: moving.size,
        })
        .collect();
    let bytes = context.progress.bytes_sent();
    if now == told.transfers && bytes == told.bytes {
        if now.is_empty() {
            told.pace.reset();
        }
        return Ok(());
    }
    told.pace.add(Instant::now(), bytes);
    let rows = moving
        .iter()
        .map(|moving| moving.file)
        .zip(now.clone())
        .collect();
    match context
        .store
        .transfers_are(rows, told.pace.bytes_per_second())
        .await
    {
        Ok(()) => (told.transfers, told.bytes) = (now, bytes),
        // `status` is a little old until the store takes writes again; the stages say why.
        Err(error) if error.is_transient() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// What `systemctl status` shows.
fn line(context: &Context) -> store::Result<String> {
    if let Some(trouble) = context.store.trouble() {
        return Ok(format!("waiting: {trouble}"));
    }
    let Some(reader) = Reader::open(&context.config.state_dir)? else {
        return Ok(String::new());
    };
    let overview = reader.overview(context.clock.now())?;
    let waiting = overview.count("file", "queued") + overview.count("file", "settling");
    let made = overview.count("item", "created") + overview.count("item", "verified");
    let failed = overview.count("item", "failed") + overview.count("item", "missing");
    let mut line = format!("{made} in Google Photos, {waiting} waiting, {failed} failed");
    if overview.account.state != AccountState::Ready {
        line.push_str("; paused: ");
        line.push_str(
            overview
                .account
                .reason
                .as_deref()
                .unwrap_or(overview.account.state.as_str()),
        );
    }
    Ok(line)
}

/// The pipeline runs.
pub(super) fn ready() {
    notify(&Note::Ready);
}

/// The stop came.
pub(super) fn stopping() {
    notify(&Note::Stopping);
}

/// The socket of this process must not answer for the next one.
pub(super) fn gone(state_dir: &Path) {
    // If it cannot be removed, the next process replaces it.
    let _ = std::fs::remove_file(state_dir.join(super::SOCKET_NAME));
}

enum Note<'a> {
    Ready,
    Stopping,
    Alive,
    Status(&'a str),
}

/// How many turns apart the watchdog is fed: half its time; none if nobody watches.
#[cfg(target_os = "linux")]
fn watchdog() -> Option<u32> {
    let turns = sd_notify::watchdog_enabled()?.as_secs() / 2 / TRANSFERS.as_secs();
    Some(u32::try_from(turns).unwrap_or(u32::MAX).max(1))
}

#[cfg(not(target_os = "linux"))]
fn watchdog() -> Option<u32> {
    None
}

/// Without a service manager this does nothing.
#[cfg(target_os = "linux")]
fn notify(note: &Note<'_>) {
    use sd_notify::NotifyState;
    let state = match note {
        Note::Ready => NotifyState::Ready,
        Note::Stopping => NotifyState::Stopping,
        Note::Alive => NotifyState::Watchdog,
        Note::Status(line) => NotifyState::Status(line),
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

#[cfg(not(target_os = "linux"))]
fn notify(_: &Note<'_>) {}
