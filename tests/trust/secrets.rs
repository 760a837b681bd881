//! No secret is in anything that the program prints or keeps outside of the places made for it.

use std::fs;

use serde_json::{Value, json};

use super::{headline, support::home::Home, write_private};

const CLIENT_SECRET: &str = "a-client-secret-nobody-may-see";
const REFRESH: &str = "a-refresh-token-nobody-may-see";

#[tokio::test]
async fn nothing_that_was_ever_printed_holds_a_secret() {
    let mut home = Home::with_folder("album = 'name:Rome'").await;
    home.set("upload.resumable_above", "'1kB'");
    let secret = json!({"installed": {"client_id": "c", "client_secret": CLIENT_SECRET,
        "redirect_uris": ["http://localhost"]}});
    write_private(&home.path("client_secret.json"), &secret.to_string());
    home.sign_in(REFRESH);
    home.photos("photos", 3);
    home.taken("photos/v.mp4", 5, &super::support::media::video(3, 300_000));
    let trouble = [
        ("uploads.*", "server_500"),
        ("mediaItems.batchCreate", "bad_upload_token"),
        ("mediaItems.batchCreate", "garbage"),
        ("mediaItems.batchCreate", "unauthenticated_401"),
        ("oauth.token", "garbage"),
        ("uploads.*", "cut_after"),
    ];
    for (n, (method, action)) in trouble.into_iter().enumerate() {
        let rule = json!({"method": method, "times": 1, "action": action});
        home.script(json!({"rules": [rule]})).await;
        let photo = super::support::media::photo(100 + n as u64);
        home.taken(format!("photos/t{n}.jpg"), 50 + n as u64, &photo);
        let format = if n % 2 == 0 { "text" } else { "json" };
        home.run(&["-vv", "--log-format", format, "backfill"])
            .await
            .expect(0);
    }
    home.run(&["-vv", "verify"]).await.expect(0);
    home.run(&["-vv", "explain", "photos/v.mp4"])
        .await
        .expect(0);
    home.run(&["-vv", "doctor"]).await;
    home.run(&["-vv", "albums"]).await.expect(0);
    headline(&home).await;
    home.status().await;

    let secrets = secrets(&home).await;
    assert!(secrets.len() > 12, "{}", secrets.len());
    let mut read = 0;
    for entry in fs::read_dir(home.path("logs")).unwrap() {
        let file = entry.unwrap().path();
        let said = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        read += said.len();
        for secret in &secrets {
            assert!(
                !said.contains(secret.as_str()),
                "{} tells {secret}",
                file.display()
            );
        }
    }
    assert!(read > 3_000, "hardly anything was said: {read} bytes");
}

/// Everything that the service gave out, as its own record of the calls has it, and what was there
/// before.
async fn secrets(home: &Home) -> Vec<String> {
    let tokens: Value =
        serde_json::from_slice(&fs::read(home.path("state/token.json")).unwrap()).unwrap();
    let mut all = vec![
        CLIENT_SECRET.to_owned(),
        REFRESH.to_owned(),
        tokens["access_token"].as_str().unwrap().to_owned(),
    ];
    let records = home.get("/sandbox/requests").await;
    for record in records.as_array().unwrap() {
        collect(record, &mut all);
    }
    all
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == "uploadToken" => into.push(text.to_owned()),
                    _ => collect(value, into),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, into)),
        _ => {}
    }
}
