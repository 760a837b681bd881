//! Matches files with media items, and albums of the service with ours. Pure.
//!
//! The service returns no size and no checksum (fact sheet, section 4.5), so a file is recognised by
//! its name, the time that the camera wrote, and its dimensions. A pair matches only if each is the only
//! possible partner of the other. Files of equal content count as one, and a file or item with unknown
//! properties could be any of its name.
//!
//! In doubt there is no match: a wrong match would be a photo that is never uploaded, a missing match
//! costs only an upload, because the service creates no second media item of equal bytes.

use std::collections::{HashMap, HashSet};

use crate::{
    model::album_title,
    photos_api::wire::{ALBUM_ITEMS_MAX, Album},
    store::ListedAlbum,
};

/// Time zones differ by multiples of this, in seconds.
const QUARTER: i64 = 15 * 60;

/// The largest difference of two time zones, in seconds: from -12 to +14 hours.
const ZONES_APART_MAX: i64 = 26 * 60 * 60;

/// Width and height in pixels.
pub(super) type Pixels = (u32, u32);

/// The time in a file's metadata, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A local time, for which the service may assume another time zone.
    WallClock(i64),
    /// An instant.
    Instant(i64),
}

impl Moment {
    fn exact(self, second: i64) -> bool {
        matches!(self, Self::WallClock(own) | Self::Instant(own) if own == second)
    }

    fn equals(self, second: i64) -> bool {
        let Self::WallClock(own) = self else {
            return self.exact(second);
        };
        let apart = own - second;
        apart % QUARTER == 0 && apart.abs() <= ZONES_APART_MAX
    }
}

/// The known properties of a file.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// Its name, as sent to the service.
    pub(super) name: Box<str>,
    /// When it was taken, if its metadata says so.
    pub(super) moment: Option<Moment>,
    /// Its dimensions.
    pub(super) pixels: Option<Pixels>,
    /// Files with the same number have the same bytes.
    pub(super) content: usize,
}

/// The known properties of a media item.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its name.
    pub(super) name: Box<str>,
    /// When it was taken, in seconds since 1970.
    pub(super) second: Option<i64>,
    /// Its dimensions.
    pub(super) pixels: Option<Pixels>,
}

/// Why a file has no match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Unsure {
    /// There is no media item of its name.
    NoSuchName,
    /// Its metadata has no time.
    Undated,
    /// The item of its name has another time.
    OtherTime,
    /// The item of its name and time has other dimensions.
    OtherSize,
    /// Dimensions are unknown, and the rest is not enough.
    UnknownSize,
    /// Several items or several files are possible.
    Several,
}

impl Unsure {
    /// All of them, in the order of the report.
    pub(super) const ALL: [Self; 6] = [
        Self::NoSuchName,
        Self::Several,
        Self::Undated,
        Self::OtherTime,
        Self::OtherSize,
        Self::UnknownSize,
    ];

    /// The words of the report.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NoSuchName => "no item in Google Photos has this name",
            Self::Undated => "the file does not say when it was taken",
            Self::OtherTime => "the item of this name was taken at another time",
            Self::OtherSize => "the item of this name has other dimensions",
            Self::UnknownSize => "the dimensions are not known",
            Self::Several => "several items or several files could be meant",
        }
    }
}

/// For each file the number of its media item, or why it has none. Files of different content never get
/// the same item.
pub(super) fn matches(files: &[File], items: &[Item]) -> Vec<Result<usize, Unsure>> {
    let mut verdicts = vec![Err(Unsure::NoSuchName); files.len()];
    let mut groups: HashMap<&str, Group> = HashMap::new();
    for (number, item) in items.iter().enumerate() {
        groups.entry(&item.name).or_default().items.push(number);
    }
    for (number, file) in files.iter().enumerate() {
        if let Some(group) = groups.get_mut(&*file.name) {
            group.files.push(number);
        }
    }
    for group in groups.values() {
        for (file, verdict) in group.verdicts(files, items) {
            if let Some(place) = verdicts.get_mut(file) {
                *place = verdict;
            }
        }
    }
    verdicts
}

/// The numbers of the files and items of one name.
#[derive(Debug, Default)]
struct Group {
    files: Vec<usize>,
    items: Vec<usize>,
}

impl Group {
    fn verdicts(&self, files: &[File], items: &[Item]) -> Vec<(usize, Result<usize, Unsure>)> {
        let files: Vec<(usize, &File)> = numbered(&self.files, files);
        let items: Vec<(usize, &Item)> = numbered(&self.items, items);
        let judge = |(number, file): &(usize, &File)| (*number, verdict(file, &files, &items));
        files.iter().map(judge).collect()
    }
}

