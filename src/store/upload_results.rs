//! The outcome of an upload: a token, a retry, or a reason why there is none.

use jiff::Timestamp;

use super::{
    Change, FileDecision, FileStat, Reader, Result, Tx, UNREADABLE,
    apply_scan::Recording,
    byte_sources,
    items::{self, Reason},
    pending_removals,
    row::params,
    writer::store_methods,
};
use crate::model::{
    ids::{FileId, ItemId, UploadToken},
    item::{self, Event},
};

store_methods! {
    write fn token_received(item: ItemId, upload_token: UploadToken, size: u64, now: Timestamp) -> ();
    write fn blamed(item: ItemId) -> u32;
    write fn upload_again(file: FileId, item: ItemId, not_before: Timestamp, blamed: Option<(String, u32)>, now: Timestamp) -> ();
    write fn upload_given_up(item: ItemId, reason: String, now: Timestamp) -> ();
    write fn unclaim(file: FileId, not_before: Timestamp, now: Timestamp) -> ();
    write fn orphaned_claims(file: FileId, now: Timestamp) -> ();
    write fn unreadable(file: FileId, reason: String, not_before: Timestamp, max_attempts: u32, now: Timestamp) -> ();
    write fn refused(file: FileId, kind: &'static str, reason: String, now: Timestamp) -> ();
    write fn changed_while_sent(file: FileId, item: Option<ItemId>, stat: FileStat, due_at: Timestamp, settle_ms: u64, now: Timestamp) -> ();
    write fn vanished(file: FileId, item: Option<ItemId>, now: Timestamp) -> ();
}

impl Tx {
    /// The service has the item's bytes.
    pub fn token_received(
        &self,
        item: ItemId,
        upload_token: UploadToken,
        size: u64,
        now: Timestamp,
    ) -> Result<()> {
        items::token_received(self, item, &upload_token, now)?;
        self.execute(
            "UPDATE process SET bytes_sent = bytes_sent + ?1",
            params![size],
        )?;
        self.session_dropped(item)
    }

    /// How many failed attempts count against the item.
    pub fn blamed(&self, item: ItemId) -> Result<u32> {
        self.one("SELECT attempts FROM items WHERE id = ?1", params![item])
    }

    /// The upload failed and is tried again at `not_before`. `blamed` is the reason and the largest number
    /// of attempts if the item itself is at fault: after so many it is failed.
    pub fn upload_again(
        &self,
        file: FileId,
        item: ItemId,
        not_before: Timestamp,
        blamed: Option<(String, u32)>,
        now: Timestamp,
    ) -> Result<()> {
        let mut because = Reason::default();
        if let Some((reason, max_attempts)) = &blamed {
            because.reason = Some(reason);
            if item::attempts_exhausted(items::blame(self, item)?, *max_attempts) {
                items::apply(self, item, Event::UploadGivenUp, &because, now)?;
                return self.session_dropped(item);
            }
        }
        items::apply(self, item, Event::UploadEnded, &because, now)?;
        items::delay_until(self, item, not_before)?;
        // Meanwhile a scan may have found that the file has changed, or that its root is away.
        let held = still_held(self, file, item)?;
        if held && byte_sources::is_readable(self, file)? {
            byte_sources::queue(self, file, not_before, now)
        } else {
            items::queue_source(self, item, (!held).then_some(file), not_before, now)
        }
    }

    /// The service will never accept the item's bytes: they are too many, or none.
    pub fn upload_given_up(&self, item: ItemId, reason: String, now: Timestamp) -> Result<()> {
        items::blame(self, item)?;
        let because = Reason {
            reason: Some(&reason),
            ..Default::default()
        };
        items::apply(self, item, Event::UploadGivenUp, &because, now)?;
        self.session_dropped(item)
    }

    /// The claimed file is queued again without an attempt, because of a stop or a pause.
    pub fn unclaim(&self, file: FileId, not_before: Timestamp, now: Timestamp) -> Result<()> {
        self.execute(
            "UPDATE files SET state = 'queued', not_before = ?2, changed_at = ?3
                 WHERE id = ?1 AND state = 'claimed'",
            params![file, not_before, now],
        )?;
        Ok(())
    }

    /// The upload worker of this file ended without recording an outcome, because the store could not be
    /// written: file and item are queued again.
    pub fn orphaned_claims(&self, file: FileId, now: Timestamp) -> Result<()> {
        self.execute(
            "UPDATE files SET state = 'queued', changed_at = ?2 WHERE id = ?1 AND state = 'claimed'",
            params![file, now],
        )?;
        let item = self.opt(
            "SELECT items.id FROM files JOIN items ON items.id = files.item_id
             WHERE files.id = ?1 AND items.state = 'uploading'",
            params![file],
        )?;
        item.map_or(Ok(()), |item| interrupted(self, item, now))
    }

    /// The claimed file could not be read. It is tried again at `not_before`; after `max_attempts` it is
    /// refused with this reason.
    pub fn unreadable(
        &self,
        file: FileId,
        reason: String,
        not_before: Timestamp,
        max_attempts: u32,
        now: Timestamp,
    ) -> Result<()> {
        let attempts: u32 = self.one("SELECT attempts FROM files WHERE id = ?1", params![file])?;
        if item::attempts_exhausted(attempts, max_attempts) {
            return self.refused(file, UNREADABLE, reason, now);
        }
        self.execute(
            "UPDATE files SET attempts = attempts + 1 WHERE id = ?1",
            params![file],
        )?;
        byte_sources::queue(self, file, not_before, now)
    }

    /// The claimed file is not uploaded, for this reason.
    pub fn refused(
        &self,
        file: FileId,
        kind: &'static str,
        reason: String,
        now: Timestamp,
    ) -> Result<()> {
        let sql = "SELECT item_id FROM files WHERE id = ?1";
        let item: Option<ItemId> = self.one(sql, params![file])?;
        self.execute(
            "UPDATE files SET state = 'refused', item_id = NULL, reason_kind = ?2, reason = ?3, changed_at = ?4
             WHERE id = ?1",
            params![file, kind, reason, now],
        )?;
        item.map_or(Ok(()), |item| items::detach_file(self, item, file, now))
    }

    /// The file changed after it was queued or while it was sent: the upload is dropped, and the file
    /// settles again until `due_at`.
    pub fn changed_while_sent(
        &self,
        file: FileId,
        item: Option<ItemId>,
        stat: FileStat,
        due_at: Timestamp,
        settle_ms: u64,
        now: Timestamp,
    ) -> Result<()> {
        end_upload(self, file, item, now)?;
        // A scan does not touch a claimed file.
        self.execute(UNCLAIM, params![file])?;
        let decision = FileDecision::Settle { due_at, settle_ms };
        Recording::new(self, now).apply(Change::Modified {
            file,
            stat,
            decision,
        })
    }

    /// The claimed file does not exist any more.
    pub fn vanished(&self, file: FileId, item: Option<ItemId>, now: Timestamp) -> Result<()> {
        // First, while the row still names its item: another file may have the same bytes.
        pending_removals::schedule_removal(self, file, now)?;
        end_upload(self, file, item, now)?;
        self.execute(UNCLAIM, params![file])?;
        self.set_gone(file, now)
    }
}

const UNCLAIM: &str = "UPDATE files SET state = 'queued' WHERE id = ?1 AND state = 'claimed'";

/// Whether the file still holds the item, as far as scans know.
fn still_held(db: &Reader, file: FileId, item: ItemId) -> Result<bool> {
    db.exists(
        "SELECT 1 FROM files WHERE id = ?1 AND item_id = ?2 AND state = 'attached'",
        params![file, item],
    )
}

/// The upload of this item was interrupted: it is queued again.
pub(super) fn interrupted(db: &Tx, item: ItemId, now: Timestamp) -> Result<()> {
    let because = Reason::default();
    items::apply(db, item, Event::UploadEnded, &because, now)?;
    items::queue_source(db, item, None, Timestamp::UNIX_EPOCH, now)
}

/// The upload of `item` ends without a token because `file` does not have its bytes any more. Another
/// file with them is queued; without one the item is skipped.
fn end_upload(db: &Tx, file: FileId, item: Option<ItemId>, now: Timestamp) -> Result<()> {
    let Some(item) = item else { return Ok(()) };
    let held = still_held(db, file, item)?;
    items::apply(db, item, Event::UploadEnded, &Reason::default(), now)?;
    db.session_dropped(item)?;
    if held {
        db.execute(
            "UPDATE files SET item_id = NULL, state = 'queued' WHERE id = ?1",
            params![file],
        )?;
    }
    items::queue_source(db, item, Some(file), Timestamp::UNIX_EPOCH, now)
}
