//! `rebuild`: a database that was lost is made again, and nothing goes up twice, nothing twice into an
//! album, and nothing to the wrong place.
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

#[path = "../support/mod.rs"]
mod support;

mod again;
mod cut_short;
mod doubt;

use std::{fs, path::PathBuf};

use serde_json::Value;

use support::{child::Ran, dated::dated, home::Home, library::Library};

trait Photographer {
    async fn access_token(&self) -> String;
    fn shot(&self, path: &str, minute: u64) -> PathBuf;
    fn shots(&self, folder: &str, n: u64) -> Vec<PathBuf>;
}

impl Photographer for Home {
    async fn access_token(&self) -> String {
        let form = [
            ("client_id", "c"),
            ("client_secret", "s"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "the first"),
        ];
        let url = format!("{}/token", self.sandbox.url());
        let answer = self.http.post(url).form(&form).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    fn shot(&self, path: &str, minute: u64) -> PathBuf {
        self.taken(path, minute, &dated(minute, minute))
    }

    fn shots(&self, folder: &str, n: u64) -> Vec<PathBuf> {
        let minute = |i| 2 * i;
        let initial = &folder.rsplit('/').next().unwrap()[..1];
        (0..n)
            .map(|i| {
                let path = format!("{folder}/{initial}{i:04}.jpg");
                let seed = 1_000 * folder.len() as u64 + minute(i);
                self.taken(path, minute(i), &dated(minute(i), seed))
            })
            .collect()
    }
}

/// The database is lost; the sign-in is not.
fn lose(home: &Home) {
    for entry in fs::read_dir(home.path("state")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("albumen.db")
        {
            fs::remove_file(path).unwrap();
        }
    }
}

fn uploads(library: &Library) -> u64 {
    library.calls("uploads.raw") + library.calls("uploads.start")
}

async fn rebuild(home: &Home) -> Ran {
    home.run(&["rebuild"]).await.expect(0)
}
