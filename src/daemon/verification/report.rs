//! What `albumen verify` found, in words for the person whose pictures they are.

use std::{fmt::Write as _, path::PathBuf};

use crate::{escape::Escaped, exit_code::ExitCode, status::format};

/// Files that are named of each kind; the rest is counted.
const NAMED: usize = 20;

/// Files that have something in common: some by name, all by number.
#[derive(Debug, Default)]
pub(super) struct Files {
    n: u64,
    named: Vec<PathBuf>,
}

impl Files {
    /// How many more are to be named.
    pub(super) fn room(&self) -> usize {
        NAMED.saturating_sub(self.named.len())
    }

    /// Adds so many, some of them by name.
    pub(super) fn add(&mut self, n: u64, named: Vec<PathBuf>) {
        self.n += n;
        let room = self.room();
        self.named.extend(named.into_iter().take(room));
    }

    fn tell(&self, text: &mut String) {
        for path in &self.named {
            let _ = writeln!(text, "    {}", Escaped::path(path));
        }
        let more = self.n.saturating_sub(self.named.len() as u64);
        if more > 0 {
            let _ = writeln!(text, "    and {} more", format::number(more));
        }
    }
}

/// What was found, by cause.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// They are there.
    pub(super) there: u64,
    /// They are there, and cannot be looked at yet.
    pub(super) processing: u64,
    /// They are there, and cannot be played.
    pub(super) unplayable: Files,
    /// The service no longer knows them.
    pub(super) missing: Files,
    /// Nobody can say.
    pub(super) unasked: Files,
    /// How many there are in all; some were not reached if the work was stopped.
    pub(super) all: u64,
    /// Why the work stopped before its end.
    pub(super) stopped: Option<String>,
}

impl Report {
    /// The exit code, if nothing stopped the work.
    pub(super) fn code(&self) -> ExitCode {
        if self.missing.n + self.unasked.n > 0 {
            ExitCode::SomeFailed
        } else {
            ExitCode::Done
        }
    }

    /// All of it in words.
    pub(super) fn text(&self) -> String {
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
            files.tell(&mut text);
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
    fn all_is_there() {
        let report = Report {
            there: 12_480,
            all: 12_480,
            ..Report::default()
        };
        insta::assert_snapshot!(report.text(), @"All 12,480 that went up are in Google Photos.");
        assert_eq!(report.code(), ExitCode::Done);
        let report = Report {
            there: 1,
            all: 1,
            ..Report::default()
        };
        insta::assert_snapshot!(report.text(), @"The one picture that went up is in Google Photos.");
        insta::assert_snapshot!(Report::default().text(), @"Nothing has gone up yet, so there is nothing to ask for.");
    }

    #[test]
    fn every_cause_is_counted_and_its_files_are_named() {
        let report = Report {
            there: 1_200,
            processing: 2,
            unplayable: files("VID", 1),
            missing: files("IMG", 22),
            unasked: files("ODD", 1),
            all: 1_226,
            stopped: None,
        };
        insta::assert_snapshot!(report.text(), @r"
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
        assert_eq!(report.code(), ExitCode::SomeFailed);
    }

    #[test]
    fn what_was_not_asked_for_is_not_counted() {
        let report = Report {
            all: 56,
            stopped: Some("the service cannot be reached".to_owned()),
            ..Report::default()
        };
        insta::assert_snapshot!(report.text(), @r"
        Google Photos was asked for nothing.
          stopped with 56 not asked for: the service cannot be reached
        ");
    }

    #[test]
    fn what_stopped_the_work_is_said() {
        let report = Report {
            there: 100,
            all: 1_000,
            stopped: Some("the service cannot be reached".to_owned()),
            ..Report::default()
        };
        insta::assert_snapshot!(report.text(), @r"
        100 of 100 are in Google Photos.
          stopped with 900 not asked for: the service cannot be reached
        ");
    }
}
