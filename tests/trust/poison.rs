//! Files that nobody can send: whatever one of them does to the service, the others arrive, and their
//! album stands in order.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use super::support::{
    home::{Home, names},
    media,
};

const CREATE: &str = "mediaItems.batchCreate";

/// Eight photos, of which the service cannot take one; the others arrive, the one is set aside with
/// a reason, and `retry` brings it once the service can.
async fn one_of_eight(method: &str, action: Value) {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("retry.max_attempts", "2");
    home.set("retry.server_error_base", "'5ms'");
    home.set("retry.rate_limit_base", "'5ms'");
    let mut files: Vec<PathBuf> = home.photos("photos", 7);
    let poison = home.taken("photos/poison.png", 1, &png());
    home.fault(method, None, action.clone()).await;
    let daemon = home.daemon().await;
    let mut n = 0;
    // Others go on coming: a service that fails at everything would be no fault of this one.
    while home.status().await["items"]["failed"] != 1 {
        n += 1;
        assert!(n < 200, "{action} {:#}", home.status().await);
        files.push(home.taken(
            format!("photos/more{n}.jpg"),
            60 + n,
            &media::photo(1000 + n),
        ));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let all = files.len() as u64;
    home.until_status("the others arrive", |status| {
        status["items"]["created"] == all
    })
    .await;
    let failure = home.status().await["failures"][0].clone();
    assert!(
        failure["path"].as_str().unwrap().ends_with("poison.png"),
        "{action} {failure}"
    );
    assert!(
        !failure["reason"].as_str().unwrap().is_empty(),
        "{action} {failure}"
    );
    daemon.stop().await.expect(0);
    let library = home.library().await;
    assert_eq!(library.names_in("Rome"), names(&files), "{action}");
    home.no_faults().await;
    home.run(&["retry", "--all"]).await.expect(0);
    home.backfill().await;
    files.insert(2, poison);
    let library = home.library().await;
    library.has_exactly(&files);
    assert_eq!(library.names_in("Rome"), names(&files), "{action}");
}

fn png() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x28\0\0\0\x1e\x08\0\0\0\0".to_vec();
    bytes.extend(media::photo(4));
    bytes
}

#[tokio::test]
async fn an_item_that_makes_the_whole_call_refused() {
    let body = json!({"error": {"code": 400, "message": "Never.", "status": "INVALID_ARGUMENT"}});
    let answer = json!({"answer": {"status": 400, "body": body}, "only_with": "poison.png"});
    one_of_eight(CREATE, answer).await;
}

#[tokio::test]
async fn an_item_that_makes_the_service_fail_at_the_whole_call() {
    let action = json!({"canned": "server_500", "only_with": "poison.png"});
    one_of_eight(CREATE, action).await;
}

#[tokio::test]
async fn an_item_whose_call_is_never_answered() {
    let action = json!({"cut_before": true, "only_with": "poison.png"});
    one_of_eight(CREATE, action).await;
}

#[tokio::test]
async fn a_file_whose_upload_always_fails() {
    let action = json!({"canned": "server_500", "only_with": "image/png"});
    one_of_eight("uploads.raw", action).await;
}

/// Photos that come while the daemon is at files of which the service takes none: they arrive, and the
/// first have not failed for good, because until then nobody could know whose fault it was.
async fn others_come_later(poisons: u64) {
    let home = Home::with_folder("album = 'name:Rome'").await;
    let action = json!({"canned": "server_500", "only_with": "image/png"});
    home.fault("uploads.raw", None, action).await;
    let daemon = home.daemon().await;
    for n in 0..poisons {
        // The first of the album and the first that came: whatever the order, they are in front.
        home.taken(
            format!("photos/a{n}.png"),
            n,
            &[png(), n.to_be_bytes().to_vec()].concat(),
        );
    }
    home.until("they were tried", |library| {
        library.calls("uploads.raw") > 3 * poisons
    })
    .await;
    let mut files: Vec<PathBuf> = (0..20)
        .map(|n| home.taken(format!("photos/b{n}.jpg"), 60 + n, &media::photo(60 + n)))
        .collect();
    home.until_status("the others arrive", |status| {
        status["items"]["created"] == 20
    })
    .await;
    home.no_faults().await;
    home.run(&["retry", "--all"]).await.expect(0);
    files.extend((0..poisons).map(|n| home.path(format!("photos/a{n}.png"))));
    home.until_status("and they themselves", |status| {
        status["items"]["created"] == 20 + poisons
    })
    .await;
    daemon.stop().await.expect(0);
    home.library().await.has_exactly(&files);
}

