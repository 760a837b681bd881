//! Whose turn it is in the state folder: ours, or that of the process that holds it, which is then
//! asked to do the work.
//!
//! The order goes into the store, so that it is not lost with a connection; the socket only rings:
//! we write `order ID`, the holder answers `taken` at once and `done` at the end.

use std::{io, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::UnixStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    clock::Clock,
    config::Config,
    daemon::{self, Door, clients},
    exit_code::ExitCode,
    lock::{self, Lock},
    model::ids::OrderId,
    store::{self, Cause, OrderKind, OrderView, Store, Trouble},
};

use super::{app::App, backfill, progress::Follower, read_state, signals::Signals};
use crate::ui::{error_report::Failure, output};

/// How long a holder of the state folder may take to answer (the design, section 2).
const ANSWER: Duration = Duration::from_secs(10);

/// From one look at the state of the holder to the next.
const LOOK: Duration = Duration::from_secs(1);

/// From one knock to the next at a holder that is not there yet, or about to go.
const AGAIN: Duration = Duration::from_millis(100);

/// Who does the work.
#[derive(Debug)]
enum Turn {
    /// This process; nobody else does as long as the lock is held.
    Ours(Lock),
    /// The process at the other end.
    Theirs(UnixStream),
}

/// Finds out whose turn it is.
async fn turn(config: &Config) -> anyhow::Result<Turn> {
    let deadline = Instant::now() + ANSWER;
    loop {
        let held = match Lock::take(&config.state_dir) {
            Ok(lock) => return Ok(Turn::Ours(lock)),
            Err(error @ lock::Error::Held { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        match connected(&config.state_dir).await {
            Ok(stream) => return Ok(Turn::Theirs(stream)),
            Err(_) if Instant::now() < deadline => sleep(AGAIN).await,
            Err(error) => return Err(anyhow::Error::new(error).context(held)).context(silent()),
        }
    }
}

async fn connected(state_dir: &Path) -> io::Result<UnixStream> {
    let door = Door::of(state_dir)?;
    UnixStream::connect(door.path()).await
}

fn silent() -> Failure {
    let words = "the albumen that holds the state folder does not answer";
    Failure::new(ExitCode::StateHeld, words)
        .hint("wait until it ends, or stop it; `albumen status` tells its process")
}

/// The order is in its store, and nothing takes it out of there.
fn left_with_it() -> Failure {
    let words = "the albumen that holds the state folder does not answer; the order is left with it, and is done \
                 when it answers";
    Failure::new(ExitCode::StateHeld, words)
        .hint("there is no need to ask again; `albumen status` tells its process")
}

/// Has the order carried out: by whoever holds the state folder, or by `ours` where nobody does.
pub(crate) async fn carried_out(
    app: &App,
    config: &Arc<Config>,
    order: OrderKind,
    ours: impl AsyncFnOnce(Lock) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let deadline = Instant::now() + ANSWER;
    loop {
        let stream = match turn(config).await? {
            Turn::Ours(lock) => return ours(lock).await,
            Turn::Theirs(stream) => stream,
        };
        match follow(app, config, stream, order.clone()).await? {
            Some(code) => return Ok(code),
            None if Instant::now() < deadline => sleep(AGAIN).await,
            None => return Err(silent().into()),
        }
    }
}

/// Asks the holder to do `order`, follows it to its end, and tells what came of it. None if the holder
/// went before it took the order: it was about to end, and nobody does it.
async fn follow(
    app: &App,
    config: &Arc<Config>,
    stream: UnixStream,
    order: OrderKind,
) -> anyhow::Result<Option<ExitCode>> {
    let clock = clients::clock(config);
    let before = backfill::tally(config, &clock)?;
    // The others move nothing that could be watched.
    let reach = match &order {
        OrderKind::Backfill { paths, .. } => Some(daemon::reach(paths)),
        _ => None,
    };
    let is_backfill = reach.is_some();
    let began = Instant::now();
    let words = "not waiting any longer; the running albumen goes on with it";
    let signals = Signals::listen(&app.screen, words)?;
    let stop = signals.stop();
    let no_wait = matches!(order, OrderKind::Backfill { no_wait: true, .. });
    let left = tokio::select! {
        left = leave(config, order, &clock) => Some(left?),
        () = stop.cancelled() => None,
    };
    let Some(id) = left else {
        return Ok(Some(ExitCode::Interrupted));
    };
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    // A holder that is about to end may have closed already; then it does not answer either.
    let _ = write.write_all(format!("order {id}\n").as_bytes()).await;
    let taken = tokio::select! {
        taken = timeout(ANSWER, word(&mut lines, "taken")) => taken,
        () = stop.cancelled() => return Ok(Some(ExitCode::Interrupted)),
    };
    match taken {
        Ok(true) => {}
        // An answer may be lost, the order is not: it may even be done already.
        _ if view(config, id)?.is_some_and(|order| order.begun) => {}
        Ok(false) => return Ok(None),
        Err(_) => return Err(left_with_it().into()),
    }
    if is_backfill {
        app.screen
            .say("an albumen is at work in the state folder; it takes this over");
    }
    let follower = is_backfill.then(|| Follower::start(app, config, &clock, before, None));
    let done = tokio::select! {
        done = word(&mut lines, "done") => Some(Ok(done)),
        words = disk_trouble(config), if no_wait => Some(Err(words)),
        () = stop.cancelled() => None,
    };
    if let Some(follower) = follower {
        follower.end().await;
    }
    if done.transpose()?.is_none() {
        return Ok(Some(ExitCode::Interrupted));
    }
    let (code, report) = outcome(view(config, id)?)?;
    let report = if let Some(reach) = reach {
        // The same words as if this process had done it.
        let told = (before, reach);
        let text = backfill::summary(config, &clock, told, None, began.elapsed(), code)?;
        text.unwrap_or(report)
    } else {
        report
    };
    output::print_lines(&report)?;
    Ok(Some(code))
}

/// Leaves the order. A backfill is patient with a disk, unless it must not wait.
async fn leave(config: &Config, order: OrderKind, clock: &Clock) -> anyhow::Result<OrderId> {
    let store = Store::open_beside(&config.state_dir)?;
    let left = loop {
        match (&order, store.leave_order(order.clone(), clock.now()).await) {
            (OrderKind::Backfill { no_wait: true, .. }, Err(error)) if error.is_transient() => {
                break Err(unwritable(config, &error).into());
            }
            // The store has said what it waits for.
            (OrderKind::Backfill { .. }, Err(error)) if error.is_transient() => sleep(LOOK).await,
            (_, left) => break left.context("the order cannot be left"),
        }
    };
    store.close().await;
    left
}

/// The words of a process whose disk does not take an order.
fn unwritable(config: &Config, error: &store::Error) -> Failure {
    let Some(cause) = Cause::of(error) else {
        return Failure::new(ExitCode::WorkLeft, error.to_string());
    };
    let path = config.state_dir.join(store::FILE_NAME);
    let trouble = Trouble { cause, path };
    Failure::new(ExitCode::WorkLeft, trouble.to_string()).hint(trouble.remedy())
}

/// Waits until the holder has said at two looks in a row that its database cannot be written: nobody
/// knows how long that lasts.
async fn disk_trouble(config: &Config) -> Failure {
    let mut before = None;
    loop {
        sleep(LOOK).await;
        let state_dir = config.state_dir.clone();
        let look = tokio::task::spawn_blocking(move || read_state::disk_trouble(&state_dir));
        let now = look.await.ok().flatten();
        if let (Some((reason, remedy)), Some(_)) = (&now, before) {
            return Failure::new(ExitCode::WorkLeft, reason).hint(remedy);
        }
        before = now;
    }
}

fn view(config: &Config, id: OrderId) -> anyhow::Result<Option<OrderView>> {
    let Some(reader) = read_state::reader(config)? else {
        return Ok(None);
    };
    Ok(reader.order(id)?)
}

/// Reads lines until the one with `word`; gives whether it came before the other end was gone.
async fn word<R>(lines: &mut Lines<BufReader<R>>, word: &str) -> bool
where
    R: tokio::io::AsyncRead + Unpin,
{
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim() == word {
            return true;
        }
    }
    false
}

fn outcome(order: Option<OrderView>) -> anyhow::Result<(ExitCode, String)> {
    let ended = order.and_then(|order| Some((order.exit_code?, order.report)));
    let Some((number, report)) = ended else {
        let words = "the running albumen stopped before it was done; what is queued stays queued";
        let hint = "`albumen status` tells how far it is";
        return Err(Failure::new(ExitCode::WorkLeft, words).hint(hint).into());
    };
    let code = ExitCode::ALL
        .iter()
        .copied()
        .find(|code| i32::from(code.number()) == number)
        .with_context(|| format!("the running albumen gave the exit code {number}"))?;
    Ok((code, report.unwrap_or_default()))
}
