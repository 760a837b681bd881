//! The journal of mutating calls: each is written down word for word before it is sent, and repeated word for
//! word until it is answered.

use jiff::Timestamp;

use super::{
    Error, Reader, Result, Tx, items,
    quota_usage::{self, Sending},
    row::{params, word_column},
    writer::store_methods,
};
use crate::model::{
    batch_plan::Position,
    call::CallKind,
    ids::{AlbumRow, CallId, ItemId},
    item::Event,
};

word_column!(CallKind);

/// A call that is about to be sent for the first time.
#[derive(Debug, Clone)]
pub struct NewCall {
    /// The method.
    pub kind: CallKind,
    /// The album that it is about.
    pub album: AlbumRow,
    /// The position in the album; none if the method has none.
    pub position: Option<Position>,
    /// The path of the request.
    pub path: String,
    /// The body of the request.
    pub body: String,
    /// Its items, in order.
    pub items: Vec<ItemId>,
    /// Whether the call is needed only for the order of the album.
    pub for_order: bool,
}

/// A call of the journal without a recorded answer.
#[derive(Debug, Clone)]
pub struct Journalled {
    /// Its row.
    pub id: CallId,
    /// The method.
    pub kind: CallKind,
    /// The album that it is about.
    pub album: AlbumRow,
    /// The path of the request.
    pub path: String,
    /// The body of the request. It contains upload tokens.
    pub body: String,
    /// When it was last sent.
    pub sent_at: Timestamp,
    /// How often it was sent.
    pub sends: u32,
    /// Its items in order, each with its failed attempts so far.
    pub items: Vec<(ItemId, u32)>,
}

store_methods! {
    write_durably fn journal(call: NewCall, now: Timestamp) -> Journalled;
    write fn unanswered() -> Option<Journalled>;
    write fn refused_for_rate_at() -> Option<Timestamp>;
    write fn has_token_older_than(call: CallId, born: Timestamp) -> bool;
    write_durably fn repeated(call: CallId, now: Timestamp) -> ();
}

impl Tx {
    /// Journals a call, counts it against the quota and marks its items: the last step before it is sent. If an
    /// item cannot be in a call any more (it was found missing since the call was planned) this is
    /// [`Error::Overtaken`], and the call has to be planned again.
    pub fn journal(&self, call: NewCall, now: Timestamp) -> Result<Journalled> {
        let position = call.position.as_ref().map(|position| match position {
            Position::Last => "last".to_owned(),
            Position::First => "first".to_owned(),
            Position::After(id) => format!("after {id}"),
        });
        let id = CallId(self.insert(
            "INSERT INTO calls (kind, album_id, position, path, body, sent_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![call.kind, call.album, position, call.path, call.body, now],
        )?);
        for (ordinal, item) in call.items.iter().enumerate() {
            let sql = "INSERT INTO call_items (call_id, ordinal, item_id) VALUES (?1, ?2, ?3)";
            self.execute(sql, params![id, ordinal, item])?;
            if call.kind == CallKind::CreateItems {
                let state = items::state_of(self, *item)?;
                if state.after(Event::AddedToCall).is_err() {
                    return Err(Error::Overtaken(*item));
                }
                items::apply(
                    self,
                    *item,
                    Event::AddedToCall,
                    &items::Reason::default(),
                    now,
                )?;
            }
        }
        if call.kind == CallKind::CreateAlbum {
            let sql = "UPDATE albums SET create_sent_at = ?2, list_checks = 0 WHERE id = ?1";
            self.execute(sql, params![call.album, now])?;
        }
        let sending = if call.for_order {
            Sending::OrderCall
        } else {
            Sending::Request
        };
        quota_usage::count(self, sending, now)?;
        Ok(Journalled {
            id,
            kind: call.kind,
            album: call.album,
            path: call.path,
            body: call.body,
            sent_at: now,
            sends: 1,
            items: items_with_attempts(self, id)?,
        })
    }

    /// The call without a recorded answer, if there is one.
    pub fn unanswered(&self) -> Result<Option<Journalled>> {
        unanswered(self)
    }

    /// When the last call was answered, if the answer was 429.
    pub fn refused_for_rate_at(&self) -> Result<Option<Timestamp>> {
        let sql =
            "SELECT iif(http_status = 429, answered_at, NULL) FROM calls ORDER BY id DESC LIMIT 1";
        Ok(self.opt(sql, params![])?.flatten())
    }

    /// Whether the call carries an upload token that was received before `born`.
    pub fn has_token_older_than(&self, call: CallId, born: Timestamp) -> Result<bool> {
        self.exists(
            "SELECT 1 FROM call_items JOIN items ON items.id = call_items.item_id
             WHERE call_items.call_id = ?1 AND items.token_at <= ?2",
            params![call, born],
        )
    }

    /// The unanswered call is about to be sent once more.
    pub fn repeated(&self, call: CallId, now: Timestamp) -> Result<()> {
        let sql = "UPDATE calls SET sends = sends + 1, sent_at = ?2 WHERE id = ?1";
        self.execute(sql, params![call, now])?;
        quota_usage::count(self, Sending::Request, now)
    }
}

pub(super) fn unanswered(db: &Reader) -> Result<Option<Journalled>> {
    let Some((id, kind, album, path, body, sent_at, sends)) = db.opt(UNANSWERED, params![])? else {
        return Ok(None);
    };
    let items = items_with_attempts(db, id)?;
    Ok(Some(Journalled {
        id,
        kind,
        album,
        path,
        body,
        sent_at,
        sends,
        items,
    }))
}

/// The items of a call, in order.
pub(super) fn items_of(db: &Reader, call: CallId) -> Result<Vec<ItemId>> {
    let sql = "SELECT item_id FROM call_items WHERE call_id = ?1 ORDER BY ordinal";
    db.all(sql, params![call])
}

fn items_with_attempts(db: &Reader, call: CallId) -> Result<Vec<(ItemId, u32)>> {
    db.all(
        "SELECT items.id, items.attempts FROM call_items JOIN items ON items.id = call_items.item_id
         WHERE call_items.call_id = ?1 ORDER BY call_items.ordinal",
        params![call],
    )
}

/// The call is answered; its body is not needed any more.
pub(super) fn answered(
    db: &Tx,
    call: CallId,
    http_status: Option<u16>,
    error: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let http_status = http_status.map(i32::from);
    db.execute(
        "UPDATE calls SET answered_at = ?2, http_status = ?3, error = ?4, body = NULL WHERE id = ?1",
        params![call, now, http_status, error],
    )?;
    Ok(())
}

/// The call without a recorded answer.
pub(super) const UNANSWERED: &str =
    "SELECT id, kind, album_id, path, body, sent_at, sends FROM calls WHERE answered_at IS NULL";
