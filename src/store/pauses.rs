//! The state of the account, of the write lane and of uploads, kept so that `status` is true when
//! nothing runs.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;

use super::{Error, Reader, Result, Store};
use crate::clock;

/// Under which key of `meta` the remedy for the account's state is kept.
const HINT: &str = "account_hint";

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// The word that the store and `status` use.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            fn parse(word: &str) -> Result<Self> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    other => Err(Error::Corrupt(format!("unknown state `{other}`"))),
                }
            }
        }
    };
}

words! {
    /// Whether the account can be used.
    AccountState {
        /// It can.
        Ready = "ready",
        /// Somebody must sign in.
        LoginNeeded = "login_needed",
        /// The user's storage is full; probed once an hour.
        StorageFull = "storage_full",
        /// The project's requests of the day are used up.
        QuotaExhausted = "quota_exhausted",
        /// The Library API is not enabled in the Cloud project.
        ApiDisabled = "api_disabled",
        /// Google Photos is switched off for this user.
        PhotosDisabled = "photos_disabled",
        /// The service cannot be reached.
        Unreachable = "unreachable",
    }
}

words! {
    /// What the write lane does.
    WriterState {
        /// Nothing is to be done.
        Idle = "idle",
        /// A call is under way.
        Calling = "calling",
        /// The next call waits for the pace of writes.
        Pacing = "pacing",
        /// The next call waits for the service, for company, or for a person.
        Waiting = "waiting",
    }
}

words! {
    /// Whether bytes go up.
    UploadsState {
        /// They do, as far as there are any.
        Open = "open",
        /// The next upload waits for the service.
        Waiting = "waiting",
    }
}

/// A state with its reason in words, and its end where one is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause<S> {
    /// Which state.
    pub state: S,
    /// Why, in words.
    pub reason: Option<String>,
    /// Until when; none where nobody knows.
    pub until: Option<Timestamp>,
}

impl<S> Pause<S> {
    /// A state that needs no words.
    pub fn plain(state: S) -> Self {
        Self {
            state,
            reason: None,
            until: None,
        }
    }
}

type Raw = (String, Option<String>, Option<i64>);

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// The account's row.
pub(super) fn account(db: &Reader) -> Result<Pause<AccountState>> {
    let (state, reason, until) = db
        .prepare_cached("SELECT state, reason, until FROM account")?
        .query_row([], raw)?;
    Ok(Pause {
        state: AccountState::parse(&state)?,
        reason,
        until: until.map(clock::from_millis),
    })
}

/// Since when the account's row says so.
pub(super) fn since(db: &Reader) -> Result<Timestamp> {
    Ok(db
        .prepare_cached("SELECT since FROM account")?
        .query_row([], |row| row.get(0).map(clock::from_millis))?)
}

/// What a person can do about the account's state, where somebody knew.
pub(super) fn hint(db: &Reader) -> Result<Option<String>> {
    Ok(db
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([HINT], |row| row.get(0))
        .optional()?)
}

/// The row of uploads, and whether the service asked for the wait.
pub(super) fn uploads(db: &Reader) -> Result<(Pause<UploadsState>, bool)> {
    let ((state, reason, until), asked) = db
        .prepare_cached("SELECT state, reason, until, asked FROM uploads")?
        .query_row([], |row| Ok((raw(row)?, row.get(3)?)))?;
    let pause = Pause {
        state: UploadsState::parse(&state)?,
        reason,
        until: until.map(clock::from_millis),
    };
    Ok((pause, asked))
}

/// The lane's row.
pub(super) fn lane(db: &Reader) -> Result<Pause<WriterState>> {
    let (state, reason, until) = db
        .prepare_cached("SELECT state, reason, until FROM lane")?
        .query_row([], raw)?;
    Ok(Pause {
        state: WriterState::parse(&state)?,
        reason,
        until: until.map(clock::from_millis),
    })
}

impl Store {
    /// The account's state.
    pub async fn account(&self) -> Result<Pause<AccountState>> {
        self.write(|tx| account(tx)).await
    }

    /// Since when the account is in its state.
    pub async fn account_since(&self) -> Result<Timestamp> {
        self.write(|tx| since(tx)).await
    }

