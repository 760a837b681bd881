//! What becomes of one file, for `explain`.

use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::OptionalExtension as _;

use crate::{
    clock,
    model::ids::FileId,
    store::{Reader, Result, row},
};

/// What is known of a file's afterlife, for `explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterView {
    /// It goes once its item was read back, which is asked for at this time, if one is set.
    Waits(Option<Timestamp>),
    /// Its item was read back: it goes now, or at this time.
    Ready(Option<Timestamp>),
    /// It stays where it is, and why.
    Stays(String),
    /// It went: where to (nowhere if it was deleted), and when.
    Done(Option<PathBuf>, Timestamp),
}

impl Reader {
    /// What becomes of the file, or has become of it; none if nothing does.
    pub fn afterwards(&self, file: FileId) -> Result<Option<AfterView>> {
        let found = self.connection.prepare(
            "SELECT files.afterwards, files.act_at, files.stays, source_acts.to_path, source_acts.done_at
             FROM files LEFT JOIN source_acts ON source_acts.id = (
                 SELECT max(id) FROM source_acts WHERE file_id = files.id AND done_at IS NOT NULL)
             WHERE files.id = ?1",
        );
        let mut statement = match found {
            Ok(statement) => statement,
            // The database was not migrated yet: then nothing was done.
            Err(error) if error.to_string().contains("no such") => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let row = statement
            .query_row([file.0], |row| {
                let act_at: Option<i64> = row.get(1)?;
                let to: Option<Vec<u8>> = row.get(3)?;
                let done_at: Option<i64> = row.get(4)?;
                let at = act_at.filter(|at| *at > 1).map(clock::from_millis);
                let word: Option<String> = row.get(0)?;
                Ok(match word.as_deref() {
                    Some("waits") => Some(AfterView::Waits(at)),
                    Some("ready") => Some(AfterView::Ready(at)),
                    Some("stays") => {
                        let reason: Option<String> = row.get(2)?;
                        Some(AfterView::Stays(reason.unwrap_or_default()))
                    }
                    Some("done") => done_at
                        .map(|at| AfterView::Done(to.map(row::path_from), clock::from_millis(at))),
                    _ => None,
                })
            })
            .optional()?;
        Ok(row.flatten())
    }
}
