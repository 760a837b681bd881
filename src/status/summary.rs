//! What a command did, in words: how much, how fast, and what did not go up and why. The process that
//! carries out orders of other commands writes their reports with this, too.

use std::{fmt::Write as _, time::Duration};

use super::{Failure, Status, format, text, text::LocalTime, unavailable_files};
use crate::{
    escape::Escaped,
    store::{Leaver, OutOfReach, Overview, Reach, Reader, UNREADABLE},
};

/// Failures that are listed one by one.
pub(super) const LISTED: usize = 20;

/// How things stood at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Items in the library.
    pub done: u64,
    /// Files whose bytes are an item.
    pub held: u64,
    /// Items that failed or are missing.
    pub in_trouble: u64,
    /// Files that were left out.
    pub refused: u64,
    /// Files that no item holds yet.
    pub files_left: u64,
    /// Items that can still move.
    pub items_left: u64,
    /// Places in albums that are to be filled.
    pub wanted: u64,
    /// Files that are moved or deleted once their pictures were read back.
    pub to_let_go: u64,
    /// Files that were moved or deleted.
    pub let_go: u64,
    /// Bytes that the process has sent.
    pub bytes_sent: u64,
}

impl Tally {
    /// What can still move.
    pub fn left(&self) -> u64 {
        self.files_left + self.items_left
    }

    /// How things stand in this look.
    pub fn of(overview: &Overview) -> Self {
        let file = |state| overview.count("file", state);
        let item = |state| overview.count("item", state);
        Self {
            done: item("created") + item("verified"),
            held: file("held"),
            in_trouble: item("failed") + item("missing"),
            refused: file("refused"),
            files_left: file("settling") + file("queued") + file("claimed"),
            items_left: item("uploading") + item("uploaded") + item("creating"),
            wanted: overview.count("placement", "wanted"),
            to_let_go: overview.count("after", "waits") + overview.count("after", "ready"),
            let_go: overview.count("after", "done"),
            bytes_sent: overview.bytes_sent,
        }
    }
}

