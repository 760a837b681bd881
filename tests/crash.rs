//! Killed without warning, at every moment at which something is known on one side only. After the
//! next start nothing is lost, nothing is there twice, and what had gone up does not go up again.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use support::{
    home::{Home, names},
    library::Library,
    media::{photo, video},
};

const ROME: &str = "Rome";

/// Bytes of the video, which is nearly all that there is.
const VIDEO: usize = 400_000;

/// Photos and a video that belong into an album.
struct Trip {
    home: Home,
    files: Vec<PathBuf>,
}

impl Trip {
    async fn pack() -> Self {
        let mut home = Home::with_folder("album = 'name:Rome'").await;
        home.set("upload.resumable_above", "'100kB'");
        let mut files = home.photos("photos", 4);
        files.push(home.taken("photos/video.mp4", 9, &video(1, VIDEO)));
        Self { home, files }
    }

    /// Kills a backfill while `method` is held up by `action`, after `skip` calls that go through.
    async fn kill_at(&self, method: &str, skip: u64, action: Value) {
        let rule = json!({"method": method, "skip": skip, "times": null, "action": action});
        self.home.script(json!({"rules": [rule]})).await;
        let running = self.home.start(&["backfill", "-v"]);
        self.home
            .until(method, |library| library.calls(method) > skip)
            .await;
        running.kill();
        self.home.no_faults().await;
        // What the dead process left can be read.
        let status = self.home.status().await;
        assert_eq!(status["process"]["running"], false);
    }

    /// The next run brings everything to its end.
    async fn recovers(&self) -> Library {
        self.home.backfill().await;
        let library = self.home.all_there(&self.files).await;
        assert_eq!(library.titles(), [ROME]);
        assert_eq!(library.names_in(ROME), names(&self.files));
        let size: u64 = self
            .files
            .iter()
            .map(|file| fs::metadata(file).unwrap().len())
            .sum();
        let received = library.bytes_received();
        assert!(received <= size * 12 / 10, "{received} of {size} bytes");
        let status = self.home.status().await;
        assert_eq!(status["items"]["created"], self.files.len());
        for state in [
            "queued",
            "uploading",
            "uploaded",
            "creating",
            "failed",
            "skipped",
        ] {
            assert_eq!(status["items"][state], 0, "{state}");
        }
        assert_eq!(status["placements"]["placed"], self.files.len());
        library
    }
}

/// Held before anything is done.
fn before() -> Value {
    json!("hang")
}

/// Held after it was done.
fn after() -> Value {
    json!({"hang": true, "commit": true})
}

#[tokio::test]
async fn killed_before_the_first_access_token() {
    let trip = Trip::pack().await;
    trip.kill_at("oauth.token", 0, before()).await;
    trip.recovers().await;
}

#[tokio::test]
async fn killed_while_photos_go_up() {
    let trip = Trip::pack().await;
    trip.kill_at("uploads.raw", 1, before()).await;
    trip.recovers().await;
}

#[tokio::test]
async fn killed_when_photos_were_up_and_their_tokens_on_their_way() {
    let trip = Trip::pack().await;
    trip.kill_at("uploads.raw", 1, after()).await;
    trip.recovers().await;
}

#[tokio::test]
async fn killed_before_a_session_was_opened() {
    let trip = Trip::pack().await;
    trip.kill_at("uploads.start", 0, before()).await;
    trip.recovers().await;
}

#[tokio::test]
async fn killed_when_a_session_was_opened_and_nobody_knows_it() {
    let trip = Trip::pack().await;
    trip.kill_at("uploads.start", 0, after()).await;
    let library = trip.recovers().await;
    assert_eq!(library.calls("uploads.start"), 2);
}

#[tokio::test]
async fn killed_when_the_video_was_up_and_its_token_on_its_way() {
    let trip = Trip::pack().await;
    trip.kill_at("uploads.upload", 0, after()).await;
    let library = trip.recovers().await;
    assert_eq!(
        library.calls("uploads.start"),
        1,
        "the session is used again"
    );
}

#[tokio::test]
async fn killed_before_the_album_was_made() {
    let trip = Trip::pack().await;
    trip.kill_at("albums.create", 0, before()).await;
    trip.recovers().await;
}

#[tokio::test]
async fn killed_after_the_album_was_made() {
    let trip = Trip::pack().await;
    trip.kill_at("albums.create", 0, after()).await;
    let library = trip.recovers().await;
    assert_eq!(library.calls("albums.create"), 1);
}

