//! The status as text: one sentence, then tables.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use jiff::{Timestamp, tz::TimeZone};

use super::{Failure, Status, format};
use crate::escape::Escaped;
use crate::store::{AccountState, UploadsState, WriterState};

/// The most failures that are listed; the JSON has up to 100.
const FAILURES: usize = 10;

/// The most albums that are listed; `albumen albums` lists all.
const ALBUMS: usize = 10;

/// The current time and the time zone of the user.
#[derive(Debug, Clone)]
pub struct LocalTime {
    /// The current time.
    pub now: Timestamp,
    /// The zone in which times are printed.
    pub zone: TimeZone,
}

impl LocalTime {
    /// ` (tried again at 09:00)`, or nothing.
    fn again(&self, then: Option<Timestamp>) -> String {
        then.filter(|then| *then > self.now)
            .map(|then| format::time(then, self.now, &self.zone))
            .map(|time| format!(" (tried again at {time})"))
            .unwrap_or_default()
    }

    /// ` (until 09:00)`, or nothing.
    fn until(&self, then: Option<Timestamp>) -> String {
        then.filter(|then| *then > self.now)
            .map(|then| format!(" (until {})", format::time(then, self.now, &self.zone)))
            .unwrap_or_default()
    }
}

/// The status in one sentence.
pub fn headline(status: &Status, local: &LocalTime) -> String {
    let items = status.items;
    let left = items.pending();
    if let Some(reason) = &status.database.reason {
        return format!("waiting: {reason}");
    }
    if status.needs_user() {
        return format!("stopped: {}", waits_for(status, local).unwrap_or_default());
    }
    // `placements.wanted` also counts failed items, which stay outside; `joining` does not.
    if left == 0 && status.placements.joining == 0 {
        let files = format::files(status.after_upload.waiting);
        return match status.after_upload.waiting {
            0 => finished(status),
            _ => format!(
                "{}; {files} here to be moved or deleted once read back",
                finished(status)
            ),
        };
    }
    if !status.process.running {
        let what = match left {
            0 => {
                format::count(status.placements.joining, "item", "items") + " not yet in its album"
            }
            _ => format::files(left) + " waiting",
        };
        let owed = waits_for(status, local).map(|wait| format!("; {wait}"));
        return format!("not running, {what}{}", owed.unwrap_or_default());
    }
    // While only the writer waits, uploads continue; while the account is unusable, they do not.
    let is_held_up = items.uploading == 0 || status.account.state != AccountState::Ready;
    if let Some(wait) = waits_for(status, local).filter(|_| is_held_up) {
        return format!("waiting: {wait}; {} to go", format::files(left));
    }
    let mut sentence = match (items.uploading, left) {
        (0, 0) => "putting items into their albums".to_owned(),
        (0, _) if items.queued + items.settling == 0 => {
            format!("putting {} into the library", format::files(left))
        }
        (0, _) => format!("working, {} waiting", format::files(left)),
        (sending, _) => {
            let waiting = left - sending;
            let sending = format!("sending {}", format::files(sending));
            match waiting {
                0 => sending,
                _ => format!("{sending}, {} waiting", format::number(waiting)),
            }
        }
    };
    if let Some(seconds) = status.eta.seconds {
        let _ = write!(sentence, ", done in about {}", format::span(seconds));
    }
    sentence
}

/// What the program waits for, and until when; none if it does not wait.
pub fn waits_for(status: &Status, local: &LocalTime) -> Option<String> {
    let account = &status.account;
    let words = match account.state {
        AccountState::Ready => return tasks_wait_for(status, local),
        AccountState::LoginNeeded => "a sign-in is needed",
        AccountState::StorageFull => "the storage of the Google account is full",
        AccountState::QuotaExhausted => "the requests of the day are used up",
        AccountState::ApiDisabled => {
            "the Photos Library API is not enabled in the Google Cloud project"
        }
        AccountState::PhotosDisabled => "Google Photos is switched off for this account",
        AccountState::Unreachable => "the service cannot be reached",
    };
    // The task that met the error gave a more exact reason.
    let words = account.reason.as_deref().unwrap_or(words);
    let until = match account.state {
        // Their end is unknown; `until` is the next try.
        AccountState::LoginNeeded | AccountState::StorageFull | AccountState::Unreachable => {
            local.again(account.until)
        }
        _ => local.until(account.until),
    };
    Some(format!("{words}{until}"))
}

