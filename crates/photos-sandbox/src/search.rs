//! The filters of `mediaItems.search` (fact sheet, section 4.2).
//!
//! The sandbox sees dates and kinds, not what a picture shows: a wanted category other than `NONE`
//! matches nothing, an unwanted one excludes nothing, and nobody has favourites.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::Value;

use super::{
    answer::Refusal,
    clock::Millis,
    library::{Item, Library},
};

/// A search without an album.
#[derive(Debug)]
pub(super) struct Search {
    dates: Option<Dates>,
    wants_videos: Option<bool>,
    /// Whether a filter is set that nothing here can pass.
    matches_nothing: bool,
    oldest_first: Option<bool>,
}

#[derive(Debug)]
struct Dates {
    days: Vec<Day>,
    ranges: Vec<(Day, Day)>,
}

/// Year, month and day; a zero stands for any.
type Day = (i64, i64, i64);

impl Search {
    /// Reads and checks the filters.
    pub(super) fn of(filters: &Value, order_by: &str) -> Result<Self, Refusal> {
        let dates = dates(&filters["dateFilter"])?;
        let oldest_first = match order_by {
            "" => None,
            "MediaMetadata.creation_time" => Some(true),
            "MediaMetadata.creation_time desc" => Some(false),
            _ => return Err(bad("Invalid order by.")),
        };
        let others = ["contentFilter", "mediaTypeFilter", "featureFilter"];
        let has_others = others.iter().any(|name| !filters[*name].is_null());
        if oldest_first.is_some() && (dates.is_none() || has_others) {
            return Err(bad(
                "Order by needs a date filter, and works with no other.",
            ));
        }
        Ok(Self {
            dates,
            wants_videos: wants_videos(&filters["mediaTypeFilter"])?,
            matches_nothing: content(&filters["contentFilter"])?
                || list(&filters["featureFilter"]["includedFeatures"]).contains(&"FAVORITES"),
            oldest_first,
        })
    }

    /// The items that match, of those given.
    pub(super) fn run(&self, library: &Library, ids: &[String]) -> Vec<String> {
        let mut found: Vec<&Item> = ids.iter().filter_map(|id| library.items.get(id)).collect();
        found.retain(|item| self.matches(item));
        let taken = |item: &&Item| item.media.taken;
        match self.oldest_first {
            Some(true) => found.sort_by_key(taken),
            Some(false) => found.sort_by_key(|item| std::cmp::Reverse(taken(item))),
            None => {}
        }
        found.into_iter().map(|item| item.id.clone()).collect()
    }

    fn matches(&self, item: &Item) -> bool {
        let kind = self
            .wants_videos
            .is_none_or(|videos| videos == item.media.is_video);
        // What has no date of its own is never matched by one.
        let date = match (&self.dates, item.media.taken) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(dates), Some(taken)) => dates.hold(day_of(taken)),
        };
        kind && date && !self.matches_nothing
    }
}

impl Dates {
    fn hold(&self, day: Date) -> bool {
        let day = (day.year().into(), day.month().into(), day.day().into());
        let any = |wanted: i64, is: i64| wanted == 0 || wanted == is;
        let is_day =
            |wanted: &Day| any(wanted.0, day.0) && any(wanted.1, day.1) && any(wanted.2, day.2);
        let in_range = |(start, end): &(Day, Day)| {
            // An open end of a range reaches as far as its month or year does.
            let last = |n: i64| if n == 0 { i64::MAX } else { n };
            *start <= day && day <= (last(end.0), last(end.1), last(end.2))
        };
        self.days.iter().any(is_day) || self.ranges.iter().any(in_range)
    }
}

fn day_of(taken: Millis) -> Date {
    Timestamp::from_millisecond(taken)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .date()
}

fn dates(filter: &Value) -> Result<Option<Dates>, Refusal> {
    if filter.is_null() {
        return Ok(None);
    }
    let all = |name: &str| filter[name].as_array().map_or(&[][..], Vec::as_slice);
    let (days, ranges) = (all("dates"), all("ranges"));
    if days.len() > 5 || ranges.len() > 5 {
        return Err(bad("Date filter must have at most 5 dates and 5 ranges."));
    }
    let range = |range: &Value| Ok((day(&range["startDate"])?, day(&range["endDate"])?));
    Ok(Some(Dates {
        days: days.iter().map(day).collect::<Result<_, _>>()?,
        ranges: ranges.iter().map(range).collect::<Result<_, _>>()?,
    }))
}

fn day(date: &Value) -> Result<Day, Refusal> {
    let part = |name: &str| date[name].as_i64().unwrap_or(0);
    let day = (part("year"), part("month"), part("day"));
    // Whole months and years, and days of every year; nothing else may be open.
    let is_allowed = matches!(day, (1.., 1.., _) | (1.., 0, 0) | (0, 1.., 1..));
    let in_bounds =
        (0..=9999).contains(&day.0) && (0..=12).contains(&day.1) && (0..=31).contains(&day.2);
    if is_allowed && in_bounds {
        Ok(day)
    } else {
        Err(bad("Invalid date in date filter."))
    }
}

fn wants_videos(filter: &Value) -> Result<Option<bool>, Refusal> {
    if filter.is_null() {
        return Ok(None);
    }
    match list(&filter["mediaTypes"]).as_slice() {
        ["ALL_MEDIA"] => Ok(None),
        ["VIDEO"] => Ok(Some(true)),
        ["PHOTO"] => Ok(Some(false)),
        _ => Err(bad("Media type filter must have exactly one media type.")),
    }
}

/// Checks a filter of categories, and tells whether it lets nothing through.
fn content(filter: &Value) -> Result<bool, Refusal> {
    let included = list(&filter["includedContentCategories"]);
    let excluded = list(&filter["excludedContentCategories"]);
    if included.len() > 10 || excluded.len() > 10 {
        return Err(bad(
            "Content filter must have at most 10 categories of a kind.",
        ));
    }
    if included.iter().any(|category| excluded.contains(category)) {
        return Err(bad("A content category must not be included and excluded."));
    }
    Ok(!included.is_empty() && !included.contains(&"NONE"))
}

fn list(value: &Value) -> Vec<&str> {
    let all = value.as_array().map_or(&[][..], Vec::as_slice);
    all.iter().filter_map(Value::as_str).collect()
}

fn bad(message: &str) -> Refusal {
    Refusal::broken("search", message)
}
