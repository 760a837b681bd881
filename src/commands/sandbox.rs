//! `albumen sandbox`: the stand-in for the service, served until it is interrupted.

use crate::{
    cli::{self, ExitCode},
    config::Api,
    sandbox::{Options, Sandbox},
};

use super::{Edge, output, signals::Signals};

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn run(edge: &Edge, flags: cli::Sandbox) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen(&edge.screen, "the sandbox is closing")?;
    let options = Options {
        listen: flags.listen,
        data_dir: flags.data.map(|dir| edge.env.typed(&dir)),
    };
    let sandbox = Sandbox::start(options).await?;
    output::print(&told(&sandbox)?)?;
    signals.stop().cancelled().await;
    signals.bound(sandbox.stop()).await;
    Ok(ExitCode::Done)
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
