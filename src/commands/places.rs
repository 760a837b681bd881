//! Which folder a path belongs to: of overlapping ones the deepest, and outside of all of them the
//! path itself with the defaults, as `backfill PATH` has it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;

use crate::{
    config::{Config, Folder},
    pipeline::intake::{rules::Rules, walk::Tree},
};

use super::failure::quoted;

/// A folder and how it is walked.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Its settings.
    pub(crate) folder: Folder,
    /// The walk.
    pub(crate) tree: Arc<Tree>,
    /// Whether it is of the configuration.
    pub(crate) configured: bool,
}

/// A place, or the part of it that somebody asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Where.
    pub(crate) place: Place,
    /// What in it.
    pub(crate) part: Part,
}

/// What of a place is asked for; paths are relative to its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// All.
    Whole,
    /// A directory and what is below.
    Below(PathBuf),
    /// One file.
    File(PathBuf),
}

impl Place {
    fn new(folder: Folder, configured: bool, config: &Config) -> anyhow::Result<Self> {
        let rules = Rules::new(&folder.include, &folder.exclude)
            .with_context(|| format!("the folder {}", quoted(&folder.path)))?;
        let nested = config
            .folders
            .iter()
            .map(|other| other.path.clone())
            .filter(|other| *other != folder.path && other.starts_with(&folder.path))
            .collect();
        let tree = Tree {
            root: folder.path.clone(),
            rules: Arc::new(rules),
            recursive: folder.recursive,
            follow_symlinks: folder.follow_symlinks,
            nested,
        };
        Ok(Self {
            folder,
            tree: Arc::new(tree),
            configured,
        })
    }
}

/// The folders of the configuration.
pub(crate) fn configured(config: &Config) -> anyhow::Result<Vec<Place>> {
    config
        .folders
        .iter()
        .map(|folder| Place::new(folder.clone(), true, config))
        .collect()
}

/// The folder of the configuration that holds `path`, and the path below it.
pub(crate) fn holder<'a>(places: &'a [Place], path: &Path) -> Option<(&'a Place, PathBuf)> {
    let by_name = deepest(places, path, |place| Some(place.folder.path.clone()));
    by_name.or_else(|| {
        // The folder, or the way that was typed, may lead through links.
        let real = real(path)?;
        deepest(places, &real, |place| place.folder.path.canonicalize().ok())
    })
}

fn deepest<'a>(
    places: &'a [Place],
    path: &Path,
    root: impl Fn(&Place) -> Option<PathBuf>,
) -> Option<(&'a Place, PathBuf)> {
    places
        .iter()
        .filter_map(|place| {
            let root = root(place)?;
            let relative = path.strip_prefix(&root).ok()?.to_owned();
            Some((place, relative, root.components().count()))
        })
        .max_by_key(|(_, _, depth)| *depth)
        .map(|(place, relative, _)| (place, relative))
}

/// The path with all links on its way resolved, but not itself: a link is a file of its folder.
fn real(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?.canonicalize().ok()?;
    Some(parent.join(path.file_name()?))
}

/// The place that `path` has outside of all folders: itself if it is a directory, else its parent.
pub(crate) fn of_its_own(path: &Path, is_dir: bool, config: &Config) -> anyhow::Result<Asked> {
    let name = path.file_name().map(PathBuf::from);
    let (root, part) = match (is_dir, path.parent(), name) {
        (false, Some(parent), Some(name)) => (parent, Part::File(name)),
        _ => (path, Part::Whole),
    };
    let place = Place::new(Folder::with_defaults(root), false, config)?;
    Ok(Asked { place, part })
}

/// What `backfill` takes for `paths`: parts of folders of the configuration, or places of their own.
/// Folders of the configuration inside of such a place keep their own rules. None is all folders.
pub(crate) fn asked(config: &Config, paths: &[PathBuf]) -> anyhow::Result<Vec<Asked>> {
    let places = configured(config)?;
    let whole = |place: &Place| Asked {
        place: place.clone(),
        part: Part::Whole,
    };
    if paths.is_empty() {
        return Ok(places.iter().map(whole).collect());
    }
    let mut asked: Vec<Asked> = Vec::new();
    for path in paths {
        let is_dir = is_dir(path).with_context(|| format!("cannot take {}", quoted(path)))?;
        match holder(&places, path) {
            Some((place, relative)) => asked.push(Asked {
                place: place.clone(),
                part: match is_dir {
                    true if relative.as_os_str().is_empty() => Part::Whole,
                    true => Part::Below(relative),
                    false => Part::File(relative),
                },
            }),
            None => asked.push(of_its_own(path, is_dir, config)?),
        }
        let inside = places.iter().filter(|place| {
            is_dir && place.folder.path != *path && place.folder.path.starts_with(path)
        });
        asked.extend(inside.map(whole));
    }
    Ok(asked)
}

fn is_dir(path: &Path) -> io::Result<bool> {
    std::fs::metadata(path).map(|metadata| metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn config(folders: &[&Path]) -> Config {
        let env = Environment {
            home: Some("/nonexistent".into()),
            ..Environment::default()
        };
        Config {
            folders: folders.iter().map(Folder::with_defaults).collect(),
            ..Config::defaults(&env).unwrap()
        }
    }

    #[test]
    fn of_overlapping_folders_the_deepest_holds_a_file() {
        let config = config(&[Path::new("/p"), Path::new("/p/raw"), Path::new("/q")]);
        let places = configured(&config).unwrap();
        let held = |path: &str| {
            holder(&places, Path::new(path)).map(|(place, relative)| {
                (
                    place.folder.path.display().to_string(),
                    relative.display().to_string(),
                )
            })
        };
        assert_eq!(
            held("/p/raw/a.jpg"),
            Some(("/p/raw".into(), "a.jpg".into()))
        );
        assert_eq!(
            held("/p/rawer/a.jpg"),
            Some(("/p".into(), "rawer/a.jpg".into()))
        );
        assert_eq!(held("/r/a.jpg"), None);
        assert_eq!(places[0].tree.nested, [PathBuf::from("/p/raw")]);
    }

    #[test]
    fn a_file_is_found_behind_links() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("disk/2024")).unwrap();
        std::os::unix::fs::symlink(root.join("disk"), root.join("pictures")).unwrap();
        let config = config(&[&root.join("pictures")]);
        let places = configured(&config).unwrap();
        let (_, relative) = holder(&places, &root.join("disk/2024/a.jpg")).unwrap();
        assert_eq!(relative, Path::new("2024/a.jpg"));
    }

    #[test]
    fn a_path_outside_is_a_place_of_its_own_and_folders_inside_it_keep_their_rules() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("all/mine")).unwrap();
        std::fs::write(root.join("all/a.jpg"), "").unwrap();
        let config = config(&[&root.join("all/mine")]);
        let asked = |path: PathBuf| {
            asked(&config, &[path])
                .unwrap()
                .into_iter()
                .map(|asked| (asked.place.folder.path, asked.part, asked.place.configured))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            asked(root.join("all")),
            [
                (root.join("all"), Part::Whole, false),
                (root.join("all/mine"), Part::Whole, true)
            ]
        );
        assert_eq!(
            asked(root.join("all/a.jpg")),
            [(root.join("all"), Part::File("a.jpg".into()), false)]
        );
        assert!(super::asked(&config, &[root.join("missing")]).is_err());
    }
}
