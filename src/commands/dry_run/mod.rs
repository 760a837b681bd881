//! `albumen backfill --dry-run`: what would go up, where to, at what cost, and what would not.
//!
//! It walks and looks into files as intake does, and asks the store what it knows, but writes
//! nothing, makes no database and sends nothing. Files are not read to their end, so two new files
//! with equal bytes count as two. What their order costs is counted by [`cost`].

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    config::Config,
    daemon::clients,
    escape::Escaped,
    exit_code::ExitCode,
    scan::{
        folder::{Folder, Folders, ResolvedPaths},
        walk::{Entry, Listing, RootState, Scope},
    },
    status::format,
    store::{FileStatus, Reader},
};

use super::{explain, read_state};
use crate::ui::output;

mod after_upload;
mod cost;

/// Albums that are listed one by one.
const ALBUMS: usize = 50;

/// Says what a backfill of `paths` would do; nothing is the folders of the configuration.
pub(crate) async fn run(config: Arc<Config>, paths: Vec<PathBuf>) -> anyhow::Result<ExitCode> {
    let text = tokio::task::spawn_blocking(move || plan(&config, &paths)).await??;
    output::print(&text)?;
    Ok(ExitCode::Done)
}

fn plan(config: &Config, paths: &[PathBuf]) -> anyhow::Result<String> {
    let reader = read_state::reader(config)?;
    let mut plan = Plan::at(clients::clock(config).now());
    let mut folders = Folders::new(config.folders.iter().cloned())?;
    let asked = if paths.is_empty() {
        let all = folders.iter().enumerate();
        ResolvedPaths {
            scopes: all.map(|(number, _)| (number, Scope::Folder)).collect(),
            ..ResolvedPaths::default()
        }
    } else {
        folders.resolve(paths)?
    };
    for (number, scope) in &asked.scopes {
        if let Some(folder) = folders.get(*number) {
            plan.take(folder, scope, reader.as_ref())?;
        }
    }
    for (_, reason) in &asked.left_out {
        plan.leave_out(reason, 1);
    }
    if let Some(reader) = &reader {
        plan.is_listed = reader.albums_were_listed()?;
        let made = reader.albums()?.into_iter();
        plan.made = made
            .filter(|album| album.id.is_some())
            .map(|album| album.title)
            .collect();
    }
    Ok(plan.text(config))
}

/// Files and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    files: u64,
    bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// What would happen.
#[derive(Debug)]
struct Plan {
    now: Timestamp,
    /// What would go up, by album title.
    albums: BTreeMap<Option<String>, Amount>,
    /// What would not, by reason.
    left_out: BTreeMap<String, u64>,
    /// What is there already.
    there: u64,
    /// What cannot be looked at.
    problems: Vec<String>,
    /// Titles of albums that need not be made.
    made: Vec<String>,
    /// Whether the albums that stood before are known.
    is_listed: bool,
    /// What would join albums that stand already.
    places: cost::Places,
    /// What would be moved or deleted in the end.
    acts: after_upload::Acts,
}

impl Plan {
    fn at(now: Timestamp) -> Self {
        Self {
            now,
            albums: BTreeMap::new(),
            left_out: BTreeMap::new(),
            there: 0,
            problems: Vec::new(),
            made: Vec::new(),
            is_listed: false,
            places: cost::Places::default(),
            acts: after_upload::Acts::default(),
        }
    }

    fn take(
        &mut self,
        folder: &Folder,
        scope: &Scope,
        reader: Option<&Reader>,
    ) -> anyhow::Result<()> {
        let tree = &folder.tree;
        match tree.root_state() {
            RootState::Present => {}
            RootState::Missing => self.problem(&tree.root, &"there is no such folder"),
            RootState::Empty => self.problem(&tree.root, &"there is nothing in it"),
            RootState::Unreadable(error) => self.problem(&tree.root, &error),
        }
        for listing in tree.walk(scope) {
            self.take_listing(folder, &listing, reader)?;
        }
        Ok(())
    }

    fn problem(&mut self, path: &Path, what: &dyn std::fmt::Display) {
        self.problems
            .push(format!("{}: {what}", Escaped::path(path)));
    }

    fn leave_out(&mut self, reason: &str, n: u64) {
        if n > 0 {
            *self.left_out.entry(reason.to_owned()).or_default() += n;
        }
    }

    fn take_listing(
        &mut self,
        folder: &Folder,
        listing: &Listing,
        reader: Option<&Reader>,
    ) -> anyhow::Result<()> {
        let dir = &listing.dir;
        let at = folder.tree.root.join(dir);
        if let Some(error) = &listing.problem {
            self.problem(&at, error);
        }
        for (name, error) in &listing.unreadable {
            self.problem(&at.join(name), error);
        }
        let passed = listing.passed_over;
        self.leave_out("neither photo nor video", passed.other_kind);
        self.leave_out("on the built-in junk list", passed.junk);
        self.leave_out("named by `exclude`", passed.excluded);
        self.leave_out("not named by `include`", passed.not_included);
        let known = known(reader, folder, dir)?;
        for entry in &listing.files {
            self.take_entry(folder, (dir, entry), known.get(&entry.name), reader)?;
        }
        Ok(())
    }

