//! Files that are in the library already, under other names.

use std::fs;

use crate::support::{home::Home, media::photo};

#[tokio::test]
async fn renamed_files_are_there_already_and_are_counted_once() {
    let home = Home::with_folder("album = 'folder'").await;
    let write = |n: u64| home.write(format!("photos/a/p{n}.jpg"), &photo(n));
    let files: Vec<_> = (0..3).map(write).collect();
    home.backfill().await;
    home.all_there(&files).await;
    fs::rename(home.path("photos/a"), home.path("photos/b")).unwrap();
    let said = home.run(&["backfill", "--dry-run"]).await.expect(0);
    assert!(
        said.stdout
            .starts_with("Nothing would go up.\nAlready in Google Photos: 3 files\n"),
        "{}",
        said.stdout
    );
    let sent = home.library().await.bytes_received();
    let ran = home.backfill().await;
    assert!(
        ran.stdout.contains("\n  3 were there already\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(home.library().await.bytes_received(), sent);
}
