//! Pauses of the account, of the writer and of uploads, kept so that `status` is right also when no process
//! runs. And the longest waits after the clock was set back, and single values that outlive a run.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Reader, Result, Tx,
    row::{FromRow, params, word_column},
    writer::store_methods,
};
use crate::clock;

/// Whether the account can be used.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AccountState {
    /// It can.
    Ready,
    /// The user must sign in.
    LoginNeeded,
    /// The user's storage is full; tried again once an hour.
    StorageFull,
    /// The project's requests of the day are used up.
    QuotaExhausted,
    /// The Library API is not enabled in the Cloud project.
    ApiDisabled,
    /// Google Photos is switched off for this user.
    PhotosDisabled,
    /// The service cannot be reached.
    Unreachable,
}

/// What the writer does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum WriterState {
    /// There is nothing to do.
    Idle,
    /// A call is under way.
    Calling,
    /// The next call waits for the rate limit.
    Pacing,
    /// The next call waits for the service, for more items, or for the user.
    Waiting,
}

/// Whether uploads may begin.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, strum::EnumString, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum UploadsState {
    /// They may.
    Open,
    /// The next upload waits for the service.
    Waiting,
}

word_column!(AccountState, WriterState, UploadsState);

macro_rules! scopes {
    ($($state:ident is $scope:literal),*) => {$(
        impl Scope for $state {
            const SCOPE: &'static str = $scope;
        }

        impl $state {
            /// The word that the store and `status` use.
            pub fn as_str(self) -> &'static str {
                self.into()
            }
        }
    )*};
}

/// A state that has a row in `pauses`.
trait Scope: FromRow + Into<&'static str> {
    const SCOPE: &'static str;
}

scopes!(AccountState is "account", WriterState is "writes", UploadsState is "uploads");

/// A state with its reason, and its end if that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause<S> {
    /// The state.
    pub state: S,
    /// Why, in words.
    pub reason: Option<String>,
    /// Its end; none if it is not known.
    pub until: Option<Timestamp>,
}

impl<S> Pause<S> {
    /// A state without a reason.
    pub fn plain(state: S) -> Self {
        Self {
            state,
            reason: None,
            until: None,
        }
    }
}

fn pause<S: Scope>(db: &Reader) -> Result<Pause<S>> {
    let sql = "SELECT state, reason, until FROM pauses WHERE scope = ?1";
    let (state, reason, until) = db.one(sql, params![S::SCOPE])?;
    Ok(Pause {
        state,
        reason,
        until,
    })
}

/// A state that is repeated is not written, unless `always`.
fn set_pause<S: Scope>(
    db: &Tx,
    pause: Pause<S>,
    hint: Option<&str>,
    asked_by_service: bool,
    always: bool,
    now: Timestamp,
) -> Result<()> {
    let state: &'static str = pause.state.into();
    db.execute(
        "UPDATE pauses SET state = ?2, reason = ?3, until = ?4, since = ?5, hint = ?6, asked_by_service = ?7
         WHERE scope = ?1 AND (?8 OR state <> ?2 OR reason IS NOT ?3 OR until IS NOT ?4
                               OR asked_by_service <> ?7)",
        params![
            S::SCOPE,
            state,
            pause.reason,
            pause.until,
            now,
            hint,
            asked_by_service,
            always
        ],
    )?;
    Ok(())
}

/// The state of the account.
pub(super) fn account(db: &Reader) -> Result<Pause<AccountState>> {
    pause(db)
}

/// Since when the account is in its state.
pub(super) fn since(db: &Reader) -> Result<Timestamp> {
    let sql = "SELECT since FROM pauses WHERE scope = 'account'";
    db.one(sql, params![])
}

/// What the user can do about the account's state, if known.
pub(super) fn hint(db: &Reader) -> Result<Option<String>> {
    let sql = "SELECT hint FROM pauses WHERE scope = 'account'";
    db.one(sql, params![])
}

/// The state of uploads, and whether the service demanded the wait.
pub(super) fn uploads(db: &Reader) -> Result<(Pause<UploadsState>, bool)> {
    let sql = "SELECT asked_by_service FROM pauses WHERE scope = 'uploads'";
    Ok((pause(db)?, db.one(sql, params![])?))
}

/// The state of the writer.
pub(super) fn lane(db: &Reader) -> Result<Pause<WriterState>> {
    pause(db)
}

