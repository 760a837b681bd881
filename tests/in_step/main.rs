//! What moves, changes or goes on disk, and how the albums follow.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod files;
mod lost;
mod overtaken;
mod removals;
mod rules;
mod taken_out;

use std::path::PathBuf;

use support::{child::Running, home::Home};

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
