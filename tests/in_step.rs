//! What moves, changes or goes on disk, and how the albums follow.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{fs, path::PathBuf};

use serde_json::json;

use support::{
    child::Running,
    home::{Home, names},
    media::photo,
};

const CREATE: &str = "mediaItems.batchCreate";
const ADD: &str = "albums.batchAddMediaItems";
const REMOVE: &str = "albums.batchRemoveMediaItems";
const UPLOAD: &str = "uploads.raw";
const REMOVES: &str = "album = 'folder'\non_delete = 'remove-from-album'";

/// A home with a running daemon that keeps albums in step, and looks again every second.
async fn in_step() -> (Home, Running) {
    let mut home = Home::with_folder(REMOVES).await;
    home.set("watch.rescan", "'1s'");
    let daemon = home.daemon().await;
    (home, daemon)
}

async fn made(home: &Home, n: usize) {
    home.until_status("all is made", |status| {
        status["items"]["created"] == n && status["placements"]["wanted"] == 0
    })
    .await;
}

/// So many photos in a folder, made.
async fn photos_made(home: &Home, folder: &str, n: u64) -> Vec<PathBuf> {
    let files = home.photos(folder, n);
    made(home, files.len()).await;
    files
}

async fn ends(home: &Home, daemon: Running) {
    daemon.stop().await.expect(0);
    home.clean(&home.library().await).await;
}

#[tokio::test]
async fn a_deleted_file_leaves_its_album_and_stays_in_the_library() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 6).await;
    fs::remove_file(&files[2]).unwrap();
    fs::remove_file(&files[4]).unwrap();
    let left = [0, 1, 3, 5].map(|n| files[n].clone());
    home.until("two have left", |library| {
        library.names_in("Crete") == names(&left)
    })
    .await;
    let status = home
        .until_status("that is known", |status| {
            status["placements"]["leaving"] == 0
        })
        .await;
    assert_eq!(status["placements"]["gone"], 2);
    let library = home.library().await;
    assert_eq!(library.n_items(), 6, "the service deletes nothing");
    assert_eq!(library.calls(REMOVE), 1);
    let explained = home
        .run(&["explain".as_ref(), files[2].as_os_str()])
        .await
        .expect(0);
    assert!(explained.stdout.contains("Crete"), "{}", explained.stdout);
    ends(&home, daemon).await;
}

#[tokio::test]
async fn a_folder_that_keeps_albums_as_they_are_takes_nothing_out() {
    let mut home = Home::with_folder("album = 'folder'").await;
    home.set("watch.rescan", "'1s'");
    let daemon = home.daemon().await;
    let files = photos_made(&home, "photos/Crete", 3).await;
    fs::remove_file(&files[1]).unwrap();
    // Its neighbour comes later, and the scans that find it miss the deleted one too.
    let later = home.taken("photos/Crete/z.jpg", 99, &photo(99));
    made(&home, 4).await;
    fs::remove_file(later).unwrap();
    daemon.says(&["not there any more"]).await;
    assert_eq!(home.library().await.calls(REMOVE), 0);
    ends(&home, daemon).await;
}

#[tokio::test]
async fn a_file_moved_to_another_folder_changes_albums_without_a_byte() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 4).await;
    let other = home.taken("photos/Rome/r.jpg", 50, &photo(500));
    made(&home, 5).await;
    let before = home.library().await;
    let moved = home.path("photos/Rome/p0001.jpg");
    fs::rename(&files[1], &moved).unwrap();
    let left = [0, 2, 3].map(|n| files[n].clone());
    let library = home
        .until("it has moved", |library| {
            library.names_in("Crete") == names(&left) && library.names_in("Rome").len() == 2
        })
        .await;
    assert!(library.names_in("Rome").contains(&"p0001.jpg"));
    assert_eq!(library.n_items(), 5);
    assert_eq!(library.bytes_received(), before.bytes_received());
    assert_eq!(library.calls(UPLOAD), before.calls(UPLOAD));
    let all: Vec<_> = left.into_iter().chain([moved, other]).collect();
    home.all_there(&all).await;
    ends(&home, daemon).await;
}

