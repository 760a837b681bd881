//! What the service, the network and the clocks do.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::home::Home;

/// Clocks, and what was broken for good.
#[derive(Default)]
pub(crate) struct Trouble {
    /// Seconds that both clocks are ahead.
    both: i64,
    /// Titles of albums that somebody deleted.
    pub(crate) deleted: Vec<String>,
    sign_ins: u32,
}

/// Methods that may meet trouble.
const METHODS: [&str; 12] = [
    "uploads.raw",
    "uploads.start",
    "uploads.upload",
    "uploads.query",
    "mediaItems.batchCreate",
    "mediaItems.batchCreate",
    "mediaItems.batchCreate",
    "mediaItems.search",
    "albums.create",
    "albums.list",
    "albums.batchAddMediaItems",
    "albums.batchRemoveMediaItems",
];

/// What each of them may answer.
const ANSWERS: [&str; 15] = [
    "server_500",
    "unavailable_503",
    "html_502",
    "minute_429",
    "concurrent_429",
    "daily_429",
    "quota_400_flat",
    "quota_403",
    "unauthenticated_401",
    "access_dies",
    "cut_before",
    "cut_after",
    "storage_full",
    "aborted_409",
    "expire_tokens",
];

fn action(method: &str, rng: &mut Rng) -> Value {
    let create = method == "mediaItems.batchCreate";
    match rng.u8(0..12) {
        0 => json!({"canned": "server_500", "commit": true}),
        1 => json!({"hang": true, "commit": rng.bool()}),
        2 => json!({"delay_ms": rng.u64(1..300)}),
        3 if method.starts_with("uploads.") => json!({"cut_body_after": rng.u64(1..60_000)}),
        3 if create => json!({"item_codes": {"1": 13, "2": 14, "4": 8}}),
        4 if create => json!({"drop_results": [0, 3]}),
        5 if create => json!("shuffle_results"),
        6 if create => json!("garbage"),
        7 if create => json!("bad_upload_token"),
        8 if create => json!("status_207"),
        // What only the uploads know, and what they do not.
        _ => loop {
            let answer = *rng.choice(&ANSWERS).unwrap();
            let is_of_json = matches!(
                answer,
                "storage_full" | "aborted_409" | "concurrent_429" | "quota_400_flat"
            );
            if create || !is_of_json {
                return json!(answer);
            }
        },
    }
}

impl Trouble {
    /// Some of it, for one life of the program.
    pub(crate) async fn comes(&mut self, home: &Home, rng: &mut Rng) {
        let mut rules = Vec::new();
        for _ in 0..rng.u32(0..5) {
            let method = *rng.choice(&METHODS).unwrap();
            rules.push(
                json!({"method": method, "skip": rng.u64(0..6), "times": rng.u64(1..3),
                "action": action(method, rng)}),
            );
        }
        let settings = json!({"single_use_tokens": rng.u8(0..6) == 0, "list_oddities": rng.bool(),
            "sticky_concurrent_s": 0});
        home.script(json!({"rules": rules, "settings": settings}))
            .await;
        match rng.u8(0..12) {
            0 => self.ahead(home, 25 * 3600).await,
            // Half an hour: by more than an hour's error nobody can tell how old a token is.
            1 => home.clock(self.both - 1800),
            2 => home.clock(self.both + 1800),
            3 => home.clock(self.both),
            4 => {
                let library = home.library().await;
                let titles = library.titles();
                if let Some(title) = rng.choice(titles) {
                    self.deleted.push(title.to_owned());
                    home.command(json!({"command": "delete_album", "title": title}))
                        .await;
                }
            }
            5 => {
                home.fault("oauth.token", Some(1), json!("refresh_dies"))
                    .await;
            }
            _ => {}
        }
    }

    /// After the life. What a person has to mend is mended.
    pub(crate) async fn passes(&mut self, home: &Home, rng: &mut Rng) {
        if rng.bool() {
            home.no_faults().await;
        }
        self.sign_in(home);
    }

    /// All of it is over, and as much time passes as anybody asked for.
    pub(crate) async fn ends(&mut self, home: &Home) {
        home.no_faults().await;
        home.script(json!({"settings": {"single_use_tokens": false, "list_oddities": false}}))
            .await;
        self.sign_in(home);
        self.ahead(home, 50 * 3600).await;
    }

    fn sign_in(&mut self, home: &Home) {
        self.sign_ins += 1;
        home.sign_in(&format!("sign-in {}", self.sign_ins));
    }

    async fn ahead(&mut self, home: &Home, seconds: i64) {
        home.command(json!({"command": "advance_clock_s", "seconds": seconds}))
            .await;
        self.both += seconds;
        home.clock(self.both);
    }
}