/// What came of taking photos out of albums.
pub fn taken_out(places: &[Leaver]) -> String {
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
        .take(LISTED)
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

/// What happened between two looks, and all that is to be told about it.
#[derive(Debug)]
pub struct Summary {
    /// How things stood.
    pub before: Tally,
    /// How they stand.
    pub after: Tally,
    /// How many bytes were sent in between.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
    /// What did not go up, newest first.
    pub failures: Vec<Failure>,
    /// Files that were left out, by rule, each with the reason of one of them.
    pub refusals: Vec<(u64, String)>,
    /// Files that the disk does not give out.
    pub unreadable: u64,
    /// Held files that are other names of others.
    pub other_names: u64,
    /// Files in the queue that nobody can read now, by root.
    pub out_of_reach: Vec<OutOfReach>,
    /// What is waited for, and what a person can do about it.
    pub waits: Option<(String, Option<String>)>,
}

impl Summary {
    /// The end of a piece of work that began at `before`, and was about the files of `reach`.
    pub fn new(
        before: Tally,
        overview: &Overview,
        reader: &Reader,
        reach: Reach,
        bytes: u64,
        took: Duration,
    ) -> crate::store::Result<Self> {
        let failures = overview.failures.iter();
        let (unreadable, refusals): (Vec<_>, Vec<_>) = reader
            .refusals()?
            .into_iter()
            .partition(|(kind, ..)| kind == UNREADABLE);
        let after = Tally::of(overview);
        // Only where there are more files than pictures, for it takes a look at all of them.
        let are_more = after.held > after.done + after.in_trouble + after.items_left;
        Ok(Self {
            other_names: if are_more { reader.other_names()? } else { 0 },
            unreadable: unreadable.iter().map(|(_, n, _)| n).sum(),
            before,
            after,
            bytes,
            took,
            failures: failures
                .filter(|failure| failure.state != "skipped" || failure.unreadable)
                .map(Failure::from)
                .collect(),
            refusals: refusals
                .into_iter()
                .map(|(_, n, reason)| (n, Escaped::text(&reason).to_string()))
                .collect(),
            out_of_reach: reader.out_of_reach(reach)?,
            waits: None,
        })
    }

    /// The same for a work that ended with something left, because it would have had to wait.
    #[must_use]
    pub fn stopped(self, status: &Status, here: &LocalTime) -> Self {
        let wait = text::waits_for(status, here);
        Self {
            waits: wait.map(|wait| (wait, text::remedy(status).map(str::to_owned))),
            ..self
        }
    }

    fn made(&self) -> u64 {
        self.after.done.saturating_sub(self.before.done)
    }

    /// Files whose content was in the library before: a copy, or a run before this one.
    fn known(&self) -> u64 {
        let others = self.made() + self.after.in_trouble + self.after.items_left;
        self.after.held.saturating_sub(others + self.other_names)
    }

    /// What ought to be in the library and is not.
    fn in_trouble(&self) -> u64 {
        self.after.in_trouble + self.unreadable
    }

    fn left_out(&self) -> u64 {
        self.after.refused.saturating_sub(self.unreadable)
    }

    /// All of it in words.
    pub fn text(&self, here: &LocalTime) -> String {
        let mut text = self.first_line();
        let counts = [
            (self.known(), "was there already", "were there already"),
            (self.in_trouble(), "did not make it", "did not make it"),
            (self.left_out(), "was left out", "were left out"),
            (self.after.left(), "is still to go", "are still to go"),
            (
                self.after.let_go.saturating_sub(self.before.let_go),
                "was moved or deleted here",
                "were moved or deleted here",
            ),
            (
                self.after.to_let_go,
                "is to be read back before it is moved or deleted here",
                "are to be read back before they are moved or deleted here",
            ),
        ];
        for (n, one, many) in counts.into_iter().filter(|(n, ..)| *n > 0) {
            let _ = writeln!(text, "  {}", format::count(n, one, many));
        }
        if self.after.left() == 0 && self.after.wanted > 0 {
            let items = format::count(self.after.wanted, "item is", "items are");
            let _ = writeln!(text, "  {items} not in the album yet");
        }
        self.tell_wait(&mut text);
        text += &unavailable_files::text(&self.out_of_reach);
        self.tell_failures(&mut text, here);
        self.tell_refusals(&mut text);
        text
    }

    fn first_line(&self) -> String {
        let took = format::span(self.took.as_secs());
        if self.made() == 0 {
            return format!("Nothing new went up in {took}.\n");
        }
        let mut line = format!("{} went up in {took}", format::files(self.made()));
        if self.bytes > 0 {
            let _ = write!(line, ", {}", format::bytes(self.bytes));
            if let Some(a_second) = self.bytes.checked_div(self.took.as_secs()) {
                let _ = write!(line, " at {}/s", format::bytes(a_second));
            }
        }
        line + ".\n"
    }

    /// Why something is left.
    fn tell_wait(&self, text: &mut String) {
        let Some((wait, remedy)) = &self.waits else {
            return;
        };
        let _ = writeln!(text, "Stopped: {wait}");
        if let Some(remedy) = remedy {
            let _ = writeln!(text, "hint: {remedy}");
        }
    }

    fn tell_failures(&self, text: &mut String, here: &LocalTime) {
        if self.failures.is_empty() {
            return;
        }
        text.push_str("Not in Google Photos:\n");
        for failure in self.failures.iter().take(LISTED) {
            let _ = writeln!(text, "  {}", text::failure(failure, here));
        }
        let more = self.in_trouble().saturating_sub(LISTED as u64);
        if more > 0 {
            let _ = writeln!(text, "  and {} more", format::number(more));
        }
        text.push_str("hint: `albumen retry --all` puts them back into the queue\n");
    }

    fn tell_refusals(&self, text: &mut String) {
        if self.refusals.is_empty() {
            return;
        }
        text.push_str("Left out:\n");
        for (n, reason) in &self.refusals {
            let _ = writeln!(text, "  {}: {reason}", format::files(*n));
        }
    }
}

/// What `retry` prints, also where a daemon did it.
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

    fn here() -> LocalTime {
        LocalTime {
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }

    #[test]
    fn a_run_with_everything_in_it_is_told_by_cause() {
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
                held: 100,
                ..Tally::default()
            },
            after: Tally {
                done: 1_304,
                held: 1_354,
                in_trouble: 21,
                refused: 4,
                files_left: 4,
                items_left: 1,
                wanted: 5,
                to_let_go: 7,
                let_go: 1,
                bytes_sent: 0,
            },
            bytes: 3_400_000_000,
            took: Duration::from_mins(12),
            failures: (1..=22).map(failure).collect(),
            refusals: vec![(2, "it is empty".into()), (1, "it holds text".into())],
            unreadable: 1,
            other_names: 26,
            out_of_reach: Vec::new(),
            waits: Some(("a sign-in is needed".into(), Some("albumen login".into()))),
        };
        let text = summary.text(&here());
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
    fn a_run_without_work_says_that_all_was_there() {
        let tally = Tally {
            done: 12,
            held: 12,
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
            out_of_reach: Vec::new(),
            waits: None,
        };
        assert_eq!(
            summary.text(&here()),
            "Nothing new went up in 0 s.\n  12 were there already\n"
        );
    }
}