#[tokio::test]
async fn what_moves_after_its_token_has_died_is_added_fifty_at_a_time() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 60).await;
    home.pass(26 * 3600).await;
    let before = home.library().await;
    fs::create_dir(home.path("photos/Rome")).unwrap();
    for file in &files {
        fs::rename(
            file,
            home.path("photos/Rome").join(file.file_name().unwrap()),
        )
        .unwrap();
    }
    let library = home
        .until("all have moved", |library| {
            library.names_in("Crete").is_empty() && library.names_in("Rome").len() == 60
        })
        .await;
    assert_eq!(library.n_items(), 60);
    assert_eq!(library.calls(ADD), 2);
    assert_eq!(library.calls(REMOVE), 2);
    assert_eq!(library.calls(UPLOAD), before.calls(UPLOAD));
    assert_eq!(library.calls(CREATE), before.calls(CREATE));
    ends(&home, daemon).await;
}

#[tokio::test]
async fn a_renamed_file_stays_where_it_is_in_its_album() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 3).await;
    let before = home.library().await;
    fs::rename(&files[1], home.path("photos/Crete/another name.jpg")).unwrap();
    // A file that is deleted afterwards has left when the rename was dealt with.
    fs::remove_file(&files[2]).unwrap();
    let library = home
        .until("the deleted one has left", |library| {
            library.names_in("Crete").len() == 2
        })
        .await;
    assert_eq!(library.names_in("Crete"), ["p0000.jpg", "p0001.jpg"]);
    assert_eq!(library.bytes_received(), before.bytes_received());
    assert_eq!(library.calls(ADD), 0);
    assert_eq!(library.calls(CREATE), before.calls(CREATE));
    ends(&home, daemon).await;
}

#[tokio::test]
async fn one_photo_in_two_folders_is_one_upload_and_two_placements() {
    let (home, daemon) = in_step().await;
    let one = home.taken("photos/Crete/a.jpg", 1, &photo(1));
    home.taken("photos/Rome/b.jpg", 1, &photo(1));
    home.until("both albums have it", |library| {
        library.names_in("Crete").len() == 1 && library.names_in("Rome").len() == 1
    })
    .await;
    made(&home, 1).await;
    let library = home.all_there(std::slice::from_ref(&one)).await;
    assert_eq!(library.calls(UPLOAD), 1);
    fs::remove_file(one).unwrap();
    let library = home
        .until("it has left one", |library| {
            library.names_in("Crete").is_empty()
        })
        .await;
    assert_eq!(library.names_in("Rome").len(), 1);
    ends(&home, daemon).await;
}

#[tokio::test]
async fn an_edited_file_is_a_new_item_and_a_touched_one_is_none() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 2).await;
    let before = home.library().await;
    support::home::set_taken(&files[0], 7);
    home.taken("photos/Crete/p0001.jpg", 8, &photo(4711));
    made(&home, 3).await;
    let library = home.library().await;
    assert!(library.has_bytes(&photo(4711)) && library.has_bytes(&photo(1)));
    assert_eq!(library.calls(UPLOAD), before.calls(UPLOAD) + 1);
    assert_eq!(
        library.names_in("Crete").len(),
        3,
        "nothing is deleted on doubt"
    );
    ends(&home, daemon).await;
}

#[tokio::test]
async fn a_folder_that_vanishes_at_once_is_held_until_a_person_says_so() {
    let (home, daemon) = in_step().await;
    photos_made(&home, "photos/Crete", 120).await;
    let kept = home.taken("photos/Rome/r.jpg", 500, &photo(500));
    made(&home, 121).await;
    fs::remove_dir_all(home.path("photos/Crete")).unwrap();
    let status = home
        .until_status("they are held", |status| {
            status["placements"]["held"] == 120
        })
        .await;
    assert_eq!(status["placements"]["leaving"], 0);
    assert_eq!(home.library().await.calls(REMOVE), 0);
    let told = home.run(&["status"]).await.expect(0).stdout;
    assert!(
        told.contains(
            "held: 120 files gone from disk at once; their photos stay in their albums until you say so\n\
             hint: `albumen album remove --held` takes them out; if the files come back, there is nothing to do\n"
        ),
        "{told}"
    );
    let ran = home.run(&["album", "remove", "--held"]).await.expect(0);
    assert_eq!(
        ran.stdout,
        "120 photos have left the album; in the library they stay\n"
    );
    let library = home.library().await;
    assert_eq!(library.names_in("Crete").len(), 0);
    assert_eq!(library.names_in("Rome"), names(&[kept]));
    assert_eq!(library.calls(REMOVE), 3);
    assert_eq!(library.n_items(), 121);
    ends(&home, daemon).await;
}

