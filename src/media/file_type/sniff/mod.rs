//! What a file is by its first bytes.
//!
//! The `file-format` crate knows what is *not* a photo or video, and most of what is. In front of
//! it stands a look of our own at the families that a fixed signature cannot tell apart: ISO media
//! files by their brands, Matroska and WebM by the document type, the raw formats that are TIFF
//! files by the extension, and transport streams, which have no signature at all, by their rhythm.

use std::{ffi::OsStr, path::Path};

use file_format::FileFormat;

use super::{Kind, by_name};

/// How many bytes from the start of a file [`by_content`] wants to see; fewer if the file is shorter.
///
/// Enough for the brands of a HEIF file and for several packets of a transport stream.
pub const HEAD_BYTES: usize = 4096;

/// Why a file is no photo or video that the service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMedia {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It is text, whatever its name says.
    #[error("it holds text, not a photo or video")]
    Text,
    /// It is of a known type that the service does not take.
    #[error("it holds another type of file ({0}), not a photo or video that Google Photos takes")]
    Other(&'static str),
    /// Its bytes are of no known type.
    #[error(
        "its content is not that of a photo or video that Google Photos takes; it may be damaged"
    )]
    Unknown,
}

/// What the file is, from its first [`HEAD_BYTES`] bytes; the name only breaks ties.
pub fn by_content(head: &[u8], name: &OsStr) -> Result<Kind, NotMedia> {
    if head.is_empty() {
        return Err(NotMedia::Empty);
    }
    let extension = lower_extension(name);
    if head.get(4..8) == Some(b"ftyp") {
        return iso_media(head, &extension);
    }
    if head.starts_with(b"\x1a\x45\xdf\xa3") {
        return matroska(head);
    }
    if head.starts_with(b"II*\0") || head.starts_with(b"MM\0*") {
        return Ok(tiff(head, &extension));
    }
    if let Some(kind) = plain_signature(head, &extension) {
        return Ok(kind);
    }
    if is_transport_stream(head) {
        return Ok(Kind::video("video/mp2t"));
    }
    let format = FileFormat::from_bytes(head);
    if let Some(kind) = known_format(format) {
        return Ok(kind);
    }
    unknown(head, format, name, &extension)
}

/// Photos and videos with a signature of their own at the start.
fn plain_signature(head: &[u8], extension: &[u8]) -> Option<Kind> {
    let riff = |form: &[u8; 4]| head.starts_with(b"RIFF") && head.get(8..12) == Some(form);
    Some(if head.starts_with(b"\xff\xd8\xff") {
        Kind::photo("image/jpeg")
    } else if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        Kind::photo("image/png")
    } else if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") {
        Kind::photo("image/gif")
    } else if riff(b"WEBP") {
        Kind::photo("image/webp")
    } else if riff(b"AVI ") {
        Kind::video("video/x-msvideo")
    } else if is_bitmap(head) {
        Kind::photo("image/bmp")
    } else if is_icon(head) {
        Kind::photo("image/x-icon")
    } else if [b"IIRO", b"IIRS", b"MMOR"]
        .iter()
        .any(|magic| head.starts_with(*magic))
    {
        Kind::photo("image/x-olympus-orf")
    } else if head.starts_with(b"IIU\0") {
        Kind::photo("image/x-panasonic-rw2")
    } else if head.starts_with(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11") {
        // The container does not say whether it calls itself ASF or WMV.
        by_extension_of(extension, &[b"asf"], Kind::video("video/x-ms-wmv"))
    } else if head.starts_with(b"\0\0\x01\xba") || head.starts_with(b"\0\0\x01\xb3") {
        Kind::video("video/mpeg")
    } else {
        return None;
    })
}

/// Bitmaps: the two letters are weak, so the size of the second header must be a known one.
fn is_bitmap(head: &[u8]) -> bool {
    head.starts_with(b"BM")
        && head
            .get(14..18)
            .is_some_and(|size| matches!(size, [12 | 16 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]))
}

