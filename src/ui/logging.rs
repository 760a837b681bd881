//! Sets up the log on stderr.
//!
//! Under systemd the journal adds the time itself: lines have none, but begin with the priority that the
//! journal parses. `ALBUMEN_LOG` replaces the whole filter, in the syntax of `tracing-subscriber`:
//! `ALBUMEN_LOG=albumen::photos_api=trace,info`.

use std::{fmt, io::IsTerminal as _};

use tracing::{Event, Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Full, Writer},
    },
    registry::LookupSpan,
};

use crate::cli::{Global, LogFormat};

use super::output::{MESSAGES, Screen};

/// The variable that replaces the filter.
const VARIABLE: &str = "ALBUMEN_LOG";

/// Starts the log; `default_level` applies unless a flag or the variable says otherwise.
pub(crate) fn start(global: &Global, default_level: LevelFilter, screen: &Screen) {
    let wanted = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let level = global.log_level(default_level);
    // nom-exif warns of oddities in photos of the user, which are no problem of the user.
    let own = || EnvFilter::new(format!("warn,nom_exif=off,albumen={level},{MESSAGES}=info"));
    let (filter, complaint) = match wanted.map(EnvFilter::try_new) {
        None => (own(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (own(), Some(error)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(screen.clone());
    // It fails only if a log was started before, as in a test.
    let _ = match global.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text if stderr_is_journal() => {
            let format = Format::default().with_ansi(false).without_time();
            builder.event_format(JournalFormat(format)).try_init()
        }
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colour).with_target(false).try_init()
        }
    };
    if let Some(complaint) = complaint {
        tracing::warn!("{VARIABLE} is not obeyed: {complaint}");
    }
}

/// Whether stderr is the journal: systemd passes its device and inode (systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let stat = rustix::fs::fstat(std::io::stderr());
    let journal = std::env::var("JOURNAL_STREAM").ok();
    stat.is_ok_and(|stat| journal == Some(format!("{}:{}", stat.st_dev, stat.st_ino)))
}

/// The format of the journal: the priority of sd-daemon(3), then the line.
struct JournalFormat(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for JournalFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}
