//! When a backfill is finished: when nothing can move without the user, or when only long waits are left and
//! it must not wait.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use super::{control_socket::ActiveCommands, execute::reach};
use crate::{
    clock,
    context::{self, Context},
    exit_code::ExitCode,
    store::{self, AccountState, Pause, Reader, RootFilter, UNREADABLE, UploadsState, WriterState},
    verify::day_is_used_up,
};

/// The longest wait that `--no-wait` sits out (the design, section 2).
pub(super) const SHORT_WAIT: Duration = Duration::from_mins(1);

/// The interval of checks without a wake-up: waits end by themselves.
pub(super) const POLL: Duration = Duration::from_secs(1);

/// Wake-ups come in bursts: one check for all within this time.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// Counts as waiting for completion as long as this lives: the verification does not wait for full groups then.
struct Waiter(Arc<AtomicUsize>);

impl Waiter {
    fn new(context: &Context) -> Self {
        let count = Arc::clone(&context.wakes.waiters);
        count.fetch_add(1, Ordering::SeqCst);
        context.wakes.verify.notify();
        Self(count)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until the backfill of this process is finished. It stays until the commands that it accepted from
/// other processes are done, unless it was stopped or cannot go on.
pub(super) async fn of_backfill(
    context: &Context,
    paths: &[PathBuf],
    no_wait: bool,
    active: &ActiveCommands,
) -> anyhow::Result<ExitCode> {
    loop {
        let code = wait_until_drained(context, reach(paths), no_wait).await?;
        let is_complete = matches!(code, ExitCode::Done | ExitCode::SomeFailed);
        if !is_complete || active.close_if_idle() {
            return Ok(code);
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(ExitCode::Interrupted),
            () = tokio::time::sleep(DEBOUNCE) => {}
        }
    }
}

/// Waits until nothing can move without the user; returns the exit code. `reach` says whose files count as
/// left.
pub(super) async fn wait_until_drained(
    context: &Context,
    reach: RootFilter,
    no_wait: bool,
) -> anyhow::Result<ExitCode> {
    let _waiter = Waiter::new(context);
    let mut changed = context.wakes.changed.subscribe();
    // Right after a change the tasks may not have begun what it makes possible: `no_wait` needs a quiet second.
    let mut is_quiet = false;
    loop {
        changed.mark_unchanged();
        match check(context, reach, no_wait && is_quiet).await {
            Ok(Some(code)) => return Ok(code),
            // Nothing says how long a disk stays full: a long wait.
            _ if no_wait && is_quiet && context.store.trouble().is_some() => {
                return Ok(ExitCode::WorkLeft);
            }
            Ok(None) => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(ExitCode::Interrupted),
            _ = changed.changed() => {
                tokio::time::sleep(DEBOUNCE).await;
                is_quiet = false;
            }
            () = tokio::time::sleep(POLL) => is_quiet = true,
        }
    }
}

fn is_transient(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|layer| match layer.downcast_ref::<context::Error>() {
            Some(context::Error::Store(error)) => error.is_transient(),
            _ => layer.downcast_ref().is_some_and(store::Error::is_transient),
        })
}

/// The exit code if the backfill is finished now.
async fn check(
    context: &Context,
    reach: RootFilter,
    no_wait: bool,
) -> anyhow::Result<Option<ExitCode>> {
    // The user may have signed in a moment ago.
    context.account.look_for_sign_in().await?;
    let scanned = context.scanning.load(Ordering::SeqCst) == 0;
    if scanned && context.store.is_drained().await? {
        return Ok(Some(code_of_items(context, reach)?));
    }
    match unusable_account(&context.account.pause(), context.clock.now()) {
        Some(ExitCode::LoginNeeded) if !scanned => {}
        Some(code) => return Ok(Some(code)),
        None => {}
    }
    let ends = no_wait && scanned && only_long_waits(context).await?;
    Ok(ends.then_some(ExitCode::WorkLeft))
}

/// The exit code if the account cannot be used until the user does something. A pause of an earlier run is due
/// at the start, and ends or is renewed by the first request.
pub(super) fn unusable_account(account: &Pause<AccountState>, now: Timestamp) -> Option<ExitCode> {
    match account.state {
        // Without an end: the sign-in is dead. With one: a file of this machine is missing or unreadable.
        AccountState::LoginNeeded if account.until.is_none() => Some(ExitCode::LoginNeeded),
        AccountState::LoginNeeded | AccountState::ApiDisabled | AccountState::PhotosDisabled => {
            let is_paused = account.until.is_none_or(|until| until > now);
            is_paused.then_some(ExitCode::Unusable)
        }
        _ => None,
    }
}

/// Whether all that is left to do is to wait for over [`SHORT_WAIT`], or for an unknown time.
async fn only_long_waits(context: &Context) -> anyhow::Result<bool> {
    let (store, now) = (&context.store, context.clock.now());
    let short_end = clock::after(now, SHORT_WAIT);
    let is_long = |until: Option<Timestamp>| until.is_none_or(|until| until > short_end);
    let account = context.account.pause();
    // A pause that is due is about to be tried.
    if account.state != AccountState::Ready && account.until.is_none_or(|until| until > now) {
        return Ok(is_long(account.until));
    }
    let (writer, _) = store.lane().await?;
    let writer_waits = match writer.state {
        WriterState::Waiting => is_long(writer.until),
        WriterState::Idle => !store.lane_has_work().await?,
        _ => false,
    };
    Ok(writer_waits
        && context.progress.transfers().is_empty()
        && is_long(store.next_settled().await?)
        && (uploads_wait(context, short_end).await?
            || queue_waits(context, now, short_end).await?)
        && files_wait(context, short_end).await?)
}

/// Whether the uploads as a whole are paused for long.
async fn uploads_wait(context: &Context, short_end: Timestamp) -> anyhow::Result<bool> {
    let (uploads, _) = context.store.uploads().await?;
    Ok(uploads.state == UploadsState::Waiting && uploads.until > Some(short_end))
}

/// Whether no file of the queue may be begun for long.
async fn queue_waits(
    context: &Context,
    now: Timestamp,
    short_end: Timestamp,
) -> anyhow::Result<bool> {
    let next = context.store.next_claim(now).await?;
    let is_soon = next.is_some_and(|next| next <= short_end);
    Ok(!is_soon && !context.store.has_claimable(now).await?)
}

/// Whether no file is moved or deleted for long: because of its grace period, or because the requests of the
/// day are used up.
async fn files_wait(context: &Context, short_end: Timestamp) -> anyhow::Result<bool> {
    let next = context.store.next_source().await?;
    let is_soon = next.is_some_and(|next| next <= short_end);
    Ok(!is_soon
        || context.store.next_to_verify_for_files().await?.is_some()
            && day_is_used_up(context).await?)
}

/// The exit code for the state of all items. A queued file that cannot be read now has not failed, and `retry`
/// would not help: it is work that is left.
fn code_of_items(context: &Context, reach: RootFilter) -> anyhow::Result<ExitCode> {
    let Some(reader) = Reader::open(&context.config.state_dir)? else {
        return Ok(ExitCode::Done);
    };
    let overview = reader.overview(context.clock.now())?;
    let failed = overview.count("item", "failed") + overview.count("item", "missing");
    // A file that a rule refuses is no failure; one that the disk does not let us read is.
    let unreadable = reader
        .refusals()?
        .iter()
        .any(|(kind, ..)| kind == UNREADABLE);
    let is_left = !reader.unavailable_files(reach)?.is_empty();
    let codes = [
        (failed > 0 || unreadable).then_some(ExitCode::SomeFailed),
        is_left.then_some(ExitCode::WorkLeft),
    ];
    Ok(ExitCode::merge(codes.into_iter().flatten()))
}
