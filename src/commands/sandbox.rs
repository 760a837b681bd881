//! `albumen sandbox`: the stand-in for the service, served until it is interrupted.

use photos_sandbox::{Error, Options, Sandbox};

use crate::{cli, config::Api, exit_code::ExitCode};

use super::{app::App, signals::Signals};
use crate::ui::{error_report::Failure, output};

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(app: &App, flags: cli::Sandbox) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen(&app.screen, "the sandbox is closing")?;
    let options = Options {
        listen: flags.listen,
        data_dir: flags.data.map(|dir| app.env.typed(&dir)),
    };
    let sandbox = Sandbox::start(options)
        .await
        .map_err(|error| unusable(&error))?;
    output::print(&told(&sandbox)?)?;
    signals.stop().cancelled().await;
    signals.bound(sandbox.stop()).await;
    Ok(ExitCode::Done)
}

/// A mistake in what was typed, and its remedy.
fn unusable(error: &Error) -> anyhow::Error {
    let hint = match error {
        // It says so itself.
        Error::NotLoopback(_) => None,
        Error::Listen(..) => Some(
            "something else may listen there: name another address with `--listen`, or port 0 for any",
        ),
        Error::Data(_) => Some("name a folder that may be written with `--data`, or leave it out"),
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let words = format!("{error}{}", cause.unwrap_or_default());
    let failure = Failure::new(ExitCode::Unusable, words);
    match hint {
        Some(hint) => failure.hint(hint).into(),
        None => failure.into(),
    }
}

/// Where it is, and what a configuration has to say to use it.
fn told(sandbox: &Sandbox) -> anyhow::Result<String> {
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
