//! How single values are written: sizes, durations, numbers, words, paths, addresses, globs, time zones.
//!
//! The functions are for `#[serde(deserialize_with = …)]`. Their errors are one message, and behind
//! [`HINT`] what to write instead; the TOML parser adds the place in the file.

use std::{
    fmt::{self, Display},
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Deserialize, Deserializer, de::Error as _};
use url::{Host, Url};

use super::globs::Globs;

/// Separates the message of an error from its hint.
pub(super) const HINT: &str = "\nhint: ";

/// The word for a duration that never ends.
const NEVER: &str = "never";

pub(super) const HOUR: u64 = 60 * 60;
pub(super) const DAY: u64 = 24 * HOUR;

/// Reads a string and converts it.
pub(super) fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    convert: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    convert(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A message with a hint.
pub(super) fn with_hint(message: &str, hint: &str) -> String {
    format!("{message}{HINT}{hint}")
}

/// A size such as "20MB" (10^6) or "16MiB", or a bare number of bytes.
pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    text(deserializer, parse_size)
}

/// A size from `MIN` to `MAX` bytes, or 0, which stands for none.
pub(super) fn size_or_none<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<u64, D::Error> {
    text(deserializer, |written| match parse_size(written)? {
        0 => Ok(0),
        size => within(Size(size), Size(MIN)..=Size(MAX)).map(|Size(size)| size),
    })
}

fn parse_size(written: &str) -> Result<u64, String> {
    let written = written.trim();
    let size = written.parse::<bytesize::ByteSize>().ok();
    size.map(|size| size.as_u64())
        // SQLite and the wire know signed numbers only.
        .filter(|&bytes| i64::try_from(bytes).is_ok())
        .ok_or_else(|| {
            with_hint(
                &format!("`{written}` is not a size"),
                "sizes are written as \"20MB\" (20 million bytes) or \"16MiB\"",
            )
        })
}

/// A duration such as "5s" or "1h".
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    text(deserializer, parse_duration)
}

/// A duration from `MIN` to `MAX` seconds.
pub(super) fn duration_within<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    text(deserializer, bounded_duration::<MIN, MAX>)
}

/// A duration from `MIN` to `MAX` seconds, or "never".
pub(super) fn duration_or_never<'de, const MIN: u64, const MAX: u64, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    text(deserializer, |written| {
        if written == NEVER {
            return Ok(None);
        }
        bounded_duration::<MIN, MAX>(written)
            .map(Some)
            .map_err(|error| {
                let message = error.split(HINT).next().unwrap_or_default();
                with_hint(message, "it is a duration such as \"10m\", or \"never\"")
            })
    })
}

fn bounded_duration<const MIN: u64, const MAX: u64>(written: &str) -> Result<Duration, String> {
    let bound = |seconds| Shorthand(Duration::from_secs(seconds));
    within(Shorthand(parse_duration(written)?), bound(MIN)..=bound(MAX)).map(|it| it.0)
}

fn parse_duration(written: &str) -> Result<Duration, String> {
    let written = written.trim();
    let span = written.parse::<Span>().ok();
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    length
        .and_then(|length| Duration::try_from(length).ok())
        .ok_or_else(|| {
            with_hint(
                &format!("`{written}` is not a duration"),
                "durations are written as \"5s\", \"10m\", \"1h\" or \"1h 30m\"",
            )
        })
}

/// A whole number from `MIN` to `MAX`.
pub(super) fn number<'de, const MIN: u64, const MAX: u64, D, N>(
    deserializer: D,
) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64, Error: Display>,
{
    let number = within(u64::deserialize(deserializer)?, MIN..=MAX).map_err(D::Error::custom)?;
    N::try_from(number).map_err(D::Error::custom)
}

fn within<T: PartialOrd + Display>(value: T, range: RangeInclusive<T>) -> Result<T, String> {
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (range.start(), range.end());
    Err(with_hint(
        &format!("{value} is out of range"),
        &format!("from {least} to {most} is possible here"),
    ))
}

