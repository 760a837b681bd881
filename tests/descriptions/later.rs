//! Words that change or come later, and calls that fail.

use std::{fs, time::SystemTime};

use serde_json::json;

use crate::{
    CREATE, PATCH, RULES, described, real, running, says, stop,
    support::{home::Home, media::photo},
    takeout, until_says, xmp,
};

#[tokio::test]
async fn a_sidecar_that_changes_later_is_told_once() {
    let (home, daemon) = running(&[
        ("a.jpg", photo(1)),
        ("a.jpg.xmp", xmp("before")),
        ("b.jpg", photo(2)),
        ("b.jpg.json", takeout("b.jpg", "before")),
        ("c.jpg", photo(3)),
        ("d.jpg", photo(4)),
    ])
    .await;
    home.write("photos/a.jpg.xmp", &xmp("after"));
    until_says(&home, "a.jpg", "after").await;
    home.write("photos/b.jpg.json", &takeout("b.jpg", "after, too"));
    until_says(&home, "b.jpg", "after, too").await;
    // One that appears, moved here whole.
    let new = home.write("elsewhere/c.xmp", &xmp("found later"));
    fs::rename(new, home.path("photos/c.xmp")).unwrap();
    let library = until_says(&home, "c.jpg", "found later").await;
    assert_eq!((library.calls(PATCH), library.calls("uploads.raw")), (3, 4));
    // A touch is no change; what is told after it shows that it was seen.
    let touched = fs::File::options()
        .append(true)
        .open(home.path("photos/a.jpg.xmp"));
    touched
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    home.write("photos/d.jpg.xmp", &xmp("the last"));
    until_says(&home, "d.jpg", "the last").await;
    let library = stop(&home, daemon).await;
    assert_eq!((library.calls(PATCH), library.calls(CREATE)), (4, 1));
}

#[tokio::test]
async fn a_sidecar_that_is_deleted_takes_nothing_back() {
    let (home, daemon) = running(&[
        ("a.jpg", photo(1)),
        ("a.jpg.xmp", xmp("of the sidecar")),
        ("a.jpg.json", takeout("a.jpg", "of Takeout")),
        ("b.jpg", photo(2)),
        ("b.jpg.xmp", xmp("alone")),
    ])
    .await;
    fs::remove_file(home.path("photos/b.jpg.xmp")).unwrap();
    // The next source counts where there is one.
    fs::remove_file(home.path("photos/a.jpg.xmp")).unwrap();
    until_says(&home, "a.jpg", "of Takeout").await;
    let library = stop(&home, daemon).await;
    assert!(says(&library, "b.jpg", "alone"));
    assert_eq!(library.calls(PATCH), 1);
    let explained = home
        .run(&["explain", "photos/b.jpg"])
        .await
        .expect(0)
        .stdout;
    assert!(
        explained.contains("Google Photos keeps the one that it has: \"alone\"."),
        "{explained}"
    );
}

#[tokio::test]
async fn a_change_while_nothing_runs_is_seen_by_the_next_scan() {
    let home = Home::with_folder(RULES).await;
    home.photos("photos", 2);
    home.backfill().await;
    home.write("photos/p0000.jpg.xmp", &xmp("written at night"));
    home.backfill().await;
    let library = until_says(&home, "p0000.jpg", "written at night").await;
    assert_eq!(library.calls(PATCH), 1);
    home.write("photos/p0001.xmp", &xmp("and this"));
    let daemon = home.daemon().await;
    until_says(&home, "p0001.jpg", "and this").await;
    stop(&home, daemon).await;
}

