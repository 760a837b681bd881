//! What the store knows of a file, in words: where it stands, what it was before, in which albums it
//! is, and what it waits for.

use std::fmt::Write as _;

use crate::{
    shown::Shown,
    status::{text::Here, words},
    store::{Explained, Former, Membership},
};

/// Whether it is in the library as it is.
pub(super) fn is_up(known: &Explained) -> bool {
    known.file_state == "held"
        && matches!(known.item_state.as_deref(), Some("created" | "verified"))
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
    waits.map_or_else(String::new, |waits| format!("Albumen waits: {waits}.\n"))
}

/// All that is known.
pub(super) fn text(known: &Explained, here: &Here) -> String {
    let mut text = standing(known).to_owned();
    if let Some(reason) = known.item_reason.as_ref().or(known.file_reason.as_ref()) {
        let _ = write!(text, ": {}", Shown::text(reason));
    }
    if let Some(message) = &known.message {
        let _ = write!(text, " (the service said: {})", Shown::text(message));
    }
    if known.attempts > 1 {
        let _ = write!(text, ", after {} attempts", known.attempts);
    }
    text.push_str(".\n");
    if let Some(then) = known.not_before.filter(|then| *then > here.now) {
        let _ = writeln!(
            text,
            "It is tried again at {}.",
            words::time(then, here.now, &here.zone)
        );
    }
    if let Some(link) = &known.product_url {
        let _ = writeln!(text, "{}", Shown::text(link));
    }
    for album in &known.albums {
        text += &self::album(album);
    }
    for path in &known.copies {
        let path = Shown::path(path);
        let _ = match known.file_state.as_str() {
            "gone" => writeln!(
                text,
                "The same bytes are at {path}: it was moved, or copied."
            ),
            _ => writeln!(text, "The same bytes are at {path}: they are one item."),
        };
    }
    for former in &known.former {
        text += &self::former(former, here);
    }
    if known.file_state == "held"
        && matches!(known.item_state.as_deref(), Some("failed" | "missing"))
    {
        text.push_str("hint: `albumen retry PATH` puts it back into the queue\n");
    }
    text
}

fn standing(known: &Explained) -> &'static str {
    match (known.file_state.as_str(), known.item_state.as_deref()) {
        ("settling", _) => "It may still be written to, so it is left alone for a moment",
        ("queued", _) => "It is in the queue",
        ("claimed", _) => "It is being read",
        ("refused", _) => "It was looked at and left out",
        ("gone", _) => "It was here once and is gone",
        (_, Some("queued")) => "It is in the queue",
        (_, Some("uploading")) => "It is being sent",
        (_, Some("uploaded")) => "It was sent, and is to appear in Google Photos",
        (_, Some("creating")) => "It was sent, and is about to appear in Google Photos",
        (_, Some("created")) => "It is in Google Photos",
        (_, Some("verified")) => "It is in Google Photos, and was read back",
        (_, Some("failed")) => "It failed",
        (_, Some("missing")) => "It was in Google Photos, which no longer knows it",
        _ => "Its bytes are known, and no file held them any more for a while",
    }
}

fn album(album: &Membership) -> String {
    let place = match album.state.as_str() {
        "wanted" => "is to be put into",
        "placed" => "stands in",
        "leaving" => "is to leave",
        "gone" => "has left",
        _ => "could not be put into",
    };
    let mut text = format!("It {place} the album \"{}\"", Shown::text(&album.title));
    if let Some(reason) = &album.reason {
        let _ = write!(text, ": {}", Shown::text(reason));
    } else if album.state == "placed" && !album.is_in_order {
        text.push_str(", but not at its place in the order: it could only be put at the end");
    }
    text.push_str(".\n");
    if let Some(reason) = &album.album_reason {
        let _ = writeln!(text, "The album waits: {}.", Shown::text(reason));
    }
    text
}

fn former(former: &Former, here: &Here) -> String {
    let until = words::time(former.until, here.now, &here.zone);
    let mut text = if former.was_edited {
        format!("Before it was changed ({until}) it was another item, which stays in Google Photos")
    } else {
        format!("It was in Google Photos before, as another item that was missed at {until}")
    };
    match &former.product_url {
        Some(link) => {
            let _ = write!(text, ":\n{}", Shown::text(link));
        }
        None => text.push('.'),
    }
    text.push('\n');
    text
}
