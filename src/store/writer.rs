//! The writer thread: one connection, verbs in order, commits in groups.
//!
//! A single commit costs a write to the log; fifty verbs that wait together share one. A verb that
//! fails is rolled back to its savepoint and takes nobody along. A verb is answered only after its
//! group is committed; if the commit itself fails, every verb of the group is told so.
//!
//! Before each group the thread looks whether the files still are those that were opened. If not,
//! nothing is written any more: what can be saved is saved ([`rescue`]), and every verb from then on is
//! told [`Error::Removed`].

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    Error, Result, Saved, Tx, backup,
    disk_health::{Change, Health, Identity, Trouble},
};
use crate::failpoint::{self, Moment};

/// The most verbs in one commit: bounds how long the first one waits for its answer.
const GROUP: usize = 256;

/// Verbs that may wait for the thread before askers are held back.
const WAITING: usize = 1024;

/// Bytes that are written to find out whether there is room again: eight pages, which is more than what
/// may be free in one.
pub(super) const PROBE: usize = 32 << 10;

/// How long to wait before an operation is repeated that failed for a reason that may pass.
const RETRY: Duration = Duration::from_secs(5);

/// The writing side of the store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    writer: Writer,
    path: PathBuf,
}

impl Store {
    pub(super) fn new(connection: Connection, path: PathBuf) -> Self {
        Self {
            writer: Writer::start(connection, &path),
            path,
        }
    }

    /// The database.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Commits what was asked so far and ends the writer thread.
    pub async fn close(&self) {
        self.writer.close().await;
    }

    /// What keeps the database from being written now, if anything does.
    pub fn trouble(&self) -> Option<Trouble> {
        self.writer.health.trouble()
    }

    /// Checks that the files of the database are still there and, while there is a trouble, whether it
    /// can be written again. For times when nothing else is written. A transient error is no failure.
    pub async fn look_after(&self) -> Result<()> {
        let probes = self.trouble().is_some();
        let checked = self.write(move |tx| {
            if probes {
                let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('probe', ?1)";
                tx.execute(sql, ["-".repeat(PROBE)])?;
            }
            Ok(())
        });
        match checked.await {
            Err(error) if error.is_transient() => Ok(()),
            checked => checked,
        }
    }

    /// Whether the writer thread answers; for the watchdog of systemd. An error of the database is an
    /// answer: a restart does not mend a full disk.
    pub async fn is_alive(&self) -> bool {
        !matches!(self.write(|_| Ok(())).await, Err(Error::Closed))
    }

    /// Runs `verb` as one transaction on the writer thread; returns after the commit. The commit
    /// survives a crash of the process, but perhaps not a power cut.
    pub fn write<T, F>(&self, verb: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Tx) -> Result<T> + Send + 'static,
    {
        self.writer.run(Durability::Normal, verb)
    }

    /// The same; the commit survives a power cut as well.
    pub fn write_durably<T, F>(&self, verb: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Tx) -> Result<T> + Send + 'static,
    {
        self.writer.run(Durability::PowerCut, verb)
    }
}

/// Gives [`Store`] an async method for a method of [`Tx`] with the same name, which it runs by
/// [`Store::write`] or [`Store::write_durably`]: `write fn name(arg: Type) -> Output;`.
macro_rules! store_methods {
    ($($write:ident fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $output:ty;)*) => {
        impl $crate::store::Store {$(
            #[doc = concat!("Runs `", stringify!($name), "` of the transaction, or of its reader, on the writer thread.")]
            pub async fn $name(&self, $($arg: $type),*) -> $crate::store::Result<$output> {
                self.$write(move |tx| tx.$name($($arg),*)).await
            }
        )*}
    };
}

pub(super) use store_methods;

