//! What every command is given.

use std::{path::PathBuf, sync::Arc};

use jiff::tz::TimeZone;

use crate::{
    cli::Global,
    clock::Clock,
    config::{self, Config, Environment},
    exit_code::ExitCode,
    status::text::LocalTime,
    ui::{error_report::Failure, output::Screen},
};

/// The global flags, the environment of the process, and its terminal.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) global: Global,
    pub(crate) env: Environment,
    pub(crate) screen: Screen,
}

impl App {
    /// The configuration; an error if there is none.
    pub(crate) fn config(&self) -> Result<Arc<Config>, config::Error> {
        let (file, state_dir) = (&self.global.config, &self.global.state_dir);
        Config::load(file.as_deref(), state_dir.as_deref(), &self.env).map(Arc::new)
    }

    /// The configuration, or the defaults if there is none.
    pub(crate) fn config_or_defaults(&self) -> Result<Arc<Config>, config::Error> {
        let (file, state_dir) = (&self.global.config, &self.global.state_dir);
        Config::load_or_defaults(file.as_deref(), state_dir.as_deref(), &self.env).map(Arc::new)
    }

    /// The configuration; an error with this message and hint if it names no folder.
    pub(crate) fn config_with_folders(
        &self,
        message: &str,
        hint: &str,
    ) -> anyhow::Result<Arc<Config>> {
        let config = self.config()?;
        if config.folders.is_empty() {
            return Err(Failure::new(ExitCode::Unusable, message).hint(hint).into());
        }
        Ok(config)
    }

    /// The absolute form of paths that were typed.
    pub(crate) fn absolute(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        paths.iter().map(|path| self.env.typed(path)).collect()
    }
}

/// The present time and the zone of this machine, for times that people read.
pub(crate) fn local_time(clock: &Clock) -> LocalTime {
    LocalTime {
        now: clock.now(),
        zone: TimeZone::system(),
    }
}
