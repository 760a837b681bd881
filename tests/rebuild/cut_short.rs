//! A rebuild that is stopped, refused or killed.

use rustix::process::Signal;
use serde_json::json;

use crate::{
    Photographer, lose, rebuild,
    support::home::{Home, names},
    uploads,
};

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_out_a_429_and_goes_on_after_an_interruption() {
    let home = Home::with_folder("album = 'folder'").await;
    let files = home.shots("photos/a", 5);
    home.backfill().await;
    let before = home.library().await;
    lose(&home);
    home.script(json!({"settings": {"latency_ms": {"mediaItems.list": 60_000}}}))
        .await;
    let running = home.start(&["rebuild", "-v"]);
    home.until("the library is being listed", |library| {
        library.calls("mediaItems.list") > 0
    })
    .await;
    running.signal(Signal::INT);
    let ran = running.ended().await.expect(130);
    assert!(
        ran.stdout.contains("Stopped: interrupted"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("1 album was taken over"),
        "{}",
        ran.stdout
    );

    home.script(json!({"settings": {"latency_ms": {}}})).await;
    home.fault("mediaItems.list", Some(2), "minute_429".into())
        .await;
    let ran = rebuild(&home).await;
    assert!(
        ran.stdout.contains("5 files were found again"),
        "{}",
        ran.stdout
    );
    home.backfill().await;
    let after = home.all_there(&files).await;
    assert_eq!(uploads(&after), uploads(&before));
    assert_eq!(after.titles(), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_day_ends_it_with_5_and_the_albums_are_kept() {
    let home = Home::with_folder("album = 'folder'").await;
    home.until_noon().await;
    home.shots("photos/a", 5);
    home.backfill().await;
    lose(&home);
    home.fault("mediaItems.list", Some(1), "daily_429".into())
        .await;
    let ran = home.run(&["rebuild"]).await.expect(5);
    assert!(
        ran.stdout.contains("1 album was taken over"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("run it again"), "{}", ran.stdout);
    // What was not listed to its end is not counted.
    for told in ["from this client", "found again"] {
        assert!(!ran.stdout.contains(told), "{}", ran.stdout);
    }
    // The day's stop is kept, and nothing is asked before its end.
    let before = home.library().await;
    home.run(&["rebuild"]).await.expect(5);
    assert_eq!(home.library().await.requests(), before.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_it_does_nothing() {
    let home = Home::with_folder("").await;
    home.shots("photos", 1);
    let daemon = home.daemon().await;
    let ran = home.run(&["rebuild"]).await.expect(4);
    assert!(
        ran.stderr.contains("needs the state folder for itself"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    daemon.stop().await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_time_leaves_no_second_item() {
    let home = Home::with_folder("album = 'folder'").await;
    let files = home.shots("photos/a", 200);
    home.backfill().await;
    let before = home.library().await;
    lose(&home);
    for wait_ms in [5, 20, 40, 60, 80, 120] {
        let running = home.start(&["rebuild"]);
        // Wherever that is: every moment is as good as another.
        tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        running.kill();
    }
    rebuild(&home).await;
    home.backfill().await;
    let after = home.all_there(&files).await;
    assert_eq!(uploads(&after), uploads(&before));
    assert_eq!(after.titles(), ["a"]);
    assert_eq!(after.names_in("a"), names(&files));
}
