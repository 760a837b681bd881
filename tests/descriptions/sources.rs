//! Where words come from, and how they arrive.

use std::{collections::BTreeMap, fs, path::PathBuf};

use crate::{
    CREATE, PATCH, RULES, described, real, says,
    support::{home::Home, media::photo},
    takeout, xmp,
};

#[tokio::test]
async fn words_arrive_from_every_source() {
    let home = Home::with_folder(RULES).await;
    let mut expected = BTreeMap::new();
    let mut add = |name: &str, bytes: &[u8], text: &str| {
        home.write(format!("photos/{name}"), bytes);
        expected.insert(name.to_owned(), text.to_owned());
    };
    for (name, text) in [
        ("shutter.jpg", "Grandma at the lake, á"),
        ("phone.heic", "Tea in the garden ☕"),
        ("scan.png", "The barn"),
        ("web.webp", "Drawn by Lène"),
        ("clip.mov", "First steps"),
        ("clip.mp4", ""),
        ("edited.jpg", "Über den Dächern"),
    ] {
        add(name, &real(name), text);
    }
    for (name, text) in [
        ("a.jpg", "beside, with its end"),
        ("b.jpg", "beside, without its end"),
        ("c.jpg", "Takeout of old"),
        ("d.jpg", "Takeout of today"),
        ("e(1).jpg", "the second of a name"),
        ("f-edited.jpg", "shared with the original"),
        ("g.jpg", ""),
    ] {
        let seed = u64::from(name.as_bytes()[0]);
        add(name, &photo(seed), text);
    }
    for (name, bytes) in [
        ("a.jpg.XMP", xmp("beside, with its end")),
        ("a.jpg.json", takeout("a.jpg", "not this one")),
        ("b.xmp", xmp("beside, without its end")),
        ("c.jpg.json", takeout("c.jpg", "Takeout of old")),
        (
            "d.jpg.supplemental-me.json",
            takeout("d.jpg", "Takeout of today"),
        ),
        (
            "e.jpg.supplemental-metadata(1).json",
            takeout("e.jpg", "the second of a name"),
        ),
        ("f.jpg.json", takeout("f.jpg", "shared with the original")),
        ("g.jpg.xmp", xmp("OLYMPUS DIGITAL CAMERA")),
        ("g.jpg.json", takeout("g.jpg", "")),
    ] {
        home.write(format!("photos/{name}"), &bytes);
    }
    home.backfill().await;
    let library = home.library().await;
    home.clean(&library).await;
    assert_eq!(described(&library), expected);
    assert_eq!((library.calls(CREATE), library.calls(PATCH)), (1, 0));
    // Looking again changes nothing and asks nothing.
    let before = library.requests();
    home.backfill().await;
    assert_eq!(home.library().await.requests(), before);
}

#[tokio::test]
async fn a_folder_that_does_not_ask_for_descriptions_sends_none() {
    let home = Home::with_folder("album = 'folder'").await;
    home.write("photos/a.jpg", &photo(1));
    home.write("photos/a.jpg.xmp", &xmp("private"));
    home.write("photos/shutter.jpg", &real("shutter.jpg"));
    home.backfill().await;
    let library = home.library().await;
    assert!(described(&library).values().all(String::is_empty));
}

#[tokio::test]
async fn of_equal_files_the_first_that_has_words_decides() {
    let home = Home::with_folder(RULES).await;
    home.write("photos/a.jpg", &photo(1));
    home.write("photos/a.jpg.xmp", &xmp("the first"));
    home.backfill().await;
    home.write("photos/copy/b.jpg", &photo(1));
    home.write("photos/copy/b.jpg.xmp", &xmp("the second"));
    home.backfill().await;
    let library = home.library().await;
    assert_eq!((library.n_items(), library.calls(PATCH)), (1, 0));
    assert!(says(&library, "a.jpg", "the first"));
    let explained = home
        .run(&["explain", "photos/copy/b.jpg"])
        .await
        .expect(0)
        .stdout;
    assert!(
        explained.contains("of an equal file that came first"),
        "{explained}"
    );
}

#[tokio::test]
async fn long_words_are_cut_and_hostile_ones_do_no_harm() {
    let home = Home::with_folder(RULES).await;
    let deep = b"<a>".repeat(200_000);
    let json_deep = b"[".repeat(900_000);
    let bomb = "<!DOCTYPE a [<!ENTITY b 'boom'>]><a>&b;</a>";
    let hostile: [(&str, &[u8]); 5] = [
        ("b.jpg.xmp", &deep),
        ("c.jpg.json", &json_deep),
        ("d.jpg.xmp", bomb.as_bytes()),
        ("e.jpg.xmp", b"\xff\xfe\0\xd8"),
        ("f.jpg.json", b"\0\0\0"),
    ];
    home.write("photos/a.jpg.xmp", &xmp(&"ß🌍".repeat(1000)));
    for (name, bytes) in hostile {
        home.write(format!("photos/{name}"), bytes);
    }
    let files: Vec<PathBuf> = "abcdef"
        .chars()
        .map(|c| home.write(format!("photos/{c}.jpg"), &photo(c.into())))
        .collect();
    let ran = home.backfill().await;
    let library = home.all_there(&files).await;
    let said = described(&library);
    assert_eq!(said["a.jpg"], "ß🌍".repeat(333));
    assert!(
        said.iter()
            .all(|(name, text)| name == "a.jpg" || text.is_empty())
    );
    // No noise about what is not ours to mend.
    assert!(!ran.stderr.contains("WARN"), "{}", ran.stderr);
}

#[tokio::test]
async fn explain_tells_the_words_and_where_they_stand() {
    let home = Home::with_folder(RULES).await;
    home.write("photos/a.jpg", &photo(1));
    home.write(
        "photos/a.jpg.json",
        &takeout("a.jpg", "Anna's \"first\" day"),
    );
    let explain = || async {
        home.run(&["explain", "photos/a.jpg"])
            .await
            .expect(0)
            .stdout
    };
    let before = explain().await;
    let line = "Its description is \"Anna's \"first\" day\", from Google Takeout's a.jpg.json.\n";
    assert!(before.contains(line), "{before}");
    home.backfill().await;
    let after = explain().await;
    assert!(after.contains(line), "{after}");
    assert!(
        after.contains("Google Photos has that description.\n"),
        "{after}"
    );
    fs::remove_file(home.path("photos/a.jpg.json")).unwrap();
    let without = explain().await;
    assert!(without.contains("it has no description"), "{without}");
}
