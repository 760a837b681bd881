//! Is it all there? What `albumen verify` and the daemon find, in how many requests, and in which words.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};

use support::{
    child::Ran,
    home::Home,
    media::{photo, video},
};

/// A home whose photos went up.
async fn uploaded(n: u64) -> (Home, Vec<PathBuf>) {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let files = home.photos("photos", n);
    home.backfill().await;
    (home, files)
}

/// What a command said on stdout, without the name of the temporary home.
fn said(home: &Home, ran: &Ran) -> String {
    ran.stdout.replace(home.path("").to_str().unwrap(), "HOME/")
}

/// The id of the media item with this file name.
async fn id_of(home: &Home, name: &str) -> String {
    let library = home.library().await;
    let items = library.0["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["filename"] == name).unwrap();
    item["id"].as_str().unwrap().to_owned()
}

fn asked(library: &support::library::Library) -> u64 {
    library.calls("mediaItems.batchGet")
}

#[tokio::test]
async fn everything_is_asked_for_in_full_groups() {
    let (home, files) = uploaded(120).await;
    let ran = home.run(&["verify"]).await.expect(0);
    insta::assert_snapshot!(said(&home, &ran), @"All 120 that went up are in Google Photos.");
    let library = home.all_there(&files).await;
    assert_eq!(asked(&library), 3);
    assert_eq!(home.status().await["items"]["verified"], 120);
}

#[tokio::test]
async fn the_report_counts_by_cause_and_names_the_files() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    home.photos("photos", 3);
    for n in 0..2 {
        home.taken(format!("photos/v{n}.mp4"), 10 + n, &video(2 * n, 5_000));
    }
    home.backfill().await;
    home.command(json!({"command": "delete_item", "filename": "p0001.jpg"}))
        .await;
    home.command(json!({"command": "fail_video", "filename": "v0.mp4"}))
        .await;
    home.script(json!({"settings": {"video_processing_s": 3600}}))
        .await;
    let ran = home.run(&["verify"]).await.expect(1);
    insta::assert_snapshot!(said(&home, &ran), @r"
    4 of 5 are in Google Photos.
      1 video is still being processed there, and can be played later
      1 video is there but cannot be played: Google Photos could not process it
        HOME/photos/v0.mp4
      1 file is missing: Google Photos no longer knows it
        HOME/photos/p0001.jpg
    hint: `albumen retry --all` uploads the missing ones again
    ");
    // What is missing stays so, and is not asked for again.
    let before = asked(&home.library().await);
    let again = home.run(&["verify"]).await.expect(1);
    assert_eq!(said(&home, &again), said(&home, &ran));
    assert_eq!(asked(&home.library().await), before + 1);
}

#[tokio::test]
async fn an_id_that_the_service_chokes_on_is_found_and_the_rest_is_answered() {
    let (home, _) = uploaded(60).await;
    let id = id_of(&home, "p0033.jpg").await;
    let choke = json!({"canned": "server_500", "only_with": id});
    home.fault("mediaItems.batchGet", None, choke).await;
    let ran = home.run(&["verify"]).await.expect(1);
    insta::assert_snapshot!(said(&home, &ran), @r"
    59 of 60 are in Google Photos.
      1 file could not be asked for: Google Photos answers with an error
        HOME/photos/p0033.jpg
    ");
    // Fifty, fifty again, five tens, ten ones, and the last ten of the sixty.
    assert_eq!(asked(&home.library().await), 1 + 1 + 5 + 10 + 1);
    assert_eq!(home.status().await["items"]["verified"], 59);
}

#[tokio::test]
async fn a_service_that_answers_nothing_is_not_asked_fifty_times() {
    let (home, _) = uploaded(60).await;
    home.fault("mediaItems.batchGet", None, json!("server_500"))
        .await;
    let ran = home.run(&["verify"]).await.expect(5);
    let said = said(&home, &ran);
    assert!(said.contains("stopped with 60 not asked for: "), "{said}");
    let n = asked(&home.library().await);
    assert!(n <= 4 * 10, "{n} requests");
}

#[tokio::test]
async fn a_hiccup_of_the_service_costs_one_more_request() {
    let (home, files) = uploaded(60).await;
    for (at, hiccup) in ["server_500", "unavailable_503", "minute_429"]
        .into_iter()
        .enumerate()
    {
        home.fault("mediaItems.batchGet", Some(1), json!(hiccup))
            .await;
        home.run(&["verify"]).await.expect(0);
        assert_eq!(
            asked(&home.library().await),
            3 * (at as u64 + 1),
            "{hiccup}"
        );
    }
    home.all_there(&files).await;
}

#[tokio::test]
async fn beside_a_daemon_the_report_is_the_same_word_for_word() {
    let (home, _) = uploaded(3).await;
    home.command(json!({"command": "delete_item", "filename": "p0001.jpg"}))
        .await;
    let daemon = home.daemon().await;
    let beside = home.run(&["verify"]).await.expect(1);
    daemon.stop().await.expect(0);
    let alone = home.run(&["verify"]).await.expect(1);
    assert_eq!(said(&home, &beside), said(&home, &alone));
}

#[tokio::test]
async fn with_nothing_uploaded_there_is_nothing_to_ask_for() {
    let home = Home::with_folder("").await;
    let ran = home.run(&["verify"]).await.expect(0);
    insta::assert_snapshot!(said(&home, &ran), @"Nothing has gone up yet, so there is nothing to ask for.");
    assert_eq!(home.library().await.requests(), 0);
}

#[tokio::test]
async fn an_answer_that_was_lost_or_broken_is_asked_for_again() {
    let (home, _) = uploaded(120).await;
    for action in ["cut_before", "garbage", "unavailable_503"] {
        let rule =
            json!({"method": "mediaItems.batchGet", "skip": 1, "times": 1, "action": action});
        home.no_faults().await;
        home.script(json!({"rules": [rule]})).await;
        let ran = home.run(&["verify"]).await.expect(0);
        assert_eq!(
            ran.stdout, "All 120 that went up are in Google Photos.\n",
            "{action}"
        );
    }
}

#[tokio::test]
async fn an_id_that_the_service_refuses_holds_up_no_other() {
    let (home, _) = uploaded(61).await;
    let refused = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
        "message": "Request contains an invalid media item id."}});
    let db = rusqlite::Connection::open(home.path("state/albumen.db")).unwrap();
    // One of fifty, and the one that is asked for alone.
    for nth in [5, 60] {
        let query = "SELECT media_item_id FROM items ORDER BY id LIMIT 1 OFFSET ?1";
        let id: String = db.query_row(query, [nth], |row| row.get(0)).unwrap();
        home.no_faults().await;
        let answer = json!({"answer": {"status": 400, "body": refused}, "only_with": id});
        home.fault("mediaItems.batchGet", None, answer).await;
        let ran = home.run(&["verify"]).await.expect(1);
        let said = said(&home, &ran);
        assert!(
            said.starts_with("60 of 61 are in Google Photos.\n  1 file could not be asked for"),
            "{nth}: {said}"
        );
    }
    assert_eq!(home.status().await["items"]["verified"], 61);
}

