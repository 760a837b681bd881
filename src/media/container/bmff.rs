//! The boxes of an ISO base media file: the items of a HEIC or AVIF picture, the XMP box of a video.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use super::{BLOCK_LIMIT, Embedded, block, tiff};

/// The box in which videos carry XMP (XMP specification, part 3, 1.2.6.4).
const XMP_UUID: [u8; 16] = [
    0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8, 0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac,
];

/// At most so many boxes of one level are looked at.
const MAX_BOXES: usize = 1_024;

/// At most so many pieces make up one item.
const MAX_EXTENTS: usize = 64;

/// Looks at the boxes of the file.
pub(crate) fn blocks<R: Read + Seek>(file: &mut R, found: &mut Embedded) -> io::Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    for _ in 0..MAX_BOXES {
        let Some((kind, start, next)) = head(file, at, end)? else {
            break;
        };
        match &kind {
            b"meta" => {
                if let Some(meta) = block(file, start, next - start)? {
                    items(file, &meta, found)?;
                }
            }
            // QuickTime files keep it among the user's data.
            b"moov" => {
                if let Some(user) = inside(file, *b"udta", start, next)?
                    && let Some((start, next)) = inside(file, *b"XMP_", user.0, user.1)?
                {
                    found.xmp = block(file, start, next - start)?;
                }
            }
            b"uuid" if block(file, start, 16)?.as_deref() == Some(&XMP_UUID) => {
                found.xmp = block(file, start + 16, next.saturating_sub(start + 16))?;
            }
            _ => {}
        }
        at = next;
    }
    Ok(())
}

/// Where the content of the first box `wanted` between `at` and `end` begins and ends.
fn inside<R: Read + Seek>(
    file: &mut R,
    wanted: [u8; 4],
    mut at: u64,
    end: u64,
) -> io::Result<Option<(u64, u64)>> {
    for _ in 0..MAX_BOXES {
        match head(file, at, end)? {
            Some((kind, start, next)) if kind == wanted => return Ok(Some((start, next))),
            Some((_, _, next)) if next > at => at = next,
            _ => break,
        }
    }
    Ok(None)
}

/// Kind of the box at `at`, where its content begins, and where the next box does.
fn head<R: Read + Seek>(
    file: &mut R,
    at: u64,
    end: u64,
) -> io::Result<Option<([u8; 4], u64, u64)>> {
    let Some(bytes) = block(file, at, 8)? else {
        return Ok(None);
    };
    let mut bytes = Bytes(&bytes);
    let (Some(size), Some(kind)) = (bytes.number(4), bytes.array()) else {
        return Ok(None);
    };
    let (size, header) = match size {
        // To the end of the file.
        0 => (end.saturating_sub(at), 8),
        1 => match block(file, at + 8, 8)?.and_then(|long| Bytes(&long).number(8)) {
            Some(long) => (long, 16),
            None => return Ok(None),
        },
        size => (size, 8),
    };
    let next = at
        .checked_add(size)
        .filter(|next| size >= header && *next <= end);
    Ok(next.map(|next| (kind, at + header, next)))
}

/// Reads the items that hold metadata (ISO/IEC 14496-12, 8.11).
fn items<R: Read + Seek>(file: &mut R, meta: &[u8], found: &mut Embedded) -> io::Result<()> {
    // Version and flags stand before the boxes.
    let boxes: Vec<_> = Boxes(Bytes(meta.get(4..).unwrap_or_default()))
        .take(MAX_BOXES)
        .collect();
    let content = |kind: &[u8; 4]| {
        boxes
            .iter()
            .find(|(name, _)| name == kind)
            .map(|(_, of)| *of)
    };
    let (Some(infos), Some(locations)) = (content(b"iinf"), content(b"iloc")) else {
        return Ok(());
    };
    let Some((exif, xmp)) = sought(infos) else {
        return Ok(());
    };
    let data = content(b"idat").unwrap_or_default();
    if let Some(bytes) = item(file, locations, data, exif)?
        // The place of the TIFF structure, counted from behind this number.
        && let Some((skip, rest)) = bytes.split_first_chunk()
        && let Some(tiff) = rest.get(u32::from_be_bytes(*skip) as usize..)
    {
        found.exif = tiff::tags(&mut Cursor::new(tiff));
    }
    found.xmp = item(file, locations, data, xmp)?;
    Ok(())
}

