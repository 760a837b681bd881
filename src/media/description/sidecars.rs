//! Which sidecars belong to a file.
//!
//! XMP: `photo.jpg.xmp` (darktable, digiKam), then `photo.xmp` (Lightroom). Google Takeout: the name of
//! the picture and `.json`, or since 2024 `.supplemental-metadata.json`; what is longer than
//! [`TAKEOUT_CHARS`] before `.json` is cut there. Of equal names the second picture is `photo(1).jpg`
//! and its file `photo.jpg(1).json`; an edited picture, `photo-edited.jpg`, shares the original's.
//!
//! The end of a sidecar's name may be written in capitals; the rest must be that of the picture.
//! Links are no sidecars.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
};

use jiff::Timestamp;

/// Takeout's names have at most so many characters before `.json` (observed in exports of 2018 to
/// 2025; nothing is documented).
const TAKEOUT_CHARS: usize = 46;

/// What Takeout puts between the picture's name and `.json` since 2024.
const SUPPLEMENT: &str = ".supplemental-metadata";

/// What Takeout puts behind the name of an edited picture, by the language of the account.
const EDITED: &[&str] = &[
    "-edited",
    "-bearbeitet",
    "-modifié",
    "-editado",
    "-editada",
    "-ha editado",
    "-modificato",
    "-bewerkt",
    "-edytowane",
    "-redigerad",
    "-redigeret",
    "-redigert",
    "-muokattu",
    "-upraveno",
    "-編集済み",
];

/// What a sidecar is by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SidecarKind {
    /// XMP.
    Xmp,
    /// Google Takeout's JSON, perhaps.
    Json,
}

/// What a file is by its name, if it may be a sidecar.
pub fn sort(name: &OsStr) -> Option<SidecarKind> {
    stem(name).map(|(sort, _)| sort)
}

fn stem(name: &OsStr) -> Option<(SidecarKind, &[u8])> {
    let name = name.as_bytes();
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    let (stem, end) = name.split_at_checked(dot)?;
    let sort = match end {
        end if end.eq_ignore_ascii_case(b".xmp") => SidecarKind::Xmp,
        end if end.eq_ignore_ascii_case(b".json") => SidecarKind::Json,
        _ => return None,
    };
    (!stem.is_empty()).then_some((sort, stem))
}

/// The sidecars of one directory, by name.
#[derive(Debug, Default)]
pub struct SidecarIndex(HashMap<(SidecarKind, Vec<u8>), OsString>);

impl SidecarIndex {
    /// The sidecars among `names`.
    pub fn new(names: impl IntoIterator<Item = OsString>) -> Self {
        let mut by_stem: HashMap<(SidecarKind, Vec<u8>), OsString> = HashMap::new();
        for name in names {
            let Some((sort, stem)) = stem(&name) else {
                continue;
            };
            let key = (sort, stem.to_owned());
            // `a.xmp` and `a.XMP`: always the same one of them.
            match by_stem.get(&key) {
                Some(known) if *known <= name => {}
                _ => {
                    by_stem.insert(key, name);
                }
            }
        }
        Self(by_stem)
    }

