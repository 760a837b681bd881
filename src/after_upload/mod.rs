//! What becomes of a file once its picture is safely in the library: `after_upload`.
//!
//! A file goes only when its media item was read back, not before `verify.after`; when every album
//! that it belongs to has it; and when the file on disk still is, byte for byte, what was sent. The
//! intention is journalled before the act, so that a crash in between is found and resolved at the
//! next start, and a file that Albumen let go is never taken for one that somebody deleted.
//!
//! Whatever stands in the way keeps the file where it is, with the reason in `explain`; it is
//! looked at again at the next start. [`precheck`] judges, [`execute`] acts, [`recover`] resolves.

mod checked_unlink;
mod destination;
mod destination_mounts;
mod execute;
mod policy;
mod precheck;
mod recover;

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use crate::context::{Context, Error, Result};
use crate::{
    clock::{self, LOOK_AGAIN},
    escape::Escaped,
    model::ids::FileId,
    store::{Act, Blockers, Intended, Source},
};

use destination::Target;
use policy::{Policy, Rulings};
use precheck::{CheckedFile, Look, Trouble};
use recover::Recovery;

/// Files that are looked at, journalled and let go together: as many are open at once.
const TOGETHER: usize = 16;

/// Rows that are arranged in one transaction.
const ARRANGED: usize = 500;

/// Rings come in crowds; one look for all that come within this.
const CROWD: Duration = Duration::from_millis(100);

/// How long after a file was touched at the last moment it is looked at again.
const SOON: Duration = Duration::from_secs(1);

/// How often a file may be touched at the last moment in one run, before it is left alone: there are
/// file systems on which a file never looks the same twice.
const TOUCHES: u32 = 5;

/// How long after trouble with the store is looked again.
const STORE_TROUBLE: Duration = Duration::from_secs(5);

/// The stage.
#[derive(Debug)]
pub struct Afterwards {
    context: Context,
    rulings: Rulings,
    /// Reasons that were said at full voice in this run.
    said: HashSet<String>,
    /// Folders for files to be moved to that were not there when they were looked for last.
    away: HashSet<PathBuf>,
    /// How often files were touched at the last moment.
    touched: HashMap<FileId, u32>,
    /// Whether there may be acts of which nobody recorded what came of them.
    unresolved: bool,
    /// Whether this run has looked at anything yet.
    begun: bool,
}

impl Afterwards {
    /// The stage of a run that is about `paths` alone; about all folders if there are none. It is an
    /// error if there is nothing at one of the paths.
    pub fn new(context: Context, paths: &[PathBuf]) -> Result<Self> {
        Ok(Self {
            rulings: Rulings::new(&context, paths)?,
            context,
            said: HashSet::new(),
            away: HashSet::new(),
            touched: HashMap::new(),
            unresolved: true,
            begun: false,
        })
    }

    /// Runs until the stop.
    pub async fn run(mut self) -> Result<()> {
        let mut moved = self.context.wakes.changed.subscribe();
        while !self.context.stop.is_cancelled() {
            moved.mark_unchanged();
            let until = match self.turn().await {
                Ok(until) => until,
                Err(Error::Store(error)) if error.is_transient() => {
                    Some(clock::after(self.context.clock.now(), STORE_TROUBLE))
                }
                Err(error) => return Err(error),
            };
            let wait = until.map_or(LOOK_AGAIN, |until| {
                clock::until(self.context.clock.now(), until).min(LOOK_AGAIN)
            });
            tokio::select! {
                () = self.context.stop.cancelled() => {}
                _ = moved.changed() => tokio::time::sleep(CROWD).await,
                () = tokio::time::sleep(wait.max(CROWD)) => {}
            }
        }
        Ok(())
    }

