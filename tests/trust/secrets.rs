//! No secret is in anything that the program prints or keeps outside of the places made for it.
//!
//! Every end-to-end test looks for that when it is over (`support::secrets`); these are the runs that
//! print as much as they can, and hear their own secrets from the service.

use std::fs;

use serde_json::{Value, json};

use super::{
    support::{
        between::Between,
        home::{Home, secret},
        media::{photo, video},
        secrets::{MARK, told},
    },
    write_private,
};

/// Everything that any part of the program has to say, that of others as well.
fn all_is_told(home: &mut Home) {
    home.environment
        .push(("ALBUMEN_LOG".into(), "trace".into()));
}

fn log_size(home: &Home) -> u64 {
    let logs = fs::read_dir(home.path("logs")).unwrap();
    logs.map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

#[tokio::test]
async fn nothing_that_was_ever_printed_holds_a_secret() {
    for everything in [false, true] {
        let mut home = Home::with_folder("album = 'name:Rome'").await;
        home.set("upload.resumable_above", "'1kB'");
        if everything {
            all_is_told(&mut home);
        }
        home.photos("photos", 3);
        home.taken("photos/v.mp4", 5, &video(3, 300_000));
        let trouble = [
            ("uploads.*", "server_500"),
            ("mediaItems.batchCreate", "bad_upload_token"),
            ("mediaItems.batchCreate", "garbage"),
            ("mediaItems.batchCreate", "unauthenticated_401"),
            ("oauth.token", "garbage"),
            ("uploads.*", "cut_after"),
        ];
        for (n, (method, action)) in trouble.into_iter().enumerate() {
            home.fault(method, Some(1), action.into()).await;
            let n = n as u64;
            home.taken(format!("photos/t{n}.jpg"), 50 + n, &photo(100 + n));
            let format = if n.is_multiple_of(2) { "text" } else { "json" };
            home.run(&["-vv", "--log-format", format, "backfill"])
                .await
                .expect(0);
        }
        for command in ["verify", "doctor", "albums", "status", "logout"] {
            home.run(&["-vv", command]).await.expect(0);
        }
        home.run(&["-vv", "explain", "photos/v.mp4"])
            .await
            .expect(0);
        home.taken("photos/late.jpg", 90, &photo(200));
        home.run(&["-vv", "backfill"]).await.expect(3);

        let least = if everything { 30_000 } else { 3_000 };
        let size = log_size(&home);
        assert!(size > least, "hardly anything was said: {size} bytes");
        let requests = home.get("/sandbox/requests").await.to_string();
        assert!(
            told(requests.as_bytes()).is_some(),
            "there was none to be told"
        );
    }
}

/// A service that repeats what it was sent, in words too short to be cut for their length.
#[tokio::test]
async fn a_secret_that_the_service_repeats_is_not_told() {
    const CREATE: &str = "mediaItems.batchCreate";
    let mut home = Home::with_folder("").await;
    home.set("retry.max_attempts", "2");
    all_is_told(&mut home);
    home.photos("photos", 1);
    let token = secret("-of-a-photo");
    let repeats = |status: u16, words: String| {
        let body =
            json!({"error": {"code": status, "message": words, "status": "INVALID_ARGUMENT"}});
        json!({"answer": {"status": status, "body": body}})
    };
    let refresh = secret("the first");
    let client = secret("client");
    let gives = json!({"answer": {"status": 200, "body": token}});
    let item = json!({"answer": {"status": 200, "body": {"newMediaItemResults": [{"uploadToken": token,
        "status": {"code": 3, "message": format!("BAD_IMAGE: of {token}")}}]}}});
    let sign_in = json!({"answer": {"status": 400, "body": {"error": "invalid_request",
        "error_description": format!("of {refresh} and {client}")}}});
    home.script(json!({"rules": [
        {"method": "oauth.token", "times": 1, "action": sign_in},
        {"method": "uploads.raw", "times": 1, "action": repeats(400, format!("bytes with ya29.{}", secret("-of-another-time")))},
        {"method": "uploads.raw", "times": null, "action": gives},
        {"method": CREATE, "times": 1, "action": repeats(400, format!("no {token}, no item"))},
        {"method": CREATE, "times": null, "action": item},
    ]}))
    .await;
    home.run(&["-vv", "backfill"]).await;
    home.sign_in("the first");
    for _ in 0..4 {
        home.run(&["-vv", "backfill"]).await;
        home.clock(7200);
    }
    let status = home.status().await;
    let failure = &status["failures"][0];
    assert_eq!(failure["message"], "BAD_IMAGE: of …", "{status:#}");
    home.run(&["status"]).await.expect(0);
    home.run(&["explain", "photos/p0000.jpg"]).await.expect(0);
    assert!(told(token.as_bytes()).is_some());
}

#[tokio::test]
async fn a_sign_in_tells_neither_its_code_nor_its_verifier_nor_what_it_was_given() {
    let mut home = Home::with_folder("").await;
    all_is_told(&mut home);
    let between = Between::before(Some(home.sandbox.address()));
    home.set(
        "api.token_url",
        &format!("'http://{}/token'", between.address),
    );
    fs::remove_file(home.path("state/token.json")).unwrap();
    for accepted in [false, true] {
        if !accepted {
            let body = json!({"error": "invalid_grant", "error_description": "Bad Request"});
            let refused = json!({"answer": {"status": 400, "body": body}});
            home.fault("oauth.token", Some(1), refused).await;
        }
        let login = home.start(&["-vv", "login", "--no-browser"]);
        let address = super::consent_address(&login).await;
        let page = home.http.get(address).send().await.unwrap();
        assert!(told(page.text().await.unwrap().as_bytes()).is_none());
        login.ended().await.expect(if accepted { 0 } else { 3 });
    }
    let exchanges = between.heard();
    assert_eq!(exchanges.len(), 2);
    for exchange in &exchanges {
        let form = exchange.split("\r\n\r\n").nth(1).unwrap();
        let fields = url::form_urlencoded::parse(form.as_bytes());
        let verifier = fields
            .into_iter()
            .find_map(|(name, value)| (name == "code_verifier").then(|| value.into_owned()))
            .unwrap();
        assert!(form.contains(MARK), "the code has its mark");
        for file in fs::read_dir(home.path("logs")).unwrap() {
            let said = fs::read(file.unwrap().path()).unwrap();
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains(&verifier[..12]), "{said}");
        }
    }
}

