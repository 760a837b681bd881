//! `albumen doctor`: the whole set-up, looked at piece by piece, each finding with its remedy.
//!
//! A check is a small function that gives findings. It changes nothing, and it goes on where another
//! one has failed: who has three faults wants to know three.

mod folders;
mod network;
mod service;
mod state;

use std::{fmt::Write as _, sync::Arc};

use crate::{
    config::Config, daemon::clients, escape::Escaped, exit_code::ExitCode, status::format,
};

use super::app::App;
use crate::ui::output;

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// All is well.
    Good,
    /// It is no fault, but one should know.
    Note,
    /// It must be put right.
    Fault,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    verdict: Verdict,
    what: &'static str,
    words: String,
    remedy: Option<String>,
}

impl Finding {
    fn good(what: &'static str, words: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Good,
            what,
            words: words.into(),
            remedy: None,
        }
    }

    fn note(what: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Note,
            remedy: Some(remedy.into()),
            ..Self::good(what, words)
        }
    }

    fn fault(what: &'static str, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fault,
            ..Self::note(what, words, remedy)
        }
    }

    fn text(&self) -> String {
        let mark = match self.verdict {
            Verdict::Good => "ok  ",
            Verdict::Note => "note",
            Verdict::Fault => "BAD ",
        };
        let mut text = format!("{mark}  {:<14} {}\n", self.what, self.words);
        if let Some(remedy) = &self.remedy {
            let _ = writeln!(text, "      hint: {remedy}");
        }
        text
    }
}

/// Checks everything; exit code 2 if there is a fault.
pub(crate) async fn run(app: &App) -> anyhow::Result<ExitCode> {
    let config = match app.config() {
        Ok(config) => config,
        Err(error) => {
            // The error shows file, line and remedy; nothing else can be checked without it.
            output::print(
                &Finding::fault("configuration", "it cannot be used", "see below").text(),
            )?;
            return Err(error.into());
        }
    };
    let mut tally = Tally::default();
    tally.tell([configuration(&config)])?;
    let clock = clients::clock(&config);
    let local = {
        let (config, env, clock) = (Arc::clone(&config), app.env.clone(), clock.clone());
        tokio::task::spawn_blocking(move || {
            let mut findings = folders::check(&config);
            findings.extend(state::check(&config, &env));
            findings.extend(service::check(&config, &clock));
            findings
        })
        .await?
    };
    tally.tell(local)?;
    tally.tell(network::check(&config, &clock).await)?;
    output::print(&match tally.faults {
        0 => "\nAll is well.\n".to_owned(),
        n => format!("\n{} to put right.\n", format::count(n, "fault", "faults")),
    })?;
    Ok(match tally.faults {
        0 => ExitCode::Done,
        _ => ExitCode::Unusable,
    })
}

/// Tells findings and counts the faults.
#[derive(Debug, Default)]
struct Tally {
    faults: u64,
}

impl Tally {
    fn tell(&mut self, findings: impl IntoIterator<Item = Finding>) -> std::io::Result<()> {
        for finding in findings {
            self.faults += u64::from(finding.verdict == Verdict::Fault);
            output::print(&finding.text())?;
        }
        Ok(())
    }
}

fn configuration(config: &Config) -> Finding {
    let file = config
        .file
        .as_deref()
        .map(|file| Escaped::path(file).to_string());
    let file = file.unwrap_or_else(|| "the defaults".to_owned());
    match config.folders.len() as u64 {
        0 => Finding::fault(
            "configuration",
            format!("{file} names no folder"),
            "add a [[folder]] with its path",
        ),
        n => Finding::good(
            "configuration",
            format!("{file}, {}", format::count(n, "folder", "folders")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_remedy_another() {
        assert_eq!(
            Finding::fault("login", "nobody is signed in", "run `albumen login`").text(),
            "BAD   login          nobody is signed in\n      hint: run `albumen login`\n"
        );
        assert_eq!(
            Finding::good("clock", "it is right").text(),
            "ok    clock          it is right\n"
        );
    }
}
