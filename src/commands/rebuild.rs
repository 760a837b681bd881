//! `albumen rebuild`: a lost database, made again from the folders and from what the service has.

use crate::exit_code::ExitCode;

use super::{app::App, signals::Signals};
use crate::ui::{error_report::Failure, output};

/// Rebuilds, or says what a rebuild would do.
pub(crate) async fn run(app: &App, is_dry: bool) -> anyhow::Result<ExitCode> {
    let config = app.config()?;
    if config.folders.is_empty() {
        let words = "the configuration names no folder whose files could be found again";
        let hint = "add a `[[folder]]` for each folder that went up";
        return Err(Failure::new(ExitCode::Unusable, words).hint(hint).into());
    }
    let words = "stopping; what was found again so far is kept";
    let signals = Signals::listen(&app.screen, words)?;
    let work = crate::rebuild::rebuild(config, is_dry, signals.stop());
    let Some(result) = signals.bound(work).await else {
        return Ok(ExitCode::Interrupted);
    };
    let (code, report) = result?;
    output::print_lines(&report)?;
    Ok(code)
}
