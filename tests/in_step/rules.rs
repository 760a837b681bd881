//! A configuration that changes: what it leaves out was deleted by nobody.

use std::{fs, os::unix::fs::symlink};

use crate::{
    REMOVE, REMOVES, ends, in_step, made, photos_made,
    support::{
        child::Running,
        home::{Home, names},
        media::photo,
    },
};

/// Stops the daemon, writes `after` instead of `before` into the configuration, and starts it again.
async fn configured_anew(home: &Home, daemon: Running, before: &str, after: &str) -> Running {
    daemon.stop().await.expect(0);
    let file = home.path("config.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(before), "{text}");
    fs::write(file, text.replace(before, after)).unwrap();
    home.daemon().await
}

#[tokio::test]
async fn what_is_excluded_now_stays_in_its_album_and_what_is_deleted_leaves() {
    let (home, daemon) = in_step().await;
    let kept = photos_made(&home, "photos/Crete/Raw", 3).await;
    let files = home.photos("photos/Crete", 5);
    made(&home, 5).await;
    let rules = format!("{REMOVES}\nexclude = ['Raw/']");
    let daemon = configured_anew(&home, daemon, REMOVES, &rules).await;
    daemon.says(&["3 files in"]).await;
    fs::remove_file(&kept[0]).unwrap();
    fs::remove_file(&files[4]).unwrap();
    home.until("the deleted one has left", |library| {
        library.names_in("Crete") == names(&files[..4])
    })
    .await;
    assert_eq!(home.library().await.names_in("Raw"), names(&kept));
    let told = home.status().await;
    assert_eq!(told["placements"]["gone"], 1);
    // Taken in again, they are what they were; and what was deleted meanwhile leaves nothing.
    let daemon = configured_anew(&home, daemon, &rules, REMOVES).await;
    fs::remove_file(&kept[1]).unwrap();
    let library = home
        .until("the one that is deleted now has left", |library| {
            library.names_in("Raw").len() < 3
        })
        .await;
    assert_eq!(library.names_in("Raw"), ["p0000.jpg", "p0002.jpg"]);
    assert_eq!(library.n_items(), 5);
    ends(&home, daemon).await;
}

#[tokio::test]
async fn links_that_are_not_followed_any_more_leave_no_album() {
    let mut home = Home::with_folder(&format!("{REMOVES}\nfollow_symlinks = true")).await;
    home.set("watch.rescan", "'1s'");
    let files = home.photos("photos/Crete", 3);
    fs::create_dir(home.path("photos/Best")).unwrap();
    symlink("../Crete/p0001.jpg", home.path("photos/Best/one.jpg")).unwrap();
    symlink("../Crete/p0002.jpg", home.path("photos/Best/two.jpg")).unwrap();
    let daemon = home.daemon().await;
    home.until("both albums are full", |library| {
        library.names_in("Crete").len() == 3 && library.names_in("Best").len() == 2
    })
    .await;
    made(&home, 3).await;
    let daemon = configured_anew(&home, daemon, "follow_symlinks = true", "").await;
    daemon.says(&["2 files in"]).await;
    fs::remove_file(&files[0]).unwrap();
    home.until("the deleted one has left", |library| {
        // Which of two names for one picture it has is a matter of who came first.
        library.names_in("Crete").len() == 2
    })
    .await;
    let library = home.library().await;
    assert_eq!(library.names_in("Best").len(), 2);
    assert_eq!(library.calls(REMOVE), 1);
    ends(&home, daemon).await;
}

#[tokio::test]
async fn a_folder_that_was_moved_and_is_configured_anew_is_kept_in_step() {
    let mut home = Home::with_folder("album = 'name:All'\non_delete = 'remove-from-album'").await;
    home.set("watch.rescan", "'1s'");
    let daemon = home.daemon().await;
    let files = photos_made(&home, "photos", 3).await;
    fs::rename(home.path("photos"), home.path("pics")).unwrap();
    let daemon = configured_anew(&home, daemon, "path = 'photos'", "path = 'pics'").await;
    daemon.says(&["3 new or changed"]).await;
    fs::remove_file(home.path("pics/p0000.jpg")).unwrap();
    let library = home
        .until("the deleted one has left", |library| {
            library.names_in("All") == names(&files[1..])
        })
        .await;
    assert_eq!(library.n_items(), 3);
    ends(&home, daemon).await;
}

#[tokio::test]
async fn what_albumen_deleted_stays_in_its_album_when_a_link_to_it_breaks() {
    let mut home = Home::with_folder(REMOVES).await;
    home.set("watch.rescan", "'1s'");
    home.set("verify.after", "'0s'");
    home.folder(
        "drop",
        &format!("{REMOVES}\nafter_upload = 'delete'\nfollow_symlinks = true"),
    );
    let file = home.taken("drop/Rome/p.jpg", 1, &photo(9));
    home.write("drop/keep.txt", b"x");
    home.write("drop/Rome/Later/q.txt", b"x");
    symlink("p.jpg", home.path("drop/Rome/z.jpg")).unwrap();
    let others = home.photos("photos/Crete", 3);
    let daemon = home.daemon().await;
    home.until_status("it is deleted", |_| !file.exists()).await;
    daemon.says(&["1 not there any more"]).await;
    fs::remove_file(&others[0]).unwrap();
    let library = home
        .until("what a person deleted has left", |library| {
            library.names_in("Crete") == names(&others[1..])
        })
        .await;
    assert_eq!(library.names_in("Rome").len(), 1);
    daemon.stop().await.expect(0);
}
