//! Times that programs write as text: XMP properties, the texts of a PNG.

use std::io::{Read, Seek};

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    fmt::{rfc2822, strtime, temporal::Pieces},
    tz::TimeZone,
};

use super::earliest;
use crate::media::container::{self, xmp};

/// The keyword of a PNG's own time (PNG specification, 11.3.3.2).
const CREATION_TIME: &str = "Creation Time";

/// The time that the file's XMP data or texts give, the first sane one.
pub(super) fn instant<R: Read + Seek>(
    file: &mut R,
    zone: &TimeZone,
    latest: Timestamp,
) -> Option<Timestamp> {
    let found = container::read(file);
    let packet = found.xmp.as_deref().and_then(xmp::parse);
    let of_xmp = packet.into_iter().flat_map(|packet| packet.taken);
    let of_texts = found
        .texts
        .into_iter()
        .filter(|(keyword, _)| keyword.eq_ignore_ascii_case(CREATION_TIME))
        .map(|(_, text)| text);
    of_xmp
        .chain(of_texts)
        .filter_map(|text| parsed(&text, zone))
        .find(|instant| (earliest()..=latest).contains(instant))
}

/// A time as XMP writes it (any part of 2024-05-01T10:11:12.25+02:00 from the year on), as e-mail
/// does, or as EXIF. Without an offset it is in `zone`.
pub(super) fn parsed(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if let Ok(time) = rfc2822::parse(text) {
        return Some(time.timestamp());
    }
    let text = dashed(text);
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    if let Ok(time) = strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", &text) {
        return time.to_timestamp().ok();
    }
    let civil = |time: DateTime| {
        time.to_zoned(zone.clone())
            .ok()
            .map(|time| time.timestamp())
    };
    if let Ok(pieces) = Pieces::parse(&text)
        && pieces.offset().is_none()
    {
        let time = pieces.time().unwrap_or_default();
        return civil(pieces.date().to_datetime(time));
    }
    // A month, or a year: its first moment.
    let first = [format!("{text}-01"), format!("{text}-01-01")]
        .into_iter()
        .find_map(|whole| Date::strptime("%Y-%m-%d", whole).ok())?;
    civil(first.to_datetime(Time::midnight()))
}

/// EXIF's 2024:05:01 10:11:12 as everybody else writes it.
fn dashed(text: &str) -> String {
    match text.as_bytes() {
        [_, _, _, _, b':', _, _, b':', ..] => text.replacen(':', "-", 2).replacen(' ', "T", 1),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_programs_write_them() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2024-05-01T10:11:12+05:30", "2024-05-01T04:41:12Z"),
            ("2024-05-01T10:11:12.25Z", "2024-05-01T10:11:12.25Z"),
            ("2024-05-01T10:11:12+0200", "2024-05-01T08:11:12Z"),
            ("2024-05-01T10:11+02:00", "2024-05-01T08:11:00Z"),
            ("2024-05-01T10:11:12.25", "2024-05-01T08:11:12.25Z"),
            ("2024-05-01T10:11", "2024-05-01T08:11:00Z"),
            ("2024-05-01", "2024-04-30T22:00:00Z"),
            ("2024-05", "2024-04-30T22:00:00Z"),
            ("1931", "1930-12-31T23:00:00Z"),
            ("2024:05:01 10:11:12", "2024-05-01T08:11:12Z"),
            ("2024:05:01 10:11:12.5+00:00", "2024-05-01T10:11:12.5Z"),
            ("Wed, 01 May 2024 10:11:12 +0000", "2024-05-01T10:11:12Z"),
            ("1 May 2024 10:11:12 GMT", "2024-05-01T10:11:12Z"),
            (" 2024-05-01T10:11:12Z\0", "2024-05-01T10:11:12Z"),
        ] {
            let instant = parsed(text, &zone).map(|instant| instant.to_string());
            assert_eq!(instant.as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "0000-00-00T00:00:00",
            "2024-13-01",
            "20240501 noon",
        ] {
            assert_eq!(parsed(text, &zone), None, "{text}");
        }
    }
}
