//! Trouble with albums: whatever happens, there are never two of a title.

use serde_json::json;

use super::{ROME, Trip, three};
use crate::support::home::names;

const MAKE: &str = "albums.create";

#[tokio::test]
async fn an_album_whose_answer_was_lost_is_found_in_the_list() {
    for loss in [
        json!("cut_after"),
        json!("garbage"),
        json!({"canned": "server_500", "commit": true}),
        json!({"canned": "unavailable_503", "commit": true}),
    ] {
        let library = three(MAKE, 1, loss.clone()).await;
        assert_eq!(library.calls(MAKE), 1, "{loss}");
    }
}

#[tokio::test]
async fn an_album_that_was_never_asked_for_is_made_after_two_looks_at_the_list() {
    let library = three(MAKE, 1, "cut_before").await;
    assert_eq!(library.calls(MAKE), 2);
    assert!(library.calls("albums.list") >= 2);
}

#[tokio::test]
async fn a_list_that_cannot_be_had_is_not_an_album_that_is_not_there() {
    let trip = Trip::of(3).await;
    trip.home
        .script(json!({"rules": [
            {"method": MAKE, "action": "cut_after"},
            {"method": "albums.list", "times": 4, "action": "unavailable_503"},
        ]}))
        .await;
    let library = trip.backfill().await;
    assert_eq!(library.calls(MAKE), 1);
}

#[tokio::test]
async fn the_list_may_have_short_and_empty_pages() {
    let trip = Trip::of(3).await;
    trip.home
        .script(json!({"settings": {"list_oddities": true},
                       "rules": [{"method": MAKE, "action": "cut_after"}]}))
        .await;
    trip.backfill().await;
}

#[tokio::test]
async fn refusals_of_an_album_are_waited_for() {
    three(MAKE, 2, "minute_429").await;
    three(MAKE, 2, "concurrent_429").await;
}

#[tokio::test]
async fn an_album_that_the_service_does_not_see_yet_is_waited_for() {
    let trip = Trip::of(3).await;
    trip.home
        .script(json!({"settings": {"album_visible_after_s": 1}}))
        .await;
    let library = trip.backfill().await;
    assert_eq!(library.calls(MAKE), 1);
    assert_eq!(library.calls("uploads.raw"), 3);
}

#[tokio::test]
async fn an_album_that_was_deleted_by_hand_is_made_anew_once() {
    let mut trip = Trip::of(3).await;
    trip.backfill().await;
    trip.home
        .command(json!({"command": "delete_album", "title": ROME}))
        .await;
    // Older than what may be an album that is not seen yet.
    trip.home.pass(60).await;
    trip.files = trip.home.photos("photos", 6);
    trip.home.backfill().await;
    let library = trip.home.all_there(&trip.files).await;
    assert_eq!(library.titles(), [ROME]);
    assert_eq!(library.calls(MAKE), 2);
    let late = library.names_in(ROME);
    assert!(
        names(&trip.files[3..])
            .iter()
            .all(|name| late.contains(name)),
        "{late:?}"
    );
}

#[tokio::test]
async fn an_album_whose_answer_was_lost_is_made_once_also_where_the_list_is_late() {
    let trip = Trip::of(3).await;
    // A second here is ten minutes there.
    trip.home
        .script(json!({"settings": {"album_visible_after_s": 1},
                       "rules": [{"method": MAKE, "action": "cut_after"}]}))
        .await;
    let library = trip.backfill().await;
    assert_eq!(library.calls(MAKE), 1);
}
