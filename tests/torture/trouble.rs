//! What happens to the service and to the clocks from one life of the program to the next.

use std::collections::BTreeSet;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    faults::{self, Deed, FAULTS, Fault, How},
    support::{clocks::service_zone, home::Home},
};

/// How far the program's clock may be off: by more than an hour nobody can tell how old a token is.
const ASTRAY_S: i64 = 1800;

/// What the program was told for a day it must have written down so soon, in milliseconds; until
/// then it may be killed over it.
const WRITTEN_WITHIN_MS: u64 = 1000;

/// Settings as they are when nothing is wrong.
fn nothing_wrong() -> Value {
    json!({
        "single_use_tokens": false, "upload_token_lifetime_s": 86_400,
        "final_query_returns_token": true, "offset_mismatch_status": 409,
        "session_lifetime_s": 604_800, "sticky_concurrent_s": 0, "latency_ms": {},
        "album_visible_after_s": 0, "items_visible_after_s": 0, "list_oddities": false,
        "error_details": true, "token_lifetime_s": 3599, "video_processing_s": 0,
        "storage_limit_bytes": null, "daily_limit": 10_000,
    })
}

/// Clocks, faults that stand, and what was broken for good.
pub(crate) struct Trouble {
    /// Titles of albums that somebody deleted.
    pub(crate) deleted: BTreeSet<String>,
    sign_ins: u32,
    /// Whether new albums or items are seen late.
    is_late: bool,
    ways: Value,
    /// How many requests the day has, if fewer than are asked for.
    spent: Option<u64>,
    /// Faults that were not brought since the deck was shuffled.
    deck: Vec<&'static Fault>,
    /// The rules of the service's script, in its order: the fault, and how often each could be met.
    standing: Vec<(&'static str, u64)>,
    /// Faults that were met so far.
    pub(crate) met: BTreeSet<&'static str>,
    /// Times that the service's day ended.
    pub(crate) midnights: u64,
    /// Stops for the day that were kept over a death, and those that died with who was told.
    pub(crate) stops: (u64, u64),
}

impl Trouble {
    /// A day begins, at noon where the service counts days: most are of 24 hours, some of 23 or 25.
    pub(crate) async fn begin(home: &Home, rng: &mut Rng) -> Self {
        let trouble = Self {
            deleted: BTreeSet::new(),
            sign_ins: 0,
            is_late: false,
            ways: faults::ways(rng),
            spent: None,
            deck: Vec::new(),
            standing: Vec::new(),
            met: BTreeSet::new(),
            midnights: 0,
            stops: (0, 0),
        };
        let now = home.now().to_zoned(service_zone());
        let change = now.time_zone().following(now.timestamp());
        let change = change.map(|change| change.timestamp() - SignedDuration::from_hours(12));
        let first = match rng.usize(0..6) {
            nth @ 0..2 => change.take(nth + 1).last(),
            _ => None,
        };
        let first = first.map_or(now.clone(), |first| first.to_zoned(service_zone()));
        let noon = first.date().tomorrow().unwrap().at(12, 0, 0, 0);
        let noon = noon.to_zoned(service_zone()).unwrap();
        home.until_time(noon.timestamp()).await;
        trouble.as_usual(home).await;
        trouble
    }

    /// Some of it, for one life of the program.
    pub(crate) async fn comes(&mut self, home: &Home, rng: &mut Rng) {
        let was_late = std::mem::take(&mut self.is_late);
        for _ in 0..rng.u32(0..6) {
            if self.deck.is_empty() {
                self.deck = FAULTS.iter().collect();
                rng.shuffle(&mut self.deck);
            }
            if let Some(fault) = self.deck.pop() {
                self.bring(fault, home, rng).await;
            }
        }
        match rng.u8(0..12) {
            0..2 => self.over_midnight(home).await,
            // Ten minutes without an album are told by the clock.
            2..5 if self.is_late || was_late => {}
            2 => home.clock(-ASTRAY_S),
            3 => home.clock(ASTRAY_S),
            4 => home.clock(0),
            // A day without requests is a dull one.
            5..8 if is_in(home, "quota_exhausted") => {
                self.over_midnight(home).await;
            }
            _ => {}
        }
    }

    async fn bring(&mut self, fault: &'static Fault, home: &Home, rng: &mut Rng) {
        self.is_late |= fault.name.starts_with("13 ");
        match fault.how {
            How::Rules(bring) => {
                let rules = bring(rng);
                let times = |rule: &Value| rule["times"].as_u64().unwrap_or(1);
                self.standing
                    .extend(rules.iter().map(|rule| (fault.name, times(rule))));
                home.script(json!({"rules": rules})).await;
                return;
            }
            How::Settings(bring) => home.script(json!({"settings": bring(rng)})).await,
            How::Deed(deed) => {
                if !self.is_done(deed, home, rng).await {
                    return;
                }
            }
        }
        self.met.insert(fault.name);
    }

