//! When a photo or video was taken: the instant that gives it its place in an album.
//!
//! Asked in this order, the first sane answer counts: what the camera wrote into the file (EXIF, the
//! header of a video), what a program wrote there (XMP, the "Creation Time" of a PNG), a date in the
//! file's name, the time of its last change. Camera times without an offset, and times in names,
//! are in the zone that the folder's configuration names. The clock of the GPS is not asked: it is
//! often minutes or a whole trip behind.
//!
//! The content is hostile until parsed: the parser sees a reader that ends after [`READ_LIMIT`]
//! bytes, its panics are caught, its log is not heard, and whatever it finds is held to a range.

use std::{
    ffi::OsStr,
    io::{Read, Seek},
    panic::{self, AssertUnwindSafe},
};

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use nom_exif::{
    EntryValue, Exif, ExifDateTime, ExifTag, MediaKind, MediaParser, MediaSource, TrackInfoTag,
};
use tracing::subscriber::NoSubscriber;

use crate::media::container::{self, Bounded};

mod file_name;
mod text_metadata;
mod video;

/// At most so many bytes of a file are read to find its time, and as many once more where the camera
/// left none. The directories of a raw file or of a video's samples can have a few MB, rarely more.
pub const READ_LIMIT: u64 = container::READ_LIMIT;

/// Seconds from 1970 back to 1826, when the first photograph was taken: scans carry such dates.
const FIRST_PHOTO: i64 = -4_544_208_000;

/// How far ahead of our clock a time may be: clocks of cameras and time zones differ.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// When something was taken, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The instant, with fractions of a second where they are known.
    pub instant: Timestamp,
    /// Who says so.
    pub source: Source,
}

/// Who says when something was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The camera, in the photo's EXIF data.
    Exif,
    /// The camera, in the video's header.
    Video,
    /// A program, in the file's XMP data or named texts.
    Written,
    /// A date in the file's name.
    FileName,
    /// Nobody; it is when the file was changed last.
    Modified,
}

/// When the file was taken: `file` is its content (its position is moved), `name` its name,
/// `mtime_ns` its last change in nanoseconds since 1970, `zone` that of times without an offset.
pub fn taken<R: Read + Seek>(
    file: &mut R,
    name: &OsStr,
    mtime_ns: i64,
    zone: &TimeZone,
    now: Timestamp,
) -> Taken {
    let modified =
        Timestamp::from_nanosecond(i128::from(mtime_ns)).unwrap_or(Timestamp::UNIX_EPOCH);
    let latest = now.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
    if let Some(taken) = by_content(file, zone, latest) {
        return taken;
    }
    if let Some(instant) = text_metadata::instant(file, zone, latest) {
        return Taken {
            instant,
            source: Source::Written,
        };
    }
    match file_name::instant(name, modified, zone, latest) {
        Some(instant) => Taken {
            instant,
            source: Source::FileName,
        },
        None => Taken {
            instant: modified,
            source: Source::Modified,
        },
    }
}

fn by_content<R: Read + Seek>(file: &mut R, zone: &TimeZone, latest: Timestamp) -> Option<Taken> {
    let from_library = quietly(|| {
        file.rewind().ok()?;
        let source = MediaSource::seekable(Bounded {
            inner: &mut *file,
            left: READ_LIMIT,
        })
        .ok()?;
        let mut parser = MediaParser::new();
        match source.kind() {
            MediaKind::Image => exif_instant(&parser.parse_exif(source).ok()?.into(), zone, latest),
            MediaKind::Track => {
                let info = parser.parse_track(source).ok()?;
                let created = info.get(TrackInfoTag::CreateDate)?.as_datetime()?;
                video_instant(instant(created, 0, &TimeZone::UTC)?, latest)
            }
        }
    });
    from_library.or_else(|| {
        // The library wants the whole header in its buffer; two values of it can be had for less.
        let movie = video::times(file).ok()?;
        let said = movie
            .said
            .and_then(|said| text_metadata::parsed(&said, zone));
        let created = movie
            .created
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        [said, created]
            .into_iter()
            .flatten()
            .find_map(|instant| video_instant(instant, latest))
    })
}

/// The earliest time that is believed.
fn earliest() -> Timestamp {
    Timestamp::from_second(FIRST_PHOTO).unwrap_or(Timestamp::MIN)
}

/// Runs the foreign parser: its panics are answers that it does not have, and what it logs about
/// broken files (as errors, at that) says nothing to our users.
pub(super) fn quietly<T>(parse: impl FnOnce() -> Option<T>) -> Option<T> {
    tracing::subscriber::with_default(NoSubscriber::new(), || {
        panic::catch_unwind(AssertUnwindSafe(parse)).ok().flatten()
    })
}

/// The first sane one of the times that EXIF knows, the one of the shutter first.
fn exif_instant(exif: &Exif, zone: &TimeZone, latest: Timestamp) -> Option<Taken> {
    [
        (ExifTag::DateTimeOriginal, ExifTag::SubSecTimeOriginal),
        (ExifTag::CreateDate, ExifTag::SubSecTimeDigitized),
        (ExifTag::ModifyDate, ExifTag::SubSecTime),
    ]
    .into_iter()
    .filter_map(|(time, fraction)| {
        let fraction = exif.get(fraction).and_then(EntryValue::as_str);
        instant(
            exif.get(time)?.as_datetime()?,
            fraction.map_or(0, nanoseconds),
            zone,
        )
    })
    .find(|instant| (earliest()..=latest).contains(instant))
    .map(|instant| Taken {
        instant,
        source: Source::Exif,
    })
}

/// Video headers count from 1904, and a camera without a clock leaves the zero there.
fn video_instant(instant: Timestamp, latest: Timestamp) -> Option<Taken> {
    (instant > Timestamp::UNIX_EPOCH && instant <= latest).then_some(Taken {
        instant,
        source: Source::Video,
    })
}

/// The instant of a time that may have an offset of its own.
fn instant(time: ExifDateTime, nanosecond: i32, zone: &TimeZone) -> Option<Timestamp> {
    let whole = match time {
        ExifDateTime::Aware(time) => Timestamp::from_second(time.timestamp()).ok()?,
        ExifDateTime::Naive(time) => {
            let seconds = time.and_utc().timestamp();
            let civil: DateTime = TimeZone::UTC.to_datetime(Timestamp::from_second(seconds).ok()?);
            civil.to_zoned(zone.clone()).ok()?.timestamp()
        }
    };
    whole
        .checked_add(SignedDuration::from_nanos(i64::from(nanosecond)))
        .ok()
}

/// The digits behind the decimal point, as EXIF writes them, in nanoseconds.
fn nanoseconds(digits: &str) -> i32 {
    let digits = digits.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
    if digits.chars().all(|c| c.is_ascii_digit()) {
        nine.parse().unwrap_or(0)
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