#[tokio::test]
async fn a_file_that_always_fails_does_not_stand_before_those_that_come_later() {
    others_come_later(1).await;
}

#[tokio::test]
async fn files_that_always_fail_do_not_stand_before_those_that_come_later() {
    others_come_later(3).await;
}

#[tokio::test]
async fn an_item_that_the_service_cannot_make() {
    one_of_eight(CREATE, json!({"item_codes": {"poison.png": 13}})).await;
}

/// The same in a backfill, which has nothing else to come: it ends by itself, and its code tells.
async fn one_of_eight_in_a_backfill(method: &str, action: Value) {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("retry.max_attempts", "3");
    home.set("retry.server_error_base", "'5ms'");
    home.set("retry.rate_limit_base", "'5ms'");
    let mut files: Vec<PathBuf> = home.photos("photos", 7);
    let poison = home.taken("photos/poison.png", 1, &png());
    home.fault(method, None, action.clone()).await;
    let ran = home.run(&["backfill"]).await;
    assert_eq!(ran.code, Some(1), "{action} {ran:?}");
    assert!(
        ran.stdout.contains("poison.png: failed"),
        "{action} {ran:?}"
    );
    let library = home.library().await;
    library.has_exactly(&files);
    assert_eq!(library.names_in("Rome"), names(&files), "{action}");
    let status = home.status().await;
    assert_eq!(status["items"]["created"], 7, "{action} {status:#}");
    assert_eq!(status["items"]["failed"], 1, "{action} {status:#}");
    home.no_faults().await;
    home.run(&["retry", "--all"]).await.expect(0);
    home.backfill().await;
    files.insert(2, poison);
    let library = home.library().await;
    library.has_exactly(&files);
    assert_eq!(library.titles(), ["Rome"]);
    assert_eq!(library.names_in("Rome"), names(&files), "{action}");
}

#[tokio::test]
async fn a_backfill_ends_beside_an_item_that_the_service_cannot_make() {
    let action = json!({"item_codes": {"poison.png": 13}});
    one_of_eight_in_a_backfill(CREATE, action).await;
}

#[tokio::test]
async fn a_backfill_ends_beside_an_item_whose_calls_are_refused() {
    let body = json!({"error": {"code": 400, "message": "Never.", "status": "INVALID_ARGUMENT"}});
    let action = json!({"answer": {"status": 400, "body": body}, "only_with": "poison.png"});
    one_of_eight_in_a_backfill(CREATE, action).await;
}

#[tokio::test]
async fn a_backfill_ends_beside_an_item_at_which_the_service_fails() {
    let action = json!({"canned": "server_500", "only_with": "poison.png"});
    one_of_eight_in_a_backfill(CREATE, action).await;
}

#[tokio::test]
async fn a_backfill_ends_beside_an_item_whose_calls_get_no_answer() {
    let action = json!({"cut_before": true, "only_with": "poison.png"});
    one_of_eight_in_a_backfill(CREATE, action).await;
}

#[tokio::test]
async fn a_backfill_ends_beside_a_file_whose_upload_fails() {
    let action = json!({"canned": "server_500", "only_with": "image/png"});
    one_of_eight_in_a_backfill("uploads.raw", action).await;
}

