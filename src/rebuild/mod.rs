//! `albumen rebuild`: a database that was lost is made again from the folders and the service.
//!
//! - [`remote`] — what the service says that this client made.
//! - [`local`] — what is on the disk, and what it could be of that, by [`matching`].
//! - [`album_titles`], [`album_order`] — which album is which, and how much of it stands in order.
//! - [`apply`] — what is sure, put into the store.
//! - [`report`] — what came of it.
//!
//! What is sure is recorded, step by step, and each step stands by itself: albums first, so that
//! nothing makes a second one of a title; then files, some at a time, after they were hashed; then
//! the order of albums. So a rebuild may be stopped and repeated, and run on a database that knows
//! some. One that is damaged is kept aside first. It needs the state folder for itself. What it leaves is the queue's, which may send a byte
//! too much and never makes a second media item of it.

mod album_order;
mod album_titles;
mod apply;
mod local;
mod matching;
mod remote;
mod report;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use anyhow::Context as _;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::daemon::context::build;
use crate::{
    config::Config,
    context::{Context, Mode, account},
    escape::Escaped,
    exit_code::ExitCode,
    lock::Lock,
    model::ids::{AlbumId, AlbumRow, ItemId},
    photos_api,
    progress::Progress,
    store::{self, AdoptedDescription, ListedAlbum, Store},
};
use local::{Candidate, Root};
use matching::Unsure;
use remote::{Listed, Lists, Stopped};
use report::Report;

/// Rebuilds in a process of its own; gives the exit code and the report. With `is_dry` it only says
/// what it would do; its requests are counted all the same.
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

/// An album of the service that is ours.
#[derive(Debug)]
struct OurAlbum {
    row: AlbumRow,
    title: String,
    id: AlbumId,
    /// The numbers of its items, in its order.
    members: Vec<usize>,
}

/// A rebuild under way.
#[derive(Debug)]
struct Rebuilding {
    context: Context,
    roots: Vec<Root>,
    candidates: Vec<Candidate>,
    listed: Arc<Listed>,
    /// Our item for each listed one, as far as it is known.
    items: Vec<Option<ItemId>>,
    albums: Vec<OurAlbum>,
    /// At which place which album holds which listed item.
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
        self.tell_orphans(&verdicts);
        if self.report.is_dry {
            self.tell(&verdicts);
            return Ok(());
        }
        let recorded = self.record(verdicts).await;
        // What was recorded is put in order even if the rest was not.
        self.put_in_order().await?;
        recorded
    }

    /// Finds out what is on the disk; gives titles that are no parts of others.
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
        self.go_on()?;
        Ok(found.titles)
    }

    /// Makes the albums of the service ours again.
    async fn take_albums(&mut self, titles: &HashSet<String>) -> Result<(), Stopped> {
        let albums = Lists::new(&self.context).albums().await?;
        let listed = album_titles::of_albums(&albums, titles);
        let known = self.context.store.album_ids().await?;
        let taken = if self.report.is_dry {
            as_if_taken(&listed, &known)
        } else {
            let now = self.context.clock.now();
            let rows = self
                .context
                .store
                .albums_taken_over(listed.clone(), now)
                .await?;
            let row = |taken: AdoptedDescription| (taken.row, taken.title, taken.is_new);
            rows.into_iter().map(|taken| taken.map(row)).collect()
        };
        let mut new = Vec::new();
        for (album, taken) in listed.into_iter().zip(taken) {
            let Some((row, title, is_new)) = taken else {
                self.report.double(&album.title);
                continue;
            };
            if is_new {
                new.push(match album.part {
                    1 => album.title.clone(),
                    part => format!("{} ({part})", album.title),
                });
            }
            self.albums.push(OurAlbum {
                row,
                title,
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

    /// Lists what the service has, and which of it is an item of ours already.
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

    /// The number of the media item of each candidate, where it is sure.
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

    /// Tells which media items have no file, for all that is sure.
    fn tell_orphans(&mut self, verdicts: &[Result<usize, Unsure>]) {
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

    /// Tells what would become of the files.
    fn tell(&mut self, verdicts: &[Result<usize, Unsure>]) {
        for (one, verdict) in self.candidates.iter().zip(verdicts) {
            match verdict {
                _ if one.is_held => {}
                Ok(_) => self.report.matched += 1,
                Err(why) => self.report.unmatched(*why, || one.path(&self.roots)),
            }
        }
    }

    fn go_on(&self) -> Result<(), Stopped> {
        if self.context.stop.is_cancelled() {
            return Err(Stopped::Interrupted);
        }
        Ok(())
    }

    /// The exit code of a run that did not come to its end; why it did not is in the report.
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
}

/// What [`Store::albums_taken_over`] would give, as far as that can be known without it.
fn as_if_taken(
    listed: &[ListedAlbum],
    known: &HashSet<String>,
) -> Vec<Option<(AlbumRow, String, bool)>> {
    let mut seen = HashSet::new();
    let mut number = 0;
    listed
        .iter()
        .map(|album| {
            number -= 1;
            seen.insert((album.title.clone(), album.part)).then(|| {
                let is_new = !known.contains(album.album_id.as_str());
                (AlbumRow(number), album.title.clone(), is_new)
            })
        })
        .collect()
}
