//! Prints data to stdout and everything else to stderr, past the progress bars if there are any.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::Arc,
};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressDrawTarget};
use tracing_subscriber::fmt::MakeWriter;

use super::error_report::ErrorReport;

const BOLD: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// The target of messages of a command itself: they are logged also at a low log level.
pub(crate) const MESSAGES: &str = "albumen::said";

/// Prints data to stdout. It is no error if the reader has closed the pipe.
pub(crate) fn print(text: &str) -> io::Result<()> {
    print_or_closed(text).map(drop)
}

/// Prints data to stdout, and a newline at the end if it is missing.
pub(crate) fn print_lines(text: &str) -> io::Result<()> {
    let newline = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    print(&format!("{text}{newline}"))
}

/// Prints data to stdout; returns false if the reader has closed the pipe.
pub(crate) fn print_or_closed(text: &str) -> io::Result<bool> {
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

/// Prints data to stdout, with the first line in bold if stdout can show it.
pub(crate) fn print_with_headline(text: &str) -> io::Result<()> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    print(&format!("{BOLD}{first}{BOLD:#}\n{rest}"))
}

/// Whether stdout is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Prints the text of an error report to stderr. A closed stderr is ignored.
pub(crate) fn print_error(text: &str) {
    let mut stderr = anstream::stderr().lock();
    for line in text.lines() {
        let styled =
            [("error: ", ERROR), ("hint: ", HINT)]
                .into_iter()
                .find_map(|(lead, style)| {
                    let rest = line.strip_prefix(lead)?;
                    Some(format!("{style}{lead}{style:#}{rest}"))
                });
        let _ = writeln!(stderr, "{}", styled.as_deref().unwrap_or(line));
    }
}

/// The terminal on stderr, or the file or pipe in its place; cheap to clone.
///
/// Bars are redrawn in place: everything else that is written to stderr must suspend them.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    bars: MultiProgress,
    log: Arc<Log>,
}

/// The format and the level of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    /// Every line is JSON.
    pub(crate) json: bool,
    /// Only warnings and errors.
    pub(crate) quiet: bool,
}

impl Screen {
    /// The stderr of this process. It shows no bars if it is no terminal, or if the log is JSON or quiet.
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

    /// The bars, if they are visible.
    pub(crate) fn bars(&self) -> Option<&MultiProgress> {
        (!self.bars.is_hidden()).then_some(&self.bars)
    }

    /// Whether only warnings and errors are wanted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.log.quiet
    }

    /// Prints a message to stderr, in the format of the log.
    pub(crate) fn say(&self, line: &str) {
        if self.log.json {
            tracing::info!(target: MESSAGES, "{line}");
        } else {
            self.bars.suspend(|| {
                let _ = writeln!(anstream::stderr(), "{line}");
            });
        }
    }

    /// Prints an error to stderr, in the format of the log.
    pub(crate) fn print_error(&self, error: &ErrorReport) {
        if self.log.json {
            let hint = error.hint.as_deref();
            tracing::error!(target: MESSAGES, hint, exit_code = error.code.number(), "{}", error.message);
        } else {
            self.bars.suspend(|| print_error(&error.text()));
        }
    }
}

/// Writes log lines to stderr.
#[derive(Debug)]
pub(crate) struct LogWriter(MultiProgress);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Screen {
    type Writer = LogWriter;

    fn make_writer(&'a self) -> LogWriter {
        LogWriter(self.bars.clone())
    }
}
