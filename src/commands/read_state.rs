//! Looks at the state folder without touching its lock: for commands that only tell.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use crate::{
    clock::Clock,
    config::Config,
    daemon::{ASK_STATE, Door, clients},
    escape::Escaped,
    exit_code::ExitCode,
    photos_api::{SignedIn, changed_at},
    status::{DatabaseState, Status, StatusInputs},
    store::{self, Overview, Reader},
};

use crate::ui::error_report::Failure;
use crate::ui::error_report::{is_denied, owner_hint, unreadable};

/// How long a process that works in the state folder may take to say how its database is.
const PATIENCE: Duration = Duration::from_millis(500);

/// The longest answer that is read, in bytes: a path and two sentences.
const LINE_BYTES: u64 = 16 << 10;

/// A reader of the database; none if there is no database yet. One that is lost is not "none yet": a
/// backup of it is there.
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

/// One look; none if the database was only just made and is still empty.
pub(crate) fn overview(reader: &Reader, clock: &Clock) -> store::Result<Option<Overview>> {
    match reader.overview(clock.now()) {
        Ok(overview) => Ok(Some(overview)),
        Err(store::Error::Sqlite(error)) if error.to_string().contains("no such table") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a process works in the state folder: it answers at its socket. And what it says of the
/// database, if that cannot be written.
fn asked(state_dir: &Path) -> (bool, DatabaseState) {
    let stream = Door::of(state_dir).and_then(|door| UnixStream::connect(door.path()));
    let Ok(mut stream) = stream else {
        return (false, DatabaseState::default());
    };
    let mut line = String::new();
    let ask = || -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        writeln!(stream, "{ASK_STATE}")?;
        BufReader::new(stream.take(LINE_BYTES)).read_line(&mut line)?;
        Ok(())
    };
    // One that is too busy to answer, or too old to know the question, says that all is well.
    let _ = ask();
    let mut parts = line.trim_end().split('\t').map(str::to_owned);
    let state = match (parts.next(), parts.next(), parts.next()) {
        (Some(state), Some(reason), Some(remedy)) => DatabaseState {
            state,
            reason: Some(reason),
            remedy: Some(remedy),
        },
        _ => DatabaseState::default(),
    };
    (true, state)
}

/// Why the process that works in the state folder cannot write its database, and the remedy; none if it
/// can, or if nobody works there. Blocks for a moment.
pub(crate) fn disk_trouble(state_dir: &Path) -> Option<(String, String)> {
    let (_, database) = asked(state_dir);
    database.reason.zip(database.remedy)
}

/// What the status needs beside the store.
pub(crate) fn around(
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

/// How things stand now.
pub(crate) fn status(
    config: &Config,
    clock: &Clock,
    reader: Option<&Reader>,
) -> anyhow::Result<Status> {
    let overview = reader.map(|reader| overview(reader, clock)).transpose()?;
    let (running, database) = asked(&config.state_dir);
    let around = around(config, clock, running, None);
    Ok(Status {
        database,
        ..Status::new(overview.flatten().as_ref(), around)
    })
}