#[tokio::test]
async fn a_service_that_refuses_every_question_is_not_asked_for_each_item() {
    let (home, _) = uploaded(120).await;
    let refused = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "no"}});
    let answer = json!({"answer": {"status": 400, "body": refused}});
    home.fault("mediaItems.batchGet", None, answer).await;
    home.run(&["verify"]).await.expect(5);
    let n = asked(&home.library().await);
    assert!(n < 12, "{n}");
}

#[tokio::test]
async fn a_daemon_asks_once_for_each_and_twice_before_it_calls_one_missing() {
    let mut home = Home::with_folder("").await;
    home.set("verify.after", "'10m'");
    home.photos("photos", 3);
    home.backfill().await;
    assert_eq!(asked(&home.library().await), 0, "a backfill does not ask");
    home.command(json!({"command": "delete_item", "filename": "p0001.jpg"}))
        .await;
    home.pass(71 * 60).await;
    let daemon = home.daemon().await;
    home.until_status("asked", |status| status["items"]["verified"] == 2)
        .await;
    assert_eq!(home.status().await["items"]["missing"], 0);
    home.clock(2 * 3601);
    daemon.stop().await.expect(0);
    let daemon = home.daemon().await;
    home.until_status("asked twice", |status| status["items"]["missing"] == 1)
        .await;
    daemon.stop().await.expect(0);
    assert_eq!(asked(&home.library().await), 2);
}

#[tokio::test]
async fn a_daemon_asks_for_a_video_until_it_can_be_played_or_cannot() {
    let mut home = Home::with_folder("").await;
    home.set("verify.after", "'0s'");
    home.script(json!({"settings": {"video_processing_s": 1800}}))
        .await;
    home.taken("photos/good.mp4", 1, &video(1, 5_000));
    home.taken("photos/bad.mp4", 2, &video(2, 5_000));
    let daemon = home.daemon().await;
    home.until("asked", |library| asked(library) > 0).await;
    let status = home.status().await;
    assert_eq!(status["items"]["created"], 2, "{status:#}");
    daemon.stop().await.expect(0);
    home.command(json!({"command": "fail_video", "filename": "bad.mp4"}))
        .await;
    home.pass(3600).await;
    let daemon = home.daemon().await;
    daemon
        .says(&["photos/bad.mp4: Google Photos could not process this video"])
        .await;
    home.until_status("known", |status| status["items"]["verified"] == 2)
        .await;
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_daemon_is_not_held_up_by_an_id_that_the_service_chokes_on() {
    let mut home = Home::with_folder("").await;
    home.set("verify.after", "'0s'");
    home.photos("photos", 12);
    home.backfill().await;
    let id = id_of(&home, "p0003.jpg").await;
    let choke = json!({"canned": "server_500", "only_with": id});
    home.fault("mediaItems.batchGet", None, choke).await;
    let daemon = home.daemon().await;
    home.until_status("the others are verified", |status| {
        status["items"]["verified"] == 11
    })
    .await;
    home.no_faults().await;
    daemon.stop().await.expect(0);
    home.pass(601).await;
    let daemon = home.daemon().await;
    let is_done = |status: &Value| status["items"]["verified"] == 12;
    home.until_status("so is that one", is_done).await;
    daemon.stop().await.expect(0);
    home.all_there(
        &(0..12)
            .map(|n| home.path(format!("photos/p{n:04}.jpg")))
            .collect::<Vec<_>>(),
    )
    .await;
    assert!(home.library().await.has_bytes(&photo(3)));
}
