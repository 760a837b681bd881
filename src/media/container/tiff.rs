//! The tags of a TIFF structure in which a person's words may stand: of an EXIF block, or of a TIFF or
//! raw file. Times are read by the parser library; that one gives up text that is not UTF-8.

use std::io::{self, Read, Seek};

use super::{BLOCK_LIMIT, block};

/// Tags (EXIF 2.32, section 4.6; XPComment is Microsoft's; IPTC and XMP as Adobe writes them).
const IMAGE_DESCRIPTION: u16 = 0x010e;
const XMP: u16 = 0x02bc;
const IPTC: u16 = 0x83bb;
const EXIF_IFD: u16 = 0x8769;
const USER_COMMENT: u16 = 0x9286;
const XP_COMMENT: u16 = 0x9c9c;

/// At most so many entries of a directory are looked at.
const MAX_ENTRIES: u64 = 1_024;

/// What the tags hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    /// `ImageDescription`.
    pub(crate) description: Option<String>,
    /// `UserComment`.
    pub(crate) comment: Option<String>,
    /// `XPComment`.
    pub(crate) xp_comment: Option<String>,
    pub(crate) xmp: Option<Vec<u8>>,
    pub(crate) iptc: Option<Vec<u8>>,
}

impl Tags {
    /// Whether nothing was found.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The tags of the TIFF structure that begins where `file` does.
pub(crate) fn tags<R: Read + Seek>(file: &mut R) -> Tags {
    let mut tags = Tags::default();
    // What was found before something broke counts.
    let _ = read(file, &mut tags);
    tags
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }
}

fn read<R: Read + Seek>(file: &mut R, tags: &mut Tags) -> io::Result<()> {
    let Some(head) = block(file, 0, 8)? else {
        return Ok(());
    };
    let order = match head.get(..4) {
        Some([b'I', b'I', 42, 0]) => Order::Little,
        Some([b'M', b'M', 0, 42]) => Order::Big,
        _ => return Ok(()),
    };
    let Some(first) = head.last_chunk::<4>() else {
        return Ok(());
    };
    let first = u64::from(order.u32(*first));
    if let Some(exif) = directory(file, order, first, tags)? {
        directory(file, order, exif, tags)?;
    }
    Ok(())
}

/// Reads the directory at `at`; gives where the EXIF directory is, if it says so.
fn directory<R: Read + Seek>(
    file: &mut R,
    order: Order,
    at: u64,
    tags: &mut Tags,
) -> io::Result<Option<u64>> {
    let Some(n) = block(file, at, 2)?.and_then(|n| n.first_chunk().copied()) else {
        return Ok(None);
    };
    let n = u64::from(order.u16(n)).min(MAX_ENTRIES);
    let Some(entries) = block(file, at + 2, n * 12)? else {
        return Ok(None);
    };
    let mut exif = None;
    for entry in entries.chunks_exact(12) {
        let &[t0, t1, k0, k1, n0, n1, n2, n3, v0, v1, v2, v3] = entry else {
            continue;
        };
        let tag = order.u16([t0, t1]);
        let value = [v0, v1, v2, v3];
        if tag == EXIF_IFD {
            exif = Some(u64::from(order.u32(value)));
            continue;
        }
        if !matches!(
            tag,
            IMAGE_DESCRIPTION | USER_COMMENT | XP_COMMENT | XMP | IPTC
        ) {
            continue;
        }
        // BYTE, ASCII, UNDEFINED; IPTC is often written as LONG.
        let width = match order.u16([k0, k1]) {
            1 | 2 | 7 => 1,
            4 => 4,
            _ => continue,
        };
        let n_bytes = u64::from(order.u32([n0, n1, n2, n3])) * width;
        let bytes = if n_bytes <= 4 {
            Some(
                value
                    .iter()
                    .copied()
                    .take(usize::try_from(n_bytes).unwrap_or(4))
                    .collect(),
            )
        } else if n_bytes <= BLOCK_LIMIT {
            block(file, u64::from(order.u32(value)), n_bytes)?
        } else {
            None
        };
        let Some(bytes) = bytes else { continue };
        match tag {
            IMAGE_DESCRIPTION => tags.description = Some(plain(&bytes)),
            USER_COMMENT => tags.comment = comment(&bytes, order),
            XP_COMMENT => tags.xp_comment = Some(utf16(&bytes, Order::Little)),
            XMP => tags.xmp = Some(bytes),
            _ => tags.iptc = Some(bytes),
        }
    }
    Ok(exif)
}

/// Text of no declared encoding, up to its first zero: ASCII by the standard, UTF-8 by most
/// programs, Latin-1 by the older ones.
fn plain(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    super::iptc::decoded(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default())
}

/// A comment, whose first eight bytes name its encoding (EXIF 2.32, table 9).
fn comment(bytes: &[u8], order: Order) -> Option<String> {
    let (encoding, text) = bytes.split_first_chunk::<8>()?;
    match encoding {
        b"UNICODE\0" => Some(utf16(text, order)),
        // JIS X 0208 is a table of its own, and cameras do not write it.
        [b'J', b'I', b'S', ..] => None,
        _ => Some(plain(text)),
    }
}

/// UTF-16 up to its first zero; a byte order mark wins over `order`.
fn utf16(bytes: &[u8], order: Order) -> String {
    let (order, bytes) = match bytes {
        [0xff, 0xfe, rest @ ..] => (Order::Little, rest),
        [0xfe, 0xff, rest @ ..] => (Order::Big, rest),
        _ => (order, bytes),
    };
    let units = bytes.chunks_exact(2).map_while(|pair| match pair {
        &[a, b] => Some(order.u16([a, b])).filter(|unit| *unit != 0),
        _ => None,
    });
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
