//! The stage: the one owner of all scans. One after the other they find out what there is, and what
//! they found is recorded.
//!
//! - A scan of a whole place, or of a PATH, runs on a thread of its own and is waited for batch by
//!   batch. Between two batches there is time for what is urgent: small scans that the watcher hinted
//!   at, and files that may have settled. So a photo that arrives during an hour's rescan of a slow
//!   disk does not wait for its end.
//! - A place is opened, so that its files may be claimed, when its first scan is complete. A daemon
//!   opens one that an earlier run has scanned at once.
//! - A place whose root is missing, or empty where files were known, is away. All roots are looked at
//!   each minute, and what is back is scanned.
//! - What fails is tried again later. Only a broken store ends the stage.

use std::{collections::VecDeque, path::PathBuf, sync::Arc};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    agenda::{Agenda, Times},
    fate::Terms,
    place::{Asked, Part, Places},
    scan::{Scan, Told},
    standing::{Counted, Standing, Standings},
    watch::{Hint, Hints, MountTable, Watch},
};
use crate::{
    clock::LOOK_AGAIN,
    config::Folder,
    context::{Context, Error, Mode, Result},
    store,
};

mod hinted;
mod recording;
mod roots;
mod scanning;

/// Orders that wait for the stage before askers wait.
const REQUESTS_AHEAD: usize = 16;

/// From folders to files in the queue.
#[derive(Debug)]
pub struct Intake {
    context: Context,
    places: Places,
    first: Vec<(usize, Part, Counted)>,
    requests: mpsc::Receiver<Request>,
}

/// The way to ask a running [`Intake`] for a scan; cheap to clone.
#[derive(Debug, Clone)]
pub struct Requests(mpsc::Sender<Request>);

#[derive(Debug)]
struct Request {
    paths: Vec<PathBuf>,
    done: oneshot::Sender<Result<()>>,
}

