//! `albumen explain PATH`: would this file go up, where to, and what is known of it.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    path::Path,
};

use jiff::Timestamp;

use crate::{
    clock::Clock,
    config::{self, AlbumRule, Config, Order},
    daemon::clients,
    escape::Escaped,
    exit_code::ExitCode,
    media::file_type::{self, HEAD_BYTES},
    model::album_title,
    scan::{
        folder::{Folder, Folders},
        rules::Verdict,
        walk::Look,
    },
    status::{format, text::waits_for},
    store::{Explained, Reader},
};

mod after_upload;

use super::{
    app::{App, local_time},
    read_state,
};
use crate::ui::{error_report::quoted, output};

mod description;
mod stored;

/// Explains one path.
pub(crate) fn run(app: &App, path: &Path) -> anyhow::Result<ExitCode> {
    let config = app.config_or_defaults()?;
    let clock = clients::clock(&config);
    let path = app.env.typed(path);
    let reader = read_state::reader(&config)?;
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
    let mut text = format!("{}\n", Escaped::path(path));
    let mut folders = Folders::new(config.folders.iter().cloned())?;
    let (_, folder, relative) = folders.locate(path, is_dir)?;
    // A link inside of a folder is judged as one; one that leads here from outside is followed, as
    // `backfill PATH` does.
    if !folder.is_configured
        && path.is_symlink()
        && let Ok(target) = path.canonicalize()
    {
        let target = self::text(config, clock, reader, &target)?;
        return Ok(text + "It is a link to " + &target);
    }
    text += &folder_text(&folder);
    let known = reader
        .map(|reader| reader.explain(&folder.root().join(&relative)))
        .transpose()?
        .flatten();
    let is_up = known.as_ref().is_some_and(stored::is_up);
    let goes = verdict(
        &folder,
        &relative,
        path,
        (is_dir, known.as_ref()),
        &metadata,
        &mut text,
    );
    if goes && !is_up {
        text += &album(&folder, &relative, clock.now());
    }
    if goes && folder.settings.description == config::Description::Sidecar {
        text += &description::text(path, known.as_ref());
    }
    let view = match (reader, &known) {
        (Some(reader), Some(known)) => reader.afterwards(known.file)?,
        _ => None,
    };
    let here = local_time(clock);
    text += &match &known {
        Some(known) => {
            let mut text = stored::text(known, metadata.is_ok(), &here);
            if stored::may_move(known) {
                let status = read_state::status(config, clock, reader)?;
                let waits = waits_for(&status, &here);
                text +=
                    &stored::waiting(waits.as_deref().filter(|waits| !stored::says(known, waits)));
            }
            text
        }
        None if is_dir => String::new(),
        None => "Albumen has not seen it yet.\n".to_owned(),
    };
    text += &after_upload::text(&folder, &relative, view.as_ref(), goes, &here);
    Ok(text)
}

fn folder_text(folder: &Folder) -> String {
    let path = quoted(folder.root());
    if folder.is_configured {
        format!("It belongs to the folder {path} of the configuration.\n")
    } else {
        "It is in no folder of the configuration: the daemon leaves it alone, and with `albumen backfill PATH` the \
         default rules decide.\n"
            .to_owned()
    }
}

/// Says what the rules, the size and the content say; gives whether it would go up.
fn verdict(
    folder: &Folder,
    relative: &Path,
    path: &Path,
    (is_dir, known): (bool, Option<&Explained>),
    metadata: &io::Result<fs::Metadata>,
    text: &mut String,
) -> bool {
    let refuse = |text: &mut String, reason: &dyn std::fmt::Display| {
        let _ = writeln!(
            text,
            "It does not go up: {}.",
            Escaped::text(&reason.to_string())
        );
        false
    };
    let verdict = if relative.as_os_str().is_empty() {
        Verdict::Take
    } else {
        folder.tree.rules.check_path(relative, is_dir)
    };
    if verdict != Verdict::Take {
        return refuse(text, &verdict);
    }
    let deep = relative.components().count() > 1;
    if !folder.settings.recursive && (deep || is_dir && !relative.as_os_str().is_empty()) {
        return refuse(
            text,
            &"`recursive = false` leaves out what is in folders below",
        );
    }
    if path.is_symlink() && !relative.as_os_str().is_empty() && !folder.settings.follow_symlinks {
        return refuse(text, &"it is a symbolic link, and `follow_symlinks` is off");
    }
    if is_dir {
        text.push_str("It is a folder: what is in it is looked at, file by file.\n");
        return false;
    }
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            text.push_str(if known.is_some() {
                "There is no such file any more.\n"
            } else {
                "There is no such file; by its name and place it would go up.\n"
            });
            return known.is_none();
        }
        Err(error) => return refuse(text, &format!("it cannot be read ({error})")),
    };
    if !metadata.is_file() {
        return refuse(text, &"it is neither a file nor a folder");
    }
    match content(path, metadata.len()) {
        Ok(mime) => {
            let goes = match known {
                Some(known) if stored::is_over(known) => "It is",
                _ => "It goes up, as",
            };
            let _ = writeln!(text, "{goes} {}.", format::kind(mime, metadata.len()));
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
        return Err(file_type::BadSize::Empty.to_string());
    }
    let name = path.file_name().unwrap_or_default();
    let kind = file_type::by_content(&head, name).map_err(|error| error.to_string())?;
    kind.check_size(size).map_err(|error| error.to_string())?;
    Ok(kind.mime)
}

fn album(folder: &Folder, relative: &Path, now: Timestamp) -> String {
    let settings = &folder.settings;
    if settings.album == AlbumRule::None {
        return "It goes into no album.\n".to_owned();
    }
    let dir = relative.parent().unwrap_or(Path::new(""));
    let title = match folder.tree.look(relative) {
        Ok(Look::File(entry)) => folder.destination(dir, &entry, now).0,
        _ if album_title::asks_for_day(&settings.album) => {
            return "Its album depends on when it was taken.\n".to_owned();
        }
        _ => album_title::title_for(&settings.album, &settings.path, relative, None),
    };
    let Some(title) = title else {
        return "It goes into no album: the title would be empty.\n".to_owned();
    };
    let order = match settings.order {
        Order::Taken => "by the time when it was taken",
        Order::Name => "by its name",
        Order::Modified => "by the time when it was last changed",
        Order::Arrival => "by the time when it was first seen",
    };
    format!(
        "Its album is \"{}\", in which it stands {order}.\n",
        Escaped::text(&title)
    )
}
