//! Positions that the service refuses, because a person moved things by hand.

use serde_json::json;

use crate::support::{
    home::{Home, names},
    media::photo,
};

const CREATE: &str = "mediaItems.batchCreate";

#[tokio::test]
async fn a_place_behind_what_a_person_took_out_is_given_up_and_that_is_remembered() {
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
    // The refused call, and the one that appends both.
    assert_eq!(library.calls(CREATE), 3);
    let stands = ["p0001.jpg", "p0002.jpg", "late0.jpg", "late1.jpg"];
    assert_eq!(library.names_in("Rome"), stands);
    insta::assert_snapshot!(home.said(&["albums"], 0).await, @r"
    TITLE  ITEMS  TO COME  OUT OF ORDER  LINK
    Rome       5        0             2  https://photos.google.com/lr/album/ID
    ");
    let explained = home.said(&["explain", "photos/late0.jpg"], 0).await;
    insta::assert_snapshot!(explained, @r#"
    ~/photos/late0.jpg
    It belongs to the folder `~/photos` of the configuration.
    It is a photo (JPEG, 53 B).
    It is in Google Photos.
    https://photos.google.com/lr/photo/ID
    It stands in the album "Rome", but not at its place in the order: it could only be put at the end.
    "#);
    // Remembered: whatever comes next asks for no place beside them.
    files.push(home.taken("photos/z.jpg", 9, &photo(99)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.calls(CREATE), 4);
    assert_eq!(library.names_in("Rome").last(), Some(&"z.jpg"));
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
