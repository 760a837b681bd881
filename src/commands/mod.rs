//! The commands. [`run`] is all that `main` calls; each command is a module with one function.
//!
//! Shared by several: [`app`] (what each is given), [`read_state`] (reads the state folder without its
//! lock), [`delegate`] (executes a command here or in the process that holds the state folder) and
//! [`signals`].

mod album_remove;
mod albums;
mod app;
mod backfill;
mod backfill_view;
mod daemon;
mod delegate;
mod doctor;
mod dry_run;
mod explain;
mod generate;
pub mod import;
mod init;
mod login;
mod read_state;
mod rebuild;
mod restore;
mod retry;
mod sandbox;
mod shared_leave;
mod signals;
mod status;
mod try_cmd;

use tracing::level_filters::LevelFilter;

use crate::{
    cli::{Album, Command, Invocation, LogFormat, Shared},
    config::Environment,
    exit_code::ExitCode,
    ui::{
        error_report::ErrorReport,
        logging,
        output::{self, Log, Screen},
    },
};

use app::App;

/// Runs the command, and reports its error.
pub async fn run(invocation: Invocation) -> ExitCode {
    disable_core_dumps();
    let Invocation { global, command } = invocation;
    let screen = Screen::new(Log {
        json: global.log_format == LogFormat::Json,
        quiet: global.quiet,
    });
    let default_level = match command {
        // The last two may read a whole library, and log their progress.
        Command::Daemon | Command::Rebuild { .. } | Command::Import(_) => LevelFilter::INFO,
        _ => LevelFilter::WARN,
    };
    logging::start(&global, default_level, &screen);
    let app = App {
        global,
        env: Environment::of_process(),
        screen,
    };
    match dispatch(&app, command).await {
        Ok(code) => code,
        Err(error) => {
            let report = ErrorReport::of(&error);
            app.screen.print_error(&report);
            report.code
        }
    }
}

/// Reports an error from outside of any command, and gives its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let report = ErrorReport::of(error);
    output::print_error(&report.text());
    report.code
}

/// The memory holds the tokens of the account: a core dump would contain them, and might be attached to a
/// bug report. If the limit cannot be set, an administrator has set it.
fn disable_core_dumps() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Core)
    };
    let _ = setrlimit(Resource::Core, limit);
}

async fn dispatch(app: &App, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Daemon => daemon::run(app).await,
        Command::Backfill(flags) => backfill::run(app, &flags).await,
        Command::Status(flags) => status::run(app, &flags).await,
        Command::Verify => retry::verify(app).await,
        Command::Retry(flags) => retry::retry(app, &flags).await,
        Command::Rebuild { dry_run } => rebuild::run(app, dry_run).await,
        Command::Import(from) => import::run(app, &from).await,
        Command::Explain { path } => explain::run(app, &path),
        Command::Albums => albums::run(app),
        Command::Album(Album::Remove(flags)) => album_remove::run(app, &flags).await,
        Command::Shared(Shared::Leave { token }) => shared_leave::leave(app, &token).await,
        Command::Login {
            no_browser,
            from,
            new_client,
        } => {
            let from = from.map(|from| app.env.typed(&from));
            login::login(app, no_browser, from.as_deref(), new_client).await
        }
        Command::Logout => login::logout(app).await,
        Command::Doctor => doctor::run(app).await,
        Command::Sandbox(flags) => sandbox::run(app, flags).await,
        Command::Try { paths } => try_cmd::run(app, &paths).await,
        Command::Restore { file } => restore::run(app, file.as_deref()),
        Command::Init => init::run(app),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man => generate::man(),
    }
}
