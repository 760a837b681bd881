//! Resumable upload sessions. They are kept over restarts, so that bytes the service already has are not
//! sent again.

use jiff::Timestamp;

use super::{
    FileStat, Reader, Result, Tx,
    row::{from_row, params},
    writer::store_methods,
};
use crate::model::ids::{ItemId, SessionUrl};

/// A resumable session of an item's bytes.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its address, a secret.
    pub url: SessionUrl,
    /// What chunk sizes must be a multiple of, bytes.
    pub granularity: u64,
    /// What the service is known to have, bytes.
    pub offset: u64,
    /// The file that was being sent.
    pub stat: FileStat,
    /// When it was opened.
    pub opened_at: Timestamp,
}

from_row!(Session {
    url,
    granularity,
    offset,
    stat,
    opened_at
});

impl Reader {
    /// The session of an item, if it has one.
    pub(super) fn upload_session(&self, item: ItemId) -> Result<Option<Session>> {
        self.opt(
            "SELECT url, granularity, offset, size, mtime_ns, ctime_ns, dev, inode, opened_at
             FROM upload_sessions WHERE item_id = ?1",
            params![item],
        )
    }
}

store_methods! {
    write fn session_opened(item: ItemId, session: Session) -> ();
    write fn session_at(item: ItemId, offset: u64) -> ();
    write fn session_dropped(item: ItemId) -> ();
}

impl Tx {
    /// A session was opened for the item's bytes.
    pub fn session_opened(&self, item: ItemId, session: Session) -> Result<()> {
        let Session { url, stat, .. } = session;
        self.execute(
            "INSERT OR REPLACE INTO upload_sessions (item_id, url, granularity, offset, dev, inode, size,
                                              mtime_ns, ctime_ns, opened_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                item,
                url,
                session.granularity,
                session.offset,
                stat.dev,
                stat.inode,
                stat.size,
                stat.mtime_ns,
                stat.ctime_ns,
                session.opened_at
            ],
        )?;
        Ok(())
    }

    /// The service is known to have `offset` bytes of the session.
    pub fn session_at(&self, item: ItemId, offset: u64) -> Result<()> {
        let sql = "UPDATE upload_sessions SET offset = ?2 WHERE item_id = ?1";
        self.execute(sql, params![item, offset])?;
        Ok(())
    }

    /// The session cannot be used any more.
    pub fn session_dropped(&self, item: ItemId) -> Result<()> {
        self.execute(
            "DELETE FROM upload_sessions WHERE item_id = ?1",
            params![item],
        )?;
        Ok(())
    }
}
