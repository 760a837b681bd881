//! Descriptions: the words of an item, what the service was told of them, and what is still to be
//! told by `mediaItems.patch`.
//!
//! Of several files with the same bytes the first that has words decides, until it is gone. DescriptionSource
//! that vanish take nothing back: the service keeps what it has.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Result, Store, Tx, call_journal};
use crate::model::ids::{CallId, FileId, ItemId};

/// What was found of a person's words about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescriptionSource {
    /// Its sidecars, as one number; 0 is none.
    pub sidecars: i64,
    /// The text that shall be sent, if there is any.
    pub text: Option<String>,
}

impl Store {
    /// `mediaItems.patch` was answered: the service has this text.
    pub async fn description_answered(
        &self,
        call: CallId,
        item: ItemId,
        text: String,
        http_status: u16,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE items SET described = ?2, describe_at = 0, describe_attempts = 0, describe_error = NULL
                 WHERE id = ?1",
            )?
            .execute(params![item.0, text])?;
            call_journal::answered(db, call, Some(http_status), None, now)
        })
        .await
    }

    /// `mediaItems.patch` was refused: it is tried again at `not_before`. With `most` the item itself
    /// is to blame; after so many refusals it is left alone until its words change.
    pub async fn description_refused(
        &self,
        call: CallId,
        item: ItemId,
        reason: String,
        not_before: Timestamp,
        most: Option<u32>,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE items SET describe_attempts = describe_attempts + (?4 IS NOT NULL), describe_error = ?3,
                        describe_at = iif(?4 IS NOT NULL AND describe_attempts + 1 >= ?4, NULL, ?2)
                 WHERE id = ?1",
            )?
            .execute(params![
                item.0,
                not_before.as_millisecond(),
                reason,
                most
            ])?;
            call_journal::answered(db, call, None, Some(&reason), now)
        })
        .await
    }
}

/// DescriptionSource were looked for beside and inside of a file that holds `item`.
pub(super) fn found(db: &Tx, item: ItemId, file: FileId, words: &DescriptionSource) -> Result<()> {
    db.prepare_cached("UPDATE files SET sidecars = ?2 WHERE id = ?1")?
        .execute(params![file.0, words.sidecars])?;
    match &words.text {
        Some(text) => {
            db.prepare_cached(TAKEN_OVER)?
                .execute(params![item.0, file.0, text])?;
        }
        None => {
            db.prepare_cached(
                "UPDATE items SET description = NULL, described_by = NULL
                 WHERE id = ?1 AND described_by = ?2 AND described IS NULL
                       AND state IN ('queued', 'uploading', 'uploaded', 'failed', 'skipped')",
            )?
            .execute(params![item.0, file.0])?;
        }
    }
    Ok(())
}

/// New words of an item; those of another file that still holds it are left as they are.
pub(super) const TAKEN_OVER: &str = "UPDATE items
     SET description = ?3, described_by = ?2, describe_at = 0, describe_attempts = 0, describe_error = NULL
     WHERE id = ?1 AND description IS NOT ?3
           AND (description IS NULL OR described_by IS ?2 OR NOT EXISTS (
                SELECT 1 FROM files WHERE files.id = items.described_by AND files.item_id = items.id
                                          AND files.state <> 'gone'))";

/// A scan found other sidecars beside a file than before.
pub(super) fn changed(db: &Tx, file: FileId, words: &DescriptionSource) -> Result<()> {
    let item: Option<i64> = db
        .prepare_cached("SELECT item_id FROM files WHERE id = ?1 AND state = 'held'")?
        .query_row([file.0], |row| row.get(0))
        .optional()?
        .flatten();
    match item {
        Some(item) => found(db, ItemId(item), file, words),
        // It is claimed, or no longer what it was: whoever reads it next looks for words, too.
        None => Ok(()),
    }
}

/// The service makes the media item with this description, or none. One that it had made before, and
/// that joins a further album by its token, keeps what it has.
pub(super) fn library_client_id(db: &Tx, item: ItemId, description: Option<&str>) -> Result<()> {
    db.prepare_cached(
        "UPDATE items SET described = ?2, describe_at = 0, describe_attempts = 0, describe_error = NULL
         WHERE id = ?1 AND state = 'creating' AND (described IS NOT ?2 OR describe_at IS NOT 0)",
    )?
    .execute(params![item.0, description])?;
    Ok(())
}
