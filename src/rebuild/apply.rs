//! What is sure, put into the store: files by their hash, then the order of albums.

use std::{
    collections::{HashMap, HashSet},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    OurAlbum, Rebuilding, album_order, local::Candidate, matching::Unsure, remote::Stopped,
};
use crate::{
    config::Order,
    model::{
        album_title,
        ids::{AlbumRow, ContentHash, ItemId},
        order_key::OrderKey,
    },
    photos_api::wire::ALBUM_ITEMS_MAX,
    store::{Content, RecoveredItem},
};

/// Files that are hashed before they are recorded: what a kill costs.
const BATCH: usize = 32;

/// After so many files it is said how far the reading is.
const TOLD_AT: u64 = 1_000;

/// A file, and the number of its media item, if it has one.
type Paired = (Candidate, Option<usize>);

impl Rebuilding {
    /// Reads what matched, and what may be a copy of it, and records what is a media item.
    pub(super) async fn record(
        &mut self,
        verdicts: Vec<Result<usize, Unsure>>,
    ) -> Result<(), Stopped> {
        let all = std::mem::take(&mut self.candidates)
            .into_iter()
            .zip(verdicts);
        let mut sure = Vec::new();
        let mut rest = Vec::new();
        for (one, verdict) in all.filter(|(one, _)| !one.is_held) {
            match verdict {
                Ok(number) => sure.push((one, Some(number))),
                Err(why) => rest.push((one, why)),
            }
        }
        let mut of_content = HashMap::new();
        let mut sizes = HashSet::new();
        let mut told = 0;
        for batch in batches(sure) {
            let (recorded, left) = self.record_batch(batch, Arc::default()).await?;
            for (hash, size, number) in recorded {
                of_content.insert(hash, number);
                sizes.insert(size);
            }
            for path in left {
                self.report.left(|| path);
            }
            if self.report.matched / TOLD_AT > told {
                told = self.report.matched / TOLD_AT;
                tracing::info!("{} files are found again so far", self.report.matched);
            }
        }
        // A copy under another name: the service knows only the first name.
        let of_content = Arc::new(of_content);
        let mut reasons = HashMap::new();
        let mut copies = Vec::new();
        for (one, why) in rest {
            if sizes.contains(&one.file.entry.stat.size) {
                reasons.insert(one.path(&self.roots), why);
                copies.push((one, None));
            } else {
                self.report.unmatched(why, || one.path(&self.roots));
            }
        }
        for batch in batches(copies) {
            let (_, left) = self.record_batch(batch, Arc::clone(&of_content)).await?;
            for path in left {
                let why = reasons.remove(&path).unwrap_or(Unsure::NoSuchName);
                self.report.unmatched(why, || path);
            }
        }
        Ok(())
    }

