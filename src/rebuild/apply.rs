//! The run of `albumen rebuild`: its steps, and what they write to the store.

use std::{
    collections::{HashMap, HashSet},
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
    sync::Arc,
};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    local::{self, Candidate, Root},
    matching::{self, Unsure},
    remote::{Listed, Lists, Stopped},
    report::Report,
};
use crate::{
    config::{Config, Order},
    context::{Context, Mode, account},
    daemon::context::build,
    escape::Escaped,
    exit_code::ExitCode,
    lock::Lock,
    model::{
        album_title,
        ids::{AlbumId, AlbumRow, ContentHash, ItemId},
        order_key::OrderKey,
    },
    photos_api::{self, wire::ALBUM_ITEMS_MAX},
    progress::Progress,
    store::{self, Content, RecoveredItem, Store},
};

/// The number of files that are hashed before they are recorded: lost if the process is killed.
const BATCH: usize = 32;

/// The number of files between two log lines.
const LOG_EVERY: u64 = 1_000;

/// A file, and the number of its media item, if it has one.
type Paired = (Candidate, Option<usize>);

/// Rebuilds; returns the exit code and the report. With `is_dry` it only reports what it would do; its
/// requests are counted too.
pub async fn rebuild(
    config: Arc<Config>,
    is_dry: bool,
    stop: CancellationToken,
) -> anyhow::Result<(ExitCode, String)> {
    let lock =
        Lock::take(&config.state_dir).context("a rebuild needs the state folder for itself")?;
    let state_dir = config.state_dir.clone();
    let opened = tokio::task::spawn_blocking(move || {
        if is_dry && store::is_damaged(&state_dir)? {
            return Err(store::Error::KeptOnDryRun(state_dir.join(store::FILE_NAME)));
        }
        Store::open_in_place_of_damage(&state_dir)
    });
    let (store, before) = opened.await?.context("cannot open the database")?;
    if let Some(before) = &before {
        let before = Escaped::path(before);
        tracing::warn!("the database was damaged; it is kept as {before}, and a new one is made");
    }
    let ended = with_store(config, is_dry, stop, store.clone()).await;
    store.close().await;
    drop(lock);
    ended
}

async fn with_store(
    config: Arc<Config>,
    is_dry: bool,
    stop: CancellationToken,
    store: Store,
) -> anyhow::Result<(ExitCode, String)> {
    let context = build(store, config, Mode::Backfill, Progress::default(), stop).await?;
    let began = context.clock.now();
    context.store.recover(began).await?;
    let mut work = Rebuilding {
        context,
        roots: Vec::new(),
        candidates: Vec::new(),
        listed: Arc::default(),
        items: Vec::new(),
        albums: Vec::new(),
        holds: HashMap::new(),
        began,
        report: Report::new(is_dry),
    };
    let code = match work.run().await {
        Ok(()) => ExitCode::Done,
        Err(stopped) => work.ended_early(stopped)?,
    };
    Ok((code, work.report.text()))
}

/// An album of the service that has a row.
#[derive(Debug)]
struct OurAlbum {
    row: AlbumRow,
    title: String,
    id: AlbumId,
    /// The numbers of its items, in the album's order.
    members: Vec<usize>,
}

/// A rebuild in progress.
#[derive(Debug)]
struct Rebuilding {
    context: Context,
    roots: Vec<Root>,
    candidates: Vec<Candidate>,
    listed: Arc<Listed>,
    /// For each listed item its row, if it has one.
    items: Vec<Option<ItemId>>,
    albums: Vec<OurAlbum>,
    /// The position of each listed item in each album.
    holds: HashMap<(AlbumRow, usize), usize>,
    began: Timestamp,
    report: Report,
}

impl Rebuilding {
    async fn run(&mut self) -> Result<(), Stopped> {
        let titles = self.walk().await?;
        self.take_albums(&titles).await?;
        self.list().await?;
        let verdicts = self.compare().await?;
        self.report_orphans(&verdicts);
        if self.report.is_dry {
            self.report_files(&verdicts);
            return Ok(());
        }
        let recorded = self.record(verdicts).await;
        // Also after an error, for the files that were recorded.
        self.put_in_order().await?;
        recorded
    }

