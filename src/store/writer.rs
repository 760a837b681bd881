//! The writer thread: one connection, verbs in order, commits in groups.
//!
//! A single commit costs a write to the log; fifty verbs that wait together share one. A verb that
//! fails is rolled back to its savepoint and takes nobody along. A verb is answered only after its
//! group is committed; if the commit itself fails, every verb of the group is told so.

use std::{fmt, sync::mpsc, thread};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Error, Result};
use crate::crash::{self, Moment};

/// The most verbs in one commit: bounds how long the first one waits for its answer.
const GROUP: usize = 256;

/// Verbs that may wait for the thread before askers are held back.
const WAITING: usize = 1024;

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
type Verb = Box<dyn FnOnce(Option<&Connection>) -> Box<dyn FnOnce(bool) + Send> + Send>;

enum Job {
    Verb(Durability, Verb),
    Close(oneshot::Sender<()>),
}

/// The way to the writer thread; cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::SyncSender<Job>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    /// Gives `connection` to a new thread, which ends when the last handle is dropped.
    pub(super) fn start(connection: Connection) -> Self {
        let (jobs, inbox) = mpsc::sync_channel(WAITING);
        thread::spawn(move || serve(&connection, &inbox));
        Self { jobs }
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
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Job::Verb(durability, wrap(verb, answer));
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

fn wrap<T, F>(verb: F, answer: oneshot::Sender<Result<T>>) -> Verb
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T> + Send + 'static,
{
    Box::new(move |connection| {
        let result = match connection {
            Some(connection) => in_savepoint(connection, verb),
            None => Err(not_written()),
        };
        Box::new(move |committed| {
            let result = if committed {
                result
            } else {
                result.and(Err(not_written()))
            };
            // The asker may have been cancelled; what it asked for is done all the same.
            let _ = answer.send(result);
        })
    })
}

fn in_savepoint<T>(
    connection: &Connection,
    verb: impl FnOnce(&Connection) -> Result<T>,
) -> Result<T> {
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

fn not_written() -> Error {
    Error::Sqlite(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR),
        Some("the transaction was lost; nothing of it was written".to_owned()),
    ))
}

fn serve(connection: &Connection, inbox: &mpsc::Receiver<Job>) {
    let mut full_sync = false;
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
        if durable != full_sync {
            let mode = if durable { "full" } else { "normal" };
            // Should this fail, the group is written in the mode of the last one, and the log says so.
            match connection.pragma_update(None, "synchronous", mode) {
                Ok(()) => full_sync = durable,
                Err(error) => tracing::warn!(%error, "could not change the database's sync mode"),
            }
        }
        commit_group(connection, verbs);
        if let Some(answer) = closing {
            // Leave no log behind; a reader that is still open keeps it, which is harmless.
            let _ = connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
            let _ = answer.send(());
            return;
        }
    }
}

fn commit_group(connection: &Connection, verbs: Vec<Verb>) {
    if verbs.is_empty() {
        return;
    }
    let mut alive = match connection.execute_batch("BEGIN IMMEDIATE") {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "the database could not begin a transaction");
            false
        }
    };
    let mut answers = Vec::with_capacity(verbs.len());
    for verb in verbs {
        answers.push(verb(alive.then_some(connection)));
        // A full disk makes SQLite roll the whole transaction back, those before it included.
        alive = alive && !connection.is_autocommit();
    }
    crash::point(Moment::BeforeCommit);
    if alive && let Err(error) = connection.execute_batch("COMMIT") {
        tracing::warn!(%error, "the database could not commit");
        alive = false;
    }
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    crash::point(Moment::AfterCommit);
    for answer in answers {
        answer(alive);
    }
}
