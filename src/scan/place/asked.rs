//! What PATHs that a user typed mean: parts of places, made where there are none.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Part, Place, Places, absolute, real};
use crate::{
    context::{Error, Result},
    escape::Escaped,
};

/// What PATHs that a user gave come to.
#[derive(Debug, Default)]
pub struct Asked {
    /// Parts of places, each with the number of its place.
    pub parts: Vec<(usize, Part)>,
    /// Paths that the rules of their folder leave out, and why.
    pub left_out: Vec<(PathBuf, String)>,
}

impl Asked {
    /// The parts. What is left out is told in the log.
    pub(in crate::scan) fn told(self) -> Vec<(usize, Part)> {
        for (path, why) in &self.left_out {
            tracing::warn!("{} does not go up: {why}", Escaped::path(path));
        }
        self.parts
    }
}

impl Places {
    /// The place that holds `path`, whether there is anything or not, and the path below its root.
    /// Outside of all places it is one of its own, as `backfill PATH` has it: the path itself if it
    /// is a folder, else the folder that it is in.
    pub fn holder(&mut self, path: &Path, is_folder: bool) -> Result<(Arc<Place>, PathBuf)> {
        // The way may lead through links, but a link at its end is a file of its folder.
        let path = absolute(path);
        let target = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => real(parent).join(name),
            _ => path.clone(),
        };
        let held = |places: &Self| {
            places
                .deepest(|place| {
                    if place.root() == path {
                        Some(Path::new(""))
                    } else {
                        target.strip_prefix(&place.real).ok()
                    }
                })
                .or_else(|| places.of_real(&real(&path)))
                .and_then(|(number, relative)| Some((places.get(number)?.clone(), relative)))
        };
        if let Some(found) = held(self) {
            return Ok(found);
        }
        let root = match (is_folder, target.parent()) {
            (false, Some(parent)) => parent,
            _ => &target,
        };
        let place = self.add(root)?;
        let relative = target.strip_prefix(root).unwrap_or(Path::new(""));
        Ok((place, relative.to_owned()))
    }

    /// What the PATHs that a user gave mean, without what is named twice.
    pub fn resolve_all(&mut self, paths: &[PathBuf]) -> Result<Asked> {
        let mut paths: Vec<&PathBuf> = paths.iter().collect();
        // From the top down, so that a PATH inside of another one is a part of that.
        paths.sort_by_key(|path| real(&absolute(path)).components().count());
        let mut asked = Asked::default();
        for path in paths {
            let of_path = self.resolve(path)?;
            let all = &mut asked.parts;
            for part in of_path.parts {
                if !all.contains(&part) && !all.contains(&(part.0, Part::Whole)) {
                    all.push(part);
                }
            }
            asked.left_out.extend(of_path.left_out);
        }
        Ok(asked)
    }

    /// What a PATH that a user gave means: parts of places, which are made where there are none. It
    /// is an error if there is nothing at PATH, and none if the rules of its folder leave it out.
    fn resolve(&mut self, path: &Path) -> Result<Asked> {
        let unusable = |error: io::Error| {
            let path = Escaped::path(path);
            Error::Intake(match error.kind() {
                io::ErrorKind::NotFound => format!(
                    "there is no file or folder {path}; nothing was begun\nhint: look for a typing mistake, or \
                     whether the disk is there"
                ),
                _ => format!("{path} cannot be read: {error}; nothing was begun"),
            })
        };
        let is_folder = fs::metadata(path).map_err(unusable)?.is_dir();
        let target = path.canonicalize().map_err(unusable)?;
        let Asked {
            mut parts,
            mut left_out,
        } = Asked::default();
        if is_folder {
            // Folders of the configuration inside of PATH keep their own rules.
            let inside = self.0.iter().enumerate();
            let inside = inside.filter(|(_, place)| place.real.starts_with(&target));
            parts.extend(inside.map(|(number, _)| (number, Part::Whole)));
        }
        let root = match (is_folder, target.parent()) {
            (false, Some(parent)) => parent,
            _ => &target,
        };
        if self.of_real(&target).is_none() {
            self.add(root)?;
        }
        if let Some((number, relative)) = self.of_real(&target)
            && let Some(place) = self.0.get(number)
            && !parts.contains(&(number, Part::Whole))
        {
            match place.part(&relative).map_err(unusable)? {
                Ok(part) => parts.push((number, part)),
                Err(why) => left_out.push((place.root().join(relative), why)),
            }
        }
        Ok(Asked { parts, left_out })
    }
}