impl Requests {
    /// Scans `paths` (none: all configured folders) now. Comes back when the scan is complete and
    /// recorded; with an error that names it if one of the paths is not there.
    pub async fn scan(&self, paths: Vec<PathBuf>) -> Result<()> {
        let (done, answer) = oneshot::channel();
        let stopped = || Error::Intake("the scan was not completed".to_owned());
        let asked = self.0.send(Request { paths, done }).await;
        asked.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

impl Intake {
    /// Takes in all that is in `folders`, and the files that are at `paths`: those inside of a folder
    /// of the configuration by its rules, the others by the default ones. It is an error if there is
    /// nothing at one of the paths; then nothing was begun.
    pub fn new(
        context: Context,
        folders: Vec<Folder>,
        paths: &[PathBuf],
    ) -> Result<(Self, Requests)> {
        let given: Vec<PathBuf> = folders.iter().map(|folder| folder.path.clone()).collect();
        let others = context.config.folders.iter().cloned();
        let mut places = Places::new(folders.into_iter().chain(others))?;
        let mut parts: Vec<(usize, Part)> = given
            .iter()
            .filter_map(|path| Some((places.of_root(path)?, Part::Whole)))
            .collect();
        parts.extend(places.resolve_all(paths)?.told());
        let first = parts
            .into_iter()
            .map(|(place, part)| (place, part, Counted::new(&context.scanning)))
            .collect();
        let (sender, requests) = mpsc::channel(REQUESTS_AHEAD);
        let intake = Self {
            context,
            places,
            first,
            requests,
        };
        Ok((intake, Requests(sender)))
    }

    /// Runs until the stage is told to stop.
    pub async fn run(self) -> Result<()> {
        match Running::new(self).run().await {
            Err(End::Stop) | Ok(()) => Ok(()),
            Err(End::Failed(error)) => Err(error),
        }
    }
}

/// Why the work ends.
enum End {
    /// It was told to.
    Stop,
    /// It cannot go on.
    Failed(Error),
}

impl From<store::Error> for End {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

type Flow<T> = std::result::Result<T, End>;

/// A scan that waits for its turn.
struct Job {
    place: usize,
    part: Part,
    /// Who asked for it; the last of several jobs with the same ticket answers.
    tickets: Vec<Arc<Ticket>>,
}

struct Ticket(oneshot::Sender<Result<()>>);

/// A queued scan that has its turn.
struct Turn {
    job: Job,
    scan: Scan,
    began: Instant,
}

struct Running {
    context: Context,
    terms: Terms,
    places: Places,
    standings: Standings,
    first: Vec<(usize, Part, Counted)>,
    requests: mpsc::Receiver<Request>,
    queue: VecDeque<Job>,
    turn: Option<Turn>,
    agenda: Agenda,
    watch: Option<Watch>,
    hints: Option<Hints>,
    mount_table: MountTable,
    told: Told,
    /// When the next file may have settled.
    settle_at: Option<Timestamp>,
    /// When the roots are looked at again.
    look_at: Instant,
}

impl Running {
    fn new(intake: Intake) -> Self {
        let Intake {
            context,
            places,
            first,
            requests,
        } = intake;
        let now = Instant::now();
        let watch = &context.config.watch;
        let times = Times {
            settle: watch.settle,
            rescan: (context.mode == Mode::Daemon).then_some(watch.rescan),
        };
        Self {
            terms: Terms::of(&context.config),
            places,
            standings: Standings::new(),
            first,
            requests,
            queue: VecDeque::new(),
            turn: None,
            agenda: Agenda::new(times, now),
            watch: None,
            hints: None,
            mount_table: MountTable::open(),
            told: Told::default(),
            settle_at: Some(Timestamp::MIN),
            look_at: now,
            context,
        }
    }

    async fn run(mut self) -> Flow<()> {
        self.enter().await?;
        loop {
            self.do_what_is_due().await?;
            self.begin_turn();
            let wake = self.wake_at();
            tokio::select! {
                () = self.context.stop.cancelled() => return Err(End::Stop),
                changes = next_changes(&mut self.turn) => match changes {
                    Some(changes) => self.record(changes).await?,
                    None => self.end_turn().await?,
                },
                hints = next_hints(&mut self.hints) => self.take_in(hints),
                Some(request) = self.requests.recv() => self.answer(request).await?,
                () = self.mount_table.changed() => self.mounts_changed(),
                () = self.context.bells.intake.heard() => self.settle_at = Some(Timestamp::MIN),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// Makes the places known to the store, finds out which are there, and begins.
    async fn enter(&mut self) -> Flow<()> {
        let mut numbers: Vec<usize> = self.first.iter().map(|(number, ..)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let places: Vec<_> = numbers
            .iter()
            .filter_map(|n| self.places.get(*n).cloned())
            .collect();
        let folders = self.places.iter().filter(|place| place.is_configured);
        let folders: Vec<_> = folders.map(|place| place.root().to_owned()).collect();
        let now = self.context.clock.now();
        self.patiently(|| self.context.store.configured(folders.clone(), now))
            .await?;
        let specs: Vec<_> = places.iter().map(|place| place.spec()).collect();
        let rows = self
            .patiently(|| self.context.store.roots(specs.clone()))
            .await?;
        for ((number, place), row) in numbers.into_iter().zip(places).zip(&rows) {
            let standing = Standing::new(place, row, None);
            self.standings.insert(number, standing);
        }
        for (number, part, counted) in std::mem::take(&mut self.first) {
            if let Some(standing) = self.standings.get_mut(&number) {
                standing.first.push(part);
                standing.counted = Some(counted);
            }
        }
        self.look_at_roots().await?;
        if self.context.mode == Mode::Daemon {
            self.open_known().await?;
            self.start_watch();
        }
        if self.watch.is_none() {
            self.queue_first();
        }
        Ok(())
    }

    /// What an earlier run has scanned, under the same rules, need not wait for the rescan.
    async fn open_known(&mut self) -> Flow<()> {
        let known: Vec<usize> = self
            .standings
            .iter()
            .filter(|(_, it)| it.is_scanned && !it.requeue && it.away.is_none())
            .map(|(number, _)| *number)
            .collect();
        for number in known {
            self.open(number, false).await?;
        }
        Ok(())
    }

    fn queue_first(&mut self) {
        let mut first: Vec<_> = self
            .standings
            .iter()
            .flat_map(|(number, it)| it.first.iter().map(|part| (*number, part.clone())))
            .collect();
        first.sort_by_key(|(number, _)| *number);
        for (number, part) in first {
            self.enqueue(number, part, None);
        }
    }

    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let settle_at = self.settle_at.map(|at| {
            let wait = crate::clock::until(self.context.clock.now(), at);
            // The store's times are whole milliseconds; a wake just before one would turn in circles.
            now + wait + std::time::Duration::from_millis(1)
        });
        [settle_at, self.agenda.next(), Some(self.look_at)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now)
            // The wall clock may jump.
            .min(now + LOOK_AGAIN)
    }

    /// Queues what a command asked for.
    async fn answer(&mut self, request: Request) -> Flow<()> {
        let Request { paths, done } = request;
        let parts = if paths.is_empty() {
            let configured = self.configured().into_iter();
            Ok(configured.map(|number| (number, Part::Whole)).collect())
        } else {
            self.places.resolve_all(&paths).map(Asked::told)
        };
        let parts: Vec<(usize, Part)> = match parts {
            Ok(parts) => parts,
            Err(error) => {
                // Whoever asked may have gone.
                let _ = done.send(Err(error));
                return Ok(());
            }
        };
        let ticket = Arc::new(Ticket(done));
        for (number, part) in parts {
            self.admit(number, &part).await?;
            self.enqueue(number, part, Some(&ticket));
        }
        // With nothing to scan, this is the last of the ticket, and the answer.
        ticket.used();
        Ok(())
    }

    /// The configured places that take part.
    fn configured(&self) -> Vec<usize> {
        let configured = self
            .standings
            .iter()
            .filter(|(_, it)| it.place.is_configured);
        let mut numbers: Vec<usize> = configured.map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Lets a place take part that did not so far.
    async fn admit(&mut self, number: usize, part: &Part) -> Flow<()> {
        if self.standings.contains_key(&number) {
            return Ok(());
        }
        if let Some(place) = self.places.get(number).cloned() {
            let counted = Counted::new(&self.context.scanning);
            let row = self
                .patiently(|| self.context.store.another_root(place.spec()))
                .await?;
            let mut standing = Standing::new(place, &row, Some(counted));
            standing.first.push(part.clone());
            self.standings.insert(number, standing);
        }
        Ok(())
    }

    /// Queues a scan; one that waits already serves all who want it.
    fn enqueue(&mut self, place: usize, part: Part, ticket: Option<&Arc<Ticket>>) {
        let ticket = ticket.cloned();
        let waiting = self.queue.iter_mut();
        let mut waiting = waiting.filter(|job| job.place == place);
        match waiting.find(|job| job.part == part || job.part == Part::Whole) {
            Some(job) => job.tickets.extend(ticket),
            None => self.queue.push_back(Job {
                place,
                part,
                tickets: ticket.into_iter().collect(),
            }),
        }
    }
}

impl Ticket {
    /// A job is done with it; the last one answers.
    fn used(self: Arc<Self>) {
        if let Some(Self(done)) = Arc::into_inner(self) {
            // Whoever asked may have gone.
            let _ = done.send(Ok(()));
        }
    }
}

async fn next_changes(turn: &mut Option<Turn>) -> Option<Vec<store::Change>> {
    match turn {
        Some(turn) => turn.scan.changes().await,
        None => std::future::pending().await,
    }
}

async fn next_hints(hints: &mut Option<Hints>) -> Vec<Hint> {
    match hints {
        Some(hints) => hints.next().await,
        None => std::future::pending().await,
    }
}