fn numbered<'a, T>(numbers: &[usize], all: &'a [T]) -> Vec<(usize, &'a T)> {
    let one = |number: &usize| Some((*number, all.get(*number)?));
    numbers.iter().filter_map(one).collect()
}

fn verdict(
    file: &File,
    files: &[(usize, &File)],
    items: &[(usize, &Item)],
) -> Result<usize, Unsure> {
    let Some(moment) = file.moment else {
        return Err(Unsure::Undated);
    };
    let mut possible = items.iter().filter(|(_, item)| may_be(file, item));
    let Some(&(number, item)) = possible.next() else {
        let has_time =
            |(_, item): &(usize, &Item)| item.second.is_some_and(|second| moment.equals(second));
        let is_size = items.iter().any(has_time);
        return Err(if is_size {
            Unsure::OtherSize
        } else {
            Unsure::OtherTime
        });
    };
    let others = files
        .iter()
        .filter(|(_, other)| other.content != file.content);
    let is_contested = others.clone().any(|(_, other)| may_be(other, item));
    if possible.next().is_some() || is_contested {
        return Err(Unsure::Several);
    }
    let Some(second) = item.second.filter(|second| moment.equals(*second)) else {
        return Err(Unsure::OtherTime);
    };
    match (file.pixels, item.pixels) {
        (Some(_), Some(_)) => Ok(number),
        _ if items.len() == 1 && others.count() == 0 && moment.exact(second) => Ok(number),
        _ => Err(Unsure::UnknownSize),
    }
}

/// Whether the file could be this item of the same name. Unknown properties match everything.
fn may_be(file: &File, item: &Item) -> bool {
    let time = match (file.moment, item.second) {
        (Some(moment), Some(second)) => moment.equals(second),
        _ => true,
    };
    let size = match (file.pixels, item.pixels) {
        // The service may rotate a photo.
        (Some((w, h)), Some(of_item)) => of_item == (w, h) || of_item == (h, w),
        _ => true,
    };
    time && size
}

/// The number of items that an album with further parts has at least: it was full, and users hardly
/// removed half of it.
const ONCE_FULL: u64 = ALBUM_ITEMS_MAX / 2;

