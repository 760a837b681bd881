//! Executes a command in this process if it gets the lock of the state folder; else sends it to the process
//! that holds the lock, and follows it to its end.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::time::{Instant, sleep, timeout};

use super::{app::App, backfill_view::BackfillView, read_state, signals::Signals};
use crate::{
    clock::Clock,
    config::Config,
    daemon::{
        self, Job, Report, clients,
        control_socket::{self, Connection, Request, Response},
    },
    exit_code::ExitCode,
    lock::{self, Lock},
    model::ids::OrderId,
    progress::Progress,
    status::{format, summary},
    store::{self, Cause, OrderKind, OrderView, Store, Trouble},
    ui::{
        error_report::Failure,
        output::{self, Screen},
        progress::{BAR, Display, Row, Snapshot},
    },
};

/// How long the process that holds the state folder may take to answer (the design, section 2).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The interval of checks whether the database can be written.
const DISK_POLL: Duration = Duration::from_secs(1);

/// The interval of tries to reach a process that is starting or ending.
const RETRY: Duration = Duration::from_millis(100);

/// The process that executes the command.
#[derive(Debug)]
enum Executor {
    /// This process: it got the lock.
    Here(Lock),
    /// The process that holds the lock.
    Other(Box<Connection>),
}

/// Executes `command`, here or in the process that holds the state folder, and prints its report.
pub(crate) async fn run(
    app: &App,
    config: &Arc<Config>,
    command: OrderKind,
) -> anyhow::Result<ExitCode> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    loop {
        let connection = match lock_or_connect(config).await? {
            Executor::Here(lock) => return run_here(app, config, lock, command).await,
            Executor::Other(connection) => connection,
        };
        match delegate(app, config, *connection, command.clone()).await? {
            Some(code) => return Ok(code),
            None if Instant::now() < deadline => sleep(RETRY).await,
            None => return Err(no_answer().into()),
        }
    }
}

async fn lock_or_connect(config: &Config) -> anyhow::Result<Executor> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    loop {
        let held = match Lock::take(&config.state_dir) {
            Ok(lock) => return Ok(Executor::Here(lock)),
            Err(error @ lock::Error::Held { .. }) => error,
            Err(error) => return Err(error.into()),
        };
        match Connection::open(&config.state_dir).await {
            Ok(connection) => return Ok(Executor::Other(Box::new(connection))),
            Err(_) if Instant::now() < deadline => sleep(RETRY).await,
            Err(error) => return Err(anyhow::Error::new(error).context(held)).context(no_answer()),
        }
    }
}

fn no_answer() -> Failure {
    let message = "the albumen that holds the state folder does not answer";
    Failure::new(ExitCode::StateHeld, message)
        .hint("wait until it ends, or stop it; `albumen status` tells its process")
}

/// The command is in the store already, and stays there.
fn no_answer_yet() -> Failure {
    let message = "the albumen that holds the state folder does not answer; the order is left with it, and is done \
                   when it answers";
    Failure::new(ExitCode::StateHeld, message)
        .hint("there is no need to ask again; `albumen status` tells its process")
}

/// Executes `command` in this process, which has the lock, and prints its report.
pub(crate) async fn run_here(
    app: &App,
    config: &Arc<Config>,
    lock: Lock,
    command: OrderKind,
) -> anyhow::Result<ExitCode> {
    if matches!(command, OrderKind::Retry { .. }) && read_state::reader(config)?.is_none() {
        // Without a database there is nothing to retry, and none is created.
        output::print(&summary::retried(0))?;
        return Ok(ExitCode::Done);
    }
    let signals = Signals::listen(&app.screen, stop_message(&command))?;
    let progress = Progress::default();
    let backfill = backfill_view(config, &command)?;
    let display = match (&backfill, &command) {
        (Some(view), _) => Some(view.show(&app.screen, Some(progress.clone()))),
        (None, OrderKind::Verify) => Some(show_checked(&app.screen, progress.clone())),
        _ => None,
    };
    let job = Job::Command(command);
    let work = daemon::run(
        lock,
        Arc::clone(config),
        job,
        progress.clone(),
        signals.stop(),
    );
    let result = signals.bound(work).await;
    if let Some(display) = display {
        display.end().await;
    }
    let Some(result) = result else {
        return Ok(ExitCode::Interrupted);
    };
    let report = result?;
    print_report(&report, backfill.as_ref(), Some(progress.bytes_sent()))?;
    let interrupted = signals.received().then_some(ExitCode::Interrupted);
    Ok(ExitCode::merge(
        interrupted.into_iter().chain([report.code]),
    ))
}

/// What is said at the first signal.
fn stop_message(command: &OrderKind) -> &'static str {
    match command {
        OrderKind::Backfill { .. } => {
            "stopping; what is under way ends first, another signal ends it at once"
        }
        OrderKind::Verify => "stopping; what was asked so far is kept",
        OrderKind::Remove { .. } => "stopping; what is left leaves with the next run",
        OrderKind::Retry { .. } => "stopping",
    }
}

fn backfill_view(
    config: &Arc<Config>,
    command: &OrderKind,
) -> anyhow::Result<Option<BackfillView>> {
    match command {
        OrderKind::Backfill { paths, .. } => {
            BackfillView::new(config, daemon::reach(paths)).map(Some)
        }
        _ => Ok(None),
    }
}

/// Shows how many items are verified.
fn show_checked(screen: &Screen, progress: Progress) -> Display {
    let mut is_first = true;
    Display::start(screen, move || {
        // At once there is nothing to show yet.
        if std::mem::take(&mut is_first) {
            return Ok(None);
        }
        let (done, all) = progress.checked();
        let line = format!(
            "{} of {} asked for",
            format::number(done),
            format::number(all)
        );
        let message = line.clone();
        let row = Row {
            template: BAR,
            position: done,
            length: all,
            message,
            ..Row::default()
        };
        Ok(Some(Snapshot {
            rows: vec![row],
            line,
        }))
    })
}

