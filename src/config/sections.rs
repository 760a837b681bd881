//! The sections of the file that are about the service: each value within its range.
//!
//! Ranges are wide where a wrong value only costs time, and narrow where it would break the
//! service's rules or lose work.

use std::{ops::RangeInclusive, path::Path, time::Duration};

use toml::Spanned;

use super::{
    environment::Environment,
    error::Fault,
    folders, schema,
    settings::{Account, Api, Batch, Dashboard, Quota, Upload, Verify, Watch, folder_of},
    unbuilt,
    values::{self, duration, number},
};
use crate::model::backoff::Retry;

/// The file that the Cloud console hands out, as one usually renames it.
const CLIENT_SECRET: &str = "client_secret.json";

/// The addresses of the service (its discovery document, and OpenID's for the other three).
const ENDPOINT: &str = "https://photoslibrary.googleapis.com";
const AUTH_URL: &str = "https://accounts.google.com/o/oauth2/v2/auth";
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
const REVOKE_URL: &str = "https://oauth2.googleapis.com/revoke";

/// Bytes a second below which a transfer looks as if it stood still, and is given up.
const LEAST_BANDWIDTH: u64 = 10_000;
/// Bytes a second: what a limiter with a cell for each KiB can still tell from no limit.
const MOST_BANDWIDTH: u64 = 1_000_000_000_000;
/// Bytes: what Google calls the standard granularity of chunks.
const LEAST_CHUNK: u64 = 256 * 1024;
/// Bytes: the largest file that the upload server takes.
const LARGEST_FILE: u64 = 20_000_000_000;
/// One full batch: fewer waiting tokens could never fill one.
const LEAST_TOKENS: u64 = 50;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The value that is written, checked; or else the default.
fn or<T, U>(
    written: Option<&Spanned<T>>,
    default: U,
    check: impl FnOnce(&Spanned<T>) -> Result<U, Fault>,
) -> Result<U, Fault> {
    written.map_or(Ok(default), check)
}

fn count(written: &schema::Number, default: u64, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    or(written.as_ref(), default, |it| number(it, range))
}

