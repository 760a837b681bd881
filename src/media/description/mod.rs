//! Descriptions: text that a person wrote about a picture, for folders with `description = "sidecar"`.
//!
//! Asked in this order, the first text counts: an XMP file beside it, Google Takeout's JSON beside it,
//! the caption inside of it (IPTC, XMP, EXIF).
//!
//! - [`sidecars`] — which sidecars belong to a file, and how they are told apart from those of before.
//! - [`sidecar_cache`] — what stands beside files, remembered while a folder is uploaded.
//! - [`takeout`] — the JSON of Google Takeout.
//! - [`human_text`] — whether a person wrote it, and how much of it the service takes.
//!
//! The upload slot looks when it claims a file, the scan when the sidecars are not what they were, and
//! `explain` when it is asked. All of it blocks.

mod human_text;
pub(crate) mod sidecar_cache;
pub mod sidecars;
mod takeout;

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

use crate::media::container::{self, BLOCK_LIMIT, iptc, xmp};
use crate::{
    config::{self, Config},
    escape::Escaped,
    store::DescriptionSource,
};
use sidecars::{SidecarIndex, SidecarKind};

/// A description, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The text, as it is sent.
    pub text: String,
    /// Where it was found.
    pub source: Source,
}

/// Where a description was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the XMP file of this name.
    Xmp(OsString),
    /// In Google Takeout's JSON file of this name.
    Takeout(OsString),
    /// In the file, as its IPTC caption.
    Iptc,
    /// In the file, in its XMP data.
    EmbeddedXmp,
    /// In the file, in this tag of its EXIF data.
    Exif(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xmp(name) => write!(f, "the sidecar {}", Escaped::path(Path::new(name))),
            Self::Takeout(name) => {
                write!(f, "Google Takeout's {}", Escaped::path(Path::new(name)))
            }
            Self::Iptc => f.write_str("the IPTC caption inside the file"),
            Self::EmbeddedXmp => f.write_str("the XMP description inside the file"),
            Self::Exif(tag) => write!(f, "the EXIF tag {tag} inside the file"),
        }
    }
}

/// What was found about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its sidecars, as one number; 0 is none.
    pub sidecars: i64,
    /// What a person wrote.
    pub description: Option<Description>,
}

impl Found {
    /// What the store keeps of it.
    pub fn words(self) -> DescriptionSource {
        DescriptionSource {
            sidecars: self.sidecars,
            text: self.description.map(|description| description.text),
        }
    }
}

/// Whether the folder at `root` sends descriptions.
pub(crate) fn is_wanted(config: &Config, root: &Path) -> bool {
    let folder = config.folder_at(root);
    folder.is_some_and(|folder| folder.description == config::Description::Sidecar)
}

/// Looks for a description of the file at `path`, among whose neighbours are the sidecars `beside`.
pub fn find(path: &Path, beside: &SidecarIndex) -> Found {
    let (dir, name) = (
        path.parent().unwrap_or(Path::new("")),
        path.file_name().unwrap_or_default(),
    );
    // The number first: a sidecar that changes while it is read has another one by the next scan.
    let sidecars = beside.number(dir, name);
    let in_sidecar = beside.of(name).into_iter().find_map(|(sort, sidecar)| {
        let bytes = read(&dir.join(sidecar)).ok()??;
        let (text, source) = match sort {
            SidecarKind::Xmp => (
                xmp::parse(&bytes)?.description?,
                Source::Xmp(sidecar.to_owned()),
            ),
            SidecarKind::Json => (
                takeout::description(&bytes)?,
                Source::Takeout(sidecar.to_owned()),
            ),
        };
        Some(Description {
            text: human_text::by_a_person(&text, name)?,
            source,
        })
    });
    Found {
        sidecars,
        description: in_sidecar.or_else(|| in_file(path, name)),
    }
}

/// The caption inside of the file.
fn in_file(path: &Path, name: &OsStr) -> Option<Description> {
    let found = container::read(&mut open(path, OFlags::empty()).ok()?);
    let iptc = || Some((iptc::caption(found.iptc.as_deref()?)?, Source::Iptc));
    let xmp = || {
        let packet = xmp::parse(found.xmp.as_deref()?)?;
        Some((packet.description?, Source::EmbeddedXmp))
    };
    let exif = |text: &Option<String>, tag| Some((text.clone()?, Source::Exif(tag)));
    [
        iptc(),
        xmp(),
        exif(&found.exif.description, "ImageDescription"),
        exif(&found.exif.comment, "UserComment"),
        exif(&found.exif.xp_comment, "XPComment"),
    ]
    .into_iter()
    .flatten()
    .find_map(|(text, source)| {
        let text = human_text::by_a_person(&text, name)?;
        Some(Description { text, source })
    })
}

/// Opens a file; should it be a pipe, this does not wait for a writer.
fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NONBLOCK;
    File::options()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(path)
}

/// A sidecar's bytes; none if it is too large to be one, or no file. A link could lead anywhere.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = open(path, OFlags::NOFOLLOW)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > BLOCK_LIMIT {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(BLOCK_LIMIT).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
