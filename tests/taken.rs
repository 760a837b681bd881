//! The order of an album by `taken`, over files as real programs write them, through the built program.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{fs, time::SystemTime};

use support::{home::Home, media::photo};

const RULES: &str = "album = 'name:Holidays'\norder = 'taken'\ntimezone = 'America/New_York'";

/// Copies a file of tests/data, whose README tells when each was taken. Its time on disk says nothing.
fn copy(home: &Home, name: &str, as_name: &str) {
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/").to_owned() + name;
    let path = home.write(format!("photos/{as_name}"), &fs::read(from).unwrap());
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
}

#[tokio::test]
async fn an_album_of_all_kinds_stands_in_the_order_in_which_it_was_taken() {
    let home = Home::with_folder(RULES).await;
    // Named against their order, so that no name helps.
    for (name, as_name) in [
        ("shutter.jpg", "z.jpg"),
        ("phone.heic", "y.heic"),
        ("scan.png", "x.png"),
        ("web.webp", "w.webp"),
        ("clip.mov", "v.mov"),
        ("clip.mp4", "u.mp4"),
        ("edited.jpg", "t.jpg"),
        ("chart.png", "s.png"),
    ] {
        copy(&home, name, as_name);
    }
    // By its name: 17:30 UTC in New York's summer; what has nothing else has its time on disk.
    copy_photo(&home, "IMG_20240501_133000.jpg", 1);
    copy_photo(&home, "nothing.jpg", 2);
    home.backfill().await;
    let library = home.library().await;
    home.clean(&library).await;
    assert_eq!(
        library.names_in("Holidays"),
        [
            "nothing.jpg",
            "z.jpg",
            "y.heic",
            "x.png",
            "w.webp",
            "v.mov",
            "u.mp4",
            "t.jpg",
            "s.png",
            "IMG_20240501_133000.jpg"
        ]
    );
}

fn copy_photo(home: &Home, name: &str, seed: u64) {
    let path = home.write(format!("photos/{name}"), &photo(seed));
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
}
