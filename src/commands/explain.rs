//! `albumen explain PATH`: would this file go up, where to, and what is known of it.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    path::Path,
};

use jiff::Timestamp;

use crate::{
    album::title,
    cli::ExitCode,
    clock::Clock,
    config::{AlbumRule, Config, Order},
    pipeline::intake::{
        kinds::{self, HEAD_BYTES},
        place::{Place, Places},
        rules::Verdict,
        walk::Look,
    },
    run::connect,
    shown::Shown,
    status::{text::Here, words},
    store::{Explained, Reader},
};

use super::{Edge, failure::quoted, here, look, output};

/// Explains one path.
pub(crate) fn run(edge: &Edge, path: &Path) -> anyhow::Result<ExitCode> {
    let config = edge.config_or_defaults()?;
    let clock = connect::clock(&config);
    let path = edge.env.typed(path);
    let reader = look::reader(&config)?;
    output::print(&text(&config, &clock, reader.as_ref(), &path)?)?;
    Ok(ExitCode::Done)
}

fn text(
    config: &Config,
    clock: &Clock,
    reader: Option<&Reader>,
    path: &Path,
) -> anyhow::Result<String> {
    let metadata = fs::metadata(path);
    let is_dir = metadata.as_ref().is_ok_and(fs::Metadata::is_dir);
    let mut text = format!("{}\n", Shown::path(path));
    let mut places = Places::new(config.folders.iter().cloned())?;
    let (place, relative) = places.holder(path, is_dir)?;
    text += &folder(&place);
    let goes = verdict(&place, &relative, path, is_dir, &metadata, &mut text);
    if goes {
        text += &album(&place, &relative, clock.now());
    }
    let known = reader
        .map(|reader| reader.explain(&place.root().join(&relative)))
        .transpose()?;
    text += &match known.flatten() {
        Some(known) => self::known(&known, &here(clock)),
        None if is_dir => String::new(),
        None => "Albumen has not seen it yet.\n".to_owned(),
    };
    Ok(text)
}

fn folder(place: &Place) -> String {
    let path = quoted(place.root());
    if place.is_configured {
        format!("It belongs to the folder {path} of the configuration.\n")
    } else {
        "It is in no folder of the configuration: the daemon leaves it alone, and with `albumen backfill PATH` the \
         default rules decide.\n"
            .to_owned()
    }
}

/// Says what the rules, the size and the content say; gives whether it would go up.
fn verdict(
    place: &Place,
    relative: &Path,
    path: &Path,
    is_dir: bool,
    metadata: &io::Result<fs::Metadata>,
    text: &mut String,
) -> bool {
    let refuse = |text: &mut String, reason: &dyn std::fmt::Display| {
        let _ = writeln!(
            text,
            "It does not go up: {}.",
            Shown::text(&reason.to_string())
        );
        false
    };
    let verdict = if relative.as_os_str().is_empty() {
        Verdict::Take
    } else {
        place.tree.rules.verdict(relative, is_dir)
    };
    if verdict != Verdict::Take {
        return refuse(text, &verdict);
    }
    let deep = relative.components().count() > 1;
    if !place.folder.recursive && (deep || is_dir && !relative.as_os_str().is_empty()) {
        return refuse(
            text,
            &"`recursive = false` leaves out what is in folders below",
        );
    }
    if is_dir {
        text.push_str("It is a folder: what is in it is looked at, file by file.\n");
        return false;
    }
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            text.push_str("There is no such file; by its name and place it would go up.\n");
            return true;
        }
        Err(error) => return refuse(text, &format!("it cannot be read ({error})")),
    };
    if path.is_symlink() && !place.folder.follow_symlinks {
        return refuse(text, &"it is a symbolic link, and `follow_symlinks` is off");
    }
    if !metadata.is_file() {
        return refuse(text, &"it is neither a file nor a folder");
    }
    match content(path, metadata.len()) {
        Ok(mime) => {
            let size = words::bytes(metadata.len());
            let _ = writeln!(text, "It goes up, as {mime} of {size}.");
            true
        }
        Err(reason) => refuse(text, &reason),
    }
}

/// The type of a file by what it holds, or why it is not taken.
pub(crate) fn content(path: &Path, size: u64) -> Result<&'static str, String> {
    let mut head = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut head))
        .map_err(|error| format!("it cannot be read ({error})"))?;
    if size == 0 {
        return Err(kinds::BadSize::Empty.to_string());
    }
    let name = path.file_name().unwrap_or_default();
    let kind = kinds::by_content(&head, name).map_err(|error| error.to_string())?;
    kind.check_size(size).map_err(|error| error.to_string())?;
    Ok(kind.mime)
}

fn album(place: &Place, relative: &Path, now: Timestamp) -> String {
    let folder = &place.folder;
    if folder.album == AlbumRule::None {
        return "It goes into no album.\n".to_owned();
    }
    let dir = relative.parent().unwrap_or(Path::new(""));
    let title = match place.tree.look(relative) {
        Ok(Look::File(entry)) => place.album_for(dir, &entry, now),
        _ if title::asks_for_day(&folder.album) => {
            return "Its album depends on when it was taken.\n".to_owned();
        }
        _ => title::title_for(&folder.album, &folder.path, relative, None),
    };
    let Some(title) = title else {
        return "It goes into no album: the title would be empty.\n".to_owned();
    };
    let order = match folder.order {
        Order::Taken => "by the time when it was taken",
        Order::Name => "by its name",
        Order::Modified => "by the time when it was last changed",
        Order::Arrival => "by the time when it was first seen",
    };
    format!(
        "Its album is \"{}\", in which it stands {order}.\n",
        Shown::text(&title)
    )
}

/// What the store knows.
fn known(known: &Explained, here: &Here) -> String {
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
    for (title, state, reason) in &known.albums {
        let place = match state.as_str() {
            "wanted" => "is to be put into",
            "placed" => "stands in",
            "leaving" => "is to leave",
            "gone" => "has left",
            _ => "was refused by",
        };
        let _ = write!(text, "It {place} the album \"{}\"", Shown::text(title));
        if let Some(reason) = reason {
            let _ = write!(text, ": {}", Shown::text(reason));
        }
        text.push_str(".\n");
    }
    text
}

fn standing(known: &Explained) -> &'static str {
    match (known.file_state.as_str(), known.item_state.as_deref()) {
        ("settling", _) => "It may still be written to, so it is left alone for a moment",
        ("queued", _) => "It is in the queue",
        ("claimed", _) => "It is being read",
        ("refused", _) => "It was looked at and left out",
        ("gone", _) => "It was there once and is gone",
        (_, Some("queued")) => "Its bytes are in the queue",
        (_, Some("uploading")) => "It is being sent",
        (_, Some("uploaded")) => "Its bytes are sent; it is to be created in the library",
        (_, Some("creating")) => "It is being created in the library",
        (_, Some("created")) => "It is in Google Photos",
        (_, Some("verified")) => "It is in Google Photos, and was read back",
        (_, Some("failed")) => "It failed",
        (_, Some("missing")) => "It was in Google Photos, which no longer knows it",
        _ => "Its bytes are known, and no file held them any more for a while",
    }
}
