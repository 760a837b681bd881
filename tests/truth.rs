//! Is the sandbox true? A client that was written for the real service, and by others, has to work
//! with it unchanged; and what goes over the wire has to be what the service documents.
//!
//! rclone is found by `$RCLONE`, on `$PATH`, or in `~/.local/bin`. Where there is none the test says
//! that it was skipped, and fails if `ALBUMEN_REQUIRE_RCLONE=1`.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

mod support;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use support::{
    discovery::{check_against_discovery, check_records},
    front::Front,
    media,
    stand::Stand,
};

/// The binary; none if this machine has none.
fn rclone() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("RCLONE") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::home_dir().unwrap_or_default();
    std::env::split_paths(&path)
        .chain([home.join(".local/bin")])
        .map(|dir| dir.join("rclone"))
        .find(|file| file.is_file())
}

/// rclone with a remote `photos:` that is signed in, and everything it needs to find the sandbox.
struct Rclone {
    binary: PathBuf,
    dir: PathBuf,
    proxy: String,
}

impl Rclone {
    fn set_up(binary: PathBuf, dir: &Path, front: &Front) -> Self {
        let token = json!({
            "access_token": "old", "token_type": "Bearer", "refresh_token": "rclone's",
            "expiry": "2020-01-01T00:00:00Z",
        });
        let config = format!(
            "[photos]\ntype = google photos\nclient_id = c\nclient_secret = s\ntoken = {token}\n"
        );
        std::fs::write(dir.join("rclone.conf"), config).unwrap();
        std::fs::write(dir.join("ca.pem"), &front.ca_pem).unwrap();
        Self {
            binary,
            dir: dir.to_owned(),
            proxy: format!("http://{}", front.address),
        }
    }

    /// Runs it to its end; its output if it succeeded.
    async fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new(&self.binary);
        command
            .env_clear()
            .env("HOME", &self.dir)
            .env("HTTPS_PROXY", &self.proxy)
            .arg("--config")
            .arg(self.dir.join("rclone.conf"))
            .arg("--ca-cert")
            .arg(self.dir.join("ca.pem"))
            .args(["--retries", "1", "--low-level-retries", "1"])
            .args(arguments)
            .current_dir(&self.dir);
        let output: Output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "rclone {arguments:?}: {said}");
        output.stdout
    }

    /// The lines that it prints, sorted.
    async fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let text = String::from_utf8(self.run(arguments).await).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone_copies_lists_and_reads_albums_unchanged() {
    let Some(binary) = rclone() else {
        let is_required = std::env::var_os("ALBUMEN_REQUIRE_RCLONE").is_some_and(|set| set == "1");
        assert!(
            !is_required,
            "there is no rclone, and ALBUMEN_REQUIRE_RCLONE=1"
        );
        eprintln!("skipped: there is no rclone here (set $RCLONE, or put it on $PATH)");
        return;
    };
    let stand = Stand::start().await;
    let front = Front::start(stand.sandbox.address()).await;
    let dir = tempfile::tempdir().unwrap();
    let rclone = Rclone::set_up(binary, dir.path(), &front);
    let folder = dir.path().join("pictures");
    for (name, bytes) in [
        ("Rome/a.jpg", media::photo(1)),
        ("Rome/b.jpg", media::photo(2)),
        ("Oslo/fjord.jpg", media::photo(3)),
        ("Oslo/ferry.mp4", media::video(1, 100_000)),
    ] {
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }

    rclone.run(&["copy", "pictures", "photos:album"]).await;
    assert_eq!(stand.names_in("Oslo").await.len(), 2);
    assert_eq!(
        rclone.lines(&["lsf", "photos:album"]).await,
        ["Oslo/", "Rome/"]
    );
    assert_eq!(
        rclone.lines(&["lsf", "photos:album/Rome"]).await,
        ["a.jpg", "b.jpg"]
    );
    assert_eq!(rclone.lines(&["lsf", "photos:media/all"]).await.len(), 4);
    let read = rclone.run(&["cat", "photos:album/Oslo/ferry.mp4"]).await;
    assert_eq!(read, media::video(1, 100_000));

    let state = stand.state().await;
    assert_eq!(state["items"].as_array().unwrap().len(), 4);
    assert_eq!(front.strangers(), Vec::<String>::new());
    let (_, records) = stand.get("/sandbox/requests").await;
    assert!(!records.as_array().unwrap().is_empty());
    let faults: Vec<String> = check_records(&records);
    assert_eq!(faults, Vec::<String>::new());
    // rclone does not say what it uploads; else it keeps the rules.
    let mut broken = stand.broken_rules().await;
    broken.sort();
    broken.dedup();
    assert_eq!(broken, ["content_type", "upload_content_type"]);
}

