//! The service's ids and the ids of our rows as types, so that none can be used for another.
//!
//! The service's ids are opaque text: stored and compared as they are, never parsed. Row ids are numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! service_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as the service gave it.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text as the service gave it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

service_id! {
    /// A media item of the service; it may be stored for ever.
    MediaItemId
}
service_id! {
    /// An album of the service; it may be stored for ever.
    AlbumId
}

macro_rules! secret_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as the service gave it.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The secret itself: for a request or for the store, never for a log.
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

secret_text! {
    /// The token that the service gives for uploaded bytes: valid for a day, and secret.
    UploadToken
}
secret_text! {
    /// The address of a resumable session: secret, because it allows to write to it.
    SessionUrl
}

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id! {
    /// A row of `roots`: a watched folder, or a PATH given to `backfill`.
    RootId
}
row_id! {
    /// A row of `dirs`.
    DirId
}
row_id! {
    /// A row of `files`.
    FileId
}
row_id! {
    /// A row of `items`: one content.
    ItemId
}
row_id! {
    /// A row of `albums`: one title, with or without an [`AlbumId`] yet.
    AlbumRow
}
row_id! {
    /// A row of `calls`: one mutating call.
    CallId
}
row_id! {
    /// A row of `orders`: a command for the running daemon.
    OrderId
}

row_id! {
    /// A row of `source_acts`: one move or deletion of a file.
    ActId
}

/// The BLAKE3 hash of a content: files with the same hash are one item.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
