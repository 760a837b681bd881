//! `albumen verify`: asks the service for every created item, and reports what is missing.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use super::execute::Report;
use crate::{
    clock,
    context::{self, Context, account, pause},
    escape::Escaped,
    exit_code::ExitCode,
    model::ids::ItemId,
    photos_api::{self, Kind},
    status::format,
    store::{self, ToVerify, Verdict},
    verify::{GROUP, Seen, ask},
};

/// The command gives up after so many failures of the same request in a row.
const MAX_TRIES: u32 = 4;

/// So many files of each kind are listed by name; the rest is counted.
const MAX_LISTED: usize = 20;

/// Asks for every created item, and at the end once more for those that the service did not know.
pub(super) async fn verify_all(context: &Context) -> anyhow::Result<Report> {
    let mut round = Round {
        context,
        findings: Findings::default(),
        unknown: Vec::new(),
    };
    let ended = round.run().await;
    let findings = &mut round.findings;
    let code = match ended {
        Ok(()) => findings.code(),
        Err(End::Stopped) => {
            findings.stopped = Some("it was interrupted".to_owned());
            ExitCode::Interrupted
        }
        Err(End::GaveUp(error)) => {
            findings.stopped = Some(account::error_chain(&error));
            code_of(error.kind())
        }
        Err(End::Store(error)) => return Err(error.into()),
        Err(End::Context(error)) => return Err(error.into()),
    };
    Ok(Report {
        code,
        text: findings.text(),
    })
}

fn code_of(kind: Kind) -> ExitCode {
    match kind {
        Kind::LoginNeeded | Kind::ScopeMissing => ExitCode::LoginNeeded,
        Kind::ApiDisabled | Kind::PhotosDisabled | Kind::Setup => ExitCode::Unusable,
        _ => ExitCode::WorkLeft,
    }
}

/// Why a round ended before every item was asked for.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("stopped")]
    Stopped,
    #[error(transparent)]
    GaveUp(photos_api::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Context(#[from] context::Error),
}

/// One pass over all items, one request at a time.
struct Round<'a> {
    context: &'a Context,
    findings: Findings,
    /// What the service did not know the first time.
    unknown: Vec<ToVerify>,
}