    /// Walks over the folders; returns the titles that folders and rules give to albums.
    async fn walk(&mut self) -> Result<HashSet<String>, Stopped> {
        let context = self.context.clone();
        if !self.report.is_dry {
            let reader = context.store.reader()?;
            let specs = local::roots(&context.config, &reader)?
                .iter()
                .map(|root| root.folder.spec())
                .collect();
            context.store.roots(specs).await?;
        }
        let (roots, found) = tokio::task::spawn_blocking(move || {
            let reader = context.store.reader()?;
            let roots = local::roots(&context.config, &reader)?;
            let found = local::walk(&roots, &reader, &context.stop)?;
            anyhow::Ok((roots, found))
        })
        .await??;
        self.roots = roots;
        self.candidates = found.candidates;
        for problem in found.problems {
            self.report.problem(problem);
        }
        self.check_stop()?;
        Ok(found.titles)
    }

    /// Gives the albums of the service their rows; a dry run rolls the transaction back.
    async fn take_albums(&mut self, titles: &HashSet<String>) -> Result<(), Stopped> {
        let albums = Lists::new(&self.context).albums().await?;
        let listed = matching::album_parts(&albums, titles);
        let now = self.context.clock.now();
        let is_dry = self.report.is_dry;
        let taken = self
            .context
            .store
            .albums_taken_over(listed.clone(), is_dry, now)
            .await?;
        let mut new = Vec::new();
        for (album, taken) in listed.into_iter().zip(taken) {
            let Some(taken) = taken else {
                self.report.double(&album.title);
                continue;
            };
            if taken.is_new {
                new.push(match album.part {
                    1 => album.title.clone(),
                    part => format!("{} ({part})", album.title),
                });
            }
            self.albums.push(OurAlbum {
                row: taken.row,
                title: taken.title,
                id: album.album_id,
                members: Vec::new(),
            });
        }
        new.sort_unstable();
        for title in new {
            self.report.album(title);
        }
        Ok(())
    }

    /// Lists the media items of the service, and finds those that have a row already.
    async fn list(&mut self) -> Result<(), Stopped> {
        let mut lists = Lists::new(&self.context);
        let mut listed = Listed::default();
        lists.library(&mut listed).await?;
        for album in &mut self.albums {
            let Some(members) = lists.members(&album.id, &mut listed).await? else {
                let title = &album.title;
                let words = format!("the album \"{title}\": the service would not list its items");
                self.report.problem(words);
                continue;
            };
            let numbers = members.iter().enumerate();
            let held = numbers.map(|(place, number)| ((album.row, *number), place));
            self.holds.extend(held);
            album.members = members;
        }
        let mut items = vec![None; listed.items.len()];
        self.context.store.reader()?.each_media_item(|item, id| {
            if let Some(slot) = listed.number(id).and_then(|number| items.get_mut(number)) {
                *slot = Some(item);
            }
        })?;
        self.report.items = Some(listed.items.len() as u64);
        self.items = items;
        self.listed = Arc::new(listed);
        Ok(())
    }

    /// The number of the media item of each candidate, where there is a match.
    async fn compare(&mut self) -> Result<Vec<Result<usize, Unsure>>, Stopped> {
        let mut candidates = std::mem::take(&mut self.candidates);
        let (roots, listed) = (self.roots.clone(), Arc::clone(&self.listed));
        let (context, now) = (self.context.clone(), self.context.clock.now());
        let (candidates, verdicts) = tokio::task::spawn_blocking(move || {
            let config = &context.config;
            let verdicts =
                local::compare(&mut candidates, &roots, &listed, config, now, &context.stop);
            (candidates, verdicts)
        })
        .await?;
        self.candidates = candidates;
        verdicts.ok_or(Stopped::Interrupted)
    }

    /// Reports the media items without a matching file.
    fn report_orphans(&mut self, verdicts: &[Result<usize, Unsure>]) {
        let mut has_file: Vec<bool> = self.items.iter().map(Option::is_some).collect();
        for number in verdicts.iter().flatten() {
            if let Some(slot) = has_file.get_mut(*number) {
                *slot = true;
            }
        }
        for (item, has_file) in self.listed.items.iter().zip(has_file) {
            if !has_file {
                self.report.orphan(&item.name);
            }
        }
        let known = self.candidates.iter().filter(|one| one.is_held).count();
        self.report.known = known as u64;
    }

    /// Reports the result for each file, in a dry run.
    fn report_files(&mut self, verdicts: &[Result<usize, Unsure>]) {
        for (one, verdict) in self.candidates.iter().zip(verdicts) {
            match verdict {
                _ if one.is_held => {}
                Ok(_) => self.report.matched += 1,
                Err(why) => self.report.unmatched(*why, || one.path(&self.roots)),
            }
        }
    }

