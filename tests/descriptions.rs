//! `description = "sidecar"`: what people wrote beside and inside of their pictures, from the built
//! program to the service, and what they change later.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{collections::BTreeMap, fs, path::PathBuf, time::SystemTime};

use serde_json::json;

use support::{child::Running, home::Home, library::Library, media::photo};

const PATCH: &str = "mediaItems.patch";
const CREATE: &str = "mediaItems.batchCreate";
const RULES: &str = "album = 'folder'\ndescription = 'sidecar'";

/// A picture or video as real programs write it; tests/data/README.md tells what is in each.
fn real(name: &str) -> Vec<u8> {
    fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/").to_owned() + name).unwrap()
}

fn xmp(description: &str) -> Vec<u8> {
    format!(
        "<?xpacket begin='\u{feff}' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>
         <rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
         <rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:description><rdf:Alt>
         <rdf:li xml:lang='x-default'>{description}</rdf:li></rdf:Alt></dc:description></rdf:Description>
         </rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    )
    .into_bytes()
}

fn takeout(title: &str, description: &str) -> Vec<u8> {
    let time = json!({"timestamp": "1714558272", "formatted": "May 1, 2024, 10:11:12 AM UTC"});
    json!({"title": title, "description": description, "imageViews": "0", "creationTime": time,
        "photoTakenTime": time, "url": "https://photos.google.com/photo/x"})
    .to_string()
    .into_bytes()
}

/// The descriptions that the service has, by file name.
fn described(library: &Library) -> BTreeMap<String, String> {
    let items = library.0["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| {
            let text = |name: &str| item[name].as_str().unwrap().to_owned();
            (text("filename"), text("description"))
        })
        .collect()
}

fn says(library: &Library, name: &str, text: &str) -> bool {
    described(library)
        .get(name)
        .is_some_and(|said| said == text)
}

async fn until_says(home: &Home, name: &str, text: &str) -> Library {
    let what = format!("{name} says {text:?}");
    home.until(&what, |library| says(library, name, text)).await
}

/// A home with pictures and sidecars that are up, and a daemon that runs on it.
async fn running(files: &[(&str, Vec<u8>)]) -> (Home, Running) {
    let home = Home::with_folder(RULES).await;
    let mut n = 0;
    for (name, bytes) in files {
        home.write(format!("photos/{name}"), bytes);
        n += usize::from(bytes.starts_with(b"\xff\xd8"));
    }
    let daemon = home.daemon().await;
    home.until_status("all is up", |status| status["items"]["created"] == n)
        .await;
    (home, daemon)
}

async fn stop(home: &Home, daemon: Running) -> Library {
    daemon.stop().await.expect(0);
    let library = home.library().await;
    home.clean(&library).await;
    library
}

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
async fn a_sidecar_that_changes_later_is_told_once() {
    let (home, daemon) = running(&[
        ("a.jpg", photo(1)),
        ("a.jpg.xmp", xmp("before")),
        ("b.jpg", photo(2)),
        ("b.jpg.json", takeout("b.jpg", "before")),
        ("c.jpg", photo(3)),
        ("d.jpg", photo(4)),
    ])
    .await;
    home.write("photos/a.jpg.xmp", &xmp("after"));
    until_says(&home, "a.jpg", "after").await;
    home.write("photos/b.jpg.json", &takeout("b.jpg", "after, too"));
    until_says(&home, "b.jpg", "after, too").await;
    // One that appears, moved here whole.
    let new = home.write("elsewhere/c.xmp", &xmp("found later"));
    fs::rename(new, home.path("photos/c.xmp")).unwrap();
    let library = until_says(&home, "c.jpg", "found later").await;
    assert_eq!((library.calls(PATCH), library.calls("uploads.raw")), (3, 4));
    // A touch is no change; what is told after it shows that it was seen.
    let touched = fs::File::options()
        .append(true)
        .open(home.path("photos/a.jpg.xmp"));
    touched
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    home.write("photos/d.jpg.xmp", &xmp("the last"));
    until_says(&home, "d.jpg", "the last").await;
    let library = stop(&home, daemon).await;
    assert_eq!((library.calls(PATCH), library.calls(CREATE)), (4, 1));
}

#[tokio::test]
async fn a_sidecar_that_is_deleted_takes_nothing_back() {
    let (home, daemon) = running(&[
        ("a.jpg", photo(1)),
        ("a.jpg.xmp", xmp("of the sidecar")),
        ("a.jpg.json", takeout("a.jpg", "of Takeout")),
        ("b.jpg", photo(2)),
        ("b.jpg.xmp", xmp("alone")),
    ])
    .await;
    fs::remove_file(home.path("photos/b.jpg.xmp")).unwrap();
    // The next source counts where there is one.
    fs::remove_file(home.path("photos/a.jpg.xmp")).unwrap();
    until_says(&home, "a.jpg", "of Takeout").await;
    let library = stop(&home, daemon).await;
    assert!(says(&library, "b.jpg", "alone"));
    assert_eq!(library.calls(PATCH), 1);
    let explained = home
        .run(&["explain", "photos/b.jpg"])
        .await
        .expect(0)
        .stdout;
    assert!(
        explained.contains("Google Photos keeps the one that it has: \"alone\"."),
        "{explained}"
    );
}