/// Repeats an operation of the store while its error is transient, until `stop`: then none. The store
/// logs a lasting trouble once by itself.
pub async fn retry_transient<T, F: Future<Output = Result<T>>>(
    stop: &CancellationToken,
    operation: impl Fn() -> F,
) -> Result<Option<T>> {
    loop {
        match operation().await {
            Err(error) if error.is_transient() => {}
            done => return done.map(Some),
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

/// What a commit must survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// A crash of the process (`synchronous = NORMAL`).
    Normal,
    /// A power cut as well (`synchronous = FULL`).
    PowerCut,
}

/// Runs one verb (or none, when the transaction is lost); gives what is to be called once its group
/// is committed, or could not be.
type Verb = Box<dyn FnOnce(Option<&Tx>) -> Answer + Send>;

/// Answers a verb, once it is known what became of its group.
type Answer = Box<dyn FnOnce(&Fate) + Send>;

/// What became of a group.
enum Fate {
    Committed,
    /// Nothing of it was written; the reason of the database, where that is known by its code.
    Lost(Option<rusqlite::ffi::Error>),
    /// Nothing is written any more.
    Removed(PathBuf, Saved),
}

impl Fate {
    fn error(&self) -> Option<Error> {
        match self {
            Self::Committed => None,
            Self::Lost(cause) => Some(not_written(*cause)),
            Self::Removed(path, saved) => Some(Error::Removed {
                path: path.clone(),
                saved: saved.clone(),
            }),
        }
    }
}

enum Job {
    Verb(Durability, Verb),
    Close(oneshot::Sender<()>),
}

/// The way to the writer thread; cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::SyncSender<Job>,
    health: Health,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    /// Gives `connection`, which has the database at `path`, to a new thread, which ends when the last
    /// handle is dropped.
    pub(super) fn start(connection: Connection, path: &Path) -> Self {
        let (jobs, inbox) = mpsc::sync_channel(WAITING);
        let health = Health::of(path);
        let mut desk = Desk {
            identity: Identity::of(path),
            path: path.to_owned(),
            health: health.clone(),
            full_sync: false,
            removed: None,
            connection: Tx::new(connection),
        };
        thread::spawn(move || desk.serve(&inbox));
        Self { jobs, health }
    }

    /// Runs `verb` on the thread and gives its result once it is committed. The verb is handed over
    /// when this is first polled.
    pub(super) fn run<T, F>(
        &self,
        durability: Durability,
        verb: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Tx) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Job::Verb(durability, wrap(verb, answer, self.health.clone()));
        let jobs = self.jobs.clone();
        async move {
            hand_over(jobs, job).await?;
            answered.await.map_err(|_| Error::Closed)?
        }
    }

    /// Commits what was asked so far and ends the thread.
    pub(super) async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.clone();
        let sent = tokio::task::spawn_blocking(move || jobs.send(Job::Close(answer))).await;
        if matches!(sent, Ok(Ok(()))) {
            // An error means that the thread has ended, which is what was asked for.
            let _ = answered.await;
        }
    }
}

/// A full queue is rare (a first scan); then this task waits on a thread of its own.
async fn hand_over(jobs: mpsc::SyncSender<Job>, job: Job) -> Result<()> {
    match jobs.try_send(job) {
        Ok(()) => Ok(()),
        Err(mpsc::TrySendError::Disconnected(_)) => Err(Error::Closed),
        Err(mpsc::TrySendError::Full(job)) => tokio::task::spawn_blocking(move || jobs.send(job))
            .await
            .map_err(|_| Error::Closed)?
            .map_err(|_| Error::Closed),
    }
}

fn wrap<T, F>(verb: F, answer: oneshot::Sender<Result<T>>, health: Health) -> Verb
where
    T: Send + 'static,
    F: FnOnce(&Tx) -> Result<T> + Send + 'static,
{
    Box::new(move |connection| {
        let result = match connection {
            Some(connection) => in_savepoint(connection, verb),
            None => Err(not_written(None)),
        };
        if let (Some(_), Err(error)) = (connection, &result) {
            health.failed(error);
        }
        let ran = connection.is_some();
        Box::new(move |fate| {
            let result = match fate.error() {
                None => result,
                // A verb that failed by itself knows better what happened, unless nothing is written
                // any more.
                Some(error) if ran && !matches!(error, Error::Removed { .. }) => {
                    result.and(Err(error))
                }
                Some(error) => Err(error),
            };
            // The asker may have been cancelled; what it asked for is done all the same.
            let _ = answer.send(result);
        })
    })
}

fn in_savepoint<T>(connection: &Tx, verb: impl FnOnce(&Tx) -> Result<T>) -> Result<T> {
    connection.execute_batch("SAVEPOINT verb")?;
    let result = verb(connection);
    if result.is_ok() {
        connection.execute_batch("RELEASE verb")?;
    } else if !connection.is_autocommit()
        && connection
            .execute_batch("ROLLBACK TO verb; RELEASE verb")
            .is_err()
    {
        // Half a verb must not be committed: rather none of the group. The asker is told of its own
        // error in any case, and not of this one.
        let _ = connection.execute_batch("ROLLBACK");
    }
    result
}

fn not_written(cause: Option<rusqlite::ffi::Error>) -> Error {
    let cause = cause.unwrap_or_else(|| rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR));
    Error::Sqlite(rusqlite::Error::SqliteFailure(
        cause,
        Some("the transaction was lost; nothing of it was written".to_owned()),
    ))
}

/// What the thread has.
struct Desk {
    connection: Tx,
    path: PathBuf,
    health: Health,
    identity: Identity,
    full_sync: bool,
    /// Once the files are not ours any more.
    removed: Option<Saved>,
}