#[tokio::test]
async fn a_folder_that_begins_to_ask_is_told_of_what_is_up_already() {
    let mut home = Home::new().await;
    home.folder("photos", "");
    home.write("photos/shutter.jpg", &real("shutter.jpg"));
    home.write("photos/a.jpg", &photo(1));
    home.backfill().await;
    let with = fs::read_to_string(home.path("config.toml")).unwrap() + "description = 'sidecar'\n";
    fs::write(home.path("config.toml"), with).unwrap();
    home.backfill().await;
    let library = home.library().await;
    assert!(says(&library, "shutter.jpg", "Grandma at the lake, á"));
    assert_eq!(library.calls(PATCH), 1);
    home.clean(&library).await;
}

#[tokio::test]
async fn a_refusal_is_remembered_in_words_and_not_repeated_for_ever() {
    let home = Home::with_folder(RULES).await;
    home.photos("photos", 2);
    home.backfill().await;
    home.fault(PATCH, None, "not_found_404".into()).await;
    home.write("photos/p0000.jpg.xmp", &xmp("in vain"));
    home.backfill().await;
    let tried = home.library().await.calls(PATCH);
    assert_eq!(tried, 3);
    home.backfill().await;
    assert_eq!(home.library().await.calls(PATCH), tried);
    let explained = home
        .run(&["explain", "photos/p0000.jpg"])
        .await
        .expect(0)
        .stdout;
    assert!(
        explained.contains("Google Photos did not take a change of it: "),
        "{explained}"
    );
    // Other words are another question.
    home.no_faults().await;
    home.write("photos/p0000.jpg.xmp", &xmp("once more, with feeling"));
    home.backfill().await;
    let library = home.library().await;
    assert!(says(&library, "p0000.jpg", "once more, with feeling"));
    home.clean(&library).await;
}

#[tokio::test]
async fn trouble_of_the_service_delays_a_description_and_loses_none() {
    for trouble in [
        json!("concurrent_429"),
        json!("unavailable_503"),
        json!("cut_before"),
        json!("cut_after"),
        json!("unauthenticated_401"),
    ] {
        let home = Home::with_folder(RULES).await;
        home.photos("photos", 1);
        home.backfill().await;
        home.fault(PATCH, Some(1), trouble.clone()).await;
        home.write("photos/p0000.jpg.xmp", &xmp("in the end"));
        home.backfill().await;
        let library = home.library().await;
        assert!(says(&library, "p0000.jpg", "in the end"), "{trouble}");
        assert_eq!(library.calls(PATCH), 2, "{trouble}");
        home.clean(&library).await;
    }
}

#[tokio::test]
async fn words_that_change_while_their_picture_goes_up_are_not_lost() {
    let home = Home::with_folder(RULES).await;
    home.write("photos/a.jpg.xmp", &xmp("early"));
    home.fault(CREATE, Some(1), json!({"delay_ms": 1500})).await;
    let daemon = home.daemon().await;
    home.write("photos/a.jpg", &photo(1));
    home.until("the call came", |library| library.calls(CREATE) == 1)
        .await;
    home.write("photos/a.jpg.xmp", &xmp("late"));
    until_says(&home, "a.jpg", "late").await;
    let library = stop(&home, daemon).await;
    assert_eq!((library.calls(CREATE), library.calls(PATCH)), (1, 1));
}

#[tokio::test]
async fn words_of_a_call_whose_answer_was_lost_give_way_to_those_of_today() {
    let home = Home::with_folder(RULES).await;
    home.write("photos/a.jpg", &photo(1));
    home.write("photos/a.jpg.xmp", &xmp("of the lost call"));
    let made = json!({"hang": true, "commit": true});
    home.fault(CREATE, Some(1), made).await;
    let running = home.start(&["backfill"]);
    home.until("it was made", |library| library.n_items() == 1)
        .await;
    running.kill();
    home.write("photos/a.jpg.xmp", &xmp("of today"));
    // By then its token is dead, and the call cannot be repeated.
    home.pass(26 * 3600).await;
    home.backfill().await;
    let library = home.library().await;
    home.clean(&library).await;
    assert_eq!(described(&library)["a.jpg"], "of today");
    assert_eq!(library.calls(PATCH), 1);
}
