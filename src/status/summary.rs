//! The report of a command: how much went up, how fast, what did not and why. The daemon writes the reports
//! of the commands that it executes for others with it, too.

use std::{fmt::Write as _, time::Duration};

use super::{
    Failure, Status, format, text,
    text::LocalTime,
    unavailable_files::{self, MAX_LISTED},
};
use crate::{
    escape::Escaped,
    store::{AlbumMembership, Overview, Reader, RootFilter, UNREADABLE, UnavailableFiles},
};

/// The counts at one time; a report compares two of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Items in the library.
    pub done: u64,
    /// Files that are attached to an item.
    pub attached: u64,
    /// Items that failed or are missing.
    pub in_trouble: u64,
    /// Files that were left out.
    pub refused: u64,
    /// Files that are not attached to an item yet.
    pub files_pending: u64,
    /// Items that are still on their way.
    pub items_pending: u64,
    /// Placements that are still wanted.
    pub wanted: u64,
    /// Files that are moved or deleted after their verification.
    pub actions_pending: u64,
    /// Files that were moved or deleted.
    pub actions_done: u64,
    /// Bytes that the process has sent.
    pub bytes_sent: u64,
}

impl Tally {
    /// Files and items that are still on their way.
    pub fn pending(&self) -> u64 {
        self.files_pending + self.items_pending
    }

    /// The counts in this read of the store.
    pub fn of(overview: &Overview) -> Self {
        let file = |state| overview.count("file", state);
        let item = |state| overview.count("item", state);
        Self {
            done: item("created") + item("verified"),
            attached: file("attached"),
            in_trouble: item("failed") + item("missing"),
            refused: file("refused"),
            files_pending: file("settling") + file("queued") + file("claimed"),
            items_pending: item("uploading") + item("uploaded") + item("creating"),
            wanted: overview.count("placement", "wanted"),
            actions_pending: overview.count("action", "waiting")
                + overview.count("action", "ready"),
            actions_done: overview.count("action", "done"),
            bytes_sent: overview.bytes_sent,
        }
    }
}

/// The report of `album remove`.
pub fn removed(places: &[AlbumMembership]) -> String {
    let count = |state: &str| places.iter().filter(|place| place.state == state).count() as u64;
    let (gone, left) = (count("gone"), count("leaving"));
    let mut text = match gone {
        0 if left == 0 && count("refused") == 0 => "nothing had to leave an album\n".to_owned(),
        n => {
            format::count(n, "photo has", "photos have")
                + " left the album; in the library they stay\n"
        }
    };
    if left > 0 {
        let photos = format::count(left, "photo leaves", "photos leave");
        let _ = writeln!(text, "{photos} later: the service cannot be asked now");
    }
    for place in places
        .iter()
        .filter(|place| place.state == "refused")
        .take(MAX_LISTED)
    {
        let reason = place.reason.as_deref().unwrap_or("no reason was given");
        let (path, title) = (Escaped::path(&place.path), Escaped::text(&place.title));
        let _ = writeln!(text, "still in \"{title}\": {path}: {reason}");
    }
    if count("refused") > 0 {
        text.push_str("hint: take it out by hand in Google Photos\n");
    }
    text
}

/// What happened between two reads of the store, and what is to be reported.
#[derive(Debug)]
pub struct Summary {
    /// The counts at the beginning.
    pub before: Tally,
    /// The counts at the end.
    pub after: Tally,
    /// Bytes sent in between.
    pub bytes: u64,
    /// The duration.
    pub took: Duration,
    /// What did not go up, newest first.
    pub failures: Vec<Failure>,
    /// Files that were left out, by rule: how many, and the reason of one of them.
    pub refusals: Vec<(u64, String)>,
    /// Files that could not be read.
    pub unreadable: u64,
    /// Attached files that are hard links of other attached files.
    pub other_names: u64,
    /// Queued files that cannot be read now, by root.
    pub unavailable: Vec<UnavailableFiles>,
    /// What the command would have waited for, and what the user can do about it.
    pub waits: Option<(String, Option<String>)>,
}

