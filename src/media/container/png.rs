//! The chunks of a PNG file, which may stand before or behind the picture.

use std::io::{self, Cursor, Read, Seek};

use flate2::read::ZlibDecoder;

use super::{BLOCK_LIMIT, Embedded, MAX_PARTS, block, tiff};

/// The keyword under which an XMP packet stands (XMP specification, part 3, 1.1.5).
const XMP: &str = "XML:com.adobe.xmp";

/// At most so many named texts are kept.
const MAX_TEXTS: usize = 64;

/// Looks at all chunks.
pub(crate) fn blocks<R: Read + Seek>(file: &mut R, found: &mut Embedded) -> io::Result<()> {
    let mut at = 8;
    for _ in 0..MAX_PARTS {
        let Some(head) = block(file, at, 8)? else {
            break;
        };
        let Some((size, kind)) = head.split_first_chunk::<4>() else {
            break;
        };
        let size = u64::from(u32::from_be_bytes(*size));
        let is_text = matches!(kind, b"tEXt" | b"zTXt" | b"iTXt");
        if kind == b"IEND" {
            break;
        }
        if (kind == b"eXIf" || is_text)
            && let Some(data) = block(file, at + 8, size)?
        {
            if !is_text {
                found.exif = tiff::tags(&mut Cursor::new(&data));
            } else if let Some((keyword, text)) = text(kind, &data) {
                if keyword == XMP {
                    found.xmp.get_or_insert(text.into_bytes());
                } else if found.texts.len() < MAX_TEXTS {
                    found.texts.push((keyword, text));
                }
            }
        }
        at += 12 + size;
    }
    Ok(())
}

/// Keyword and text of a text chunk (PNG specification, 11.3.3).
fn text(kind: &[u8], data: &[u8]) -> Option<(String, String)> {
    let (keyword, rest) = split(data)?;
    let keyword = latin1(keyword);
    let text = match kind {
        b"tEXt" => latin1(rest),
        b"zTXt" => latin1(&inflated(rest.strip_prefix(&[0])?)?),
        _ => {
            let (flags, rest) = rest.split_first_chunk::<2>()?;
            let (_language, rest) = split(rest)?;
            let (_translated, rest) = split(rest)?;
            match flags {
                [0, _] => String::from_utf8(rest.to_vec()).ok()?,
                [1, 0] => String::from_utf8(inflated(rest)?).ok()?,
                _ => return None,
            }
        }
    };
    Some((keyword, text))
}

/// What stands before the first zero, and what behind it.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = data.iter().position(|byte| *byte == 0)?;
    Some((data.get(..at)?, data.get(at + 1..)?))
}

/// The text, if it is no bomb.
fn inflated(data: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut decoder = ZlibDecoder::new(data).take(BLOCK_LIMIT + 1);
    decoder.read_to_end(&mut text).ok()?;
    (text.len() as u64 <= BLOCK_LIMIT).then_some(text)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
