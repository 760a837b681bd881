//! What cameras and programs wrote into a photo or video beside the picture: blocks of metadata, found
//! without reading the rest.
//!
//! - [`jpeg`], [`png`], [`webp`], [`bmff`] (HEIC, AVIF, MP4, MOV) — where a container keeps its blocks.
//! - [`tiff`] — the text tags of an EXIF block, or of a TIFF or raw file itself.
//! - [`xmp`] — descriptions and times of an XMP packet, embedded or in a file of its own.
//! - [`iptc`] — the caption of an IPTC record.
//!
//! Two ask: descriptions want the words, `intake::taken` the times. The content is hostile: at most
//! [`READ_LIMIT`] bytes of a file are read, at most [`BLOCK_LIMIT`] of one block, and what does not
//! parse is not there. Nothing here fails, logs or panics.

mod bmff;
pub(crate) mod iptc;
mod jpeg;
mod png;
pub(crate) mod tiff;
mod webp;
pub(crate) mod xmp;

use std::io::{self, Read, Seek, SeekFrom};

/// At most so many bytes of a file are read to find what is embedded in it.
pub(crate) const READ_LIMIT: u64 = 8 * 1024 * 1024;

/// At most so many bytes of one block are looked at, and of a sidecar: a page of text has a few
/// kilobytes, and what is larger holds previews or histories.
pub(crate) const BLOCK_LIMIT: u64 = 1024 * 1024;

/// At most so many parts of a container are walked past; real files have some dozens before the
/// picture, and a PNG some thousands.
const MAX_PARTS: usize = 16_384;

/// What was found in a file.
#[derive(Debug, Default)]
pub(crate) struct Embedded {
    /// The text tags of its EXIF data.
    pub(crate) exif: tiff::Tags,
    /// Its XMP packet.
    pub(crate) xmp: Option<Vec<u8>>,
    /// Its IPTC record.
    pub(crate) iptc: Option<Vec<u8>>,
    /// Its named texts; only PNG has such.
    pub(crate) texts: Vec<(String, String)>,
}

/// Finds what is embedded in `file`, wherever that stands.
pub(crate) fn read<R: Read + Seek>(file: &mut R) -> Embedded {
    let mut file = Bounded {
        inner: file,
        left: READ_LIMIT,
    };
    let mut found = Embedded::default();
    // What was found before something broke counts.
    let _ = blocks(&mut file, &mut found);
    found
}

fn blocks<R: Read + Seek>(file: &mut R, found: &mut Embedded) -> io::Result<()> {
    file.rewind()?;
    let mut magic = [0; 12];
    file.read_exact(&mut magic)?;
    match &magic {
        [0xff, 0xd8, ..] => jpeg::blocks(file, found),
        [0x89, b'P', b'N', b'G', ..] => png::blocks(file, found),
        [b'R', b'I', b'F', b'F', .., b'W', b'E', b'B', b'P'] => webp::blocks(file, found),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => bmff::blocks(file, found),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => {
            found.exif = tiff::tags(file);
            found.xmp = found.exif.xmp.take();
            found.iptc = found.exif.iptc.take();
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The `n` bytes of `file` from `at` on; none if they are too many to be a block, or not there.
fn block<R: Read + Seek>(file: &mut R, at: u64, n: u64) -> io::Result<Option<Vec<u8>>> {
    if n > BLOCK_LIMIT {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.take(n).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 == n).then_some(bytes))
}

/// A reader that ends after so many bytes read, wherever they were read.
#[derive(Debug)]
pub(crate) struct Bounded<R> {
    /// What is read.
    pub(crate) inner: R,
    /// Bytes that may still be read.
    pub(crate) left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = (&mut self.inner).take(self.left).read(buffer)?;
        self.left -= n as u64;
        Ok(n)
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests;
