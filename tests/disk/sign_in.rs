//! The access token ends while the token file cannot be written.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    all_made,
    support::{
        disk::{Disk, ENOSPC, Shim, may_mount},
        home::Home,
        media::photo,
    },
};

fn tokens(home: &Home) -> Value {
    let bytes = fs::read(home.path("state/token.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Half a token file is not left behind.
fn only_whole_files(state: &Path) {
    let names = fs::read_dir(state).unwrap().map(|entry| entry.unwrap());
    let half: Vec<PathBuf> = names
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains(".new-"))
        .collect();
    assert!(half.is_empty(), "{half:?}");
}

#[tokio::test]
async fn a_new_token_is_used_from_memory_and_kept_once_there_is_room() {
    let mut home = Home::with_folder("").await;
    let Some(shim) = Shim::under(&mut home) else {
        return;
    };
    let daemon = home.daemon().await;
    let mut files = home.photos("photos", 3);
    all_made(&home, &files).await;
    let before = tokens(&home);
    // The file is written beside itself and put in place whole: this is its name until then.
    shim.rules(&[("write", ENOSPC, "state/token.json.new-")]);
    home.pass(4000).await;
    files.push(home.taken("photos/q0.jpg", 100, &photo(100)));
    all_made(&home, &files).await;
    assert_eq!(tokens(&home), before, "the old file is whole");
    only_whole_files(&home.path("state"));
    let said = daemon.stderr();
    assert_eq!(said.matches("cannot be written").count(), 1, "{said}");
    let status = home.status().await;
    assert_eq!(status["account"]["state"], "ready");
    shim.rules(&[]);
    while tokens(&home) == before {
        let n = 100 + files.len() as u64;
        files.push(home.taken(format!("photos/q{n}.jpg"), n, &photo(n)));
        all_made(&home, &files).await;
        assert!(n < 400, "{}", daemon.stderr());
    }
    let after = tokens(&home);
    assert_eq!(after["refresh_token"], before["refresh_token"]);
    assert_ne!(after["access_token"], before["access_token"]);
    daemon.kill();
    home.backfill().await;
    home.all_there(&files).await;
}

#[tokio::test]
async fn a_token_that_is_renewed_on_a_full_disk_leaves_the_old_file_whole() {
    const NAME: &str = "sign_in::a_token_that_is_renewed_on_a_full_disk_leaves_the_old_file_whole";
    if !may_mount(NAME) {
        return;
    }
    let home = Home::with_folder("").await;
    let disk = Disk::under_state(&home, 6);
    let daemon = home.daemon().await;
    let mut files = home.photos("photos", 3);
    all_made(&home, &files).await;
    let before = tokens(&home);
    // The token ends, and the disk fills up while the sign-in server makes a new one.
    home.fault("oauth.token", Some(1), json!({"delay_ms": 1500}))
        .await;
    home.pass(4000).await;
    files.push(home.taken("photos/q.jpg", 100, &photo(100)));
    home.until("a new token is asked for", |library| {
        library.calls("oauth.token") == 2
    })
    .await;
    disk.fill(0);
    daemon.says(&["the token file"]).await;
    assert_eq!(tokens(&home), before, "the old file is whole");
    only_whole_files(&home.path("state"));
    disk.make_room();
    all_made(&home, &files).await;
    // The old file is still good for a sign-in, or there is a newer one.
    daemon.kill();
    files.push(home.taken("photos/r.jpg", 101, &photo(101)));
    home.backfill().await;
    home.all_there(&files).await;
}
