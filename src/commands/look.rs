//! Looks at the state folder without touching its lock: for commands that only tell.

use std::{io, os::unix::net::UnixStream, path::Path};

use crate::{
    api::SignedIn,
    cli::ExitCode,
    clock::Clock,
    config::Config,
    run::{SOCKET_NAME, connect},
    status::{Around, Status},
    store::{self, Overview, Reader},
};

use super::{failure::Failure, owner};

/// A reader of the database; none if there is no database yet.
pub(crate) fn reader(config: &Config) -> anyhow::Result<Option<Reader>> {
    let file = config.state_dir.join(store::FILE_NAME);
    match std::fs::File::open(file) {
        Err(error) if owner::is_denied(&error) => Err(denied(&config.state_dir).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => Ok(Reader::open(&config.state_dir)?),
    }
}

fn denied(state_dir: &Path) -> Failure {
    let failure = Failure::new(ExitCode::Unusable, owner::words(state_dir));
    match owner::hint(state_dir) {
        Some(hint) => failure.hint(hint),
        None => failure.hint("run `albumen doctor` as the user who uploads"),
    }
}

/// One look; none if the database was only just made and is still empty.
pub(crate) fn overview(reader: &Reader, clock: &Clock) -> store::Result<Option<Overview>> {
    match reader.overview(clock.now()) {
        Ok(overview) => Ok(Some(overview)),
        Err(store::Error::Sqlite(error)) if error.to_string().contains("no such table") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a process works in the state folder: it answers at its socket.
pub(crate) fn is_running(state_dir: &Path) -> bool {
    UnixStream::connect(state_dir.join(SOCKET_NAME)).is_ok()
}

/// What the status needs beside the store.
pub(crate) fn around(config: &Config, clock: &Clock, running: bool, rate: Option<f64>) -> Around {
    let signed_in = SignedIn::read(&config.state_dir.join(connect::TOKEN_FILE));
    Around {
        signed_in_at: signed_in.ok().map(|signed_in| signed_in.since),
        now: clock.now(),
        running,
        rate,
        requests_per_day: config.quota.requests_per_day,
        count_uploads: config.quota.count_uploads,
        writes_per_minute: config.quota.writes_per_minute,
        order_calls: config.batch.order_calls,
    }
}

/// How things stand now.
pub(crate) fn status(
    config: &Config,
    clock: &Clock,
    reader: Option<&Reader>,
) -> anyhow::Result<Status> {
    let overview = reader.map(|reader| overview(reader, clock)).transpose()?;
    let running = is_running(&config.state_dir);
    let around = around(config, clock, running, None);
    Ok(Status::new(overview.flatten().as_ref(), around))
}
