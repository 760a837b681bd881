//! Files that are deleted, moved, renamed, copied or edited.

use std::fs;

use crate::{
    ADD, CREATE, REMOVE, REMOVES, UPLOAD, ends, in_step, made, photos_made,
    support::{
        home::{Home, names, set_taken},
        media::photo,
    },
};

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
    set_taken(&files[0], 7);
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
async fn in_a_folder_from_which_something_is_deleted_all_the_time_photos_leave_meanwhile() {
    let home = Home::with_folder(REMOVES).await;
    let daemon = home.daemon().await;
    let files = photos_made(&home, "photos/Crete", 60).await;
    for file in &files {
        fs::remove_file(file).unwrap();
        // Faster than the second look comes.
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        if home.library().await.calls(REMOVE) > 0 {
            break;
        }
    }
    assert!(files[59].exists(), "not before it was quiet");
    ends(&home, daemon).await;
}
