//! Where commands speak: data to stdout, everything else to stderr, past the bars if there are any.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::Arc,
};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressDrawTarget};
use tracing_subscriber::fmt::MakeWriter;

const BOLD: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Writes data to stdout. Who reads it may stop reading: that is no error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    print_or_gone(text).map(drop)
}

/// The same, with the end of the last line if it is missing.
pub(crate) fn print_lines(text: &str) -> io::Result<()> {
    let missing = !text.is_empty() && !text.ends_with('\n');
    print(&format!("{text}{}", if missing { "\n" } else { "" }))
}

/// Writes data to stdout; gives whether somebody still reads.
pub(crate) fn print_or_gone(text: &str) -> io::Result<bool> {
    let mut stdout = anstream::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes data to stdout, with the first line in bold where that can be shown.
pub(crate) fn print_with_headline(text: &str) -> io::Result<()> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    print(&format!("{BOLD}{first}{BOLD:#}\n{rest}"))
}

/// Writes the words of an error to stderr. A stderr that is gone hears nothing.
pub(crate) fn complain(text: &str) {
    let mut stderr = anstream::stderr().lock();
    for line in text.lines() {
        let marked =
            [("error: ", ERROR), ("hint: ", HINT)]
                .into_iter()
                .find_map(|(lead, style)| {
                    let rest = line.strip_prefix(lead)?;
                    Some(format!("{style}{lead}{style:#}{rest}"))
                });
        let _ = writeln!(stderr, "{}", marked.as_deref().unwrap_or(line));
    }
}

/// The terminal on stderr, or what is there instead; cheap to clone.
///
/// Bars are drawn in place, so that everything that is written beside them has to ask them aside.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    bars: MultiProgress,
    log: Arc<Log>,
}

/// How and how much is logged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    /// Every line is JSON.
    pub(crate) json: bool,
    /// Only what needs attention.
    pub(crate) quiet: bool,
}

impl Screen {
    /// The stderr of this process. No bars where there is no terminal, and none between lines of JSON.
    pub(crate) fn new(log: Log) -> Self {
        let target = if log.json || log.quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            log: Arc::new(log),
        }
    }

    /// The bars, if somebody can see them.
    pub(crate) fn bars(&self) -> Option<&MultiProgress> {
        (!self.bars.is_hidden()).then_some(&self.bars)
    }

    /// Whether only what needs attention is wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.log.quiet
    }

    /// Says a line on stderr, past the bars.
    pub(crate) fn say(&self, line: &str) {
        if self.log.json {
            tracing::info!(target: super::logging::SAID, "{line}");
        } else {
            self.bars.suspend(|| {
                let _ = writeln!(anstream::stderr(), "{line}");
            });
        }
    }

    /// Says how an error is told, in the format of the log.
    pub(crate) fn complain(&self, told: &super::error_report::Told) {
        if self.log.json {
            let hint = told.hint.as_deref();
            tracing::error!(target: super::logging::SAID, hint, exit_code = told.code.number(), "{}", told.words);
        } else {
            self.bars.suspend(|| complain(&told.text()));
        }
    }
}

/// A line of the log on its way to stderr.
#[derive(Debug)]
pub(crate) struct Line {
    screen: Screen,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.screen.bars.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            screen: self.clone(),
        }
    }
}

/// Whether stdout is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}
