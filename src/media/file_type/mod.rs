//! What the service accepts: types of photo and video, and how large each may be.
//!
//! A scan asks [`by_name`], which needs no look into the file; the claim asks [`by_content`], which
//! has the last word: a JPEG named `.png` is sent as the JPEG that it is, and a text named `.jpg`
//! is refused here, because the service would take its bytes and refuse them only at the very end.

use std::{error::Error, ffi::OsStr, fmt, path::Path};

mod sniff;

pub use sniff::{HEAD_BYTES, NotMedia, by_content};

/// The largest photo, in bytes: 200 MB (fact sheet, section 2.3; read as 10^6, the safe reading).
pub const PHOTO_MAX_BYTES: u64 = 200_000_000;

/// The largest video, in bytes: 20 GB (fact sheet, section 2.3; read as 10^9, the safe reading).
pub const VIDEO_MAX_BYTES: u64 = 20_000_000_000;

/// Whether a type counts as a photo or as a video, which have different limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A still picture, raw formats and animations among them.
    Photo,
    /// Moving pictures.
    Video,
}

/// A type of file that the service accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// What goes into `X-Goog-Upload-Content-Type`.
    pub mime: &'static str,
    /// Whose limits apply.
    pub class: Class,
}

impl Kind {
    pub(super) const fn photo(mime: &'static str) -> Self {
        Self {
            mime,
            class: Class::Photo,
        }
    }

    pub(super) const fn video(mime: &'static str) -> Self {
        Self {
            mime,
            class: Class::Video,
        }
    }

    /// The largest size that the service accepts, in bytes.
    pub const fn max_bytes(self) -> u64 {
        match self.class {
            Class::Photo => PHOTO_MAX_BYTES,
            Class::Video => VIDEO_MAX_BYTES,
        }
    }

    /// Refuses what the service would refuse for its size: empty files and too large ones.
    pub fn check_size(self, size_bytes: u64) -> Result<(), BadSize> {
        if size_bytes == 0 {
            Err(BadSize::Empty)
        } else if size_bytes > self.max_bytes() {
            Err(BadSize::TooLarge {
                class: self.class,
                size_bytes,
            })
        } else {
            Ok(())
        }
    }
}

/// Why a file's size keeps it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadSize {
    /// There is nothing in it.
    Empty,
    /// It is over the limit of its class.
    TooLarge {
        /// Whose limit.
        class: Class,
        /// How large it is.
        size_bytes: u64,
    },
}

impl fmt::Display for BadSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLarge { class, size_bytes } => {
                let (what, limit) = match class {
                    Class::Photo => ("photos", "200 MB"),
                    Class::Video => ("videos", "20 GB"),
                };
                // Rounded up, so that a file just over the limit does not read as just at it.
                let megabytes = size_bytes.div_ceil(1_000_000);
                write!(
                    f,
                    "it has {megabytes} MB, and Google Photos takes {what} of up to {limit}"
                )
            }
        }
    }
}

impl Error for BadSize {}

/// The longest extension in the table of [`by_name`], in bytes.
const LONGEST_EXTENSION: usize = 4;

/// The type that a name promises by its extension, in upper or lower case.
///
/// The list is the fact sheet's (section 2.4). WebM is not on it.
pub fn by_name(name: &OsStr) -> Option<Kind> {
    let extension = Path::new(name).extension()?.as_encoded_bytes();
    let mut lower = [0; LONGEST_EXTENSION];
    let lower = lower.get_mut(..extension.len())?;
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    by_extension(lower)
}

