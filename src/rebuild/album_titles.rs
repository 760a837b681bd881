//! Which album of the service is which of ours. Pure.
//!
//! Titles are compared as our own rules would write them. "Crete (2)" is the second part of "Crete",
//! unless a folder is called so, or "Crete" never was full enough to need one.

use std::collections::{HashMap, HashSet};

use crate::{
    model::album_title,
    photos_api::wire::{ALBUM_ITEMS_MAX, Album},
    store::ListedAlbum,
};

/// A title goes on in another part when the album is full; by now some of it may have been taken out
/// by hand, but hardly half of it.
const WAS_FULL: u64 = ALBUM_ITEMS_MAX / 2;

/// What each album of the service is to us, the fullest of one title first. `own` are titles that are
/// not to be taken for parts of another. Albums that no rule of ours could have named are left out.
pub(super) fn of_albums(albums: &[Album], own: &HashSet<String>) -> Vec<ListedAlbum> {
    let mut fullest: HashMap<String, u64> = HashMap::new();
    for album in albums {
        if let Some(title) = album_title::clean(&album.title) {
            let items = fullest.entry(title).or_default();
            *items = album.items().max(*items);
        }
    }
    let mut listed: Vec<(u64, ListedAlbum)> = albums
        .iter()
        .filter_map(|album| {
            let whole = album_title::clean(&album.title)?;
            let (title, part) = match split(&whole) {
                Some((base, part))
                    if !own.contains(&whole)
                        && fullest.get(base).is_some_and(|items| *items >= WAS_FULL) =>
                {
                    (base.to_owned(), part)
                }
                _ => (whole, 1),
            };
            let product_url = Some(album.product_url.clone()).filter(|url| !url.is_empty());
            let album_id = album.id.clone();
            let one = ListedAlbum {
                title,
                part,
                album_id,
                product_url,
            };
            Some((album.items(), one))
        })
        .collect();
    listed.sort_by_key(|(items, _)| std::cmp::Reverse(*items));
    listed.into_iter().map(|(_, album)| album).collect()
}

/// The title and the number behind it, if it is one that a part would have.
fn split(whole: &str) -> Option<(&str, u32)> {
    let (base, number) = whole.strip_suffix(')')?.rsplit_once(" (")?;
    let part: u32 = number.parse().ok()?;
    (part >= 2 && part.to_string() == number).then_some((base, part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::AlbumId;

    fn album(id: &str, title: &str, items: u64) -> Album {
        Album {
            id: AlbumId::new(id),
            title: title.to_owned(),
            product_url: String::new(),
            is_writeable: true,
            media_items_count: items.to_string(),
        }
    }

    fn told(albums: &[Album], own: &[&str]) -> Vec<(String, String, u32)> {
        let own = own.iter().map(|title| (*title).to_owned()).collect();
        of_albums(albums, &own)
            .into_iter()
            .map(|one| (one.album_id.to_string(), one.title, one.part))
            .collect()
    }

    #[test]
    fn a_full_album_goes_on_in_its_parts() {
        let albums = [
            album("c", "Crete (3)", 7),
            album("a", "Crete", 19_998),
            album("b", "Crete (2)", 20_000),
        ];
        let crete = |id: &str, part| (id.to_owned(), "Crete".to_owned(), part);
        assert_eq!(
            told(&albums, &[]),
            [crete("b", 2), crete("a", 1), crete("c", 3)]
        );
    }

    #[test]
    fn a_number_behind_a_title_alone_makes_no_part() {
        let albums = [album("a", "Crete", 20_000), album("b", "Crete (2)", 5)];
        assert_eq!(told(&albums, &["Crete (2)"])[1].1, "Crete (2)");
        let albums = [album("a", "Crete", 20), album("b", "Crete (2)", 5)];
        assert_eq!(told(&albums, &[])[1].1, "Crete (2)");
        for title in ["Crete (1)", "Crete (02)", "Crete(2)", "Crete (two)", "(2)"] {
            assert_eq!(split(title), None, "{title}");
        }
    }

    #[test]
    fn of_two_albums_of_one_title_the_fuller_comes_first() {
        let albums = [
            album("a", "Crete", 2),
            album("b", " Crete\n", 5),
            album("x", " ", 9),
        ];
        let ids: Vec<_> = told(&albums, &[]).into_iter().map(|one| one.0).collect();
        assert_eq!(ids, ["b", "a"]);
    }
}
