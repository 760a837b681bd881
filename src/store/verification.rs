//! Media items that the service is to be asked for, and what it said.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

use super::{Reader, Result, Store, Tx, items, oauth_client, row, source_actions};
use crate::{
    clock,
    model::{
        ids::{ItemId, MediaItemId},
        item::{Event, State},
    },
};

/// A media item that the service is asked for.
#[derive(Debug, Clone)]
pub struct ToVerify {
    /// Its item.
    pub item: ItemId,
    /// Its id.
    pub media_item_id: MediaItemId,
    /// How often it was asked for already, without an answer that settles it.
    pub tries: u32,
    /// When the service first said that it does not know it; none if it never did.
    pub absent_at: Option<Timestamp>,
    /// Which question this is: it changes when what the service says to it counts no more.
    pub question: i64,
}

/// What the service said of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is there. That lets its files go if nothing has happened since this question was asked.
    There {
        /// [`ToVerify::question`].
        question: i64,
    },
    /// It is there, but the service still works on it, or could not say: ask again after this long.
    AskAgain(Duration),
    /// The service says that it does not know it, for the first time: ask again after this long.
    Doubted(Duration),
    /// It is there, but the service could not make a playable video of it.
    Unplayable(String),
    /// The service answers with an error whenever it is asked for this one; nobody asks any more.
    Unaskable(String),
    /// The service does not know it, for the second time.
    Gone,
}

fn to_verify(row: &Row<'_>) -> rusqlite::Result<(ToVerify, Timestamp)> {
    let asked = ToVerify {
        item: ItemId(row.get(0)?),
        media_item_id: MediaItemId::new(row.get::<_, String>(1)?),
        tries: row.get(2)?,
        absent_at: row.get::<_, Option<i64>>(4)?.map(clock::from_millis),
        question: row.get(5)?,
    };
    Ok((asked, clock::from_millis(row.get(3)?)))
}

