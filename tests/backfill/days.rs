//! Days whose requests are used up.

use serde_json::json;

use crate::{
    CREATE,
    support::home::{Home, names},
};

#[tokio::test]
async fn a_day_that_is_used_up_ends_the_run_and_the_next_run_goes_on() {
    let home = Home::with_folder("album = 'name:Rome'").await;
    home.until_noon().await;
    let files = home.photos("photos", 120);
    // The list of albums, the album, and one batch.
    home.script(json!({"settings": {"daily_limit": 3, "uploads_count": false}}))
        .await;
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let status = home.status().await;
    assert_eq!(status["account"]["state"], "quota_exhausted", "{status:#}");
    assert_eq!(status["items"]["created"], 50);
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    home.script(json!({"settings": {"daily_limit": 10_000}}))
        .await;
    home.pass(26 * 3600).await;
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.names_in("Rome"), names(&files));
}

#[tokio::test]
async fn our_own_limit_of_a_day_stops_without_asking() {
    let mut home = Home::with_folder("").await;
    home.until_noon().await;
    home.set("quota.requests_per_day", "1");
    home.set("quota.reserve", "0");
    let files = home.photos("photos", 60);
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    let library = home.library().await;
    assert_eq!((library.calls(CREATE), library.n_items()), (1, 50));
    home.pass(26 * 3600).await;
    home.backfill().await;
    home.all_there(&files).await;
}
