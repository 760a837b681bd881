//! Commands beside a running daemon: they leave it an order, and end as if they had done it.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::json;

use support::{
    child::Running,
    home::{Home, LOOK, PATIENCE, names},
    media::photo,
};

const CREATE: &str = "mediaItems.batchCreate";

/// A daemon that has brought three photos into an album.
async fn settled() -> (Home, Running, Vec<PathBuf>) {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let files = home.photos("photos", 3);
    let daemon = home.daemon().await;
    home.until_status("made", |status| status["items"]["created"] == 3)
        .await;
    (home, daemon, files)
}

#[tokio::test]
async fn a_backfill_of_a_path_is_done_by_the_daemon() {
    let (home, mut daemon, mut files) = settled().await;
    files.push(home.write("elsewhere/a.jpg", &photo(10)));
    files.push(home.write("elsewhere/b/c.jpg", &photo(11)));
    home.run(&["backfill", "elsewhere"]).await.expect(0);
    // It came back when all was there, and not before.
    let library = home.all_there(&files).await;
    assert_eq!(library.names_in("Rome"), names(&files[..3]));
    assert!(daemon.runs());
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_backfill_of_everything_is_done_by_the_daemon() {
    let (home, daemon, mut files) = settled().await;
    files.push(home.taken("photos/late.jpg", 20, &photo(20)));
    home.run(&["backfill"]).await.expect(0);
    let library = home.all_there(&files).await;
    assert_eq!(library.names_in("Rome"), names(&files));
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_path_that_is_not_there_is_a_mistake_beside_a_daemon_too() {
    let (home, daemon, _) = settled().await;
    home.run(&["backfill", "nowhere"]).await.expect(2);
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_retry_heals_what_failed_while_the_daemon_runs() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    home.fault(CREATE, None, json!({"item_codes": {"p0001.jpg": 3}}))
        .await;
    let files = home.photos("photos", 3);
    let daemon = home.daemon().await;
    home.until_status("failed", |status| {
        status["items"]["failed"] == 1 && status["items"]["created"] == 2
    })
    .await;
    home.run(&["backfill"]).await.expect(1);
    home.no_faults().await;
    home.run(&["retry", "photos/p0001.jpg"]).await.expect(0);
    home.until_status("healed", |status| status["items"]["created"] == 3)
        .await;
    daemon.stop().await.expect(0);
    let library = home.all_there(&files).await;
    assert_eq!(library.names_in("Rome"), names(&files));
}

#[tokio::test]
async fn verify_says_the_same_beside_a_daemon_and_alone() {
    let (home, daemon, files) = settled().await;
    let beside = home.run(&["verify"]).await.expect(0);
    daemon.stop().await.expect(0);
    let alone = home.run(&["verify"]).await.expect(0);
    assert_eq!(beside.stdout, alone.stdout);
    assert!(alone.stdout.contains('3'), "{}", alone.stdout);
    home.all_there(&files).await;
}

#[tokio::test]
async fn verify_finds_what_is_gone_and_a_retry_brings_it_back() {
    let (home, daemon, files) = settled().await;
    home.command(json!({"command": "delete_item", "filename": "p0001.jpg"}))
        .await;
    let beside = home.run(&["verify"]).await.expect(1);
    let status = home.status().await;
    assert_eq!(status["items"]["missing"], 1, "{status:#}");
    assert_eq!(status["failures"][0]["state"], "missing");
    daemon.stop().await.expect(0);
    let alone = home.run(&["verify"]).await;
    assert!(
        beside.stdout.contains("1 ") && beside.stdout.contains("missing"),
        "{}",
        beside.stdout
    );
    assert!(alone.stdout.contains("missing"), "{}", alone.stdout);
    let daemon = home.daemon().await;
    home.run(&["retry", "--all"]).await.expect(0);
    home.until_status("back", |status| {
        status["items"]["missing"] == 0
            && status["items"]["failed"] == 0
            && status["items"]["queued"] == 0
            && status["items"]["uploaded"] == 0
            && status["items"]["creating"] == 0
            && status["items"]["uploading"] == 0
    })
    .await;
    daemon.stop().await.expect(0);
    home.all_there(&files).await;
}

#[tokio::test]
async fn an_order_to_a_daemon_that_is_killed_is_not_an_order_that_was_done() {
    let (home, daemon, mut files) = settled().await;
    home.fault("uploads.raw", None, "hang".into()).await;
    files.push(home.write("elsewhere/a.jpg", &photo(10)));
    let order = home.start(&["backfill", "elsewhere"]);
    home.until("it began", |library| library.calls("uploads.raw") > 3)
        .await;
    daemon.kill();
    let ran = order.ended().await;
    assert_ne!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    home.no_faults().await;
    home.run(&["backfill", "elsewhere"]).await.expect(0);
    home.all_there(&files).await;
}

#[tokio::test]
async fn an_order_that_nobody_took_is_done_by_who_gave_it() {
    let (home, daemon, mut files) = settled().await;
    files.push(home.write("elsewhere/a.jpg", &photo(10)));
    // It holds the folder and hears nothing any more, as in the last moment of its life.
    daemon.signal(Signal::STOP);
    let order = home.start(&["backfill", "elsewhere"]);
    let orders = || -> i64 {
        let db = rusqlite::Connection::open(home.path("state/albumen.db")).unwrap();
        db.query_row("SELECT count(*) FROM commands", [], |row| row.get(0))
            .unwrap()
    };
    while orders() == 0 {
        tokio::time::sleep(LOOK).await;
    }
    daemon.kill();
    order.ended().await.expect(0);
    home.all_there(&files).await;
}

#[tokio::test]
async fn backfills_that_begin_at_the_same_moment_are_one() {
    let home = Home::with_folder("").await;
    let files = home.photos("photos", 2);
    for _ in 0..8 {
        let together = [0; 3].map(|_| home.start(&["backfill"]));
        for backfill in together {
            backfill.ended().await.expect(0);
        }
    }
    home.all_there(&files).await;
    for _ in 0..8 {
        let together = [0; 3].map(|_| home.start(&["verify"]));
        for verify in together {
            verify.ended().await.expect(0);
        }
    }
}

#[tokio::test]
async fn a_state_folder_with_a_long_name_is_as_good_as_any_other() {
    let mut home = Home::with_folder("").await;
    let long = format!("state/{}", "long".repeat(30));
    home.set("state_dir", &format!("'{long}'"));
    std::fs::create_dir(home.path(&long)).unwrap();
    let token = home.path("state/token.json");
    std::fs::rename(token, home.path(format!("{long}/token.json"))).unwrap();
    let mut files = home.photos("photos", 2);
    let daemon = home.daemon().await;
    files.push(home.write("elsewhere/a.jpg", &photo(10)));
    let beside = home.run(&["backfill", "elsewhere"]).await.expect(0);
    assert!(beside.stderr.contains("it takes this over"), "{beside:?}");
    home.until_status("made", |status| status["items"]["created"] == 3)
        .await;
    daemon.stop().await.expect(0);
    home.all_there(&files).await;
}

/// A removal that is asked of a daemon which stands still, once its order is left.
async fn asked_in_vain(home: &Home, daemon: &Running) -> Running {
    daemon.signal(Signal::STOP);
    let asking = home.start(&["album", "remove", "Rome", "photos/p0000.jpg", "--yes"]);
    let database = rusqlite::Connection::open(home.path("state/albumen.db")).unwrap();
    let left = || -> i64 {
        let sql = "SELECT count(*) FROM commands WHERE started_at IS NULL";
        database.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let since = tokio::time::Instant::now();
    while left() == 0 {
        assert!(since.elapsed() < PATIENCE, "{}", asking.stderr());
        tokio::time::sleep(LOOK).await;
    }
    asking
}

#[tokio::test]
async fn an_order_that_nobody_answers_is_said_to_stay_and_is_done_later() {
    let (home, daemon, _) = settled().await;
    let ran = asked_in_vain(&home, &daemon).await.ended().await.expect(4);
    assert!(
        ran.stderr.contains(
            "does not answer; the order is left with it, and is done when it answers\nhint: there is no need to ask again"
        ),
        "{}",
        ran.stderr
    );
    daemon.signal(Signal::CONT);
    home.until("it is done", |library| library.names_in("Rome").len() == 2)
        .await;
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn who_waits_for_an_answer_can_stop_waiting() {
    let (home, daemon, _) = settled().await;
    let asking = asked_in_vain(&home, &daemon).await;
    let since = tokio::time::Instant::now();
    asking.signal(Signal::INT);
    let ran = asking.ended().await.expect(130);
    assert!(since.elapsed() < std::time::Duration::from_secs(8));
    assert!(
        ran.stderr.contains("not waiting any longer"),
        "{}",
        ran.stderr
    );
    daemon.signal(Signal::CONT);
    daemon.stop().await.expect(0);
}
