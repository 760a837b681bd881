//! Kills and lost answers while albums change.

use std::fs;

use serde_json::json;

use crate::{
    ADD, CREATE, REMOVE, in_step, photos_made,
    support::{
        child::Running,
        home::{Home, set_taken},
        media::photo,
    },
};

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
    set_taken(&late, 2);
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