/// Prints the summary of a backfill, or the report of another command.
fn print_report(
    report: &Report,
    backfill: Option<&BackfillView>,
    bytes: Option<u64>,
) -> anyhow::Result<()> {
    let summary = match backfill {
        Some(view) => view.summary(bytes, report.code)?,
        None => None,
    };
    Ok(output::print_lines(
        summary.as_ref().unwrap_or(&report.text),
    )?)
}

/// Has the other process execute `command`, and prints the report. None if that process ended before it
/// accepted the command: then nothing is done.
async fn delegate(
    app: &App,
    config: &Arc<Config>,
    mut connection: Connection,
    command: OrderKind,
) -> anyhow::Result<Option<ExitCode>> {
    // Progress can be shown only of a backfill: the other commands change no counts.
    let backfill = backfill_view(config, &command)?;
    let no_wait = matches!(command, OrderKind::Backfill { no_wait: true, .. });
    let message = "not waiting any longer; the running albumen goes on with it";
    let signals = Signals::listen(&app.screen, message)?;
    let stop = signals.stop();
    let stored = tokio::select! {
        stored = store_command(config, command) => stored?,
        () = stop.cancelled() => return Ok(Some(ExitCode::Interrupted)),
    };
    connection.send(&Request::Execute(stored)).await;
    let accepted = tokio::select! {
        response = timeout(ANSWER_TIMEOUT, connection.receive()) => response,
        () = stop.cancelled() => return Ok(Some(ExitCode::Interrupted)),
    };
    match accepted {
        Ok(Some(Response::Accepted)) => {}
        // The answer may be lost, and the command begun or even done.
        _ if read_command(config, stored)?.is_some_and(|command| command.begun) => {}
        Ok(_) => return Ok(None),
        Err(_) => return Err(no_answer_yet().into()),
    }
    let display = backfill.as_ref().map(|view| {
        app.screen
            .say("an albumen is at work in the state folder; it takes this over");
        view.show(&app.screen, None)
    });
    let ended = tokio::select! {
        _ = connection.receive::<Response>() => Ok(true),
        failure = disk_trouble(config), if no_wait => Err(failure),
        () = stop.cancelled() => Ok(false),
    };
    if let Some(display) = display {
        display.end().await;
    }
    if !ended? {
        return Ok(Some(ExitCode::Interrupted));
    }
    let report = outcome(read_command(config, stored)?)?;
    print_report(&report, backfill.as_ref(), None)?;
    Ok(Some(report.code))
}

/// Writes the command to the store. A backfill waits while the disk is full, unless it must not wait.
async fn store_command(config: &Config, command: OrderKind) -> anyhow::Result<OrderId> {
    let clock: Clock = clients::clock(config);
    let store = Store::open_beside(&config.state_dir)?;
    let stored = loop {
        match (
            &command,
            store.leave_order(command.clone(), clock.now()).await,
        ) {
            (OrderKind::Backfill { no_wait: true, .. }, Err(error)) if error.is_transient() => {
                break Err(unwritable(config, &error).into());
            }
            // The store has logged what it waits for.
            (OrderKind::Backfill { .. }, Err(error)) if error.is_transient() => {
                sleep(DISK_POLL).await;
            }
            (_, stored) => break stored.context("the order cannot be left"),
        }
    };
    store.close().await;
    stored
}

/// The error of a command that could not be stored because of the disk.
fn unwritable(config: &Config, error: &store::Error) -> Failure {
    let Some(cause) = Cause::of(error) else {
        return Failure::new(ExitCode::WorkLeft, error.to_string());
    };
    let trouble = Trouble {
        cause,
        path: config.state_dir.join(store::FILE_NAME),
    };
    Failure::new(ExitCode::WorkLeft, trouble.to_string()).hint(trouble.remedy())
}

/// Waits until the other process reports twice in a row that its database cannot be written: nothing says how
/// long that lasts.
async fn disk_trouble(config: &Config) -> Failure {
    let mut is_second = false;
    loop {
        sleep(DISK_POLL).await;
        let state_dir = config.state_dir.clone();
        let ask = move || control_socket::database_state(&state_dir);
        let state = tokio::task::spawn_blocking(ask).await.ok().flatten();
        let trouble = state.and_then(|state| state.reason.zip(state.remedy));
        match trouble {
            Some((reason, remedy)) if is_second => {
                return Failure::new(ExitCode::WorkLeft, reason).hint(remedy);
            }
            trouble => is_second = trouble.is_some(),
        }
    }
}

fn read_command(config: &Config, id: OrderId) -> anyhow::Result<Option<OrderView>> {
    match read_state::reader(config)? {
        Some(reader) => Ok(reader.order(id)?),
        None => Ok(None),
    }
}

/// The report that the other process wrote to the row of the command.
fn outcome(command: Option<OrderView>) -> anyhow::Result<Report> {
    let ended = command.and_then(|command| Some((command.exit_code?, command.report)));
    let Some((number, text)) = ended else {
        let message = "the running albumen stopped before it was done; what is queued stays queued";
        let hint = "`albumen status` tells how far it is";
        return Err(Failure::new(ExitCode::WorkLeft, message).hint(hint).into());
    };
    let code = u8::try_from(number)
        .ok()
        .and_then(ExitCode::from_repr)
        .with_context(|| format!("the running albumen gave the exit code {number}"))?;
    Ok(Report {
        code,
        text: text.unwrap_or_default(),
    })
}
