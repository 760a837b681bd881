//! Which folder a file goes to, and what the stage does about one that is not there.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Afterwards, blocking,
    destination::{self, Target},
    precheck::Trouble,
};
use crate::{
    context::Result,
    store::{Act, Source},
};

impl Afterwards {
    /// The folder that a file is to be moved to, none if it is deleted; or why it cannot be used.
    pub(super) async fn target(
        &mut self,
        source: &Source,
        act: &Act,
        open: &mut HashMap<PathBuf, Arc<Target>>,
    ) -> Result<std::result::Result<Option<Arc<Target>>, Trouble>> {
        let Act::Move(to) = act else {
            return Ok(Ok(None));
        };
        let Some(dir) = destination::dir_of(source, to).map(Path::to_owned) else {
            let words = "the place that it is to be moved to has no name";
            return Ok(Err(Trouble::new(words)));
        };
        if let Some(target) = open.get(&dir) {
            return Ok(Ok(Some(Arc::clone(target))));
        }
        let known = self.context.store.target_mount(dir.clone()).await?;
        let (path, mount) = (dir.clone(), known.clone());
        let target = match blocking(move || Target::open(&path, mount.as_deref())).await {
            Some(Ok(target)) => Arc::new(target),
            Some(Err(trouble)) => {
                self.away.insert(dir);
                return Ok(Err(trouble));
            }
            None => return Ok(Err(Trouble::new("its folder could not be looked at"))),
        };
        if known.as_ref() != Some(&target.mount) {
            let (dir, mount) = (dir.clone(), target.mount.clone());
            self.context.store.target_is(dir, mount).await?;
        }
        open.insert(dir, Arc::clone(&target));
        Ok(Ok(Some(target)))
    }

    /// Whether a folder is there again that files were to be moved to: then they are looked at again.
    pub(super) async fn look_for_targets(&mut self) -> Result<()> {
        let mut is_back = false;
        for dir in self.away.clone() {
            let known = self.context.store.target_mount(dir.clone()).await?;
            let path = dir.clone();
            let found = blocking(move || Target::open(&path, known.as_deref()).is_ok()).await;
            if found == Some(true) {
                self.away.remove(&dir);
                is_back = true;
            }
        }
        if is_back {
            self.said.clear();
            self.context.store.sources_reconsidered().await?;
        }
        Ok(())
    }
}
