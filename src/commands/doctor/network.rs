//! What lies between here and the service: certificates, the network, the clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::Clock,
    config::{Config, is_loopback},
    photos_api::cause,
    status::format,
};

use super::Finding;

/// How long the service may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// A clock that is further off than this breaks the sign-in or the day's count.
const DRIFT: SignedDuration = SignedDuration::from_mins(5);

/// What to do where the system trusts nobody.
const NO_AUTHORITIES: &str = "install the system's CA certificates (package `ca-certificates`)";

/// What to do where the service shows a certificate of somebody whom the system does not trust.
const UNTRUSTED: &str = "update the system's CA certificates (package `ca-certificates`); where a proxy or a \
     virus scanner looks into connections, its own certificate must be among them";

/// What to do where nobody answers.
const NO_ANSWER: &str =
    "see whether this machine is online, and whether a proxy or firewall stands between";

/// One request without a sign-in, which no quota counts: whether anybody answers, and what time it is
/// there.
pub(super) async fn check(config: &Config, clock: &Clock) -> Vec<Finding> {
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
            let words = format!("no connection can be trusted: {}", cause(&error));
            return vec![Finding::fault("certificates", words, NO_AUTHORITIES)];
        }
    };
    let mut findings = Vec::new();
    if !here {
        findings.push(Finding::good("certificates", "the system has some"));
    }
    match http.get(endpoint.clone()).send().await {
        Err(error) => {
            let told = cause(&error);
            let (words, remedy) = if told.contains("certificate") {
                (format!("{endpoint} cannot be trusted: {told}"), UNTRUSTED)
            } else {
                (format!("{endpoint} does not answer: {told}"), NO_ANSWER)
            };
            findings.push(Finding::fault("network", words, remedy));
        }
        Ok(answer) if answer.status().is_redirection() => findings.push(Finding::fault(
            "network",
            format!("{endpoint} sends callers elsewhere, which Albumen does not follow"),
            "open any page in a browser here, in case this network wants a sign-in of its own; \
             otherwise see whether `api.endpoint` is right",
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
        let span = format::span(abs.as_secs().unsigned_abs());
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
