//! What became of an upload slot's file: a token, another try, or a reason why not.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{
    Change, FileDecision, FileStat, Reader, Result, Store, Tx, UNREADABLE, apply_scan::Recording,
    byte_sources, items, missing_files, pending_removals,
};
use crate::{
    clock,
    model::{
        ids::{FileId, ItemId, UploadToken},
        item::{self, Event},
    },
};

impl Store {
    /// The service has the item's bytes. An end of the trouble for the file, too.
    pub async fn token_received(
        &self,
        item: ItemId,
        upload_token: UploadToken,
        size: u64,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            items::token_received(db, item, &upload_token, now)?;
            db.prepare_cached("UPDATE process SET bytes_sent = bytes_sent + ?1")?
                .execute([size as i64])?;
            db.session_dropped(item)
        })
        .await
    }

    /// How often the item was blamed for an outcome.
    pub async fn blamed(&self, item: ItemId) -> Result<u32> {
        self.write(move |db| {
            Ok(db
                .prepare_cached("SELECT attempts FROM items WHERE id = ?1")?
                .query_row([item.0], |row| row.get(0))?)
        })
        .await
    }

    /// The upload did not end well and is tried again at `not_before`. `blamed` is the reason where
    /// the item itself is to blame: after `max_attempts` of those it has failed.
    pub async fn upload_again(
        &self,
        file: FileId,
        item: ItemId,
        not_before: Timestamp,
        blamed: Option<(String, u32)>,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            if let Some((reason, max_attempts)) = &blamed
                && item::attempts_exhausted(items::blame(db, item)?, *max_attempts)
            {
                let because = items::Reason {
                    reason: Some(reason),
                    ..Default::default()
                };
                items::apply(db, item, Event::UploadGivenUp, &because, now)?;
                return db.session_dropped(item);
            }
            let reason = blamed.as_ref().map(|(reason, _)| reason.as_str());
            let because = items::Reason {
                reason,
                ..Default::default()
            };
            items::apply(db, item, Event::UploadEnded, &because, now)?;
            items::delay_until(db, item, not_before)?;
            // A scan may have seen meanwhile that the file holds something else now, or that its
            // root is away.
            let held = still_held(db, file, item)?;
            if held && byte_sources::is_at_hand(db, file)? {
                byte_sources::queue(db, file, not_before, now)
            } else {
                items::queue_source(db, item, (!held).then_some(file), not_before, now)
            }
        })
        .await
    }

    /// The item's bytes will never be taken: too large, empty.
    pub async fn upload_given_up(
        &self,
        item: ItemId,
        reason: String,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            items::blame(db, item)?;
            let because = items::Reason {
                reason: Some(&reason),
                ..Default::default()
            };
            items::apply(db, item, Event::UploadGivenUp, &because, now)?;
            db.session_dropped(item)
        })
        .await
    }

    /// The claimed file was put back untouched: a stop, or a stage that had to pause.
    pub async fn unclaim(&self, file: FileId, not_before: Timestamp, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE files SET state = 'queued', not_before = ?2, changed_at = ?3
                 WHERE id = ?1 AND state = 'claimed'",
            )?
            .execute(params![
                file.0,
                not_before.as_millisecond(),
                now.as_millisecond()
            ])?;
            Ok(())
        })
        .await
    }

    /// The slot of this file ended without a word, because the store could not be written: file and
    /// item are in the queue again.
    pub async fn orphaned_claims(&self, file: FileId, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE files SET state = 'queued', changed_at = ?2 WHERE id = ?1 AND state = 'claimed'",
            )?
            .execute(params![file.0, now.as_millisecond()])?;
            let item: Option<i64> = db
                .prepare_cached(
                    "SELECT items.id FROM files JOIN items ON items.id = files.item_id
                     WHERE files.id = ?1 AND items.state = 'uploading'",
                )?
                .query_row([file.0], |row| row.get(0))
                .optional()?;
            match item {
                Some(item) => interrupted(db, ItemId(item), now),
                None => Ok(()),
            }
        })
        .await
    }

    /// The claimed file could not be read. It is tried again at `not_before`, and refused with the
    /// reason after `max_attempts`.
    pub async fn unreadable(
        &self,
        file: FileId,
        reason: String,
        not_before: Timestamp,
        max_attempts: u32,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            let attempts: u32 = db
                .prepare_cached("SELECT attempts FROM files WHERE id = ?1")?
                .query_row([file.0], |row| row.get(0))?;
            if item::attempts_exhausted(attempts, max_attempts) {
                return refuse(db, file, UNREADABLE, &reason, now);
            }
            db.prepare_cached("UPDATE files SET attempts = attempts + 1 WHERE id = ?1")?
                .execute([file.0])?;
            byte_sources::queue(db, file, not_before, now)
        })
        .await
    }

    /// The claimed file does not go up, and why.
    pub async fn refused(
        &self,
        file: FileId,
        kind: &'static str,
        reason: String,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| refuse(db, file, kind, &reason, now))
            .await
    }

    /// The file is not what it was when it was queued, or changed while it was sent: nothing of it is
    /// registered, it settles anew, twice as long each time.
    pub async fn changed_while_sent(
        &self,
        file: FileId,
        item: Option<ItemId>,
        stat: FileStat,
        due_at: Timestamp,
        settle_ms: u64,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            end_upload(db, file, item, now)?;
            // Out of `claimed` first: a scan may not touch a claimed row, and this is no scan.
            db.prepare_cached(
                "UPDATE files SET state = 'queued' WHERE id = ?1 AND state = 'claimed'",
            )?
            .execute([file.0])?;
            let decision = FileDecision::Settle { due_at, settle_ms };
            Recording::new(db, now).apply(Change::Modified {
                file,
                stat,
                decision,
            })
        })
        .await
    }

    /// The file is not there any more.
    pub async fn vanished(&self, file: FileId, item: Option<ItemId>, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            // While it still says what it held: another file may have the same bytes.
            pending_removals::schedule_removal(db, file, now)?;
            end_upload(db, file, item, now)?;
            db.prepare_cached(
                "UPDATE files SET state = 'queued' WHERE id = ?1 AND state = 'claimed'",
            )?
            .execute([file.0])?;
            missing_files::gone(db, file, now)
        })
        .await
    }
}