    /// Lets go whatever may go; gives when to look again.
    async fn turn(&mut self) -> Result<Option<Timestamp>> {
        if self.unresolved {
            self.resolve().await?;
        }
        let store = self.context.store.clone();
        if !self.begun {
            if self.rulings.is_limited() {
                store.reset_verification().await?;
            }
            self.begun = true;
        }
        self.look_for_targets().await?;
        while !self.context.stop.is_cancelled() {
            self.request_verification().await?;
            let Some(due) = store.sources(TOGETHER, self.context.clock.now()).await? else {
                break;
            };
            let mut free = Vec::with_capacity(due.len());
            for (source, clearance) in due {
                if let Some(act) = self.clear(&source, clearance).await? {
                    free.push((source, act));
                }
            }
            self.let_go(free).await?;
            self.context.wakes.changed.notify();
        }
        Ok(store
            .next_source()
            .await?
            .filter(|due| *due > self.context.clock.now()))
    }

    /// Sees to it that the service is asked for whatever a file waits for.
    async fn request_verification(&mut self) -> Result<()> {
        let store = &self.context.store;
        let Some(grace) = self.context.config.verify.after else {
            return Ok(());
        };
        let mut arranged = false;
        loop {
            let unrequested = store.unrequested(ARRANGED).await?;
            if unrequested.is_empty() {
                break;
            }
            let (mut asked, mut resting) = (Vec::new(), Vec::new());
            for source in unrequested {
                match self.rulings.of(&source) {
                    Policy::Act(_) => asked.push(source.file),
                    Policy::Stays(why) => store.source_stays(source.file, why).await?,
                    Policy::Rests => resting.push(source.file),
                }
            }
            arranged |= !asked.is_empty();
            let now = self.context.clock.now();
            store.arrange_read_back(asked, grace, now).await?;
            store.sources_rest(resting).await?;
        }
        if arranged {
            self.context.wakes.verify.notify();
        }
        Ok(())
    }

    /// What is to be done to a file, if nothing holds it.
    async fn clear(&mut self, source: &Source, clearance: Blockers) -> Result<Option<Act>> {
        match clearance {
            Blockers::Free => match self.rulings.of(source) {
                Policy::Act(act) => return Ok(Some(act)),
                // No trouble, and nothing to be warned of: somebody wanted it so.
                Policy::Stays(why) => {
                    let store = &self.context.store;
                    store.source_stays(source.file, why).await?;
                }
                Policy::Rests => self.context.store.sources_rest(vec![source.file]).await?,
            },
            // The schema wakes it when its placement is settled.
            Blockers::Wanted => self.put_off(source).await?,
            Blockers::Refused(title) => {
                let title = Escaped::text(&title).to_string();
                let trouble =
                    Trouble::new(format!("it could not be put into the album \"{title}\""));
                self.stays(source, &trouble).await?;
            }
        }
        Ok(None)
    }

    async fn put_off(&self, source: &Source) -> Result<()> {
        let later = clock::after(self.context.clock.now(), LOOK_AGAIN);
        Ok(self.context.store.source_waits(source.file, later).await?)
    }

    /// Looks at the files, journals what is to be done to those that are fit, and does it.
    async fn let_go(&mut self, free: Vec<(Source, Act)>) -> Result<()> {
        let mut targets = HashMap::new();
        let mut fits = Vec::with_capacity(free.len());
        let mut acts = Vec::with_capacity(free.len());
        for (source, act) in free {
            if self.context.stop.is_cancelled() {
                return Ok(());
            }
            let target = match self.target(&source, &act, &mut targets).await? {
                Ok(target) => target,
                Err(trouble) => {
                    self.stays(&source, &trouble).await?;
                    continue;
                }
            };
            let (looked_at, what) = (source.clone(), act.clone());
            match blocking(move || precheck::look(&looked_at, &what)).await {
                Some(Look::CheckedFile(fit)) => {
                    fits.push((source.file, fit, target));
                    acts.push((source, act));
                }
                Some(Look::Stays(trouble)) => self.stays(&source, &trouble).await?,
                Some(Look::Away) | None => self.put_off(&source).await?,
            }
        }
        if acts.is_empty() {
            return Ok(());
        }
        let now = self.context.clock.now();
        // Until what came of all of them is recorded, nobody knows: the store may refuse it.
        let mut unresolved = std::mem::replace(&mut self.unresolved, true);
        for intended in self.context.store.intend(acts, now).await? {
            let of_file = fits
                .iter()
                .position(|(file, ..)| *file == intended.source.file);
            if let Some(at) = of_file {
                let (_, fit, target) = fits.swap_remove(at);
                unresolved |= !self.perform(intended, fit, target).await?;
            }
        }
        self.unresolved = unresolved;
        Ok(())
    }

