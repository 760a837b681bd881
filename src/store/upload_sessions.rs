//! Resumable sessions: kept over restarts, so that no byte is sent twice when it can be helped.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{FileStat, Result, Store};
use crate::{
    clock,
    model::ids::{ItemId, SessionUrl},
};

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

/// The session of an item, if it has one.
pub(super) fn of_item(db: &Connection, item: ItemId) -> Result<Option<Session>> {
    Ok(db
        .prepare_cached(
            "SELECT url, granularity, offset, dev, inode, size, mtime_ns, ctime_ns, opened_at
             FROM upload_sessions WHERE item_id = ?1",
        )?
        .query_row([item.0], |row| {
            Ok(Session {
                url: SessionUrl::new(row.get::<_, String>(0)?),
                granularity: row.get::<_, i64>(1)? as u64,
                offset: row.get::<_, i64>(2)? as u64,
                stat: FileStat {
                    dev: row.get::<_, i64>(3)? as u64,
                    inode: row.get::<_, i64>(4)? as u64,
                    size: row.get::<_, i64>(5)? as u64,
                    mtime_ns: row.get(6)?,
                    ctime_ns: row.get(7)?,
                },
                opened_at: clock::from_millis(row.get(8)?),
            })
        })
        .optional()?)
}

/// The session is over.
pub(super) fn drop_of(db: &Connection, item: ItemId) -> Result<()> {
    db.prepare_cached("DELETE FROM upload_sessions WHERE item_id = ?1")?
        .execute([item.0])?;
    Ok(())
}

impl Store {
    /// A session was opened for the item's bytes.
    pub async fn session_opened(&self, item: ItemId, session: Session) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "INSERT OR REPLACE INTO upload_sessions (item_id, url, granularity, offset, dev, inode, size,
                                                  mtime_ns, ctime_ns, opened_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                item.0,
                session.url.reveal(),
                session.granularity as i64,
                session.offset as i64,
                session.stat.dev as i64,
                session.stat.inode as i64,
                session.stat.size as i64,
                session.stat.mtime_ns,
                session.stat.ctime_ns,
                session.opened_at.as_millisecond()
            ])?;
            Ok(())
        })
        .await
    }

    /// The service is known to have so many bytes of the session.
    pub async fn session_at(&self, item: ItemId, offset: u64) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached("UPDATE upload_sessions SET offset = ?2 WHERE item_id = ?1")?
                .execute(params![item.0, offset as i64])?;
            Ok(())
        })
        .await
    }

    /// The session is of no use any more.
    pub async fn session_dropped(&self, item: ItemId) -> Result<()> {
        self.write(move |db| drop_of(db, item)).await
    }
}
