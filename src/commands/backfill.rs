//! `albumen backfill`: uploads everything once, here or in the process that holds the state folder.

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use super::{app::App, delegate, dry_run};
use crate::{
    cli,
    exit_code::ExitCode,
    store::OrderKind,
    ui::error_report::{Failure, quoted},
};

/// Uploads everything that is not in the library yet.
pub(crate) async fn run(app: &App, flags: &cli::Backfill) -> anyhow::Result<ExitCode> {
    let config = if flags.paths.is_empty() {
        app.config_with_folders(
            "the configuration names no folder",
            "add a [[folder]] with its path, or name files: `albumen backfill PATH`",
        )?
    } else {
        app.config_or_defaults()?
    };
    let paths = app.absolute(&flags.paths);
    paths.iter().try_for_each(|path| check_exists(path))?;
    if flags.dry_run {
        return dry_run::run(config, paths).await;
    }
    delegate::run(app, &config, command(&paths, flags.no_wait)).await
}

/// A backfill of these paths, or of all configured folders if there are none.
pub(crate) fn command(paths: &[PathBuf], no_wait: bool) -> OrderKind {
    OrderKind::Backfill {
        paths: to_bytes(paths),
        no_wait,
    }
}

/// Paths as a command stores them.
pub(crate) fn to_bytes(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    let bytes = |path: &PathBuf| path.as_os_str().as_bytes().to_vec();
    paths.iter().map(bytes).collect()
}

/// An error if the path does not exist: a typing error must not look like a folder without photos.
pub(crate) fn check_exists(path: &Path) -> Result<(), Failure> {
    std::fs::metadata(path).map(drop).map_err(|error| {
        let message = format!("cannot take {}: {error}", quoted(path));
        Failure::new(ExitCode::Unusable, message)
    })
}
