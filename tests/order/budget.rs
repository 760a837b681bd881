//! What order may cost in a day: `batch.order_calls`.

use std::path::PathBuf;

use crate::support::{
    home::{Home, names},
    media::photo,
    said::without_times,
};

const CREATE: &str = "mediaItems.batchCreate";

/// An album of photos with gaps between, and what belongs into the gaps; gives what is late.
async fn with_gaps(home: &Home, gaps: u64) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let stands: Vec<_> = (0..=gaps)
        .map(|n| home.taken(format!("photos/p{:03}.jpg", 2 * n), 2 * n, &photo(2 * n)))
        .collect();
    home.backfill().await;
    let late = (0..gaps)
        .map(|n| {
            let n = 2 * n + 1;
            home.taken(format!("photos/p{n:03}.jpg"), n, &photo(n))
        })
        .collect();
    (stands, late)
}

#[tokio::test]
async fn calls_for_order_are_made_as_many_as_a_day_allows_and_the_rest_the_next_day() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.until_noon().await;
    home.set("batch.order_calls", "2");
    let (stands, late) = with_gaps(&home, 5).await;
    let dry = home.said(&["backfill", "--dry-run"], 0).await;
    insta::assert_snapshot!(dry, @r#"
    5 files would go up, 265 B.
    It takes 5 requests, 5 of them for photos that are late for their place in an album; a photo that fails or is slow to send may take one more.
    A day has 9,800 of them for this: 1 day, at the pace of writes at least 1 s.
    Late photos may have 2 of them a day (`batch.order_calls`): 3 days.
              5     265 B  album "Rome"
    Already in Google Photos: 6 files
    "#);
    // What comes behind all waits for nothing.
    let last = home.taken("photos/z.jpg", 99, &photo(99));
    let daemon = home.daemon().await;
    let status = home
        .until_status("the budget is spent", |status| {
            status["lane"]["state"] == "waiting" && status["items"]["created"] == 9
        })
        .await;
    assert_eq!(status["eta"]["bound_by"], "order", "{status:#}");
    let day_ends_in = status["eta"]["seconds"].as_u64().unwrap();
    assert!((1..=25 * 3600).contains(&day_ends_in), "{day_ends_in}");
    let said = home.said(&["status"], 0).await;
    insta::assert_snapshot!(without_times(&said), @r"
    waiting: late photos wait for their places: today's `batch.order_calls` are used up (until THEN); 3 files to go

      in Google Photos     9
      sent, to be created  3
      waiting              0
      failed               0
      not yet in album     3

      daemon (process 1) since THEN
      6 of 10,000 requests of the day

    Albums:
      Rome  9 items
    ");
    daemon.stop().await.expect(0);
    let library = home.library().await;
    assert_eq!(library.calls(CREATE), 4);
    let ran = home.run(&["backfill", "--no-wait"]).await.expect(5);
    insta::assert_snapshot!(without_times(&ran.stdout), @r"
    Nothing new went up in SOME TIME.
      9 were there already
      3 are still to go
    Stopped: late photos wait for their places: today's `batch.order_calls` are used up (until THEN)
    ");
    // Three are left for two days.
    home.pass(26 * 3600).await;
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    assert_eq!(home.status().await["items"]["created"], 11);
    home.pass(26 * 3600).await;
    home.backfill().await;
    let mut files: Vec<_> = stands.into_iter().chain(late).collect();
    files.sort();
    files.push(last);
    let library = home.all_there(&files).await;
    assert_eq!(library.names_in("Rome"), names(&files));
    assert_eq!(library.calls(CREATE), 7);
}

#[tokio::test]
async fn where_no_call_may_be_made_for_order_late_ones_stand_at_the_end_and_do_not_wait() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.until_noon().await;
    home.set("batch.order_calls", "0");
    let (stands, late) = with_gaps(&home, 5).await;
    let dry = home.said(&["backfill", "--dry-run"], 0).await;
    insta::assert_snapshot!(dry, @r#"
    5 files would go up, 265 B.
    It takes 1 request; a photo that fails or is slow to send may take one more.
    A day has 9,800 of them for this: 1 day, at the pace of writes at least 1 s.
    `batch.order_calls` allows none for order: 5 late photos stand at the end.
              5     265 B  album "Rome"
    Already in Google Photos: 6 files
    "#);
    home.backfill().await;
    let files = [stands, late].concat();
    let library = home.all_there(&files).await;
    assert_eq!(library.names_in("Rome"), names(&files));
    assert_eq!(library.calls(CREATE), 2);
    insta::assert_snapshot!(home.said(&["albums"], 0).await, @r"
    TITLE  ITEMS  TO COME  OUT OF ORDER  LINK
    Rome      11        0             5  https://photos.google.com/lr/album/ID
    ");
}
