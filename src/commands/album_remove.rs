//! `albumen album remove`: the plan first, and with `--yes` the deed.

use std::fmt::Write as _;

use crate::{
    cli,
    config::Config,
    daemon,
    escape::Escaped,
    exit_code::ExitCode,
    status::format,
    store::{AlbumMembership, OrderKind},
};

use super::{app::App, backfill, delegate, read_state, signals::Signals};
use crate::ui::{error_report::Failure, output};

/// Files that a plan lists one by one.
const LISTED: usize = 20;

/// The most items of one call (fact sheet, section 5.1).
const ITEMS_PER_CALL: u64 = 50;

/// What the service will never do, whoever asks.
const STAYS: &str =
    "They stay in your Google Photos library: the service lets no program delete a photo.";

/// Takes items out of an album.
pub(crate) async fn run(app: &App, flags: &cli::AlbumRemove) -> anyhow::Result<ExitCode> {
    let config = app.config()?;
    let places = match &flags.album {
        None if flags.yes => Vec::new(),
        None => {
            let held = match read_state::reader(&config)? {
                Some(reader) => reader.held_back()?,
                None => Vec::new(),
            };
            output::print(&plan("nothing is held back", &held))?;
            return Ok(ExitCode::Done);
        }
        Some(album) => {
            let paths = app.absolute(&flags.paths);
            let known = match read_state::reader(&config)? {
                Some(reader) => reader.leavers(album, &backfill::bytes(&paths))?,
                None => None,
            };
            let leavers = known.ok_or_else(|| unknown(album))?;
            let leavers: Vec<AlbumMembership> = leavers
                .into_iter()
                .filter(|leaver| matches!(leaver.state.as_str(), "wanted" | "placed" | "refused"))
                .collect();
            if !flags.yes || leavers.is_empty() {
                let album = Escaped::text(album);
                output::print(&plan(
                    &format!("nothing of that is in \"{album}\""),
                    &leavers,
                ))?;
                return Ok(ExitCode::Done);
            }
            leavers.iter().map(|one| (one.item, one.album)).collect()
        }
    };
    do_it(app, &config, places, flags.held).await
}

async fn do_it(
    app: &App,
    config: &std::sync::Arc<Config>,
    places: daemon::Places,
    held: bool,
) -> anyhow::Result<ExitCode> {
    let order = OrderKind::Remove {
        places: places
            .iter()
            .map(|(item, album)| (item.0, album.0))
            .collect(),
        held,
    };
    let ours = async |lock| {
        let words = "stopping; what is left leaves with the next run";
        let signals = Signals::listen(&app.screen, words)?;
        let work = daemon::remove(lock, config.clone(), places, held, signals.stop());
        let Some(result) = signals.bound(work).await else {
            return Ok(ExitCode::Interrupted);
        };
        let (code, report) = result?;
        output::print_lines(&report)?;
        Ok(code)
    };
    delegate::carried_out(app, config, order, ours).await
}

fn unknown(album: &str) -> Failure {
    let words = format!("no album \"{}\" is known here", Escaped::text(album));
    Failure::new(ExitCode::Unusable, words)
        .hint("`albumen albums` lists those that Albumen made; others it cannot change")
}

/// What would leave; where there is none, `nothing` says so.
fn plan(nothing: &str, leavers: &[AlbumMembership]) -> String {
    if leavers.is_empty() {
        return format!("{nothing}\n");
    }
    let mut text = String::new();
    for leaver in leavers.iter().take(LISTED) {
        let (path, title) = (Escaped::path(&leaver.path), Escaped::text(&leaver.title));
        let _ = writeln!(text, "out of \"{title}\": {path}");
    }
    let n = leavers.len() as u64;
    if leavers.len() > LISTED {
        let _ = writeln!(text, "and {} more", format::number(n - LISTED as u64));
    }
    let photos = format::count(n, "photo", "photos");
    let calls = format::count(n.div_ceil(ITEMS_PER_CALL), "request", "requests");
    let _ = writeln!(
        text,
        "{photos} would leave, in {calls}. {STAYS}\nhint: the same with --yes does it"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{AlbumRow, ItemId};

    fn leaver(n: i64) -> AlbumMembership {
        AlbumMembership {
            path: format!("/photos/Crete/IMG_{n}.jpg").into(),
            item: ItemId(n),
            album: AlbumRow(1),
            title: "Crete".into(),
            state: "placed".into(),
            reason: None,
        }
    }

    #[test]
    fn a_plan_lists_what_would_leave_and_says_what_stays() {
        let two: Vec<_> = (1..3).map(leaver).collect();
        insta::assert_snapshot!(plan("nothing", &two), @r#"
        out of "Crete": /photos/Crete/IMG_1.jpg
        out of "Crete": /photos/Crete/IMG_2.jpg
        2 photos would leave, in 1 request. They stay in your Google Photos library: the service lets no program delete a photo.
        hint: the same with --yes does it
        "#);
        assert_eq!(plan("nothing is held back", &[]), "nothing is held back\n");
        let many: Vec<_> = (0..120).map(leaver).collect();
        assert!(
            plan("nothing", &many).contains("and 100 more\n120 photos would leave, in 3 requests.")
        );
    }
}
