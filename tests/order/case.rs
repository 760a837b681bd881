//! One random case: a home, some albums, rounds of photos, trouble, and what must be true in the end.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::support::{
    home::{Home, LOOK, set_taken},
    media::{photo, photo_taken, video},
    service::RATE_LIMIT_MS,
};

const CREATE: &str = "mediaItems.batchCreate";

/// The most items of a call.
const FULL: usize = 50;

/// Larger files are not waited for, bytes.
const LARGE: usize = 20_000;

/// The orders of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Taken,
    Name,
    Modified,
    Arrival,
}

/// What goes wrong in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Items of calls fail, calls are refused whole, uploads break.
    Refusals,
    /// Answers are lost, calls are refused whole, the process is killed.
    Losses,
    /// Nothing but late photos and large ones.
    None,
    /// Refusals and losses together. If some items of a call fail and its answer is lost as well, its
    /// repetition makes those behind the others, and no client can keep the order; but it must
    /// know what stands out of it.
    All,
}

impl Trouble {
    pub(crate) const ALL: [Self; 4] = [Self::Refusals, Self::Losses, Self::None, Self::All];

    fn loses(self) -> bool {
        matches!(self, Self::Losses | Self::All)
    }

    fn refuses(self) -> bool {
        matches!(self, Self::Refusals | Self::All)
    }
}

/// A photo or video of the case.
#[derive(Debug, Clone)]
struct Shot {
    path: PathBuf,
    album: &'static str,
    /// What the album is ordered by; the name's number last.
    key: (u64, u64),
    is_large: bool,
    round: usize,
}

impl Shot {
    fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }
}

pub(crate) struct Case {
    home: Home,
    rng: Rng,
    order: Order,
    trouble: Trouble,
    shots: Vec<Shot>,
    numbers: Vec<u64>,
    seed: u64,
    calls_before: u64,
}

impl Case {
    pub(crate) async fn new(seed: u64, order: Order, trouble: Trouble) -> Self {
        let mut rng = Rng::with_seed(seed * 4 + order as u64);
        let mut home = Home::new().await;
        home.set("upload.resumable_above", &format!("'{LARGE}B'"));
        home.set("upload.parallel", &rng.u8(1..8).to_string());
        let word = format!("{order:?}").to_lowercase();
        home.folder("all", &format!("album = 'folder'\norder = '{word}'"));
        let mut numbers: Vec<u64> = (1..2000).collect();
        rng.shuffle(&mut numbers);
        Self {
            home,
            rng,
            order,
            trouble,
            shots: Vec::new(),
            numbers,
            seed,
            calls_before: 0,
        }
    }

    /// All rounds, and the look at the end of each.
    pub(crate) async fn run(mut self) {
        for round in 0..self.rng.usize(2..5) {
            let by_daemon = self.rng.u8(0..3) == 0;
            let new = self.shoot(round);
            let refusals = self.script().await;
            if by_daemon {
                self.by_daemon(&new).await;
            } else {
                self.by_backfill(&new).await;
            }
            self.home.no_faults().await;
            self.check(&new, (!by_daemon).then_some(refusals)).await;
        }
    }

    /// Photos of one round, not written yet.
    fn shoot(&mut self, round: usize) -> Vec<Shot> {
        let n = match self.rng.u8(0..4) {
            0 => self.rng.usize(1..4),
            1 => self.rng.usize(48..53),
            _ => self.rng.usize(5..90),
        };
        (0..n).map(|_| self.shot(round)).collect()
    }

    fn shot(&mut self, round: usize) -> Shot {
        let number = self.numbers.pop().unwrap();
        let album = self.rng.choice(["Oslo", "Oslo", "Rome"]).unwrap();
        let is_large = self.rng.u8(0..25) == 0;
        // Few minutes, so that some were taken at the same time.
        let minute = self.rng.u64(0..120);
        let kind = if is_large { "mp4" } else { "jpg" };
        let key = match self.order {
            Order::Taken | Order::Modified => minute,
            Order::Name => 0,
            Order::Arrival => round as u64,
        };
        Shot {
            path: self.home.path(format!("all/{album}/IMG_{number}.{kind}")),
            album,
            key: (key, number),
            is_large,
            round,
        }
    }