fn wait(
    written: &schema::Text,
    default: Duration,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Fault> {
    or(written.as_ref(), default, |it| duration(it, range))
}

pub(super) fn account(
    written: &schema::Account,
    base: &Path,
    env: &Environment,
) -> Result<Account, Fault> {
    let given = written.client_secret_file.as_ref();
    let name = given.map_or(CLIENT_SECRET, |text| text.get_ref().as_str());
    // A bare name may be a credential that systemd has decrypted for the service.
    let credential = env.credentials_directory.as_ref().map(|dir| dir.join(name));
    let is_bare = folder_of(Path::new(name)).as_os_str().is_empty();
    let credential = credential.filter(|file| is_bare && file.is_file());
    let client_secret_file = match (credential, given) {
        (Some(file), _) => file,
        (None, Some(text)) => folders::path(text, base, env)?,
        (None, None) => base.join(CLIENT_SECRET),
    };
    Ok(Account { client_secret_file })
}

pub(super) fn api(written: &schema::Api) -> Result<Api, Fault> {
    let or_default = |text: &schema::Text, default: &str| {
        text.clone()
            .unwrap_or_else(|| Spanned::new(0..0, default.to_owned()))
    };
    Ok(Api {
        endpoint: values::bare_address(&or_default(&written.endpoint, ENDPOINT))?,
        auth_url: values::address(&or_default(&written.auth_url, AUTH_URL))?,
        token_url: values::address(&or_default(&written.token_url, TOKEN_URL))?,
        revoke_url: values::address(&or_default(&written.revoke_url, REVOKE_URL))?,
    })
}

pub(super) fn upload(written: &schema::Upload) -> Result<Upload, Fault> {
    let default = Upload::default();
    let none_or = |text: &schema::Text, default, range| {
        or(text.as_ref(), default, |it| match values::size(it)? {
            0 => Ok(0),
            _ => values::size_within(it, range),
        })
    };
    let parallel = count(&written.parallel, default.parallel as u64, 1..=64)?;
    Ok(Upload {
        parallel: usize::try_from(parallel).unwrap_or(default.parallel),
        bandwidth: none_or(
            &written.bandwidth,
            default.bandwidth,
            LEAST_BANDWIDTH..=MOST_BANDWIDTH,
        )?,
        resumable_above: or(
            written.resumable_above.as_ref(),
            default.resumable_above,
            values::size,
        )?,
        chunk_size: none_or(
            &written.chunk_size,
            default.chunk_size,
            LEAST_CHUNK..=LARGEST_FILE,
        )?,
        ready_tokens: count(
            &written.ready_tokens,
            default.ready_tokens,
            LEAST_TOKENS..=100_000,
        )?,
    })
}

pub(super) fn batch(written: &schema::Batch) -> Result<Batch, Fault> {
    let default = Batch::default();
    Ok(Batch {
        max_wait: wait(&written.max_wait, default.max_wait, Duration::ZERO..=HOUR)?,
        // Upload tokens live a day.
        max_wait_backfill: wait(
            &written.max_wait_backfill,
            default.max_wait_backfill,
            Duration::ZERO..=12 * HOUR,
        )?,
        order_calls: count(&written.order_calls, default.order_calls, 0..=1_000_000)?,
    })
}

pub(super) fn quota(written: &schema::Quota) -> Result<Quota, Fault> {
    let default = Quota::default();
    let requests_per_day = count(
        &written.requests_per_day,
        default.requests_per_day,
        1..=100_000_000,
    )?;
    let writes_per_minute = count(
        &written.writes_per_minute,
        default.writes_per_minute.into(),
        1..=1_000_000,
    )?;
    let usual_reserve = Quota::usual_reserve(requests_per_day);
    let reserve = count(&written.reserve, usual_reserve, 0..=requests_per_day - 1)
        .map_err(|fault| fault.hint("it is a part of `requests_per_day`, and leaves some of it"))?;
    Ok(Quota {
        requests_per_day,
        count_uploads: written.count_uploads.unwrap_or(default.count_uploads),
        writes_per_minute: u32::try_from(writes_per_minute).unwrap_or(default.writes_per_minute),
        reserve,
    })
}

pub(super) fn watch(written: &schema::Watch) -> Result<Watch, Fault> {
    let default = Watch::default();
    Ok(Watch {
        settle: wait(&written.settle, default.settle, Duration::ZERO..=HOUR)?,
        rescan: wait(&written.rescan, default.rescan, SECOND..=30 * DAY)?,
        poll: or(written.poll.as_ref(), default.poll, values::poll)?,
    })
}

/// The bases of all waits. The service states how long they are at least; a sandbox may be backpressure.
pub(super) fn retry(written: &schema::Retry, api: &Api) -> Result<Retry, Fault> {
    let default = Retry::default();
    let backpressure = Duration::from_millis(1);
    let (server_error_least, rate_limit_least) = if values::is_loopback(&api.endpoint) {
        (backpressure, backpressure)
    } else {
        (default.server_error_base, default.rate_limit_base)
    };
    let max_attempts = count(&written.max_attempts, default.max_attempts.into(), 1..=100)?;
    Ok(Retry {
        server_error_base: wait(
            &written.server_error_base,
            default.server_error_base,
            server_error_least..=HOUR,
        )
        .map_err(|fault| {
            fault.hint("the service asks for at least 1s; more than 1h helps nobody")
        })?,
        rate_limit_base: wait(
            &written.rate_limit_base,
            default.rate_limit_base,
            rate_limit_least..=HOUR,
        )
        .map_err(|fault| {
            fault.hint("the service asks for at least 30s; more than 1h helps nobody")
        })?,
        max_attempts: u32::try_from(max_attempts).unwrap_or(default.max_attempts),
    })
}

pub(super) fn verify(written: &schema::Verify) -> Result<Verify, Fault> {
    let range = Duration::ZERO..=30 * DAY;
    let after = or(written.after.as_ref(), Verify::default().after, |it| {
        values::duration_or_never(it, range)
    })?;
    Ok(Verify { after })
}

pub(super) fn dashboard(written: &schema::Dashboard) -> Result<Dashboard, Fault> {
    let listen = or(written.listen.as_ref(), None, values::listen)?;
    let dashboard = Dashboard { listen };
    unbuilt::refuse_dashboard(&dashboard, written)?;
    Ok(dashboard)
}
