//! Upload tokens that die before a batch takes them.

use serde_json::json;

use super::Trip;
use crate::support::{home::Home, media::photo};

const CREATE: &str = "mediaItems.batchCreate";

/// A trip whose bytes are up and whose batch was refused for the day.
async fn uploaded(n: u64) -> Trip {
    let trip = Trip::of(n).await;
    trip.home.until_noon().await;
    trip.home.fault(CREATE, Some(1), "daily_429".into()).await;
    trip.home.run(&["backfill", "--no-wait"]).await.expect(5);
    let status = trip.home.status().await;
    assert_eq!(status["items"]["uploaded"], n, "{status:#}");
    trip
}

#[tokio::test]
async fn tokens_that_are_a_day_old_are_not_used_and_their_bytes_go_again() {
    let trip = uploaded(3).await;
    trip.home.pass(26 * 3600).await;
    let library = trip.backfill().await;
    assert_eq!(library.calls("uploads.raw"), 6);
    assert_eq!(library.calls(CREATE), 2, "no call was spent on dead tokens");
}

/// Two photos whose bytes are up: the token of the first is about to die, and only the service knows.
async fn one_old_one_young() -> Trip {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("batch.max_wait", "'10m'");
    let daemon = home.daemon().await;
    let mut files = vec![home.taken("photos/old.jpg", 1, &photo(1))];
    home.until_status("one is up", |status| status["items"]["uploaded"] == 1)
        .await;
    home.command(json!({"command": "advance_clock_s", "seconds": 2000}))
        .await;
    files.push(home.taken("photos/young.jpg", 2, &photo(2)));
    home.until_status("both are up", |status| status["items"]["uploaded"] == 2)
        .await;
    daemon.stop().await.expect(0);
    Trip { home, files }
}

async fn the_first_dies(home: &Home) {
    home.script(json!({"settings": {"upload_token_lifetime_s": 1000}}))
        .await;
}

#[tokio::test]
async fn one_token_that_the_service_forgot_costs_only_its_own_bytes() {
    let trip = one_old_one_young().await;
    the_first_dies(&trip.home).await;
    let library = trip.backfill().await;
    assert_eq!(library.calls("uploads.raw"), 3);
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_and_whose_tokens_died_makes_nothing_twice() {
    for held in [json!("hang"), json!({"hang": true, "commit": true})] {
        let trip = one_old_one_young().await;
        trip.home.fault(CREATE, None, held).await;
        let running = trip.home.start(&["backfill"]);
        trip.home
            .until("the call", |library| library.calls(CREATE) == 1)
            .await;
        running.kill();
        trip.home.no_faults().await;
        the_first_dies(&trip.home).await;
        let library = trip.backfill().await;
        assert_eq!(library.calls("uploads.raw"), 3);
    }
}