    /// The account is in this state now.
    pub async fn account_is(&self, pause: Pause<AccountState>, now: Timestamp) -> Result<()> {
        self.account_needs(pause, None, now).await
    }

    /// The account is in this state now, and `hint` is what a person can do about it.
    pub async fn account_needs(
        &self,
        pause: Pause<AccountState>,
        hint: Option<String>,
        now: Timestamp,
    ) -> Result<()> {
        self.write(move |db| {
            match hint {
                Some(hint) => db
                    .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
                    .execute(params![HINT, hint])?,
                None => db
                    .prepare_cached("DELETE FROM meta WHERE key = ?1")?
                    .execute([HINT])?,
            };
            db.prepare_cached(
                // A sign-in that is refused for the same reason as the one before is refused now.
                "UPDATE account SET state = ?1, reason = ?2, until = ?3, since = ?4
                 WHERE state <> ?1 OR reason IS NOT ?2 OR until IS NOT ?3 OR ?1 = 'login_needed'",
            )?
            .execute(params![
                pause.state.as_str(),
                pause.reason,
                pause.until.map(Timestamp::as_millisecond),
                now.as_millisecond()
            ])?;
            Ok(())
        })
        .await
    }

    /// The lane's state, and the rung of the concurrent-write ladder.
    pub async fn lane(&self) -> Result<(Pause<WriterState>, u32)> {
        self.write(|db| {
            let refusals = db
                .prepare_cached("SELECT refusals FROM lane")?
                .query_row([], |row| row.get(0))?;
            Ok((lane(db)?, refusals))
        })
        .await
    }

    /// The lane is in this state now. A repeated state is no write.
    pub async fn lane_is(&self, pause: Pause<WriterState>, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE lane SET state = ?1, reason = ?2, until = ?3, since = ?4
                 WHERE state <> ?1 OR reason IS NOT ?2 OR until IS NOT ?3",
            )?
            .execute(params![
                pause.state.as_str(),
                pause.reason,
                pause.until.map(Timestamp::as_millisecond),
                now.as_millisecond()
            ])?;
            Ok(())
        })
        .await
    }

    /// Whether bytes go up, and whether the service asked for the wait if they do not.
    pub async fn uploads(&self) -> Result<(Pause<UploadsState>, bool)> {
        self.write(|tx| uploads(tx)).await
    }

    /// Uploads wait until then.
    pub async fn uploads_wait(&self, reason: String, until: Timestamp, asked: bool) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached(
                "UPDATE uploads SET state = 'waiting', reason = ?1, until = ?2, asked = ?3",
            )?
            .execute(params![reason, until.as_millisecond(), asked])?;
            Ok(())
        })
        .await
    }

    /// Uploads do not wait any more.
    pub async fn uploads_go_on(&self) -> Result<()> {
        self.write(|db| {
            db.prepare_cached(
                "UPDATE uploads SET state = 'open', reason = NULL, until = NULL, asked = 0",
            )?
            .execute([])?;
            Ok(())
        })
        .await
    }

    /// Which rung of the concurrent-write ladder the lane stands on; 0 is off it.
    pub async fn lane_refusals(&self, refusals: u32) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached("UPDATE lane SET refusals = ?1")?
                .execute([refusals])?;
            Ok(())
        })
        .await
    }

    /// A small fact that outlives a run.
    pub async fn meta(&self, key: &'static str) -> Result<Option<String>> {
        self.write(move |db| {
            Ok(db
                .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()?)
        })
        .await
    }

    /// Keeps a small fact.
    pub async fn meta_is(&self, key: &'static str, value: String) -> Result<()> {
        self.write(move |db| {
            db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
                .execute(params![key, value])?;
            Ok(())
        })
        .await
    }

    /// This process holds the state folder from now on.
    pub async fn process_is(&self, mode: &'static str, pid: u32, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            db.execute(
                "INSERT OR REPLACE INTO process (id, mode, pid, since, bytes_sent) VALUES (1, ?1, ?2, ?3, 0)",
                params![mode, pid, now.as_millisecond()],
            )?;
            db.execute("DELETE FROM transfers", [])?;
            Ok(())
        })
        .await
    }
}
