//! What the configuration says about one file at this moment. It may have changed since the file was
//! taken in, and no scan may have run since: so each file is asked about by its path, before it goes.

use std::path::PathBuf;

use crate::{
    config::AfterUpload,
    context::{Context, Result},
    escape::Escaped,
    scan::{folder::Folders, walk::Scope},
    store::{Act, Source},
};

/// What is to become of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Policy {
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
    folders: Folders,
    /// None is all of them.
    asked: Option<Vec<(usize, Scope)>>,
}

impl Rulings {
    /// Those of a run that is about `paths` alone; about everything if there are none.
    pub(super) fn new(context: &Context, paths: &[PathBuf]) -> Result<Self> {
        let mut folders = Folders::new(context.config.folders.iter().cloned())?;
        let asked = match paths {
            [] => None,
            paths => Some(folders.resolve(paths)?.scopes),
        };
        Ok(Self { folders, asked })
    }

    /// Whether this run is about some paths alone.
    pub(super) fn is_limited(&self) -> bool {
        self.asked.is_some()
    }

    /// What is to become of a file.
    pub(super) fn of(&self, source: &Source) -> Policy {
        let relative = source.dir.join(&source.name);
        let Some((number, folder)) = self.folders.owner_of(&source.root, &relative) else {
            return Policy::Stays("its folder is not in the configuration any more".to_owned());
        };
        let is_asked = |asked: &Vec<(usize, Scope)>| {
            let mut scopes = asked.iter();
            scopes.any(|(folder, scope)| *folder == number && scope.contains(&relative))
        };
        if !self.asked.as_ref().is_none_or(is_asked) {
            return Policy::Rests;
        }
        if folder.root() != source.root {
            let root = Escaped::path(folder.root());
            return Policy::Stays(format!("it belongs to the folder {root} now"));
        }
        if !folder.tree.takes(&relative) {
            return Policy::Stays("the rules of its folder leave it out".to_owned());
        }
        match &folder.settings.after_upload {
            AfterUpload::Keep => Policy::Stays("its folder keeps its files".to_owned()),
            AfterUpload::Move(target) => Policy::Act(Act::Move(target.join(&relative))),
            AfterUpload::Delete => Policy::Act(Act::Delete),
        }
    }
}
