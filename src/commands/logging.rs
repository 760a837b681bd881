//! Where the log goes, and how much of it.
//!
//! Always stderr. Under systemd the journal has the time itself, so lines come without one, and with
//! the priority in front that the journal understands. `ALBUMEN_LOG` replaces the whole filter, in
//! the words of `tracing-subscriber`: `ALBUMEN_LOG=albumen::api=trace,info`.

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

use super::output::Screen;

/// What commands say themselves is wanted also where the log is turned down.
pub(crate) const SAID: &str = "albumen::said";

/// The variable that replaces the filter.
const VARIABLE: &str = "ALBUMEN_LOG";

/// Starts the log; `usual` is the least important level that is wanted if nobody says otherwise.
pub(crate) fn start(global: &Global, usual: LevelFilter, screen: &Screen) {
    let (filter, complaint) = filter(global, usual);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(screen.clone());
    // It fails only if there is a log already, as in a test.
    let _ = match global.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text if goes_to_journal() => {
            let format = Format::default().with_ansi(false).without_time();
            builder.event_format(Journal(format)).try_init()
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

fn filter(global: &Global, usual: LevelFilter) -> (EnvFilter, Option<String>) {
    let wanted = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let level = global.log_level(usual);
    // What a parser has to say of somebody's photo is no news for anybody, whoever called it.
    let own = || EnvFilter::new(format!("warn,nom_exif=off,albumen={level},{SAID}=info"));
    match wanted.map(EnvFilter::try_new) {
        None => (own(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (own(), Some(error.to_string())),
    }
}

/// Whether stderr is the journal: systemd names it by device and inode (systemd.exec(5)).
#[cfg(unix)]
fn goes_to_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stat = rustix::fs::fstat(std::io::stderr());
    stat.is_ok_and(|stat| named == format!("{}:{}", stat.st_dev, stat.st_ino))
}

#[cfg(not(unix))]
fn goes_to_journal() -> bool {
    false
}

/// The format of the journal: the priority of sd-daemon(3), then the line.
struct Journal(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for Journal
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
