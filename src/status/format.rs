//! How numbers, sizes, durations and times are written in every message and table.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// A time closer to now than this is written with its seconds.
const SECONDS_COUNT: SignedDuration = SignedDuration::from_mins(3);

/// A time further from now than this is written with its year instead of its weekday.
const YEAR_COUNTS: SignedDuration = SignedDuration::from_hours(24 * 180);

/// A number with commas between thousands: "1,204".
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: "1 file", "1,204 files".
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// The same for files.
pub fn files(n: u64) -> String {
    count(n, "file", "files")
}

/// The type and size of a file: "a photo (JPEG, 3.40 MB)".
pub fn kind(mime: &str, size: u64) -> String {
    let (kind, name) = mime.split_once('/').unwrap_or(("", mime));
    let name = match name {
        "quicktime" => "QuickTime",
        "x-msvideo" => "AVI",
        "x-matroska" => "Matroska",
        "webp" => "WebP",
        // Vendors come before their formats: x-canon-cr2.
        name => &name.rsplit('-').next().unwrap_or(name).to_uppercase(),
    };
    let kind = if kind == "image" { "photo" } else { "video" };
    format!("a {kind} ({name}, {})", bytes(size))
}

/// A size in decimal units with three significant digits.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut size = n as f64 / 1000.0;
    let mut unit = 0;
    // 999.5 would be written as 1000.
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    let digits = match size {
        // As written, 9.995 has two digits before the point.
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    format!("{size:.digits$} {}", UNITS[unit])
}

/// A duration in its two largest units.
pub fn span(seconds: u64) -> String {
    let minutes = seconds / 60;
    let (hours, days) = (minutes / 60, minutes / 60 / 24);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 if !seconds.is_multiple_of(60) => format!("{minutes} min {} s", seconds % 60),
        60..3600 => format!("{minutes} min"),
        3600..36_000 if !minutes.is_multiple_of(60) => format!("{hours} h {} min", minutes % 60),
        3600..172_800 => format!("{hours} h"),
        172_800..864_000 if !hours.is_multiple_of(24) => format!("{days} d {} h", hours % 24),
        _ => format!("{days} d"),
    }
}

/// A point in time, as short as it is clear at `now`: "14:05", "tomorrow 09:02", "Tue 24 Nov 00:30".
pub fn time(then: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let then = then.to_zoned(zone.clone());
    let today = now.to_zoned(zone.clone()).date();
    let soon = then.timestamp().duration_since(now).abs() < SECONDS_COUNT;
    let clock = then.strftime(if soon { "%H:%M:%S" } else { "%H:%M" });
    if then.date() == today {
        clock.to_string()
    } else if today
        .tomorrow()
        .is_ok_and(|tomorrow| tomorrow == then.date())
    {
        format!("tomorrow {clock}")
    } else {
        // The weekday identifies a near day; further away the year is needed.
        let near = then.timestamp().duration_since(now).abs() < YEAR_COUNTS;
        let day = if near { "%a %-d %b" } else { "%-d %b %Y" };
        format!("{} {clock}", then.strftime(day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_and_things_their_plural() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_204), "1,204");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(files(1), "1 file");
        assert_eq!(files(12_000), "12,000 files");
    }

    #[test]
    fn sizes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_999, "10.0 kB"),
            (99_999, "100 kB"),
            (999_499, "999 kB"),
            (999_999, "1.00 MB"),
            (3_400_000_000, "3.40 GB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (n, text) in cases {
            assert_eq!(bytes(n), text, "{n}");
        }
    }

    #[test]
    fn a_file_type_is_written_as_people_call_it() {
        assert_eq!(kind("image/jpeg", 61), "a photo (JPEG, 61 B)");
        assert_eq!(kind("image/x-canon-cr2", 61), "a photo (CR2, 61 B)");
        assert_eq!(
            kind("video/quicktime", 1000),
            "a video (QuickTime, 1.00 kB)"
        );
    }

    #[test]
    fn durations_have_two_units() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (90, "1 min 30 s"),
            (600, "10 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (5_400, "1 h 30 min"),
            (36_001, "10 h"),
            (172_800, "2 d"),
            (180_000, "2 d 2 h"),
            (8_640_000, "100 d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(span(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn a_time_is_as_short_as_it_is_clear() {
        let zone = TimeZone::get("Europe/Paris").unwrap();
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let said = |then: &str| time(then.parse().unwrap(), now, &zone);
        assert_eq!(said("2026-11-21T12:01:30Z"), "13:01:30");
        assert_eq!(said("2026-11-21T13:05:00Z"), "14:05");
        assert_eq!(said("2026-11-22T08:02:00Z"), "tomorrow 09:02");
        assert_eq!(said("2026-11-23T23:30:00Z"), "Tue 24 Nov 00:30");
        assert_eq!(said("2024-06-01T08:00:00Z"), "1 Jun 2024 10:00");
    }
}
