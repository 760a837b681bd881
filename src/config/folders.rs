//! One `[[folder]]`: its rules checked, and no two for the same place.

use std::path::{Path, PathBuf};

use toml::Spanned;

use super::{
    environment::Environment,
    error::Fault,
    schema,
    settings::{AfterUpload, Description, Folder, OnDelete, OnEdit, Order},
    values,
};

/// The longest album title: the service takes 500 characters, and the parts of a full album have
/// " (2)" and so on behind it.
use crate::model::album_title::{AlbumRule, TITLE_CHARS, Template};

/// All folders of the file, whose relative paths begin at `base`.
pub(super) fn check(
    written: &[schema::Folder],
    base: &Path,
    env: &Environment,
) -> Result<Vec<Folder>, Fault> {
    let mut folders: Vec<Folder> = Vec::new();
    let mut places: Vec<PathBuf> = Vec::new();
    for one in written {
        let folder = folder(one, base, env)?;
        // Two names of one folder are one folder; one that is not there has its name only.
        let place = folder.path.canonicalize();
        let place = place.unwrap_or_else(|_| folder.path.clone());
        if places.contains(&place) {
            let message = "another `[[folder]]` above is for the same place";
            return Err(Fault::at(&one.path, message)
                .hint("a folder has one album rule; folders inside it may have their own"));
        }
        places.push(place);
        folders.push(folder);
    }
    Ok(folders)
}

fn folder(written: &schema::Folder, base: &Path, env: &Environment) -> Result<Folder, Fault> {
    let mut folder = Folder::with_defaults(path(&written.path, base, env)?);
    if let Some(text) = &written.album {
        folder.album = album(text)?;
    }
    if let Some(text) = &written.order {
        folder.order = order(text)?;
    }
    if let Some(text) = &written.timezone {
        folder.timezone = values::timezone(text)?;
    }
    folder.include = globs(&written.include)?;
    folder.exclude = globs(&written.exclude)?;
    folder.recursive = written.recursive.unwrap_or(folder.recursive);
    folder.follow_symlinks = written.follow_symlinks.unwrap_or(folder.follow_symlinks);
    if let Some(text) = &written.on_edit {
        folder.on_edit = values::choice(
            text,
            &[("upload", OnEdit::Upload), ("ignore", OnEdit::Ignore)],
        )?;
    }
    if let Some(text) = &written.on_delete {
        let choices = [
            ("keep", OnDelete::Keep),
            ("remove-from-album", OnDelete::RemoveFromAlbum),
        ];
        folder.on_delete = values::choice(text, &choices)?;
    }
    if let Some(text) = &written.description {
        let choices = [
            ("none", Description::None),
            ("sidecar", Description::Sidecar),
        ];
        folder.description = values::choice(text, &choices)?;
    }
    if let Some(text) = &written.after_upload {
        folder.after_upload = after_upload(text, base, env)?;
    }
    Ok(folder)
}

/// A path of the file: relative to it, or with `~` in front.
pub(super) fn path(
    text: &Spanned<String>,
    base: &Path,
    env: &Environment,
) -> Result<PathBuf, Fault> {
    env.written(text.get_ref(), base)
        .map_err(|words| Fault::at(text, words))
}

fn globs(written: &[Spanned<String>]) -> Result<Vec<String>, Fault> {
    written.iter().map(values::glob).collect()
}

fn order(text: &Spanned<String>) -> Result<Order, Fault> {
    let choices = [
        ("taken", Order::Taken),
        ("name", Order::Name),
        ("modified", Order::Modified),
        ("arrival", Order::Arrival),
    ];
    values::choice(text, &choices)
}

fn album(text: &Spanned<String>) -> Result<AlbumRule, Fault> {
    let written = text.get_ref();
    match written.as_str() {
        "none" => return Ok(AlbumRule::None),
        "folder" => return Ok(AlbumRule::Folder),
        _ => {}
    }
    if let Some(title) = written.strip_prefix("name:") {
        return album_title(text, title);
    }
    if written.contains(['{', '}']) {
        return template(text);
    }
    let title = written.trim();
    if title.is_empty() {
        return Err(Fault::at(text, "the album rule is empty").hint("for no album write \"none\""));
    }
    let message = format!("`{written}` is not an album rule");
    let others = "the others are \"none\" and \"folder\"";
    let hint = format!("for an album of this title write \"name:{title}\"; {others}");
    Err(Fault::at(text, message).hint(hint))
}

fn album_title(text: &Spanned<String>, title: &str) -> Result<AlbumRule, Fault> {
    let title = title.trim();
    if title.is_empty() {
        let message = "the album has no title";
        return Err(Fault::at(text, message).hint("write for example \"name:Holidays\""));
    }
    let length = title.chars().count();
    if length > TITLE_CHARS {
        let message = format!("the title has {length} characters; {TITLE_CHARS} are possible");
        return Err(Fault::at(text, message));
    }
    Ok(AlbumRule::Name(title.to_owned()))
}

fn template(text: &Spanned<String>) -> Result<AlbumRule, Fault> {
    Template::parse(text.get_ref())
        .map(AlbumRule::Template)
        .map_err(|mistake| {
            let fault = Fault::at(text, mistake.message);
            match mistake.hint {
                Some(hint) => fault.hint(hint),
                None => fault,
            }
        })
}

fn after_upload(
    text: &Spanned<String>,
    base: &Path,
    env: &Environment,
) -> Result<AfterUpload, Fault> {
    let written = text.get_ref();
    if let Some(folder) = written.strip_prefix("move:") {
        return env
            .written(folder, base)
            .map(AfterUpload::Move)
            .map_err(|words| Fault::at(text, words).hint("write for example \"move:~/Uploaded\""));
    }
    let choices = [("keep", AfterUpload::Keep), ("delete", AfterUpload::Delete)];
    values::choice(text, &choices)
        .map_err(|fault| fault.hint("to move files write for example \"move:~/Uploaded\""))
}
