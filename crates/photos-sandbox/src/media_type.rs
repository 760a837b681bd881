//! The media type of uploaded bytes, by their content alone, as the service does (fact sheet, 2.4).
//!
//! Only the listed types are accepted. The check looks at signatures: a file that begins like a JPEG is
//! one.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use file_format::FileFormat;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use nom_exif::{EntryValue, ExifTag, MediaKind, MediaParser, MediaSource, TrackInfoTag};
use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// Bytes from the start that are examined: enough for the frame header of a JPEG after its EXIF block
/// and thumbnail.
const HEAD: usize = 128 << 10;

/// Formats whose dimensions are read from the header.
const DIMENSIONED: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/bmp",
    "image/webp",
    "image/heic",
    "image/heif",
    "image/avif",
];

/// QuickTime's zero, which means that the camera had no clock: 1904-01-01.
const BEFORE_QUICKTIME: Millis = -2_082_758_400_000;

/// A known photo or video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Media {
    pub(crate) mime: String,
    pub(crate) is_video: bool,
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
    /// When it was taken, if the file says so.
    pub(crate) taken: Option<Millis>,
    pub(crate) camera: Option<(String, String)>,
}

/// Recognises the file at `path`; none if the service does not accept its type.
pub(crate) fn read_media(path: &Path) -> io::Result<Option<Media>> {
    let mut head = Vec::with_capacity(HEAD);
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(recognise(&head).map(|mut media| {
        if holds_metadata(&head, &media.mime) {
            read_metadata(path, &mut media);
        }
        media
    }))
}

/// Recognises a file by its first bytes.
pub(crate) fn recognise(head: &[u8]) -> Option<Media> {
    let mime = mime(head)?;
    let (width, height) = dimensions(head, mime).unzip();
    Some(Media {
        mime: mime.to_owned(),
        is_video: mime.starts_with("video/"),
        width,
        height,
        taken: None,
        camera: None,
    })
}

fn mime(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, text: &[u8]| {
        head.get(offset..offset + text.len())
            .is_some_and(|part| part == text)
    };
    Some(match head {
        _ if at(0, b"\xff\xd8\xff") => "image/jpeg",
        _ if at(0, b"\x89PNG\r\n\x1a\n") => "image/png",
        _ if at(0, b"GIF87a") || at(0, b"GIF89a") => "image/gif",
        _ if at(0, b"RIFF") && at(8, b"WEBP") => "image/webp",
        _ if at(0, b"RIFF") && at(8, b"AVI ") => "video/x-msvideo",
        _ if at(0, b"BM") && at(6, &[0; 4]) => "image/bmp",
        _ if at(0, &[0, 0, 1, 0]) && !at(4, &[0, 0]) => "image/x-icon",
        _ if at(4, b"ftyp") => return iso_brand(head),
        _ if ["moov", "mdat", "wide", "free", "skip", "pnot"]
            .iter()
            .any(|atom| at(4, atom.as_bytes())) =>
        {
            "video/quicktime"
        }
        _ if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) => {
            let is_webm = head
                .get(..64.min(head.len()))
                .is_some_and(|start| start.windows(4).any(|part| part == b"webm"));
            if is_webm {
                "video/webm"
            } else {
                "video/x-matroska"
            }
        }
        _ if at(0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11") => "video/x-ms-wmv",
        _ if at(0, &[0, 0, 1, 0xba]) || at(0, &[0, 0, 1, 0xb3]) => "video/mpeg",
        _ if at(0, b"\x47") && at(188, b"\x47") => "video/mp2t",
        _ if at(4, b"\x47") && at(196, b"\x47") => "video/mp2t",
        _ if at(0, b"FUJIFILMCCD-RAW") => "image/x-fuji-raf",
        _ if at(0, b"IIRO") || at(0, b"IIRS") || at(0, b"MMOR") => "image/x-olympus-orf",
        _ if at(0, b"IIU\0") => "image/x-panasonic-rw2",
        _ if at(0, b"II*\0") || at(0, b"MM\0*") => raw_or_tiff(head),
        _ => return None,
    })
}

