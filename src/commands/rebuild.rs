//! `albumen rebuild`: restores a lost database from the folders and from what the service has.

use super::{app::App, signals::Signals};
use crate::{exit_code::ExitCode, ui::output};

/// Rebuilds, or with `is_dry` reports what a rebuild would find.
pub(crate) async fn run(app: &App, is_dry: bool) -> anyhow::Result<ExitCode> {
    let config = app.config_with_folders(
        "the configuration names no folder whose files could be found again",
        "add a `[[folder]]` for each folder that went up",
    )?;
    let message = "stopping; what was found again so far is kept";
    let signals = Signals::listen(&app.screen, message)?;
    let work = crate::rebuild::rebuild(config, is_dry, signals.stop());
    let Some(result) = signals.bound(work).await else {
        return Ok(ExitCode::Interrupted);
    };
    let (code, report) = result?;
    output::print_lines(&report)?;
    Ok(code)
}
