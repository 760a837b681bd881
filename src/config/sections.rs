//! The sections of the file about the service and its limits: each key with its type, default and range.
//!
//! Ranges are wide where a wrong value only costs time, and narrow where it would break the rules of
//! the service or lose work.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::Deserialize;
use strum::{EnumString, VariantNames};
use url::Url;

use super::{
    error::{Document, Problem},
    value::{self, DAY, HOUR, Shorthand, is_loopback},
};
use crate::model::backoff::Retry;

/// The SI unit: sizes in the configuration follow it where they say "MB".
const MB: u64 = 1_000_000;

/// Bytes a second: a slower transfer looks stalled and is given up.
const MIN_BANDWIDTH: u64 = 10_000;
/// Bytes a second: the most that a limiter with a cell for each KiB can tell from no limit.
const MAX_BANDWIDTH: u64 = 1_000_000 * MB;
/// Bytes: what Google calls the standard granularity of chunks.
const MIN_CHUNK: u64 = 256 * 1024;
/// Bytes: the largest file that the upload server takes.
const MAX_CHUNK: u64 = 20_000 * MB;
/// Upload tokens live a day: a backfill that waits longer than half of it risks losing them.
const MAX_BACKFILL_WAIT: u64 = 12 * HOUR;
const MONTH: u64 = 30 * DAY;

/// `[account]`: access to a library.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// The OAuth client as the Cloud console provides it ("installed" or "web"). It may not exist.
    #[serde(deserialize_with = "value::path")]
    pub client_secret_file: PathBuf,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            client_secret_file: "client_secret.json".into(),
        }
    }
}

/// `[api]`: the addresses of the service. All are https, or http on a loopback host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// The Library API, without version and path.
    #[serde(deserialize_with = "value::bare_address")]
    pub endpoint: Url,
    /// Where a person consents.
    #[serde(deserialize_with = "value::address")]
    pub auth_url: Url,
    /// Where codes and refresh tokens are exchanged for access tokens.
    #[serde(deserialize_with = "value::address")]
    pub token_url: Url,
    /// Where tokens are revoked.
    #[serde(deserialize_with = "value::address")]
    pub revoke_url: Url,
}

impl Default for Api {
    /// The addresses in the service's discovery document, and in OpenID's for the other three.
    fn default() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "these are constants, and tests read them"
        )]
        let url = |address| Url::parse(address).expect("a valid address");
        Self {
            endpoint: url("https://photoslibrary.googleapis.com"),
            auth_url: url("https://accounts.google.com/o/oauth2/v2/auth"),
            token_url: url("https://oauth2.googleapis.com/token"),
            revoke_url: url("https://oauth2.googleapis.com/revoke"),
        }
    }
}

impl Api {
    /// The four addresses of a server that has all of them, as the sandbox does.
    pub fn at(base: &Url) -> Self {
        let with_path = |path| {
            let mut url = base.clone();
            url.set_path(path);
            url
        };
        Self {
            endpoint: with_path("/"),
            auth_url: with_path("/o/oauth2/v2/auth"),
            token_url: with_path("/token"),
            revoke_url: with_path("/revoke"),
        }
    }
}

/// `[upload]`: how bytes are sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upload {
    /// Transfers at the same time.
    #[serde(deserialize_with = "value::number::<1, 64, _, _>")]
    pub parallel: usize,
    /// Bytes a second for all of them together; 0 is no limit.
    #[serde(deserialize_with = "value::size_or_none::<MIN_BANDWIDTH, MAX_BANDWIDTH, _>")]
    pub bandwidth: u64,
    /// Larger files, in bytes, get a resumable session.
    #[serde(deserialize_with = "value::size")]
    pub resumable_above: u64,
    /// Bytes of one request of a session, to be rounded to the service's granularity; 0 sends all in
    /// one request.
    #[serde(deserialize_with = "value::size_or_none::<MIN_CHUNK, MAX_CHUNK, _>")]
    pub chunk_size: u64,
    /// Uploads pause while so many tokens wait for the writer. Fewer than 50 could never fill a batch.
    #[serde(deserialize_with = "value::number::<50, 100_000, _, _>")]
    pub ready_tokens: u64,
}

impl Default for Upload {
    fn default() -> Self {
        Self {
            parallel: 6,
            bandwidth: 0,
            resumable_above: 16 * MB,
            chunk_size: 0,
            // Ten full batches: the writer always has work, and few tokens expire if it has to pause.
            ready_tokens: 500,
        }
    }
}

