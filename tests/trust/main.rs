//! Trust: the account, the limits of the service, files that nobody can send, secrets, and what the
//! doctor finds.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod account;
mod client;
mod doctor;
mod ladder;
mod limits;
mod login;
mod poison;
mod redirects;
mod secrets;
mod stuck;

use serde_json::{Value, json};

use support::{
    child::Running,
    home::{Home, LOOK, secret},
};

/// Leaves a sign-in of `client_id` that began so many days ago, by the program's clock.
fn signed_in(home: &Home, client_id: &str, days: i64) {
    let since = home.now() - jiff::SignedDuration::from_hours(24 * days);
    let file = home.path("state/token.json");
    let mut tokens: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    tokens["client_id"] = client_id.into();
    tokens["obtained_at"] = since.to_string().into();
    tokens["access_token"] = secret("over").into();
    tokens["expires_at"] = "2026-01-01T01:00:00Z".into();
    write_private(&file, &tokens.to_string());
}

/// The client secret file of this client.
fn client(home: &Home, client_id: &str) {
    let secret = json!({"installed": {"client_id": client_id, "client_secret": secret("client"),
        "redirect_uris": ["http://localhost"]}});
    write_private(&home.path("client_secret.json"), &secret.to_string());
}

/// Replaces a file by one that only its owner can read.
fn write_private(file: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let new = file.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(new, file).unwrap();
}

/// Where the user consents, once `login --no-browser` says so.
async fn consent_address(login: &Running) -> String {
    loop {
        let said = login.stdout();
        if let Some(address) = said.strip_suffix('\n') {
            return address.to_owned();
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The first lines of `status`: what it is, and what can be done.
async fn headline(home: &Home) -> String {
    let ran = home.run(&["status"]).await.expect(0);
    ran.stdout.split("\n\n").next().unwrap().to_owned()
}

/// Waits until a daemon has put all of them into the library.
async fn all_there_by_daemon(
    home: &Home,
    files: &[std::path::PathBuf],
) -> support::library::Library {
    let n = files.len() as u64;
    home.until_status("all is there", |status| {
        status["items"]["created"] == n && status["placements"]["wanted"] == 0
    })
    .await;
    home.all_there(files).await
}
