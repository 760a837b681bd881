//! What becomes of files once their pictures are safely in the library: moved or deleted, never
//! before, never something else, and never twice.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use serde_json::json;

use support::{
    home::{Home, names},
    library::Library,
    media::{photo, video},
};

const DELETE: &str = "album = 'name:Rome'\nafter_upload = 'delete'";
const MOVE: &str = "album = 'name:Rome'\nafter_upload = 'move:done'";

async fn home(rules: &str) -> Home {
    let mut home = Home::with_folder(rules).await;
    home.set("verify.after", "'0s'");
    home
}

/// The files below a folder of the home, sorted.
fn below(home: &Home, folder: &str) -> Vec<String> {
    fn walk(dir: &Path, top: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                walk(&path, top, found);
            } else {
                let relative = path.strip_prefix(top).unwrap();
                found.push(relative.to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&home.path(folder), &home.path(folder), &mut found);
    found.sort();
    found
}

async fn explained(home: &Home, path: &Path) -> String {
    let ran = home.run(&["explain", path.to_str().unwrap()]).await;
    let text = ran.expect(0).stdout;
    text.replace(home.path("").to_str().unwrap(), "HOME/")
}

/// What the service has of files that are gone here.
fn has_all(library: &Library, contents: &[Vec<u8>]) {
    assert_eq!(library.n_items(), contents.len());
    assert!(contents.iter().all(|bytes| library.has_bytes(bytes)));
    assert_eq!(library.broken_rules(), Vec::<String>::new());
}

fn contents(files: &[PathBuf]) -> Vec<Vec<u8>> {
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[tokio::test]
async fn a_backfill_deletes_what_was_read_back_and_nothing_else() {
    let home = home(DELETE).await;
    let files = home.photos("photos", 60);
    home.write("photos/notes.txt", b"keep me");
    let bytes = contents(&files);
    home.backfill().await;
    assert_eq!(below(&home, "photos"), ["notes.txt"]);
    let library = home.library().await;
    has_all(&library, &bytes);
    assert_eq!(library.names_in("Rome"), names(&files));
    assert_eq!(library.calls("mediaItems.batchGet"), 2, "50 and 10");
    let status = home.status().await;
    assert_eq!(status["after_upload"]["done"], 60);
    assert_eq!(status["after_upload"]["waiting"], 0);
    // A second run finds nothing to do, and takes nothing for deleted by somebody.
    let requests = library.requests();
    home.backfill().await;
    assert_eq!(home.library().await.requests(), requests);
}

#[tokio::test]
async fn a_moved_file_keeps_its_folders_its_time_and_its_bytes() {
    let home = home(MOVE).await;
    let one = home.taken("photos/2024/May/a.jpg", 1, &photo(1));
    home.taken("photos/b.jpg", 2, &photo(2));
    let modified = fs::metadata(&one).unwrap().modified().unwrap();
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert_eq!(below(&home, "done"), ["2024/May/a.jpg", "b.jpg"]);
    let moved = home.path("done/2024/May/a.jpg");
    assert_eq!(fs::read(&moved).unwrap(), photo(1));
    assert_eq!(fs::metadata(&moved).unwrap().modified().unwrap(), modified);
    let said = explained(&home, &one).await;
    assert!(
        said.contains("There is no such file any more.\nIt is in Google Photos.\n")
            && said.contains("Albumen moved it to HOME/done/2024/May/a.jpg (at "),
        "{said}"
    );
}

#[tokio::test]
async fn nothing_is_overwritten_and_the_reason_is_told() {
    let home = home(MOVE).await;
    let file = home.taken("photos/a.jpg", 1, &photo(1));
    home.write("done/a.jpg", b"another picture");
    let ran = home.backfill().await;
    assert_eq!(
        fs::read(home.path("done/a.jpg")).unwrap(),
        b"another picture"
    );
    assert_eq!(fs::read(&file).unwrap(), photo(1));
    let reason = "done/a.jpg is there already, and nothing is overwritten";
    assert_eq!(ran.stderr.matches(reason).count(), 1, "{}", ran.stderr);
    let said = explained(&home, &file).await;
    assert!(
        said.contains(&format!("The file stays where it is: HOME/{reason}.")),
        "{said}"
    );
    assert_eq!(home.status().await["after_upload"]["staying"], 1);
    // Once there is room it goes.
    fs::remove_file(home.path("done/a.jpg")).unwrap();
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert_eq!(fs::read(home.path("done/a.jpg")).unwrap(), photo(1));
}

#[tokio::test]
async fn what_the_service_does_not_have_or_cannot_play_stays() {
    let home = home(DELETE).await;
    let lost = home.taken("photos/lost.jpg", 1, &photo(1));
    let broken = home.taken("photos/broken.mp4", 2, &video(2, 5_000));
    home.taken("photos/good.jpg", 3, &photo(3));
    // Made, and gone or failed before it is read back.
    home.fault("mediaItems.batchGet", None, "hang".into()).await;
    let backfill = home.start(&["backfill", "-v"]);
    home.until("the question", |library| {
        library.calls("mediaItems.batchGet") > 0
    })
    .await;
    backfill.kill();
    home.no_faults().await;
    home.command(json!({"command": "delete_item", "filename": "lost.jpg"}))
        .await;
    home.command(json!({"command": "fail_video", "filename": "broken.mp4"}))
        .await;
    let ran = home.run(&["backfill", "--no-wait", "-v"]).await.expect(5);
    assert!(
        ran.stderr.contains("could not process this video"),
        "{}",
        ran.stderr
    );
    assert_eq!(below(&home, "photos"), ["broken.mp4", "lost.jpg"]);
    let said = explained(&home, &broken).await;
    assert!(
        said.contains("The file stays where it is: Google Photos could not process this video."),
        "{said}"
    );
    // The second "not known" comes an hour later; then it is missing, and its file is all there is.
    home.pass(2 * 3600).await;
    home.run(&["backfill"]).await.expect(1);
    assert_eq!(below(&home, "photos"), ["broken.mp4", "lost.jpg"]);
    assert_eq!(home.status().await["items"]["missing"], 1);
    home.run(&["retry", lost.to_str().unwrap()]).await.expect(0);
    home.backfill().await;
    assert_eq!(below(&home, "photos"), ["broken.mp4"]);
}

#[tokio::test]
async fn a_file_that_changed_meanwhile_stays_and_goes_up_anew() {
    let mut home = home(DELETE).await;
    home.set("verify.after", "'1h'");
    let file = home.taken("photos/a.jpg", 1, &photo(1));
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    assert_eq!(below(&home, "photos"), ["a.jpg"]);
    let said = explained(&home, &file).await;
    assert!(
        said.contains("The file is deleted here once it was read back, which is asked for at "),
        "{said}"
    );
    // The same size and time, other bytes: only the hash can tell.
    home.taken("photos/a.jpg", 1, &photo(2));
    home.pass(3601).await;
    home.backfill().await;
    assert_eq!(fs::read(&file).unwrap(), photo(2));
    // A real edit is a picture of its own, with a grace of its own.
    home.taken("photos/a.jpg", 5, &photo(3));
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    assert!(home.library().await.has_bytes(&photo(3)));
    assert_eq!(below(&home, "photos"), ["a.jpg"]);
    home.clock(2 * 3601);
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
}

#[tokio::test]
async fn links_are_left_alone_and_second_names_and_copies_go_each_by_itself() {
    let home = home("after_upload = 'move:done'\nfollow_symlinks = true").await;
    home.taken("photos/a.jpg", 1, &photo(1));
    home.taken("photos/copy.jpg", 2, &photo(1));
    home.taken("photos/real/b.jpg", 3, &photo(2));
    fs::hard_link(home.path("photos/a.jpg"), home.path("photos/name.jpg")).unwrap();
    fs::hard_link(home.path("photos/a.jpg"), home.path("outside.jpg")).unwrap();
    std::os::unix::fs::symlink("real/b.jpg", home.path("photos/link.jpg")).unwrap();
    home.backfill().await;
    assert_eq!(
        below(&home, "done"),
        ["a.jpg", "copy.jpg", "name.jpg", "real/b.jpg"]
    );
    assert_eq!(below(&home, "photos"), ["link.jpg"]);
    assert_eq!(fs::read(home.path("outside.jpg")).unwrap(), photo(1));
    assert_eq!(home.library().await.n_items(), 2);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_said_once_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt;
    if rustix::process::geteuid().is_root() {
        // Nothing is forbidden to root; a file system that is read-only would be.
        return;
    }
    let home = home(DELETE).await;
    let files = home.photos("photos", 20);
    fs::set_permissions(home.path("photos"), PermissionsExt::from_mode(0o500)).unwrap();
    let ran = home.backfill().await;
    assert_eq!(
        ran.stderr.matches("cannot take files out of").count(),
        1,
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("ReadWritePaths="), "{}", ran.stderr);
    assert_eq!(below(&home, "photos").len(), files.len());
    fs::set_permissions(home.path("photos"), PermissionsExt::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn a_file_goes_to_another_file_system_whole() {
    let shm = Path::new("/dev/shm");
    let Ok(elsewhere) = tempfile::tempdir_in(shm) else {
        return;
    };
    let target = elsewhere.path().to_str().unwrap();
    let home = home(&format!("after_upload = 'move:{target}'")).await;
    let file = home.taken("photos/2024/a.mp4", 1, &video(1, 3_000_000));
    let before = fs::metadata(&file).unwrap();
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    let moved = elsewhere.path().join("2024/a.mp4");
    assert_eq!(fs::read(&moved).unwrap(), video(1, 3_000_000));
    let after = fs::metadata(&moved).unwrap();
    assert_eq!(after.modified().unwrap(), before.modified().unwrap());
    assert_eq!(after.permissions(), before.permissions());
    assert_eq!(fs::read_dir(moved.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_daemon_does_it_quietly_when_the_grace_has_passed() {
    let mut home = home(MOVE).await;
    home.set("verify.after", "'10m'");
    let files = home.photos("photos", 3);
    let bytes = contents(&files);
    let daemon = home.daemon().await;
    home.until_status("made", |status| status["after_upload"]["waiting"] == 3)
        .await;
    assert_eq!(below(&home, "photos").len(), 3);
    // An early question proves nothing about the time of the grace.
    home.run(&["verify"]).await.expect(0);
    assert_eq!(below(&home, "photos").len(), 3);
    daemon.stop().await.expect(0);
    // Ten minutes, and an hour for company.
    home.pass(71 * 60).await;
    let daemon = home.daemon().await;
    home.until_status("moved", |status| status["after_upload"]["done"] == 3)
        .await;
    assert_eq!(below(&home, "done").len(), 3);
    daemon.stop().await.expect(0);
    has_all(&home.library().await, &bytes);
}

#[tokio::test]
async fn a_folder_that_is_told_to_act_later_has_everything_read_back_first() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.photos("photos", 3);
    home.backfill().await;
    home.set("verify.after", "'0s'");
    let rules = fs::read_to_string(home.path("config.toml")).unwrap();
    let rules = rules.replace("album = 'name:Rome'", DELETE);
    fs::write(home.path("config.toml"), rules).unwrap();
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert_eq!(home.library().await.calls("mediaItems.batchGet"), 1);
}

#[tokio::test]
async fn explain_and_status_tell_the_story_of_a_file() {
    let mut home = home("album = 'name:Rome'\nafter_upload = 'move:done'").await;
    home.set("verify.after", "'2h'");
    let file = home.taken("photos/a.jpg", 1, &photo(1));
    let mut tellings = vec![explained(&home, &file).await];
    let ran = home.run(&["backfill", "--no-wait"]).await.expect(5);
    assert!(
        ran.stdout
            .contains("1 is to be read back before it is moved or deleted here"),
        "{}",
        ran.stdout
    );
    tellings.push(explained(&home, &file).await);
    let status = home.run(&["status"]).await.expect(0).stdout;
    let headline = status.lines().next().unwrap();
    assert_eq!(
        headline,
        "everything is in Google Photos; 1 file here to be moved or deleted once read back"
    );
    home.pass(7201).await;
    let ran = home.backfill().await;
    assert!(
        ran.stdout.contains("1 was moved or deleted here"),
        "{}",
        ran.stdout
    );
    tellings.push(explained(&home, &file).await);
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"(tomorrow )?\d\d:\d\d(:\d\d)?", "TIME");
    settings.add_filter(r"https://\S+", "LINK");
    settings.bind(|| {
        insta::assert_snapshot!(tellings.join("--\n"), @r#"
        HOME/photos/a.jpg
        It belongs to the folder `HOME/photos` of the configuration.
        It goes up, as a photo (JPEG, 53 B).
        Its album is "Rome", in which it stands by the time when it was taken.
        Albumen has not seen it yet.
        Once it is safely in Google Photos, the file moves to HOME/done/a.jpg.
        --
        HOME/photos/a.jpg
        It belongs to the folder `HOME/photos` of the configuration.
        It is a photo (JPEG, 53 B).
        It is in Google Photos.
        LINK
        It stands in the album "Rome".
        The file moves to HOME/done/a.jpg once it was read back, which is asked for at TIME.
        --
        HOME/photos/a.jpg
        It belongs to the folder `HOME/photos` of the configuration.
        There is no such file any more.
        It is in Google Photos.
        LINK
        It stands in the album "Rome".
        Albumen moved it to HOME/done/a.jpg (at TIME), after it was read back.
        "#);
    });
}

/// The journal of a home whose program does not run.
fn journal(home: &Home) -> Connection {
    Connection::open(home.path("state/albumen.db")).unwrap()
}

/// Writes into the journal that an act was intended, as if the program had died right after.
fn intended(home: &Home, name: &str, to: Option<&Path>) {
    use std::os::unix::ffi::OsStrExt as _;
    let from = home.path("photos").join(name);
    let changed = journal(home)
        .execute(
            "INSERT INTO source_acts (file_id, item_id, action, from_path, to_path, intended_at)
             SELECT id, item_id, ?1, ?2, ?3, 0 FROM files WHERE name = ?4",
            rusqlite::params![
                if to.is_some() { "move" } else { "delete" },
                from.as_os_str().as_bytes(),
                to.map(|to| to.as_os_str().as_bytes()),
                name.as_bytes()
            ],
        )
        .unwrap();
    assert_eq!(changed, 1, "{name}");
}

fn outcomes(home: &Home) -> Vec<(String, bool, Option<String>)> {
    let db = journal(home);
    let mut statement = db
        .prepare(
            "SELECT files.name, done_at IS NOT NULL, error FROM source_acts
             JOIN files ON files.id = file_id ORDER BY source_acts.id",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        let name: Vec<u8> = row.get(0)?;
        Ok((String::from_utf8(name).unwrap(), row.get(1)?, row.get(2)?))
    });
    rows.unwrap().map(|row| row.unwrap()).collect()
}

#[tokio::test]
async fn killed_between_the_intention_and_the_move() {
    let mut home = home(MOVE).await;
    home.set("verify.after", "'1h'");
    for (name, n) in [
        ("before.jpg", 1),
        ("moved.jpg", 2),
        ("copied.jpg", 3),
        ("taken.jpg", 4),
    ] {
        home.taken(Path::new("photos").join(name), n, &photo(n));
    }
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let to = |name: &str| home.path("done").join(name);
    fs::create_dir(home.path("done")).unwrap();
    for name in ["before.jpg", "moved.jpg", "copied.jpg", "taken.jpg"] {
        intended(&home, name, Some(&to(name)));
    }
    fs::rename(home.path("photos/moved.jpg"), to("moved.jpg")).unwrap();
    fs::copy(home.path("photos/copied.jpg"), to("copied.jpg")).unwrap();
    fs::write(to(".albumen-1.part"), b"half a cop").unwrap();
    // Somebody took this one away by hand.
    fs::remove_file(home.path("photos/taken.jpg")).unwrap();
    home.run(&["backfill", "--no-wait", "-v"]).await.expect(5);
    assert_eq!(below(&home, "photos"), ["before.jpg"]);
    assert_eq!(below(&home, "done"), ["copied.jpg", "moved.jpg"]);
    let ended: Vec<(String, bool)> = outcomes(&home)
        .into_iter()
        .map(|(name, done, error)| {
            assert_ne!(done, error.is_some(), "{name}: {error:?}");
            (name, done)
        })
        .collect();
    let expected = [
        ("before.jpg", false),
        ("moved.jpg", true),
        ("copied.jpg", true),
        ("taken.jpg", false),
    ];
    assert_eq!(ended, expected.map(|(name, done)| (name.to_owned(), done)));
    home.pass(3601).await;
    home.run(&["backfill"]).await.expect(0);
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert_eq!(
        below(&home, "done"),
        ["before.jpg", "copied.jpg", "moved.jpg"]
    );
    assert_eq!(home.library().await.n_items(), 4);
}

#[tokio::test]
async fn killed_between_the_intention_and_the_deletion() {
    let mut home = home(DELETE).await;
    home.set("verify.after", "'1h'");
    home.photos("photos", 2);
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    intended(&home, "p0000.jpg", None);
    intended(&home, "p0001.jpg", None);
    fs::remove_file(home.path("photos/p0000.jpg")).unwrap();
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let done: Vec<bool> = outcomes(&home)
        .into_iter()
        .map(|(_, done, _)| done)
        .collect();
    assert_eq!(done, [true, false]);
    assert_eq!(below(&home, "photos"), ["p0001.jpg"]);
    home.pass(3601).await;
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
}

#[tokio::test]
async fn killed_again_and_again_every_file_is_at_one_place_at_the_end() {
    let home = home(MOVE).await;
    let files = home.photos("photos", 120);
    let bytes = contents(&files);
    for n in 0.. {
        let backfill = home.start(&["backfill"]);
        let at_least = 10 * (n + 1);
        let mut backfill = Some(backfill);
        while backfill.as_mut().unwrap().runs() {
            if below(&home, "done").len() >= at_least {
                backfill.take().unwrap().kill();
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let both = below(&home, "photos").len() + below(&home, "done").len();
        assert_eq!(both, files.len(), "after {n} kills");
        if let Some(ended) = backfill {
            ended.ended().await.expect(0);
            break;
        }
    }
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
    assert!(outcomes(&home).iter().filter(|(_, done, _)| *done).count() == files.len());
    has_all(&home.library().await, &bytes);
    assert_eq!(home.status().await["after_upload"]["done"], 120);
}
