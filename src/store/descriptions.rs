//! Descriptions: the text of an item, the text that the service has, and what `mediaItems.patch` is to send.
//!
//! Of several files with the same bytes the first that has a text decides, until it is gone. A text that is
//! deleted is not taken back: the service keeps it.

use jiff::Timestamp;

use super::{Result, Tx, call_journal, row::params, writer::store_methods};
use crate::model::ids::{CallId, FileId, ItemId};

/// What was found about the description of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptionSource {
    /// A hash of its sidecars; 0: there are none.
    pub sidecars: i64,
    /// The text, if there is any.
    pub text: Option<String>,
}

store_methods! {
    write fn description_answered(call: CallId, item: ItemId, text: String, http_status: u16, now: Timestamp) -> ();
    write fn description_refused(call: CallId, item: ItemId, reason: String, not_before: Timestamp, max_attempts: Option<u32>, now: Timestamp) -> ();
}

impl Tx {
    /// `mediaItems.patch` was answered: the service has this text.
    pub fn description_answered(
        &self,
        call: CallId,
        item: ItemId,
        text: String,
        http_status: u16,
        now: Timestamp,
    ) -> Result<()> {
        self.execute(
            "UPDATE items SET sent_description = ?2, describe_at = 0, describe_attempts = 0, describe_error = NULL
             WHERE id = ?1",
            params![item, text],
        )?;
        call_journal::answered(self, call, Some(http_status), None, now)
    }

    /// `mediaItems.patch` was refused and is repeated at `not_before`. With `max_attempts` the item is at
    /// fault; after so many refusals it is left alone until its text changes.
    pub fn description_refused(
        &self,
        call: CallId,
        item: ItemId,
        reason: String,
        not_before: Timestamp,
        max_attempts: Option<u32>,
        now: Timestamp,
    ) -> Result<()> {
        self.execute(
            "UPDATE items SET describe_attempts = describe_attempts + (?4 IS NOT NULL), describe_error = ?3,
                    describe_at = iif(?4 IS NOT NULL AND describe_attempts + 1 >= ?4, NULL, ?2)
             WHERE id = ?1",
            params![item, not_before, reason, max_attempts],
        )?;
        call_journal::answered(self, call, None, Some(&reason), now)
    }
}

/// A description was looked for in a file that holds `item`, and in its sidecars.
pub(super) fn found(db: &Tx, item: ItemId, file: FileId, source: &DescriptionSource) -> Result<()> {
    let sql = "UPDATE files SET sidecars_hash = ?2 WHERE id = ?1";
    db.execute(sql, params![file, source.sidecars])?;
    match &source.text {
        Some(text) => db.execute(TAKEN_OVER, params![item, file, text])?,
        None => db.execute(
            "UPDATE items SET description = NULL, description_file_id = NULL
             WHERE id = ?1 AND description_file_id = ?2 AND sent_description IS NULL
                   AND state IN ('queued', 'uploading', 'uploaded', 'failed', 'skipped')",
            params![item, file],
        )?,
    };
    Ok(())
}

/// The new text of an item; the text of another file that still holds the item is kept.
pub(super) const TAKEN_OVER: &str = "UPDATE items
     SET description = ?3, description_file_id = ?2, describe_at = 0, describe_attempts = 0, describe_error = NULL
     WHERE id = ?1 AND description IS NOT ?3
           AND (description IS NULL OR description_file_id IS ?2 OR NOT EXISTS (
                SELECT 1 FROM files WHERE files.id = items.description_file_id AND files.item_id = items.id
                                          AND files.state <> 'gone'))";

/// A scan found that the sidecars of a file have changed.
pub(super) fn changed(db: &Tx, file: FileId, source: &DescriptionSource) -> Result<()> {
    let sql = "SELECT item_id FROM files WHERE id = ?1 AND state = 'attached'";
    match db.opt::<Option<ItemId>>(sql, params![file])?.flatten() {
        Some(item) => found(db, item, file, source),
        // In any other state the file is read again, and its description with it.
        None => Ok(()),
    }
}

/// The media item was created with this description, or none. One that existed before and joins a further
/// album by its token keeps what it has.
pub(super) fn sent_with_create(db: &Tx, item: ItemId, description: Option<&str>) -> Result<()> {
    db.execute(
        "UPDATE items SET sent_description = ?2, describe_at = 0, describe_attempts = 0, describe_error = NULL
         WHERE id = ?1 AND state = 'creating' AND (sent_description IS NOT ?2 OR describe_at IS NOT 0)",
        params![item, description],
    )?;
    Ok(())
}
