//! The program before a service that answers without measure. The answer is thrown away, what it was
//! about is repeated word for word or tried again, and memory does not grow with it.

use std::fs;

use crate::{
    mouth::{Bad, Mouth},
    support::{child::Running, home::Home},
};

/// The most memory that the program ever has, KiB: it says nothing of the size of what it hears.
const MOST_KIB: u64 = 64 << 10;

/// Answers that end by their size; slow ones end by the clock, which `client` hurries.
const WITHOUT_MEASURE: [Bad; 6] = [
    Bad::LongBody,
    Bad::LongRefusal,
    Bad::EndlessBody,
    Bad::EndlessHeaders,
    Bad::LongHeader,
    Bad::Bomb,
];

/// A home whose service is behind a mouth.
async fn home() -> (Home, Mouth) {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    let mouth = Mouth::before(home.sandbox.address());
    let url = format!("http://{}", mouth.address);
    home.set("api.endpoint", &format!("'{url}'"));
    home.set("api.token_url", &format!("'{url}/token'"));
    (home, mouth)
}

/// The most memory that a process ever had, KiB.
fn peak_kib(process: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

/// The daemon gets ten photos up although some answers to calls of `target` are bad.
async fn all_goes_up_beside(bad: Bad, target: &'static str) {
    let (home, mouth) = home().await;
    let files = home.photos("photos", 10);
    mouth.spoils(bad, target, 3);
    let daemon = home.daemon().await;
    let what = format!("all is there beside {bad:?} of {target}");
    home.until_status(&what, |status| {
        status["placements"]["placed"] == 10 && status["items"]["created"] == 10
    })
    .await;
    let peak = peak_kib(&daemon);
    assert!(peak < MOST_KIB, "{bad:?} of {target}: {peak} KiB");
    assert_eq!(mouth.spoiled(), 3);
    let said = mouth.said();
    assert!(
        said < 3 * (128 << 20),
        "{bad:?} of {target}: took {said} bytes"
    );
    home.all_there(&files).await;
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn an_upload_that_is_answered_without_measure_is_sent_again() {
    for bad in WITHOUT_MEASURE {
        all_goes_up_beside(bad, "/v1/uploads").await;
    }
}

#[tokio::test]
async fn a_batch_that_is_answered_without_measure_is_repeated() {
    for bad in WITHOUT_MEASURE {
        all_goes_up_beside(bad, ":batchCreate").await;
    }
}

#[tokio::test]
async fn a_sign_in_that_is_answered_without_measure_is_tried_again() {
    for bad in WITHOUT_MEASURE {
        all_goes_up_beside(bad, "/token").await;
    }
}

#[tokio::test]
async fn uploads_go_on_while_a_batch_is_answered_a_byte_a_second() {
    for bad in [Bad::SlowBody, Bad::SlowHeaders, Bad::Silence] {
        let (home, mouth) = home().await;
        home.photos("photos", 3);
        mouth.spoils(bad, ":batchCreate", 1);
        let daemon = home.daemon().await;
        home.until_status("the lane waits for its answer", |status| {
            mouth.spoiled() == 1 && status["items"]["creating"] != 0
        })
        .await;
        let creating = home.status().await["items"]["creating"].as_u64().unwrap();
        let more = home.photos("photos", 9).len() as u64;
        home.until_status("the others are uploaded meanwhile", |status| {
            status["items"]["uploaded"].as_u64() == Some(more - creating)
        })
        .await;
        assert!(peak_kib(&daemon) < MOST_KIB);
        daemon.kill();
    }
}
