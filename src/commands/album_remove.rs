//! `albumen album remove`: shows what would leave an album, and with `--yes` removes it.

use std::fmt::Write as _;

use super::{app::App, backfill, delegate, read_state};
use crate::{
    cli,
    escape::Escaped,
    exit_code::ExitCode,
    status::format,
    store::{AlbumMembership, OrderKind},
    ui::{error_report::Failure, output},
};

/// So many files are listed one by one.
const MAX_LISTED: usize = 20;

/// The most items of one call (fact sheet, section 5.1).
const ITEMS_PER_CALL: u64 = 50;

/// A limit of the service for every program.
const STAYS: &str =
    "They stay in your Google Photos library: the service lets no program delete a photo.";

/// Removes items from an album.
pub(crate) async fn run(app: &App, flags: &cli::AlbumRemove) -> anyhow::Result<ExitCode> {
    let config = app.config()?;
    let reader = || read_state::reader(&config);
    let members = match &flags.album {
        None if flags.yes => Vec::new(),
        None => {
            let held = reader()?.map_or_else(|| Ok(Vec::new()), |reader| reader.held_back())?;
            output::print(&plan("nothing is held back", &held))?;
            return Ok(ExitCode::Done);
        }
        Some(album) => {
            let paths = backfill::to_bytes(&app.absolute(&flags.paths));
            let known = match reader()? {
                Some(reader) => reader.memberships_named(album, &paths)?,
                None => None,
            };
            let mut members = known.ok_or_else(|| unknown(album))?;
            members.retain(|it| matches!(it.state.as_str(), "wanted" | "placed" | "refused"));
            if !flags.yes || members.is_empty() {
                let nothing = format!("nothing of that is in \"{}\"", Escaped::text(album));
                output::print(&plan(&nothing, &members))?;
                return Ok(ExitCode::Done);
            }
            members
        }
    };
    let places = members.iter().map(|it| (it.item.0, it.album.0)).collect();
    delegate::run(
        app,
        &config,
        OrderKind::Remove {
            places,
            held: flags.held,
        },
    )
    .await
}

fn unknown(album: &str) -> Failure {
    let message = format!("no album \"{}\" is known here", Escaped::text(album));
    Failure::new(ExitCode::Unusable, message)
        .hint("`albumen albums` lists those that Albumen made; others it cannot change")
}

/// Lists what would be removed; `nothing` is the message if that is nothing.
fn plan(nothing: &str, members: &[AlbumMembership]) -> String {
    if members.is_empty() {
        return format!("{nothing}\n");
    }
    let mut text = String::new();
    for member in members.iter().take(MAX_LISTED) {
        let (path, title) = (Escaped::path(&member.path), Escaped::text(&member.title));
        let _ = writeln!(text, "out of \"{title}\": {path}");
    }
    let n = members.len() as u64;
    if members.len() > MAX_LISTED {
        let _ = writeln!(text, "and {} more", format::number(n - MAX_LISTED as u64));
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

    fn member(n: i64) -> AlbumMembership {
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
    fn a_plan_lists_what_would_be_removed_and_says_what_stays() {
        let two: Vec<_> = (1..3).map(member).collect();
        insta::assert_snapshot!(plan("nothing", &two), @r#"
        out of "Crete": /photos/Crete/IMG_1.jpg
        out of "Crete": /photos/Crete/IMG_2.jpg
        2 photos would leave, in 1 request. They stay in your Google Photos library: the service lets no program delete a photo.
        hint: the same with --yes does it
        "#);
        assert_eq!(plan("nothing is held back", &[]), "nothing is held back\n");
        let many: Vec<_> = (0..120).map(member).collect();
        assert!(
            plan("nothing", &many).contains("and 100 more\n120 photos would leave, in 3 requests.")
        );
    }
}