impl Summary {
    /// The report of work that began with the counts `before` and concerned the files of `reach`.
    pub fn new(
        before: Tally,
        overview: &Overview,
        reader: &Reader,
        reach: RootFilter,
        bytes: u64,
        took: Duration,
    ) -> crate::store::Result<Self> {
        let failures = overview.failures.iter();
        let (unreadable, refusals): (Vec<_>, Vec<_>) = reader
            .refusals()?
            .into_iter()
            .partition(|(kind, ..)| kind == UNREADABLE);
        let after = Tally::of(overview);
        // Counting hard links reads all rows: only if there are more files than items.
        let are_more = after.attached > after.done + after.in_trouble + after.items_pending;
        Ok(Self {
            other_names: if are_more { reader.other_names()? } else { 0 },
            unreadable: unreadable.iter().map(|(_, n, _)| n).sum(),
            before,
            after,
            bytes,
            took,
            failures: failures
                .filter(|failure| failure.state != "skipped" || failure.unreadable)
                .cloned()
                .collect(),
            refusals: refusals
                .into_iter()
                .map(|(_, n, reason)| (n, Escaped::text(&reason).to_string()))
                .collect(),
            unavailable: reader.unavailable_files(reach)?,
            waits: None,
        })
    }

    /// Adds the wait because of which the command stopped early.
    #[must_use]
    pub fn stopped(self, status: &Status, local: &LocalTime) -> Self {
        let wait = text::waits_for(status, local);
        Self {
            waits: wait.map(|wait| (wait, text::remedy(status).map(str::to_owned))),
            ..self
        }
    }

    fn created(&self) -> u64 {
        self.after.done.saturating_sub(self.before.done)
    }

    /// Files whose content was in the library before: a copy, or from an earlier run.
    fn known(&self) -> u64 {
        let others = self.created() + self.after.in_trouble + self.after.items_pending;
        self.after
            .attached
            .saturating_sub(others + self.other_names)
    }

    /// What should be in the library and is not.
    fn in_trouble(&self) -> u64 {
        self.after.in_trouble + self.unreadable
    }

    fn left_out(&self) -> u64 {
        self.after.refused.saturating_sub(self.unreadable)
    }

    /// The whole report as text.
    pub fn text(&self, local: &LocalTime) -> String {
        let mut text = self.first_line();
        let counts = [
            (self.known(), "was there already", "were there already"),
            (self.in_trouble(), "did not make it", "did not make it"),
            (self.left_out(), "was left out", "were left out"),
            (self.after.pending(), "is still to go", "are still to go"),
            (
                self.after
                    .actions_done
                    .saturating_sub(self.before.actions_done),
                "was moved or deleted here",
                "were moved or deleted here",
            ),
            (
                self.after.actions_pending,
                "is to be read back before it is moved or deleted here",
                "are to be read back before they are moved or deleted here",
            ),
        ];
        for (n, one, many) in counts.into_iter().filter(|(n, ..)| *n > 0) {
            let _ = writeln!(text, "  {}", format::count(n, one, many));
        }
        if self.after.pending() == 0 && self.after.wanted > 0 {
            let items = format::count(self.after.wanted, "item is", "items are");
            let _ = writeln!(text, "  {items} not in the album yet");
        }
        self.write_wait(&mut text);
        text += &unavailable_files::text(&self.unavailable);
        self.write_failures(&mut text, local);
        self.write_refusals(&mut text);
        text
    }

    fn first_line(&self) -> String {
        let took = format::span(self.took.as_secs());
        if self.created() == 0 {
            return format!("Nothing new went up in {took}.\n");
        }
        let mut line = format!("{} went up in {took}", format::files(self.created()));
        if self.bytes > 0 {
            let _ = write!(line, ", {}", format::bytes(self.bytes));
            if let Some(a_second) = self.bytes.checked_div(self.took.as_secs()) {
                let _ = write!(line, " at {}/s", format::bytes(a_second));
            }
        }
        line + ".\n"
    }

    fn write_wait(&self, text: &mut String) {
        let Some((wait, remedy)) = &self.waits else {
            return;
        };
        let _ = writeln!(text, "Stopped: {wait}");
        if let Some(remedy) = remedy {
            let _ = writeln!(text, "hint: {remedy}");
        }
    }

