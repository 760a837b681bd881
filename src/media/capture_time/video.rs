//! The creation time of an MP4 or QuickTime file, read box by box.
//!
//! The parser library has to have the whole `moov` box in memory, which a long recording makes larger
//! than we let it read, and it knows only the 32-bit form of the time. The time stands in `mvhd`, a
//! small box in front of the others; phones of Apple also write it with its offset among the named
//! values of `meta`. Everything else is skipped.

use std::io::{self, Read, Seek, SeekFrom};

/// At most so many boxes are looked at on each level; real files have a handful before the one sought.
const MAX_BOXES: usize = 256;

/// At most so many bytes of names or of values are read; real files have some hundred.
const MAX_NAMED: u64 = 64 * 1024;

/// Seconds from 1904, where these files begin to count, to 1970 (ISO/IEC 14496-12, 8.2.2).
const FROM_1904: i64 = 2_082_844_800;

/// The name of the time with its offset (QuickTime file format, metadata keys).
const CREATION_DATE: &[u8] = b"com.apple.quicktime.creationdate";

/// What a movie says about when it was created.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// As text, mostly with an offset.
    pub(super) said: Option<String>,
    /// In seconds since 1970; none if the camera had no clock.
    pub(super) created: Option<i64>,
}

/// When the movie was created, as far as the file is one and says so.
pub(super) fn times<R: Read + Seek>(file: &mut R) -> io::Result<Times> {
    let mut times = Times::default();
    let end = file.seek(SeekFrom::End(0))?;
    let Some((start, end)) = find(file, *b"moov", 0, end)? else {
        return Ok(times);
    };
    times.created = header(file, start, end)?;
    // What is broken there must not cost the time that was found.
    times.said = named(file, start, end).unwrap_or_default();
    Ok(times)
}

fn header<R: Read + Seek>(file: &mut R, start: u64, end: u64) -> io::Result<Option<i64>> {
    let Some((start, _)) = find(file, *b"mvhd", start, end)? else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(start))?;
    let mut head = [0; 12];
    file.read_exact(&mut head)?;
    let [version, _, _, _, time @ ..] = head;
    let seconds = match version {
        0 => time
            .first_chunk()
            .map(|time| i64::from(u32::from_be_bytes(*time))),
        1 => i64::try_from(u64::from_be_bytes(time)).ok(),
        _ => None,
    };
    Ok(seconds
        .filter(|seconds| *seconds != 0)
        .map(|seconds| seconds - FROM_1904))
}

/// The value that `moov/meta/ilst` holds for [`CREATION_DATE`], which is known by its place in
/// `moov/meta/keys`.
fn named<R: Read + Seek>(file: &mut R, start: u64, end: u64) -> io::Result<Option<String>> {
    let Some((start, end)) = find(file, *b"meta", start, end)? else {
        return Ok(None);
    };
    // In an MP4 version and flags stand before the boxes; in a QuickTime file they do not.
    let mut keys = find(file, *b"keys", start, end)?;
    let mut start = start;
    if keys.is_none() {
        start += 4;
        keys = find(file, *b"keys", start, end)?;
    }
    let values = find(file, *b"ilst", start, end)?;
    let (Some(keys), Some(values)) = (keys, values) else {
        return Ok(None);
    };
    let Some(number) = number_of(&content(file, keys)?) else {
        return Ok(None);
    };
    let Some(value) = find(file, number.to_be_bytes(), values.0, values.1)? else {
        return Ok(None);
    };
    let Some(data) = find(file, *b"data", value.0, value.1)? else {
        return Ok(None);
    };
    // Its type and language stand before the text.
    let text = content(file, data)?.get(8..).map(<[u8]>::to_vec);
    Ok(text.and_then(|text| String::from_utf8(text).ok()))
}

/// The place of the name in the list of names, counted from one.
fn number_of(keys: &[u8]) -> Option<u32> {
    let mut rest = keys.get(8..)?;
    for number in 1..=u32::try_from(MAX_BOXES).unwrap_or(u32::MAX) {
        let size = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        if rest.get(8..size)? == CREATION_DATE {
            return Some(number);
        }
        rest = rest.get(size..)?;
    }
    None
}

fn content<R: Read + Seek>(file: &mut R, (start, end): (u64, u64)) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take((end - start).min(MAX_NAMED))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
/// Where the content of the box `wanted` begins and ends, among the boxes from `at` to `end`.
fn find<R: Read + Seek>(
    file: &mut R,
    wanted: [u8; 4],
    mut at: u64,
    end: u64,
) -> io::Result<Option<(u64, u64)>> {
    for _ in 0..MAX_BOXES {
        if end.saturating_sub(at) < 8 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, name @ ..] = head;
        let (size, header) = match u32::from_be_bytes([a, b, c, d]) {
            // To the end of the file.
            0 => (end - at, 8),
            // Too large for 32 bits: the size follows.
            1 => {
                let mut size = [0; 8];
                file.read_exact(&mut size)?;
                (u64::from_be_bytes(size), 16)
            }
            size => (u64::from(size), 8),
        };
        let next = at
            .checked_add(size)
            .filter(|next| size >= header && *next <= end);
        let Some(next) = next else {
            break;
        };
        if name == wanted {
            return Ok(Some((at + header, next)));
        }
        at = next;
    }
    Ok(None)
}