fn by_extension(lower: &[u8]) -> Option<Kind> {
    Some(match lower {
        b"jpg" | b"jpeg" | b"jpe" | b"jfif" => Kind::photo("image/jpeg"),
        b"png" => Kind::photo("image/png"),
        b"gif" => Kind::photo("image/gif"),
        b"bmp" => Kind::photo("image/bmp"),
        b"webp" => Kind::photo("image/webp"),
        b"heic" => Kind::photo("image/heic"),
        // `.hif` is what Canon, Fujifilm and Sony cameras call their HEIF files.
        b"heif" | b"hif" => Kind::photo("image/heif"),
        b"avif" => Kind::photo("image/avif"),
        b"tif" | b"tiff" => Kind::photo("image/tiff"),
        b"ico" => Kind::photo("image/x-icon"),
        b"dng" => Kind::photo("image/x-adobe-dng"),
        b"cr2" => Kind::photo("image/x-canon-cr2"),
        b"cr3" => Kind::photo("image/x-canon-cr3"),
        b"nef" => Kind::photo("image/x-nikon-nef"),
        b"nrw" => Kind::photo("image/x-nikon-nrw"),
        b"arw" => Kind::photo("image/x-sony-arw"),
        b"orf" => Kind::photo("image/x-olympus-orf"),
        b"rw2" => Kind::photo("image/x-panasonic-rw2"),
        b"raf" => Kind::photo("image/x-fuji-raf"),
        b"srw" => Kind::photo("image/x-samsung-srw"),
        b"pef" => Kind::photo("image/x-pentax-pef"),
        b"mp4" => Kind::video("video/mp4"),
        b"m4v" => Kind::video("video/x-m4v"),
        b"mov" => Kind::video("video/quicktime"),
        b"avi" | b"divx" => Kind::video("video/x-msvideo"),
        b"mkv" => Kind::video("video/x-matroska"),
        b"mpg" | b"mpeg" | b"mod" | b"tod" => Kind::video("video/mpeg"),
        b"mts" | b"m2ts" | b"m2t" => Kind::video("video/mp2t"),
        b"wmv" | b"mmv" => Kind::video("video/x-ms-wmv"),
        b"asf" => Kind::video("video/x-ms-asf"),
        b"3gp" => Kind::video("video/3gpp"),
        b"3g2" => Kind::video("video/3gpp2"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn mime(name: &[u8]) -> Option<&'static str> {
        by_name(OsStr::from_bytes(name)).map(|kind| kind.mime)
    }

    #[test]
    fn extensions_count_in_any_case_and_beside_bytes_that_are_not_utf8() {
        assert_eq!(mime(b"IMG_1.JPG"), Some("image/jpeg"));
        assert_eq!(mime(b"caf\xe9\n.HeIc"), Some("image/heic"));
        assert_eq!(mime(b"a.b.m2TS"), Some("video/mp2t"));
    }

    #[test]
    fn everything_that_the_service_lists_is_known_and_nothing_else() {
        let photos = "avif bmp gif heic ico jpg png tiff webp dng cr2 cr3 nef arw orf rw2 raf";
        let videos = "3gp 3g2 asf avi divx m2t m2ts m4v mkv mmv mod mov mp4 mpg mts tod wmv";
        for (list, class) in [(photos, Class::Photo), (videos, Class::Video)] {
            for extension in list.split(' ') {
                let kind = by_name(OsStr::new(&format!("x.{extension}"))).unwrap();
                assert_eq!(kind.class, class, "{extension}");
            }
        }
        for name in [
            "a.webm",
            "a.txt",
            "a.xmp",
            "jpg",
            ".jpg",
            "a.jpg.part",
            "a.",
            "a.j\u{ff}",
        ] {
            assert_eq!(mime(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn sizes_are_held_to_the_limits_of_the_class() {
        let photo = Kind::photo("image/jpeg");
        let video = Kind::video("video/mp4");
        assert_eq!(photo.check_size(0), Err(BadSize::Empty));
        assert_eq!(photo.check_size(PHOTO_MAX_BYTES), Ok(()));
        assert_eq!(video.check_size(PHOTO_MAX_BYTES + 1), Ok(()));
        assert_eq!(
            photo
                .check_size(PHOTO_MAX_BYTES + 1)
                .unwrap_err()
                .to_string(),
            "it has 201 MB, and Google Photos takes photos of up to 200 MB"
        );
        assert!(video.check_size(VIDEO_MAX_BYTES + 1).is_err());
    }
}