/// A size, displayed as the file may write it.
#[derive(PartialEq, PartialOrd)]
struct Size(u64);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (1_000_000_000_000, "TB"),
            (1_000_000_000, "GB"),
            (1 << 20, "MiB"),
            (1_000_000, "MB"),
            (1 << 10, "KiB"),
            (1_000, "KB"),
            (1, "B"),
        ];
        let exact = |(bytes, _): &&(u64, _)| self.0.is_multiple_of(*bytes);
        let (bytes, unit) = units.iter().find(exact).unwrap_or(&(1, "B"));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

/// A duration, displayed as the file may write it.
#[derive(PartialEq, PartialOrd)]
pub(super) struct Shorthand(pub(super) Duration);

impl Display for Shorthand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(length) => write!(f, "{length:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

/// One of the words of an enum.
pub(super) fn word<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + strum::VariantNames,
{
    text(deserializer, |written| {
        let words = T::VARIANTS.join("\", \"");
        let error = |_| format!("`{written}` is not one of \"{words}\"");
        written.parse().map_err(error)
    })
}

/// A path as it is written; [`super::Environment::resolve`] makes it absolute.
pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    text(deserializer, |written| {
        check_path(written).map_err(str::to_owned)
    })
}

pub(super) fn check_path(written: &str) -> Result<PathBuf, &'static str> {
    if written.is_empty() {
        return Err("a path cannot be empty");
    }
    if written.starts_with('~') && !Path::new(written).starts_with("~") {
        return Err("`~` stands for your own home only; write other homes in full");
    }
    Ok(written.into())
}

/// A glob that must compile. [`super::Globs`] compiles them again for use.
///
/// A type of its own, because for an element of a list the parser knows the place only of those.
#[derive(Deserialize)]
struct Glob(#[serde(deserialize_with = "glob")] String);

fn glob<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(deserializer, |written| {
        let glob = [written.to_owned()];
        match Globs::new("", &glob) {
            Ok(_) => Ok(written.to_owned()),
            Err(error) => Err(format!("the glob cannot work: {}", error.reason)),
        }
    })
}

/// A list of globs.
pub(super) fn globs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let globs = Vec::<Glob>::deserialize(deserializer)?;
    Ok(globs.into_iter().map(|Glob(glob)| glob).collect())
}

/// An address that tokens may be sent to: https, or http that does not leave the machine.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    text(deserializer, parse_address)
}

/// The address of the service itself, without a path: Albumen adds the paths.
pub(super) fn bare_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    text(deserializer, |written| {
        let url = parse_address(written)?;
        if url.path() == "/" && url.query().is_none() {
            return Ok(url);
        }
        Err(with_hint(
            "the address of the service ends behind its host",
            "Albumen adds paths such as `/v1/mediaItems` itself",
        ))
    })
}

fn parse_address(written: &str) -> Result<Url, String> {
    let url =
        Url::parse(written).map_err(|error| format!("`{written}` is not an address: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(with_hint(
                "plain http would show your tokens to the network",
                "use https; http is accepted for this machine only, as 127.0.0.1 or localhost",
            ));
        }
        other => {
            return Err(format!(
                "an address begins with `https://`, not with `{other}:`"
            ));
        }
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err("the address can have neither user nor password nor fragment".to_owned());
    }
    Ok(url)
}

/// Whether a request to `url` stays on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Where the dashboard listens. This version has none, so "off" is the only accepted value.
pub(super) fn listen<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    text(deserializer, |written| {
        if written == "off" {
            return Ok(None);
        }
        let (message, hint) = match written.parse::<SocketAddr>() {
            Err(_) => (
                format!("`{written}` is not an address with a port"),
                "it is \"off\", or an address such as \"127.0.0.1:8420\"",
            ),
            Ok(address) if !address.ip().is_loopback() => (
                "the dashboard is for this machine only; this address is not".to_owned(),
                "listen on \"127.0.0.1:8420\", and reach it from elsewhere through ssh -L",
            ),
            Ok(_) => (
                "this version cannot serve a dashboard yet".to_owned(),
                "`albumen status --watch` shows what is going on; here, write \"off\"",
            ),
        };
        Err(with_hint(&message, hint))
    })
}