    fn write(&mut self, shot: &Shot) {
        let (minute, number) = shot.key;
        let content = self.seed * 10_000 + number;
        let by_camera = self.order == Order::Taken && self.rng.bool();
        let bytes = if shot.is_large {
            video(content, LARGE + self.rng.usize(1..LARGE))
        } else if by_camera {
            let taken = format!("2024:05:01 {:02}:{:02}:00", 12 + minute / 60, minute % 60);
            photo_taken(content, &taken)
        } else {
            photo(content)
        };
        let new = self.home.write("new", &bytes);
        let told = !by_camera || shot.is_large;
        set_taken(&new, if told { minute } else { self.rng.u64(0..120) });
        std::fs::create_dir_all(shot.path.parent().unwrap()).unwrap();
        std::fs::rename(new, &shot.path).unwrap();
    }

    /// Scripts the trouble of a round; gives how many calls it can cost.
    async fn script(&mut self) -> u64 {
        let items: &[Value] = &[
            json!({"item_codes": {"0": 13}}),
            json!({"item_codes": {"1": 14, "4": 8, "30": 4}}),
            json!({"item_codes": {"2": 3}}),
            json!({"item_codes": {"0": 13, "1": 13, "2": 13, "3": 13}}),
            json!({"drop_results": [0, 3]}),
            json!("shuffle_results"),
        ];
        let whole: &[Value] = &[
            json!("unavailable_503"),
            json!("concurrent_429"),
            json!("minute_429"),
            json!("aborted_409"),
            json!("bad_upload_token"),
            json!("html_502"),
        ];
        let lost: &[Value] = &[
            json!("cut_after"),
            json!("cut_before"),
            json!("garbage"),
            json!("empty"),
            json!({"canned": "server_500", "commit": true}),
        ];
        let uploads: &[Value] = &[json!("unavailable_503"), json!("empty"), json!("cut_after")];
        let creates = match self.trouble {
            Trouble::Refusals => [items, whole].concat(),
            Trouble::Losses => [lost, whole].concat(),
            Trouble::All => [items, whole, lost].concat(),
            Trouble::None => return 0,
        };
        let mut rules = Vec::new();
        let mut cost = 0;
        for skip in 0..3_u64 {
            if self.rng.bool() {
                let action = self.rng.choice(&creates).unwrap();
                // What fails goes by itself: at most so many items of a script, and the call itself.
                cost += 5;
                rules.push(json!({"method": CREATE, "skip": skip, "action": action}));
            }
        }
        if self.trouble.refuses() {
            for _ in 0..self.rng.u64(0..4) {
                let action = self.rng.choice(uploads).unwrap();
                cost += 1;
                let skip = self.rng.u64(0..40);
                rules.push(json!({"method": "uploads.raw", "skip": skip, "action": action}));
            }
        }
        self.home.script(json!({ "rules": rules })).await;
        cost
    }

    /// Photos that are there when a backfill begins; some runs of it end early.
    async fn by_backfill(&mut self, new: &[Shot]) {
        for shot in new {
            self.write(shot);
        }
        if self.trouble.loses() {
            for _ in 0..self.rng.u8(0..3) {
                let after = self.rng.u64(1..20 + new.len() as u64);
                self.killed_after(after, &["backfill"]).await;
            }
        }
        self.home.backfill().await;
    }

    /// Photos that come one after another while a daemon runs, which dies now and then.
    async fn by_daemon(&mut self, new: &[Shot]) {
        let mut daemon = self.home.daemon().await;
        for shot in new {
            self.write(shot);
            if self.trouble.loses() && self.rng.usize(0..new.len()) == 0 {
                daemon.kill();
                self.pause().await;
                daemon = self.home.daemon().await;
            }
        }
        let wanted = self.shots.len() + new.len();
        self.home
            .until_status("all is placed", |status| {
                status["items"]["created"] == wanted && status["placements"]["placed"] == wanted
            })
            .await;
        daemon.stop().await.expect(0);
    }

    async fn killed_after(&self, requests: u64, arguments: &[&str]) {
        let pulled_at = self.home.library().await.requests() + requests;
        let mut running = self.home.start(arguments);
        while running.runs() && self.home.library().await.requests() < pulled_at {
            tokio::time::sleep(LOOK).await;
        }
        running.kill();
        self.pause().await;
    }

