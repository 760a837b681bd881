//! A date in a file's name, as cameras, phones and messengers write it.
//!
//! `IMG_20240501_101112`, `PXL_20240501_101112345`, `VID-20240501-WA0001`, `2024-05-01 10.11.12`,
//! `Screenshot_2024-05-01-10-11-12`, `signal-2024-05-01-101112`, `WhatsApp Image 2024-05-01 at
//! 10.11.12`, `FB_IMG_1714558272123` (milliseconds since 1970), and what looks like them.

use std::{ffi::OsStr, path::Path};

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};

/// The instant in the name, if there is one from 1970 to `latest`.
///
/// A name with a date alone stands for its midnight; unless the file was changed last on that very
/// day, which then is the better time: messengers number their files and write them when they come.
pub(super) fn instant(
    name: &OsStr,
    modified: Timestamp,
    zone: &TimeZone,
    latest: Timestamp,
) -> Option<Timestamp> {
    let stem = Path::new(name).file_stem()?.as_encoded_bytes();
    // Pixel phones write the time of Greenwich into their names, others that of the place.
    let zone = if stem.starts_with(b"PXL_") {
        &TimeZone::UTC
    } else {
        zone
    };
    let is_sane = |instant: &Timestamp| *instant > Timestamp::UNIX_EPOCH && *instant <= latest;
    (0..stem.len())
        .filter(|at| !is_digit(stem, at.wrapping_sub(1)))
        .filter_map(|at| stem.get(at..).and_then(stamp))
        .filter_map(|stamp| stamp.instant(modified, zone))
        .find(is_sane)
}

/// What stands in a name.
enum Stamp {
    Day(Date),
    DayAndTime(Date, Time),
    Milliseconds(i64),
}

impl Stamp {
    fn instant(&self, modified: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let day = match self {
            Self::Milliseconds(millis) => return Timestamp::from_millisecond(*millis).ok(),
            Self::DayAndTime(day, time) => {
                let zoned = day.to_datetime(*time).to_zoned(zone.clone());
                return zoned.ok().map(|zoned| zoned.timestamp());
            }
            Self::Day(day) => *day,
        };
        if zone.to_datetime(modified).date() == day {
            return Some(modified);
        }
        day.to_zoned(zone.clone())
            .ok()
            .map(|zoned| zoned.timestamp())
    }
}

/// The stamp at the start of `text`.
fn stamp(text: &[u8]) -> Option<Stamp> {
    let digits = run(text);
    let (day, rest) = match digits {
        // Milliseconds since 1970 have 13 digits from 2001 to 2286.
        13 => return number(text.get(..13)?).map(Stamp::Milliseconds),
        8 | 14 | 17 => (
            day(text.get(..4)?, text.get(4..6)?, text.get(6..8)?)?,
            text.get(8..)?,
        ),
        4 => {
            let separator = *text.get(4)?;
            let is_plain = b"-_.: ".contains(&separator)
                && text.get(7) == Some(&separator)
                && !is_digit(text, 10);
            if !is_plain {
                return None;
            }
            (
                day(text.get(..4)?, text.get(5..7)?, text.get(8..10)?)?,
                text.get(10..)?,
            )
        }
        _ => return None,
    };
    let time = if digits > 8 {
        compact_time(rest)
    } else {
        time_after(rest)
    };
    Some(match time {
        Some(time) => Stamp::DayAndTime(day, time),
        None => Stamp::Day(day),
    })
}

fn day(year: &[u8], month: &[u8], day: &[u8]) -> Option<Date> {
    Date::new(small(year)?, small(month)?, small(day)?).ok()
}

/// The time behind a date: `_101112`, `-10-11-12`, ` at 3.04.05 PM`.
fn time_after(text: &[u8]) -> Option<Time> {
    let text = match text.strip_prefix(b" at ") {
        Some(text) => text,
        None => text
            .split_first()
            .filter(|(separator, _)| b"_-. Tt".contains(separator))
            .map(|(_, text)| text)?,
    };
    compact_time(text).or_else(|| spelled_time(text))
}

/// `101112`, or `101112345` with milliseconds.
fn compact_time(text: &[u8]) -> Option<Time> {
    let millis = match run(text) {
        6 => 0,
        9 => small(text.get(6..9)?)?,
        _ => return None,
    };
    time(text.get(..2)?, text.get(2..4)?, text.get(4..6)?, millis)
}

/// `10.11.12`, `10-11-12-345`, `3.04.05 PM`.
fn spelled_time(text: &[u8]) -> Option<Time> {
    let hour_digits = run(text);
    let (hour, rest) = text.split_at_checked(hour_digits)?;
    let [first, a, b, second, c, d, rest @ ..] = rest else {
        return None;
    };
    if !(1..=2).contains(&hour_digits) || first != second || !b".-_:".contains(first) {
        return None;
    }
    let millis = match rest {
        [separator, digits @ ..] if b".-_,".contains(separator) && run(digits) == 3 => {
            small(digits.get(..3)?)?
        }
        _ if is_digit(rest, 0) => return None,
        _ => 0,
    };
    let time = time(hour, &[*a, *b], &[*c, *d], millis)?;
    // macOS puts a narrow blank of three bytes before the two letters.
    let half = rest
        .strip_prefix(" ".as_bytes())
        .or_else(|| rest.strip_prefix("\u{202f}".as_bytes()))
        .and_then(|half| half.get(..2))
        .map(<[u8]>::to_ascii_lowercase);
    let hour = match (half.as_deref(), time.hour()) {
        (Some(b"am"), 12) => 0,
        (Some(b"pm"), hour @ 1..=11) => hour + 12,
        (_, hour) => hour,
    };
    time.with().hour(hour).build().ok()
}

