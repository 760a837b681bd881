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

#[tokio::test]
async fn a_call_in_parts_for_an_album_that_is_lost_meanwhile_makes_nothing_outside_of_it() {
    const CREATE: &str = "mediaItems.batchCreate";
    let mut trip = Trip::of(1).await;
    trip.home.set("retry.server_error_base", "'20ms'");
    trip.backfill().await;
    // Older than what may be an album that is not seen yet.
    trip.home.pass(60).await;
    trip.files = trip.home.photos("photos", 9);
    let body = json!({"error": {"code": 400, "message": "Never.", "status": "INVALID_ARGUMENT"}});
    let refused = json!({"answer": {"status": 400, "body": body}});
    let rate = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED",
        "message": "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user'"}});
    // Longer than the album has to be absent before it counts as deleted.
    let waits = json!({"answer": {"status": 429, "body": rate, "headers": {"retry-after": "3"}}});
    let rule = |method, skip, times, action| json!({"method": method, "skip": skip, "times": times, "action": action});
    trip.home
        .script(json!({"rules": [
            rule(CREATE, 0, 3, refused),
            rule(CREATE, 3, 1, json!("album_gone")),
            rule(CREATE, 4, 1, waits),
            rule(CREATE, 5, 1, json!("album_gone")),
            rule("albums.get", 3, 2, json!("not_found_404")),
        ]}))
        .await;
    trip.home.backfill().await;
    let library = trip.home.all_there(&trip.files).await;
    assert_eq!(
        library.titles().len(),
        2,
        "the one that was lost, and the new one"
    );
    let albums = library.0["albums"].as_array().unwrap();
    let whole = albums
        .iter()
        .find(|album| album["items"].as_array().unwrap().len() == 9);
    assert!(whole.is_some(), "{albums:#?}");
}