/// The major and the compatible brands of an ISO media file.
fn iso_brand(head: &[u8]) -> Option<&'static str> {
    let size = u32::from_be_bytes(head.get(..4)?.try_into().ok()?) as usize;
    let end = size.clamp(12, 256).min(head.len());
    let major = head.get(8..12)?;
    let brands: Vec<&[u8]> = std::iter::once(major)
        .chain(head.get(16..end).unwrap_or(&[]).chunks_exact(4))
        .collect();
    let has = |names: &[&[u8; 4]]| {
        brands
            .iter()
            .any(|brand| names.iter().any(|name| name == brand))
    };
    Some(match major {
        b"crx " => "image/x-canon-cr3",
        b"qt  " => "video/quicktime",
        b"M4V " | b"M4VH" | b"M4VP" => "video/x-m4v",
        // Sound only: no media item.
        b"M4A " | b"M4B " | b"M4P " | b"aax " => return None,
        _ if major.starts_with(b"3g2") => "video/3gpp2",
        _ if major.starts_with(b"3gp") || major.starts_with(b"3ge") => "video/3gpp",
        _ if has(&[b"avif", b"avis"]) => "image/avif",
        _ if has(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"]) => "image/heic",
        _ if has(&[b"mif1", b"msf1"]) => "image/heif",
        _ => "video/mp4",
    })
}

/// RAW files of many makers are TIFF files; all others are plain TIFF.
fn raw_or_tiff(head: &[u8]) -> &'static str {
    match FileFormat::from_bytes(head) {
        FileFormat::CanonRaw2 => "image/x-canon-cr2",
        FileFormat::NikonElectronicFile => "image/x-nikon-nef",
        FileFormat::SonyAlphaRaw => "image/x-sony-arw",
        FileFormat::OlympusRawFormat => "image/x-olympus-orf",
        FileFormat::PanasonicRaw => "image/x-panasonic-rw2",
        _ => "image/tiff",
    }
}

/// Width and height in pixels, of formats whose header tells them.
fn dimensions(head: &[u8], mime: &str) -> Option<(u32, u32)> {
    if !DIMENSIONED.contains(&mime) {
        return None;
    }
    let size = imagesize::blob_size(head).ok()?;
    Some((size.width.try_into().ok()?, size.height.try_into().ok()?))
}

/// Whether the file can have metadata, so that it is opened again for date and camera.
fn holds_metadata(head: &[u8], mime: &str) -> bool {
    match mime {
        "image/jpeg" | "image/png" | "image/webp" => head
            .windows(4)
            .any(|part| part == b"Exif" || part == b"eXIf"),
        "image/heic" | "image/heif" | "image/avif" | "image/tiff" | "video/mp4"
        | "video/quicktime" | "video/x-m4v" | "video/3gpp" | "video/3gpp2" => true,
        _ => mime.starts_with("image/x-") && mime != "image/x-icon",
    }
}

/// Adds date, camera and dimensions from the file's metadata, if it has any.
fn read_metadata(path: &Path, media: &mut Media) {
    let mut parser = MediaParser::new();
    let Ok(source) = MediaSource::open(path) else {
        return;
    };
    if source.kind() == MediaKind::Track {
        if let Ok(track) = parser.parse_track(source) {
            media.taken = track.get(TrackInfoTag::CreateDate).and_then(instant);
            let text = |tag| track.get(tag).and_then(EntryValue::as_str);
            media.camera = camera(text(TrackInfoTag::Make), text(TrackInfoTag::Model));
            let pixels = |tag| track.get(tag).and_then(EntryValue::as_u32);
            media.width = pixels(TrackInfoTag::Width);
            media.height = pixels(TrackInfoTag::Height);
        }
    } else if let Ok(entries) = parser.parse_exif(source) {
        let exif: nom_exif::Exif = entries.into();
        media.taken = [ExifTag::DateTimeOriginal, ExifTag::CreateDate]
            .into_iter()
            .find_map(|tag| exif.get(tag).and_then(instant));
        let text = |tag| exif.get(tag).and_then(EntryValue::as_str);
        media.camera = camera(text(ExifTag::Make), text(ExifTag::Model));
    }
}

fn camera(make: Option<&str>, model: Option<&str>) -> Option<(String, String)> {
    let clean = |text: Option<&str>| text.unwrap_or("").trim_matches(['\0', ' ']).to_owned();
    let (make, model) = (clean(make), clean(model));
    (!make.is_empty() || !model.is_empty()).then_some((make, model))
}

