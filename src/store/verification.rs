//! Verification: which media items the service is asked for by `mediaItems.batchGet`, and what it answers.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;

use super::{
    Result, Tx, items, oauth_client,
    row::{from_row, joined, params},
    source_actions,
    writer::store_methods,
};
use crate::{
    clock,
    model::{
        ids::{ItemId, MediaItemId},
        item::Event,
    },
};

/// A media item to be verified.
#[derive(Debug, Clone)]
pub struct ToVerify {
    /// Its item.
    pub item: ItemId,
    /// Its id.
    pub media_item_id: MediaItemId,
    /// How often it was requested already without a final answer.
    pub tries: u32,
    /// When the service did not know it for the first time, if ever.
    pub absent_at: Option<Timestamp>,
    /// The generation of this request. It is raised when earlier answers stop counting.
    pub question: i64,
}

from_row!(ToVerify {
    item,
    media_item_id,
    tries,
    absent_at,
    question
});

/// The answer for one media item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is there. Its files may be moved or deleted if the generation of the request is still the current
    /// one.
    There {
        /// [`ToVerify::question`].
        question: i64,
    },
    /// It is there but still being processed, or the service could not tell: verify again after this time.
    AskAgain(Duration),
    /// The service does not know it, for the first time: verify again after this time.
    Doubted(Duration),
    /// It is there, but the service could not make a playable video of it.
    Unplayable(String),
    /// The service answers every request for it with an error; it is not requested any more.
    Unaskable(String),
    /// The service does not know it, for the second time.
    Gone,
}

store_methods! {
    write fn to_verify(n: usize, now: Timestamp) -> Vec<(ToVerify, Timestamp)>;
    write fn next_to_verify() -> Option<Timestamp>;
    write fn to_verify_for_files(n: usize, now: Timestamp) -> Vec<(ToVerify, Timestamp)>;
    write fn next_to_verify_for_files() -> Option<Timestamp>;
    write fn paths_of(items: Vec<ItemId>) -> Vec<PathBuf>;
    write fn created_count() -> u64;
    write fn known_missing(n: usize) -> (u64, Vec<ItemId>);
    write fn created_after(after: ItemId, n: usize) -> Vec<ToVerify>;
    write fn verdicts(verdicts: Vec<(ItemId, Verdict)>, now: Timestamp) -> ();
}

impl Tx {
    /// Up to `n` items that are due, and since when; the longest due first.
    pub fn to_verify(&self, n: usize, now: Timestamp) -> Result<Vec<(ToVerify, Timestamp)>> {
        self.all(DUE, params![now, n])
    }

    /// When the next item is due.
    pub fn next_to_verify(&self) -> Result<Option<Timestamp>> {
        self.one(NEXT_DUE, params![])
    }

    /// The same as [`Tx::to_verify`], only for items whose verification a file waits for, to be moved or
    /// deleted.
    pub fn to_verify_for_files(
        &self,
        n: usize,
        now: Timestamp,
    ) -> Result<Vec<(ToVerify, Timestamp)>> {
        let mut rows: Vec<(ToVerify, Timestamp)> = self.all(DUE_FOR_FILES, params![now, n])?;
        rows.sort_by_key(|(_, due)| *due);
        Ok(rows)
    }

    /// When the next one of [`Tx::to_verify_for_files`] is due.
    pub fn next_to_verify_for_files(&self) -> Result<Option<Timestamp>> {
        self.one(NEXT_DUE_FOR_FILES, params![])
    }

    /// The path of a file of each item, or the name of the media item if no file is known.
    pub fn paths_of(&self, items: Vec<ItemId>) -> Result<Vec<PathBuf>> {
        let path_of = |item| {
            if let Some((root, dir, name)) = self.opt(PATH_OF, params![item])? {
                return Ok(joined(root, dir, name));
            }
            let sql = "SELECT file_name FROM items WHERE id = ?1";
            Ok(self.one::<String>(sql, params![item])?.into())
        };
        items.into_iter().map(path_of).collect()
    }

    /// How many items are in the library, as far as is known, and can be requested by this OAuth client.
    pub fn created_count(&self) -> Result<u64> {
        self.one(
            "SELECT (SELECT sum(n) FROM counters WHERE name IN ('item.created', 'item.verified'))
                  - (SELECT count(*) FROM meta JOIN items ON items.created_at < CAST(meta.value AS INTEGER)
                     WHERE meta.key = ?1 AND items.state IN ('created', 'verified'))",
            params![oauth_client::CLIENT_SINCE],
        )
    }

    /// How many items are missing, and the newest `n` of them.
    pub fn known_missing(&self, n: usize) -> Result<(u64, Vec<ItemId>)> {
        let sql = "SELECT n FROM counters WHERE name = 'item.missing'";
        Ok((self.one(sql, params![])?, self.all(MISSING, params![n])?))
    }

    /// Up to `n` created and verified items after `after`, to verify everything. What another OAuth client
    /// created cannot be requested.
    pub fn created_after(&self, after: ItemId, n: usize) -> Result<Vec<ToVerify>> {
        self.all(
            "SELECT id, media_item_id, verify_tries, not_found_at, verify_generation FROM items
             WHERE id > ?1 AND state IN ('created', 'verified')
                   AND (created_at IS NULL OR created_at >= coalesce(
                        (SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?3), created_at))
             ORDER BY id LIMIT ?2",
            params![after, n, oauth_client::CLIENT_SINCE],
        )
    }