    fn take_entry(
        &mut self,
        folder: &Folder,
        (dir, entry): (&Path, &Entry),
        known: Option<&FileStatus>,
        reader: Option<&Reader>,
    ) -> anyhow::Result<()> {
        let same = known
            .filter(|known| known.size == entry.stat.size && known.mtime_ns == entry.stat.mtime_ns)
            .cloned();
        let known = match (same, reader) {
            (None, Some(reader)) => reader.moved(&entry.stat)?,
            (same, _) => same,
        };
        if let Some(known) = known {
            match (known.file_state.as_str(), known.item_state.as_deref()) {
                ("attached", Some("created" | "verified")) => {
                    self.there += 1;
                    if !known.stays {
                        self.acts.note(&folder.settings);
                    }
                    return Ok(());
                }
                ("attached", Some("failed" | "missing")) => {
                    self.leave_out("failed or missing; `albumen retry` tries again", 1);
                    return Ok(());
                }
                ("refused", _) => {
                    let reason = known.file_reason.as_deref().unwrap_or("left out before");
                    self.leave_out(reason, 1);
                    return Ok(());
                }
                _ => {}
            }
        } else {
            let path = folder.tree.root.join(dir).join(&entry.name);
            if let Err(reason) = explain::content(&path, entry.stat.size) {
                self.leave_out(&reason, 1);
                return Ok(());
            }
        }
        let (title, key) = folder.destination(dir, entry, self.now);
        if let (Some(title), Some(reader)) = (&title, reader) {
            self.places.note(title, &key, reader)?;
        }
        self.albums.entry(title).or_default().add(entry.stat.size);
        self.acts.note(&folder.settings);
        Ok(())
    }

    fn total(&self) -> Amount {
        let mut total = Amount::default();
        for amount in self.albums.values() {
            total.files += amount.files;
            total.bytes += amount.bytes;
        }
        total
    }

    fn cost(&self) -> cost::Cost {
        let mut items = cost::Calls::default();
        for (title, amount) in &self.albums {
            items += self.places.calls(title.as_deref(), amount.files);
        }
        let titles = self.albums.keys().flatten();
        let albums = titles.filter(|title| !self.made.contains(title)).count() as u64;
        cost::Cost {
            albums,
            lists: u64::from(albums > 0 && !self.is_listed),
            uploads: self.total().files,
            items,
        }
    }

    fn text(&self, config: &Config) -> String {
        let total = self.total();
        let mut text = match total.files {
            0 => "Nothing would go up.\n".to_owned(),
            n => format!(
                "{} would go up, {}.\n",
                format::files(n),
                format::bytes(total.bytes)
            ),
        };
        if total.files > 0 {
            text += &self.cost().text(config);
            self.tell_albums(&mut text);
        }
        if self.there > 0 {
            let _ = writeln!(
                text,
                "Already in Google Photos: {}",
                format::files(self.there)
            );
        }
        text += &self.acts.text();
        if !self.left_out.is_empty() {
            text.push_str("Left out:\n");
            for (reason, n) in &self.left_out {
                let _ = writeln!(
                    text,
                    "  {:>9}  {}",
                    format::number(*n),
                    Escaped::text(reason)
                );
            }
        }
        if !self.problems.is_empty() {
            text.push_str("Could not be looked at:\n");
            for problem in &self.problems {
                let _ = writeln!(text, "  {problem}");
            }
        }
        text
    }

    fn tell_albums(&self, text: &mut String) {
        let mut albums: Vec<_> = self.albums.iter().collect();
        albums.sort_by_key(|(_, amount)| std::cmp::Reverse(amount.files));
        for (title, amount) in albums.iter().take(ALBUMS) {
            let title = match title {
                Some(title) => format!("album \"{}\"", Escaped::text(title)),
                None => "no album".to_owned(),
            };
            let _ = writeln!(
                text,
                "  {:>9}  {:>8}  {title}",
                format::number(amount.files),
                format::bytes(amount.bytes),
            );
        }
        if let Some(more) = albums.len().checked_sub(ALBUMS).filter(|more| *more > 0) {
            let _ = writeln!(
                text,
                "  and {}",
                format::count(more as u64, "album more", "albums more")
            );
        }
    }
}

fn known(
    reader: Option<&Reader>,
    folder: &Folder,
    dir: &Path,
) -> anyhow::Result<HashMap<OsString, FileStatus>> {
    let Some(reader) = reader else {
        return Ok(HashMap::new());
    };
    let standing = reader.standing_in(&folder.tree.root, dir)?;
    let by_name = |one: FileStatus| (one.name.clone(), one);
    Ok(standing.into_iter().map(by_name).collect())
}