#[tokio::test]
async fn a_refused_removal_is_halved_until_the_culprit_is_alone_and_named() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 8).await;
    let id = home.library().await.0["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["filename"] == "p0003.jpg")
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let refusal = json!({"answer": {"status": 400, "body": {"error": {"code": 400,
        "message": "Request contains an invalid media item id.", "status": "INVALID_ARGUMENT"}}},
        "only_with": id});
    home.fault(REMOVE, None, refusal).await;
    for file in &files[..6] {
        fs::remove_file(file).unwrap();
    }
    home.until("all but one have left", |library| {
        library.names_in("Crete") == ["p0003.jpg", "p0006.jpg", "p0007.jpg"]
    })
    .await;
    home.until_status("the culprit is known", |status| {
        status["placements"]["refused"] == 1
    })
    .await;
    let explained = home
        .run(&["explain".as_ref(), files[3].as_os_str()])
        .await
        .expect(0);
    assert!(
        explained
            .stdout
            .contains("the service would not take it out of the album"),
        "{}",
        explained.stdout
    );
    ends(&home, daemon).await;
}

#[tokio::test]
async fn what_a_person_took_out_before_is_no_culprit() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 4).await;
    home.command(
        json!({"command": "remove_from_album", "title": "Crete", "filename": "p0001.jpg"}),
    )
    .await;
    fs::remove_file(&files[0]).unwrap();
    fs::remove_file(&files[1]).unwrap();
    home.until("the other has left", |library| {
        library.names_in("Crete") == ["p0002.jpg", "p0003.jpg"]
    })
    .await;
    let status = home
        .until_status("both are gone", |status| status["placements"]["gone"] == 2)
        .await;
    assert_eq!(status["placements"]["refused"], 0);
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_removal_whose_answer_is_lost_is_done_once() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 4).await;
    home.fault(REMOVE, Some(1), json!("cut_after")).await;
    fs::remove_file(&files[0]).unwrap();
    home.until_status("it has left", |status| {
        status["placements"]["gone"] == 1 && status["placements"]["leaving"] == 0
    })
    .await;
    let library = home.library().await;
    assert_eq!(library.names_in("Crete"), names(&files[1..]));
    assert_eq!(
        library.calls(REMOVE),
        2,
        "once more, and then the album was read"
    );
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn photos_are_taken_out_of_an_album_by_hand_after_the_plan_was_shown() {
    let home = Home::with_folder("album = 'folder'").await;
    let files = home.photos("photos/Crete", 5);
    home.backfill().await;
    let two = [files[1].as_os_str(), files[3].as_os_str()];
    let plan = [
        "album".as_ref(),
        "remove".as_ref(),
        "Crete".as_ref(),
        two[0],
        two[1],
    ];
    let planned = home.run(&plan).await.expect(0);
    let stays =
        "They stay in your Google Photos library: the service lets no program delete a photo.";
    assert_eq!(
        planned.stdout,
        format!(
            "out of \"Crete\": {}\nout of \"Crete\": {}\n2 photos would leave, in 1 request. {stays}\n\
             hint: the same with --yes does it\n",
            files[1].display(),
            files[3].display()
        )
    );
    assert_eq!(home.library().await.calls(REMOVE), 0);
    let done = home
        .run(&[&plan[..], &["--yes".as_ref()]].concat())
        .await
        .expect(0);
    assert_eq!(
        done.stdout,
        "2 photos have left the album; in the library they stay\n"
    );
    let library = home.library().await;
    assert_eq!(
        library.names_in("Crete"),
        ["p0000.jpg", "p0002.jpg", "p0004.jpg"]
    );
    assert_eq!(library.calls(REMOVE), 1);
    // What was taken out by hand is not put back by the next look.
    home.backfill().await;
    assert_eq!(home.library().await.names_in("Crete").len(), 3);
    let unknown = home
        .run(&["album", "remove", "Rome", "x.jpg", "--yes"])
        .await
        .expect(2);
    assert_eq!(
        unknown.stderr,
        "error: no album \"Rome\" is known here\n\
         hint: `albumen albums` lists those that Albumen made; others it cannot change\n"
    );
    home.clean(&home.library().await).await;
}

