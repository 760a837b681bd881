//! How wide and how high a photo or video is, by its header.
//!
//! Hostile content until parsed, like everything in [`crate::media::capture_time`]: a bounded reader, and panics of
//! a parser are answers that it does not have.

use std::io::{BufReader, Read, Seek};

use nom_exif::{EntryValue, MediaKind, MediaParser, MediaSource, TrackInfoTag};

use crate::media::container::Bounded;
use crate::media::{
    capture_time::{READ_LIMIT, quietly},
    file_type::{Class, Kind},
};

/// Width and height in pixels; none where the header is not understood. Raw files have none here:
/// their header tells that of a preview.
pub fn pixels<R: Read + Seek>(file: &mut R, kind: Kind) -> Option<(u32, u32)> {
    quietly(|| {
        file.rewind().ok()?;
        let bounded = Bounded {
            inner: &mut *file,
            left: READ_LIMIT,
        };
        match kind.class {
            Class::Video => of_video(bounded),
            Class::Photo if is_raw(kind) => None,
            Class::Photo => of_picture(bounded),
        }
    })
}

fn is_raw(kind: Kind) -> bool {
    kind.mime.starts_with("image/x-") && kind.mime != "image/x-icon"
}

fn of_picture<R: Read + Seek>(file: R) -> Option<(u32, u32)> {
    let found = imagesize::reader_size(BufReader::new(file)).ok()?;
    let side = |n: usize| u32::try_from(n).ok().filter(|n| *n > 0);
    Some((side(found.width)?, side(found.height)?))
}

fn of_video<R: Read + Seek>(file: R) -> Option<(u32, u32)> {
    let source = MediaSource::seekable(file).ok()?;
    if source.kind() != MediaKind::Track {
        return None;
    }
    let info = MediaParser::new().parse_track(source).ok()?;
    let side = |tag| {
        info.get(tag)
            .and_then(EntryValue::as_u32)
            .filter(|n| *n > 0)
    };
    Some((side(TrackInfoTag::Width)?, side(TrackInfoTag::Height)?))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const JPEG: Kind = Kind::photo("image/jpeg");

    #[test]
    fn the_size_of_a_picture_is_in_its_header() {
        let mut gif = Cursor::new(b"GIF89a\x02\0\x03\0\0\0\0\0\0\0".to_vec());
        assert_eq!(pixels(&mut gif, Kind::photo("image/gif")), Some((2, 3)));
    }

    #[test]
    fn what_is_not_understood_has_no_size() {
        for bytes in [
            &b""[..],
            b"\xff\xd8\xff\xe1\xff",
            b"II*\0\x08\0\0\0\xff\xff",
        ] {
            assert_eq!(pixels(&mut Cursor::new(bytes.to_vec()), JPEG), None);
            let video = Kind::video("video/mp4");
            assert_eq!(pixels(&mut Cursor::new(bytes.to_vec()), video), None);
        }
        let mut raw = Cursor::new(b"GIF89a\x02\0\x03\0\0\0\0\0\0\0".to_vec());
        assert_eq!(pixels(&mut raw, Kind::photo("image/x-nikon-nef")), None);
    }
}