#[tokio::test]
async fn the_places_made_for_secrets_hold_them_and_no_others_do() {
    let home = Home::with_folder("").await;
    home.photos("photos", 2);
    home.fault("mediaItems.batchCreate", None, "hang".into())
        .await;
    let daemon = home.daemon().await;
    home.until_status("a call is under way", |status| {
        status["items"]["creating"] == 2
    })
    .await;
    // As a crash leaves it: journal, socket, lock.
    daemon.kill();
    let mut with = Vec::new();
    for entry in fs::read_dir(home.path("state")).unwrap() {
        let entry = entry.unwrap();
        let is_file = entry.file_type().unwrap().is_file();
        if is_file && told(&fs::read(entry.path()).unwrap()).is_some() {
            with.push(entry.file_name().into_string().unwrap());
        }
    }
    with.sort();
    assert!(with.contains(&"token.json".to_owned()), "{with:?}");
    assert!(with.len() > 1, "{with:?}");
    let others: Vec<_> = with
        .iter()
        .filter(|name| *name != "token.json" && !name.starts_with("albumen.db"))
        .collect();
    assert_eq!(others, Vec::<&String>::new());
}

#[tokio::test]
async fn a_client_secret_that_cannot_be_read_is_not_quoted() {
    let home = Home::with_folder("").await;
    let text = format!(
        "{{\"installed\": {{\"client_secret\": \"{}",
        secret("client")
    );
    write_private(&home.path("client_secret.json"), &text);
    home.run(&["backfill"]).await;
    home.run(&["doctor"]).await.expect(2);
    let tokens: Value = serde_json::from_str("{}").unwrap();
    let broken = tokens.to_string() + &secret("token");
    write_private(&home.path("state/token.json"), &broken);
    home.run(&["backfill"]).await;
    home.run(&["doctor"]).await.expect(2);
    home.run(&["logout"]).await;
}

#[tokio::test]
async fn a_crash_leaves_no_core_with_secrets_in_it() {
    let home = Home::with_folder("").await;
    let daemon = home.daemon().await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let soft = core.unwrap().split_whitespace().nth(4);
    assert_eq!(soft, Some("0"), "{limits}");
    daemon.stop().await.expect(0);
}