    /// A pause that the service asked for in the very last moment is over before the next start: a
    /// process that dies before it can write it down cannot keep it.
    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(2 * RATE_LIMIT_MS)).await;
    }

    /// Everything is there, in order; `cost` is what trouble may have cost a backfill.
    async fn check(&mut self, new: &[Shot], cost: Option<u64>) {
        let late = self.late(new);
        self.shots.extend_from_slice(new);
        let files: Vec<PathBuf> = self.shots.iter().map(|shot| shot.path.clone()).collect();
        let library = self.home.all_there(&files).await;
        let mut out_of_order = 0;
        for album in ["Oslo", "Rome"] {
            let mut expected: Vec<&Shot> = self.shots.iter().filter(|s| s.album == album).collect();
            expected.sort_by_key(|shot| shot.key);
            let stands = library.names_in(album);
            let place = |name: &&str| match self.order {
                // Within a round the moment of the scan decides, which nobody else knows.
                Order::Arrival => expected.iter().find(|s| s.name() == *name).unwrap().round,
                _ => expected.iter().position(|s| s.name() == *name).unwrap(),
            };
            let places: Vec<usize> = stands.iter().map(place).collect();
            assert_eq!(places.len(), expected.len());
            if self.trouble != Trouble::All {
                assert!(
                    places.is_sorted(),
                    "{album} of seed {}: {places:?}\n{}",
                    self.seed,
                    self.history().await
                );
            }
            out_of_order += places.len() - longest_rise(&places);
        }
        let said = self.home.run(&["albums"]).await.expect(0).stdout;
        let mut told = 0;
        for line in said.lines().skip(1) {
            let cells: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(cells[2], "0", "to come: {said}");
            told += cells[3].parse::<usize>().unwrap();
        }
        assert!(
            told >= out_of_order,
            "{out_of_order} of seed {}\n{said}\n{}",
            self.seed,
            self.history().await
        );
        if self.trouble != Trouble::All {
            assert_eq!(told, 0, "{said}");
        }
        let calls = library.calls(CREATE) - self.calls_before;
        self.calls_before = library.calls(CREATE);
        if let (Some(cost), false) = (cost, self.trouble.loses()) {
            let bound = bound(new) + late + cost;
            assert!(
                calls <= bound,
                "{calls} calls, {bound} allowed; seed {}\n{}",
                self.seed,
                self.history().await
            );
        }
    }

    /// All calls that made items, for whoever has to find out what went wrong.
    async fn history(&self) -> String {
        let records = self.home.get("/sandbox/requests").await;
        let records = records.as_array().unwrap().iter();
        let mut text = String::new();
        for record in records.filter(|record| record["method"] == CREATE) {
            let request = &record["request"];
            let names: Vec<_> = request["newMediaItems"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["simpleMediaItem"]["fileName"].as_str().unwrap())
                .collect();
            let results = record["answer"]["newMediaItemResults"].as_array();
            let made =
                results.map(|all| all.iter().filter(|one| !one["mediaItem"].is_null()).count());
            let _ = writeln!(
                text,
                "{} {} {made:?} {names:?}",
                request["albumPosition"], record["status"]
            );
        }
        text
    }

    /// Runs of late ones: the gaps between others that something of this round goes to. In the order
    /// of arrival nothing is ever late.
    fn late(&self, new: &[Shot]) -> u64 {
        if self.order == Order::Arrival {
            return 0;
        }
        let mut gaps = std::collections::BTreeSet::new();
        for shot in new {
            let others = self.shots.iter().filter(|other| other.album == shot.album);
            let (before, behind): (Vec<_>, Vec<_>) = others.partition(|other| other.key < shot.key);
            if !behind.is_empty() {
                gaps.insert((shot.album, before.len()));
            }
        }
        gaps.len() as u64
    }
}

/// Calls that these need without trouble: full ones, and one for each that is passed over.
fn bound(new: &[Shot]) -> u64 {
    let mut albums: BTreeMap<&str, usize> = BTreeMap::new();
    for shot in new {
        *albums.entry(shot.album).or_default() += 1;
    }
    let full: usize = albums.values().map(|n| n.div_ceil(FULL)).sum();
    let passed_over = new.iter().filter(|shot| shot.is_large).count();
    (full + passed_over) as u64
}

/// How many of these stand in order, at most.
fn longest_rise(places: &[usize]) -> usize {
    let mut ends: Vec<usize> = Vec::new();
    for place in places {
        let at = ends.partition_point(|end| end <= place);
        match ends.get_mut(at) {
            Some(end) => *end = *place,
            None => ends.push(*place),
        }
    }
    ends.len()
}
