//! Which roots are there, which directories below them are without the disk that was mounted there, and
//! what was put in the place of another.

use std::{os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

use tokio::time::Instant;

use super::{Flow, Running};
use crate::{
    clock::LOOK_AGAIN,
    escape::Escaped,
    model::ids::RootId,
    scan::place::{Away, Part, Place},
    store::{self, Reader},
};

/// After something was mounted or unmounted, the roots are looked at so much later.
const MOUNTING: Duration = Duration::from_millis(500);

/// What a look at a place came to.
struct Looked {
    number: usize,
    away: Option<Away>,
    /// Directories on which something was mounted that is not.
    without_disk: Vec<PathBuf>,
    /// Which directory the root is; none if there is none.
    identity: Option<(u64, u64)>,
}

impl Running {
    /// Nothing of the place is claimed, waited for or gone until it is back.
    pub(super) async fn gone_away(&mut self, number: usize, away: Away) -> Flow<()> {
        let Some(it) = self.standings.get(&number) else {
            return Ok(());
        };
        if it.away.as_ref() == Some(&away) {
            return Ok(());
        }
        let root = it.root;
        tracing::warn!(
            "{} is left alone for now: {away}. Nothing in it counts as gone, and it is scanned when it is back",
            Escaped::path(it.place.root())
        );
        let store = self.context.store.clone();
        self.patiently(|| store.root_away(root)).await?;
        if let Some(it) = self.standings.get_mut(&number) {
            it.away = Some(away);
            it.is_open = false;
            it.counted = None;
        }
        self.ring();
        Ok(())
    }

    /// Finds out which roots went away, which are back, and which are others than before.
    pub(super) async fn look_at_roots(&mut self) -> Flow<()> {
        self.look_at = Instant::now() + LOOK_AGAIN;
        let places: Vec<_> = self
            .standings
            .iter()
            .map(|(number, it)| (*number, it.root, it.place.clone()))
            .collect();
        let seen = self
            .blocking(move |reader| {
                let looks = places.iter();
                looks
                    .map(|(number, root, place)| look(*number, *root, place, reader))
                    .collect::<store::Result<Vec<_>>>()
            })
            .await?;
        for looked in seen.into_iter().flatten() {
            let number = looked.number;
            if let Some(away) = looked.away {
                self.gone_away(number, away).await?;
            } else {
                self.come_back(number);
                self.disks(number, looked.without_disk).await?;
            }
            self.compare_root(number, looked.identity);
        }
        Ok(())
    }

    /// Something was mounted or unmounted, nobody knows what. Mounts come in groups, and are looked at
    /// together.
    pub(super) fn mounts_changed(&mut self) {
        self.look_at = self.look_at.min(Instant::now() + MOUNTING);
        if let Some(watch) = &self.watch {
            watch.compare();
        }
    }

    /// The place is there; if it was away, it is scanned, and then opened.
    fn come_back(&mut self, number: usize) {
        let Some(it) = self.standings.get(&number).filter(|it| it.away.is_some()) else {
            return;
        };
        if let Some(watch) = self.watch.as_ref().filter(|_| it.place.is_configured) {
            // What was watched there was another directory, or none.
            watch.cover(it.place.root());
        }
        let mut parts = it.first.clone();
        if parts.is_empty() {
            parts.push(Part::Whole);
        }
        for part in parts {
            self.enqueue(number, part, None);
        }
    }

    /// On these directories of the place nothing is mounted, and on those before, perhaps, there is.
    pub(super) async fn disks(&mut self, number: usize, without: Vec<PathBuf>) -> Flow<()> {
        let Some(it) = self.standings.get_mut(&number) else {
            return Ok(());
        };
        if it.without_disk == without {
            return Ok(());
        }
        let before = std::mem::replace(&mut it.without_disk, without.clone());
        let (root, place) = (it.root, it.place.clone());
        for dir in without.iter().filter(|dir| !before.contains(dir)) {
            tracing::warn!(
                "{} is left alone for now: the disk that was mounted there is not. Nothing in it counts as gone, \
                 and it is scanned when it is back\nhint: if it is not to come back, name it in `exclude`",
                Escaped::path(&place.root().join(dir))
            );
        }
        let store = self.context.store.clone();
        self.patiently(|| store.mounts_away(root, without.clone()))
            .await?;
        for dir in before.into_iter().filter(|dir| !without.contains(dir)) {
            let path = place.root().join(&dir);
            tracing::info!("{} is back", Escaped::path(&path));
            if let Some(watch) = self.watch.as_ref().filter(|_| place.is_configured) {
                watch.cover(&path);
            }
            self.enqueue(number, Part::below(dir), None);
        }
        Ok(())
    }

    /// Where another directory is in the place of a root, a disk that was mounted over it for one,
    /// nothing that happens there is heard, and nothing in it is known.
    fn compare_root(&mut self, number: usize, identity: Option<(u64, u64)>) {
        let Some(it) = self.standings.get_mut(&number) else {
            return;
        };
        let Some(new) = identity else { return };
        let is_other = it.identity.replace(new).is_some_and(|old| old != new);
        if !is_other || !it.place.is_configured {
            return;
        }
        if let Some(watch) = &self.watch {
            watch.cover(it.place.root());
        }
        self.enqueue(number, Part::Whole, None);
    }
}

fn look(number: usize, root: RootId, place: &Place, reader: &Reader) -> store::Result<Looked> {
    let looked = std::fs::metadata(place.root());
    Ok(Looked {
        number,
        away: place.away(root, reader)?,
        without_disk: place.mounts(root, reader)?.away,
        identity: looked.ok().map(|meta| (meta.dev(), meta.ino())),
    })
}