impl Desk {
    fn serve(&mut self, inbox: &mpsc::Receiver<Job>) {
        while let Ok(first) = inbox.recv() {
            let mut verbs = Vec::new();
            let mut closing = None;
            let mut durable = false;
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Verb(durability, verb) => {
                        durable |= durability == Durability::PowerCut;
                        verbs.push(verb);
                    }
                    Job::Close(answer) => {
                        closing = Some(answer);
                        break;
                    }
                }
                next = if verbs.len() < GROUP {
                    inbox.try_recv().ok()
                } else {
                    None
                };
            }
            if !verbs.is_empty() {
                self.look_for_removal();
                self.commit_group(durable, verbs);
            }
            if let Some(answer) = closing {
                if self.removed.is_none() {
                    // Leave no log behind; a reader that is still open keeps it, which is harmless.
                    let _ = self
                        .connection
                        .execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
                }
                let _ = answer.send(());
                return;
            }
        }
    }

    fn look_for_removal(&mut self) {
        if self.removed.is_some() {
            return;
        }
        if let Some(change) = self.identity.changed() {
            let saved = rescue(&self.connection, &self.path, change);
            let error = Error::Removed {
                path: self.path.clone(),
                saved: saved.clone(),
            };
            tracing::error!("{error}");
            self.removed = Some(saved);
        }
    }

    /// Sets what the commit must survive. A group that must survive a power cut is not written in a
    /// weaker mode.
    fn sync(&mut self, durable: bool) -> rusqlite::Result<()> {
        if durable != self.full_sync {
            let mode = if durable { "full" } else { "normal" };
            self.connection.pragma_update(None, "synchronous", mode)?;
            self.full_sync = durable;
        }
        Ok(())
    }

    fn commit_group(&mut self, durable: bool, verbs: Vec<Verb>) {
        let mut fate = match &self.removed {
            Some(saved) => Fate::Removed(self.path.clone(), saved.clone()),
            None => Fate::Committed,
        };
        let begun = match fate {
            Fate::Committed => self
                .sync(durable)
                .and_then(|()| self.connection.execute_batch("BEGIN IMMEDIATE")),
            _ => Ok(()),
        };
        if let Err(error) = begun {
            fate = self.lost(error, "the database could not begin a transaction");
        }
        let connection = &self.connection;
        let before = connection.total_changes();
        let mut answers = Vec::with_capacity(verbs.len());
        for verb in verbs {
            let alive = matches!(fate, Fate::Committed);
            answers.push(verb(alive.then_some(connection)));
            // A full disk makes SQLite roll the whole transaction back, those before it included.
            if alive && connection.is_autocommit() {
                fate = Fate::Lost(None);
            }
        }
        failpoint::point(Moment::BeforeCommit);
        if matches!(fate, Fate::Committed) {
            match connection.execute_batch("COMMIT") {
                Ok(()) if connection.total_changes() > before => self.health.wrote(),
                Ok(()) => {}
                Err(error) => fate = self.lost(error, "the database could not commit"),
            }
        }
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        failpoint::point(Moment::AfterCommit);
        for answer in answers {
            answer(&fate);
        }
    }

    /// A group that could not be written. A full or failing disk is told by its [`Health`], once.
    fn lost(&self, error: rusqlite::Error, words: &str) -> Fate {
        tracing::debug!(%error, "{words}");
        let error = Error::Sqlite(error);
        // A reason that neither passes nor is damage belongs to one verb of the group; the others may
        // ask again.
        let cause = match &error {
            Error::Sqlite(rusqlite::Error::SqliteFailure(cause, _))
                if error.is_transient() || error.is_damage() =>
            {
                Some(*cause)
            }
            _ => None,
        };
        self.health.failed(&error);
        Fate::Lost(cause)
    }
}

/// Saves what an open connection still knows of a database whose files were taken away. A removed
/// database is complete as long as it is open: it is kept as the newest backup. A removed log is
/// written into the database, which is complete then.
fn rescue(connection: &Connection, path: &Path, change: Change) -> Saved {
    match change {
        Change::CutShort => Saved::Nothing,
        Change::Log => {
            let written = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                row.get::<_, i64>(0)
            });
            if matches!(written, Ok(0)) {
                Saved::InPlace
            } else {
                Saved::Nothing
            }
        }
        Change::Database => match backup::write(connection, path, || false) {
            Ok(backup::BackedUp::Done) => Saved::AsBackup,
            Ok(_) => Saved::Nothing,
            Err(error) => {
                tracing::warn!(%error, "the removed database could not be kept as a backup");
                Saved::Nothing
            }
        },
    }
}
