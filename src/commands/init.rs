//! `albumen init`: writes an example configuration to the usual place.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;

use super::app::App;
use crate::{
    config,
    escape::Escaped,
    exit_code::ExitCode,
    ui::{
        error_report::{Failure, quoted},
        output,
    },
};

/// Writes the example, unless the file exists.
pub(crate) fn run(app: &App) -> anyhow::Result<ExitCode> {
    let named = app.global.config.as_ref().map(|file| app.env.typed(file));
    let Some(file) = named.or_else(|| app.env.own_file()) else {
        let message = "this user has no home, so a configuration has no place";
        let hint = "`albumen --config FILE init` names one";
        return Err(Failure::new(ExitCode::Unusable, message).hint(hint).into());
    };
    match write(&file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let message = format!("there is a configuration already: {}", quoted(&file));
            let hint = "edit it, or move it away and run `albumen init` again";
            Err(Failure::new(ExitCode::Unusable, message).hint(hint).into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", quoted(&file))),
        Ok(()) => {
            output::print(&format!("{}\n", Escaped::path(&file)))?;
            app.screen.say(
                "Put your folders into it, and the file from the Google Cloud console beside it; then `albumen login`.",
            );
            Ok(ExitCode::Done)
        }
    }
}

fn write(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(file)?;
    file.write_all(config::EXAMPLE.as_bytes())?;
    file.sync_all()
}