#[tokio::test]
async fn a_backfill_ends_beside_two_items_that_make_both_halves_refused() {
    let home = Home::with_folder("album = 'name:Rome'\norder = 'name'").await;
    let good: Vec<PathBuf> = home.photos("photos", 12);
    let poison = [(2, "p0001-poison.png"), (9, "p0009-poison.png")].map(|(minute, name)| {
        home.taken(
            format!("photos/{name}"),
            minute,
            &[&png()[..], name.as_bytes()].concat(),
        )
    });
    let body = json!({"error": {"code": 400, "message": "Never.", "status": "INVALID_ARGUMENT"}});
    let action = json!({"answer": {"status": 400, "body": body}, "only_with": "poison.png"});
    home.fault(CREATE, None, action).await;
    let ran = home.run(&["backfill"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    home.library().await.has_exactly(&good);
    assert_eq!(home.status().await["items"]["failed"], 2);
    home.no_faults().await;
    home.run(&["retry", "--all"]).await.expect(0);
    home.backfill().await;
    home.library()
        .await
        .has_exactly(&[good, poison.to_vec()].concat());
}

#[tokio::test]
async fn a_service_that_refuses_everything_for_a_while_fails_nobody() {
    for refusal in ["forbidden_403", "not_found_404"] {
        let mut home = Home::with_folder("album = 'none'").await;
        home.set("retry.max_attempts", "2");
        home.set("retry.server_error_base", "'5ms'");
        home.fault(CREATE, None, json!(refusal)).await;
        let files = home.photos("photos", 20);
        let daemon = home.daemon().await;
        // Whole, once more, in halves, and each that goes alone twice.
        home.until("it is asked again and again", |library| {
            library.calls(CREATE) >= 30
        })
        .await;
        let status = home.status().await;
        assert_eq!(status["items"]["failed"], 0, "{status:#}");
        assert_eq!(status["items"]["uploaded"], 20, "{status:#}");
        home.no_faults().await;
        home.until_status("all are made", |status| status["items"]["created"] == 20)
            .await;
        daemon.stop().await.expect(0);
        let library = home.all_there(&files).await;
        assert_eq!(library.calls("uploads.raw"), 20);
    }
}

/// Real files of every kind, damaged where parsers look: their heads are what says when they were
/// taken and what is written about them.
fn damaged() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut chance = fastrand::Rng::with_seed(7);
    let mut real: Vec<_> = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|extension| extension != "md") && path.is_file()
        })
        .collect();
    real.sort();
    for path in real {
        let name = path.file_name().unwrap().to_str().unwrap();
        let whole = fs::read(&path).unwrap();
        for n in 0..12 {
            let mut bytes = whole.clone();
            for _ in 0..=n {
                // Behind the first bytes, by which the kind is known, and mostly in the head.
                let at = chance.usize(16..bytes.len().min(2_000));
                match chance.u8(0..4) {
                    0 => bytes[at] = 0xff,
                    1 => bytes[at] ^= 1 << chance.u8(0..8),
                    2 => bytes.truncate(at.max(200)),
                    _ => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0),
                }
            }
            // Unlike all others, whatever became of it.
            bytes.extend(format!("{n} of {name}").as_bytes());
            files.push((format!("{n}-{name}"), bytes));
        }
    }
    files
}

#[tokio::test]
async fn files_whose_metadata_is_damaged_go_up_like_all_others() {
    let home =
        Home::with_folder("album = '{year}'\norder = 'taken'\ndescription = 'sidecar'").await;
    let mut files: Vec<PathBuf> = damaged()
        .into_iter()
        .zip(100..)
        .map(|((name, bytes), minute)| home.taken(format!("photos/{name}"), minute, &bytes))
        .collect();
    assert!(files.len() > 50);
    files.extend(home.photos("photos", 5));
    let ran = home.backfill().await;
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let status = home.status().await;
    let refused = status["items"]["skipped"].as_u64().unwrap();
    assert_eq!(refused, 0, "{:#}", status["failures"]);
    home.library().await.has_exactly(&files);
}