/// Whether the file still is what the item's bytes were read from, as far as scans have seen.
fn still_held(db: &Reader, file: FileId, item: ItemId) -> Result<bool> {
    Ok(db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM files WHERE id = ?1 AND item_id = ?2 AND state = 'held')",
        )?
        .query_row([file.0, item.0], |row| row.get(0))?)
}

fn refuse(db: &Tx, file: FileId, kind: &'static str, reason: &str, now: Timestamp) -> Result<()> {
    let item: Option<i64> = db
        .prepare_cached("SELECT item_id FROM files WHERE id = ?1")?
        .query_row([file.0], |row| row.get(0))?;
    db.prepare_cached(
        "UPDATE files SET state = 'refused', item_id = NULL, reason_kind = ?2, reason = ?3, changed_at = ?4
         WHERE id = ?1",
    )?
    .execute(params![file.0, kind, reason, now.as_millisecond()])?;
    match item {
        Some(item) => items::detach_file(db, ItemId(item), file, now),
        None => Ok(()),
    }
}

/// Nobody sends the bytes of this item any more, and nobody has said why.
pub(super) fn interrupted(db: &Tx, item: ItemId, now: Timestamp) -> Result<()> {
    let because = items::Reason::default();
    items::apply(db, item, Event::UploadEnded, &because, now)?;
    items::queue_source(db, item, None, clock::from_millis(0), now)
}

/// The upload of `item` ends without a token because `file` is no source of its bytes any more;
/// another holder takes over, or the item is skipped.
fn end_upload(db: &Tx, file: FileId, item: Option<ItemId>, now: Timestamp) -> Result<()> {
    let Some(item) = item else { return Ok(()) };
    let held = still_held(db, file, item)?;
    items::apply(db, item, Event::UploadEnded, &items::Reason::default(), now)?;
    db.session_dropped(item)?;
    if held {
        db.prepare_cached("UPDATE files SET item_id = NULL, state = 'queued' WHERE id = ?1")?
            .execute([file.0])?;
    }
    items::queue_source(db, item, Some(file), clock::from_millis(0), now)
}