/// `[batch]`: when a batch is sent, and how many calls the order in albums may cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// The longest wait of the daemon's oldest ready item.
    #[serde(deserialize_with = "value::duration_within::<0, HOUR, _>")]
    pub max_wait: Duration,
    /// The same in a backfill, where full batches matter more.
    #[serde(deserialize_with = "value::duration_within::<0, MAX_BACKFILL_WAIT, _>")]
    pub max_wait_backfill: Duration,
    /// Calls a day, beyond those of full batches, to put late files at their place in an album.
    #[serde(deserialize_with = "value::number::<0, 1_000_000, _, _>")]
    pub order_calls: u64,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_secs(30),
            max_wait_backfill: Duration::from_mins(10),
            order_calls: 2000,
        }
    }
}

/// `[quota]`: the limits of the Cloud project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Requests a day, Pacific time (Google's page "limits and quotas").
    #[serde(deserialize_with = "value::number::<1, 100_000_000, _, _>")]
    pub requests_per_day: u64,
    /// Whether byte uploads count as requests: the page says yes, a measurement says no.
    pub count_uploads: bool,
    /// Writes a minute and user (`WritesPerMinutePerUser`); the writer stays below it.
    #[serde(deserialize_with = "value::number::<1, 1_000_000, _, _>")]
    pub writes_per_minute: u32,
    /// Requests of the day that a backfill leaves for new files.
    pub reserve: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            requests_per_day: 10_000,
            count_uploads: false,
            writes_per_minute: 30,
            reserve: 200,
        }
    }
}

impl Quota {
    /// Sets the default of `reserve`, a fiftieth of the day and at most 200; or checks that it is less
    /// than the day's requests.
    pub(super) fn complete(&mut self, document: &Document<'_>) -> Result<(), Problem> {
        let key = "quota.reserve";
        if !document.has(key) {
            self.reserve = (self.requests_per_day / 50).min(200);
        } else if self.reserve >= self.requests_per_day {
            let message = format!("{} is out of range", self.reserve);
            let hint = "it is a part of `requests_per_day`, and leaves some of it";
            return Err(document.problem(key, message).hint(hint));
        }
        Ok(())
    }
}

/// `[watch]`: how new files are noticed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// A file is read only when its size and time did not change for so long.
    #[serde(deserialize_with = "value::duration_within::<0, HOUR, _>")]
    pub settle: Duration,
    /// The time between two full scans.
    #[serde(deserialize_with = "value::duration_within::<1, MONTH, _>")]
    pub rescan: Duration,
    /// Which folders are polled.
    #[serde(deserialize_with = "value::word")]
    pub poll: Poll,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(5),
            rescan: Duration::from_hours(1),
            poll: Poll::Auto,
        }
    }
}

/// Which folders are polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Poll {
    /// Network file systems, and folders that cannot be watched.
    Auto,
    /// All.
    Always,
    /// None.
    Never,
}

/// `[retry]`: the waits after refusals. The type is in [`crate::model`]; here are its keys.
#[derive(Deserialize)]
#[serde(
    remote = "Retry",
    default = "Retry::default",
    deny_unknown_fields,
    expecting = "struct Retry"
)]
pub(super) struct RetryKeys {
    #[serde(deserialize_with = "value::duration")]
    server_error_base: Duration,
    #[serde(deserialize_with = "value::duration")]
    rate_limit_base: Duration,
    #[serde(deserialize_with = "value::number::<1, 100, _, _>")]
    max_attempts: u32,
}

/// Checks that the waits are at least as long as the service asks for; a sandbox may be retried sooner.
pub(super) fn check_retry(
    retry: &Retry,
    api: &Api,
    document: &Document<'_>,
) -> Result<(), Problem> {
    let minimum = Retry::default();
    for (key, wait, minimum) in [
        (
            "retry.server_error_base",
            retry.server_error_base,
            minimum.server_error_base,
        ),
        (
            "retry.rate_limit_base",
            retry.rate_limit_base,
            minimum.rate_limit_base,
        ),
    ] {
        let allowed = if is_loopback(&api.endpoint) {
            Duration::from_millis(1)
        } else {
            minimum
        };
        if !(allowed..=Duration::from_secs(HOUR)).contains(&wait) {
            let message = format!("{} is out of range", Shorthand(wait));
            let minimum = Shorthand(minimum);
            let hint =
                format!("the service asks for at least {minimum}; more than 1h helps nobody");
            return Err(document.problem(key, message).hint(hint));
        }
    }
    Ok(())
}

/// `[verify]`: reading created items back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Verify {
    /// The daemon asks once for each item, so long after its creation; `None` is never.
    #[serde(deserialize_with = "value::duration_or_never::<0, MONTH, _>")]
    pub after: Option<Duration>,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            after: Some(Duration::from_mins(10)),
        }
    }
}

/// `[dashboard]`: a page that shows what Albumen does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dashboard {
    /// Its address, on loopback; `None` is no page.
    #[serde(deserialize_with = "value::listen")]
    pub listen: Option<SocketAddr>,
}