/// What writer and uploads wait for. A wait of the uploads is left out while the writer works.
fn tasks_wait_for(status: &Status, local: &LocalTime) -> Option<String> {
    let (lane, uploads) = (&status.lane, &status.uploads);
    let reason = |reason: &Option<String>| {
        reason
            .as_deref()
            .unwrap_or("the service asks for a pause")
            .to_owned()
    };
    let lane_waits = (lane.state == WriterState::Waiting)
        .then(|| reason(&lane.reason) + &local.until(lane.until));
    let is_busy = matches!(lane.state, WriterState::Calling | WriterState::Pacing);
    let uploads_wait = (uploads.state == UploadsState::Waiting && !is_busy)
        .then(|| reason(&uploads.reason) + &local.again(uploads.until));
    let waits: Vec<_> = lane_waits.into_iter().chain(uploads_wait).collect();
    (!waits.is_empty()).then(|| waits.join("; "))
}

/// What the user can do about the wait; none if it ends by itself.
pub fn remedy(status: &Status) -> Option<&str> {
    if let Some(hint) = &status.hint {
        return Some(hint);
    }
    match status.account.state {
        AccountState::LoginNeeded => Some("run `albumen login`"),
        AccountState::StorageFull => Some("free or buy storage; Albumen looks again by itself"),
        AccountState::ApiDisabled => {
            Some("enable the Photos Library API for the project in the Google Cloud console")
        }
        AccountState::PhotosDisabled => {
            Some("ask the administrator of the account to switch Google Photos on")
        }
        AccountState::Ready | AccountState::QuotaExhausted | AccountState::Unreachable => None,
    }
}

fn finished(status: &Status) -> String {
    let items = status.items;
    // Counts only the 100 newest failures, which is what the status holds.
    let unreadable = status.failures.iter().filter(|failure| failure.unreadable);
    let unreadable = unreadable.count() as u64;
    match (items.done(), items.in_trouble() + unreadable) {
        (0, 0) => "nothing is queued, and nothing has gone up yet".to_owned(),
        (_, 0) => "everything is in Google Photos".to_owned(),
        (_, trouble) => format!("done, but {} did not make it", format::files(trouble)),
    }
}

/// The whole status as text.
pub fn text(status: &Status, local: &LocalTime) -> String {
    let mut text = headline(status, local);
    text.push('\n');
    if let Some(remedy) = &status.database.remedy {
        let _ = writeln!(text, "hint: {remedy}");
    } else if let Some(remedy) = remedy(status) {
        let _ = writeln!(text, "hint: {remedy}");
    }
    for warning in &status.warnings {
        let _ = writeln!(text, "warning: {}\nhint: {}", warning.message, warning.hint);
    }
    for path in &status.away {
        let _ = writeln!(
            text,
            "away: {path} is missing, empty or not mounted; nothing in it is taken for deleted"
        );
    }
    if status.placements.held > 0 {
        let photos = format::count(status.placements.held, "file", "files");
        let _ = writeln!(
            text,
            "held: {photos} gone from disk at once; their photos stay in their albums until you say so\n\
             hint: `albumen album remove --held` shows them, and with --yes takes them out; if the files come back, there is nothing to do"
        );
    }
    let _ = write!(text, "\n{}", counts(status));
    section(&mut text, &facts(status, local));
    section(&mut text, &transfers(status));
    section(&mut text, &failures(status, local));
    section(&mut text, &albums(status));
    text
}

fn section(text: &mut String, section: &str) {
    if !section.is_empty() {
        text.push('\n');
        text.push_str(section);
    }
}

/// A table without borders; all columns but the first are aligned right.
fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if index == 0 { 2 } else { 1 }, 1));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if table.is_empty() {
        return String::new();
    }
    table.trim_fmt() + "\n"
}