/// Icons: type 1, at least one picture, and the reserved byte of the first entry is zero.
fn is_icon(head: &[u8]) -> bool {
    head.starts_with(b"\0\0\x01\0") && head.get(4..6) != Some(b"\0\0") && head.get(9) == Some(&0)
}

/// ISO base media: the brands say what it is, the generic ones by what else is in the list.
fn iso_media(head: &[u8], extension: &[u8]) -> Result<Kind, NotMedia> {
    let size = head
        .first_chunk::<4>()
        .map_or(0, |size| u32::from_be_bytes(*size) as usize);
    let brands = head
        .get(8..size.clamp(12, head.len().max(12)))
        .unwrap_or_default();
    let (major, rest) = brands.split_first_chunk::<4>().ok_or(NotMedia::Unknown)?;
    let listed = |wanted: &[&[u8; 4]]| {
        rest.get(4..)
            .unwrap_or_default()
            .chunks_exact(4)
            .any(|brand| wanted.iter().any(|wanted| brand == *wanted))
    };
    Ok(match major {
        b"avif" | b"avis" => Kind::photo("image/avif"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
            Kind::photo("image/heic")
        }
        b"avci" | b"avcs" => Kind::photo("image/heif"),
        b"mif1" | b"msf1" | b"mif2" | b"miaf" | b"heif" | b"MiHE" => {
            if listed(&[b"avif", b"avis"]) {
                Kind::photo("image/avif")
            } else if listed(&[b"heic", b"heix", b"hevc", b"hevx"]) {
                Kind::photo("image/heic")
            } else {
                Kind::photo("image/heif")
            }
        }
        b"crx " => Kind::photo("image/x-canon-cr3"),
        b"qt  " => Kind::video("video/quicktime"),
        [b'M', b'4', b'V', _] => Kind::video("video/x-m4v"),
        [b'M', b'4', b'A' | b'B' | b'P', _] | b"F4A " | b"F4B " => {
            return Err(NotMedia::Other("audio in MPEG-4"));
        }
        [b'j', b'p', ..] | b"mjp2" => return Err(NotMedia::Other("JPEG 2000")),
        b"jxl " => return Err(NotMedia::Other("JPEG XL")),
        [b'3', b'g', b'2', _] => Kind::video("video/3gpp2"),
        [b'3', b'g', ..] => Kind::video("video/3gpp"),
        _ => by_extension_of(
            extension,
            &[b"m4v", b"3gp", b"3g2"],
            Kind::video("video/mp4"),
        ),
    })
}

/// Matroska and WebM differ in the document type, a string in the header (element 0x4282).
fn matroska(head: &[u8]) -> Result<Kind, NotMedia> {
    let doc_type = head
        .windows(2)
        .position(|id| id == b"\x42\x82")
        .and_then(|at| head.get(at + 3..))
        .unwrap_or_default();
    if doc_type.starts_with(b"webm") {
        // Not on the service's list, but clients report that it is taken (fact sheet, section 2.4);
        // such a file gets this far only under another type's name.
        Ok(Kind::video("video/webm"))
    } else if doc_type.starts_with(b"matroska") {
        Ok(Kind::video("video/x-matroska"))
    } else {
        Err(NotMedia::Other("EBML data"))
    }
}

/// Most raw formats are TIFF files inside: the extension decides, then what the crate recognises.
fn tiff(head: &[u8], extension: &[u8]) -> Kind {
    let raw: &[&[u8]] = &[
        b"dng", b"nef", b"nrw", b"arw", b"pef", b"srw", b"cr2", b"tif", b"tiff",
    ];
    let otherwise = known_format(FileFormat::from_bytes(head));
    by_extension_of(
        extension,
        raw,
        otherwise.unwrap_or(Kind::photo("image/tiff")),
    )
}

