//! The journal: every mutating call word for word, before it is sent.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{
    Error, Reader, Result, Store, Tx, items,
    quota_usage::{self, Sending},
};
use crate::{
    clock,
    model::{
        batch_plan::Position,
        call::CallKind,
        ids::{AlbumRow, CallId, ItemId},
        item::Event,
    },
};

/// A call that is about to be sent for the first time.
#[derive(Debug, Clone)]
pub struct NewCall {
    /// What it does.
    pub kind: CallKind,
    /// To which album.
    pub album: AlbumRow,
    /// At which place; none where the call has none.
    pub position: Option<Position>,
    /// The path of the request.
    pub path: String,
    /// The body of the request, word for word.
    pub body: String,
    /// What it carries, in order.
    pub items: Vec<ItemId>,
    /// Whether only the order of the album asks for a call of its own.
    pub for_order: bool,
}

/// A call of the journal that has no recorded answer.
#[derive(Debug, Clone)]
pub struct Journalled {
    /// Its row.
    pub id: CallId,
    /// What it does.
    pub kind: CallKind,
    /// To which album.
    pub album: AlbumRow,
    /// The path of the request.
    pub path: String,
    /// The body of the request, word for word. It holds upload tokens.
    pub body: String,
    /// When it was last sent.
    pub sent_at: Timestamp,
    /// How often it was sent.
    pub sends: u32,
    /// What it carries, in order, and how often each was blamed before.
    pub items: Vec<(ItemId, u32)>,
}

impl Store {
    /// Journals a call, counts it, and marks what it carries: the last thing before it is sent. What
    /// cannot go into a call any more (its media item was found missing since the planning) is
    /// [`Error::Overtaken`], and the call is to be planned anew.
    pub async fn journal(&self, call: NewCall, now: Timestamp) -> Result<Journalled> {
        self.write_durably(move |db| {
            let position = call.position.as_ref().map(|position| match position {
                Position::Last => "last".to_owned(),
                Position::First => "first".to_owned(),
                Position::After(id) => format!("after {id}"),
            });
            db.prepare_cached(
                "INSERT INTO calls (kind, album_id, position, path, body, sent_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                <&'static str>::from(call.kind),
                call.album.0,
                position,
                call.path,
                call.body,
                now.as_millisecond()
            ])?;
            let id = CallId(db.last_insert_rowid());
            for (ordinal, item) in call.items.iter().enumerate() {
                db.prepare_cached("INSERT INTO call_items (call_id, ordinal, item_id) VALUES (?1, ?2, ?3)")?
                    .execute(params![id.0, ordinal as i64, item.0])?;
                if call.kind == CallKind::CreateItems {
                    if items::state_of(db, *item)?.after(Event::AddedToCall).is_err() {
                        return Err(Error::Overtaken(*item));
                    }
                    items::apply(db, *item, Event::AddedToCall, &items::Reason::default(), now)?;
                }
            }
            if call.kind == CallKind::CreateAlbum {
                db.prepare_cached("UPDATE albums SET asked_at = ?2, looked = 0 WHERE id = ?1")?
                    .execute(params![call.album.0, now.as_millisecond()])?;
            }
            let sending = if call.for_order { Sending::OrderCall } else { Sending::Request };
            quota_usage::count(db, sending, now)?;
            Ok(Journalled {
                id,
                kind: call.kind,
                album: call.album,
                path: call.path,
                body: call.body,
                sent_at: now,
                sends: 1,
                items: with_attempts(db, id)?,
            })
        })
        .await
    }

    /// The call whose answer is not recorded, if there is one.
    pub async fn unanswered(&self) -> Result<Option<Journalled>> {
        self.write(|tx| unanswered(tx)).await
    }

    /// When the last call was answered, if it was with "too many requests".
    pub async fn refused_for_rate_at(&self) -> Result<Option<Timestamp>> {
        self.write(|db| {
            let last: Option<(Option<i64>, Option<u16>)> = db
                .prepare_cached(
                    "SELECT answered_at, http_status FROM calls ORDER BY id DESC LIMIT 1",
                )?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(last.and_then(|(at, status)| {
                at.filter(|_| status == Some(429)).map(clock::from_millis)
            }))
        })
        .await
    }

    /// Whether a token of the call was create_item before `create_item`.
    pub async fn has_token_older_than(&self, call: CallId, create_item: Timestamp) -> Result<bool> {
        self.write(move |db| {
            let has = db
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM call_items JOIN items ON items.id = call_items.item_id
                                    WHERE call_items.call_id = ?1 AND items.token_at <= ?2)",
                )?
                .query_row(params![call.0, create_item.as_millisecond()], |row| row.get(0))?;
            Ok(has)
        })
        .await
    }

    /// The unanswered call is about to be sent once more.
    pub async fn repeated(&self, call: CallId, now: Timestamp) -> Result<()> {
        self.write_durably(move |db| {
            db.prepare_cached("UPDATE calls SET sends = sends + 1, sent_at = ?2 WHERE id = ?1")?
                .execute(params![call.0, now.as_millisecond()])?;
            quota_usage::count(db, Sending::Request, now)
        })
        .await
    }
}

pub(super) fn unanswered(db: &Reader) -> Result<Option<Journalled>> {
    let row = db
        .prepare_cached(UNANSWERED)?
        .query_row([], |row| {
            Ok((
                CallId(row.get(0)?),
                row.get::<_, String>(1)?,
                AlbumRow(row.get(2)?),
                row.get(3)?,
                row.get(4)?,
                clock::from_millis(row.get(5)?),
                row.get(6)?,
            ))
        })
        .optional()?;
    let Some((id, kind, album, path, body, sent_at, sends)) = row else {
        return Ok(None);
    };
    Ok(Some(Journalled {
        id,
        kind: kind
            .parse()
            .map_err(|_| Error::Corrupt(format!("a call of kind `{kind}`")))?,
        album,
        path,
        body,
        sent_at,
        sends,
        items: with_attempts(db, id)?,
    }))
}

/// What a call carries, in order.
pub(super) fn items_of(db: &Reader, call: CallId) -> Result<Vec<ItemId>> {
    let items = db
        .prepare_cached("SELECT item_id FROM call_items WHERE call_id = ?1 ORDER BY ordinal")?
        .query_map([call.0], |row| row.get(0).map(ItemId))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(items)
}

fn with_attempts(db: &Reader, call: CallId) -> Result<Vec<(ItemId, u32)>> {
    let items = db
        .prepare_cached(
            "SELECT items.id, items.attempts FROM call_items JOIN items ON items.id = call_items.item_id
             WHERE call_items.call_id = ?1 ORDER BY call_items.ordinal",
        )?
        .query_map([call.0], |row| Ok((ItemId(row.get(0)?), row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(items)
}

/// The call has its answer; its words are not needed any more.
pub(super) fn answered(
    db: &Tx,
    call: CallId,
    http_status: Option<u16>,
    error: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    db.prepare_cached(
        "UPDATE calls SET answered_at = ?2, http_status = ?3, error = ?4, body = NULL WHERE id = ?1",
    )?
    .execute(params![call.0, now.as_millisecond(), http_status, error])?;
    Ok(())
}

/// The call whose answer is not recorded.
pub(super) const UNANSWERED: &str =
    "SELECT id, kind, album_id, path, body, sent_at, sends FROM calls WHERE answered_at IS NULL";
