//! File names are bytes: all of them but the zero and the slash.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::support::{child::Ran, home::Home, media::photo};

/// Whether a terminal or a log would do more than show it: control characters but the newline that
/// ends a line, and marks that turn the text around.
fn is_raw(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn nothing_raw(ran: &Ran) {
    for said in [&ran.stdout, &ran.stderr] {
        let raw = said.find(is_raw);
        let around = raw.map(|at| said[at..].chars().take(60).collect::<String>());
        assert_eq!(around, None);
    }
}

/// Nor anything that is no UTF-8, which was replaced when it was read. Titles may have that in them.
#[track_caller]
fn only_text(ran: &Ran) {
    nothing_raw(ran);
    let broken = |said: &str| said.contains('\u{fffd}');
    assert!(!broken(&ran.stdout) && !broken(&ran.stderr), "{ran:#?}");
}

/// Makes a photo of this name, unlike all others.
fn named(home: &Home, name: &[u8], seed: u64) -> PathBuf {
    home.write(
        Path::new("photos").join(OsStr::from_bytes(name)),
        &photo(seed),
    )
}

fn every_byte(home: &Home) -> Vec<PathBuf> {
    (1..=255)
        .filter(|byte| *byte != b'/')
        .map(|byte| {
            named(
                home,
                &[b"a", &[byte][..], b"b.jpg"].concat(),
                u64::from(byte),
            )
        })
        .collect()
}

const STRANGE: [&[u8]; 9] = [
    b"two\nlines.jpg",
    b"ERROR albumen: forged\nERROR line.jpg",
    b"\x1b[2J\x1b]0;title\x07.jpg",
    b"\xc2\x9b31m.jpg",
    "gpj.\u{202e}exe.jpg".as_bytes(),
    b"\xff\xfe\xed\xa0\x80.jpg",
    b"%s%n%00.jpg",
    b"-rf.jpg",
    b" .jpg",
];

fn strange(home: &Home) -> Vec<PathBuf> {
    let longest = [&[b'x'; 251][..], b".jpg"].concat();
    let longest_bytes = [&[0xe9; 251][..], b".jpg"].concat();
    STRANGE
        .into_iter()
        .chain([&longest[..], &longest_bytes[..]])
        .zip(1000..)
        .map(|(name, seed)| named(home, name, seed))
        .collect()
}

#[tokio::test]
async fn a_file_of_any_name_goes_up_once_and_is_never_shown_raw() {
    let home = Home::with_folder("album = 'folder'").await;
    let mut files = every_byte(&home);
    files.extend(strange(&home));
    // Refused ones are spoken of, too.
    let refused = home.write(
        Path::new("photos").join(OsStr::from_bytes(b"no\x1b[31m\nphoto\xff.jpg")),
        b"text",
    );
    only_text(&home.run(&["backfill", "-vv"]).await.expect(0));
    home.all_there(&files).await;
    only_text(&home.backfill().await);
    home.all_there(&files).await;
    only_text(&home.run(&["status"]).await.expect(0));
    only_text(&home.run(&["status", "--json"]).await.expect(0));
    only_text(&home.run(&["albums"]).await.expect(0));
    files.push(refused);
    // The strangest are the last.
    let strangest = files.iter().rev().take(STRANGE.len() + 3);
    for file in strangest.chain(files.iter().step_by(17)) {
        let ran = home.run(&[OsStr::new("explain"), file.as_os_str()]).await;
        only_text(&ran.expect(0));
        let ran = home.run(&[OsStr::new("retry"), file.as_os_str()]).await;
        only_text(&ran);
        let paths = ["backfill", "-vv", "--log-format", "json"].map(OsStr::new);
        let ran = home.run(&[&paths[..], &[file.as_os_str()]].concat()).await;
        only_text(&ran);
    }
    let ran = home.run(&["backfill", "--dry-run"]).await;
    only_text(&ran.expect(0));
    only_text(&home.run(&["verify"]).await.expect(0));
    only_text(&home.run(&["doctor"]).await);
}

#[tokio::test]
async fn what_failed_of_any_name_is_never_shown_raw() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("retry.max_attempts", "1");
    strange(&home);
    // All of them fail, in whatever way, and are spoken of.
    let body = json!({"error": {"code": 3, "status": "INVALID_ARGUMENT",
        "message": "no\u{1b}[31m\n\u{202e}such\u{7} thing"}});
    let action = json!({"answer": {"status": 400, "body": body}});
    home.fault("mediaItems.batchCreate", None, action).await;
    only_text(&home.run(&["backfill", "-vv"]).await.expect(1));
    only_text(&home.run(&["status"]).await.expect(0));
    let status = home.run(&["status", "--json"]).await.expect(0);
    only_text(&status);
    assert!(status.stdout.contains("such"), "{}", status.stdout);
    for command in [&["backfill", "--log-format", "json"][..], &["albums"]] {
        only_text(&home.run(command).await);
    }
}

#[tokio::test]
async fn an_album_is_named_after_a_folder_of_any_name() {
    let home = Home::with_folder("album = 'folder'").await;
    let mut files = Vec::new();
    for (name, seed) in STRANGE.into_iter().zip(1..) {
        let dir = home.path("photos").join(OsStr::from_bytes(name));
        fs::create_dir(&dir).unwrap();
        let file = dir.join("a.jpg");
        fs::write(&file, photo(seed)).unwrap();
        files.push(file);
    }
    nothing_raw(&home.run(&["backfill", "-vv"]).await.expect(0));
    let library = home.all_there(&files).await;
    assert!(
        !library
            .titles()
            .iter()
            .any(|title| title.chars().any(is_raw))
    );
    nothing_raw(&home.run(&["albums"]).await.expect(0));
    nothing_raw(&home.run(&["status"]).await.expect(0));
}
