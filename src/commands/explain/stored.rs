//! What the store knows of a file, in words: where it stands, what it was before, in which albums it
//! is, and what it waits for.

use std::fmt::Write as _;

use crate::{
    escape::Escaped,
    status::{format, text::LocalTime},
    store::{Explained, Former, Membership},
};

/// Whether it is in the library as it is.
pub(super) fn is_up(known: &Explained) -> bool {
    known.file_state == "attached"
        && matches!(known.item_state.as_deref(), Some("created" | "verified"))
}

/// Whether it went up, or could not: nothing more becomes of it by itself.
pub(super) fn is_over(known: &Explained) -> bool {
    let failed = matches!(known.item_state.as_deref(), Some("failed" | "missing"));
    is_up(known) || known.file_state == "attached" && failed
}

/// Whether anything of it is still to be done, by Albumen itself.
pub(super) fn may_move(known: &Explained) -> bool {
    let of_item = known.item_state.as_deref();
    matches!(known.file_state.as_str(), "settling" | "queued" | "claimed")
        || matches!(
            of_item,
            Some("queued" | "uploading" | "uploaded" | "creating")
        )
        || is_up(known) && known.albums.iter().any(|album| album.state == "wanted")
}

/// What Albumen as a whole waits for, if it does.
pub(super) fn waiting(waits: Option<&str>) -> String {
    waits.map_or_else(String::new, |waits| {
        format!("Albumen waits: {}.\n", waits.trim_end_matches('.'))
    })
}

/// Whether this wait is told with the album that it is for.
pub(super) fn says(known: &Explained, waits: &str) -> bool {
    let mut reasons = known
        .albums
        .iter()
        .filter_map(|album| album.album_reason.as_deref());
    reasons.any(|reason| waits.contains(reason))
}

/// All that is known; `is_there` says whether the file is.
pub(super) fn text(known: &Explained, is_there: bool, here: &LocalTime) -> String {
    let is_missing = known.item_state.as_deref() == Some("missing");
    let album_waits = known
        .albums
        .iter()
        .any(|album| album.album_reason.is_some());
    let mut text = standing(known).to_owned();
    let reason = known.item_reason.as_ref().or(known.file_reason.as_ref());
    // What an album waits for is said there, and that it is missing is said already.
    if let Some(reason) = reason.filter(|_| !album_waits && !is_missing) {
        let _ = write!(text, ": {}", Escaped::text(reason));
    }
    if let Some(message) = &known.message {
        let message = message.trim_end_matches('.');
        let _ = write!(text, " (the service said: {})", Escaped::text(message));
    }
    if known.attempts > 1 {
        let _ = write!(text, ", after {} attempts", known.attempts);
    }
    text.push_str(".\n");
    if let Some(then) = known.not_before.filter(|then| *then > here.now) {
        let _ = writeln!(
            text,
            "It is tried again at {}.",
            format::time(then, here.now, &here.zone)
        );
    }
    if let Some(link) = known.product_url.as_ref().filter(|_| !is_missing) {
        let _ = writeln!(text, "{}", Escaped::text(link));
    }
    for album in &known.albums {
        text += &self::album(album, known);
    }
    for path in known.copies.iter().filter(|copy| copy.exists()) {
        let path = Escaped::path(path);
        let _ = if is_there {
            writeln!(
                text,
                "The same picture is at {path}: in Google Photos the two are one."
            )
        } else {
            writeln!(
                text,
                "The same picture is at {path}: it was moved there, or copied."
            )
        };
    }
    for former in &known.former {
        text += &self::former(former, known, here);
    }
    if known.file_state == "attached"
        && (is_missing || known.item_state.as_deref() == Some("failed"))
    {
        text.push_str("hint: `albumen retry PATH` puts it back into the queue\n");
    }
    text
}

fn standing(known: &Explained) -> &'static str {
    match (known.file_state.as_str(), known.item_state.as_deref()) {
        ("settling", _) => "It may still be written to, so it is left alone for a moment",
        ("queued", _) | ("attached", Some("queued")) => "It is in the queue",
        ("claimed", _) => "It is being read",
        ("refused", _) => "It was looked at and left out",
        ("gone", Some("created" | "verified")) => "It is in Google Photos",
        ("gone", _) => "It was here once and is gone",
        (_, Some("uploading")) => "It is being sent",
        (_, Some("uploaded")) => "It was sent, and is to appear in Google Photos",
        (_, Some("creating")) => "It was sent, and is about to appear in Google Photos",
        (_, Some("created")) => "It is in Google Photos",
        (_, Some("verified")) => "It is in Google Photos, and was read back",
        (_, Some("failed")) => "It failed",
        (_, Some("missing")) => "It was in Google Photos, which no longer has it",
        _ => "Its bytes are known, and no file held them any more for a while",
    }
}

fn album(album: &Membership, known: &Explained) -> String {
    let state = known.item_state.as_deref();
    let is_missing = state == Some("missing");
    let place = match album.state.as_str() {
        "placed" if is_missing => "stood in",
        "wanted" if is_missing || state == Some("failed") => "was to be put into",
        "wanted" => "is to be put into",
        "placed" => "stands in",
        "leaving" => "is to leave",
        "gone" => "has left",
        _ => "could not be put into",
    };
    let mut text = format!("It {place} the album \"{}\"", Escaped::text(&album.title));
    if let Some(reason) = &album.reason {
        let _ = write!(text, ": {}", Escaped::text(reason));
    } else if album.state == "placed" && !album.is_in_order && !is_missing {
        text.push_str(", but not at its place in the order: it could only be put at the end");
    }
    text.push_str(".\n");
    if let Some(reason) = &album.album_reason {
        let _ = writeln!(text, "The album waits: {}.", Escaped::text(reason));
    }
    text
}

fn former(former: &Former, known: &Explained, here: &LocalTime) -> String {
    let until = format::time(former.until, here.now, &here.zone);
    let mut text = if former.was_edited {
        format!(
            "Before it was changed ({until}) it was another picture, which stays in Google Photos"
        )
    } else {
        let again = match known.item_state.as_deref() {
            Some("created" | "verified") => "was sent again",
            _ => "is to be sent again",
        };
        format!("It was in Google Photos before, was no longer there ({until}), and {again}")
    };
    match &former.product_url {
        Some(link) => {
            let _ = write!(text, ":\n{}", Escaped::text(link));
        }
        None => text.push('.'),
    }
    text.push('\n');
    text
}