/// Kills the daemon while `method` is held up, and starts it again.
async fn killed_at(home: &Home, daemon: Running, method: &str) -> Running {
    home.until(method, |library| library.calls(method) > 0)
        .await;
    daemon.kill();
    home.no_faults().await;
    home.daemon().await
}

#[tokio::test]
async fn killed_while_photos_leave_and_join_albums_it_ends_where_it_would_have() {
    for commit in [false, true] {
        let (home, daemon) = in_step().await;
        let files = photos_made(&home, "photos/Crete", 5).await;
        home.pass(26 * 3600).await;
        let hang = json!({"hang": true, "commit": commit});
        home.fault(ADD, None, hang.clone()).await;
        fs::create_dir(home.path("photos/Rome")).unwrap();
        fs::rename(&files[0], home.path("photos/Rome/p0000.jpg")).unwrap();
        fs::rename(&files[3], home.path("photos/Rome/p0003.jpg")).unwrap();
        let daemon = killed_at(&home, daemon, ADD).await;
        home.fault(REMOVE, None, hang).await;
        let daemon = killed_at(&home, daemon, REMOVE).await;
        let library = home
            .until("they have moved", |library| {
                library.names_in("Crete") == ["p0001.jpg", "p0002.jpg", "p0004.jpg"]
                    && library.names_in("Rome") == ["p0000.jpg", "p0003.jpg"]
            })
            .await;
        assert_eq!(library.n_items(), 5);
        home.until_status("nothing moves", |status| {
            status["placements"]["leaving"] == 0 && status["placements"]["wanted"] == 0
        })
        .await;
        daemon.stop().await.expect(0);
        assert_eq!(home.library().await.broken_rules(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_album_is_read_where_a_lost_answer_left_its_order_in_doubt() {
    let home = Home::with_folder("album = 'folder'").await;
    let files = home.photos("photos/Crete", 5);
    // The second fails for the moment, and the answer that says so is lost: the repetition makes it
    // at another place than the others, and only the album can tell.
    let lost = json!({"item_codes": {"p0001.jpg": 13}, "cut_after": true});
    home.fault(CREATE, Some(1), lost).await;
    home.backfill().await;
    // A later one, taken in the same minute as the third, finds its place before it all the same.
    let late = home.path("photos/Crete/late.jpg");
    home.write("photos/Crete/late.jpg", &photo(900));
    support::home::set_taken(&late, 2);
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(library.calls("mediaItems.search"), 1);
    let mut standing = library.names_in("Crete");
    standing.retain(|name| *name != "p0001.jpg");
    assert_eq!(
        standing,
        [
            "p0000.jpg",
            "late.jpg",
            "p0002.jpg",
            "p0003.jpg",
            "p0004.jpg"
        ]
    );
    let albums = home.run(&["albums"]).await.expect(0);
    let crete = albums
        .stdout
        .lines()
        .find(|line| line.starts_with("Crete"))
        .unwrap();
    let columns: Vec<&str> = crete.split_whitespace().collect();
    assert_eq!(columns[1..4], ["6", "0", "1"], "{}", albums.stdout);
    let all: Vec<_> = files.into_iter().chain([late]).collect();
    home.all_there(&all).await;
}