impl Round<'_> {
    async fn run(&mut self) -> Result<(), End> {
        let store = &self.context.store;
        let created = store.created_count().await?;
        self.context.progress.set_to_check(created);
        // Items that are known to be missing are not asked for again.
        let (missing, some) = store.known_missing(MAX_LISTED).await?;
        self.findings
            .missing
            .add(missing, store.paths_of(some).await?);
        self.findings.all = created + missing;

        let mut after = ItemId(0);
        loop {
            let group = store.created_after(after, GROUP).await?;
            let Some(last) = group.last() else { break };
            after = last.item;
            self.verify_group(&group, false).await?;
        }
        let unknown = std::mem::take(&mut self.unknown);
        for group in unknown.chunks(GROUP) {
            self.verify_group(group, true).await?;
        }
        Ok(())
    }

    /// Asks for a group and records the answers. An item that is unknown for the second time is missing.
    async fn verify_group(&mut self, group: &[ToVerify], is_second: bool) -> Result<(), End> {
        let seen = self.ask(group).await?;
        let mut verdicts = Vec::with_capacity(seen.len());
        let (mut unplayable, mut missing, mut unasked) = (Vec::new(), Vec::new(), Vec::new());
        for (asked, seen) in group.iter().zip(seen) {
            let item = asked.item;
            match seen {
                Seen::There => {
                    self.findings.there += 1;
                    verdicts.push((
                        item,
                        Verdict::There {
                            question: asked.question,
                        },
                    ));
                }
                Seen::Processing => self.findings.processing += 1,
                Seen::Unplayable(reason) => {
                    unplayable.push(item);
                    verdicts.push((item, Verdict::Unplayable(reason)));
                }
                Seen::Unknown if is_second => {
                    missing.push(item);
                    verdicts.push((item, Verdict::Gone));
                }
                Seen::Unknown => {
                    self.unknown.push(asked.clone());
                    continue;
                }
                Seen::Unasked(_) => unasked.push(item),
            }
            self.context.progress.add_checked();
        }
        let store = &self.context.store;
        store.verdicts(verdicts, self.context.clock.now()).await?;
        self.context.wakes.changed.notify();
        let findings = &mut self.findings;
        for (items, files) in [
            (unplayable, &mut findings.unplayable),
            (missing, &mut findings.missing),
            (unasked, &mut findings.unasked),
        ] {
            let n = items.len() as u64;
            let listed = items.into_iter().take(files.room()).collect();
            files.add(n, store.paths_of(listed).await?);
        }
        Ok(())
    }

    /// Asks for a group, and repeats that up to [`MAX_TRIES`] times if the error may pass.
    async fn ask(&self, group: &[ToVerify]) -> Result<Vec<Seen>, End> {
        let context = self.context;
        let mut backoff = pause::Backoff::default();
        while !context.stop.is_cancelled() {
            if let Some(until) = context.reads_paused_until().await? {
                self.sleep(clock::until(context.clock.now(), until)).await;
                continue;
            }
            let error = match ask(context, group).await? {
                Ok(seen) => return Ok(seen),
                Err(error) => error,
            };
            context.account.record_failure(&error).await?;
            let wait = backoff.next_wait(&context.config.retry, &error);
            if backoff.failures() >= MAX_TRIES || !pause::is_worth_retrying(&error) {
                return Err(End::GaveUp(error));
            }
            tracing::warn!("asks again later: {}", account::error_chain(&error));
            let until = clock::after(context.clock.now(), wait);
            context.record_read_failure(&error, until).await?;
            self.sleep(wait).await;
        }
        Err(End::Stopped)
    }

    /// Waits for this long, or until the stop.
    async fn sleep(&self, wait: Duration) {
        tokio::select! {
            () = self.context.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Files with the same finding: counted, and the first [`MAX_LISTED`] by name.
#[derive(Debug, Default)]
struct Files {
    n: u64,
    listed: Vec<PathBuf>,
}

impl Files {
    /// How many more can be listed.
    fn room(&self) -> usize {
        MAX_LISTED.saturating_sub(self.listed.len())
    }

    fn add(&mut self, n: u64, listed: Vec<PathBuf>) {
        self.n += n;
        let room = self.room();
        self.listed.extend(listed.into_iter().take(room));
    }

    fn write(&self, text: &mut String) {
        for path in &self.listed {
            let _ = writeln!(text, "    {}", Escaped::path(path));
        }
        let more = self.n.saturating_sub(self.listed.len() as u64);
        if more > 0 {
            let _ = writeln!(text, "    and {} more", format::number(more));
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings {
    /// Items in the library.
    there: u64,
    /// Videos in the library that are still being processed.
    processing: u64,
    /// Videos in the library that cannot be played.
    unplayable: Files,
    /// Items that the service no longer knows.
    missing: Files,
    /// Items for which the service answers with an error.
    unasked: Files,
    /// All items, including those that were not asked for because the command was stopped.
    all: u64,
    /// Why the command was stopped.
    stopped: Option<String>,
}

impl Findings {
    /// The exit code, if the command was not stopped.
    fn code(&self) -> ExitCode {
        if self.missing.n + self.unasked.n > 0 {
            ExitCode::SomeFailed
        } else {
            ExitCode::Done
        }
    }

    /// The report.
    fn text(&self) -> String {
        let in_library = self.there + self.processing + self.unplayable.n;
        let asked = in_library + self.missing.n + self.unasked.n;
        let mut text = match (in_library, asked) {
            (0, 0) if self.stopped.is_none() => {
                return "Nothing has gone up yet, so there is nothing to ask for.\n".to_owned();
            }
            (0, 0) => "Google Photos was asked for nothing.\n".to_owned(),
            (1, 1) => "The one picture that went up is in Google Photos.\n".to_owned(),
            (n, of) if n == of && self.stopped.is_none() => {
                format!(
                    "All {} that went up are in Google Photos.\n",
                    format::number(of)
                )
            }
            (n, of) => format!(
                "{} of {} are in Google Photos.\n",
                format::number(n),
                format::number(of)
            ),
        };
        if self.processing > 0 {
            let videos = format::count(self.processing, "video is", "videos are");
            let _ = writeln!(
                text,
                "  {videos} still being processed there, and can be played later"
            );
        }
        let kinds = [
            (
                &self.unplayable,
                "video is there but cannot be played: Google Photos could not process it",
                "videos are there but cannot be played: Google Photos could not process them",
            ),
            (
                &self.missing,
                "file is missing: Google Photos no longer knows it",
                "files are missing: Google Photos no longer knows them",
            ),
            (
                &self.unasked,
                "file could not be asked for: Google Photos answers with an error",
                "files could not be asked for: Google Photos answers with an error",
            ),
        ];
        for (files, one, many) in kinds.into_iter().filter(|(files, ..)| files.n > 0) {
            let _ = writeln!(text, "  {}", format::count(files.n, one, many));
            files.write(&mut text);
        }
        if let Some(reason) = &self.stopped {
            let left = self.all.saturating_sub(asked);
            let _ = writeln!(
                text,
                "  stopped with {} not asked for: {reason}",
                format::number(left)
            );
        }
        if self.missing.n > 0 {
            text.push_str("hint: `albumen retry --all` uploads the missing ones again\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(name: &str, n: u64) -> Files {
        let mut files = Files::default();
        for at in 0..n {
            files.add(
                1,
                vec![format!("/home/ada/Pictures/{name}_{at}.jpg").into()],
            );
        }
        files
    }

    #[test]
    fn all_are_there() {
        let findings = Findings {
            there: 12_480,
            all: 12_480,
            ..Findings::default()
        };
        insta::assert_snapshot!(findings.text(), @"All 12,480 that went up are in Google Photos.");
        assert_eq!(findings.code(), ExitCode::Done);
        let findings = Findings {
            there: 1,
            all: 1,
            ..Findings::default()
        };
        insta::assert_snapshot!(findings.text(), @"The one picture that went up is in Google Photos.");
        insta::assert_snapshot!(Findings::default().text(), @"Nothing has gone up yet, so there is nothing to ask for.");
    }

    #[test]
    fn every_finding_is_counted_and_its_files_are_listed() {
        let findings = Findings {
            there: 1_200,
            processing: 2,
            unplayable: files("VID", 1),
            missing: files("IMG", 22),
            unasked: files("ODD", 1),
            all: 1_226,
            stopped: None,
        };
        insta::assert_snapshot!(findings.text(), @r"
        1,203 of 1,226 are in Google Photos.
          2 videos are still being processed there, and can be played later
          1 video is there but cannot be played: Google Photos could not process it
            /home/ada/Pictures/VID_0.jpg
          22 files are missing: Google Photos no longer knows them
            /home/ada/Pictures/IMG_0.jpg
            /home/ada/Pictures/IMG_1.jpg
            /home/ada/Pictures/IMG_2.jpg
            /home/ada/Pictures/IMG_3.jpg
            /home/ada/Pictures/IMG_4.jpg
            /home/ada/Pictures/IMG_5.jpg
            /home/ada/Pictures/IMG_6.jpg
            /home/ada/Pictures/IMG_7.jpg
            /home/ada/Pictures/IMG_8.jpg
            /home/ada/Pictures/IMG_9.jpg
            /home/ada/Pictures/IMG_10.jpg
            /home/ada/Pictures/IMG_11.jpg
            /home/ada/Pictures/IMG_12.jpg
            /home/ada/Pictures/IMG_13.jpg
            /home/ada/Pictures/IMG_14.jpg
            /home/ada/Pictures/IMG_15.jpg
            /home/ada/Pictures/IMG_16.jpg
            /home/ada/Pictures/IMG_17.jpg
            /home/ada/Pictures/IMG_18.jpg
            /home/ada/Pictures/IMG_19.jpg
            and 2 more
          1 file could not be asked for: Google Photos answers with an error
            /home/ada/Pictures/ODD_0.jpg
        hint: `albumen retry --all` uploads the missing ones again
        ");
        assert_eq!(findings.code(), ExitCode::SomeFailed);
    }

    #[test]
    fn items_that_were_not_asked_for_are_not_counted() {
        let findings = Findings {
            all: 56,
            stopped: Some("the service cannot be reached".to_owned()),
            ..Findings::default()
        };
        insta::assert_snapshot!(findings.text(), @r"
        Google Photos was asked for nothing.
          stopped with 56 not asked for: the service cannot be reached
        ");
    }

    #[test]
    fn the_reason_of_a_stop_is_reported() {
        let findings = Findings {
            there: 100,
            all: 1_000,
            stopped: Some("the service cannot be reached".to_owned()),
            ..Findings::default()
        };
        insta::assert_snapshot!(findings.text(), @r"
        100 of 100 are in Google Photos.
          stopped with 900 not asked for: the service cannot be reached
        ");
    }
}
