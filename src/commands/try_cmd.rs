//! `albumen try`: a backfill into a sandbox in this process, and a gallery that shows the result.
//!
//! State, sign-in and uploads are in a temporary folder that is deleted at the end, and nothing leaves this
//! machine. The work is that of a real backfill, over real HTTP.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use photos_sandbox::{Options, Sandbox};
use secrecy::SecretString;
use serde_json::json;

use super::{app::App, backfill, delegate, login, signals::Signals};
use crate::{
    config::{AlbumRule, Api, Config, Folder, Order},
    daemon::clients,
    exit_code::ExitCode,
    lock::Lock,
    status::format,
    ui::{error_report::quoted, output},
};

/// Writes per minute without a limit in practice: no other client uses the sandbox.
const UNLIMITED: u32 = 1_000_000;

/// Uploads `paths` to a sandbox and shows them there until it is interrupted.
pub(crate) async fn run(app: &App, paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let paths = app.absolute(paths);
    paths
        .iter()
        .try_for_each(|path| backfill::check_exists(path))?;
    let dir = tempfile::Builder::new().prefix("albumen-try-").tempdir()?;
    let sandbox = Sandbox::start(Options {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: Some(dir.path().join("sandbox")),
    })
    .await
    .context("the sandbox cannot be started")?;
    let code = upload_and_show(app, &paths, dir.path(), &sandbox).await;
    sandbox.stop().await;
    code
}

async fn upload_and_show(
    app: &App,
    paths: &[PathBuf],
    dir: &Path,
    sandbox: &Sandbox,
) -> anyhow::Result<ExitCode> {
    let config = Arc::new(config(app, paths, dir, sandbox)?);
    write_client_secret(&config.account.client_secret_file)?;
    // The sandbox accepts any refresh token that was not revoked.
    clients::auth(&config)?
        .adopt(SecretString::from("albumen-try"))
        .await?;
    let lock = Lock::take(&config.state_dir)?;
    let code = delegate::run_here(app, &config, lock, backfill::command(paths, true)).await?;
    if code != ExitCode::Interrupted {
        show(app, sandbox).await?;
    }
    Ok(code)
}

async fn show(app: &App, sandbox: &Sandbox) -> anyhow::Result<()> {
    let signals = Signals::listen(&app.screen, "closing; nothing of it is kept")?;
    output::print(&format!("\nThe gallery: {}\n", sandbox.gallery()))?;
    app.screen
        .say("Ctrl-C closes it. Nothing has left this machine.");
    signals.stop().cancelled().await;
    Ok(())
}

/// The defaults, with an album for every folder, and without the limits that only slow the sandbox down.
fn config(app: &App, paths: &[PathBuf], dir: &Path, sandbox: &Sandbox) -> anyhow::Result<Config> {
    let mut config = Config::defaults(&app.env)?;
    config.state_dir = dir.join("state");
    config.account.client_secret_file = dir.join("client_secret.json");
    config.api = Api::at(&sandbox.url().parse()?);
    config.folders = folders(paths);
    config.quota.writes_per_minute = UNLIMITED;
    config.quota.count_uploads = false;
    config.batch.max_wait_backfill = Duration::from_secs(1);
    config.watch.settle = Duration::ZERO;
    tracing::debug!("trying {}", format::files(paths.len() as u64));
    Ok(config)
}

/// A folder for each path; for a file, the folder that contains it.
fn folders(paths: &[PathBuf]) -> Vec<Folder> {
    let mut folders: Vec<Folder> = Vec::new();
    for path in paths {
        let root = if path.is_dir() {
            path
        } else {
            path.parent().unwrap_or(path)
        };
        if folders.iter().all(|folder| folder.path != root) {
            folders.push(Folder {
                album: AlbumRule::Folder,
                order: Order::Taken,
                ..Folder::with_defaults(root)
            });
        }
    }
    folders
}

/// Writes a client secret file; the sandbox accepts any client.
fn write_client_secret(file: &Path) -> anyhow::Result<()> {
    let secret = json!({"installed": {
        "client_id": "albumen-try", "client_secret": "not a secret",
        "redirect_uris": ["http://localhost"],
    }});
    login::write_private(file, secret.to_string().as_bytes())
        .with_context(|| format!("cannot write {}", quoted(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_file_is_tried_in_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let files = [dir.path().join("a.jpg"), dir.path().join("b.jpg")];
        for file in &files {
            std::fs::write(file, "").unwrap();
        }
        let folders = folders(&files);
        assert_eq!(folders.len(), 1);
        assert_eq!(folders[0].path, dir.path());
        assert_eq!(folders[0].album, AlbumRule::Folder);
    }
}