    /// Reads some files and records those that have the number of a media item, or a content whose
    /// number is known. Gives hash, size and number of what was recorded, and the paths of the rest.
    async fn record_batch(
        &mut self,
        batch: Vec<Paired>,
        of_content: Arc<HashMap<ContentHash, usize>>,
    ) -> Result<(Vec<(ContentHash, u64, usize)>, Vec<PathBuf>), Stopped> {
        self.go_on()?;
        let batch = self.read_batch(batch, of_content).await?;
        self.go_on()?;
        let mut left = Vec::new();
        let mut found = Vec::with_capacity(batch.len());
        let mut recorded = Vec::with_capacity(batch.len());
        for (one, number) in batch {
            let path = one.path(&self.roots);
            match number.and_then(|number| Some((self.found_again(one, number)?, number))) {
                Some((again, number)) => {
                    recorded.push((again.content.hash, again.content.size, number, path));
                    found.push(again);
                }
                None => left.push(path),
            }
        }
        let verify_after = self.context.config.verify.after;
        let verify_after =
            verify_after.map(|wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
        let now = self.context.clock.now();
        let items = self
            .context
            .store
            .found_again(found, verify_after, now)
            .await?;
        let mut done = Vec::with_capacity(recorded.len());
        for ((hash, size, number, path), item) in recorded.into_iter().zip(items) {
            if item.is_none() {
                left.push(path);
                continue;
            }
            if let Some(slot) = self.items.get_mut(number) {
                *slot = item;
            }
            self.report.matched += 1;
            done.push((hash, size, number));
        }
        Ok((done, left))
    }

    /// Hashes some files, and finds the numbers of those that have none by their content.
    async fn read_batch(
        &self,
        mut batch: Vec<Paired>,
        of_content: Arc<HashMap<ContentHash, usize>>,
    ) -> Result<Vec<Paired>, Stopped> {
        let (roots, context) = (self.roots.clone(), self.context.clone());
        let batch = tokio::task::spawn_blocking(move || {
            for (one, number) in &mut batch {
                if context.stop.is_cancelled() {
                    break;
                }
                let hash = one.read(&roots).map(|content| content.hash);
                *number = number.or_else(|| of_content.get(&hash?).copied());
                if number.is_some() {
                    one.look(&roots, &context.config, context.clock.now());
                }
            }
            batch
        });
        Ok(batch.await?)
    }

    fn found_again(&self, one: Candidate, number: usize) -> Option<RecoveredItem> {
        let root = self.roots.get(one.root)?.row?;
        let path = one.path(&self.roots);
        let (looked, content) = (*one.looked?, *one.content?);
        let stat = one.file.entry.stat;
        let listed_in = self.listed_in(looked.album.as_deref(), number);
        let arrived = listed_in.and_then(|album| self.arrived(one.root, album, number));
        let key = match arrived {
            Some(_) => OrderKey::new(arrived, one.file.entry.name.as_bytes(), &path),
            None => looked.key,
        };
        Some(RecoveredItem {
            root,
            dir: one.file.dir.to_path_buf(),
            name: one.file.entry.name,
            file: one.file.known.map(|known| known.id),
            stat,
            listed_in,
            title: looked.album,
            key,
            large: looked.large,
            content: Content {
                file_name: self.listed.items.get(number)?.name.to_string(),
                ..content
            },
            media_item_id: self.listed.id(number)?.clone(),
            product_url: self.listed.product_url(number),
            described: self.listed.description(number),
            is_known: self.items.get(number)?.is_some(),
        })
    }

    /// The album of this title, or the part of it, in which the service has the item.
    fn listed_in(&self, title: Option<&str>, number: usize) -> Option<AlbumRow> {
        let title = title.and_then(album_title::clean)?;
        let holds = |album: &&OurAlbum| {
            album.title == title && self.holds.contains_key(&(album.row, number))
        };
        self.albums.iter().find(holds).map(|album| album.row)
    }

    /// When the item seems to have come to an album that is in the order of arrival: nobody else
    /// knows, and all that counts is that it was before now, and before those behind it.
    fn arrived(&self, root: usize, album: AlbumRow, number: usize) -> Option<Timestamp> {
        let is_arrival = self.roots.get(root)?.folder.settings.order == Order::Arrival;
        let place = i64::try_from(*self.holds.get(&(album, number))?).ok()?;
        let before = SignedDuration::from_millis(ALBUM_ITEMS_MAX as i64 - place);
        let arrived = self.began.checked_sub(before).ok();
        arrived.filter(|_| is_arrival)
    }

    /// Finds out how much of each album stands where our order wants it.
    pub(super) async fn put_in_order(&self) -> Result<(), Stopped> {
        let store = &self.context.store;
        for album in &self.albums {
            let item = |number: &usize| self.items.get(*number).copied().flatten();
            let items: Vec<ItemId> = album.members.iter().filter_map(item).collect();
            let keys = store.keys_in(album.row, items.clone()).await?;
            let keys: Vec<Option<&[u8]>> = keys.iter().map(Option::as_deref).collect();
            let in_sequence = album_order::longest_run(&keys);
            let standing = items.into_iter().zip(in_sequence).collect();
            store.stand_in(album.row, standing).await?;
        }
        Ok(())
    }
}

fn batches<T>(all: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut all = all.into_iter();
    std::iter::from_fn(move || {
        let batch: Vec<T> = all.by_ref().take(BATCH).collect();
        (!batch.is_empty()).then_some(batch)
    })
}
