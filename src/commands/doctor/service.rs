//! What lets Albumen in: the client secret, the sign-in, and what the service last said of the account.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use jiff::Timestamp;

use crate::{
    clock::{self, Clock},
    config::Config,
    daemon::clients,
    escape::Escaped,
    photos_api::{Error, Kind, SCOPES, SignedIn, client_id_of, other_client},
    status::{format, sign_in, text},
    store::AccountState,
    ui::error_report::is_denied,
};

use super::{super::read_state, Finding, Verdict};

/// Checks everything that the files of this machine tell about the account.
pub(super) fn check(config: &Config, clock: &Clock) -> Vec<Finding> {
    let client_id = client_id_of(&config.account.client_secret_file);
    let login = login(config, client_id.as_deref().ok(), clock);
    let account = account(config, clock).filter(|_| login.verdict != Verdict::Fault);
    let mut findings = vec![client_secret(&config.account.client_secret_file, client_id)];
    findings.push(login);
    findings.extend(account);
    findings
}

/// Whether the file is one that the Cloud console has made.
fn client_secret(file: &Path, client_id: Result<String, Error>) -> Finding {
    let shown = Escaped::path(file);
    match client_id {
        Err(_) if std::fs::File::open(file).is_err_and(|error| is_denied(&error)) => {
            let remedy =
                format!("let the user who runs albumen read it: chown it, then chmod 600 {shown}");
            let words = format!("{shown} may not be read");
            Finding::fault("client secret", words, remedy)
        }
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

fn login(config: &Config, client_id: Option<&str>, clock: &Clock) -> Finding {
    match SignedIn::read(&config.state_dir.join(clients::TOKEN_FILE)) {
        Err(error) if error.kind() == Kind::LoginNeeded => {
            Finding::fault("login", error.message(), "run `albumen login`")
        }
        Err(error) => fault("login", &error),
        Ok(signed_in) => judge(&signed_in, client_id, &Known::of(config), clock.now()),
    }
}

/// What stood in the way when the service was asked last, if it is the account's affair; a network that
/// is down is seen by asking.
fn account(config: &Config, clock: &Clock) -> Option<Finding> {
    // A database that cannot be read is another finding.
    let reader = read_state::reader(config).ok()?;
    let status = read_state::status(config, clock, reader.as_ref()).ok()?;
    let here = text::LocalTime {
        now: clock.now(),
        zone: jiff::tz::TimeZone::system(),
    };
    let finding = match status.account.state {
        AccountState::Ready | AccountState::Unreachable => return None,
        AccountState::QuotaExhausted => Finding::note,
        AccountState::LoginNeeded
        | AccountState::StorageFull
        | AccountState::ApiDisabled
        | AccountState::PhotosDisabled => Finding::fault,
    };
    let words = text::waits_for(&status, &here)?;
    let remedy = text::remedy(&status).unwrap_or("Albumen goes on by itself then");
    Some(finding("account", words, remedy))
}

/// What the database knows of sign-ins; nothing if there is none, or if it cannot be read, which is
/// another finding.
#[derive(Debug, Default)]
struct Known {
    library_client_id: Option<String>,
    is_published: bool,
}

impl Known {
    fn of(config: &Config) -> Self {
        let Ok(Some(reader)) = read_state::reader(config) else {
            return Self::default();
        };
        Self {
            library_client_id: reader.client_id().ok().flatten(),
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
    if let Some(library_client_id) = &known.library_client_id
        && *library_client_id != signed_in.client_id
    {
        let error = other_client(library_client_id, &signed_in.client_id);
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
    let words = format!("signed in {} ago", format::span(age.as_secs()));
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
