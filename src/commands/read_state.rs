//! Reads the state folder without its lock, for commands that only report.

use std::{io, path::Path};

use crate::{
    clock::Clock,
    config::Config,
    daemon::{clients, control_socket},
    escape::Escaped,
    exit_code::ExitCode,
    photos_api::{SignedIn, changed_at},
    status::{Status, StatusInputs},
    store::{self, Overview, Reader},
    ui::error_report::{Failure, is_denied, owner_hint, unreadable},
};

/// Opens the database for reading; none if there is none yet. It is an error if there is none but a backup of
/// it: the database was lost.
pub(crate) fn reader(config: &Config) -> anyhow::Result<Option<Reader>> {
    let file = config.state_dir.join(store::FILE_NAME);
    match std::fs::File::open(&file).and_then(|file| file.metadata()) {
        Err(error) if is_denied(&error) => Err(denied(&config.state_dir, &file).into()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Ok(Reader::open(&config.state_dir)?)
        }
        Ok(metadata) if metadata.len() > 0 => Ok(Reader::open(&config.state_dir)?),
        _ => match store::lost(&config.state_dir) {
            Some(backup) => Err(store::Error::Lost(backup).into()),
            None => Ok(None),
        },
    }
}

fn denied(state_dir: &Path, file: &Path) -> Failure {
    let failure = Failure::new(ExitCode::Unusable, unreadable(state_dir));
    failure.hint(owner_hint(state_dir).unwrap_or_else(|| {
        let (dir, file) = (Escaped::path(state_dir), Escaped::path(file));
        format!("give yourself the right to it: `chmod 700 {dir}; chmod 600 {file}`")
    }))
}

/// The counts and lists of the store; none if the database was just created and has no tables yet.
pub(crate) fn overview(reader: &Reader, clock: &Clock) -> store::Result<Option<Overview>> {
    match reader.overview(clock.now()) {
        Ok(overview) => Ok(Some(overview)),
        Err(store::Error::Sqlite(error)) if error.to_string().contains("no such table") => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the status needs beside the store.
pub(crate) fn status_inputs(
    config: &Config,
    clock: &Clock,
    running: bool,
    rate: Option<f64>,
) -> StatusInputs {
    let signed_in = SignedIn::read(&config.state_dir.join(clients::TOKEN_FILE));
    StatusInputs {
        signed_in_at: signed_in.ok().map(|signed_in| signed_in.since),
        client_secret_changed_at: changed_at(&config.account.client_secret_file),
        now: clock.now(),
        running,
        rate,
        requests_per_day: config.quota.requests_per_day,
        count_uploads: config.quota.count_uploads,
        writes_per_minute: config.quota.writes_per_minute,
        order_calls: config.batch.order_calls,
    }
}

/// The present status.
pub(crate) fn status(
    config: &Config,
    clock: &Clock,
    reader: Option<&Reader>,
) -> anyhow::Result<Status> {
    let overview = reader.map(|reader| overview(reader, clock)).transpose()?;
    let database = control_socket::database_state(&config.state_dir);
    let inputs = status_inputs(config, clock, database.is_some(), None);
    let status = Status::new(overview.flatten().as_ref(), inputs);
    Ok(Status {
        database: database.unwrap_or_default(),
        ..status
    })
}
