//! `[[folder]]`: a folder that is uploaded, and the rules for its files.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};
use strum::{EnumString, VariantNames};

use super::{
    environment::Environment,
    error::{Document, Problem},
    value::{self, with_hint},
};
use crate::model::album_title::{AlbumRule, TITLE_CHARS, Template};

/// A folder that is uploaded, and the rules for its files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Folder {
    /// Its root, absolute unless the working directory was unknown.
    #[serde(deserialize_with = "value::path")]
    pub path: PathBuf,
    /// Which album its files are put into.
    #[serde(deserialize_with = "album")]
    pub album: AlbumRule,
    /// What decides the position in the album.
    #[serde(deserialize_with = "value::word")]
    pub order: Order,
    /// The zone of EXIF times that have no offset.
    #[serde(deserialize_with = "timezone")]
    pub timezone: Timezone,
    /// Globs relative to `path`; empty takes every type that the service takes.
    #[serde(deserialize_with = "value::globs")]
    pub include: Vec<String>,
    /// Globs of files that are left out, beside the built-in list.
    #[serde(deserialize_with = "value::globs")]
    pub exclude: Vec<String>,
    /// Whether the folders inside it belong to it.
    pub recursive: bool,
    /// Whether symbolic links are followed; never out of `path`.
    pub follow_symlinks: bool,
    /// What to do with a file that was changed.
    #[serde(deserialize_with = "value::word")]
    pub on_edit: OnEdit,
    /// What to do when a file was deleted.
    #[serde(deserialize_with = "value::word")]
    pub on_delete: OnDelete,
    /// Where descriptions are taken from.
    #[serde(deserialize_with = "value::word")]
    pub description: Description,
    /// What happens to a file that was uploaded and verified.
    #[serde(deserialize_with = "after_upload")]
    pub after_upload: AfterUpload,
}

/// The path, which has no default, is empty here: [`complete`] refuses that.
impl Default for Folder {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            album: AlbumRule::None,
            order: Order::Taken,
            timezone: Timezone::Local,
            include: Vec::new(),
            exclude: Vec::new(),
            recursive: true,
            follow_symlinks: false,
            on_edit: OnEdit::Upload,
            on_delete: OnDelete::Keep,
            description: Description::None,
            after_upload: AfterUpload::Keep,
        }
    }
}

impl Folder {
    /// The folder `path` with the defaults for everything else.
    pub fn with_defaults(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }
}

/// What decides the position of a file in its album.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Order {
    /// When it was taken.
    Taken,
    /// Its name, numbers by value.
    Name,
    /// When it was last changed.
    Modified,
    /// When Albumen first saw it.
    Arrival,
}

/// The zone of a time that has no offset of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timezone {
    /// That of this computer.
    Local,
    /// An IANA name that the time zone database knows.
    Named(String),
}

/// What to do with a file that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum OnEdit {
    /// Create a new media item; the old one stays, because the service can replace nothing.
    Upload,
    /// Nothing.
    Ignore,
}

/// What to do when a file was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum OnDelete {
    /// Nothing.
    Keep,
    /// Remove its media item from the album; the service can delete none.
    RemoveFromAlbum,
}

/// Where descriptions are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Description {
    /// There are none.
    None,
    /// What a person wrote beside the file or into it.
    Sidecar,
}

/// What happens to a file that was uploaded and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterUpload {
    /// Nothing.
    Keep,
    /// It is moved below this folder.
    Move(PathBuf),
    /// It is deleted.
    Delete,
}

fn album<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AlbumRule, D::Error> {
    value::text(deserializer, |written| match written {
        "none" => Ok(AlbumRule::None),
        "folder" => Ok(AlbumRule::Folder),
        _ => match written.strip_prefix("name:") {
            Some(title) => album_name(title.trim()).map(AlbumRule::Name),
            None if written.contains(['{', '}']) => Template::parse(written)
                .map(AlbumRule::Template)
                .map_err(|mistake| match mistake.hint {
                    Some(hint) => with_hint(&mistake.message, &hint),
                    None => mistake.message,
                }),
            None if written.trim().is_empty() => Err(with_hint(
                "the album rule is empty",
                "for no album write \"none\"",
            )),
            None => Err(with_hint(
                &format!("`{written}` is not an album rule"),
                &format!(
                    "for an album of this title write \"name:{}\"; the others are \"none\" and \"folder\"",
                    written.trim()
                ),
            )),
        },
    })
}

fn album_name(title: &str) -> Result<String, String> {
    match title.chars().count() {
        0 => Err(with_hint(
            "the album has no title",
            "write for example \"name:Holidays\"",
        )),
        length if length > TITLE_CHARS => Err(format!(
            "the title has {length} characters; {TITLE_CHARS} are possible"
        )),
        _ => Ok(title.to_owned()),
    }
}

fn timezone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timezone, D::Error> {
    value::text(deserializer, |written| match written {
        "local" => Ok(Timezone::Local),
        name if TimeZone::get(name).is_ok() => Ok(Timezone::Named(name.to_owned())),
        _ => Err(with_hint(
            &format!("`{written}` is not a time zone"),
            "\"local\" is the zone of this machine; others are named as \"Europe/Paris\"",
        )),
    })
}

fn after_upload<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AfterUpload, D::Error> {
    value::text(deserializer, |written| match written {
        "keep" => Ok(AfterUpload::Keep),
        "delete" => Ok(AfterUpload::Delete),
        _ => match written.strip_prefix("move:") {
            Some(target) => value::check_path(target)
                .map(AfterUpload::Move)
                .map_err(|message| with_hint(message, "write for example \"move:~/Uploaded\"")),
            None => Err(with_hint(
                &format!("`{written}` is not one of \"keep\", \"delete\""),
                "to move files write for example \"move:~/Uploaded\"",
            )),
        },
    })
}

/// Makes the paths of all folders absolute (relative ones begin at `base`), and checks that no two
/// folders are the same directory.
pub(super) fn complete(
    folders: &mut [Folder],
    document: &Document<'_>,
    base: &Path,
    env: &Environment,
) -> Result<(), Problem> {
    let mut roots: Vec<PathBuf> = Vec::new();
    for (index, folder) in folders.iter_mut().enumerate() {
        if folder.path.as_os_str().is_empty() {
            return Err(document.problem(&format!("folder.{index}"), "missing key `path`"));
        }
        let key = format!("folder.{index}.path");
        folder.path = document.resolve(&key, &folder.path, base, env)?;
        if let AfterUpload::Move(target) = &mut folder.after_upload {
            let key = format!("folder.{index}.after_upload");
            *target = document.resolve(&key, target, base, env)?;
        }
        // Two names of one directory are found out by its canonical path, if it exists.
        let root = folder.path.canonicalize();
        let root = root.unwrap_or_else(|_| folder.path.clone());
        if roots.contains(&root) {
            let message = "another `[[folder]]` above is for the same place";
            let hint = "a folder has one album rule; folders inside it may have their own";
            return Err(document.problem(&key, message).hint(hint));
        }
        roots.push(root);
    }
    Ok(())
}
