//! Photos that wait in the queue always have a file that they can be read from, or somebody is told
//! which folder is missing. And what is read is a file of the folder, whatever was put in its place.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::json;

use support::{
    child::Running,
    home::{Home, set_taken},
    media::photo,
};

/// Moves a file to another folder in a way that makes another file of it.
fn move_to(from: &Path, to: PathBuf) -> PathBuf {
    fs::copy(from, &to).unwrap();
    set_taken(&to, 1);
    fs::remove_file(from).unwrap();
    to
}

/// Nothing that is sent arrives.
async fn nothing_arrives(home: &Home) {
    home.fault("uploads.raw", None, json!("hang")).await;
}

/// Ends a process that is sending.
async fn interrupt(home: &Home, running: Running) {
    home.until_status("the bytes are on their way", |status| {
        status["items"]["uploading"] == 1
    })
    .await;
    running.stop().await;
}

/// A photo of a card that a backfill was interrupted at.
async fn begun_on_a_card(home: &Home) -> PathBuf {
    let card = home.taken("card/p.jpg", 1, &photo(1));
    nothing_arrives(home).await;
    interrupt(home, home.start(&["backfill", "card"])).await;
    card
}

#[tokio::test]
async fn a_photo_of_a_card_that_was_pulled_goes_up_from_the_folder_that_it_was_copied_to() {
    let home = Home::with_folder("").await;
    let card = begun_on_a_card(&home).await;
    let copy = move_to(&card, home.path("photos/p.jpg"));
    fs::remove_dir(home.path("card")).unwrap();
    interrupt(&home, home.daemon().await).await;
    home.no_faults().await;
    let ran = home.backfill().await;
    home.all_there(&[copy]).await;
    assert!(!ran.stdout.contains("still to go"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_missing_photo_is_sent_again_from_the_folder_that_still_has_it() {
    let home = Home::with_folder("").await;
    let card = home.taken("card/p.jpg", 1, &photo(1));
    home.run(&["backfill", "card"]).await.expect(0);
    let copy = move_to(&card, home.path("photos/p.jpg"));
    fs::remove_dir(home.path("card")).unwrap();
    home.backfill().await;
    home.command(json!({"command": "delete_item", "filename": "p.jpg"}))
        .await;
    home.run(&["verify"]).await.expect(1);
    home.run(&["retry", "photos/p.jpg"]).await.expect(0);
    let said = home.run(&["explain", "photos/p.jpg"]).await.expect(0);
    assert!(!said.stdout.contains("was sent again"), "{}", said.stdout);
    home.backfill().await;
    home.all_there(&[copy]).await;
    let said = home.run(&["explain", "photos/p.jpg"]).await.expect(0);
    assert!(said.stdout.contains("was sent again"), "{}", said.stdout);
}

#[tokio::test]
async fn what_only_a_pulled_card_has_is_named_and_a_backfill_is_not_done() {
    let home = Home::with_folder("").await;
    let other = home.taken("photos/other.jpg", 2, &photo(2));
    let card = begun_on_a_card(&home).await;
    fs::rename(home.path("card"), home.path("pulled")).unwrap();
    home.no_faults().await;
    let ran = home.run(&["backfill"]).await.expect(5);
    home.all_there(std::slice::from_ref(&other)).await;
    let root = home.path("card");
    let root = root.to_str().unwrap();
    let told = format!(
        "Still in the queue, for {root} is no folder that this run looks into:\n  {root}/p.jpg\n\
         hint: `albumen backfill {root}` goes on with them once the folder is there"
    );
    assert!(ran.stdout.contains(&told), "{}", ran.stdout);
    let status = home.run(&["status"]).await.expect(0);
    assert!(
        status
            .stdout
            .contains(&format!("{root}/p.jpg in the queue")),
        "{}",
        status.stdout
    );
    // What another run was asked for is no affair of one that was not.
    home.run(&["backfill", "photos"]).await.expect(0);
    fs::rename(home.path("pulled"), home.path("card")).unwrap();
    home.run(&["backfill", "card"]).await.expect(0);
    home.all_there(&[other, card]).await;
    let status = home.run(&["status"]).await.expect(0);
    assert!(!status.stdout.contains("in the queue"), "{}", status.stdout);
}

#[tokio::test]
async fn what_waits_for_a_disk_goes_on_once_the_disk_is_there() {
    let mut home = Home::with_folder("").await;
    home.folder("disk", "");
    let photo = home.taken("disk/p.jpg", 1, &photo(1));
    nothing_arrives(&home).await;
    interrupt(&home, home.start(&["backfill"])).await;
    fs::rename(home.path("disk"), home.path("elsewhere")).unwrap();
    home.no_faults().await;
    let ran = home.run(&["backfill"]).await.expect(5);
    let told = "is missing or empty:\n";
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    assert!(ran.stdout.contains("disk/p.jpg\n"), "{}", ran.stdout);
    fs::rename(home.path("elsewhere"), home.path("disk")).unwrap();
    home.backfill().await;
    home.all_there(&[photo]).await;
}

/// A backfill that leaves everything in the queue: nobody is signed in.
async fn queue_all(home: &Home) {
    fs::remove_file(home.path("state/token.json")).unwrap();
    home.run(&["backfill"]).await.expect(3);
    home.sign_in("the second");
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_queued_file_keeps_nobody_waiting() {
    let mut home = Home::with_folder("").await;
    home.set("upload.parallel", "1");
    let files = home.photos("photos", 3);
    queue_all(&home).await;
    fs::remove_file(&files[0]).unwrap();
    mkfifoat(CWD, &files[0], Mode::RWXU).unwrap();
    home.backfill().await;
    home.all_there(&files[1..]).await;
}

#[tokio::test]
async fn a_link_in_the_place_of_a_queued_folder_leads_nowhere() {
    for rules in ["", "follow_symlinks = true"] {
        let home = Home::with_folder(rules).await;
        let stays = home.taken("photos/p.jpg", 1, &photo(1));
        home.taken("photos/a/q.jpg", 2, &photo(2));
        queue_all(&home).await;
        fs::rename(home.path("photos/a"), home.path("outside")).unwrap();
        symlink(home.path("outside"), home.path("photos/a")).unwrap();
        home.backfill().await;
        home.all_there(&[stays]).await;
    }
}

#[tokio::test]
async fn a_link_that_stays_in_its_folder_is_read_where_links_are_followed() {
    let home = Home::with_folder("follow_symlinks = true\nexclude = ['kept/']").await;
    let file = home.taken("photos/kept/q.jpg", 2, &photo(2));
    symlink(home.path("photos/kept"), home.path("photos/a")).unwrap();
    home.backfill().await;
    home.all_there(&[file]).await;
}
