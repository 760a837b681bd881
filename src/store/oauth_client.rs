//! The OAuth client that created the media items and albums, and the change to another one.

use jiff::Timestamp;

use super::{
    Reader, Result, Tx, call_journal, items, ready_tokens, row::params, writer::store_methods,
};
use crate::model::item::{Event, State};

/// The key of `meta` with the id of the client that created what is in the library.
const CLIENT: &str = "client_id";

/// The key of `meta` with the time since when this client does so, milliseconds, if another client
/// created what is older.
pub(super) const CLIENT_SINCE: &str = "client_since";

/// The key of `meta` that is there once a sign-in was valid for longer than the week that it lasts while
/// the consent screen is in "Testing".
const PUBLISHED: &str = "published";

/// The reason of a placement that the present client cannot change.
const OF_ANOTHER: &str =
    "another OAuth client made it, and only that one can put it into albums or take it out";

store_methods! {
    write fn client_id() -> Option<String>;
    write fn set_client_id(client_id: String) -> ();
    write fn set_published() -> ();
    write_durably fn client_replaced(client_id: String, now: Timestamp) -> ();
}

impl Reader {
    /// The id of the client that created what is in the library; none if nothing was created yet.
    pub fn client_id(&self) -> Result<Option<String>> {
        self.opt("SELECT value FROM meta WHERE key = ?1", params![CLIENT])
    }

    /// Whether a sign-in was valid for longer than the week of a consent screen in "Testing".
    pub fn is_published(&self) -> Result<bool> {
        self.exists("SELECT 1 FROM meta WHERE key = ?1", params![PUBLISHED])
    }
}

impl Tx {
    /// A call of this client succeeded.
    pub fn set_client_id(&self, client_id: String) -> Result<()> {
        self.set_meta(CLIENT, &client_id)
    }

    /// A sign-in was valid for longer than the week of a consent screen in "Testing".
    pub fn set_published(&self) -> Result<()> {
        self.set_meta(PUBLISHED, "1")
    }

    /// Continues with another client, which cannot see what exists. Media items stay, but are not verified
    /// any more; what waits is uploaded by the new client; albums are created again.
    pub fn client_replaced(&self, client_id: String, now: Timestamp) -> Result<()> {
        end_call(self, now)?;
        send_again(self, now)?;
        leave_albums(self)?;
        self.execute_batch(
            "DELETE FROM upload_sessions;
             UPDATE items SET upload_token = NULL, token_at = NULL
             WHERE upload_token IS NOT NULL AND state IN ('created', 'verified');
             UPDATE items SET verify_at = NULL WHERE verify_at IS NOT NULL;
             UPDATE items SET describe_at = NULL
             WHERE describe_at IS NOT NULL AND state IN ('created', 'verified');
             DELETE FROM remote_albums;",
        )?;
        self.set_client_id(client_id)?;
        self.set_meta(CLIENT_SINCE, &now.as_millisecond().to_string())?;
        self.execute("DELETE FROM meta WHERE key = ?1", params![PUBLISHED])?;
        Ok(())
    }

    fn set_meta(&self, key: &str, value: &str) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
        self.execute(sql, params![key, value])?;
        Ok(())
    }
}

/// Ends the unanswered call: another client cannot repeat it, because tokens and album belong to the old
/// one.
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

/// Queues the bytes of all items with an upload token again: tokens belong to the client that got them.
fn send_again(db: &Tx, now: Timestamp) -> Result<()> {
    for item in db.all(ready_tokens::WITH_TOKEN, [])? {
        let because = items::Reason {
            reason: Some("another OAuth client sent its bytes; they go up again"),
            ..items::Reason::default()
        };
        items::apply(db, item, Event::TokenDied, &because, now)?;
        items::queue_source(db, item, None, Timestamp::UNIX_EPOCH, now)?;
    }
    Ok(())
}

/// Forgets the ids of all albums: they and their items belong to the old client.
fn leave_albums(db: &Tx) -> Result<()> {
    db.execute(
        "UPDATE placements SET state = 'refused', in_sequence = 0, reason = ?1
         WHERE album_id <> 0 AND (state = 'leaving' OR (state = 'wanted' AND item_exists = 1))",
        params![OF_ANOTHER],
    )?;
    db.execute_batch(
        "UPDATE placements SET in_sequence = 0 WHERE in_sequence = 1;
         UPDATE albums SET album_id = NULL, order_unknown = 0, pre_existing = 0, product_url = NULL, created_at = NULL, create_sent_at = NULL,
                list_checks = 0, not_before = 0, not_found_at = NULL, reason = NULL
         WHERE id <> 0;",
    )?;
    Ok(())
}
