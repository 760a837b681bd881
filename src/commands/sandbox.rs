//! `albumen sandbox`: serves the stand-in for the service until it is interrupted.

use std::error::Error as _;

use photos_sandbox::{Error, Options, Sandbox};

use super::{app::App, signals::Signals};
use crate::{
    cli,
    config::Api,
    exit_code::ExitCode,
    ui::{error_report::Failure, output},
};

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(app: &App, flags: cli::Sandbox) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen(&app.screen, "the sandbox is closing")?;
    let options = Options {
        listen: flags.listen,
        data_dir: flags.data.map(|dir| app.env.typed(&dir)),
    };
    let sandbox = Sandbox::start(options)
        .await
        .map_err(|error| failure(&error))?;
    output::print(&addresses(&sandbox)?)?;
    signals.stop().cancelled().await;
    signals.bound(sandbox.stop()).await;
    Ok(ExitCode::Done)
}

/// The error of a flag, and what to type instead.
fn failure(error: &Error) -> Failure {
    let cause = error
        .source()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    let failure = Failure::new(ExitCode::Unusable, format!("{error}{cause}"));
    match error {
        // Its message says it.
        Error::NotLoopback(_) => failure,
        Error::Listen(..) => failure.hint(
            "something else may listen there: name another address with `--listen`, or port 0 for any",
        ),
        Error::Data(_) => failure.hint("name a folder that may be written with `--data`, or leave it out"),
    }
}

/// The address of the gallery, and the section of the configuration that uses this sandbox.
fn addresses(sandbox: &Sandbox) -> anyhow::Result<String> {
    let api = Api::at(&sandbox.url().parse()?);
    Ok(format!(
        "Gallery: {}\n\n[api]\nendpoint = \"{}\"\nauth_url = \"{}\"\ntoken_url = \"{}\"\nrevoke_url = \"{}\"\n",
        sandbox.gallery(),
        api.endpoint,
        api.auth_url,
        api.token_url,
        api.revoke_url
    ))
}