#[tokio::test]
async fn a_change_while_nothing_runs_is_seen_by_the_next_scan() {
    let home = Home::with_folder(RULES).await;
    home.photos("photos", 2);
    home.backfill().await;
    home.write("photos/p0000.jpg.xmp", &xmp("written at night"));
    home.backfill().await;
    let library = until_says(&home, "p0000.jpg", "written at night").await;
    assert_eq!(library.calls(PATCH), 1);
    home.write("photos/p0001.xmp", &xmp("and this"));
    let daemon = home.daemon().await;
    until_says(&home, "p0001.jpg", "and this").await;
    stop(&home, daemon).await;
}

#[tokio::test]
async fn a_folder_that_begins_to_ask_is_told_of_what_is_up_already() {
    let mut home = Home::new().await;
    home.folder("photos", "");
    home.write("photos/shutter.jpg", &real("shutter.jpg"));
    home.write("photos/a.jpg", &photo(1));
    home.backfill().await;
    let with = fs::read_to_string(home.path("config.toml")).unwrap() + "description = 'sidecar'\n";
    fs::write(home.path("config.toml"), with).unwrap();
    home.backfill().await;
    let library = home.library().await;
    assert!(says(&library, "shutter.jpg", "Grandma at the lake, á"));
    assert_eq!(library.calls(PATCH), 1);
    home.clean(&library).await;
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
async fn a_refusal_is_remembered_in_words_and_not_repeated_for_ever() {
    let home = Home::with_folder(RULES).await;
    home.photos("photos", 2);
    home.backfill().await;
    home.fault(PATCH, None, "not_found_404".into()).await;
    home.write("photos/p0000.jpg.xmp", &xmp("in vain"));
    home.backfill().await;
    let tried = home.library().await.calls(PATCH);
    assert_eq!(tried, 3);
    home.backfill().await;
    assert_eq!(home.library().await.calls(PATCH), tried);
    let explained = home
        .run(&["explain", "photos/p0000.jpg"])
        .await
        .expect(0)
        .stdout;
    assert!(
        explained.contains("Google Photos did not take a change of it: "),
        "{explained}"
    );
    // Other words are another question.
    home.no_faults().await;
    home.write("photos/p0000.jpg.xmp", &xmp("once more, with feeling"));
    home.backfill().await;
    let library = home.library().await;
    assert!(says(&library, "p0000.jpg", "once more, with feeling"));
    home.clean(&library).await;
}

#[tokio::test]
async fn trouble_of_the_service_delays_a_description_and_loses_none() {
    for trouble in [
        json!("concurrent_429"),
        json!("unavailable_503"),
        json!("cut_before"),
        json!("cut_after"),
        json!("unauthenticated_401"),
    ] {
        let home = Home::with_folder(RULES).await;
        home.photos("photos", 1);
        home.backfill().await;
        home.fault(PATCH, Some(1), trouble.clone()).await;
        home.write("photos/p0000.jpg.xmp", &xmp("in the end"));
        home.backfill().await;
        let library = home.library().await;
        assert!(says(&library, "p0000.jpg", "in the end"), "{trouble}");
        assert_eq!(library.calls(PATCH), 2, "{trouble}");
        home.clean(&library).await;
    }
}

#[tokio::test]
async fn words_that_change_while_their_picture_goes_up_are_not_lost() {
    let home = Home::with_folder(RULES).await;
    home.write("photos/a.jpg.xmp", &xmp("early"));
    home.fault(CREATE, Some(1), json!({"delay_ms": 1500})).await;
    let daemon = home.daemon().await;
    home.write("photos/a.jpg", &photo(1));
    home.until("the call came", |library| library.calls(CREATE) == 1)
        .await;
    home.write("photos/a.jpg.xmp", &xmp("late"));
    until_says(&home, "a.jpg", "late").await;
    let library = stop(&home, daemon).await;
    assert_eq!((library.calls(CREATE), library.calls(PATCH)), (1, 1));
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

#[tokio::test]
async fn words_of_a_call_whose_answer_was_lost_give_way_to_those_of_today() {
    let home = Home::with_folder(RULES).await;
    home.write("photos/a.jpg", &photo(1));
    home.write("photos/a.jpg.xmp", &xmp("of the lost call"));
    let made = json!({"hang": true, "commit": true});
    home.fault(CREATE, Some(1), made).await;
    let running = home.start(&["backfill"]);
    home.until("it was made", |library| library.n_items() == 1)
        .await;
    running.kill();
    home.write("photos/a.jpg.xmp", &xmp("of today"));
    // By then its token is dead, and the call cannot be repeated.
    home.pass(26 * 3600).await;
    home.backfill().await;
    let library = home.library().await;
    home.clean(&library).await;
    assert_eq!(described(&library)["a.jpg"], "of today");
    assert_eq!(library.calls(PATCH), 1);
}