#[tokio::test]
async fn killed_before_a_batch_was_made() {
    let trip = Trip::pack().await;
    trip.kill_at("mediaItems.batchCreate", 0, before()).await;
    let library = trip.recovers().await;
    assert_eq!(library.calls("uploads.raw"), 4, "tokens are used again");
}

#[tokio::test]
async fn killed_after_a_batch_was_made() {
    let trip = Trip::pack().await;
    trip.kill_at("mediaItems.batchCreate", 0, after()).await;
    let library = trip.recovers().await;
    assert_eq!(library.calls("uploads.raw"), 4);
}

#[tokio::test]
async fn killed_after_a_batch_was_made_and_not_started_for_a_day() {
    for action in [before(), after()] {
        let trip = Trip::pack().await;
        trip.kill_at("mediaItems.batchCreate", 0, action).await;
        trip.home.pass(26 * 3600).await;
        trip.home.backfill().await;
        let library = trip.home.all_there(&trip.files).await;
        assert_eq!(library.names_in(ROME), names(&trip.files));
    }
}

#[tokio::test]
async fn killed_while_a_limit_was_waited_for_it_is_waited_for_by_the_next() {
    for method in ["uploads.raw", "mediaItems.batchCreate", "albums.create"] {
        let mut trip = Trip::pack().await;
        trip.home.set("retry.rate_limit_base", "'1500ms'");
        let rule = json!({"method": method, "action": "minute_429"});
        let hurry = json!({"rate_limit_scale": 0.05});
        trip.home
            .script(json!({"rules": [rule], "settings": hurry}))
            .await;
        let running = trip.home.start(&["backfill", "-v"]);
        // What was told is recorded.
        running.says(&["the lane waits", "uploads wait"]).await;
        running.kill();
        trip.recovers().await;
    }
}

#[tokio::test]
async fn killed_while_an_album_was_looked_for() {
    let trip = Trip::pack().await;
    let cut = json!({"method": "albums.create", "action": "cut_after"});
    trip.home.script(json!({"rules": [cut]})).await;
    trip.kill_at("albums.list", 0, before()).await;
    let library = trip.recovers().await;
    assert_eq!(library.calls("albums.create"), 1);
}

#[tokio::test]
async fn killed_before_and_after_items_joined_a_further_album() {
    for action in [before(), after()] {
        let mut trip = Trip::pack().await;
        trip.recovers().await;
        trip.home.folder("again", "album = 'name:Again'");
        // Tokens are dead by then: what is known can only be appended.
        trip.home.pass(26 * 3600).await;
        for n in 0..4 {
            trip.home.taken(format!("again/p{n:04}.jpg"), n, &photo(n));
        }
        trip.kill_at("albums.batchAddMediaItems", 0, action).await;
        trip.home.backfill().await;
        let library = trip.home.all_there(&trip.files).await;
        assert_eq!(library.titles(), ["Again", ROME]);
        assert_eq!(library.names_in("Again"), names(&trip.files[..4]));
    }
}

#[tokio::test]
async fn killed_again_and_again_at_each_kind_of_call() {
    let trip = Trip::pack().await;
    for method in [
        "uploads.start",
        "uploads.upload",
        "albums.create",
        "mediaItems.batchCreate",
    ] {
        let done = trip.home.library().await.calls(method);
        // The photos do not wait for the video: their album may be made while it is held up, and an
        // album is made once.
        if method == "albums.create" && done > 0 {
            continue;
        }
        trip.kill_at(method, done, after()).await;
    }
    let library = trip.recovers().await;
    assert_eq!(library.calls("albums.create"), 1);
}

#[tokio::test]
async fn a_daemon_that_was_killed_is_followed_by_one_that_ends_its_work() {
    let mut trip = Trip::pack().await;
    trip.home.set("verify.after", "'0s'");
    trip.home.fault("mediaItems.batchGet", None, before()).await;
    let daemon = trip.home.daemon().await;
    trip.home
        .until("the question", |library| {
            library.calls("mediaItems.batchGet") > 0
        })
        .await;
    daemon.kill();
    trip.home.no_faults().await;
    let daemon = trip.home.daemon().await;
    let n = trip.files.len();
    trip.home
        .until_status("verified", |status| status["items"]["verified"] == n)
        .await;
    daemon.stop().await.expect(0);
    trip.home.all_there(&trip.files).await;
}