    /// Does what was journalled; gives whether it is recorded what came of it.
    async fn perform(
        &mut self,
        intended: Intended,
        fit: Box<CheckedFile>,
        target: Option<Arc<Target>>,
    ) -> Result<bool> {
        let (id, file) = (intended.id, intended.source.file);
        let Some((done, intended)) =
            blocking(move || (execute::go(&intended, &fit, target.as_deref()), intended)).await
        else {
            // Nobody knows how far it came: that is what the journal is for.
            return Ok(false);
        };
        let from = intended.source.path();
        match done {
            Ok(()) => {
                let now = self.context.clock.now();
                self.context.store.acted(id, file, now).await?;
                let from = Escaped::path(&from);
                match &intended.act {
                    Act::Move(to) => {
                        tracing::info!(file.id = file.0, "moved {from} to {}", Escaped::path(to));
                    }
                    Act::Delete => tracing::info!(
                        file.id = file.0,
                        "deleted {from}: its picture is in Google Photos and was read back"
                    ),
                }
            }
            Err(trouble) => {
                let touches = self.touched.entry(file).or_default();
                *touches += 1;
                let is_transient = trouble.is_transient && *touches < TOUCHES;
                let again = is_transient.then(|| clock::after(self.context.clock.now(), SOON));
                if again.is_none() {
                    self.say(&from, &trouble);
                }
                let store = &self.context.store;
                store.not_acted(id, file, trouble.reason, again).await?;
            }
        }
        Ok(true)
    }

    async fn stays(&mut self, source: &Source, trouble: &Trouble) -> Result<()> {
        self.say(&source.path(), trouble);
        let reason = trouble.reason.clone();
        Ok(self.context.store.source_stays(source.file, reason).await?)
    }

    /// Says a reason at full voice once; a thousand files may have it in common.
    fn say(&mut self, path: &std::path::Path, trouble: &Trouble) {
        let path = Escaped::path(path);
        let reason = &trouble.reason;
        if self.said.insert(reason.clone()) {
            let hint = trouble.hint.map(|hint| format!("\nhint: {hint}"));
            let hint = hint.unwrap_or_default();
            tracing::warn!("{path} stays where it is: {reason}{hint}");
        } else {
            tracing::debug!("{path} stays where it is: {reason}");
        }
    }

    /// Finds out what came of acts that a crash cut short, or of which the store would not take a record.
    async fn resolve(&mut self) -> Result<()> {
        let mut unresolved = false;
        for intended in self.context.store.open_acts().await? {
            let (id, file) = (intended.id, intended.source.file);
            let path: PathBuf = intended.source.path();
            let what = blocking(move || recover::aftermath(&intended)).await;
            match what {
                Some(Recovery::Done) => {
                    let now = self.context.clock.now();
                    self.context.store.acted(id, file, now).await?;
                    let path = Escaped::path(&path);
                    tracing::info!(
                        file.id = file.0,
                        "{path} had gone, and that was not recorded yet"
                    );
                }
                Some(Recovery::Retry(reason)) => {
                    let store = &self.context.store;
                    let now = self.context.clock.now();
                    store
                        .not_acted(id, file, reason.to_owned(), Some(now))
                        .await?;
                }
                Some(Recovery::Away) | None => unresolved = true,
            }
        }
        self.unresolved = unresolved;
        Ok(())
    }
}

/// Runs work that waits for disks; none if it could not be run to its end.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::warn!(%error, "a look at a file was broken off");
            None
        }
    }
}