/// The title and part of each album of the service, the fullest first. "Crete (2)" is the second part of
/// "Crete", unless a folder has that name (`own`), or "Crete" never was full. Titles are compared as our
/// own rules would write them; albums that no rule could have named are left out.
pub(super) fn album_parts(albums: &[Album], own: &HashSet<String>) -> Vec<ListedAlbum> {
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
            let (title, part) = match split_part(&whole) {
                Some((base, part))
                    if !own.contains(&whole)
                        && fullest.get(base).is_some_and(|items| *items >= ONCE_FULL) =>
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

/// Splits a title into that of the first part and the number of the part, if it has one.
fn split_part(whole: &str) -> Option<(&str, u32)> {
    let (base, number) = whole.strip_suffix(')')?.rsplit_once(" (")?;
    let part: u32 = number.parse().ok()?;
    (part >= 2 && part.to_string() == number).then_some((base, part))
}

/// For each item of an album, in the album's order, whether it belongs to the longest increasing
/// subsequence of keys. The writer inserts items between two of these; the others were added by hand, or
/// at the end. Items without a key are not ours and do not belong to it.
pub(super) fn longest_increasing(keys: &[Option<&[u8]>]) -> Vec<bool> {
    // For each length, where the subsequence with the lowest last key ends.
    let mut ends: Vec<(usize, &[u8])> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; keys.len()];
    for (place, key) in keys.iter().enumerate() {
        let Some(key) = *key else { continue };
        let length = ends.partition_point(|(_, end)| *end < key);
        let previous = length.checked_sub(1).and_then(|shorter| ends.get(shorter));
        if let Some(slot) = before.get_mut(place) {
            *slot = previous.map(|(end, _)| *end);
        }
        match ends.get_mut(length) {
            Some(end) => *end = (place, key),
            None => ends.push((place, key)),
        }
    }
    let mut belongs = vec![false; keys.len()];
    let mut at = ends.last().map(|(end, _)| *end);
    while let Some(place) = at {
        if let Some(slot) = belongs.get_mut(place) {
            *slot = true;
        }
        at = before.get(place).copied().flatten();
    }
    belongs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_714_564_800;

    fn file(name: &str, moment: Option<Moment>, pixels: Option<Pixels>, content: usize) -> File {
        File {
            name: name.into(),
            moment,
            pixels,
            content,
        }
    }

    fn photo(content: usize) -> File {
        file(
            "a.jpg",
            Some(Moment::WallClock(NOON)),
            Some((40, 30)),
            content,
        )
    }

    fn item(second: i64, pixels: Option<Pixels>) -> Item {
        Item {
            name: "a.jpg".into(),
            second: Some(second),
            pixels,
        }
    }

    fn one(file: File, items: &[Item]) -> Result<usize, Unsure> {
        matches(&[file], items)[0]
    }

    #[test]
    fn name_time_and_dimensions_are_a_match() {
        assert_eq!(one(photo(0), &[item(NOON, Some((40, 30)))]), Ok(0));
        let upright = [item(NOON, Some((30, 40)))];
        assert_eq!(one(photo(0), &upright), Ok(0));
    }

    #[test]
    fn each_difference_is_told() {
        let mut other = item(NOON, Some((40, 30)));
        other.name = "b.jpg".into();
        assert_eq!(one(photo(0), &[other]), Err(Unsure::NoSuchName));
        let items = [item(NOON + 1, Some((40, 30)))];
        assert_eq!(one(photo(0), &items), Err(Unsure::OtherTime));
        let items = [item(NOON, Some((41, 30)))];
        assert_eq!(one(photo(0), &items), Err(Unsure::OtherSize));
        let undated = file("a.jpg", None, Some((40, 30)), 0);
        let items = [item(NOON, Some((40, 30)))];
        assert_eq!(one(undated, &items), Err(Unsure::Undated));
    }

    #[test]
    fn a_wall_clock_may_be_read_in_another_zone_and_an_instant_may_not() {
        let items = [item(NOON - 7200, Some((40, 30)))];
        assert_eq!(one(photo(0), &items), Ok(0));
        let video = file("a.jpg", Some(Moment::Instant(NOON)), Some((40, 30)), 0);
        assert_eq!(one(video, &items), Err(Unsure::OtherTime));
        let items = [item(NOON - 7201, Some((40, 30)))];
        assert_eq!(one(photo(0), &items), Err(Unsure::OtherTime));
        let items = [item(NOON - 27 * 3600, Some((40, 30)))];
        assert_eq!(one(photo(0), &items), Err(Unsure::OtherTime));
    }

    #[test]
    fn two_of_one_kind_on_either_side_are_not_sure_unless_their_bytes_are_equal() {
        let items = [item(NOON, Some((40, 30))), item(NOON, Some((40, 30)))];
        assert_eq!(one(photo(0), &items), Err(Unsure::Several));
        let verdicts = matches(&[photo(0), photo(1)], &items[..1]);
        assert_eq!(verdicts, [Err(Unsure::Several); 2]);
        let verdicts = matches(&[photo(0), photo(0)], &items[..1]);
        assert_eq!(verdicts, [Ok(0); 2]);
    }

    #[test]
    fn an_undated_file_of_the_same_name_and_size_could_be_the_item_too() {
        let undated = file("a.jpg", None, Some((40, 30)), 1);
        let verdicts = matches(&[photo(0), undated], &[item(NOON, Some((40, 30)))]);
        assert_eq!(verdicts[0], Err(Unsure::Several));
        let other_size = file("a.jpg", None, Some((80, 60)), 1);
        let verdicts = matches(&[photo(0), other_size], &[item(NOON, Some((40, 30)))]);
        assert_eq!(verdicts[0], Ok(0));
    }

    #[test]
    fn without_dimensions_the_name_must_be_alone_and_the_time_exact() {
        let raw = file("a.jpg", Some(Moment::WallClock(NOON)), None, 0);
        assert_eq!(one(raw.clone(), &[item(NOON, Some((40, 30)))]), Ok(0));
        let items = [item(NOON - 7200, Some((40, 30)))];
        assert_eq!(one(raw.clone(), &items), Err(Unsure::UnknownSize));
        let items = [item(NOON, None), item(NOON + 9, None)];
        assert_eq!(one(raw, &items), Err(Unsure::UnknownSize));
    }

    /// A content: its name, time and dimensions, out of so few that many are alike.
    fn content() -> impl Strategy<Value = (u8, i64, u32, bool, bool)> {
        (0..3_u8, 0..3_i64, 1..3_u32, any::<bool>(), any::<bool>())
    }

    proptest! {
        /// Files and items are made of contents; each side may lack some and may hide what it knows.
        #[test]
        fn no_item_is_given_to_two_contents_and_what_is_unique_is_found(
            contents in proptest::collection::vec(content(), 1..8),
            here in proptest::collection::vec(any::<bool>(), 8),
            there in proptest::collection::vec(any::<bool>(), 8),
        ) {
            let name = |n: u8| format!("{n}.jpg").into_boxed_str();
            let mut files = Vec::new();
            let mut items = Vec::new();
            let mut content_of_item = Vec::new();
            for (number, (n, minute, width, dated, sized)) in contents.iter().enumerate() {
                let second = NOON + minute * 60;
                if here[number] {
                    files.push(File {
                        name: name(*n),
                        moment: dated.then_some(Moment::WallClock(second)),
                        pixels: sized.then_some((*width, 9)),
                        content: number,
                    });
                }
                if there[number] {
                    items.push(Item { name: name(*n), second: Some(second), pixels: Some((*width, 9)) });
                    content_of_item.push(number);
                }
            }
            let verdicts = matches(&files, &items);
            let mut taken: HashMap<usize, usize> = HashMap::new();
            for (file, verdict) in files.iter().zip(&verdicts) {
                if let Ok(item) = verdict {
                    let holder = taken.entry(*item).or_insert(file.content);
                    prop_assert_eq!(*holder, file.content);
                    // Nothing else that is known could be meant.
                    let named = items.iter().filter(|other| other.name == file.name);
                    let alike = named.filter(|other| may_be(file, other)).count();
                    prop_assert_eq!(alike, 1);
                    let (n, minute, width, ..) = contents[content_of_item[*item]];
                    prop_assert_eq!(&*file.name, &*name(n));
                    prop_assert_eq!(file.moment, Some(Moment::WallClock(NOON + minute * 60)));
                    if let Some(pixels) = file.pixels {
                        prop_assert_eq!(pixels, (width, 9));
                    }
                }
            }
            // A content whose name nobody else has is found if it is dated.
            for (file, verdict) in files.iter().zip(&verdicts) {
                let own = contents[file.content];
                let alone = contents.iter().filter(|other| other.0 == own.0).count() == 1;
                if alone && own.3 && there[file.content] {
                    prop_assert!(verdict.is_ok(), "{verdict:?}");
                }
            }
        }
    }
}

#[cfg(test)]
mod album_tests {
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

    fn parts(albums: &[Album], own: &[&str]) -> Vec<(String, String, u32)> {
        let own = own.iter().map(|title| (*title).to_owned()).collect();
        album_parts(albums, &own)
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
            parts(&albums, &[]),
            [crete("b", 2), crete("a", 1), crete("c", 3)]
        );
    }

    #[test]
    fn a_number_behind_a_title_alone_makes_no_part() {
        let albums = [album("a", "Crete", 20_000), album("b", "Crete (2)", 5)];
        assert_eq!(parts(&albums, &["Crete (2)"])[1].1, "Crete (2)");
        let albums = [album("a", "Crete", 20), album("b", "Crete (2)", 5)];
        assert_eq!(parts(&albums, &[])[1].1, "Crete (2)");
        for title in ["Crete (1)", "Crete (02)", "Crete(2)", "Crete (two)", "(2)"] {
            assert_eq!(split_part(title), None, "{title}");
        }
    }

    #[test]
    fn of_two_albums_of_one_title_the_fuller_comes_first() {
        let albums = [
            album("a", "Crete", 2),
            album("b", " Crete\n", 5),
            album("x", " ", 9),
        ];
        let ids: Vec<_> = parts(&albums, &[]).into_iter().map(|one| one.0).collect();
        assert_eq!(ids, ["b", "a"]);
    }
}

