//! What the configuration says about one file at this moment. It may have changed since the file was
//! taken in, and no scan may have run since: so each file is asked about by its path, before it goes.

use std::path::PathBuf;

use crate::{
    config::AfterUpload,
    context::{Context, Result},
    escape::Escaped,
    scan::place::{Part, Places},
    store::{Act, Source},
};

/// What is to become of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// Its folder says so.
    Act(Act),
    /// Its folder does not act, or it is not that folder's any more.
    Stays(String),
    /// Nobody asked for it in this run.
    Rests,
}

/// The folders of the configuration, and which parts of them this run is about.
#[derive(Debug)]
pub(super) struct Rulings {
    places: Places,
    /// None is all of them.
    asked: Option<Vec<(usize, Part)>>,
}

impl Rulings {
    /// Those of a run that is about `paths` alone; about everything if there are none.
    pub(super) fn new(context: &Context, paths: &[PathBuf]) -> Result<Self> {
        let mut places = Places::new(context.config.folders.iter().cloned())?;
        let asked = match paths {
            [] => None,
            paths => Some(places.resolve_all(paths)?.parts),
        };
        Ok(Self { places, asked })
    }

    /// Whether this run is about some paths alone.
    pub(super) fn is_limited(&self) -> bool {
        self.asked.is_some()
    }

    /// What is to become of a file.
    pub(super) fn of(&self, source: &Source) -> Ruling {
        let relative = source.dir.join(&source.name);
        let Some((number, place)) = self.places.holder_of(&source.root, &relative) else {
            return Ruling::Stays("its folder is not in the configuration any more".to_owned());
        };
        let is_asked = |asked: &Vec<(usize, Part)>| {
            let mut parts = asked.iter();
            parts.any(|(place, part)| *place == number && part.holds(&relative))
        };
        if !self.asked.as_ref().is_none_or(is_asked) {
            return Ruling::Rests;
        }
        if place.root() != source.root {
            let root = Escaped::path(place.root());
            return Ruling::Stays(format!("it belongs to the folder {root} now"));
        }
        if !place.tree.takes(&relative) {
            return Ruling::Stays("the rules of its folder leave it out".to_owned());
        }
        match &place.folder.after_upload {
            AfterUpload::Keep => Ruling::Stays("its folder keeps its files".to_owned()),
            AfterUpload::Move(target) => Ruling::Act(Act::Move(target.join(&relative))),
            AfterUpload::Delete => Ruling::Act(Act::Delete),
        }
    }
}