    /// Records answers. An item that another answer has moved on meanwhile is left alone.
    pub fn verdicts(&self, verdicts: Vec<(ItemId, Verdict)>, now: Timestamp) -> Result<()> {
        for (item, verdict) in verdicts {
            if items::exists(self, item)? {
                record(self, item, &verdict, now)?;
            }
        }
        Ok(())
    }
}

/// What follows from an answer, apart from the state.
#[derive(Default)]
struct Next {
    /// When the item is verified again.
    verify_at: Option<Timestamp>,
    /// Whether that counts as another try of the same request.
    is_try: bool,
    /// The new `verify_result`.
    result: Option<&'static str>,
    /// Whether the service did not know the item.
    is_absent: bool,
}

fn record(db: &Tx, item: ItemId, verdict: &Verdict, now: Timestamp) -> Result<()> {
    let unsound = Next {
        result: Some("unsound"),
        ..Next::default()
    };
    let plain = items::Reason::default();
    let next = match verdict {
        Verdict::There { question } => {
            items::apply(db, item, Event::Verified, &plain, now)?;
            there(db, item, *question, now)?
        }
        Verdict::AskAgain(wait) => Next {
            verify_at: Some(clock::after(now, *wait)),
            is_try: true,
            ..Next::default()
        },
        Verdict::Doubted(wait) => Next {
            verify_at: Some(clock::after(now, *wait)),
            is_absent: true,
            ..Next::default()
        },
        Verdict::Unplayable(reason) => {
            items::apply(db, item, Event::Verified, &items::Reason::new(reason), now)?;
            unsound
        }
        Verdict::Unaskable(reason) => {
            let sql = "UPDATE items SET reason = ?2 WHERE id = ?1";
            db.execute(sql, params![item, reason])?;
            unsound
        }
        Verdict::Gone => {
            let why = items::Reason::new("the service no longer knows this media item");
            items::apply(db, item, Event::NotFound, &why, now)?;
            Next::default()
        }
    };
    db.execute(
        "UPDATE items SET verify_at = ?2, verify_tries = iif(?3, verify_tries + 1, 0), verify_result = ?4,
                not_found_at = iif(?5, coalesce(not_found_at, ?6), iif(?3, not_found_at, NULL)),
                verify_result_at = iif(?4 IS NULL, verify_result_at, ?6)
         WHERE id = ?1",
        params![item, next.verify_at, next.is_try, next.result, next.is_absent, now],
    )?;
    match next.verify_at {
        Some(verify_at) => source_actions::verification_due(db, item, verify_at),
        None => Ok(()),
    }
}

/// The answer to a request that was sent before its time, or before something happened to the item, says nothing
/// about the present: files that wait for the verification go on waiting.
fn there(db: &Tx, item: ItemId, question: i64, now: Timestamp) -> Result<Next> {
    let sql = "SELECT verify_at, verify_generation = ?2 FROM items WHERE id = ?1";
    let (verify_at, is_current): (Option<Timestamp>, bool) =
        db.one(sql, params![item, question])?;
    let is_early = verify_at.is_some_and(|due| due > now);
    let counts = is_current && !is_early;
    let goes_on = !counts && source_actions::is_waited_for(db, item)?;
    Ok(Next {
        verify_at: verify_at.filter(|_| goes_on),
        result: counts.then_some("sound"),
        ..Next::default()
    })
}

/// Items that are due, the longest first.
pub(super) const DUE: &str =
    "SELECT id, media_item_id, verify_tries, not_found_at, verify_generation, verify_at FROM items
     WHERE verify_at <= ?1 AND media_item_id IS NOT NULL ORDER BY verify_at LIMIT ?2";

/// When the next is due.
pub(super) const NEXT_DUE: &str = "SELECT min(verify_at) FROM items WHERE verify_at IS NOT NULL";

/// Items that are due and that a file waits for; there is an index of those files by the time of the request.
pub(super) const DUE_FOR_FILES: &str =
    "SELECT DISTINCT items.id, items.media_item_id, items.verify_tries, items.not_found_at,
            items.verify_generation, items.verify_at
     FROM files CROSS JOIN items ON items.id = files.item_id
     WHERE files.action_state = 'waiting' AND files.next_action_at > 0 AND files.next_action_at <= ?1
           AND items.verify_at <= ?1 AND items.media_item_id IS NOT NULL LIMIT ?2";

/// When the next of those is due.
pub(super) const NEXT_DUE_FOR_FILES: &str =
    "SELECT min(next_action_at) FROM files WHERE action_state = 'waiting' AND next_action_at > 0";

/// A file of an item, preferably one that is not gone.
pub(super) const PATH_OF: &str = "SELECT roots.path, dirs.path, files.name FROM files
     CROSS JOIN dirs ON dirs.id = files.dir_id CROSS JOIN roots ON roots.id = files.root_id
     WHERE files.item_id = ?1 ORDER BY files.state = 'gone', files.id LIMIT 1";

/// The newest missing items. The condition is repeated for the index.
pub(super) const MISSING: &str = "SELECT id FROM items
     WHERE state IN ('failed', 'missing') AND state = 'missing' ORDER BY changed_at DESC LIMIT ?1";
