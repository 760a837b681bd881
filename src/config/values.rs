//! How single values are written: sizes, durations, choices, addresses, globs, zones.
//!
//! Each function takes a value with its place and says, there, what is wrong with it.

use std::{fmt, net::SocketAddr, ops::RangeInclusive, time::Duration};

use jiff::{SignedDuration, Span, SpanRelativeTo, tz::TimeZone};
use toml::Spanned;
use url::{Host, Url};

use super::{
    error::Fault,
    settings::{Poll, Timezone},
};

/// The word for a duration that never ends, where there may be one.
const NEVER: &str = "never";

/// A size such as "20MB" (10^6) or "16MiB", or a bare number of bytes.
pub(super) fn size(text: &Spanned<String>) -> Result<u64, Fault> {
    let written = text.get_ref().trim();
    written
        .parse::<bytesize::ByteSize>()
        .ok()
        .map(|size| size.as_u64())
        // SQLite and the wire know signed numbers only.
        .filter(|&bytes| i64::try_from(bytes).is_ok())
        .ok_or_else(|| {
            Fault::at(text, format!("`{written}` is not a size"))
                .hint("sizes are written as \"20MB\" (20 million bytes) or \"16MiB\"")
        })
}

/// A duration such as "5s" or "1h", within `range`.
pub(super) fn duration(
    text: &Spanned<String>,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Fault> {
    let written = text.get_ref().trim();
    let span = written.parse::<Span>().ok();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let length = length.and_then(|length| Duration::try_from(length).ok());
    let length = length.ok_or_else(|| {
        Fault::at(text, format!("`{written}` is not a duration"))
            .hint("durations are written as \"5s\", \"10m\", \"1h\" or \"1h 30m\"")
    })?;
    within(text, length, range, Shorthand)
}

/// The same, or "never".
pub(super) fn duration_or_never(
    text: &Spanned<String>,
    range: RangeInclusive<Duration>,
) -> Result<Option<Duration>, Fault> {
    if text.get_ref() == NEVER {
        return Ok(None);
    }
    duration(text, range)
        .map(Some)
        .map_err(|fault| fault.hint("it is a duration such as \"10m\", or \"never\""))
}

/// A whole number within `range`.
pub(super) fn number(number: &Spanned<u64>, range: RangeInclusive<u64>) -> Result<u64, Fault> {
    within(number, *number.get_ref(), range, |number| number)
}

/// A size within `range`.
pub(super) fn size_within(
    text: &Spanned<String>,
    range: RangeInclusive<u64>,
) -> Result<u64, Fault> {
    within(text, size(text)?, range, Size)
}

fn within<W, T, S>(
    written: &Spanned<W>,
    value: T,
    range: RangeInclusive<T>,
    show: impl Fn(T) -> S,
) -> Result<T, Fault>
where
    T: PartialOrd + Copy,
    S: fmt::Display,
{
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (show(*range.start()), show(*range.end()));
    let message = format!("{} is out of range", show(value));
    let hint = format!("from {least} to {most} is possible here");
    Err(Fault::at(written, message).hint(hint))
}

/// A size as the file itself may write it, to the byte.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (1_000_000_000_000, "TB"),
            (1_000_000_000, "GB"),
            (1 << 20, "MiB"),
            (1_000_000, "MB"),
            (1 << 10, "KiB"),
            (1_000, "KB"),
        ];
        let exact = units
            .iter()
            .find(|(bytes, _)| self.0.is_multiple_of(*bytes));
        let (bytes, unit) = exact.copied().unwrap_or((1, "B"));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

/// A duration as the file itself may write it.
struct Shorthand(Duration);

impl fmt::Display for Shorthand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(length) => write!(f, "{length:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

/// One of a few words.
pub(super) fn choice<T: Clone>(
    text: &Spanned<String>,
    choices: &[(&'static str, T)],
) -> Result<T, Fault> {
    let written = text.get_ref().as_str();
    if let Some((_, chosen)) = choices.iter().find(|(word, _)| *word == written) {
        return Ok(chosen.clone());
    }
    let words: Vec<_> = choices
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect();
    let message = format!("`{written}` is not one of {}", words.join(", "));
    Err(Fault::at(text, message))
}

/// Whether folders are polled.
pub(super) fn poll(text: &Spanned<String>) -> Result<Poll, Fault> {
    choice(
        text,
        &[
            ("auto", Poll::Auto),
            ("always", Poll::Always),
            (NEVER, Poll::Never),
        ],
    )
}

/// "local", or a zone that the time zone database knows.
pub(super) fn timezone(text: &Spanned<String>) -> Result<Timezone, Fault> {
    let written = text.get_ref();
    if written == "local" {
        return Ok(Timezone::Local);
    }
    match TimeZone::get(written) {
        Ok(_) => Ok(Timezone::Named(written.clone())),
        Err(_) => Err(Fault::at(text, format!("`{written}` is not a time zone"))
            .hint("\"local\" is the zone of this machine; others are named as \"Europe/Paris\"")),
    }
}

/// A glob as intake will compile it. What ends in a slash names a folder.
pub(super) fn glob(text: &Spanned<String>) -> Result<String, Fault> {
    let written = text.get_ref();
    let pattern = written.strip_suffix('/').unwrap_or(written);
    if pattern.is_empty() {
        return Err(Fault::at(text, "a glob cannot be empty"));
    }
    globset::GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map(|_| written.clone())
        .map_err(|error| Fault::at(text, format!("the glob cannot work: {}", error.kind())))
}

/// An address that tokens may be sent to: https, or http that does not leave the machine.
pub(super) fn address(text: &Spanned<String>) -> Result<Url, Fault> {
    let written = text.get_ref();
    let url = Url::parse(written)
        .map_err(|error| Fault::at(text, format!("`{written}` is not an address: {error}")))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            let message = "plain http would show your tokens to the network";
            return Err(Fault::at(text, message).hint(
                "use https; http is accepted for this machine only, as 127.0.0.1 or localhost",
            ));
        }
        other => {
            let message = format!("an address begins with `https://`, not with `{other}:`");
            return Err(Fault::at(text, message));
        }
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        let message = "the address can have neither user nor password nor fragment";
        return Err(Fault::at(text, message));
    }
    Ok(url)
}

/// The address of the service itself: nothing behind the host, for paths are ours to know.
pub(super) fn bare_address(text: &Spanned<String>) -> Result<Url, Fault> {
    let url = address(text)?;
    if url.path() == "/" && url.query().is_none() {
        return Ok(url);
    }
    Err(
        Fault::at(text, "the address of the service ends behind its host")
            .hint("Albumen adds paths such as `/v1/mediaItems` itself"),
    )
}

/// Whether what is sent to `url` stays on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// "off", or where to listen on this machine.
pub(super) fn listen(text: &Spanned<String>) -> Result<Option<SocketAddr>, Fault> {
    let written = text.get_ref();
    if written == "off" {
        return Ok(None);
    }
    let address: SocketAddr = written.parse().map_err(|_| {
        Fault::at(text, format!("`{written}` is not an address with a port"))
            .hint("it is \"off\", or an address such as \"127.0.0.1:8420\"")
    })?;
    if address.ip().is_loopback() {
        return Ok(Some(address));
    }
    Err(Fault::at(
        text,
        "the dashboard is for this machine only; this address is not",
    )
    .hint("listen on \"127.0.0.1:8420\", and reach it from elsewhere through ssh -L"))
}
