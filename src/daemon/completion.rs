//! Whether a backfill is done: when nothing can move any more, or when it must not wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use super::control_socket::Taken;
use crate::{
    clock,
    context::{self, Context},
    exit_code::ExitCode,
    store::{self, AccountState, Reach, Reader, UNREADABLE, UploadsState, WriterState},
    verify::day_is_used_up,
};

/// The longest wait that `--no-wait` sits out (the design, section 2).
const SHORT: Duration = Duration::from_mins(1);

/// How often is looked without anything having moved: times pass too.
const LOOK: Duration = Duration::from_secs(1);

/// Rings come in crowds; one look for all that come within this.
const CROWD: Duration = Duration::from_millis(20);

/// Somebody waits for the end, as long as this lives.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn begin(context: &Context) -> Self {
        let count = Arc::clone(&context.wakes.waiters);
        count.fetch_add(1, Ordering::SeqCst);
        context.wakes.verify.notify();
        Self(count)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits for the end of a backfill in a process of its own. One that has done all that it can stays for
/// those whose orders it has taken; one that was stopped leaves them to who gave them.
pub(super) async fn of_backfill(
    context: &Context,
    reach: Reach,
    no_wait: bool,
    taken: &Taken,
) -> anyhow::Result<ExitCode> {
    loop {
        let code = drained(context, reach, no_wait).await?;
        let is_whole = matches!(code, ExitCode::Done | ExitCode::SomeFailed);
        if !is_whole || taken.close_if_idle() {
            return Ok(code);
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(ExitCode::Interrupted),
            () = tokio::time::sleep(CROWD) => {}
        }
    }
}

/// Waits until nothing can move, and gives how it ended. `reach` says whose files it was to be about.
pub(super) async fn drained(
    context: &Context,
    reach: Reach,
    no_wait: bool,
) -> anyhow::Result<ExitCode> {
    let _waiting = Waiting::begin(context);
    let mut moved = context.wakes.changed.subscribe();
    let mut still = false;
    loop {
        moved.mark_unchanged();
        // What was just rung for may not have been begun yet: only who stands still waits.
        match look(context, reach, no_wait && still).await {
            Ok(Some(code)) => return Ok(code),
            // Nobody knows how long a disk stays full, so this is a wait like any other.
            _ if no_wait && still && context.store.trouble().is_some() => {
                return Ok(ExitCode::WorkLeft);
            }
            Ok(None) => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(ExitCode::Interrupted),
            _ = moved.changed() => {
                tokio::time::sleep(CROWD).await;
                still = false;
            }
            () = tokio::time::sleep(LOOK) => still = true,
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

/// The exit code if it is over now.
async fn look(context: &Context, reach: Reach, no_wait: bool) -> anyhow::Result<Option<ExitCode>> {
    // Somebody may have seen to it a moment ago.
    context.account.look_for_sign_in().await?;
    let account = context.account.pause();
    let scanned = context.scanning.load(Ordering::SeqCst) == 0;
    if scanned && context.store.is_drained().await? {
        return Ok(Some(code_of_items(context, reach)?));
    }
    // A sign-in that is dead, and not only out of reach.
    let is_dead = account.state == AccountState::LoginNeeded && account.until.is_none();
    if is_dead && scanned {
        return Ok(Some(ExitCode::LoginNeeded));
    }
    match account.state {
        // What an earlier run met may be mended: then it is due, and the first request tells. A sign-in is
        // looked for again by itself only where this machine is not set up for it.
        AccountState::LoginNeeded | AccountState::ApiDisabled | AccountState::PhotosDisabled
            if !is_dead
                && account
                    .until
                    .is_none_or(|until| until > context.clock.now()) =>
        {
            return Ok(Some(ExitCode::Unusable));
        }
        _ => {}
    }
    if no_wait && scanned && waits_long(context).await? {
        return Ok(Some(ExitCode::WorkLeft));
    }
    Ok(None)
}

/// Whether all that is left to do is to wait for long, or for nobody knows how long.
async fn waits_long(context: &Context) -> anyhow::Result<bool> {
    let now = context.clock.now();
    let long =
        |until: Option<Timestamp>| until.is_none_or(|until| until > clock::after(now, SHORT));
    let account = context.account.pause();
    // What is due is about to be tried, or waits for what the lane waits for.
    if account.state != AccountState::Ready && account.until.is_none_or(|until| until > now) {
        return Ok(long(account.until));
    }
    let (lane, _) = context.store.lane().await?;
    let lane_waits = lane.state == WriterState::Waiting && long(lane.until);
    let idle = lane.state == WriterState::Idle && !context.store.lane_has_work().await?;
    let bytes_wait = context.progress.transfers().is_empty()
        && context
            .store
            .next_settled()
            .await?
            .is_none_or(|next| long(Some(next)))
        && (uploads_wait(context, now).await? || queue_waits(context, now).await?);
    Ok((lane_waits || idle) && bytes_wait && files_wait(context, now).await?)
}

/// Whether the upload stage begins nothing for long: whatever is in the queue.
async fn uploads_wait(context: &Context, now: Timestamp) -> anyhow::Result<bool> {
    let (uploads, _) = context.store.uploads().await?;
    let long = uploads.until > Some(clock::after(now, SHORT));
    Ok(uploads.state == UploadsState::Waiting && long)
}

/// Whether nothing in the queue may be begun for long.
async fn queue_waits(context: &Context, now: Timestamp) -> anyhow::Result<bool> {
    let next = context.store.next_claim(now).await?;
    let soon = next.is_some_and(|next| next <= clock::after(now, SHORT));
    Ok(!soon && !context.store.has_claimable(now).await?)
}

/// Whether no file is moved or deleted for long: for its grace, or for the requests of another day.
async fn files_wait(context: &Context, now: Timestamp) -> anyhow::Result<bool> {
    let next = context.store.next_source().await?;
    let soon = next.is_some_and(|next| next <= clock::after(now, SHORT));
    Ok(!soon
        || context.store.next_to_verify_for_files().await?.is_some()
            && day_is_used_up(context).await?)
}

/// The code for how the items stand. What is in the queue and cannot be read now did not fail, and no
/// `retry` helps: it is work that is left.
fn code_of_items(context: &Context, reach: Reach) -> anyhow::Result<ExitCode> {
    let Some(reader) = Reader::open(&context.config.state_dir)? else {
        return Ok(ExitCode::Done);
    };
    let overview = reader.overview(context.clock.now())?;
    let bad = overview.count("item", "failed") + overview.count("item", "missing");
    // What the rules leave out is no failure; what the disk does not give out is one.
    let refusals = reader.refusals()?;
    let unreadable = refusals.iter().any(|(kind, ..)| kind == UNREADABLE);
    let is_left = !reader.unavailable_files(reach)?.is_empty();
    let codes = [
        (bad > 0 || unreadable).then_some(ExitCode::SomeFailed),
        is_left.then_some(ExitCode::WorkLeft),
    ];
    Ok(ExitCode::merge(codes.into_iter().flatten()))
}