store_methods! {
    write fn account() -> Pause<AccountState>;
    write fn account_since() -> Timestamp;
    write fn account_is(pause: Pause<AccountState>, now: Timestamp) -> ();
    write fn account_needs(pause: Pause<AccountState>, hint: Option<String>, now: Timestamp) -> ();
    write fn lane() -> (Pause<WriterState>, u32);
    write fn lane_is(pause: Pause<WriterState>, now: Timestamp) -> ();
    write fn lane_refusals(refusals: u32) -> ();
    write fn uploads() -> (Pause<UploadsState>, bool);
    write fn uploads_wait(reason: String, until: Timestamp, asked: bool) -> ();
    write fn uploads_go_on() -> ();
    write fn meta(key: &'static str) -> Option<String>;
    write fn meta_is(key: &'static str, value: String) -> ();
    write fn process_is(mode: &'static str, pid: u32, now: Timestamp) -> ();
    write fn shorten_waits(longest: Duration, of_files: Duration, until_asked: Duration, now: Timestamp) -> bool;
}

impl Tx {
    /// The state of the account.
    pub fn account(&self) -> Result<Pause<AccountState>> {
        account(self)
    }

    /// Since when the account is in its state.
    pub fn account_since(&self) -> Result<Timestamp> {
        since(self)
    }

    /// Sets the state of the account.
    pub fn account_is(&self, pause: Pause<AccountState>, now: Timestamp) -> Result<()> {
        self.account_needs(pause, None, now)
    }

    /// The same; `hint` is what the user can do about it. `since` of a refused sign-in is that of the last
    /// refusal, even if the reason is the same as before.
    pub fn account_needs(
        &self,
        pause: Pause<AccountState>,
        hint: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        let sql = "UPDATE pauses SET hint = ?1 WHERE scope = 'account'";
        self.execute(sql, params![hint])?;
        let always = pause.state == AccountState::LoginNeeded;
        set_pause(self, pause, hint.as_deref(), false, always, now)
    }

    /// The state of the writer, and how many calls in a row were refused for concurrent writes.
    pub fn lane(&self) -> Result<(Pause<WriterState>, u32)> {
        let sql = "SELECT concurrent_refusals FROM pauses WHERE scope = 'writes'";
        Ok((lane(self)?, self.one(sql, params![])?))
    }

    /// Sets the state of the writer.
    pub fn lane_is(&self, pause: Pause<WriterState>, now: Timestamp) -> Result<()> {
        set_pause(self, pause, None, false, false, now)
    }

    /// How many calls in a row were refused for concurrent writes.
    pub fn lane_refusals(&self, refusals: u32) -> Result<()> {
        let sql = "UPDATE pauses SET concurrent_refusals = ?1 WHERE scope = 'writes'";
        self.execute(sql, params![refusals])?;
        Ok(())
    }

    /// The state of uploads, and whether the service demanded the wait.
    pub fn uploads(&self) -> Result<(Pause<UploadsState>, bool)> {
        uploads(self)
    }

    /// Uploads wait until then.
    pub fn uploads_wait(&self, reason: String, until: Timestamp, asked: bool) -> Result<()> {
        let pause = Pause {
            state: UploadsState::Waiting,
            reason: Some(reason),
            until: Some(until),
        };
        set_pause(self, pause, None, asked, false, Timestamp::UNIX_EPOCH)
    }

    /// Uploads do not wait any more.
    pub fn uploads_go_on(&self) -> Result<()> {
        let pause = Pause::plain(UploadsState::Open);
        set_pause(self, pause, None, false, false, Timestamp::UNIX_EPOCH)
    }

    /// A single value that outlives a run.
    pub fn meta(&self, key: &'static str) -> Result<Option<String>> {
        self.opt("SELECT value FROM meta WHERE key = ?1", params![key])
    }

    /// Keeps such a value.
    pub fn meta_is(&self, key: &'static str, value: String) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
        self.execute(sql, params![key, value])?;
        Ok(())
    }

    /// This process holds the state folder from now on.
    pub fn process_is(&self, mode: &'static str, pid: u32, now: Timestamp) -> Result<()> {
        self.execute(
            "INSERT OR REPLACE INTO process (id, mode, pid, since, bytes_sent) VALUES (1, ?1, ?2, ?3, 0)",
            params![mode, pid, now],
        )?;
        self.execute("DELETE FROM transfers", params![])?;
        Ok(())
    }

    /// After the clock was set back, a stored time may be further ahead than that kind of wait ever lasts.
    /// Such a wait is due now: longer than `longest`; longer than `of_files` for uploads and batches, where an
    /// early attempt costs little; longer than `until_asked` for verifications and `after_upload`. Returns
    /// whether there was any.
    pub fn shorten_waits(
        &self,
        longest: Duration,
        of_files: Duration,
        until_asked: Duration,
        now: Timestamp,
    ) -> Result<bool> {
        let mut n = 0;
        for (longest, waits) in [(of_files, &UPLOAD_WAITS[..]), (longest, &WAITS[..])] {
            for sql in waits {
                n += self.execute(sql, params![clock::after(now, longest)])?;
            }
        }
        n += self.execute(SETTLING, params![clock::after(now, longest), now])?;
        for sql in VERIFICATIONS {
            n += self.execute(sql, params![clock::after(now, until_asked), now])?;
        }
        // A file cannot have disappeared in the future; the wait before its removal begins now.
        let sql = "UPDATE pending_removals SET gone_at = ?1 WHERE needs_confirmation = 0 AND gone_at > ?1";
        n += self.execute(sql, params![now])?;
        Ok(n > 0)
    }
}

/// Waits of files in the queue and of items with a token.
pub(super) const UPLOAD_WAITS: [&str; 2] = [
    "UPDATE files SET not_before = 0 WHERE state = 'queued' AND not_before > 0 AND not_before > ?1",
    "UPDATE items SET not_before = 0
     WHERE state IN ('uploading', 'uploaded', 'creating') AND not_before > ?1",
];

/// Waits of placements, descriptions and albums.
pub(super) const WAITS: [&str; 3] = [
    "UPDATE placements SET not_before = 0
     WHERE state = 'wanted' AND item_exists = 1 AND not_before > ?1",
    "UPDATE items SET describe_at = 0
     WHERE describe_at IS NOT NULL AND description IS NOT sent_description AND state IN ('created', 'verified')
           AND describe_at > ?1",
    // There is no index for the few thousand albums that there may be.
    "UPDATE albums SET not_before = 0 WHERE not_before > ?1",
];

/// Files that may still be written to.
pub(super) const SETTLING: &str =
    "UPDATE files SET due_at = ?2 WHERE state = 'settling' AND due_at > ?1";

/// Verifications, and files that are to be moved or deleted.
pub(super) const VERIFICATIONS: [&str; 2] = [
    "UPDATE items SET verify_at = ?2 WHERE verify_at IS NOT NULL AND verify_at > ?1",
    "UPDATE files SET next_action_at = ?2 WHERE action_state IN ('waiting', 'ready') AND next_action_at > ?1",
];
