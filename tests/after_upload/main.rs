//! What becomes of files once their pictures are safely in the library: moved or deleted, never
//! before, never something else, and never twice.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod acting;
mod asked_anew;
mod killed;
mod ruled;
mod staying;
mod targets;
mod unrecorded;

use std::{
    fs,
    path::{Path, PathBuf},
};

use support::{home::Home, library::Library, media::photo};

const DELETE: &str = "album = 'name:Rome'\nafter_upload = 'delete'";
const MOVE: &str = "album = 'name:Rome'\nafter_upload = 'move:done'";

async fn home(rules: &str) -> Home {
    let mut home = Home::with_folder(rules).await;
    home.set("verify.after", "'0s'");
    if rules.contains("move:done") {
        fs::create_dir(home.path("done")).unwrap();
    }
    home
}

/// The files below a folder of the home, sorted.
fn below(home: &Home, folder: &str) -> Vec<String> {
    fn walk(dir: &Path, top: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                walk(&path, top, found);
            } else {
                let relative = path.strip_prefix(top).unwrap();
                found.push(relative.to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(&home.path(folder), &home.path(folder), &mut found);
    found.sort();
    found
}

async fn explained(home: &Home, path: &Path) -> String {
    let ran = home.run(&["explain", path.to_str().unwrap()]).await;
    let text = ran.expect(0).stdout;
    text.replace(home.path("").to_str().unwrap(), "HOME/")
}

/// Other folders in the configuration of a home.
fn configure(home: &Home, folders: &str) {
    let text = fs::read_to_string(home.path("config.toml")).unwrap();
    let head = &text[..text.find("[[folder]]").unwrap()];
    fs::write(home.path("config.toml"), format!("{head}{folders}")).unwrap();
}

/// Photos that are in the library for long, of folders with no word of `after_upload` until now.
async fn kept_so_far(folders: &[&str]) -> Home {
    let home = home("").await;
    for (n, folder) in (0..).zip(folders) {
        home.taken(format!("{folder}/p{n}.jpg"), n, &photo(n));
    }
    let daemon = home.daemon().await;
    home.until_status("verified", |status| {
        status["items"]["verified"] == folders.len()
    })
    .await;
    daemon.stop().await.expect(0);
    home
}

/// What the service has of files that are gone here.
fn has_all(library: &Library, contents: &[Vec<u8>]) {
    assert_eq!(library.n_items(), contents.len());
    assert!(contents.iter().all(|bytes| library.has_bytes(bytes)));
    assert_eq!(library.broken_rules(), Vec::<String>::new());
}

fn contents(files: &[PathBuf]) -> Vec<Vec<u8>> {
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}
