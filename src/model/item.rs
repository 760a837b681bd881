//! The state machine of an item: one content on its way to being a media item.
//!
//! ```text
//! queued → uploading → uploaded → creating → created → verified
//! ```
//!
//! Three more states: `failed` (too many attempts were its own fault), `skipped` (no file has these bytes any
//! more) and `missing` (the service no longer knows the media item). Only `retry` and a file that appears
//! again lead out of these.
//!
//! [`State::after`] is the whole machine. It is pure and has no wildcard arm, and the checks of the schema
//! repeat its invariants: `uploaded` and `creating` have a token; `created`, `verified` and `missing` have a
//! media item id. The store applies events and never writes a state by itself. Waiting is not a state: any
//! item that can still move has `attempts` and `not_before`.

use std::fmt;

/// The state of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Its bytes are to be sent.
    Queued,
    /// Its bytes are being sent.
    Uploading,
    /// The service has its bytes and gave an upload token.
    Uploaded,
    /// Its token is in a journalled call whose outcome is not recorded yet.
    Creating,
    /// The service gave a media item id.
    Created,
    /// The service was asked for the media item and had it.
    Verified,
    /// Too many attempts were its own fault, or one that another try cannot repair.
    Failed,
    /// No file has these bytes any more, and they were never uploaded.
    Skipped,
    /// The service no longer knows the media item.
    Missing,
}

/// What can happen to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A worker hashed a file with these bytes and begins to send them.
    UploadBegun,
    /// The upload ended without a token and will be tried again.
    UploadEnded,
    /// The upload is not tried again.
    UploadGivenUp,
    /// The service gave an upload token.
    TokenReceived,
    /// A call that holds the token was journalled.
    AddedToCall,
    /// The call did not create this item, which keeps its token and waits for another call.
    CreateDeferred,
    /// The token has expired or was refused; the bytes must be sent again.
    TokenDied,
    /// The service will not make a media item of these bytes.
    CreateGivenUp,
    /// The service gave a media item id.
    Made,
    /// The service was asked and has the media item.
    Verified,
    /// The service was asked twice and does not know the media item.
    NotFound,
    /// A user asked for another try, or a file with these bytes appeared again.
    Retried,
    /// The last file with these bytes is gone or has changed.
    SourceLost,
}

/// An event that cannot happen in this state: a defect of ours, refused and logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an item that is {state} cannot take the event {event:?}")]
pub struct Illegal {
    /// The state of the item.
    pub state: State,
    /// The event.
    pub event: Event,
}