impl Store {
    /// Up to `n` items that are due, the longest due first, and when the oldest of those became due.
    pub async fn to_verify(&self, n: usize, now: Timestamp) -> Result<Vec<(ToVerify, Timestamp)>> {
        self.write(move |db| {
            let rows = db
                .prepare_cached(DUE)?
                .query_map(params![now.as_millisecond(), n as i64], to_verify)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
        .await
    }

    /// When the next item becomes due; none if none will.
    pub async fn next_to_verify(&self) -> Result<Option<Timestamp>> {
        self.write(|db| {
            let due: Option<i64> = db
                .prepare_cached(NEXT_DUE)?
                .query_row([], |row| row.get(0))?;
            Ok(due.map(clock::from_millis))
        })
        .await
    }

    /// The same as [`Store::to_verify`] for those alone that a file waits for, which is moved or
    /// deleted then.
    pub async fn to_verify_for_files(
        &self,
        n: usize,
        now: Timestamp,
    ) -> Result<Vec<(ToVerify, Timestamp)>> {
        self.write(move |db| {
            let mut rows: Vec<(ToVerify, Timestamp)> = db
                .prepare_cached(DUE_FOR_FILES)?
                .query_map(params![now.as_millisecond(), n as i64], to_verify)?
                .collect::<rusqlite::Result<_>>()?;
            rows.sort_by_key(|(_, due)| *due);
            Ok(rows)
        })
        .await
    }

    /// When the next one of [`Store::to_verify_for_files`] becomes due; none if none will.
    pub async fn next_to_verify_for_files(&self) -> Result<Option<Timestamp>> {
        self.write(|db| {
            let due: Option<i64> = db
                .prepare_cached(NEXT_DUE_FOR_FILES)?
                .query_row([], |row| row.get(0))?;
            Ok(due.map(clock::from_millis))
        })
        .await
    }

    /// A file of each item: its path, or the name that the media item was given if no file is known.
    pub async fn paths_of(&self, items: Vec<ItemId>) -> Result<Vec<PathBuf>> {
        self.write(move |db| items.iter().map(|item| path_of(db, *item)).collect())
            .await
    }

    /// How many items are in the library, as far as is known, and can be asked for by this client.
    pub async fn created_count(&self) -> Result<u64> {
        self.write(|db| {
            let n: i64 = db
                .prepare_cached(
                    "SELECT (SELECT sum(n) FROM counters WHERE name IN ('item.created', 'item.verified'))
                          - (SELECT count(*) FROM meta JOIN items ON items.made_at < CAST(meta.value AS INTEGER)
                             WHERE meta.key = ?1 AND items.state IN ('created', 'verified'))",
                )?
                .query_row([oauth_client::CLIENT_SINCE], |row| row.get(0))?;
            Ok(n as u64)
        })
        .await
    }

    /// How many items are known to be missing, and the newest `n` of them.
    pub async fn known_missing(&self, n: usize) -> Result<(u64, Vec<ItemId>)> {
        self.write(move |db| {
            let all: i64 = db
                .prepare_cached("SELECT n FROM counters WHERE name = 'item.missing'")?
                .query_row([], |row| row.get(0))?;
            let some = db
                .prepare_cached(MISSING)?
                .query_map([n as i64], |row| row.get(0).map(ItemId))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((all as u64, some))
        })
        .await
    }

    /// All created and verified items after `after`, up to `n`, for a `verify` of everything. What
    /// another client made cannot be asked for.
    pub async fn created_after(&self, after: ItemId, n: usize) -> Result<Vec<ToVerify>> {
        self.write(move |db| {
            let rows = db
                .prepare_cached(
                    "SELECT id, media_item_id, verify_tries, 0, absent_at, question FROM items
                     WHERE id > ?1 AND state IN ('created', 'verified')
                           AND (made_at IS NULL OR made_at >= coalesce(
                                (SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?3), made_at))
                     ORDER BY id LIMIT ?2",
                )?
                .query_map(
                    params![after.0, n as i64, oauth_client::CLIENT_SINCE],
                    |row| to_verify(row).map(|(asked, _)| asked),
                )?
                .collect::<rusqlite::Result<_>>()?;
            Ok(rows)
        })
        .await
    }

    /// Records what the service said.
    pub async fn verdicts(&self, verdicts: Vec<(ItemId, Verdict)>, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            for (item, verdict) in verdicts {
                // Another question may have been answered meanwhile; then there is nothing to add.
                if matches!(items::state_of(db, item)?, State::Created | State::Verified) {
                    judge(db, item, &verdict, now)?;
                }
            }
            Ok(())
        })
        .await
    }
}

/// What follows from a verdict, beside the state.
#[derive(Default)]
struct Follows {
    /// When the service is asked again, milliseconds.
    verify_at: Option<i64>,
    /// Whether that is one more try of the same question.
    is_try: bool,
    /// What is known now; none leaves it open.
    read_back: Option<&'static str>,
    /// Whether the service did not know it this time.
    is_doubted: bool,
}

fn judge(db: &Tx, item: ItemId, verdict: &Verdict, now: Timestamp) -> Result<()> {
    let because = |reason| items::Reason {
        reason,
        ..items::Reason::default()
    };
    let follows = match verdict {
        Verdict::There { question } => {
            items::apply(db, item, Event::Verified, &because(None), now)?;
            there(db, item, *question, now)?
        }
        Verdict::AskAgain(wait) => Follows {
            verify_at: Some(clock::after(now, *wait).as_millisecond()),
            is_try: true,
            ..Follows::default()
        },
        Verdict::Doubted(wait) => Follows {
            verify_at: Some(clock::after(now, *wait).as_millisecond()),
            is_doubted: true,
            ..Follows::default()
        },
        Verdict::Unplayable(reason) => {
            items::apply(db, item, Event::Verified, &because(Some(reason)), now)?;
            Follows {
                read_back: Some("unsound"),
                ..Follows::default()
            }
        }
        Verdict::Unaskable(reason) => {
            db.prepare_cached("UPDATE items SET reason = ?2 WHERE id = ?1")?
                .execute(params![item.0, reason])?;
            Follows {
                read_back: Some("unsound"),
                ..Follows::default()
            }
        }
        Verdict::Gone => {
            let words = "the service no longer knows this media item";
            items::apply(db, item, Event::NotFound, &because(Some(words)), now)?;
            Follows::default()
        }
    };
    db.prepare_cached(
        "UPDATE items SET verify_at = ?2, verify_tries = iif(?3, verify_tries + 1, 0), read_back = ?4,
                absent_at = iif(?5, coalesce(absent_at, ?6), iif(?3, absent_at, NULL)),
                read_back_at = iif(?4 IS NULL, read_back_at, ?6)
         WHERE id = ?1",
    )?
    .execute(params![
        item.0,
        follows.verify_at,
        follows.is_try,
        follows.read_back,
        follows.is_doubted,
        now.as_millisecond()
    ])?;
    match follows.verify_at {
        Some(verify_at) => source_actions::asked_again(db, item, verify_at),
        None => Ok(()),
    }
}