#[cfg(test)]
mod order_tests {
    use proptest::prelude::*;

    use super::*;

    fn run(keys: &[Option<u8>]) -> Vec<usize> {
        let bytes: Vec<Option<[u8; 1]>> = keys.iter().map(|key| key.map(|key| [key])).collect();
        let keys: Vec<Option<&[u8]>> = bytes
            .iter()
            .map(|key| key.as_ref().map(|key| &key[..]))
            .collect();
        let belongs = longest_increasing(&keys);
        (0..keys.len()).filter(|place| belongs[*place]).collect()
    }

    #[test]
    fn an_item_added_at_the_end_is_out_of_sequence() {
        assert_eq!(run(&[Some(1), Some(3), Some(5), Some(2)]), [0, 1, 2]);
        assert_eq!(run(&[Some(1), None, Some(3)]), [0, 2]);
        assert_eq!(run(&[]), [0; 0]);
    }

    fn length_by_trial(keys: &[Option<u8>]) -> usize {
        let all = 0..1_u32 << keys.len();
        let rising = |set: u32| {
            let chosen: Vec<_> = (0..keys.len())
                .filter(|place| set & 1 << place != 0)
                .map(|place| keys[place])
                .collect();
            let is_run = chosen.iter().all(Option::is_some)
                && chosen.windows(2).all(|pair| pair[0] < pair[1]);
            is_run.then_some(chosen.len())
        };
        all.filter_map(rising).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn the_run_rises_and_no_longer_one_exists(
            keys in proptest::collection::vec(proptest::option::of(0_u8..12), 0..10),
        ) {
            let found = run(&keys);
            for pair in found.windows(2) {
                prop_assert!(keys[pair[0]] < keys[pair[1]]);
            }
            prop_assert!(found.iter().all(|place| keys[*place].is_some()));
            prop_assert_eq!(found.len(), length_by_trial(&keys));
        }
    }
}
