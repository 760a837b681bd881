//! Upload tokens that die before a batch takes them.

use serde_json::json;

use super::Trip;
use crate::support::home::Home;

const CREATE: &str = "mediaItems.batchCreate";

/// A trip whose bytes are up and whose batch was refused for the day.
async fn uploaded(n: u64) -> Trip {
    let trip = Trip::of(n).await;
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

#[tokio::test]
async fn one_token_that_the_service_forgot_costs_only_its_own_bytes() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let mut files = home.photos("photos", 1);
    home.fault(CREATE, Some(1), "minute_429".into()).await;
    home.script(json!({"settings": {"rate_limit_scale": 0.0}}))
        .await;
    home.run(&["backfill", "--no-wait"]).await.expect(0);
    home.fault(CREATE, None, "hang".into()).await;
    files.push(home.taken("photos/old.jpg", 1, &super::support::media::photo(100)));
    let mut running = home.start(&["backfill"]);
    home.until("the call came", |library| library.calls(CREATE) == 3)
        .await;
    assert!(running.runs());
    running.kill();
    // The service forgets the token of the one; the client does not know.
    home.no_faults().await;
    home.script(json!({"settings": {"upload_token_lifetime_s": 0}}))
        .await;
    home.command(json!({"command": "advance_clock_s", "seconds": 1}))
        .await;
    home.script(json!({"settings": {"upload_token_lifetime_s": 86400}}))
        .await;
    files.push(home.taken("photos/young.jpg", 2, &super::support::media::photo(101)));
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(
        library.names_in("Rome"),
        crate::support::home::names(&files)
    );
}