fn counts(status: &Status) -> String {
    let (items, after) = (status.items, status.after_upload);
    let size = |bytes: u64| {
        if bytes > 0 {
            format::bytes(bytes)
        } else {
            String::new()
        }
    };
    let not_in_album = match items.pending() {
        0 => status.placements.joining,
        _ => status.placements.wanted,
    };
    let rows = [
        ("in Google Photos", items.created, String::new()),
        ("  and read back", items.verified, String::new()),
        ("being created", items.creating, String::new()),
        ("sent, to be created", items.uploaded, String::new()),
        ("being sent", items.uploading, String::new()),
        ("waiting", items.queued, size(status.bytes.queued)),
        ("still changing", items.settling, String::new()),
        ("failed", items.failed, String::new()),
        ("missing", items.missing, String::new()),
        ("skipped", items.skipped, String::new()),
        ("not yet in album", not_in_album, String::new()),
        ("leaving album", status.placements.leaving, String::new()),
        ("refused by album", status.placements.refused, String::new()),
        ("to move or delete", after.waiting, String::new()),
        ("moved or deleted", after.done, String::new()),
        ("kept for a reason", after.staying, String::new()),
    ];
    let always = |name: &str| matches!(name, "in Google Photos" | "waiting" | "failed");
    table(rows.into_iter().filter_map(|(name, n, size)| {
        let n = if name == "in Google Photos" {
            items.done()
        } else {
            n
        };
        (n > 0 || always(name)).then(|| vec![name.to_owned(), format::number(n), size])
    }))
}

fn facts(status: &Status, local: &LocalTime) -> String {
    let mut text = String::new();
    let process = &status.process;
    if let (Some(mode), Some(pid), Some(since)) = (&process.mode, process.pid, process.since) {
        let since = format::time(since, local.now, &local.zone);
        let _ = writeln!(text, "  {mode} (process {pid}) since {since}");
    }
    let quota = &status.quota;
    let until = quota.resumes_at.map(|then| local.until(Some(then)));
    let _ = writeln!(
        text,
        "  {} of {} requests of the day{}",
        format::number(quota.requests),
        format::number(quota.limit),
        until
            .map(|until| format!("; none left{until}"))
            .unwrap_or_default()
    );
    let headline = headline(status, local);
    if let Some(wait) = waits_for(status, local).filter(|wait| !headline.contains(wait)) {
        let _ = writeln!(text, "  waits: {wait}");
    }
    text
}

fn transfers(status: &Status) -> String {
    table(status.transfers.iter().map(|transfer| {
        let percent = (transfer.sent * 100)
            .checked_div(transfer.size)
            .unwrap_or(0);
        vec![
            transfer.path.clone(),
            format!("{percent}%"),
            format!("of {}", format::bytes(transfer.size)),
        ]
    }))
}

fn failures(status: &Status, local: &LocalTime) -> String {
    let mut text = String::new();
    let listed = &status.failures;
    if listed.is_empty() {
        return text;
    }
    text.push_str("Not in Google Photos:\n");
    for failure in listed.iter().take(FAILURES) {
        let _ = writeln!(text, "  {}", self::failure(failure, local));
    }
    if listed.len() > FAILURES {
        let more = format::number((listed.len() - FAILURES) as u64);
        let _ = writeln!(
            text,
            "  and {more} more: `albumen status --json` lists up to 100"
        );
    }
    if status.items.in_trouble() > 0 || listed.iter().any(|failure| failure.unreadable) {
        text.push_str("hint: `albumen retry --all` tries failed and missing ones again\n");
    }
    text
}

/// One failure in one line.
pub fn failure(failure: &Failure, local: &LocalTime) -> String {
    let path = match failure.path.as_str() {
        "" => "(its file is gone)",
        path => path,
    };
    let mut line = format!("{path}: {}", failure.state);
    if failure.attempts > 1 {
        let _ = write!(line, " after {} attempts", failure.attempts);
    }
    for part in [&failure.reason, &failure.message].into_iter().flatten() {
        if !line.ends_with(part.as_str()) {
            let _ = write!(line, ", {part}");
        }
    }
    if let Some(code) = failure.code {
        let _ = write!(line, " (code {code})");
    }
    if let Some(then) = failure.next_try_at {
        let then = format::time(then, local.now, &local.zone);
        let _ = write!(line, "; tried again at {then}");
    }
    line
}

fn albums(status: &Status) -> String {
    if status.albums.is_empty() {
        return String::new();
    }
    let rows = status.albums.iter().take(ALBUMS).map(|album| {
        vec![
            Escaped::text(&album.title).to_string(),
            format::count(album.items, "item", "items"),
        ]
    });
    let mut text = format!("Albums:\n{}", table(rows));
    for album in status.albums.iter().take(ALBUMS) {
        if let Some(reason) = &album.reason {
            let title = Escaped::text(&album.title);
            let _ = writeln!(text, "  \"{title}\" waits: {reason}");
        }
    }
    if status.albums.len() > ALBUMS {
        text.push_str("  `albumen albums` lists all\n");
    }
    text
}