    /// Does it, if it can be done.
    async fn is_done(&mut self, deed: Deed, home: &Home, rng: &mut Rng) -> bool {
        let library = home.library().await;
        let number = |name: &str| library.0[name].as_u64().unwrap();
        match deed {
            Deed::SpendTheDay => {
                let limit = number("quota_used") + rng.u64(0..30);
                self.spent = Some(limit);
                home.script(json!({"settings": {"daily_limit": limit}}))
                    .await;
            }
            Deed::FillTheStorage => {
                let limit = number("bytes_stored") + rng.u64(0..5_000);
                home.script(json!({"settings": {"storage_limit_bytes": limit}}))
                    .await;
            }
            Deed::DeleteAnAlbum => {
                let Some(title) = rng.choice(library.titles()) else {
                    return false;
                };
                self.deleted.insert(title.to_owned());
                home.command(json!({"command": "delete_album", "title": title}))
                    .await;
            }
            Deed::SpoilAVideo => {
                let items = library.0["items"].as_array().unwrap();
                // What is to go stays for it, and would be waited for.
                let videos = items.iter().filter(|item| {
                    let name = item["filename"].as_str().unwrap();
                    item["mime"] == "video/mp4" && !name.starts_with("OUT_")
                });
                let Some(video) = rng.choice(videos.collect::<Vec<_>>()) else {
                    return false;
                };
                home.command(json!({"command": "fail_video", "id": video["id"]}))
                    .await;
            }
        }
        true
    }

    /// After the life, which ended at `died`. What a person has to mend is mended, sooner or later.
    pub(crate) async fn passes(&mut self, home: &Home, died: Instant, rng: &mut Rng) {
        self.tally(home).await;
        self.what_was_told(home, died).await;
        if rng.bool() {
            home.no_faults().await;
            self.standing.clear();
        }
        self.as_usual(home).await;
        if rng.u8(0..3) == 0 || is_in(home, "login_needed") {
            self.sign_in(home);
        }
    }

    /// All of it is over, and as much time passes as anybody asked for.
    pub(crate) async fn ends(&mut self, home: &Home) {
        home.no_faults().await;
        home.pass(50 * 3600).await;
        self.spent = None;
        self.as_usual(home).await;
        self.sign_in(home);
    }

    async fn as_usual(&self, home: &Home) {
        let mut settings = nothing_wrong();
        if let Some(limit) = self.spent {
            settings["daily_limit"] = limit.into();
        }
        home.script(json!({"settings": settings})).await;
        home.script(json!({"settings": self.ways})).await;
    }

    /// Which rules were met: those that are less than they were.
    async fn tally(&mut self, home: &Home) {
        let script = home.get("/sandbox/faults").await;
        let rules = script["rules"].as_array().unwrap();
        assert_eq!(rules.len(), self.standing.len(), "{rules:#?}");
        for (rule, (name, times)) in rules.iter().zip(&self.standing) {
            if rule["times"].as_u64() < Some(*times) {
                self.met.insert(name);
            }
        }
    }

    /// Who is killed between an answer and its own commit cannot know of a stop for the day, and the
    /// next one asks once more: for that nobody is blamed. But it must be a matter of a moment.
    async fn what_was_told(&mut self, home: &Home, died: Instant) {
        // The same goes for an access token that is to be replaced.
        home.command(json!({"command": "forget_dead_tokens"})).await;
        let stop = home.library().await.0["daily_stop"].take();
        let Some(ago) = stop["told_ms_ago"].as_u64() else {
            return;
        };
        // That of an earlier day may still stand there.
        let until: Timestamp = stop["until"].as_str().unwrap().parse().unwrap();
        let astray = SignedDuration::from_secs(2 * ASTRAY_S);
        let is_kept = |until_kept: Timestamp| until_kept >= until - astray;
        if account(home)
            .is_some_and(|(state, kept)| state == "quota_exhausted" && kept.is_some_and(is_kept))
        {
            self.stops.0 += 1;
            return;
        }
        let lived_on = ago.saturating_sub(u64::try_from(died.elapsed().as_millis()).unwrap());
        assert!(
            lived_on <= WRITTEN_WITHIN_MS,
            "a stop for the day was known for {lived_on} ms and not written down"
        );
        self.stops.1 += 1;
        home.command(json!({"command": "forget_stop"})).await;
    }

    pub(crate) fn sign_in(&mut self, home: &Home) {
        self.sign_ins += 1;
        home.sign_in(&format!("sign-in {}", self.sign_ins));
    }

    /// The next day of the service, and at least 24 hours later.
    pub(crate) async fn over_midnight(&mut self, home: &Home) {
        let now = home.now().to_zoned(service_zone());
        let next = now.checked_add(1.day().minutes(61)).unwrap();
        self.spent = None;
        self.midnights += 1;
        home.until_time(next.timestamp()).await;
        home.script(json!({"settings": {"daily_limit": 10_000}}))
            .await;
    }
}

/// Whether the account is in this state, as whoever died last wrote it down.
fn is_in(home: &Home, state: &str) -> bool {
    account(home).is_some_and(|(kept, _)| kept == state)
}

/// The state of the account and its end; none where there is no database.
fn account(home: &Home) -> Option<(String, Option<Timestamp>)> {
    let path = home.path("state/albumen.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    db.query_row(
        "SELECT state, until FROM pauses WHERE scope = 'account'",
        [],
        |row| {
            let until: Option<i64> = row.get(1)?;
            let until = until.and_then(|until| Timestamp::from_millisecond(until).ok());
            Ok((row.get(0)?, until))
        },
    )
    .ok()
}