    /// The sidecars in the directory `dir`.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let name = entry?.file_name();
            if sort(&name).is_some() {
                names.push(name);
            }
        }
        Ok(Self::new(names))
    }

    /// The sidecars of the file called `name`, the one that counts most first.
    pub fn of(&self, name: &OsStr) -> Vec<(SidecarKind, &OsStr)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let bytes = name.as_bytes();
        let without_end = bytes
            .iter()
            .rposition(|byte| *byte == b'.')
            .and_then(|dot| bytes.get(..dot));
        let get =
            |sort, stem: &[u8]| Some((sort, self.0.get(&(sort, stem.to_owned()))?.as_os_str()));
        let mut found: Vec<(SidecarKind, &OsStr)> = [Some(bytes), without_end]
            .into_iter()
            .flatten()
            .filter_map(|stem| get(SidecarKind::Xmp, stem))
            .collect();
        if let Some(name) = name.to_str() {
            let stems = takeout_stems(name);
            let mut jsons = stems
                .iter()
                .filter_map(|stem| get(SidecarKind::Json, stem.as_bytes()));
            found.extend(jsons.next());
        }
        found
    }

    /// Names, sizes and times of the sidecars of `name` in `dir`, as one number; 0 if there are none.
    pub fn number(&self, dir: &Path, name: &OsStr) -> i64 {
        self.look(dir, name).0
    }

    /// The same, and when the youngest of them changed last.
    pub fn look(&self, dir: &Path, name: &OsStr) -> (i64, Option<Timestamp>) {
        let mut hasher = blake3::Hasher::new();
        let mut youngest = None;
        for (_, sidecar) in self.of(name) {
            let Ok(meta) = fs::symlink_metadata(dir.join(sidecar)) else {
                continue;
            };
            if !meta.is_file() {
                continue;
            }
            hasher.update(sidecar.as_bytes());
            // No name holds a zero.
            hasher.update(&[0]);
            for number in [meta.size() as i64, meta.mtime(), meta.mtime_nsec()] {
                hasher.update(&number.to_le_bytes());
            }
            let nanoseconds = i32::try_from(meta.mtime_nsec()).unwrap_or(0);
            let changed = Timestamp::new(meta.mtime(), nanoseconds).unwrap_or(Timestamp::MIN);
            youngest = youngest.max(Some(changed));
        }
        if youngest.is_none() {
            return (0, None);
        }
        let number = hasher
            .finalize()
            .as_bytes()
            .first_chunk()
            .map_or(1, |first| i64::from_le_bytes(*first));
        (if number == 0 { 1 } else { number }, youngest)
    }
}

/// What Takeout may call the JSON of the picture `name`, without `.json`, the likeliest first.
fn takeout_stems(name: &str) -> Vec<String> {
    let mut stems = Vec::new();
    for (base, number) in takeout_bases(name) {
        let full = format!("{base}{SUPPLEMENT}");
        // However much of the addition was cut.
        for end in (base.len()..=full.len()).rev() {
            stems.extend(full.get(..end).map(|stem| format!("{stem}{number}")));
        }
        if let Some((end, _)) = base.char_indices().nth(TAKEOUT_CHARS) {
            stems.extend(base.get(..end).map(|stem| format!("{stem}{number}")));
        }
    }
    stems
}

/// The names under which Takeout may have known a picture, each with the number that is put behind it.
fn takeout_bases(name: &str) -> Vec<(String, String)> {
    let (stem, end) = match name.rfind('.') {
        Some(dot) => name.split_at(dot),
        None => (name, ""),
    };
    let mut bases = vec![(name.to_owned(), String::new())];
    let (plain, number) = without_number(stem);
    if !number.is_empty() {
        bases.push((format!("{plain}{end}"), number.to_owned()));
    }
    if let Some(original) = EDITED.iter().find_map(|edited| plain.strip_suffix(edited)) {
        let (original, inner) = without_number(original);
        let number = if number.is_empty() { inner } else { number };
        bases.push((format!("{original}{end}"), number.to_owned()));
    }
    bases
}