/// Who asks before the time proves nothing about that time, and who asked before something happened
/// proves nothing about what is now: a file that waits for it goes on waiting.
fn there(db: &Reader, item: ItemId, question: i64, now: Timestamp) -> Result<Follows> {
    let (verify_at, is_answered): (Option<i64>, bool) = db
        .prepare_cached("SELECT verify_at, question = ?2 FROM items WHERE id = ?1")?
        .query_row([item.0, question], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let is_early = verify_at.is_some_and(|due| due > now.as_millisecond());
    let goes_on = (is_early || !is_answered) && source_actions::is_waited_for(db, item)?;
    Ok(Follows {
        verify_at: verify_at.filter(|_| goes_on),
        read_back: (is_answered && !is_early).then_some("sound"),
        ..Follows::default()
    })
}

fn path_of(db: &Reader, item: ItemId) -> Result<PathBuf> {
    let found = db
        .prepare_cached(PATH_OF)?
        .query_row([item.0], |row| {
            let mut path = row::path_from(row.get(0)?);
            path.push(row::path_from(row.get(1)?));
            path.push(row::path_from(row.get(2)?));
            Ok(path)
        })
        .optional()?;
    if let Some(path) = found {
        return Ok(path);
    }
    let name: String = db
        .prepare_cached("SELECT file_name FROM items WHERE id = ?1")?
        .query_row([item.0], |row| row.get(0))?;
    Ok(name.into())
}

/// What is due, the longest first.
pub(super) const DUE: &str = "SELECT id, media_item_id, verify_tries, verify_at, absent_at, question FROM items
                     WHERE verify_at <= ?1 AND media_item_id IS NOT NULL ORDER BY verify_at LIMIT ?2";

/// When the next is due.
pub(super) const NEXT_DUE: &str = "SELECT min(verify_at) FROM items WHERE verify_at IS NOT NULL";

/// What is due and waited for by a file; the index has those files by the time of the question.
pub(super) const DUE_FOR_FILES: &str =
    "SELECT DISTINCT items.id, items.media_item_id, items.verify_tries, items.verify_at, items.absent_at,
            items.question
     FROM files CROSS JOIN items ON items.id = files.item_id
     WHERE files.afterwards = 'waits' AND files.act_at > 0 AND files.act_at <= ?1
           AND items.verify_at <= ?1 AND items.media_item_id IS NOT NULL LIMIT ?2";

/// When the next of those is due.
pub(super) const NEXT_DUE_FOR_FILES: &str =
    "SELECT min(act_at) FROM files WHERE afterwards = 'waits' AND act_at > 0";

/// A file of an item, one that is there before one that is gone.
pub(super) const PATH_OF: &str = "SELECT roots.path, dirs.path, files.name FROM files
     CROSS JOIN dirs ON dirs.id = files.dir_id CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 ORDER BY files.state = 'gone', files.id LIMIT 1";

/// The newest missing items; an index holds what is in trouble, and is told so.
pub(super) const MISSING: &str = "SELECT id FROM items
     WHERE state IN ('failed', 'missing') AND state = 'missing' ORDER BY changed_at DESC LIMIT ?1";