impl State {
    /// All states, in the order of an item's life.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Uploading,
        Self::Uploaded,
        Self::Creating,
        Self::Created,
        Self::Verified,
        Self::Failed,
        Self::Skipped,
        Self::Missing,
    ];

    /// The state after `event`.
    pub fn after(self, event: Event) -> Result<Self, Illegal> {
        let illegal = Err(Illegal { state: self, event });
        match event {
            Event::UploadBegun => match self {
                Self::Queued => Ok(Self::Uploading),
                Self::Uploading
                | Self::Uploaded
                | Self::Creating
                | Self::Created
                | Self::Verified
                | Self::Failed
                | Self::Skipped
                | Self::Missing => illegal,
            },
            Event::UploadEnded => self.leave_uploading(Self::Queued, illegal),
            Event::UploadGivenUp => self.leave_uploading(Self::Failed, illegal),
            Event::TokenReceived => self.leave_uploading(Self::Uploaded, illegal),
            Event::AddedToCall => match self {
                Self::Uploaded => Ok(Self::Creating),
                // A created item joins a second album by the same token; it stays what it is.
                Self::Created | Self::Verified => Ok(self),
                Self::Queued
                | Self::Uploading
                | Self::Creating
                | Self::Failed
                | Self::Skipped
                | Self::Missing => illegal,
            },
            Event::CreateDeferred => self.leave_creating(Self::Uploaded, illegal),
            Event::CreateGivenUp => self.leave_creating(Self::Failed, illegal),
            Event::TokenDied => match self {
                Self::Uploaded | Self::Creating => Ok(Self::Queued),
                Self::Created | Self::Verified => Ok(self),
                Self::Queued | Self::Uploading | Self::Failed | Self::Skipped | Self::Missing => {
                    illegal
                }
            },
            Event::Made => match self {
                Self::Creating | Self::Created => Ok(Self::Created),
                Self::Verified => Ok(Self::Verified),
                Self::Queued
                | Self::Uploading
                | Self::Uploaded
                | Self::Failed
                | Self::Skipped
                | Self::Missing => illegal,
            },
            Event::Verified => self.leave_made(Self::Verified, illegal),
            Event::NotFound => self.leave_made(Self::Missing, illegal),
            Event::Retried => match self {
                Self::Failed | Self::Skipped | Self::Missing => Ok(Self::Queued),
                Self::Queued
                | Self::Uploading
                | Self::Uploaded
                | Self::Creating
                | Self::Created
                | Self::Verified => illegal,
            },
            Event::SourceLost => match self {
                Self::Queued | Self::Uploading => Ok(Self::Skipped),
                // Bytes that were uploaded before the file was gone are still created.
                Self::Uploaded
                | Self::Creating
                | Self::Created
                | Self::Verified
                | Self::Failed
                | Self::Skipped
                | Self::Missing => Ok(self),
            },
        }
    }

    fn leave_uploading(self, next: Self, illegal: Result<Self, Illegal>) -> Result<Self, Illegal> {
        match self {
            Self::Uploading => Ok(next),
            Self::Queued
            | Self::Uploaded
            | Self::Creating
            | Self::Created
            | Self::Verified
            | Self::Failed
            | Self::Skipped
            | Self::Missing => illegal,
        }
    }

    /// For a created item the outcome of a further call concerns only the placement.
    fn leave_creating(self, next: Self, illegal: Result<Self, Illegal>) -> Result<Self, Illegal> {
        match self {
            Self::Creating => Ok(next),
            Self::Created | Self::Verified => Ok(self),
            Self::Queued
            | Self::Uploading
            | Self::Uploaded
            | Self::Failed
            | Self::Skipped
            | Self::Missing => illegal,
        }
    }

    fn leave_made(self, next: Self, illegal: Result<Self, Illegal>) -> Result<Self, Illegal> {
        match self {
            Self::Created | Self::Verified => Ok(next),
            Self::Queued
            | Self::Uploading
            | Self::Uploaded
            | Self::Creating
            | Self::Failed
            | Self::Skipped
            | Self::Missing => illegal,
        }
    }

    /// The word that the store and `status` use.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The state with this word.
    pub fn parse(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether an item has failed when one more attempt was its own fault, after `attempts` others.
pub fn attempts_exhausted(attempts: u32, max_attempts: u32) -> bool {
    attempts.saturating_add(1) >= max_attempts
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 13] = [
        Event::UploadBegun,
        Event::UploadEnded,
        Event::UploadGivenUp,
        Event::TokenReceived,
        Event::AddedToCall,
        Event::CreateDeferred,
        Event::TokenDied,
        Event::CreateGivenUp,
        Event::Made,
        Event::Verified,
        Event::NotFound,
        Event::Retried,
        Event::SourceLost,
    ];

    /// One row per state, one letter per event of `EVENTS`: the next state's initial, `.` illegal.
    /// q queued, u uploading, t uploaded (token), c creating, m created (made), v verified,
    /// f failed, s skipped, x missing.
    const GRID: [&str; 9] = [
        "u...........s", // queued
        ".qft........s", // uploading
        "....c.q.....t", // uploaded
        ".....tqfm...c", // creating
        "....mmmmmvx.m", // created
        "....vvvvvvx.v", // verified
        "...........qf", // failed
        "...........qs", // skipped
        "...........qx", // missing
    ];

    fn letter(state: State) -> char {
        "qutcmvfsx"
            .chars()
            .nth(State::ALL.iter().position(|s| *s == state).unwrap())
            .unwrap()
    }

    #[test]
    fn the_whole_grid_is_as_written() {
        for (state, row) in State::ALL.into_iter().zip(GRID) {
            for (event, expected) in EVENTS.into_iter().zip(row.chars()) {
                let next = state.after(event).map_or('.', letter);
                assert_eq!(next, expected, "{state} after {event:?}");
            }
        }
    }

    #[test]
    fn every_word_leads_back_to_its_state() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("lost"), None);
    }

    #[test]
    fn the_last_allowed_blame_gives_up() {
        assert!(!attempts_exhausted(0, 8));
        assert!(!attempts_exhausted(6, 8));
        assert!(attempts_exhausted(7, 8));
        assert!(attempts_exhausted(0, 1));
    }
}