    fn check_stop(&self) -> Result<(), Stopped> {
        if self.context.stop.is_cancelled() {
            return Err(Stopped::Interrupted);
        }
        Ok(())
    }

    /// The exit code of a run that ended early; the report says why.
    fn ended_early(&mut self, stopped: Stopped) -> anyhow::Result<ExitCode> {
        let (code, why) = match stopped {
            Stopped::Interrupted => (ExitCode::Interrupted, "interrupted".to_owned()),
            Stopped::DayIsSpent => (
                ExitCode::WorkLeft,
                "the day's requests are used, but for those that are kept for fresh files"
                    .to_owned(),
            ),
            Stopped::Refused(error) => {
                let code = match error.kind() {
                    photos_api::Kind::LoginNeeded | photos_api::Kind::ScopeMissing => {
                        ExitCode::LoginNeeded
                    }
                    photos_api::Kind::ApiDisabled
                    | photos_api::Kind::PhotosDisabled
                    | photos_api::Kind::Setup => ExitCode::Unusable,
                    _ => ExitCode::WorkLeft,
                };
                let mut why = account::error_chain(&error);
                if let Some(hint) = error.hint() {
                    why = format!("{why}\nhint: {hint}");
                }
                (code, why)
            }
            Stopped::Failed(error) => return Err(error),
        };
        let why = match code {
            ExitCode::Interrupted | ExitCode::WorkLeft => {
                format!("{why}; what was done is kept, run it again to go on")
            }
            _ => why,
        };
        self.report.stopped = Some(why);
        Ok(code)
    }

    /// Hashes and records the matched files and their copies.
    async fn record(&mut self, verdicts: Vec<Result<usize, Unsure>>) -> Result<(), Stopped> {
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
        let mut logged = 0;
        for batch in batches(sure) {
            let (recorded, left) = self.record_batch(batch, Arc::default()).await?;
            for (hash, size, number) in recorded {
                of_content.insert(hash, number);
                sizes.insert(size);
            }
            for path in left {
                self.report.left(|| path);
            }
            if self.report.matched / LOG_EVERY > logged {
                logged = self.report.matched / LOG_EVERY;
                tracing::info!("{} files are found again so far", self.report.matched);
            }
        }
        // Copies under other names: the service knows only the first name.
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

    /// Hashes a batch and records the files that have a media item, by number or by content. Returns
    /// hash, size and number of the recorded files, and the paths of the others.
    async fn record_batch(
        &mut self,
        batch: Vec<Paired>,
        of_content: Arc<HashMap<ContentHash, usize>>,
    ) -> Result<(Vec<(ContentHash, u64, usize)>, Vec<PathBuf>), Stopped> {
        self.check_stop()?;
        let batch = self.read_batch(batch, of_content).await?;
        self.check_stop()?;
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

    /// Hashes a batch, and finds media items by content for files without a number.
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

    /// The album of this title, or its part, that has the item.
    fn listed_in(&self, title: Option<&str>, number: usize) -> Option<AlbumRow> {
        let title = title.and_then(album_title::clean)?;
        let holds = |album: &&OurAlbum| {
            album.title == title && self.holds.contains_key(&(album.row, number))
        };
        self.albums.iter().find(holds).map(|album| album.row)
    }

    /// An arrival time for an item of an album in the order of arrival. The real one is lost; it only has
    /// to be before now, and before those of the items behind it.
    fn arrived(&self, root: usize, album: AlbumRow, number: usize) -> Option<Timestamp> {
        let is_arrival = self.roots.get(root)?.folder.settings.order == Order::Arrival;
        let place = i64::try_from(*self.holds.get(&(album, number))?).ok()?;
        let before = SignedDuration::from_millis(ALBUM_ITEMS_MAX as i64 - place);
        let arrived = self.began.checked_sub(before).ok();
        arrived.filter(|_| is_arrival)
    }

    /// Records which items of each album are in sequence.
    async fn put_in_order(&self) -> Result<(), Stopped> {
        let store = &self.context.store;
        for album in &self.albums {
            let item = |number: &usize| self.items.get(*number).copied().flatten();
            let items: Vec<ItemId> = album.members.iter().filter_map(item).collect();
            let keys = store.keys_in(album.row, items.clone()).await?;
            let keys: Vec<Option<&[u8]>> = keys.iter().map(Option::as_deref).collect();
            let in_sequence = matching::longest_increasing(&keys);
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