/// The numbers of the items with EXIF data and with XMP.
fn sought(infos: &[u8]) -> Option<(Option<u64>, Option<u64>)> {
    let mut infos = Bytes(infos);
    let version = infos.number(4)? >> 24;
    infos.number(if version == 0 { 2 } else { 4 })?;
    let (mut exif, mut xmp) = (None, None);
    for (kind, content) in Boxes(infos).take(MAX_BOXES) {
        let mut info = Bytes(content);
        let Some(version) = info.number(4).map(|version| version >> 24) else {
            continue;
        };
        if &kind != b"infe" || version < 2 {
            continue;
        }
        let number = info.number(if version == 2 { 2 } else { 4 });
        // How it is protected comes between its number and its kind.
        let (Some(number), Some(_), Some(kind)) = (number, info.number(2), info.array()) else {
            continue;
        };
        match &kind {
            b"Exif" => exif = exif.or(Some(number)),
            b"mime" => {
                // Behind its name.
                let of_type = info.0.split(|byte| *byte == 0).nth(1);
                if of_type == Some(b"application/rdf+xml") {
                    xmp = xmp.or(Some(number));
                }
            }
            _ => {}
        }
    }
    Some((exif, xmp))
}

/// The bytes of the item `number`, which may stand in pieces in the file or in the `idat` box.
fn item<R: Read + Seek>(
    file: &mut R,
    locations: &[u8],
    data: &[u8],
    number: Option<u64>,
) -> io::Result<Option<Vec<u8>>> {
    let Some(place) = number.and_then(|number| place(locations, number)) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    for (at, n) in place.extents {
        if n > BLOCK_LIMIT || bytes.len() as u64 + n > BLOCK_LIMIT {
            return Ok(None);
        }
        let piece = match place.method {
            0 => block(file, at, n)?,
            1 => piece(data, at, n),
            _ => None,
        };
        match piece {
            Some(piece) => bytes.extend(piece),
            None => return Ok(None),
        }
    }
    Ok((!bytes.is_empty()).then_some(bytes))
}

fn piece(data: &[u8], at: u64, n: u64) -> Option<Vec<u8>> {
    let (at, end) = (
        usize::try_from(at).ok()?,
        usize::try_from(at.checked_add(n)?).ok()?,
    );
    data.get(at..end).map(<[u8]>::to_vec)
}

/// Where an item stands.
struct Place {
    /// 0: in the file, 1: in the `idat` box.
    method: u64,
    /// Begin and length of each piece.
    extents: Vec<(u64, u64)>,
}

fn place(locations: &[u8], wanted: u64) -> Option<Place> {
    let mut bytes = Bytes(locations);
    let version = bytes.number(4)? >> 24;
    let sizes = bytes.number(2)?;
    let width = |shift: u32| (sizes >> shift & 0xf) as usize;
    let (offset, length, base) = (width(12), width(8), width(4));
    let index = if version == 0 { 0 } else { width(0) };
    let id = if version < 2 { 2 } else { 4 };
    let n = bytes.number(id)?;
    for _ in 0..n.min(MAX_BOXES as u64 * 16) {
        let number = bytes.number(id)?;
        let method = if version == 0 {
            0
        } else {
            bytes.number(2)? & 0xf
        };
        let _elsewhere = bytes.number(2)?;
        let base = bytes.number(base)?;
        let n_extents = bytes.number(2)?;
        let mut extents = Vec::new();
        for _ in 0..n_extents {
            bytes.number(index)?;
            let at = base.checked_add(bytes.number(offset)?)?;
            let extent = (at, bytes.number(length)?);
            if number == wanted && extents.len() < MAX_EXTENTS {
                extents.push(extent);
            }
        }
        if number == wanted {
            return Some(Place { method, extents });
        }
    }
    None
}

/// Bytes that are taken from the front.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of so many bytes, at most eight; of none it is zero.
    fn number(&mut self, n_bytes: usize) -> Option<u64> {
        let taken = self.take(n_bytes)?;
        (n_bytes <= 8).then(|| {
            taken
                .iter()
                .fold(0, |number, byte| number << 8 | u64::from(*byte))
        })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

/// The boxes in a box that is in memory.
struct Boxes<'a>(Bytes<'a>);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let size = usize::try_from(self.0.number(4)?).ok()?;
        let kind = self.0.array()?;
        let content = self.0.take(size.checked_sub(8)?)?;
        Some((kind, content))
    }
}