/// A time without a zone is read as UTC.
fn instant(value: &EntryValue) -> Option<Millis> {
    let text = value.to_string();
    let millis = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| {
            let local: DateTime = text.replacen(' ', "T", 1).parse().ok()?;
            Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
        })?
        .as_millisecond();
    (millis > BEFORE_QUICKTIME + 86_400_000).then_some(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_are_recognised_by_their_first_bytes() {
        let is = |head: &[u8]| recognise(head).map(|media| media.mime);
        assert_eq!(is(b"\xff\xd8\xff\xe0rest").as_deref(), Some("image/jpeg"));
        assert_eq!(
            is(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom").as_deref(),
            Some("video/mp4")
        );
        assert_eq!(
            is(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif").as_deref(),
            Some("image/avif")
        );
        assert_eq!(
            is(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").as_deref(),
            Some("image/heic")
        );
        assert_eq!(is(b"\0\0\0\x18ftypM4A \0\0\0\0M4A isom"), None);
        assert_eq!(is(b"II*\0\x08\0\0\0\0\0").as_deref(), Some("image/tiff"));
        assert_eq!(is(b"#!/bin/sh\n"), None);
        assert_eq!(is(b"<x:xmpmeta"), None);
        assert_eq!(is(b""), None);
    }

    #[test]
    fn sizes_of_pictures_are_read_from_their_headers() {
        let mut jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
        jpeg.extend(b"\xff\xc0\0\x11\x08\x0b\xd0\x0f\xc0\x03");
        let media = recognise(&jpeg).unwrap();
        assert_eq!((media.width, media.height), (Some(4032), Some(3024)));
        let media = recognise(b"GIF89a\x02\0\x03\0\0\0\0\0\0\0").unwrap();
        assert_eq!((media.width, media.height), (Some(2), Some(3)));
        assert_eq!(recognise(b"\xff\xd8\xff\xe0\xff\xff").unwrap().width, None);
        let webp = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x27\0\0\x1d\0\0";
        let media = recognise(webp).unwrap();
        assert_eq!((media.width, media.height), (Some(40), Some(30)));
    }

    /// A JPEG whose EXIF block names a camera and a time without a zone.
    fn jpeg_with_exif() -> Vec<u8> {
        let mut tiff = b"MM\0*\0\0\0\x08".to_vec();
        let entry = |tag: u16, kind: u16, count: u32, value: u32| {
            let mut bytes = tag.to_be_bytes().to_vec();
            bytes.extend(kind.to_be_bytes());
            bytes.extend(count.to_be_bytes());
            bytes.extend(value.to_be_bytes());
            bytes
        };
        // First directory at 8: make, and where the EXIF directory is; then that one, at 38.
        tiff.extend(2_u16.to_be_bytes());
        tiff.extend(entry(0x010f, 2, 4, u32::from_be_bytes(*b"Ace\0")));
        tiff.extend(entry(0x8769, 4, 1, 38));
        tiff.extend(0_u32.to_be_bytes());
        tiff.extend(1_u16.to_be_bytes());
        tiff.extend(entry(0x9003, 2, 20, 56));
        tiff.extend(0_u32.to_be_bytes());
        tiff.extend(b"2024:05:01 10:00:00\0");
        let mut jpeg = b"\xff\xd8\xff\xe1".to_vec();
        jpeg.extend(u16::try_from(tiff.len() + 8).unwrap().to_be_bytes());
        jpeg.extend(b"Exif\0\0");
        jpeg.extend(tiff);
        jpeg.extend(b"\xff\xc0\0\x11\x08\0\x1e\0\x28\x03\x01\x11\0\x02\x11\x01\x03\x11\x01");
        jpeg.extend(b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0");
        jpeg.extend([0; 128]);
        jpeg.extend(b"\xff\xd9");
        jpeg
    }

    #[test]
    fn the_time_and_the_camera_come_from_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), jpeg_with_exif()).unwrap();
        let media = read_media(file.path()).unwrap().unwrap();
        assert_eq!(media.width, Some(40));
        assert_eq!(media.camera, Some(("Ace".to_owned(), String::new())));
        assert_eq!(
            media.taken.map(crate::clock::rfc3339).as_deref(),
            Some("2024-05-01T10:00:00Z")
        );
    }
}
