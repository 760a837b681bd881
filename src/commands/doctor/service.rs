//! What lies between here and the service: the client secret, the sign-in, certificates, the network,
//! the clock.

use std::{io, os::unix::fs::MetadataExt as _, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{Error, Kind, auth::SignedIn, login::SCOPES, other_client},
    clock::{self, Clock},
    config::{Config, is_loopback},
    run::connect,
    shown::Shown,
    status::{sign_in, words},
};

use super::{super::look, Finding};

/// How long the service may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// A clock that is further off than this breaks the sign-in or the day's count.
const DRIFT: SignedDuration = SignedDuration::from_mins(5);

/// Checks everything about the service.
pub(super) async fn check(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = vec![client_secret(config).await, login(config, clock).await];
    findings.extend(network(config, clock).await);
    findings
}

/// Whether the file is one that the Cloud console has made.
async fn client_secret(config: &Config) -> Finding {
    let file = &config.account.client_secret_file;
    let shown = Shown::path(file);
    let client_id = match connect::auth(config) {
        Ok(auth) => auth.client_id().await,
        Err(error) => Err(error),
    };
    match client_id {
        Ok(_) if std::fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o077 != 0) => {
            let words = format!("{shown} can be read by others of this machine");
            Finding::note("client secret", words, format!("chmod 600 {shown}"))
        }
        Ok(_) => Finding::good("client secret", shown.to_string()),
        Err(error) => fault("client secret", &error),
    }
}

fn fault(what: &'static str, error: &Error) -> Finding {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let words = format!("{error}{}", cause.unwrap_or_default());
    Finding::fault(what, words, error.hint().unwrap_or("see the words above"))
}

async fn login(config: &Config, clock: &Clock) -> Finding {
    match signed_in(config).await {
        Err(error) if error.kind() == Kind::LoginNeeded => {
            Finding::fault("login", error.message(), "run `albumen login`")
        }
        Err(error) => fault("login", &error),
        Ok((signed_in, client_id)) => {
            let known = Known::of(config);
            judge(&signed_in, client_id.as_deref(), &known, clock.now())
        }
    }
}

/// The sign-in, and the OAuth client that the client secret file names if it can be read.
async fn signed_in(config: &Config) -> Result<(SignedIn, Option<String>), Error> {
    let auth = connect::auth(config)?;
    Ok((auth.signed_in().await?, auth.client_id().await.ok()))
}

/// What the database knows of sign-ins; nothing if there is none, or if it cannot be read, which is
/// another finding.
#[derive(Debug, Default)]
struct Known {
    made_with: Option<String>,
    is_published: bool,
}

impl Known {
    fn of(config: &Config) -> Self {
        let Ok(Some(reader)) = look::reader(config) else {
            return Self::default();
        };
        Self {
            made_with: reader.client_id().ok().flatten(),
            is_published: reader.is_published().unwrap_or(false),
        }
    }
}

fn judge(signed_in: &SignedIn, client_id: Option<&str>, known: &Known, now: Timestamp) -> Finding {
    if client_id.is_some_and(|id| id != signed_in.client_id) {
        let words =
            "the sign-in was made with another OAuth client than the client secret file names";
        let remedy = "put the old client secret file back, or run `albumen login`, which says what a new client means for what is in the library";
        return Finding::fault("login", words, remedy);
    }
    if let Some(made_with) = &known.made_with
        && *made_with != signed_in.client_id
    {
        let error = other_client(made_with, &signed_in.client_id);
        return Finding::fault("login", error.message(), error.hint().unwrap_or_default());
    }
    let granted = |scope: &&str| signed_in.scopes.iter().any(|granted| granted == scope);
    if !SCOPES.iter().all(granted) {
        let remedy = "run `albumen login` and leave every box ticked";
        return Finding::fault(
            "login",
            "a permission was not granted at the sign-in",
            remedy,
        );
    }
    let age = clock::until(signed_in.since, now);
    let words = format!("signed in {} ago", words::span(age.as_secs()));
    if let Some(warning) = sign_in::warning(signed_in.since, known.is_published, now) {
        return Finding::note(
            "login",
            format!("{words}; {}", warning.message),
            warning.hint,
        );
    }
    if known.is_published || age >= sign_in::TESTING {
        return Finding::good("login", words);
    }
    let remedy = "if the consent screen of your Cloud project is in the state Testing, a sign-in ends after 7 days: publish it, and sign in again";
    Finding::note("login", words, remedy)
}

/// One request without a sign-in, which no quota counts: whether anybody answers, and what time it is
/// there.
async fn network(config: &Config, clock: &Clock) -> Vec<Finding> {
    let endpoint = &config.api.endpoint;
    let here = is_loopback(endpoint) && endpoint.scheme() == "http";
    let mut builder = reqwest::Client::builder()
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none());
    if here {
        builder = builder.no_proxy().tls_certs_only([]);
    }
    let http = match builder.build() {
        Ok(http) => http,
        Err(error) => {
            let remedy = "install the system's CA certificates (package `ca-certificates`)";
            return vec![Finding::fault("certificates", told(&error), remedy)];
        }
    };
    let mut findings = Vec::new();
    if !here {
        findings.push(Finding::good("certificates", "the system has some"));
    }
    match http.get(endpoint.clone()).send().await {
        Err(error) => findings.push(Finding::fault(
            "network",
            format!("{endpoint} does not answer: {}", told(&error)),
            "see whether this machine is online, and whether a proxy or firewall stands between",
        )),
        Ok(answer) => {
            findings.push(Finding::good("network", format!("{endpoint} answers")));
            let date = answer.headers().get(http::header::DATE);
            let date = date.and_then(|date| date.to_str().ok());
            findings.extend(date.and_then(|date| time(date, clock.now())));
        }
    }
    findings
}

/// An error with its causes, which hold the words that matter.
fn told(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
        if cause.is::<io::Error>() {
            break;
        }
    }
    cause.to_string()
}

fn time(date: &str, now: Timestamp) -> Option<Finding> {
    let there = httpdate::parse_http_date(date).ok()?;
    let there = Timestamp::try_from(there).ok()?;
    let off = now.duration_since(there);
    let (abs, direction) = if off.is_negative() {
        (-off, "behind")
    } else {
        (off, "ahead of")
    };
    Some(if abs <= DRIFT {
        Finding::good("clock", "it agrees with that of the service")
    } else {
        let span = words::span(abs.as_secs().unsigned_abs());
        Finding::fault(
            "clock",
            format!("it is {span} {direction} that of the service"),
            "let the system set it: `timedatectl set-ntp true`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        let found =
            |now: &str| time("Sat, 21 Nov 2026 12:00:00 GMT", now.parse().unwrap()).unwrap();
        assert_eq!(found("2026-11-21T12:04:59Z").verdict, Verdict::Good);
        let late = found("2026-11-21T10:00:00Z");
        assert_eq!(late.verdict, Verdict::Fault);
        assert_eq!(late.words, "it is 2 h behind that of the service");
        assert_eq!(time("yesterday", Timestamp::UNIX_EPOCH), None);
    }
}
