//! The creation time of an MP4 or QuickTime file, read box by box.
//!
//! The parser library has to have the whole `moov` box in memory, which a long recording makes larger
//! than we let it read, and it knows only the 32-bit form of the time. The time stands in `mvhd`, a
//! small box in front of the others; everything else is skipped.

use std::io::{self, Read, Seek, SeekFrom};

/// At most so many boxes are looked at on each level; real files have a handful before the one sought.
const MAX_BOXES: usize = 256;

/// Seconds from 1904, where these files begin to count, to 1970 (ISO/IEC 14496-12, 8.2.2).
const FROM_1904: i64 = 2_082_844_800;

/// When the movie was created, in seconds since 1970; none if the file is no movie or does not say.
pub(super) fn created<R: Read + Seek>(file: &mut R) -> io::Result<Option<i64>> {
    let end = file.seek(SeekFrom::End(0))?;
    let Some((start, end)) = find(file, *b"moov", 0, end)? else {
        return Ok(None);
    };
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
