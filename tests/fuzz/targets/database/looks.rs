//! Everything that is read of a database without changing it, up to the words of `status`.

use std::{ffi::OsStr, path::Path};

use albumen::{
    clock,
    model::ids::{AlbumRow, DirId, FileId, ItemId, OrderId, RootId},
    status::{
        Status, StatusInputs,
        summary::Tally,
        text::{self, LocalTime},
    },
    store::Reader,
};
use jiff::tz::TimeZone;

use super::told;

/// The instant of these looks, milliseconds since 1970: in the week of the rows.
pub(super) const NOW: i64 = 1_795_305_600_000;

pub(super) fn all(reader: &Reader) -> String {
    let mut ends = String::new();
    let now = clock::from_millis(NOW);
    let overview = reader.overview(now);
    if let Ok(overview) = &overview {
        let around = StatusInputs {
            now,
            running: true,
            rate: None,
            requests_per_day: 10_000,
            count_uploads: true,
            writes_per_minute: 30,
            order_calls: 2000,
            signed_in_at: None,
            client_secret_changed_at: None,
        };
        let status = Status::new(Some(overview), around);
        let here = LocalTime {
            now,
            zone: TimeZone::UTC,
        };
        let said = [text::headline(&status, &here), text::text(&status, &here)].concat();
        let raw = said.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(raw, None, "{said:?}");
        let _ = serde_json::to_string(&status).unwrap();
        let _ = Tally::of(overview);
    }
    ends += &told(&overview, 100);
    ends += &told(&reader.albums(), 101);
    ends += &told(&reader.check(), 102);
    ends += &told(&reader.refusals(), 103);
    for id in 0..3 {
        ends += &told(&reader.order(OrderId(id)), 104);
        ends += &told(&reader.known_in(DirId(id)), 105);
        ends += &told(&reader.known_named(DirId(id), OsStr::new("a.jpg")), 106);
        ends += &told(&reader.knows_files_of(RootId(id)), 107);
        ends += &told(&reader.dir(RootId(id), Path::new("d")), 108);
        ends += &told(
            &reader.each_dir(RootId(id), Path::new(""), |_, _| Ok(())),
            109,
        );
    }
    for path in ["/a/a.jpg", "/a/d/e.jpg", "/a", "/", ""] {
        ends += &told(&reader.explain(Path::new(path)), 110);
        let paths = [path.as_bytes().to_vec()];
        ends += &told(&reader.memberships_named("Holidays", &paths), 111);
        ends += &told(&reader.standing_in(Path::new(path), Path::new("d")), 112);
    }
    let roots = [RootId(1), RootId(2)];
    ends += &told(&reader.settled(&roots, now, 9), 113);
    ends += &told(&reader.next_settled(&roots), 114);
    let places: Vec<_> = (0..9).map(|n| (ItemId(n), AlbumRow(n % 3))).collect();
    ends += &told(&reader.placements_of(&places), 115);
    for file in 0..14 {
        ends += &told(&reader.afterwards(FileId(file)), 116);
    }
    ends += &told(&reader.sequence_of("Holidays"), 117);
    ends += &told(&reader.root_at(Path::new("/a")), 118);
    ends += &told(&reader.each_media_item(|_, _| ()), 119);
    ends += &told(&reader.client_id(), 120);
    ends + &told(&reader.is_published(), 121)
}
