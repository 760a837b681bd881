//! The segments of a JPEG file before its picture.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use super::{BLOCK_LIMIT, Embedded, MAX_PARTS, iptc, tiff};

const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";

/// Markers (ITU T.81, table B.1): what stands alone, the picture itself, and the two application
/// segments that hold metadata.
const TEM: u8 = 0x01;
const RST0: u8 = 0xd0;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP1: u8 = 0xe1;
const APP13: u8 = 0xed;

/// Looks at the segments up to the picture.
pub(crate) fn blocks<R: Read + Seek>(file: &mut R, found: &mut Embedded) -> io::Result<()> {
    // Photoshop's resources may go on in further segments of the same kind.
    let mut resources = Vec::new();
    let ended = segments(file, found, &mut resources);
    found.iptc = iptc::in_resources(&resources);
    ended
}

fn segments<R: Read + Seek>(
    file: &mut R,
    found: &mut Embedded,
    resources: &mut Vec<u8>,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(2))?;
    for _ in 0..MAX_PARTS {
        let Some(marker) = marker(file)? else { break };
        match marker {
            TEM | RST0..=SOI => continue,
            EOI | SOS => break,
            _ => {}
        }
        let mut size = [0; 2];
        file.read_exact(&mut size)?;
        let Some(n) = u16::from_be_bytes(size).checked_sub(2) else {
            break;
        };
        if !matches!(marker, APP1 | APP13) {
            file.seek(SeekFrom::Current(i64::from(n)))?;
            continue;
        }
        let mut segment = vec![0; usize::from(n)];
        file.read_exact(&mut segment)?;
        if let Some(exif) = segment.strip_prefix(EXIF) {
            if found.exif.is_empty() {
                found.exif = tiff::tags(&mut Cursor::new(exif));
            }
        } else if let Some(xmp) = segment.strip_prefix(XMP) {
            found.xmp.get_or_insert_with(|| xmp.to_vec());
        } else if let Some(part) = segment.strip_prefix(PHOTOSHOP)
            && (resources.len() + part.len()) as u64 <= BLOCK_LIMIT
        {
            resources.extend_from_slice(part);
        }
    }
    Ok(())
}

/// The next marker; none where something else stands.
fn marker<R: Read>(file: &mut R) -> io::Result<Option<u8>> {
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    if byte != [0xff] {
        return Ok(None);
    }
    // Any number of fill bytes may stand before the marker.
    for _ in 0..MAX_PARTS {
        file.read_exact(&mut byte)?;
        if byte != [0xff] {
            let [marker] = byte;
            return Ok(Some(marker));
        }
    }
    Ok(None)
}