fn time(hour: &[u8], minute: &[u8], second: &[u8], millis: i16) -> Option<Time> {
    let nanosecond = i32::from(millis) * 1_000_000;
    Time::new(small(hour)?, small(minute)?, small(second)?, nanosecond).ok()
}

/// How many digits `text` begins with.
fn run(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn is_digit(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(u8::is_ascii_digit)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

fn small<T: TryFrom<i64>>(digits: &[u8]) -> Option<T> {
    T::try_from(number(digits)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(name: &str) -> Option<String> {
        found_with(name, "2020-01-01T00:00:00Z")
    }

    fn found_with(name: &str, modified: &str) -> Option<String> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let latest = "2026-11-22T00:00:00Z".parse().unwrap();
        instant(OsStr::new(name), modified.parse().unwrap(), &zone, latest)
            .map(|instant| instant.to_string())
    }

    #[test]
    fn names_of_cameras_phones_and_messengers_are_understood() {
        for (name, instant) in [
            ("IMG_20240501_101112.jpg", "2024-05-01T08:11:12Z"),
            ("PXL_20240501_101112345.MP.jpg", "2024-05-01T10:11:12.345Z"),
            ("20240501_101112(1).heic", "2024-05-01T08:11:12Z"),
            ("20240501101112.jpg", "2024-05-01T08:11:12Z"),
            ("20240501101112345.jpg", "2024-05-01T08:11:12.345Z"),
            ("2024-05-01 10.11.12.jpg", "2024-05-01T08:11:12Z"),
            ("2024-05-01T10:11:12.jpg", "2024-05-01T08:11:12Z"),
            ("2024-05-01 10.11.12-1.jpg", "2024-05-01T08:11:12Z"),
            ("Screenshot_2024-05-01-10-11-12.png", "2024-05-01T08:11:12Z"),
            (
                "Screenshot_2024-05-01-10-11-12-345_com.app.png",
                "2024-05-01T08:11:12.345Z",
            ),
            (
                "Screenshot_20240501-101112_Chrome.jpg",
                "2024-05-01T08:11:12Z",
            ),
            (
                "Screenshot 2024-05-01 at 3.04.05\u{202f}PM.png",
                "2024-05-01T13:04:05Z",
            ),
            (
                "Screen Shot 2024-05-01 at 12.04.05 AM.png",
                "2024-04-30T22:04:05Z",
            ),
            ("signal-2024-05-01-101112.jpg", "2024-05-01T08:11:12Z"),
            ("signal-2024-05-01-101112_002.jpg", "2024-05-01T08:11:12Z"),
            (
                "WhatsApp Image 2024-05-01 at 10.11.12.jpeg",
                "2024-05-01T08:11:12Z",
            ),
            ("VID-20240501-WA0001.mp4", "2024-04-30T22:00:00Z"),
            ("2024_05_01 Hike.jpg", "2024-04-30T22:00:00Z"),
            ("20240501_251112.jpg", "2024-04-30T22:00:00Z"),
            ("FB_IMG_1714558272123.jpg", "2024-05-01T10:11:12.123Z"),
        ] {
            assert_eq!(found(name).as_deref(), Some(instant), "{name}");
        }
    }

    #[test]
    fn numbers_that_are_no_dates_are_left_alone() {
        for name in [
            "IMG_1234.JPG",
            "DSC01234.ARW",
            "12345678.jpg",
            "20241350_101112.jpg",
            "20990101.jpg",
            "19620101.jpg",
            "received_123456789012345.jpeg",
            "2024-05.jpg",
            "2024-05-011.jpg",
            "1.2.3.jpg",
            "",
            ".jpg",
            "120240501_101112.jpg",
        ] {
            assert_eq!(found(name), None, "{name}");
        }
    }

    #[test]
    fn a_day_without_a_time_takes_the_time_of_the_last_change_on_that_day() {
        let name = "IMG-20240501-WA0001.jpg";
        let same_day = found_with(name, "2024-05-01T15:00:00Z");
        assert_eq!(same_day.as_deref(), Some("2024-05-01T15:00:00Z"));
        let other_day = found_with(name, "2024-05-02T15:00:00Z");
        assert_eq!(other_day.as_deref(), Some("2024-04-30T22:00:00Z"));
    }

    proptest! {
        #[test]
        fn any_name_is_survived(name in "[0-9 _.at:-]{0,24}|.{0,24}") {
            found(&name);
        }
    }
}
