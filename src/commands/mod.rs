//! The commands: what was typed becomes work, words on stderr, data on stdout, and an exit code.
//!
//! [`run`] is all that `main` calls. Each command is a module with one function; what they share is
//! here too: where they speak (`output`, `logging`), how they stop (`signals`), how an error is told
//! (`failure`), how progress is shown (`progress`), and how they reach the process that holds the
//! state folder (`ask`). Only this edge prints.

mod album_remove;
mod albums;
mod backfill;
mod daemon;
mod delegate;
mod doctor;
mod dry_run;
mod error_report;
mod explain;
mod generate;
pub mod import;
mod init;
mod logging;
mod login;
mod output;
mod permission_hint;
mod progress;
mod read_state;
mod rebuild;
mod restore;
mod retry;
mod sandbox;
mod shared_leave;
mod signals;
mod status;
mod try_cmd;

use std::{path::PathBuf, sync::Arc};

use jiff::tz::TimeZone;
use tracing::level_filters::LevelFilter;

use crate::{
    cli::{self, Album, Command, ExitCode, Global, Invocation, LogFormat, Shared},
    clock::Clock,
    config::{self, Config, Environment},
    status::text::LocalTime,
};

use error_report::Told;
use output::{Log, Screen};

/// What every command is given.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    global: Global,
    env: Environment,
    screen: Screen,
}

impl Edge {
    /// The configuration; it is an error if there is none.
    fn config(&self) -> Result<Arc<Config>, config::Error> {
        let (file, state_dir) = (&self.global.config, &self.global.state_dir);
        Config::load(file.as_deref(), state_dir.as_deref(), &self.env).map(Arc::new)
    }

    /// The configuration, or the defaults if there is none.
    fn config_or_defaults(&self) -> Result<Arc<Config>, config::Error> {
        let (file, state_dir) = (&self.global.config, &self.global.state_dir);
        Config::load_or_defaults(file.as_deref(), state_dir.as_deref(), &self.env).map(Arc::new)
    }

    /// Paths that were typed, absolute.
    fn typed(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        paths.iter().map(|path| self.env.typed(path)).collect()
    }
}

/// Now and here, for times that people read.
fn here(clock: &Clock) -> LocalTime {
    LocalTime {
        now: clock.now(),
        zone: TimeZone::system(),
    }
}

/// Memory holds the tokens of the account, and so would the core that a crash leaves somewhere, for
/// somebody's bug report. Where the limit cannot be set, somebody else has set it.
fn leaves_no_core() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Core)
    };
    let _ = setrlimit(Resource::Core, limit);
}

/// Does what was typed. Errors are told here.
pub async fn run(invocation: Invocation) -> ExitCode {
    leaves_no_core();
    let Invocation { global, command } = invocation;
    let screen = Screen::new(Log {
        json: global.log_format == LogFormat::Json,
        quiet: global.quiet,
    });
    let usual = match command {
        // The last two may read a whole library, and say how far they are.
        Command::Daemon | Command::Rebuild { .. } | Command::Import(_) => LevelFilter::INFO,
        _ => LevelFilter::WARN,
    };
    logging::start(&global, usual, &screen);
    let edge = Edge {
        global,
        env: Environment::of_process(),
        screen,
    };
    match dispatch(&edge, command).await {
        Ok(code) => code,
        Err(error) => {
            let told = Told::of(&error);
            edge.screen.complain(&told);
            told.code
        }
    }
}

/// Tells an error from outside of any command, and gives the exit code for it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let told = Told::of(error);
    output::complain(&told.text());
    told.code
}

async fn dispatch(edge: &Edge, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Daemon => daemon::run(edge).await,
        Command::Backfill(flags) => backfill::run(edge, &flags).await,
        Command::Status(flags) => status::run(edge, &flags).await,
        Command::Verify => retry::verify(edge).await,
        Command::Retry(flags) => retry::retry(edge, &flags).await,
        Command::Rebuild { dry_run } => rebuild::run(edge, dry_run).await,
        Command::Import(from) => import::run(edge, &from).await,
        Command::Explain { path } => explain::run(edge, &path),
        Command::Albums => albums::run(edge),
        Command::Album(Album::Remove(flags)) => album_remove::run(edge, &flags).await,
        Command::Shared(Shared::Leave { token }) => shared_leave::leave(edge, &token).await,
        Command::Login {
            no_browser,
            from,
            new_client,
        } => {
            let from = from.map(|from| edge.env.typed(&from));
            login::login(edge, no_browser, from.as_deref(), new_client).await
        }
        Command::Logout => login::logout(edge).await,
        Command::Doctor => doctor::run(edge).await,
        Command::Sandbox(flags) => sandbox::run(edge, flags).await,
        Command::Try { paths } => try_cmd::run(edge, &paths).await,
        Command::Restore { file } => restore::run(edge, file.as_deref()),
        Command::Init => init::run(edge),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man => generate::man(),
    }
}

/// The definition of the command line, for the pages that are made from it.
fn definition() -> clap::Command {
    cli::definition()
}
