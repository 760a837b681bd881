//! Which OAuth client made what is in the library, and what another one means for the queue.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{
    Reader, Result, Store, Tx, call_journal, items, next_call::ready_tokens, remote_albums,
};
use crate::{
    clock,
    model::{
        ids::ItemId,
        item::{Event, State},
    },
};

/// Under which key the client is kept that made what is in the library.
const CLIENT: &str = "client_id";

/// Under which key is kept since when that is so, milliseconds, if another one made what is older.
pub(super) const CLIENT_SINCE: &str = "client_since";

/// The key that is there once a sign-in has outlived the week of a consent screen in Testing.
const PUBLISHED: &str = "published";

/// What is told of a place in an album that the present client cannot change.
const OF_ANOTHER: &str =
    "another OAuth client made it, and only that one can put it into albums or take it out";

impl Store {
    /// The client that made what is in the library; none if nothing was made yet.
    pub async fn client_id(&self) -> Result<Option<String>> {
        self.write(|db| value(db, CLIENT)).await
    }

    /// A call of this client succeeded.
    pub async fn client_is(&self, client_id: String) -> Result<()> {
        self.write(move |db| keep(db, CLIENT, &client_id)).await
    }

    /// A sign-in has outlived the week that one of a consent screen in Testing has.
    pub async fn is_published(&self) -> Result<()> {
        self.write(|db| keep(db, PUBLISHED, "1")).await
    }

    /// Goes on with another client, which sees nothing of what there is. What went up stays as it is
    /// and is asked for no more; what waits goes up with the new client; albums are made anew.
    pub async fn client_replaced(&self, client_id: String, now: Timestamp) -> Result<()> {
        self.write_durably(move |db| {
            end_call(db, now)?;
            send_again(db, now)?;
            leave_albums(db)?;
            db.execute_batch(
                "DELETE FROM sessions;
                 UPDATE items SET upload_token = NULL, token_at = NULL
                 WHERE upload_token IS NOT NULL AND state IN ('created', 'verified');
                 UPDATE items SET verify_at = NULL WHERE verify_at IS NOT NULL;
                 UPDATE items SET describe_at = NULL
                 WHERE describe_at IS NOT NULL AND state IN ('created', 'verified');",
            )?;
            keep(db, CLIENT, &client_id)?;
            keep(db, CLIENT_SINCE, &now.as_millisecond().to_string())?;
            db.execute("DELETE FROM meta WHERE key = ?1", [PUBLISHED])?;
            remote_albums::are_of_another(db)
        })
        .await
    }
}

impl Reader {
    /// The client that made what is in the library; none if nothing was made yet.
    pub fn client_id(&self) -> Result<Option<String>> {
        value(self, CLIENT)
    }

    /// Whether a sign-in has outlived the week of a consent screen in Testing.
    pub fn is_published(&self) -> Result<bool> {
        is_published(self)
    }
}

pub(super) fn is_published(db: &Reader) -> Result<bool> {
    Ok(value(db, PUBLISHED)?.is_some())
}

fn value(db: &Reader, key: &str) -> Result<Option<String>> {
    Ok(db
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

fn keep(db: &Tx, key: &str, value: &str) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute([key, value])?;
    Ok(())
}

/// A call without an answer cannot be repeated by another client: its tokens and its album are not
/// the new one's.
fn end_call(db: &Tx, now: Timestamp) -> Result<()> {
    let Some(call) = call_journal::unanswered(db)? else {
        return Ok(());
    };
    for (item, _) in &call.items {
        if items::state_of(db, *item)? == State::Creating {
            let because = items::Reason::default();
            items::apply(db, *item, Event::CreateDeferred, &because, now)?;
        }
    }
    let words = "no answer came before another OAuth client took its place";
    call_journal::answered(db, call.id, None, Some(words), now)
}

/// Upload tokens belong to the client that got them: the bytes go up again.
fn send_again(db: &Tx, now: Timestamp) -> Result<()> {
    let held: Vec<i64> = db
        .prepare_cached(ready_tokens::WITH_TOKEN)?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for item in held.into_iter().map(ItemId) {
        let because = items::Reason {
            reason: Some("another OAuth client sent its bytes; they go up again"),
            ..items::Reason::default()
        };
        items::apply(db, item, Event::TokenDied, &because, now)?;
        items::queue_source(db, item, None, clock::from_millis(0), now)?;
    }
    Ok(())
}

/// The albums that there are belong to the old client, with what stands in them.
fn leave_albums(db: &Tx) -> Result<()> {
    db.execute(
        "UPDATE placements SET state = 'refused', in_sequence = 0, reason = ?1
         WHERE album_id <> 0 AND (state = 'leaving' OR (state = 'wanted' AND made = 1))",
        params![OF_ANOTHER],
    )?;
    db.execute_batch(
        "UPDATE placements SET in_sequence = 0 WHERE in_sequence = 1;
         UPDATE albums SET album_id = NULL, unread = 0, found = 0, product_url = NULL, made_at = NULL, asked_at = NULL,
                looked = 0, not_before = 0, absent_at = NULL, reason = NULL
         WHERE id <> 0;",
    )?;
    Ok(())
}
