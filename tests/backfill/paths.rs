//! `backfill PATH`.

use crate::support::{
    home::{Home, names},
    media::jpeg,
};

#[tokio::test]
async fn a_path_outside_all_folders_goes_up_without_an_album() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    home.photos("photos", 2);
    let file = home.write("elsewhere/a.jpg", &jpeg(20, 10, 1));
    home.run(&["backfill", "elsewhere"]).await.expect(0);
    let library = home.all_there(&[file]).await;
    assert_eq!(library.titles(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_path_inside_of_a_folder_follows_its_rules() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let files = home.photos("photos", 3);
    home.run(&["backfill", "photos/p0001.jpg"]).await.expect(0);
    let library = home.all_there(&files[1..2]).await;
    assert_eq!(library.names_in("Rome"), ["p0001.jpg"]);
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(
        library.names_in("Rome"),
        names(&files),
        "the late ones came to their places"
    );
}

#[tokio::test]
async fn a_path_that_is_not_there_is_a_mistake() {
    let home = Home::with_folder("").await;
    let ran = home.run(&["backfill", "nowhere"]).await.expect(2);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}
