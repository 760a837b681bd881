//! The caption of an IPTC record (IIM version 4), and where Photoshop keeps the record in a JPEG.

/// The resource that holds the IPTC record (Photoshop file formats, image resource 0x0404).
const IPTC: [u8; 2] = [0x04, 0x04];

/// Datasets of IIM: the encoding (1:90) and Caption/Abstract (2:120).
const CODED_CHARACTER_SET: (u8, u8) = (1, 90);
const CAPTION: (u8, u8) = (2, 120);

/// The IPTC record among Photoshop's image resources.
pub(crate) fn in_resources(mut bytes: &[u8]) -> Option<Vec<u8>> {
    while let Some(rest) = bytes.strip_prefix(b"8BIM") {
        let (id, rest) = rest.split_first_chunk::<2>()?;
        // A name with its length before it, together of even length.
        let name = 1 + usize::from(*rest.first()?);
        let rest = rest.get(name + name % 2..)?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let size = u32::from_be_bytes(*size) as usize;
        let content = rest.get(..size)?;
        if *id == IPTC {
            return Some(content.to_vec());
        }
        bytes = rest.get(size.checked_add(size % 2)?..)?;
    }
    None
}

/// The caption of the record.
pub(crate) fn caption(mut bytes: &[u8]) -> Option<String> {
    let mut is_utf8 = false;
    while let Some(&[0x1c, record, dataset, size_high, size_low]) = bytes.first_chunk::<5>() {
        // A size with the high bit set says how many bytes the size has; no caption needs that.
        let size = u16::from_be_bytes([size_high, size_low]);
        if size & 0x8000 != 0 {
            return None;
        }
        let size = usize::from(size);
        let value = bytes.get(5..5 + size)?;
        match (record, dataset) {
            CODED_CHARACTER_SET => is_utf8 = value == b"\x1b%G",
            CAPTION if is_utf8 => return Some(String::from_utf8_lossy(value).into_owned()),
            CAPTION => return Some(decoded(value)),
            _ => {}
        }
        bytes = bytes.get(5 + size..)?;
    }
    None
}

/// Text of no declared encoding: UTF-8 if it is that, else Latin-1, in which every byte is a letter.
pub(crate) fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}