/// A transport stream is told by its sync byte every 188 bytes (plain) or 192 (with a time code, as
/// camcorders write it), wherever the first one stands: a recording may begin inside a packet.
fn is_transport_stream(head: &[u8]) -> bool {
    const SYNC: u8 = 0x47;
    const IN_A_ROW: usize = 5;
    [188, 192].into_iter().any(|packet| {
        (0..packet).any(|first| (0..IN_A_ROW).all(|n| head.get(first + n * packet) == Some(&SYNC)))
    })
}

fn known_format(format: FileFormat) -> Option<Kind> {
    Some(match format {
        FileFormat::CanonRaw2 => Kind::photo("image/x-canon-cr2"),
        FileFormat::NikonElectronicFile => Kind::photo("image/x-nikon-nef"),
        FileFormat::SonyAlphaRaw => Kind::photo("image/x-sony-arw"),
        FileFormat::FujifilmRaw => Kind::photo("image/x-fuji-raf"),
        // Old QuickTime files have no `ftyp` box.
        FileFormat::AppleQuicktime => Kind::video("video/quicktime"),
        FileFormat::BdavMpeg2TransportStream => Kind::video("video/mp2t"),
        _ => return None,
    })
}

/// Neither known as media nor told by a rhythm: refused with the reason, unless its type by name is
/// one of those that have no reliable signature and nothing speaks against it.
fn unknown(
    head: &[u8],
    format: FileFormat,
    name: &OsStr,
    extension: &[u8],
) -> Result<Kind, NotMedia> {
    const WITHOUT_SIGNATURE: [&[u8]; 10] = [
        b"mpg", b"mpeg", b"mod", b"tod", b"mts", b"m2ts", b"m2t", b"mmv", b"divx", b"ico",
    ];
    if is_text(head) {
        return Err(NotMedia::Text);
    }
    match format {
        FileFormat::ArbitraryBinaryData | FileFormat::Empty => {}
        other => return Err(NotMedia::Other(static_name(other))),
    }
    if WITHOUT_SIGNATURE.contains(&extension) && head.iter().any(|byte| *byte != 0) {
        by_name(name).ok_or(NotMedia::Unknown)
    } else {
        Err(NotMedia::Unknown)
    }
}

/// The crate hands its constant names out with the lifetime of the format: a word of our own for
/// the sorts that people have among their photos.
fn static_name(format: FileFormat) -> &'static str {
    use file_format::Kind as SidecarKind;
    match format {
        FileFormat::PortableDocumentFormat => return "PDF",
        FileFormat::Zip => return "ZIP",
        FileFormat::JpegXl => return "JPEG XL",
        FileFormat::AdobePhotoshopDocument => return "Photoshop document",
        FileFormat::HypertextMarkupLanguage => return "HTML",
        _ => {}
    }
    match format.kind() {
        SidecarKind::Archive | SidecarKind::Compressed | SidecarKind::Package => "archive",
        SidecarKind::Audio => "audio",
        SidecarKind::Document
        | SidecarKind::Ebook
        | SidecarKind::Presentation
        | SidecarKind::Spreadsheet => "document",
        SidecarKind::Executable => "program",
        SidecarKind::Image => "picture of another type",
        SidecarKind::Video => "video of another type",
        SidecarKind::Database => "database",
        SidecarKind::Disk => "disk image",
        _ => "other data",
    }
}

/// Text is what has no control characters but blanks and line ends, in UTF-8 or an 8-bit code, or
/// begins with a mark of UTF-16.
fn is_text(head: &[u8]) -> bool {
    head.starts_with(b"\xff\xfe")
        || head.starts_with(b"\xfe\xff")
        || !head
            .iter()
            .any(|byte| matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f))
}

/// The kind of `extension` if it is one of the `family`, else `otherwise`.
fn by_extension_of(extension: &[u8], family: &[&[u8]], otherwise: Kind) -> Kind {
    if family.contains(&extension) {
        super::by_extension(extension).unwrap_or(otherwise)
    } else {
        otherwise
    }
}

fn lower_extension(name: &OsStr) -> Vec<u8> {
    Path::new(name)
        .extension()
        .map(|extension| extension.as_encoded_bytes().to_ascii_lowercase())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