/// `photo(1)` as `photo` and `(1)`.
fn without_number(stem: &str) -> (&str, &str) {
    let number = stem
        .rfind('(')
        .filter(|at| *at > 0)
        .and_then(|at| stem.split_at_checked(at))
        .filter(|(_, number)| {
            let digits = number
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'));
            digits.is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            })
        });
    number.unwrap_or((stem, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(picture: &str, there: &[&str], expected: &[&str]) {
        let beside = SidecarIndex::new(there.iter().map(OsString::from));
        let found: Vec<_> = beside
            .of(OsStr::new(picture))
            .into_iter()
            .map(|(_, name)| name.to_str().unwrap())
            .collect();
        assert_eq!(found, expected, "{picture}");
    }

    #[test]
    fn the_sidecar_with_the_whole_name_counts_before_the_one_without_its_end() {
        let there = ["a.jpg.xmp", "a.xmp", "a.jpg.json", "b.xmp", "a", "a.jpg"];
        check("a.jpg", &there, &["a.jpg.xmp", "a.xmp", "a.jpg.json"]);
        check("b.HEIC", &there, &["b.xmp"]);
        check("c.jpg", &there, &[]);
        check("a.jpg", &["a.jpg.XMP", "a.JPG.xmp"], &["a.jpg.XMP"]);
    }

    #[test]
    fn takeouts_names_are_found_cut_numbered_and_edited() {
        for (picture, json) in [
            ("IMG_1.jpg", "IMG_1.jpg.json"),
            ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
            ("IMG_1.jpg", "IMG_1.jpg.supplemental-metad.json"),
            ("IMG_1.jpg", "IMG_1.jpg.suppl.json"),
            ("IMG_1.jpg", "IMG_1.jpg..json"),
            ("IMG_1(1).jpg", "IMG_1.jpg(1).json"),
            ("IMG_1(12).jpg", "IMG_1.jpg.supplemental-metadata(12).json"),
            ("IMG_1-edited.jpg", "IMG_1.jpg.json"),
            ("IMG_1-edited.jpg", "IMG_1.jpg.supplemental-metadata.json"),
            ("IMG_1-edited(1).jpg", "IMG_1.jpg(1).json"),
            ("IMG_1-bearbeitet.jpg", "IMG_1.jpg.json"),
            (
                "PXL_20230809_203449253.LONG_EXPOSURE-02.ORIGINAL.jpg",
                "PXL_20230809_203449253.LONG_EXPOSURE-02.ORIGIN.json",
            ),
            (
                "Screenshot_2024-05-01-10-11-12-123_com.app.jpg",
                "Screenshot_2024-05-01-10-11-12-123_com.app.jpg.json",
            ),
            (
                "original_a1b2c3d4-e5f6-7890-abcd-ef0123456789_P.jpg",
                "original_a1b2c3d4-e5f6-7890-abcd-ef0123456789_.json",
            ),
        ] {
            check(picture, &[json], &[json]);
        }
    }

    #[test]
    fn the_json_of_another_picture_is_not_taken() {
        for (picture, json) in [
            ("IMG_1.jpg", "IMG_1.jpg(1).json"),
            ("IMG_1(1).jpg", "IMG_1.jpg.json"),
            ("IMG_1.jpg", "IMG_10.jpg.json"),
            ("IMG_10.jpg", "IMG_1.jpg.json"),
            ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.bak.json"),
            ("IMG_1.jpg", "metadata.json"),
        ] {
            check(picture, &[json], &[]);
        }
    }

    #[test]
    fn names_that_are_no_text_have_xmp_sidecars_too() {
        let picture = OsStr::from_bytes(b"a\xff.jpg");
        let beside = SidecarIndex::new([OsStr::from_bytes(b"a\xff.jpg.xmp").to_owned()]);
        assert_eq!(beside.of(picture).len(), 1);
    }

    #[test]
    fn the_number_tells_other_sidecars_apart_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let number = || {
            let beside = SidecarIndex::read(dir.path()).unwrap();
            beside.number(dir.path(), OsStr::new("a.jpg"))
        };
        assert_eq!(number(), 0);
        fs::write(dir.path().join("b.jpg.xmp"), "x").unwrap();
        assert_eq!(number(), 0);
        let sidecar = dir.path().join("a.jpg.xmp");
        fs::write(&sidecar, "x").unwrap();
        let first = number();
        assert_ne!(first, 0);
        assert_eq!(number(), first);
        fs::write(&sidecar, "xy").unwrap();
        assert_ne!(number(), first);
        std::os::unix::fs::symlink(&sidecar, dir.path().join("a.xmp")).unwrap();
        let with_link = number();
        fs::remove_file(dir.path().join("a.xmp")).unwrap();
        assert_eq!(number(), with_link);
    }
}
