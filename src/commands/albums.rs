//! `albumen albums`: lists the albums, those with the most items first.

use comfy_table::{CellAlignment, Table, presets};

use super::{app::App, read_state};
use crate::{escape::Escaped, exit_code::ExitCode, status::format, store::AlbumView, ui::output};

/// Lists the albums.
pub(crate) fn run(app: &App) -> anyhow::Result<ExitCode> {
    let config = app.config_or_defaults()?;
    let albums = match read_state::reader(&config)? {
        Some(reader) => reader.albums()?,
        None => Vec::new(),
    };
    if albums.is_empty() {
        app.screen
            .say("no album is known yet; `album` of a [[folder]] names one");
        return Ok(ExitCode::Done);
    }
    output::print(&table(&albums))?;
    Ok(ExitCode::Done)
}

fn table(albums: &[AlbumView]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["TITLE", "ITEMS", "TO COME", "OUT OF ORDER", "LINK"]);
    for album in albums {
        let link = match (&album.product_url, &album.id, &album.reason) {
            (_, _, Some(reason)) => reason.as_str(),
            (Some(link), _, None) => link,
            (None, Some(_), None) => "",
            (None, None, None) => "not made yet",
        };
        table.add_row([
            Escaped::text(&album.title).to_string(),
            format::number(album.items),
            format::number(album.wanted),
            format::number(album.out_of_sequence),
            link.to_owned(),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if (1..4).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn album(title: &str, items: u64, product_url: Option<&str>) -> AlbumView {
        AlbumView {
            row: crate::model::ids::AlbumRow(1),
            title: title.into(),
            id: product_url.map(|_| "x".to_owned()),
            product_url: product_url.map(str::to_owned),
            items,
            wanted: 3,
            out_of_sequence: 1,
            reason: None,
        }
    }

    #[test]
    fn the_albums_are_a_table_with_links() {
        let albums = [
            album("Crete", 1_204, Some("https://photos.google.com/lr/album/x")),
            album("Bär", 0, None),
        ];
        insta::assert_snapshot!(table(&albums), @"
        TITLE  ITEMS  TO COME  OUT OF ORDER  LINK
        Crete  1,204        3             1  https://photos.google.com/lr/album/x
        Bär        0        3             1  not made yet
        ");
    }
}
