//! Positions that the service refuses, because a person moved things by hand.

use serde_json::json;

use crate::support::{
    home::{Home, names},
    media::photo,
};

const CREATE: &str = "mediaItems.batchCreate";

#[tokio::test]
async fn what_a_person_took_out_is_nobodys_neighbour_any_more() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let mut files = home.photos("photos", 3);
    home.backfill().await;
    // The neighbour of what comes late is taken out by hand; older than what may not be seen yet.
    home.command(json!({"command": "remove_from_album", "title": "Rome", "filename": "p0000.jpg"}))
        .await;
    home.pass(60).await;
    for n in 0..2 {
        let late = home.write(format!("photos/late{n}.jpg"), &photo(70 + n));
        let taken = std::time::SystemTime::UNIX_EPOCH
            + std::time::Duration::from_secs(1_714_564_800 + 10 * (n + 1));
        let file = std::fs::File::options().append(true).open(&late).unwrap();
        file.set_modified(taken).unwrap();
        files.push(late);
    }
    home.backfill().await;
    let library = home.all_there(&files).await;
    // The refused call, and the one that knows better, once the album was read.
    assert_eq!(library.calls(CREATE), 3);
    assert_eq!(library.calls("mediaItems.search"), 1);
    let stands = ["late0.jpg", "late1.jpg", "p0001.jpg", "p0002.jpg"];
    assert_eq!(library.names_in("Rome"), stands);
    // What is not where it was counts as out of order.
    insta::assert_snapshot!(home.said(&["albums"], 0).await, @r"
    TITLE  ITEMS  TO COME  OUT OF ORDER  LINK
    Rome       5        0             1  https://photos.google.com/lr/album/ID
    ");
    // Remembered: what comes next to it asks for no place behind it.
    let next = home.write("photos/next.jpg", &photo(80));
    let taken = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_714_564_805);
    let file = std::fs::File::options().append(true).open(&next).unwrap();
    file.set_modified(taken).unwrap();
    files.push(next);
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.calls(CREATE), 4);
    assert_eq!(library.names_in("Rome")[..2], ["next.jpg", "late0.jpg"]);
}

#[tokio::test]
async fn a_place_that_is_refused_although_its_neighbour_stands_is_given_up() {
    let home = Home::with_folder("album = 'name:Rome'\norder = 'name'").await;
    let mut files = vec![
        home.taken("photos/a.jpg", 1, &photo(1)),
        home.taken("photos/z.jpg", 2, &photo(2)),
    ];
    home.backfill().await;
    home.pass(60).await;
    let body = json!({"error": {"code": 400, "message": "Never.", "status": "INVALID_ARGUMENT"}});
    let refusal = json!({"answer": {"status": 400, "body": body}});
    home.fault(CREATE, Some(2), refusal).await;
    files.push(home.taken("photos/m.jpg", 3, &photo(3)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    // The two refused calls, and the one that appends.
    assert_eq!(library.calls(CREATE), 4);
    assert_eq!(library.names_in("Rome"), ["a.jpg", "z.jpg", "m.jpg"]);
    insta::assert_snapshot!(home.said(&["albums"], 0).await, @r"
    TITLE  ITEMS  TO COME  OUT OF ORDER  LINK
    Rome       3        0             1  https://photos.google.com/lr/album/ID
    ");
    let explained = home.said(&["explain", "photos/m.jpg"], 0).await;
    let stands = "but not at its place in the order: it could only be put at the end.";
    assert!(explained.contains(stands), "{explained}");
    // Remembered: what stands beside it is still a neighbour.
    files.push(home.taken("photos/b.jpg", 9, &photo(99)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.calls(CREATE), 5);
    assert_eq!(
        library.names_in("Rome"),
        ["a.jpg", "b.jpg", "z.jpg", "m.jpg"]
    );
}

#[tokio::test]
async fn the_first_place_needs_no_neighbour() {
    let home = Home::with_folder("album = 'name:Rome'\norder = 'name'").await;
    let files: Vec<_> = [9, 10, 11]
        .map(|n| home.taken(format!("photos/IMG_{n}.jpg"), 20 - n, &photo(n)))
        .into();
    home.backfill().await;
    let command = json!({"command": "remove_from_album", "title": "Rome", "filename": "IMG_9.jpg"});
    home.command(command).await;
    home.pass(60).await;
    let first = home.taken("photos/IMG_1.jpg", 50, &photo(50));
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(library.calls(CREATE), 2);
    assert_eq!(
        library.names_in("Rome"),
        ["IMG_1.jpg", "IMG_10.jpg", "IMG_11.jpg"]
    );
    assert_eq!(
        names(&[first, files[0].clone()]),
        ["IMG_1.jpg", "IMG_9.jpg"]
    );
}