#[test]
fn the_checker_of_calls_finds_planted_mistakes() {
    let check = |method: &str, path: &str, query: &str, request: Value, answer: Value| {
        let present = |value: Value| Some(value).filter(|value| !value.is_null());
        check_against_discovery(
            method,
            path,
            query,
            present(request).as_ref(),
            present(answer).as_ref(),
        )
    };
    let none = Value::Null;
    let create = "mediaItems.batchCreate";
    let at = "/v1/mediaItems:batchCreate";
    let item = json!({"simpleMediaItem": {"uploadToken": "t", "fileName": "a"}});
    let good = json!({"newMediaItems": [item], "albumPosition": {"position": "FIRST_IN_ALBUM"}});
    assert!(check(create, at, "", good.clone(), none.clone()).is_empty());

    let found = |faults: Vec<String>, part: &str| {
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(part), "{faults:?}");
    };
    found(
        check(
            "albums.delete",
            "/v1/albums/x",
            "",
            none.clone(),
            none.clone(),
        ),
        "no discovery",
    );
    found(
        check(create, "/v1/mediaItems", "", good.clone(), none.clone()),
        "path",
    );
    found(
        check(create, at, "size=1", good.clone(), none.clone()),
        "no parameter size",
    );
    found(check(create, at, "", none.clone(), none.clone()), "missing");
    let mut bad = good.clone();
    bad["newMediaItems"][0]["simpleMediaItem"]["filename"] = "a".into();
    found(check(create, at, "", bad, none.clone()), "no such field");
    let mut bad = good.clone();
    bad["albumPosition"]["position"] = "LAST".into();
    found(check(create, at, "", bad, none.clone()), "LAST");
    let mut bad = good;
    bad["albumId"] = 5.into();
    found(check(create, at, "", bad, none.clone()), "no string");
    let get = |answer| {
        check(
            "mediaItems.get",
            "/v1/mediaItems/x",
            "",
            none.clone(),
            answer,
        )
    };
    assert!(get(json!({"id": "x", "mediaMetadata": {"width": "40"}})).is_empty());
    found(get(json!({"mediaMetadata": {"width": 40}})), "width");
    found(get(json!({"mediaMetadata": {"width": "wide"}})), "width");
    found(
        get(json!({"mediaMetadata": {"creationTime": "2026-11-21 08:00"}})),
        "creationTime",
    );
    found(
        get(json!({"mediaMetadata": {"photo": {"exposureTime": "1/60"}}})),
        "exposureTime",
    );
    found(get(json!([])), "object");
    found(
        check(
            "mediaItems.get",
            "/v1/mediaItems/x",
            "",
            json!({}),
            none.clone(),
        ),
        "no body",
    );
    let list = |query| {
        check(
            "albums.list",
            "/v1/albums",
            query,
            none.clone(),
            none.clone(),
        )
    };
    assert!(list("pageSize=50&excludeNonAppCreatedData=true&prettyPrint=false").is_empty());
    found(list("pageSize=many"), "wrong type");
}
