//! The disk makes trouble: full, read-only, broken, cut off, or a file of it taken away. Nothing is lost,
//! nothing goes up twice, one sentence says what is wrong, and work goes on by itself.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod broken;
mod full;
mod million;
mod power;
mod read_only;
mod removed;
mod sign_in;
mod week;

use std::path::PathBuf;

use support::{child::Running, disk::Usage, home::Home};

/// Lines that a program may say of one trouble: one when it begins, one when it is over, and for each
/// of the two one more should it flap.
const MOST_LINES: usize = 4;

/// A sick disk is no reason to be busy: watches for a few seconds.
async fn stays_calm(running: &Running) {
    let usage = Usage::of(running.pid());
    let (before, lines) = (usage.cpu(), lines(running));
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let spent = usage.cpu() - before;
    assert!(spent < 60, "{spent} hundredths of a second in four");
    let more = self::lines(running) - lines;
    assert!(
        more <= MOST_LINES,
        "{more} lines more\n{}",
        running.stderr()
    );
}

/// Lines that it says also to those who do not ask for more.
fn lines(running: &Running) -> usize {
    let said = running.stderr();
    said.lines()
        .filter(|line| !line.contains(" DEBUG "))
        .count()
}

/// Waits until all these files are in the library, and checks that each is there once.
async fn all_made(home: &Home, files: &[PathBuf]) {
    let n = files.len();
    home.until_status("all are made", |status| status["items"]["created"] == n)
        .await;
    home.all_there(files).await;
}