    fn write_failures(&self, text: &mut String, local: &LocalTime) {
        if self.failures.is_empty() {
            return;
        }
        text.push_str("Not in Google Photos:\n");
        for failure in self.failures.iter().take(MAX_LISTED) {
            let _ = writeln!(text, "  {}", text::failure(failure, local));
        }
        let more = self.in_trouble().saturating_sub(MAX_LISTED as u64);
        if more > 0 {
            let _ = writeln!(text, "  and {} more", format::number(more));
        }
        text.push_str("hint: `albumen retry --all` puts them back into the queue\n");
    }

    fn write_refusals(&self, text: &mut String) {
        if self.refusals.is_empty() {
            return;
        }
        text.push_str("Left out:\n");
        for (n, reason) in &self.refusals {
            let _ = writeln!(text, "  {}: {reason}", format::files(*n));
        }
    }
}

/// The report of `retry`.
pub fn retried(n: u64) -> String {
    match n {
        0 => "Nothing failed or is missing there.\n".to_owned(),
        n => format!(
            "{} back in the queue.\n",
            format::count(n, "item is", "items are")
        ),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn local() -> LocalTime {
        LocalTime {
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }

    #[test]
    fn a_report_counts_by_cause() {
        let failure = |n: u64| Failure {
            path: format!("/photos/{n}.jpg"),
            state: "failed",
            reason: Some("the service cannot read it".into()),
            code: Some(3),
            message: None,
            attempts: 8,
            next_try_at: None,
            unreadable: false,
        };
        let summary = Summary {
            before: Tally {
                done: 100,
                attached: 100,
                ..Tally::default()
            },
            after: Tally {
                done: 1_304,
                attached: 1_354,
                in_trouble: 21,
                refused: 4,
                files_pending: 4,
                items_pending: 1,
                wanted: 5,
                actions_pending: 7,
                actions_done: 1,
                bytes_sent: 0,
            },
            bytes: 3_400_000_000,
            took: Duration::from_mins(12),
            failures: (1..=22).map(failure).collect(),
            refusals: vec![(2, "it is empty".into()), (1, "it holds text".into())],
            unreadable: 1,
            other_names: 26,
            unavailable: Vec::new(),
            waits: Some(("a sign-in is needed".into(), Some("albumen login".into()))),
        };
        let text = summary.text(&local());
        let (head, rest) = text.split_once("  /photos/2.jpg").unwrap();
        assert_eq!(
            head,
            "1,204 files went up in 12 min, 3.40 GB at 4.72 MB/s.\n\
             \x20 102 were there already\n\
             \x20 22 did not make it\n\
             \x20 3 were left out\n\
             \x20 5 are still to go\n\
             \x20 1 was moved or deleted here\n\
             \x20 7 are to be read back before they are moved or deleted here\n\
             Stopped: a sign-in is needed\n\
             hint: albumen login\n\
             Not in Google Photos:\n\
             \x20 /photos/1.jpg: failed after 8 attempts, the service cannot read it (code 3)\n"
        );
        let (_, tail) = rest.split_once("  /photos/20.jpg").unwrap();
        assert_eq!(
            tail,
            ": failed after 8 attempts, the service cannot read it (code 3)\n\
             \x20 and 2 more\n\
             hint: `albumen retry --all` puts them back into the queue\n\
             Left out:\n\
             \x20 2 files: it is empty\n\
             \x20 1 file: it holds text\n"
        );
    }

    #[test]
    fn a_report_without_new_items_counts_those_from_before() {
        let tally = Tally {
            done: 12,
            attached: 12,
            ..Tally::default()
        };
        let summary = Summary {
            before: tally,
            after: tally,
            bytes: 0,
            took: Duration::from_millis(300),
            failures: Vec::new(),
            refusals: Vec::new(),
            unreadable: 0,
            other_names: 0,
            unavailable: Vec::new(),
            waits: None,
        };
        assert_eq!(
            summary.text(&local()),
            "Nothing new went up in 0 s.\n  12 were there already\n"
        );
    }
}
