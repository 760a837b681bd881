//! Which file is which media item. Pure.
//!
//! The service tells no size and no checksum (fact sheet, section 4.5), so a file is known again by
//! what both sides have: the name, the time that the camera wrote, the dimensions. That is sure only
//! if nothing else could be meant: a pair counts if each is the only one that the other could be.
//! Files of equal content are one here, and a file or an item about which something is unknown could
//! be anything of its name.
//!
//! What is not sure is left alone, because a wrong match would be a photo that never goes up, and a
//! missing match costs only its bytes: the service makes no second media item of them.

use std::collections::HashMap;

/// Zones differ by whole quarters of an hour.
const QUARTER: i64 = 15 * 60;

/// The most that two zones differ, in seconds: from -12 to +14 hours.
const ZONES_APART: i64 = 26 * 60 * 60;

/// Width and height in pixels.
pub(super) type Pixels = (u32, u32);

/// When something was taken, by what its own bytes say, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A wall clock, which the service may read in another zone than we do.
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
        apart % QUARTER == 0 && apart.abs() <= ZONES_APART
    }
}

/// What is known of a file.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// Its name, as it is sent to the service.
    pub(super) name: Box<str>,
    /// When it was taken; none if only its name or its last change would say so.
    pub(super) moment: Option<Moment>,
    /// Its dimensions.
    pub(super) pixels: Option<Pixels>,
    /// Files of the same number have the same bytes.
    pub(super) content: usize,
}

/// What is known of a media item.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its name.
    pub(super) name: Box<str>,
    /// When it was taken, in seconds since 1970.
    pub(super) second: Option<i64>,
    /// Its dimensions.
    pub(super) pixels: Option<Pixels>,
}

/// Why a file is left to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Unsure {
    /// No media item has its name.
    NoSuchName,
    /// It does not say when it was taken.
    Undated,
    /// What has its name was taken at another time.
    OtherTime,
    /// What has its name and time has other dimensions.
    OtherSize,
    /// Dimensions are missing, and the rest does not make up for them.
    UnknownSize,
    /// It could be several, or several could be the one.
    Several,
}

impl Unsure {
    /// All of them, in the order in which they are told.
    pub(super) const ALL: [Self; 6] = [
        Self::NoSuchName,
        Self::Several,
        Self::Undated,
        Self::OtherTime,
        Self::OtherSize,
        Self::UnknownSize,
    ];

    /// In words.
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

/// For each file the number of its media item, or why there is none. No two files of different
/// content get the same one.
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

/// What has one name, by number.
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

/// Whether the file could be this item, whose name it has. What is unknown speaks against nothing.
fn may_be(file: &File, item: &Item) -> bool {
    let time = match (file.moment, item.second) {
        (Some(moment), Some(second)) => moment.equals(second),
        _ => true,
    };
    let size = match (file.pixels, item.pixels) {
        // The service may show a photo upright that lies on its side in the file.
        (Some((w, h)), Some(of_item)) => of_item == (w, h) || of_item == (h, w),
        _ => true,
    };
    time && size
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
