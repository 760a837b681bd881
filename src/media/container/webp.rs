//! The chunks of a WebP file (RFC 9649, section 2.7).

use std::io::{self, Cursor, Read, Seek};

use super::{Embedded, MAX_PARTS, block, tiff};

/// Looks at all chunks: metadata stands behind the picture.
pub(crate) fn blocks<R: Read + Seek>(file: &mut R, found: &mut Embedded) -> io::Result<()> {
    let mut at = 12;
    for _ in 0..MAX_PARTS {
        let Some(head) = block(file, at, 8)? else {
            break;
        };
        let Some((kind, size)) = head.split_last_chunk::<4>() else {
            break;
        };
        let size = u64::from(u32::from_le_bytes(*size));
        match kind {
            b"EXIF" => {
                if let Some(data) = block(file, at + 8, size)? {
                    // Some programs keep the head that it has in a JPEG.
                    let data = data.strip_prefix(b"Exif\0\0").unwrap_or(&data);
                    found.exif = tiff::tags(&mut Cursor::new(data));
                }
            }
            b"XMP " => found.xmp = block(file, at + 8, size)?,
            _ => {}
        }
        // Chunks begin at even places.
        at += 8 + size + size % 2;
    }
    Ok(())
}
