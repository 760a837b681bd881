//! `albumen restore`: replaces the database by a backup.

use std::{fmt::Write as _, path::Path};

use super::app::{App, local_time};
use crate::{
    daemon::clients,
    escape::Escaped,
    exit_code::ExitCode,
    lock::Lock,
    status::{format, text::LocalTime},
    store::{self, Restored},
    ui::output,
};

/// Restores. It fails while another process holds the state folder.
pub(crate) fn run(app: &App, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let config = app.config_or_defaults()?;
    let clock = clients::clock(&config);
    let file = file.map(|file| app.env.typed(file));
    let _lock = Lock::take(&config.state_dir)?;
    let restored = store::restore(&config.state_dir, file.as_deref(), clock.now())?;
    output::print(&text(&restored, &local_time(&clock)))?;
    Ok(ExitCode::Done)
}

fn text(restored: &Restored, local: &LocalTime) -> String {
    let written_at = restored.written_at.map(|then| {
        let then = format::time(then, local.now, &local.zone);
        format!(", written at {then}")
    });
    let mut text = format!(
        "Restored from {}{}.\n  {} known to be in Google Photos\n",
        Escaped::path(&restored.file),
        written_at.unwrap_or_default(),
        format::count(restored.items, "item is", "items are"),
    );
    text.push_str(
        "  what went up since then goes up again: Google Photos recognises it, and makes nothing twice\n  \
         albums are looked for in Google Photos before any is made\n",
    );
    if let Some(before) = &restored.before {
        let before = Escaped::path(before);
        let _ = writeln!(text, "  the database before is kept as {before}");
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn the_report_says_what_is_known_again_and_what_follows() {
        let restored = Restored {
            file: "/var/lib/albumen/ada/albumen.db.backup-1".into(),
            written_at: "2026-11-21T03:00:00Z".parse().ok(),
            items: 12_480,
            before: Some("/var/lib/albumen/ada/albumen.db.before-restore".into()),
        };
        let local = LocalTime {
            now: "2026-11-21T18:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        };
        insta::assert_snapshot!(text(&restored, &local), @r"
        Restored from /var/lib/albumen/ada/albumen.db.backup-1, written at 03:00.
          12,480 items are known to be in Google Photos
          what went up since then goes up again: Google Photos recognises it, and makes nothing twice
          albums are looked for in Google Photos before any is made
          the database before is kept as /var/lib/albumen/ada/albumen.db.before-restore
        ");
    }
}
